"""The people and programs of the demo, each acting over HTTP with credentials of their own, as anybody would."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pyotp

from services.chassis import clock

Json = Any
STEP = 30
"""Seconds of one authenticator code (RFC 6238)."""
UNDERWAY = 5
"""Seconds that a code may be on its way, on a machine with much else to do."""


class Refused(Exception):
    """An answer that is a no: its status and its problem's words."""

    def __init__(self, status: int, detail: str, body: Json) -> None:
        super().__init__(f"{status}: {detail}")
        self.status = status
        self.detail = detail
        self.body = body


@dataclass
class Caller:
    """Somebody who calls the house's API at its front door."""

    web: aiohttp.ClientSession
    origin: str
    name: str
    token: str = field(default="", repr=False)

    async def call(
        self,
        method: str,
        path: str,
        body: Json = None,
        *,
        step_up: str | None = None,
        data: bytes | Mapping[str, str] | None = None,
        media_type: str | None = None,
        signed_in: bool = True,
    ) -> Json:
        """The JSON of the answer (or its bytes). Raises `Refused` for a 4xx or 5xx."""
        headers = {"accept": "application/json"}
        headers |= {"authorization": f"Bearer {self.token}"} if self.token and signed_in else {}
        headers |= {"x-step-up": step_up} if step_up else {}
        headers |= {"content-type": media_type} if media_type else {}
        async with self.web.request(method, self.origin + path, json=body, data=data, headers=headers) as answer:
            content = await answer.read()
            kind = answer.content_type
            told = await answer.json(content_type=None) if kind.endswith("json") and content else content
            if answer.status >= 400:
                detail = told.get("detail", "") if isinstance(told, dict) else content[:200].decode(errors="replace")
                faults = told.get("faults", []) if isinstance(told, dict) else []
                detail += "".join(f"; {fault['where']} {fault['reason']}" for fault in faults[:3])
                raise Refused(answer.status, detail, told)
            return told

    async def get(self, path: str) -> Json:
        return await self.call("GET", path)

    async def post(self, path: str, body: Json = None, *, step_up: str | None = None) -> Json:
        return await self.call("POST", path, body, step_up=step_up)

    async def put(self, path: str, body: Json = None) -> Json:
        return await self.call("PUT", path, body)

    async def come_in(self, client_id: str, secret: str) -> None:
        """Trade credentials for an access token (RFC 6749 §4.4)."""
        form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
        # The old token stays in use until there is a new one, and has no business at the door where it is made.
        answer = await self.call("POST", "/identity/token", data=form, signed_in=False)
        self.token = answer["access_token"]


@dataclass
class Person(Caller):
    """A person with an authenticator."""

    person_id: str = ""
    role: str = ""
    """What this person is, for the start page, where the name does not tell."""
    way_in: str = field(default="", repr=False)
    """The token this person signs in with; for the start page of a house that stays up."""
    secret: str = field(default="", repr=False)
    _last_step: int = 0

    async def enrol(self) -> None:
        """Set up an authenticator; its first code proves that it was read."""
        self.secret = (await self.post("/identity/authenticator"))["secret"]
        await self.post("/identity/authenticator/confirmation", {"code": await self._code()})

    async def step_up(self, act: str, on: str, digest: str | None = None) -> str:
        """Prove presence for one act, on these very bytes."""
        if not self.secret:
            await self.enrol()
        meant = {"act": act, "on": on, "code": await self._code()}
        answer = await self.post("/identity/step-up", {**meant, "digest": digest} if digest else meant)
        return str(answer["token"])

    async def _code(self) -> str:
        """A code that was not used before: the one of the last half minute, this one, the next; then one waits."""
        # A code of the last half minute must still be good when it arrives.
        now = int(clock.now().timestamp() + UNDERWAY) // STEP
        step = max(self._last_step + 1, now - 1)
        while step > int(clock.now().timestamp()) // STEP + 1:
            await asyncio.sleep(0.5)
        self._last_step = step
        return pyotp.TOTP(self.secret).at(step * STEP)


@dataclass
class Household:
    """Who belongs to one request: the student, and whoever signs."""

    student: Person
    signer: Person


class Company:
    """Everybody of the demo, made when first called for."""

    def __init__(self, web: aiohttp.ClientSession, origin: str) -> None:
        self._web = web
        self._origin = origin
        self._people: dict[str, Person] = {}
        self.operator = Person(web, origin, "operator", person_id="per_operator", role="operator")

    async def start(self, operator_token: str) -> None:
        """The operator comes in with the token that the house drew."""
        self.operator.way_in = operator_token
        await self.operator.come_in("per_operator", operator_token)

    async def person(self, person_id: str, name: str) -> Person:
        """Somebody whom the school let in; the same person for the same id."""
        if person_id not in self._people:
            person = Person(self._web, self._origin, name, person_id=person_id)
            answer = await self.operator.post(f"/identity/people/{person_id}/tokens", {"valid_days": 30})
            person.way_in = answer["token"]
            await person.come_in(person_id, person.way_in)
            self._people[person_id] = person
        return self._people[person_id]

    async def reader(self, recipient: tuple[str, str], name: str, email: str) -> Person:
        """Somebody whom the operator lets read for a recipient (its id, its name). The first token signs in once only."""
        organization_id, organization = recipient
        path = f"/identity/organizations/{organization_id}/readers"
        made = await self.operator.post(path, {"name": name, "email": email})
        reader = await self.person(made["person_id"], name)
        reader.role = f"reader of {organization}"
        return reader

    def program(self, name: str) -> Caller:
        return Caller(self._web, self._origin, name)

    @property
    def people(self) -> list[Person]:
        return [self.operator, *self._people.values()]
