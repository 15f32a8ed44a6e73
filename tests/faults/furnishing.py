"""How the place of the faults is furnished: a school, families and two recipients, and what is mailed when nothing goes wrong."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
from pymongo import AsyncMongoClient

from deploy.demo.cast import Caller, Company, Refused
from deploy.demo.setting import (
    DATA,
    Setting,
    call_registrars,
    import_roster,
    import_transcript,
    record_organizations,
)
from deploy.local.house import House
from tests.faults.place import LANTERN, STUDENTS, WESTMARCH, Place, insist
from tests.faults.wire import until_heard
from tests.support.receiver import Receiver, config_of


async def furnish(house: House, web: aiohttp.ClientSession, documents: AsyncMongoClient[dict[str, Any]]) -> Place:
    """Fill a started house: schools, a roster, four sealed transcripts, two recipients with a program each."""
    company = Company(web, house.public_url)
    await company.start(house.operator_token)
    place = Place(house, web, Setting(company), documents)
    await record_organizations(place.setting)
    await import_roster(place.setting, "roster-harbor-point.zip")
    await call_registrars(place.setting)
    for student in STUDENTS:
        await _import(place, student)
    await _seal(place)
    for name in (WESTMARCH, LANTERN):
        place.receivers[name] = await _receiver(place, name)
    for student in STUDENTS:
        place.outlines[student] = await _outline(place, student)
    await asyncio.gather(*(_rehearse(place, student) for student in STUDENTS))
    return place


async def _rehearse(place: Place, student: str) -> None:
    """One request of which nothing goes wrong: what is mailed about it is what must be mailed about each."""
    case = await place.ask(student)
    await place.sign(case)
    await place.finish(case)
    while "delivered" not in await place.mailed(case):
        await asyncio.sleep(0.1)
    await until_heard(place.house)
    waiting = {"request_id": case.request_id, "status": "waiting"}
    while await place.documents["notify"]["messages"].find_one(waiting):
        await asyncio.sleep(0.1)
    place.expected[student] = await place.mailed(case)
    await place.judge(case)


async def _import(place: Place, student: str) -> None:
    """Records hears of a student a moment after the import."""

    async def once() -> None:
        try:
            await import_transcript(place.setting, json.loads((DATA / "transcripts" / f"{student}.json").read_text()))
        except Refused as no:
            raise Refused(503, no.detail, no.body) from None

    await insist(once, seconds=20)


async def _seal(place: Place) -> None:
    registrar, school = place.registrar, place.school_id
    drafts = await registrar.get(f"/records/schools/{school}/drafts")
    step_up = place.step_up(registrar, "records.seal", school, drafts["digest"])
    wanted = [draft["transcript_id"] for draft in drafts["drafts"]]
    found = await registrar.post(f"/records/schools/{school}/seal", {"transcript_ids": wanted}, step_up=step_up)
    assert not [one["problem"] for one in found if one["problem"]]


async def _receiver(place: Place, name: str) -> Receiver:
    operator, folder = place.setting.company.operator, place.house.folder / "recipients"
    folder.mkdir(exist_ok=True)
    (folder / "issuer.jwks.json").write_text(json.dumps(await operator.get("/records/keys")))
    organization = place.setting.recipients[name]
    client = await operator.post("/identity/clients", {"organization_id": organization, "name": "admissions system"})
    config = config_of(place.house.public_url, folder, client)
    Path(config["record"]).parent.mkdir()
    program = Caller(place.web, place.house.public_url, name)
    await program.come_in(client["client_id"], client["client_secret"])
    endpoint = await program.put(
        "/delivery/endpoints/main", {"url": f"http://127.0.0.1:{config['port']}/hook", "description": "main"}
    )
    receiver = Receiver({**config, "webhook_secret": endpoint["secret"]}, place.web, organization)
    receiver.mood = "idle"
    await receiver.listen()
    return receiver


async def _outline(place: Place, student: str) -> list[str]:
    family = await place.setting.household(student)
    wanted = place.setting.transcripts[student]["transcript_id"]

    async def known() -> list[str]:
        for one in await family.student.get("/consent/transcripts"):
            if one["transcript_id"] == wanted:
                return [part["part_id"] for part in one["outline"] if part["kind"] == "credit"]
        raise Refused(503, "consent has not heard of it yet", None)

    found: list[str] = await insist(known, seconds=20)
    return found
