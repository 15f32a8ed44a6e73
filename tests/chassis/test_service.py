"""The roles of a service, run as processes against the real broker and database, as the house runs them."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from deploy.local.environment import ServiceRole
from deploy.local.house import House
from tests.support.stage import until
from tests.support.toys import BELLS, COUNTS

pytestmark = pytest.mark.connected

COLLECTIONS = dict.fromkeys(("consent", "delivery"), (COUNTS.collection, BELLS.collection))


def toy(service: str, role: ServiceRole) -> Sequence[str | Path]:
    return [sys.executable, "-m", "tests.support.toyservice", service, role]


class Toys:
    """Two toy services in a house."""

    def __init__(self, house: House, bell_file: Path) -> None:
        self.house = house
        self.bell_file = bell_file

    async def ask(self, service: str, path: str, *, method: str = "GET") -> Any:
        port = self.house.seats[service].port
        async with aiohttp.ClientSession() as client, client.request(method, f"http://127.0.0.1:{port}{path}") as answer:
            return await answer.json()

    async def say(self, name: str, version: int = 1) -> None:
        await self.ask("consent", f"/toy/say/{name}/{version}", method="POST")

    async def counted(self, name: str) -> list[int]:
        return list((await self.ask("delivery", f"/toy/count/{name}"))["versions"])

    async def rung(self, name: str) -> int:
        return int((await self.ask("delivery", f"/toy/bell/{name}"))["rung"])

    def rings(self, name: str) -> int:
        return self.bell_file.read_text().split().count(name) if self.bell_file.exists() else 0

    async def restart(self, service: str, **environment: str) -> None:
        self.house._extra[service] = {"TOY_BELL_FILE": str(self.bell_file), **environment}
        await self.house.stop_service(service)
        await self.house.start_service(service)

    def log(self, service: str) -> str:
        return self.house.service_process(service).log.read_text()


@pytest.fixture(scope="module")
async def toys(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Toys]:
    folder = tmp_path_factory.mktemp("toys")
    extra = {"consent": {}, "delivery": {"TOY_BELL_FILE": str(folder / "bell")}}
    house = House(folder, services=("consent", "delivery"), command=toy, collections=COLLECTIONS, extra=extra)
    await house.start()
    yield Toys(house, folder / "bell")
    await house.stop()


async def test_what_one_service_says_the_other_hears_and_acts_on(toys: Toys) -> None:
    await toys.say("req_first")
    await until(lambda: toys.rung("req_first"))
    assert await toys.counted("req_first") == [1]
    assert toys.rings("req_first") == 1


async def test_a_service_told_to_stop_finishes_what_is_in_hand(toys: Toys) -> None:
    await asyncio.gather(*(toys.say(f"req_stop_{number}") for number in range(50)))
    await toys.restart("delivery")
    await toys.restart("consent")
    async with asyncio.timeout(20):
        for number in range(50):
            await until(lambda number=number: toys.counted(f"req_stop_{number}"))
    assert toys.house.service_process("delivery").exit_code is None
