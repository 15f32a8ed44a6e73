"""Bounded revocation: delivery cut off from consent discloses nothing, and no revocation that it missed is ever too late."""

import asyncio

import pytest

from deploy.demo.cast import Json, Refused
from services.chassis import clock
from services.delivery.domain.disclosing import OLDEST_WATERMARK
from tests.faults.place import Case, Place, insist

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


async def _until_refused_for_good(place: Place, case: Case) -> int:
    status = await _opening(place, case)
    if status == 503:
        raise Refused(503, "not heard of the revocation yet", None)
    return status


async def _opening(place: Place, case: Case) -> int:
    """The status with which delivery answers to the recipient that wants to open."""
    program = await case.to.program()
    delivery: Json = await case.to.delivery_of(case.request_id)
    assert delivery is not None
    notice = {"redisclosure_notice": delivery["redisclosure_notice"]["version"]}
    try:
        await program.post(f"/delivery/deliveries/{delivery['delivery_id']}/open", notice)
    except Refused as no:
        return no.status
    return 200
