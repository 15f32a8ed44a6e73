"""The day everything is lost: databases, topics and packages come back from a backup, and nobody is told anything twice.

The runbook is deploy/runbooks/restore.md; what is typed here is what stands there.
"""

import asyncio
import shutil
from pathlib import Path

import pytest
from pymongo import AsyncMongoClient

from deploy.local.house import House
from services.chassis import clock
from tests.drills.steps import broken, refused_to_open, request_of, told, typed, until_well
from tests.faults.place import LANTERN, PATIENCE, STUDENTS, Case, Place
from tests.faults.wire import until_heard

pytestmark = [pytest.mark.connected, pytest.mark.fault]


async def lose(place: Place) -> None:
    """The machine burns: nothing of the house is left but what was carried elsewhere."""
    await place.documents.close()
    await place.house.stop()
    for name in ("mongo", "kafka", "vault", "mail"):
        shutil.rmtree(place.house.folder / name)


async def rebuild(place: Place, backup: Path) -> str:
    """A new house at the old address, with the old secrets, on what was backed up."""
    lost, folder = place.house.folder, place.house.folder.with_name("rebuilt")
    folder.mkdir()
    shutil.copytree(lost / "keys", folder / "keys")
    shutil.copy(lost / "ports.json", folder / "ports.json")
    words = ("--keys", backup / "keys", "--packages", backup / "packages", "--folder", folder)
    said = await typed("restore", backup / "data", *words)
    place.house = House(folder)
    await place.house.start()
    place.documents = AsyncMongoClient(place.house.mongo.root_uri, tz_aware=True)
    return said


async def until_settled(place: Place) -> None:
    """Wait until nothing is on its way: a mail that waits when the backup is taken may go before the loss and after it."""
    await until_heard(place.house)
    deadline = clock.seconds() + PATIENCE
    while await place.documents["notify"]["messages"].find_one({"status": "waiting"}):
        assert clock.seconds() < deadline, "mails still wait"
        await asyncio.sleep(0.1)


async def until_told_of_revocation(case: Case) -> None:
    deadline = clock.seconds() + PATIENCE
    while not any(hook.id.endswith("_revoked") for hook in case.to.told_of(case.request_id)):
        assert clock.seconds() < deadline, "the recipient never heard that it was taken back"
        await asyncio.sleep(0.05)


async def test_a_house_comes_back_from_its_backup_and_nobody_is_told_twice_and_nothing_that_was_taken_back_goes(
    place: Place, tmp_path: Path
) -> None:
    open_, pending = await place.ask(STUDENTS[0], LANTERN), await place.ask(STUDENTS[1], LANTERN)
    await place.sign(pending)
    await place.until_told(pending)
    rows = await place.documents["delivery"]["ledger"].count_documents({})
    await until_settled(place)

    folders = ("--to", tmp_path / "data", "--keys-to", tmp_path / "keys", "--packages-to", tmp_path / "packages")
    await typed("backup", *folders, "--folder", place.house.folder)
    await place.take_back(pending)
    await until_told_of_revocation(pending)
    before = told(place)
    assert place._caught(), "read while the mails are there"
    await lose(place)
    said = await rebuild(place, tmp_path)
    assert "Nothing is disclosed yet" in said

    # The family took it back after the backup. The house can't know, and therefore gives nothing to anybody.
    assert any("aside" in one for one in await broken(place.house.folder))
    assert (await refused_to_open(place, pending)).status == 503
    await place.sign(open_)
    assert (await refused_to_open(place, open_)).status == 503

    await place.take_back(pending)
    (aside_id,) = [word for word in said.split() if word.startswith("restored:")]
    await typed("aside", "dismiss", aside_id, "--because", "all taken back again", "--folder", place.house.folder)
    await place.finish(open_)
    assert (await refused_to_open(place, pending)).status == 410
    await until_well(place.house.folder)

    words = ("--school", place.school_id, "--to", tmp_path / "export", "--folder", place.house.folder)
    assert f"{rows + 1} of {rows + 1} disclosures proven, 0 problems" in await typed("audit", "export", *words)
    await place.until_mailed(open_)
    new = told(place) - before
    assert {request_of(body) for _, body in new} == {open_.request_id, pending.request_id}
    # The family has taken it back twice, in two histories: the recipient hears the second under the id of the first.
    again = {hook for hook, _ in new} & {hook for hook, _ in before}
    assert len(again) == 1 and again.pop().endswith("_revoked")
    twice = [message_id for message_id, mails in place._caught().items() if len(mails) > 1]
    about = place.documents["notify"]["messages"].find({"_id": {"$in": twice}})
    assert {(one["request_id"], one["template"]) async for one in about} <= {(pending.request_id, "revoked")}
