"""The power goes at every point between decide, commit, publish, mark, act and record, in every service that comes there.

Real processes, killed with SIGKILL by a named point and started again. What must hold afterwards is `Place.judge`: the
request is acknowledged, one row in the ledger, one webhook-id with one body, each mail under one Message-ID, none missing.
"""

import asyncio

import pytest

from services.chassis.failpoint import NAMES
from tests.faults.place import PATIENCE, Case, Place
from tests.support.stage import until

pytestmark = [pytest.mark.connected, pytest.mark.fault]

COMMITS = ("work.decided", "work.committed")
RELAYS = ("relay.published", "relay.marked")
ACTS = ("duty.begun", "duty.acted", "duty.recorded")
HANDLED = "consumer.handled"


def test_every_point_is_a_scene_here() -> None:
    assert {*COMMITS, *RELAYS, *ACTS, HANDLED} == NAMES


@pytest.mark.parametrize("point", COMMITS)
async def test_a_request_survives_each_service_dying_at_its_commit(place: Place, point: str) -> None:
    async with place.kept_up():
        case = await place.ask(parts=place.parts())
        await place.until(case, lambda one: one["package_digest"] is not None)
        arm(place, point, "consent", "records", "notify")
        await place.sign(case)
        await arm_for_the_release(place, case, point)
        await place.until_told(case)
        arm(place, point, "delivery-api")
        await place.finish(case)
        await place.judge(case)
        await place.until_dead("consent", "records", "notify", "delivery-worker", "delivery-api")


async def test_a_request_survives_each_service_dying_before_its_offsets_are_committed(place: Place) -> None:
    async with place.kept_up():
        case = await place.ask(parts=place.parts())
        await place.until(case, lambda one: one["package_digest"] is not None)
        arm(place, HANDLED, "records", "notify")
        await place.sign(case)
        await arm_for_the_release(place, case, HANDLED)
        await place.until_told(case)
        arm(place, HANDLED, "consent")
        await place.finish(case)
        await place.judge(case)
        await place.until_dead("consent", "records", "notify", "delivery-worker")


@pytest.mark.parametrize("point", RELAYS)
async def test_a_request_survives_each_relay_dying_behind_the_broker(place: Place, point: str) -> None:
    async with place.kept_up():
        case = await place.ask(parts=place.parts())
        await place.until(case, lambda one: one["package_digest"] is not None)
        arm(place, point, "consent", "records", "notify", "delivery-relay")
        await place.sign(case)
        await place.finish(case)
        await place.judge(case)
        await place.until_dead("consent", "records", "notify", "delivery-relay")


async def test_packages_webhooks_and_mails_survive_a_death_in_each_of_their_three_beats(place: Place) -> None:
    """Three requests, a point each; they wait for their claims to end together."""
    async with place.kept_up():
        cases = [await _asked_at(place, point) for point in ACTS]
        for case, point in zip(cases, ACTS, strict=True):
            # The first act may be about somebody without an address, whom no mail is sent to.
            arm(place, f"{point}:2" if point == "duty.acted" else point, "notify")
            arm(place, point, "delivery-worker")
            await place.sign(case)
            await place.until_dead("notify", "delivery-worker")
        for case in cases:
            await place.finish(case)
            await place.judge(case)
        # Whoever dies between the act and its record acts again; which of the three it was is not for us to say.
        await until(lambda: any(len(case.to.told_of(case.request_id)) > 1 for case in cases), seconds=PATIENCE)
        mailed = [caught for case in cases for caught in (await place.mails(case.request_id)).values()]
        assert any(len(mails) > 1 for mails in mailed), "no mail that was not recorded was sent again"
        for case in cases:
            await place.judge(case)


async def _asked_at(place: Place, point: str) -> Case:
    """A request whose package is being made when records dies."""
    arm(place, point, "records")
    case = await place.ask(parts=place.parts())
    await place.until_dead("records")
    return case


def arm(place: Place, point: str, *processes: str) -> None:
    for process in processes:
        place.arm(process, point)


async def arm_for_the_release(place: Place, case: Case, point: str) -> None:
    """Delivery's worker hears a watermark every few seconds: it is armed when the release is on its way, and not before."""
    while not await place.documents["records"]["releases"].find_one({"_id": case.request_id}):
        await asyncio.sleep(0.002)
    place.arm("delivery-worker", point)
