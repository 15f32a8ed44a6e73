"""Notify's HTTP app over a town in memory, and sessions as identity signs them."""

from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from joserfc.jwk import OKPKey

from contracts.types import Membership, PersonId, PersonKind
from services.chassis import clock
from services.chassis.web import http
from services.chassis.web.auth import COOKIE, Auth
from services.chassis.web.health import Health
from services.chassis.web.tokens import SessionClaims, make_session
from services.notify import api, pages
from services.notify.api.desk import Desk
from services.notify.handlers import Handlers
from services.notify.store import Questions
from tests.support.notices import SCHOOL, Town, heard, opened
from tests.support.public_keys import PublicKeys

ORIGIN = "https://placet.example"
CSRF = "c" * 43

SignIn = Callable[..., dict[str, str]]


@pytest.fixture
async def town() -> Town:
    """Everybody known, and one request opened."""
    town = await Town().settle()
    await town.hear(heard(opened(), "evt_opened"))
    return town


@pytest.fixture
def key() -> OKPKey:
    return OKPKey.generate_key("Ed25519", {"use": "sig"}, private=True, auto_kid=True)


@pytest.fixture
async def client(town: Town, key: OKPKey) -> AsyncIterator[httpx.AsyncClient]:
    questions = Questions(town.store)
    desk = Desk(Handlers(town.work, questions), questions, town.keys)
    auth = Auth(PublicKeys(key), public_url=ORIGIN)
    routers = [api.routes(desk), pages.routes(desk)]
    app = http.build("notify", routers=routers, health=Health(), auth=auth, public_url=ORIGIN)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=ORIGIN) as client:
        yield client


@pytest.fixture
def sign_in(key: OKPKey) -> SignIn:
    """The headers of somebody who is signed in in a browser, as one of these at the school."""

    def headers(person_id: PersonId, *kinds: PersonKind, school: str = SCHOOL) -> dict[str, str]:
        now = int(clock.now().timestamp())
        claims = SessionClaims(
            sub=person_id, iat=now, exp=now + 900, jti="ses_01k0000000000000000000000a", csrf=CSRF, name="Somebody",
            memberships=tuple(Membership(kind=kind, organization_id=school) for kind in kinds),
        )  # fmt: skip
        return {"cookie": f"{COOKIE}={make_session(claims, key)}", "x-csrf": CSRF}

    return headers
