"""What everybody stands on goes away in the middle of thirty requests and comes back on its data: all of them end."""

import asyncio
import itertools
import os
import signal
from collections.abc import Callable, Sequence

import pytest

from deploy.local.house import House
from tests.faults.place import LANTERN, PROCESSES, STUDENTS, WESTMARCH, Case, Place

pytestmark = [pytest.mark.connected, pytest.mark.fault]

REQUESTS = 30
AT_ONCE = 4


def broker(house: House) -> list[int | None]:
    return [house.own_kafka.pid]


def database(house: House) -> list[int | None]:
    return [house.own_mongo.pid]


def services(house: House) -> list[int | None]:
    return [house.service_process(name).pid for name in PROCESSES if name != "identity"]


@pytest.mark.parametrize("killed", [broker, database, services])
async def test_thirty_requests_end_though_in_their_midst_is_killed(
    place: Place, killed: Callable[[House], Sequence[int | None]]
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
        for pid in killed(place.house):
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
        cases = await asyncio.gather(*going)
        await asyncio.gather(*map(ended, cases))
        await asyncio.gather(*map(place.judge, cases))
