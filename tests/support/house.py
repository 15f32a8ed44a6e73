"""One real house for a whole run, filled with a small town: three schools, sealed transcripts, recipients that listen.

`async with furnished(folder) as world:` starts broker, database, mail catcher, the five services and the front door, as
`make demo` does, and ends all of it. Every step through the front door, each person with credentials of their own.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
from pymongo import AsyncMongoClient

from deploy.demo import acts
from deploy.demo.cast import Caller, Company, Household, Json, Person, Refused
from deploy.demo.town import Campus, Resident
from deploy.local.environment import APART
from deploy.local.house import House
from services.chassis import clock, ids
from tests.support.receiver import Receiver, config_of
from tests.support.town import ALDER, BIRCH, CEDAR, EAST, Town, archive, evidence_of, town, transcript_of

POLICIES: dict[str, dict[str, Any]] = {
    "al": {"recipient_kinds": ["college", "scholarship"], "school_approves": False},
    "bi": {"recipient_kinds": ["college", "scholarship", "employer"], "school_approves": True},
    "ce": {"recipient_kinds": ["college"], "school_approves": False},
}
PURPOSES = {"college": "admission", "scholarship": "scholarship", "employer": "employment"}
PATIENCE = 30.0
"""Seconds until what was set going must have come to its end."""


@dataclass
class World:
    """The house, its people and programs."""

    house: House
    web: aiohttp.ClientSession
    town: Town
    company: Company
    folder: Path
    """Of what recipients keep; no part of the house."""
    documents: AsyncMongoClient[dict[str, Any]]
    """The database as root sees it: to look at, never to write the house's own collections."""
    schools: dict[str, str] = field(default_factory=dict)
    transcripts: dict[str, Json] = field(default_factory=dict)
    receivers: list[Receiver] = field(default_factory=list)
    _taken: set[str] = field(default_factory=set)
    _anybody: "Family | None" = None

    @property
    def operator(self) -> Person:
        return self.company.operator

    def person_id(self, sourced_id: str) -> str:
        """Identity draws the same id from the same row of the same system."""
        return ids.derived("per", f"source-{sourced_id[:2]}", sourced_id)

    async def person(self, sourced_id: str) -> Person:
        """Somebody of the town, signed in."""
        return await self.company.person(self.person_id(sourced_id), sourced_id)

    async def registrar(self, campus: Campus, number: int = 1) -> Person:
        return await self.person(f"{campus.key}-rg-{number:02d}")

    def next_student(self, campus: Campus = ALDER, *, adult: bool = False) -> Resident:
        """A student whom no test has used: what one does to them is nobody else's business."""
        now = clock.now().date()
        for student in self.town.students(campus):
            assert student.born is not None
            is_adult = now.year - student.born.year > 18
            if student.sourced_id not in self._taken and is_adult == adult and campus.key in student.sourced_id:
                self._taken.add(student.sourced_id)
                return student
        raise AssertionError(f"the town has no more students at {campus.name}: add some in tests/support/town.py")

    async def family(self, campus: Campus = ALDER, *, adult: bool = False) -> "Family":
        """A student with who signs, both signed in."""
        student = self.next_student(campus, adult=adult)
        young = await self.person(student.sourced_id)
        signer = young if adult else await self.person(student.agents[0])
        return Family(student=young, signer=signer, resident=student, transcript=self.transcripts[student.sourced_id])

    async def any_family(self) -> "Family":
        """One to ask with what must be refused: it may be everybody's."""
        if self._anybody is None:
            self._anybody = await self.family()
        return self._anybody

    async def ask(
        self,
        family: "Family",
        to: "Receiver | str",
        *,
        purpose: str = "admission",
        by: Person | None = None,
        **more: Json,
    ) -> Json:
        """Open a request as the student (or `by`)."""
        recipient = to if isinstance(to, str) else to.organization_id
        body = {"transcript_id": family.transcript["transcript_id"], "recipient_id": recipient, "purpose": purpose}
        return await (by or family.student).post("/consent/requests", {**body, **more})

    async def release(self, family: "Family", to: "Receiver", **more: Json) -> Json:
        """From the wish to the acknowledgement."""
        request = await self.ask(family, to, **more)
        await acts.sign(family.signer, request["request_id"])
        return await self.until_stage(family, request["request_id"], "acknowledged")

    async def until_stage(self, family: "Family", request_id: str, stage: str) -> Json:
        """The request at this stage; fails, telling where it stands, when it never comes there."""
        found = await acts.until(family.student, request_id, lambda one: one["stage"] == stage, patience=PATIENCE)
        assert found["stage"] == stage, found["story"]
        return found

    async def until_status(self, family: "Family", request_id: str, status: str) -> Json:
        found = await acts.until(family.student, request_id, lambda one: one["status"] == status, patience=PATIENCE)
        assert found["status"] == status, found["story"]
        return found

    async def recruit(
        self, name: str, kind: str = "college", *, standing: str = "verified", endpoint: bool = True
    ) -> Receiver:
        """A recipient with a program that listens, known to every service."""
        body = {"kind": kind, "name": name, "standing": standing}
        made = await self.operator.post("/identity/organizations", body)
        known = made["organization_id"]
        client = await self.operator.post("/identity/clients", {"organization_id": known, "name": "admissions system"})
        keys = self.folder / "issuer.jwks.json"
        if not keys.exists():
            keys.write_text(json.dumps(await self.operator.get("/records/keys")))
        config = config_of(self.house.public_url, self.folder, client)
        Path(config["record"]).parent.mkdir(parents=True)
        receiver = Receiver(config, self.web, known)
        self.receivers.append(receiver)
        await receiver.listen()
        if endpoint:
            await self.name_endpoint(receiver)
        for service in ("consent", "delivery"):
            await self.heard(service, known, lambda row: row["standing"] == standing)
        return receiver

    async def name_endpoint(self, receiver: Receiver) -> Json:
        """The recipient says where to be told, and learns the secret its webhooks are signed with."""
        program = await receiver.program()
        url = f"http://127.0.0.1:{receiver.config['port']}/hook"
        named = await program.put("/delivery/endpoints/main", {"url": url, "description": "main"})
        if named["secret"]:
            receiver.learn(named["secret"])
        return named

    async def heard(self, service: str, organization_id: str, true: Callable[[Json], bool]) -> None:
        """Waits until a service has heard of an organization what `true` says."""
        rows = self.documents[service]["organizations"]

        async def has() -> bool:
            row = await rows.find_one({"_id": organization_id})
            return row is not None and true(row)

        await until(has, f"{service} to hear of {organization_id}")


