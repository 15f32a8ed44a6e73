"""Records behind its real door, called in process, and identity's key to sign people in with."""

from pathlib import Path
from typing import Any

import httpx
import orjson
from joserfc.jwk import OKPKey

from contracts.types import Membership, OrganizationId, PersonId, PersonKind
from services.chassis import clock
from services.chassis.keys.sealing import KeyFile
from services.chassis.web import http
from services.chassis.web.auth import COOKIE, Auth
from services.chassis.web.health import Health
from services.chassis.web.tokens import (
    SessionClaims,
    StepUpClaims,
    make_access,
    make_session,
    make_step_up,
)
from services.records import api, pages
from services.records.api.desk import SEAL, Desk
from tests.records.world import OTHER_SCHOOL, REGISTRAR, SCHOOL, World
from tests.support.public_keys import PublicKeys

ORIGIN = "https://placet.example"
WHO: dict[str, tuple[PersonId, tuple[Membership, ...]]] = {
    "registrar": (REGISTRAR, (Membership(kind=PersonKind.REGISTRAR, organization_id=SCHOOL),)),
    "other registrar": (
        PersonId("per_other_registrar"),
        (Membership(kind=PersonKind.REGISTRAR, organization_id=OTHER_SCHOOL),),
    ),
    "student": (PersonId("per_student"), (Membership(kind=PersonKind.STUDENT, organization_id=SCHOOL),)),
    "guardian": (PersonId("per_guardian"), (Membership(kind=PersonKind.GUARDIAN, organization_id=SCHOOL),)),
    "other guardian": (PersonId("per_stranger"), (Membership(kind=PersonKind.GUARDIAN, organization_id=SCHOOL),)),
    "educator": (PersonId("per_educator"), (Membership(kind=PersonKind.EDUCATOR, organization_id=SCHOOL),)),
    "reader": (
        PersonId("per_reader"),
        (Membership(kind=PersonKind.READER, organization_id=OrganizationId("org_college")),),
    ),
}


class House:
    """The app over a world, and clients for the people around it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.key = OKPKey.generate_key("Ed25519", auto_kid=True)
        auth = Auth(PublicKeys(self.key), public_url=ORIGIN)
        self.desk = Desk(
            questions=world.questions,
            auth=auth,
            cabinet=world.cabinet,
            drafts=world.drafts,
            seals=world.seals,
            holds=world.holds,
        )
        public = self._public_file(world)
        routers = [api.routes(self.desk, public, public_url=ORIGIN), pages.routes(self.desk)]
        self.app = http.build("records", routers=routers, health=Health(), auth=auth, public_url=ORIGIN)

    @staticmethod
    def _public_file(world: World) -> KeyFile:
        path: Path = world.folder / "records.public.json"
        keys = [key.as_dict(private=False) for key in world.issuer.keys().keys]
        path.write_bytes(orjson.dumps({"keys": keys}))
        return KeyFile(path)

    def _claims(self, who: str) -> SessionClaims:
        person_id, memberships = WHO[who]
        now = int(clock.now().timestamp())
        return SessionClaims(
            sub=person_id,
            iat=now,
            exp=now + 900,
            jti="ses_01k0000000000000000000000a",
            memberships=memberships,
            csrf="c" * 43,
            name="Ruth Adeyemi",
        )

    def program(self, who: str | None) -> httpx.AsyncClient:
        """A client with an access token; with nothing for None."""
        headers = {"authorization": f"Bearer {make_access(self._claims(who), self.key)}"} if who else {}
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=ORIGIN, headers=headers)

    def browser(self, who: str) -> httpx.AsyncClient:
        """A client with a session cookie, that asks for pages."""
        headers = {
            "cookie": f"{COOKIE}={make_session(self._claims(who), self.key)}",
            "accept": "text/html",
            "sec-fetch-site": "same-origin",
        }
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=ORIGIN, headers=headers)

    def step_up(self, on: str, digest: str, *, who: str = "registrar", **changes: Any) -> dict[str, str]:
        """The header with which a registrar shows to be there, for this act on this object."""
        now = int(clock.now().timestamp())
        claims: dict[str, Any] = {
            "sub": WHO[who][0],
            "iat": now,
            "exp": now + 120,
            "jti": f"stp_{on}_{digest[-8:]}",
            "act": SEAL,
            "on": on,
            "digest": digest,
            "method": "totp",
        }
        return {"x-step-up": make_step_up(StepUpClaims(**{**claims, **changes}), self.key)}
