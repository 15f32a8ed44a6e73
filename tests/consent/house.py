"""Consent behind its real door, over a store in memory, and the people who come to it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
from joserfc.jwk import OKPKey

from contracts.types import Membership, OrganizationId, PersonId, PersonKind, SealedValue
from services.chassis import clock, ids
from services.chassis.store.work import Work
from services.chassis.web import http
from services.chassis.web.auth import (
    COOKIE,
    STEP_UP_COOKIE,
    Auth,
    SessionClaims,
    StepUpClaims,
    SubjectKind,
    make_access,
    make_session,
    make_step_up,
)
from services.chassis.web.health import Health
from services.consent import api, pages
from services.consent.api.desk import Desk
from services.consent.domain import Request
from services.consent.handlers import Handlers
from services.consent.store import REQUESTS, SHELVES, STUDENTS, Questions
from tests.consent.build import (
    GUARDIAN,
    KEY,
    NOTICE,
    OTHER_GUARDIAN,
    OTHER_SCHOOL,
    PACKAGE_DIGEST,
    REGISTRAR,
    REQUEST,
    SCHOOL,
    STRANGER,
    STUDENT,
    a_request,
    a_signed_request,
    a_store,
    sign_grant,
    the_house,
)
from tests.support.person_keys import MemoryPersonKeys
from tests.support.public_keys import PublicKeys

ORIGIN = "https://placet.example"
CSRF = "c" * 43
IDENTITY = OKPKey.generate_key("Ed25519", {"use": "sig"}, private=True, auto_kid=True)


def _at(kind: PersonKind, organization: OrganizationId = SCHOOL) -> tuple[Membership, ...]:
    return (Membership(kind=kind, organization_id=organization),)


OTHER_REGISTRAR, EDUCATOR, READER = PersonId("per_other_registrar"), PersonId("per_educator"), PersonId("per_reader")
PROGRAM = "cli_program"
MEMBERSHIPS: dict[str, tuple[Membership, ...]] = {
    STUDENT: _at(PersonKind.STUDENT),
    GUARDIAN: _at(PersonKind.GUARDIAN),
    OTHER_GUARDIAN: _at(PersonKind.GUARDIAN),
    STRANGER: _at(PersonKind.STUDENT),
    REGISTRAR: _at(PersonKind.REGISTRAR),
    OTHER_REGISTRAR: _at(PersonKind.REGISTRAR, OTHER_SCHOOL),
    EDUCATOR: _at(PersonKind.EDUCATOR),
    READER: _at(PersonKind.READER, OrganizationId("org_college")),
    PROGRAM: _at(PersonKind.REGISTRAR),
}


def claims_of(who: str, **changes: Any) -> SessionClaims:
    now = int(clock.now().timestamp())
    fields = {
        "sub": who,
        "kind": SubjectKind.CLIENT if who == PROGRAM else SubjectKind.PERSON,
        "iat": now,
        "exp": now + 900,
        "jti": ids.new("ses"),
        "memberships": MEMBERSHIPS.get(who, ()),
        "csrf": CSRF,
        "name": "Ada Lovelace",
        **changes,
    }
    return SessionClaims.model_validate(fields)


def a_step_up(who: str, act: str, on: str, digest: str | None = None, /, **changes: Any) -> str:
    """The token that identity would give for this act."""
    now = int(clock.now().timestamp())
    fields = {"sub": who, "iat": now, "exp": now + 300, "jti": ids.new("stp"), "act": act, "on": on, "digest": digest}
    return make_step_up(StepUpClaims.model_validate({**fields, "method": "totp", **changes}), IDENTITY)


@dataclass
class House:
    """Everything joined as `app.py` joins it, with memory for MongoDB, and a client of it."""

    states: tuple[Any, ...] = ()
    keys: MemoryPersonKeys = field(default_factory=lambda: MemoryPersonKeys(STUDENT))

    def __post_init__(self) -> None:
        self.store = a_store(*self.states)
        auth = Auth(PublicKeys(IDENTITY), public_url=ORIGIN)
        self.questions = Questions(self.store)
        self.work = Work(self.store, SHELVES)
        desk = Desk(Handlers(self.work, sign_grant), self.questions, auth)
        self.app = http.build(
            "consent",
            routers=[api.routes(desk, PublicKeys(KEY)), pages.routes(desk, self.keys)],
            health=Health(),
            auth=auth,
            public_url=ORIGIN,
        )

    async def named(self, name: str = "Grace Hopper") -> "House":
        """The student's profile, sealed as identity seals it."""
        profile: SealedValue = await self.keys.seal(STUDENT, json.dumps({"name": name}).encode())
        for document in self.store.tables.get(STUDENTS.collection.name, {}).values():
            document["profile"] = profile.model_dump()
        return self

    async def request(self, request_id: str) -> Request:
        found = await self.questions.request(request_id)  # type: ignore[arg-type]
        assert found is not None
        return found

    def put(self, request: Request) -> None:
        self.store.tables.setdefault("requests", {})[request.request_id] = REQUESTS.document(request, 9)

    @property
    def said(self) -> list[str]:
        return [row["type"] for row in self.store.outbox]

    def program(self, who: str | None) -> httpx.AsyncClient:
        """A client that sends an access token."""
        headers = {"authorization": f"Bearer {make_access(claims_of(who), IDENTITY)}"} if who else {}
        return self._client(headers)

    def browser(self, who: str | None, *, step_up: str = "", language: str = "en", **changes: Any) -> httpx.AsyncClient:
        """A client that sends a session cookie, as the browser of somebody who is signed in."""
        cookies = [f"{COOKIE}={make_session(claims_of(who, **changes), IDENTITY)}"] if who else []
        cookies += [f"{STEP_UP_COOKIE}={step_up}"] if step_up else []
        return self._client(
            {"accept": "text/html", "origin": ORIGIN, "accept-language": language, "cookie": "; ".join(cookies)}
        )

    def _client(self, headers: dict[str, str]) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(app=self.app), base_url=ORIGIN, headers=headers)


FAR = clock.now() + timedelta(days=20)
SIGN, APPROVE, REVOKE = "consent.sign", "consent.approve", "consent.revoke"
VIEW = f"/consent/view/{REQUEST}"
SHOWN = {"package": PACKAGE_DIGEST, "notice": NOTICE}
"""What whoever signs or approves was shown."""


def an_open(**changes: Any) -> Request:
    return a_request(expires_at=FAR, **changes)


def a_signed(**changes: Any) -> Request:
    return a_signed_request(expires_at=FAR, **changes)


def a_house(*states: Any) -> House:
    """A house that knows everybody, and these states."""
    return House(the_house(*states))


async def named_house(*states: Any) -> House:
    """The same, and the student has a name."""
    return await a_house(*states).named()


async def get(house: House, who: str | None, path: str, **options: Any) -> httpx.Response:
    """Look at a page in a browser; `options` as `House.browser` takes them."""
    async with house.browser(who, **options) as client:
        return await client.get(path)


async def post(house: House, who: str, path: str, form: dict[str, Any], **options: Any) -> httpx.Response:
    """Send a page's form."""
    async with house.browser(who, **options) as client:
        return await client.post(path, data=form)


def without_instance(answer: httpx.Response) -> Mapping[str, Any]:
    """A problem without the address it was met at: what is left must be the same for a stranger's and a missing one."""
    return {name: value for name, value in answer.json().items() if name != "instance"}