@dataclass
class Family(Household):
    """A household with the student's record."""

    resident: Resident
    transcript: Json


async def until(true: Callable[[], Any], what: str = "it", *, patience: float = PATIENCE) -> None:
    """Waits for the outcome of an async question; fails when patience ends."""
    deadline = clock.seconds() + patience
    while not await true():
        assert clock.seconds() < deadline, f"waited {patience:.0f} s for {what}"
        await asyncio.sleep(0.05)


async def refused(call: Any) -> Refused:
    """The no that this call must end in."""
    try:
        answer = await call
    except Refused as no:
        return no
    raise AssertionError(f"it was not refused but answered: {answer}")


@asynccontextmanager
async def furnished(folder: Path) -> AsyncIterator[World]:
    """The house with its town. A mail that could not be handed in is tried again after a second.

    With PLACET_ROLES=split in the environment each role of a service is a process of its own, under its own two users.
    """
    roles = APART if os.environ.get("PLACET_ROLES") == "split" else ("all",)
    house = House(folder / "house", roles=roles, extra={"notify": {"PLACET_MAIL_RETRY_SECONDS": "1"}})
    await house.start()
    try:
        (folder / "recipients").mkdir(parents=True)
        async with aiohttp.ClientSession() as web, AsyncMongoClient[dict[str, Any]](house.mongo.root_uri) as documents:
            world = await _furnish(house, web, documents, folder / "recipients")
            yield world
            await asyncio.gather(*(receiver.close() for receiver in world.receivers))
    finally:
        await house.stop()


