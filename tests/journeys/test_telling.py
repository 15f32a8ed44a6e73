"""What everybody is told: families by mail, each disclosure in the ledger, and the way of one request through the house."""

import asyncio
import hashlib
import json
import sys

import pytest
import rfc8785

from contracts import grant
from deploy.cli.access import Access
from deploy.cli.tracing import said_about
from deploy.demo import acts
from deploy.local.house import ROOT
from services.chassis import clock
from services.chassis.keys.sealing import KeyFile
from tests.support.house import ALDER, Family, Json, World, refused, until
from tests.support.receiver import Receiver
from tests.support.town import MARK

pytestmark = pytest.mark.connected


async def mails_to(world: World, family: Family) -> list[Json]:
    """The mails in the signer's mailbox."""
    address = f"{family.resident.agents[0]}@kestrelpost.test"
    async with world.web.get(f"{world.house.mail_url}/messages", params={"to": address}) as answer:
        return list((await answer.json())["messages"])


async def test_a_guardian_is_asked_and_later_told_by_mail_without_a_mark_and_without_a_name_in_the_subject(
    world: World, college: Receiver
) -> None:
    family = await world.family()
    await world.release(family, college)

    async def all_told() -> bool:
        return len(await mails_to(world, family)) >= 3

    await until(all_told, "three mails: to sign, approved, received")
    for mail in await mails_to(world, family):
        assert MARK not in mail["text"] + mail["html"]
        assert family.resident.given not in mail["subject"]
        assert family.resident.family not in mail["subject"]


async def test_a_mail_server_that_is_down_holds_up_no_release_and_the_mails_come_when_it_is_back(
    world: World, college: Receiver
) -> None:
    async with world.web.post(f"{world.house.mail_url}/down"):
        pass
    family = await world.family()
    try:
        await world.release(family, college)
        assert await mails_to(world, family) == []
    finally:
        async with world.web.post(f"{world.house.mail_url}/up"):
            pass

    async def come() -> bool:
        return len(await mails_to(world, family)) >= 3

    await until(come, "the mails that waited")


async def test_p13_no_membership_message_goes_to_a_student_or_a_guardian(world: World) -> None:
    words = {"subject_en": "Meeting", "subject_es": "Reunión", "text_en": "In March.", "text_es": "En marzo."}
    for audience in ("student", "guardian"):
        no = await refused(world.operator.post("/notify/announcements", {"audience": audience, **words}))
        assert no.status in {403, 409, 422}
    await world.operator.post("/notify/announcements", {"audience": "registrar", **words})
    messages, people = world.documents["notify"]["messages"], world.documents["notify"]["people"]

    async def announced() -> bool:
        return bool(await messages.count_documents({"template": "announcement"}))

    await until(announced, "the announcement to be told")
    told = [row["person_id"] async for row in messages.find({"template": "announcement"})]
    families = {"_id": {"$in": told}, "kinds": {"$in": ["student", "guardian"]}}
    assert await people.count_documents(families) == 0


async def test_the_ledger_verifies_without_us_and_each_row_cites_a_grant_that_covers_it(
    world: World, college: Receiver
) -> None:
    await world.release(await world.family(), college)
    registrar = await world.registrar(ALDER, 2)
    raw = await registrar.get(f"/delivery/ledger?school_id={world.schools['al']}")
    rows = [json.loads(line) for line in raw.splitlines()]
    keys = KeyFile(world.house.folder / "keys" / "delivery" / "consent.public.jwks.json").keys()
    previous = "sha256:" + "0" * 64
    for number, row in enumerate(rows, start=1):
        sealed = {name: value for name, value in row.items() if name != "hash"}
        assert row["hash"] == "sha256:" + hashlib.sha256(rfc8785.dumps(sealed)).hexdigest()
        assert (row["number"], row["previous_hash"]) == (number, previous)
        previous = row["hash"]
        granted = grant.verify(row["grant"], keys, audience="delivery", now=clock.now())
        assert (granted.request_id, granted.recipient_id, granted.package_digest, granted.sub) == (
            row["request_id"], row["recipient_id"], row["package_digest"], row["student_id"],
        )  # fmt: skip
        assert granted.basis.section == row["basis"]["section"]
    verified = await registrar.get(f"/delivery/ledger/verification?school_id={world.schools['al']}")
    assert verified["holds"] is True
    assert verified["rows"] == len(rows) > 0


async def test_one_trace_spans_the_signature_every_hop_the_webhook_and_the_mail(
    world: World, college: Receiver
) -> None:
    family = await world.family()
    end = await world.release(family, college)
    approved = [
        event
        for event in await said_about(Access.find(world.house.folder), end["request_id"])
        if event["type"] == "consent.request.approved.v1"
    ]
    (trace,) = {
        bytes(value).decode().split("-")[1]
        for event in approved
        for name, value in event["headers"]
        if name == "traceparent"
    }

    def spans() -> list[Json]:
        rows = []
        for path in (world.house.folder / "traces").glob("*.jsonl"):
            rows += [json.loads(line) for line in path.read_text().splitlines() if trace in line]
        return [row for row in rows if row["trace_id"] == trace]

    async def whole() -> bool:
        return {row["service"] for row in spans()} >= {"consent", "records", "delivery", "notify"}

    await until(whole, "the spans of four services in one trace")
    ids = {row["span_id"] for row in spans()}
    orphans = [row["name"] for row in spans() if row["parent"] and row["parent"] not in ids]
    assert orphans == [], "every step hangs on the one that caused it"


async def test_the_command_line_follows_a_request_and_verifies_what_the_college_received(
    world: World, college: Receiver
) -> None:
    family = await world.family()
    end = await world.release(family, college)
    delivery = await college.delivery_of(end["request_id"])
    assert delivery is not None
    await college.received(delivery["delivery_id"])
    package = college.folder / "received" / f"{delivery['delivery_id']}.zip"
    folder = ("--folder", str(world.house.folder))
    keys = college.config["issuer_keys"]
    outcomes = await asyncio.gather(
        placet("follow", end["request_id"], *folder),
        placet("verify", str(package), "--issuer-keys", keys, "--digest", end["package_digest"]),
        placet("verify", str(package), "--issuer-keys", keys, "--digest", "sha256:" + "0" * 64),
        placet("relay", "status", *folder),
    )
    followed, verified, other, relay = outcomes
    assert followed[0] == 0
    assert "consent.request.approved.v1" in followed[1]
    assert verified[0] == 0, verified[1]
    assert other[0] == 1, "these are not the bytes that were told"
    assert relay[0] == 0


async def placet(*words: str) -> tuple[int, str]:
    """One command: its exit code and what it printed."""
    command = (sys.executable, "-m", "deploy.cli", *words)
    child = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await child.communicate()
    return child.returncode or 0, said.decode()


async def test_a_request_readable_by_its_family_tells_its_whole_story(world: World, college: Receiver) -> None:
    family = await world.family()
    end = await world.release(family, college)
    seen = await acts.until(family.signer, end["request_id"], lambda one: one["stage"] == "acknowledged")
    assert seen["story"] == end["story"]
    assert seen["basis"]["words"].startswith("The student is under 18")
