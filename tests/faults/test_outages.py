"""What everybody stands on goes away in the middle of thirty requests and comes back on its data: all of them end."""

import asyncio
import itertools
import os
import signal
from collections.abc import Awaitable, Callable

import pytest

from tests.faults.place import LANTERN, STUDENTS, WESTMARCH, Case, Place

pytestmark = [pytest.mark.connected, pytest.mark.fault]

REQUESTS = 30
AT_ONCE = 4


async def broker_gone(place: Place) -> None:
    await place.house.own_kafka.kill()
    await asyncio.sleep(1)
    await place.house.own_kafka.start()


async def database_gone(place: Place) -> None:
    await place.house.own_mongo.kill()
    await asyncio.sleep(1)
    await place.house.own_mongo.start()


async def services_gone(place: Place) -> None:
    for process in ("consent", "records", "delivery-worker", "delivery-relay", "delivery-api", "notify"):
        pid = place.house.service_process(process).pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("gone", [broker_gone, database_gone, services_gone])
async def test_thirty_requests_end_though_in_their_midst(
    place: Place, gone: Callable[[Place], Awaitable[None]]
) -> None:
    halfway = asyncio.Event()
    places = asyncio.Semaphore(AT_ONCE)
    numbers = itertools.count(1)

    async def approved(student: str, to: str) -> Case:
        async with places:
            case = await place.ask(student, to)
            await place.sign(case)
            if next(numbers) == REQUESTS // 3:
                halfway.set()
        return case

    async def ended(case: Case) -> None:
        async with places:
            await place.finish(case)

    whom = itertools.islice(itertools.cycle(itertools.product(STUDENTS, (WESTMARCH, LANTERN))), REQUESTS)
    going = [asyncio.create_task(approved(student, to)) for student, to in whom]
    await halfway.wait()
    async with place.kept_up():
        await gone(place)
        cases = await asyncio.gather(*going)
        await asyncio.gather(*map(ended, cases))
        await asyncio.gather(*map(place.judge, cases))
