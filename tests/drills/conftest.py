"""One whole house for the drills of day two: what an operator does, done."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from pymongo import AsyncMongoClient

from deploy.local.house import House
from tests.faults.furnishing import furnish
from tests.faults.place import Place


@pytest.hookimpl(tryfirst=True)  # before marks choose
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.drill)


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """A house with a school, families and recipients. A drill may put another house in its place, and leaves it running."""
    house = House(tmp_path_factory.mktemp("drills") / "house")
    await house.start()
    place = None
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as web:
            place = await furnish(house, web, AsyncMongoClient(house.mongo.root_uri, tz_aware=True))
            yield place
            for receiver in place.receivers.values():
                await receiver.close()
            await place.documents.close()
    finally:
        await (place.house if place is not None else house).stop()
