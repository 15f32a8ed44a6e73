"""The day every topic is lost: outboxes say again what they keep, nobody is told twice, and what was taken back stays.

The runbook is deploy/runbooks/kafka-lost.md; what is typed here is what stands there.
"""

import asyncio
import shutil

import pytest

from contracts.topics import SERVICES
from deploy.local.house import House
from services.chassis import clock
from services.delivery.domain import OLDEST_WATERMARK
from tests.drills.steps import refused_to_open, request_of, told, typed, until_well
from tests.faults.place import PATIENCE, STUDENTS, WESTMARCH, Place

pytestmark = [pytest.mark.connected, pytest.mark.fault]


async def until_sent(place: Place, service: str) -> None:
    """Wait until the broker has all that a service has said: from then on only the topic has it on its way."""
    rows, deadline = place.documents[service]["outbox"], clock.seconds() + PATIENCE
    while await rows.count_documents({"sent": False, "barrier": False}):
        assert clock.seconds() < deadline, f"{service} has not sent all of it"
        await asyncio.sleep(0.05)


async def test_topics_that_were_lost_are_written_again_and_nothing_goes_twice_and_what_was_taken_back_stays(
    place: Place,
) -> None:
    revoked, approved = await place.ask(STUDENTS[2], WESTMARCH), await place.ask(STUDENTS[3], WESTMARCH)
    await place.sign(revoked)
    await place.until_told(revoked)
    await asyncio.sleep(1)
    # Said, and heard by nobody: the topic alone has it when it is lost.
    for service in ("records", "delivery"):
        await place.house.stop_service(service)
    deaf_since = clock.seconds()
    await place.sign(approved)
    await place.take_back(revoked)
    await until_sent(place, "consent")
    before = told(place)

    await place.house.own_kafka.kill()
    # Before there is a broker again: whatever is said anew then goes behind it, watermarks last.
    for service in SERVICES:
        words = ("--service", service, "--hours", "168", "--folder", place.house.folder)
        assert "will be published again" in await typed("relay", "replay", *words)
    await place.house.stop()
    shutil.rmtree(place.house.folder / "kafka")
    # A house that is up again within the 20 s of a watermark may still go by it; this one has nothing to go by.
    await asyncio.sleep(max(0.0, OLDEST_WATERMARK.total_seconds() - (clock.seconds() - deaf_since)))
    place.house = House(place.house.folder)
    await place.house.start()

    no = await refused_to_open(place, revoked)
    assert no.status in {503, 410}, "it was opened before it was known again that it was taken back"
    await place.finish(approved)
    await place.judge(approved)
    assert (await refused_to_open(place, revoked)).status == 410
    assert {request_of(body) for _, body in told(place) - before} == {approved.request_id, revoked.request_id}
    assert len({hook for hook, _ in told(place)}) == len(told(place)), "one webhook-id came with two bodies"
    await until_well(place.house.folder)
