"""One whole house for all that breaks it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import aiohttp
import pytest

from deploy.local.house import House
from tests.faults.place import SPLIT, Place, failpoints, furnish


@pytest.fixture(scope="session")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """A house with a school, families and recipients. Every test leaves it running, with nothing armed."""
    folder = tmp_path_factory.mktemp("faults")
    (folder / "failpoints").mkdir()
    house = House(folder, roles=SPLIT, extra=failpoints(folder))
    await house.start()
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as web:
            place = await furnish(house, web)
            yield place
            for receiver in place.receivers.values():
                await receiver.close()
    finally:
        await house.stop()


@pytest.fixture(scope="session")
async def mails(place: Place) -> "Counter[str]":
    """What is mailed about a request of which nothing goes wrong: by template, how often."""
    case = await place.ask(parts=place.parts())
    await place.sign(case)
    await place.finish(case)
    found = await place.mailed(case)
    while "delivered" not in found or found != await place.mailed(case):
        await asyncio.sleep(1)
        found = await place.mailed(case)
    await place.judge(case, found)
    return found
