"""What the faults happen to: a whole house with a school, families and two recipients, and the evidence of what it did.

Delivery runs as three processes, the others as one each. Every process has a file by which it is armed while it runs (see
`services.chassis.failpoint`). Step-ups are minted with identity's own key: a code of an authenticator lasts half a minute,
and what is asked here is not whether a code is needed.
"""

import asyncio
import json
import zipfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import Message
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any

import aiohttp
from joserfc.jwk import OKPKey
from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from deploy.demo.cast import Household, Json, Person, Refused
from deploy.demo.setting import (
    Setting,
)
from deploy.local.environment import ServiceRole
from deploy.local.house import House
from deploy.local.process import NotStarted
from services.chassis import clock, ids
from services.chassis.keys.sealing import KeyFile
from services.chassis.web.tokens import StepUpClaims, make_step_up
from services.delivery.domain import telling
from services.notify.domain import sending
from services.records.domain import sealing
from tests.support.receiver import Receiver

SPLIT: Mapping[str, Sequence[ServiceRole]] = {"delivery": ("api", "worker", "relay")}
PROCESSES = ("identity", "consent", "records", "delivery-api", "delivery-worker", "delivery-relay", "notify")
WESTMARCH, LANTERN = "westmarch-college", "lantern-scholars-fund"
PURPOSE = {WESTMARCH: "admission", LANTERN: "scholarship"}
SCHOOL = "org-harbor-point"
STUDENTS = ("hp-st-002", "hp-st-004", "hp-st-008", "hp-st-061")
"""Minors with a guardian each; their transcripts are sealed when a test begins."""
CLAIMS = {
    ("records", "packages"): sealing.CLAIM,
    ("delivery", "notices"): telling.CLAIM,
    ("notify", "messages"): sending.CLAIM,
}
"""How long what was begun is nobody else's: after a crash it is due again when this has gone by."""
ACTS_TAKE = timedelta(seconds=4)
PATIENCE = 90.0
"""Seconds until what was set going must have come to its end, restarts on a busy machine included. It takes 1 to 15."""


def failpoints(folder: Path) -> dict[str, dict[str, str]]:
    """The environment by which each process is armed."""
    return {name: {"PLACET_FAILPOINT": f"@{folder / 'failpoints' / name}"} for name in PROCESSES}


@dataclass(frozen=True, slots=True)
class Case:
    """One request, with whom it concerns."""

    request_id: str
    student: str
    family: Household
    to: Receiver


