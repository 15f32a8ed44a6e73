"""One real house for all journeys. What is left behind is searched last, when everything has happened."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.house import CEDAR, Family, Json, Receiver, World, furnished, move_east

LAST = ("test_birthday", "test_what_is_left")
"""Files told at the end: a birthday that is waited for, and the search through everything that was written."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Orders the journeys among themselves, in the places that they have: the house stands while they are told."""
    places = [place for place, item in enumerate(items) if item.path.parent == Path(__file__).parent]
    told = sorted((items[place] for place in places), key=lambda item: _turn(item.path.stem))
    for place, item in zip(places, told, strict=True):
        items[place] = item


def _turn(name: str) -> int:
    return LAST.index(name) + 1 if name in LAST else 0


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A house of five services with its town."""
    async with furnished(tmp_path_factory.mktemp("journeys")) as made:
        yield made


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def college(world: World) -> Receiver:
    return await world.recruit("Westmarch College")


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def scholarship(world: World) -> Receiver:
    return await world.recruit("Lantern Scholars Fund", "scholarship")


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def employer(world: World) -> Receiver:
    return await world.recruit("Orrery Instruments", "employer")


@dataclass
class Eve:
    """What stood on the day before a birthday."""

    family: Family
    request: Json


@pytest_asyncio.fixture(scope="package", loop_scope="session", autouse=True)
async def eve(world: World, college: Receiver) -> Eve:
    """A request the day before the student's 18th birthday; then the school's date goes on."""
    family = await world.family(CEDAR)
    request = await world.ask(family, college)
    await move_east(world)
    return Eve(family, request)
