"""Delivery's HTTP app in process, on a memory store, with people of every kind to call it."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
from joserfc.jwk import OKPKey

from contracts.types import Membership, OrganizationId, OrganizationKind, PersonKind
from services.chassis import clock
from services.chassis.web import http
from services.chassis.web.auth import COOKIE, Auth, SessionClaims, SubjectKind, make_access, make_session
from services.chassis.web.health import Health
from services.delivery import api, pages
from services.delivery.api.desk import Desk
from services.delivery.domain import Delivery
from services.delivery.gateways.signing import EndpointSecrets
from services.delivery.handlers import Handlers
from services.delivery.store import DELIVERIES
from tests.delivery.scene import (
    COLLEGE,
    GUARDIAN,
    ORIGIN,
    OTHER,
    SCHOOL,
    STUDENT,
    House,
    delivery,
    organization_recorded,
    person_recorded,
    watermarks_passed,
)
from tests.delivery.sealed import Sealed, own_key
from tests.support.public_keys import PublicKeys

SESSION_KEY = OKPKey.generate_key("Ed25519", {"use": "sig"}, private=True, auto_kid=True)
CSRF = "c" * 43
PEOPLE = {
    "reader": ("per_reader", PersonKind.READER, COLLEGE),
    "stranger": ("per_other_reader", PersonKind.READER, OTHER),
    "registrar": ("per_registrar", PersonKind.REGISTRAR, SCHOOL),
    "foreign registrar": ("per_foreign", PersonKind.REGISTRAR, OrganizationId("org_foreign")),
    "student": (STUDENT, PersonKind.STUDENT, SCHOOL),
    "guardian": (GUARDIAN, PersonKind.GUARDIAN, SCHOOL),
    "foreign guardian": ("per_nobody", PersonKind.GUARDIAN, SCHOOL),
}


class Counter:
    """A delivery's desk with one delivery that can be opened, and a client for each kind of person."""

    def __init__(self, house: House, sealed: Sealed, folder: Path) -> None:
        self.house = house
        self.sealed = sealed
        own = own_key(folder)
        keys = PublicKeys(SESSION_KEY)
        self._keys = keys
        desk = Desk(
            Handlers(house.work),
            house.questions,
            sealed.packages,
            EndpointSecrets(own),
            local=True,
            ports=(443,),
        )
        self.app = http.build(
            "delivery",
            routers=[api.routes(desk), pages.routes(desk, sealed.keys)],
            health=Health(),
            auth=Auth(keys, public_url=ORIGIN),
            public_url=ORIGIN,
        )

    @classmethod
    async def make(cls, folder: Path) -> "Counter":
        house = House()
        now = clock.now()
        sealed = await Sealed.make(folder, delivery(available_at=now, expires_at=now + timedelta(days=180)))
        profile = await sealed.keys.seal(
            STUDENT, orjson.dumps({"name": "Ximena Ibáñez", "email": None, "language": "en"})
        )
        await house.hear(
            organization_recorded(),
            organization_recorded(OTHER, name="Other College"),
            organization_recorded(SCHOOL, kind=OrganizationKind.SCHOOL, name="Harbor Point School"),
            person_recorded(profile=profile),
            *watermarks_passed(clock.now()),
        )
        await house.store.transact(
            lambda unit: unit.write({DELIVERIES: [DELIVERIES.document(sealed.delivery, 1)]}, [], [])
        )
        return cls(house, sealed, folder)

    @property
    def delivery_id(self) -> str:
        return self.sealed.delivery.delivery_id

    async def delivery(self) -> Delivery:
        found = await self.house.questions.delivery(self.sealed.delivery.delivery_id)
        assert found is not None
        return found

    async def now(self, **changes: Any) -> None:
        """Put the delivery as it is with these changes."""
        changed = replace(await self.delivery(), **changes)
        await self.house.store.transact(
            lambda unit: unit.write({DELIVERIES: [DELIVERIES.document(changed, 9)]}, [], [])
        )

    def client(self, who: str = "reader", *, browser: bool = False) -> httpx.AsyncClient:
        """A program of that person's, or their browser."""
        person_id, kind, organization_id = PEOPLE[who]
        seconds = int(clock.now().timestamp())
        claims = SessionClaims(
            sub=str(person_id),
            kind=SubjectKind.PERSON,
            memberships=(Membership(kind=kind, organization_id=organization_id),),
            iat=seconds,
            exp=seconds + 600,
            jti="ses_0123456789abcdef",
            csrf=CSRF,
            name="Somebody",
        )
        headers = {"accept": "text/html", "sec-fetch-site": "same-origin"} if browser else {}
        if browser:
            headers["cookie"] = f"{COOKIE}={make_session(claims, SESSION_KEY)}"
        else:
            headers["authorization"] = f"Bearer {make_access(claims, SESSION_KEY)}"
        return httpx.AsyncClient(transport=httpx.ASGITransport(app=self.app), base_url=ORIGIN, headers=headers)
