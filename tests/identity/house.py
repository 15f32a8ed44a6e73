"""Identity behind its real door, over a district in memory, with callers who are signed in."""

import re
from dataclasses import dataclass, field

import httpx
import pyotp
from joserfc.jwk import Key, KeySet, OKPKey

from contracts.types import Membership, OrganizationId, PersonKind
from services.chassis import clock
from services.chassis.keys.sealing import KeyKind
from services.chassis.web import http
from services.chassis.web.auth import Auth, SessionClaims
from services.chassis.web.health import Health
from services.chassis.web.tokens import make_access
from services.identity import api, pages
from services.identity.api.desk import Desk, Rooms
from services.identity.gateways.sessions import Sessions
from services.identity.handlers import Access, digest_of
from tests.identity.conftest import District

ORIGIN = "https://placet.example"
OPERATOR_TOKEN = "operator-token-of-tests"
HTML = {"accept": "text/html", "origin": ORIGIN}


class OneKey:
    """Identity's key, as `KeyFile` gives it, to sign and to check."""

    def __init__(self) -> None:
        self.key = OKPKey.generate_key("Ed25519", {"use": "sig"}, private=True, auto_kid=True)
        self._public = KeySet([OKPKey.import_key(self.key.as_dict(private=False))])

    def keys(self) -> KeySet:
        return self._public

    def signing_key(self, kind: KeyKind) -> Key:
        assert kind == "Ed25519"
        return self.key


@dataclass
class House:
    """Everything joined as `app.py` joins it, and a client of it."""

    district: District = field(default_factory=District)
    key: OneKey = field(default_factory=OneKey)

    def __post_init__(self) -> None:
        district = self.district
        self.auth = Auth(self.key, public_url=ORIGIN)
        self.desk = Desk(
            Rooms(
                questions=district.questions,
                organizations=district.organizations,
                readers=district.readers,
                rosters=district.rosters,
                access=Access(
                    district.work,
                    district.questions,
                    district.keys,
                    district.marks,
                    operator_digest=digest_of(OPERATOR_TOKEN),
                ),
                keys=district.keys,
                marks=district.marks,
                sessions=Sessions(self.key),
                auth=self.auth,
            )
        )
        self.app = http.build(
            "identity",
            routers=[api.routes(self.desk), pages.routes(self.desk)],
            health=Health(),
            auth=self.auth,
            public_url=ORIGIN,
        )

    def client(self, token: str = "") -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return httpx.AsyncClient(transport=httpx.ASGITransport(app=self.app), base_url=ORIGIN, headers=headers)

    def browser(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(app=self.app), base_url=ORIGIN, headers=HTML)

    def as_a(self, kind: PersonKind, organization_id: str = "org_harbor", person_id: str = "per_caller") -> str:
        """An access token of somebody with one place."""
        now = int(clock.now().timestamp())
        place = Membership(kind=kind, organization_id=OrganizationId(organization_id))
        claims = SessionClaims(sub=person_id, iat=now, exp=now + 600, jti="ses_0123456789abcdef", memberships=(place,))
        return make_access(claims, self.key.key)

    def as_operator(self) -> str:
        return self.as_a(PersonKind.OPERATOR, "org_placet", "per_operator")


def csrf_in(page: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found is not None
    return found.group(1)


def secret_in(page: str) -> str:
    """The authenticator secret as the enrolment page shows it."""
    found = re.search(r"<code>((?:[A-Z2-7]{4} )+)</code>", page)
    assert found is not None
    return found.group(1).replace(" ", "")


def code_of(secret: str, *, steps: int = 0) -> str:
    """The code that an app shows now, or so many steps of 30 seconds away."""
    now = int(clock.now().timestamp())
    return pyotp.TOTP(secret).at(now + 30 * steps)