async def _furnish(
    house: House, web: aiohttp.ClientSession, documents: AsyncMongoClient[dict[str, Any]], folder: Path
) -> World:
    tomorrow = clock.now().astimezone(ZoneInfo(EAST)).date()
    company = Company(web, house.public_url)
    await company.start(house.operator_token)
    world = World(house, web, town(tomorrow), company, folder, documents)
    for campus in (ALDER, BIRCH, CEDAR):
        world.schools[campus.key] = await _school(world, campus, campus.zone)
        raw = archive(world.town, campus)
        path = f"/identity/schools/{world.schools[campus.key]}/rosters"
        report = await world.operator.call("POST", path, data=raw, media_type="application/zip")
        assert report["errors"] == 0, report["problems"]
    for campus in (ALDER, BIRCH, CEDAR):
        await _seal_all(world, campus)
    return world


async def _school(
    world: World, campus: Campus, zone: str, organization_id: str | None = None, policy: Json = None
) -> str:
    made = await world.operator.post(
        "/identity/organizations",
        {
            "kind": "school",
            "name": campus.name,
            "timezone": zone,
            "standing": "verified",
            "policy": policy or POLICIES[campus.key],
            "roster_source": f"source-{campus.key}",
            "sourced_id": campus.sourced_id,
            **({"organization_id": organization_id} if organization_id else {}),
        },
    )
    return str(made["organization_id"])


async def move_east(world: World) -> None:
    """Cedar Island moves over the date line: its next day begins at once."""
    await _school(world, CEDAR, EAST, world.schools["ce"])


async def _seal_all(world: World, campus: Campus) -> None:
    """Every student's transcript imported with its evidence, and all of them sealed in one act."""
    registrar, school = await world.registrar(campus), world.schools[campus.key]
    await _until_listed(world, campus)
    students = world.town.students(campus)
    await asyncio.gather(*(_draft(world, registrar, school, one) for one in students))
    drafts = await registrar.get(f"/records/schools/{school}/drafts")
    step_up = await registrar.step_up("records.seal", school, drafts["digest"])
    wanted = [draft["transcript_id"] for draft in drafts["drafts"]]
    found = await registrar.post(f"/records/schools/{school}/seal", {"transcript_ids": wanted}, step_up=step_up)
    assert not [one["problem"] for one in found if one["problem"]], found
    sealed = {one["transcript_id"]: one["transcript"] for one in found}
    for student in students:
        world.transcripts[student.sourced_id] = sealed[world.transcripts[student.sourced_id]["transcript_id"]]
    await until(lambda: _in_catalogue(world, wanted), "consent to hear of the sealed transcripts")


async def _draft(world: World, registrar: Person, school: str, student: Resident) -> None:
    body = {
        "student_sourced_id": student.sourced_id,
        "roster_source": f"source-{student.campus.key}",
        "content": transcript_of(student),
    }
    draft = await registrar.post(f"/records/schools/{school}/transcripts", body)
    for missing in draft["missing_evidence"]:
        path = f"/records/transcripts/{draft['transcript_id']}/evidence/{missing['evidence_id']}"
        await registrar.call("PUT", path, data=evidence_of(student), media_type="text/plain")
    world.transcripts[student.sourced_id] = draft


async def _until_listed(world: World, campus: Campus) -> None:
    """The services have heard of the school's people."""
    everybody = [world.person_id(one.sourced_id) for one in world.town.at(campus)]
    students = [world.person_id(one.sourced_id) for one in world.town.students(campus)]
    wanted = (("records", "people", students), ("consent", "students", students), ("notify", "people", everybody))

    async def all_known() -> bool:
        for service, name, people in wanted:
            count = await world.documents[service][name].count_documents({"_id": {"$in": people}})
            if count != len(people):
                return False
        return True

    await until(all_known, f"the services to hear of the people of {campus.name}")


async def _in_catalogue(world: World, wanted: Sequence[str]) -> bool:
    rows = world.documents["consent"]["transcripts"]
    ready = {"_id": {"$in": list(wanted)}, "packages.0": {"$exists": True}}
    return bool(await rows.count_documents(ready) == len(wanted))


def moment(*, seconds: float) -> str:
    """A moment from now, as the API takes it."""
    return (clock.now() + timedelta(seconds=seconds)).isoformat()


__all__ = [
    "ALDER", "BIRCH", "CEDAR", "Caller", "Family", "Json", "Person", "Receiver", "Refused", "World", "furnished",
    "moment", "move_east", "refused", "until",
]  # fmt: skip
