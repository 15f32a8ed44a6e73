"""One whole house for all that breaks it."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from pymongo import AsyncMongoClient

from deploy.local.house import House
from tests.faults.furnishing import furnish
from tests.faults.place import SPLIT, Place, failpoints


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """A house with a school, families and recipients. Every test leaves it running, with nothing armed."""
    folder = tmp_path_factory.mktemp("faults")
    (folder / "failpoints").mkdir()
    house = House(folder, roles=SPLIT, extra=failpoints(folder))
    await house.start()
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as web,
            AsyncMongoClient[dict[str, Any]](house.mongo.root_uri, tz_aware=True) as documents,
        ):
            place = await furnish(house, web, documents)
            yield place
            for receiver in place.receivers.values():
                await receiver.close()
    finally:
        await house.stop()


@pytest.fixture(autouse=True)
async def all_is_well(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """What one test broke is whole again before the next one, however it ended: nothing armed, everything up."""
    yield
    if "place" in request.fixturenames:
        await request.getfixturevalue("place").mend()
