"""Bounded revocation: delivery cut off from consent discloses nothing, and no revocation that it missed is ever too late.

Nor is one that reached it and could not be read: then it does not know what it should know.
"""

import asyncio
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from contracts.consent.v1 import ConsentRevoked
from contracts.types import Capacity, OrganizationId, PersonId, RequestId
from deploy.cli.__main__ import app
from deploy.demo.cast import Json, Refused
from services.chassis import clock, ids
from services.delivery.domain.disclosing import OLDEST_WATERMARK
from tests.faults.place import Case, Place, insist
from tests.faults.wire import Wired, wired, write

pytestmark = [pytest.mark.connected, pytest.mark.fault]

BOUND = OLDEST_WATERMARK.total_seconds()
BESIDE = 3.0
"""Seconds that a look may take on a busy machine, beside the bound itself."""


async def test_delivery_discloses_nothing_that_it_can_not_know_to_stand(place: Place) -> None:
    """Told in the order of one night: the worker stops, a release is taken back, consent falls silent; then all come back."""
    kept, taken_back = await place.ask(), await place.ask()
    for case in (kept, taken_back):
        await place.sign(case)
        await place.until_told(case)
    await _night(place, kept, taken_back)
    await place.finish(kept)
    await place.judge(kept)
    assert await _opening(place, taken_back) == 410
    assert not await place.ledger(taken_back.request_id)


async def _night(place: Place, kept: Case, taken_back: Case) -> None:
    await place.house.stop_service("delivery-worker")
    await place.take_back(taken_back)
    since = clock.seconds()
    await place.house.stop_service("consent")

    await asyncio.sleep(BOUND + BESIDE - (clock.seconds() - since))
    assert await _opening(place, kept) == 503
    assert await _opening(place, taken_back) == 503

    # The worker hears what consent said last. Of the revocation it knows now; whether nothing came after, it can't.
    await place.house.start_service("delivery-worker")
    assert await insist(lambda: _until_refused_for_good(place, taken_back)) == 410
    assert await _opening(place, kept) == 503

    await place.house.start_service("consent")


async def test_what_a_revocation_that_could_not_be_read_may_have_taken_back_waits_for_an_operator(place: Place) -> None:
    case, other = await place.ask(), await place.ask()
    for one in (case, other):
        await place.sign(one)
        await place.until_told(one)

    (garbled,) = await write(place.house, [replace(_revocation(place, case), value=b'{"version": "?"}')])
    since = clock.seconds()
    while await _opening(place, case, look_only=True) != 503:
        assert clock.seconds() - since < BOUND + BESIDE, "a revocation that could not be read was passed over"
        await asyncio.sleep(0.2)
    assert await insist(lambda: _until_answered(place, other)) == 200, "nobody else is held up"

    (row,) = [
        row async for row in place.documents["delivery"]["aside"].find({"offset": garbled.offset, "key": garbled.key})
    ]
    dismiss = ["aside", "dismiss", row["_id"], "--because", "a drill", "--folder", str(place.house.folder)]
    said = await asyncio.to_thread(CliRunner().invoke, app, dismiss)
    assert "delivery" in said.output, said.output
    assert await insist(lambda: _until_answered(place, case)) == 200


def _revocation(place: Place, case: Case) -> Wired:
    event = ConsentRevoked(
        version=9,
        request_id=RequestId(case.request_id),
        school_id=OrganizationId(place.school_id),
        student_id=PersonId(case.family.student.person_id),
        recipient_id=OrganizationId(place.setting.recipients["westmarch-college"]),
        revoked_by=PersonId(case.family.signer.person_id),
        revoked_as=Capacity.GUARDIAN,
        revoked_at=clock.now(),
        after_approval=True,
    )
    return wired(event, message_id=ids.new("evt"))


async def _until_answered(place: Place, case: Case) -> int:
    status = await _opening(place, case)
    if status == 503:
        raise Refused(503, "not believed to stand yet", None)
    return status


async def _until_refused_for_good(place: Place, case: Case) -> int:
    status = await _opening(place, case)
    if status == 503:
        raise Refused(503, "not heard of the revocation yet", None)
    return status


async def _opening(place: Place, case: Case, *, look_only: bool = False) -> int:
    """The status with which delivery answers to the recipient that wants to open.

    `look_only`: it accepts no notice that there is, so that nothing is disclosed when nothing stands in the way.
    """
    program = await case.to.program()
    delivery: Json = await case.to.delivery_of(case.request_id)
    assert delivery is not None
    notice = {"redisclosure_notice": "none" if look_only else delivery["redisclosure_notice"]["version"]}
    try:
        await program.post(f"/delivery/deliveries/{delivery['delivery_id']}/open", notice)
    except Refused as no:
        return no.status
    return 200