@dataclass
class Place:
    """The house and everybody around it."""

    house: House
    web: aiohttp.ClientSession
    setting: Setting
    documents: AsyncMongoClient[dict[str, Any]]
    """As root: to look at what no person may see, and to let time pass."""
    receivers: dict[str, Receiver] = field(default_factory=dict)
    outlines: dict[str, list[str]] = field(default_factory=dict)
    expected: dict[str, Counter[str]] = field(default_factory=dict)
    """What is mailed about a request of a student of which nothing goes wrong: by template, how often."""
    _selections: int = 0
    _read: dict[Path, Message] = field(default_factory=dict)

    @property
    def registrar(self) -> Person:
        return self.setting.registrars[SCHOOL]

    @property
    def school_id(self) -> str:
        return self.setting.schools[SCHOOL]

    def key(self, service: str) -> OKPKey:
        """The private key with which a service signs."""
        key = KeyFile(self.house.folder / "keys" / service / f"{service}.private.jwks.json").signing_key("Ed25519")
        assert isinstance(key, OKPKey)
        return key

    # What people do

    async def ask(self, student: str = STUDENTS[0], to: str = WESTMARCH, *, parts: Sequence[str] = ()) -> Case:
        """Open a request as the student, whatever it takes; one request, however often it is sent."""
        family: Household = await insist(lambda: self.setting.household(student))
        body = {
            "transcript_id": self.setting.transcripts[student]["transcript_id"],
            "recipient_id": self.setting.recipients[to],
            "purpose": PURPOSE[to],
            "parts": list(parts),
        }
        headers = {"authorization": f"Bearer {family.student.token}", "idempotency-key": ids.new("cmd")}

        async def send() -> str:
            url = f"{self.house.public_url}/consent/requests"
            async with self.web.post(url, json=body, headers=headers) as answer:
                told = await answer.json(content_type=None)
                if answer.status >= 400:
                    raise Refused(answer.status, str(told), told)
                return str(told["request_id"])

        return Case(await insist(send), student, family, self.receivers[to])

    def parts(self, student: str = STUDENTS[0]) -> list[str]:
        """A selection that nobody has asked for yet: its package must be made."""
        self._selections += 1
        outline = self.outlines[student]
        return [part for place, part in enumerate(outline) if self._selections >> place & 1]

    async def sign(self, case: Case) -> Json:
        """Approve what is shown, again and again until the answer is known to have been heard."""
        shown = await self.until(case, lambda one: one["package_digest"] is not None)
        signer = case.family.signer
        notice = await insist(lambda: signer.get("/consent/notice"))
        body = {"package": shown["package_digest"], "notice": notice["digest"]}
        path = f"/consent/requests/{case.request_id}"

        async def approve() -> Json:
            token = self.step_up(signer, "consent.sign", case.request_id, shown["package_digest"])
            with suppress(Refused):  # 409: an answer was lost on its way, and it is approved
                await signer.post(f"{path}/signature", body, step_up=token)
            found = await signer.get(path)
            if found["status"] != "approved":
                raise Refused(503, "not approved yet", found)
            return found

        return await insist(approve)

    async def take_back(self, case: Case) -> Json:
        token = self.step_up(case.family.signer, "consent.revoke", case.request_id)
        return await case.family.signer.post(f"/consent/requests/{case.request_id}/revocation", step_up=token)

    def step_up(self, person: Person, act: str, on: str, digest: str | None = None) -> str:
        now = int(clock.now().timestamp())
        claims = StepUpClaims(
            sub=person.person_id,
            iat=now,
            exp=now + 120,
            jti=ids.new("stp"),
            act=act,
            on=on,
            digest=digest,
            method="totp",
        )
        return make_step_up(claims, self.key("identity"))

    async def look(self, case: Case) -> Json:
        return await insist(lambda: case.family.student.get(f"/consent/requests/{case.request_id}"))

    async def until(self, case: Case, true: Callable[[Json], bool]) -> Json:
        """The request as soon as `true` of it. Raises `AssertionError` with the request when patience ends."""
        deadline = clock.seconds() + PATIENCE
        while not true(found := await self.look(case)):
            assert clock.seconds() < deadline, f"after {PATIENCE:.0f} s it is still {found['status']}, {found['stage']}"
            await asyncio.sleep(0.05)
        return found

    async def until_told(self, case: Case) -> Json:
        """The delivery, once the recipient's program was told of it by webhook."""
        deadline = clock.seconds() + PATIENCE
        while not case.to.told_of(case.request_id):
            assert clock.seconds() < deadline, f"{case.request_id} was never told: {await self.whereabouts(case)}"
            await asyncio.sleep(0.02)
        found = await insist(lambda: case.to.delivery_of(case.request_id))
        assert found is not None
        return found

    async def fetch(self, case: Case) -> Json:
        """As a recipient's program does that was told: open, fetch, verify, acknowledge, until it has it."""
        delivery = await self.until_told(case)

        async def acknowledged() -> Json:
            await case.to.fetch(delivery["delivery_id"])
            found = await case.to.delivery_of(case.request_id)
            if found is None or found["status"] != "acknowledged":
                raise Refused(503, "not acknowledged yet", found)
            return found

        return await insist(acknowledged)

    async def finish(self, case: Case) -> None:
        """From the approval to its end."""
        await self.fetch(case)
        await self.until(case, lambda one: one["stage"] == "acknowledged")

    # What breaks

    def arm(self, process: str, point: str) -> None:
        """The process dies at this point when it next comes there."""
        path = self.house.folder / "failpoints" / process
        waiting = path.with_suffix(".new")
        waiting.write_text(point)
        waiting.rename(path)

    def is_armed(self, process: str) -> bool:
        return (self.house.folder / "failpoints" / process).exists()

    async def until_dead(self, *processes: str) -> None:
        """Wait until each of these has met its point."""
        deadline = clock.seconds() + PATIENCE
        while any(map(self.is_armed, processes)):
            assert clock.seconds() < deadline, f"{[*filter(self.is_armed, processes)]} never came to the point"
            await asyncio.sleep(0.02)

    @asynccontextmanager
    async def kept_up(self) -> AsyncIterator[None]:
        """Whatever dies is started again at once, as a cluster does; and nobody waits a minute for a claim to end."""

        async def keep() -> None:
            while True:
                for name in self.house.ended():
                    with suppress(NotStarted):  # what it stands on may not be there yet: once more in a moment
                        await self.house.restart(name)
                await asyncio.sleep(0.05)

        async def go_on() -> None:
            while True:
                with suppress(PyMongoError):
                    await self.hasten()
                await asyncio.sleep(1)

        keepers = [asyncio.create_task(keep()), asyncio.create_task(go_on())]
        try:
            yield
        finally:
            for keeper in keepers:
                keeper.cancel()
            ends = await asyncio.gather(*keepers, return_exceptions=True)
        broken = [end for end in ends if isinstance(end, Exception)]
        assert not broken, broken

    async def mend(self) -> None:
        """Disarm every process, and start what is not there."""
        for process in PROCESSES:
            (self.house.folder / "failpoints" / process).unlink(missing_ok=True)
        for process in PROCESSES:
            if self.house.service_process(process).pid is None:
                await self.house.start_service(process)

    async def hasten(self) -> None:
        """A minute and a half goes by for what was claimed a few seconds ago and not recorded: the claim has ended."""
        for (service, collection), claim in CLAIMS.items():
            now = clock.now()
            stuck = {"due_at": {"$gt": now, "$lt": now + claim - ACTS_TAKE}}
            await self.documents[service][collection].update_many(stuck, {"$set": {"due_at": now}})

    # What it left behind

    async def ledger(self, request_id: str) -> list[Json]:
        """The rows of the disclosure ledger about a request, as the school's registrar reads it; its chain holds."""
        raw = await self.registrar.get(f"/delivery/ledger?school_id={self.school_id}")
        lines = raw.splitlines() if isinstance(raw, bytes) else [json.dumps(raw)]
        verified = await self.registrar.get(f"/delivery/ledger/verification?school_id={self.school_id}")
        assert verified["holds"], verified
        return [row for row in map(json.loads, lines) if row["request_id"] == request_id]

    async def mails(self, request_id: str) -> dict[str, list[Message]]:
        """What the mail server caught of every mail that is recorded as sent about a request, by Message-ID."""
        sent = {"request_id": request_id, "status": "sent"}
        found = [str(one["_id"]) async for one in self.documents["notify"]["messages"].find(sent)]
        caught = self._caught()
        return {message_id: caught.get(message_id, []) for message_id in found}

    def _caught(self) -> dict[str, list[Message]]:
        """The headers of every mail, by the part of its Message-ID that is ours."""
        for path in sorted((self.house.folder / "mail").glob("*.eml")):
            if path not in self._read:
                self._read[path] = BytesHeaderParser().parsebytes(path.read_bytes())
        found: dict[str, list[Message]] = {}
        for mail in self._read.values():
            found.setdefault(str(mail["message-id"]).strip("<>").partition("@")[0], []).append(mail)
        return found

    async def until_mailed(self, case: Case) -> None:
        """Wait until every mail that is expected of a request was handed over, and recorded as such."""
        deadline, expected = clock.seconds() + PATIENCE, self.expected[case.student]
        while (told := await self.mailed(case)) != expected:
            assert clock.seconds() < deadline, f"mailed {dict(told)} instead of {dict(expected)}"
            await asyncio.sleep(0.1)

    async def mailed(self, case: Case) -> "Counter[str]":
        sent = {"request_id": case.request_id, "status": "sent"}
        return Counter([one["template"] async for one in self.documents["notify"]["messages"].find(sent)])

    async def judge(self, case: Case) -> None:
        """The whole history of a request that was approved once and fetched: nothing lost, nothing twice."""
        await self.until_mailed(case)
        assert len(await self.ledger(case.request_id)) == 1
        told = case.to.told_of(case.request_id)
        assert len({hook.id for hook in told}) == 1, "the recipient was told under several ids"
        assert len({hook.body for hook in told}) == 1, "one webhook-id came with different bodies"
        deliveries = await self.deliveries(case)
        assert [one["status"] for one in deliveries] == ["acknowledged"]
        with zipfile.ZipFile(case.to.folder / "received" / f"{deliveries[0]['delivery_id']}.zip") as package:
            assert package.testzip() is None
        for message_id, caught in (await self.mails(case.request_id)).items():
            assert caught, f"{message_id} is recorded as sent and nobody has it"
            assert len({(mail["to"], mail["subject"]) for mail in caught}) == 1

    async def whereabouts(self, case: Case) -> str:
        """How far a request has come, service by service: for who must find out why it stands still."""
        seen, by_request = self.documents, {"request_id": case.request_id}
        request = await seen["consent"]["requests"].find_one({"_id": case.request_id}) or {}
        release = await seen["records"]["releases"].find_one({"_id": case.request_id}) or {}
        delivery = await seen["delivery"]["deliveries"].find_one(by_request) or {}
        notices = seen["delivery"]["notices"].find({"delivery_id": delivery.get("_id")})
        words = [f"consent: {request.get('status')} {request.get('stage')}", f"records: {release.get('status')}"]
        words += [f"delivery: {delivery.get('status')}"]
        words += [f"notice: {one['state']} {one.get('due_at')} {one['claims']} claims" async for one in notices]
        for service in ("consent", "records", "delivery"):
            words.append(f"{await seen[service]['outbox'].count_documents({'sent': False})} rows unsent in {service}")
        return "; ".join(words)

    async def deliveries(self, case: Case) -> list[Json]:
        program = await case.to.program()
        return [one for one in await program.get("/delivery/deliveries") if one["request_id"] == case.request_id]


async def insist(do: Callable[[], Awaitable[Any]], *, seconds: float = PATIENCE) -> Any:
    """As a program does that must come to its end: 5xx and broken connections are tried again, a no is a no."""
    deadline = clock.seconds() + seconds
    while True:
        try:
            return await do()
        except Refused as no:
            if no.status < 500 or clock.seconds() > deadline:
                raise
        except (aiohttp.ClientError, TimeoutError):
            if clock.seconds() > deadline:
                raise
        await asyncio.sleep(0.1)
