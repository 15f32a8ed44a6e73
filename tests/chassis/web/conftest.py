"""A small service behind the real door, called in process, and identity's keys to sign sessions with."""

from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from joserfc.jwk import OKPKey

from contracts.types import Membership, OrganizationId, PersonKind
from services.chassis.web import http
from services.chassis.web.auth import COOKIE, Auth
from services.chassis.web.health import Health
from services.chassis.web.tokens import SessionClaims, make_session
from tests.support.public_keys import PublicKeys

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
ORIGIN = "https://placet.example"


def make_key() -> OKPKey:
    return OKPKey.generate_key("Ed25519", {"use": "sig"}, private=True, auto_kid=True)


@pytest.fixture
def key() -> OKPKey:
    return make_key()


@pytest.fixture
def claims() -> SessionClaims:
    return SessionClaims(
        sub="per_01k0000000000000000000000a",
        iat=SECONDS,
        exp=SECONDS + 900,
        jti="ses_01k0000000000000000000000a",
        memberships=(Membership(kind=PersonKind.REGISTRAR, organization_id=OrganizationId("org_lincoln")),),
        csrf="c" * 43,
        name="Ada Lovelace",
    )


@pytest.fixture
def auth(key: OKPKey) -> Auth:
    return Auth(PublicKeys(key), public_url=ORIGIN, now=lambda: NOW)


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def serve(auth: Auth, health: Health) -> Callable[..., httpx.AsyncClient]:
    """Puts a router behind the door and hands out a client of it."""

    def start(router: APIRouter) -> httpx.AsyncClient:
        return client_of(http.build("toy", routers=[router], health=health, auth=auth, public_url=ORIGIN))

    return start


def client_of(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=ORIGIN)


@pytest.fixture
def session(key: OKPKey, claims: SessionClaims) -> dict[str, str]:
    """The cookie of a registrar who is signed in."""
    return {"cookie": f"{COOKIE}={make_session(claims, key)}"}
