"""The roles of a service, run as processes against the real broker and database, as the house runs them."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from deploy.local.environment import ServiceRole
from deploy.local.house import House
from services.chassis.failpoint import NAMES
from services.chassis.service import _waits_in
from tests.support.stage import until
from tests.support.toys import BELLS, COUNTS

pytestmark = pytest.mark.connected

COLLECTIONS = dict.fromkeys(("consent", "delivery"), (COUNTS.collection, BELLS.collection))
SAYS = {"work.decided", "work.committed", "relay.published", "relay.marked"}


def toy(service: str, role: ServiceRole) -> Sequence[str | Path]:
    return [sys.executable, "-m", "tests.support.toyservice", service, role]


class Toys:
    """Two toy services in a house."""

    def __init__(self, house: House, extra: dict[str, dict[str, str]], bell_file: Path) -> None:
        self.house = house
        self.bell_file = bell_file
        self._extra = extra

    async def ask(self, service: str, path: str, *, method: str = "GET") -> Any:
        seat = self.house.seats.get(service) or self.house.seats[f"{service}-api"]
        url = f"http://127.0.0.1:{seat.port}{path}"
        async with aiohttp.ClientSession() as client, client.request(method, url) as answer:
            return await answer.json()

    async def metrics(self, seat: str) -> str:
        url = f"http://127.0.0.1:{self.house.seats[seat].port}/metrics"
        async with aiohttp.ClientSession() as client, client.get(url) as answer:
            return await answer.text()

    async def say(self, name: str, version: int = 1) -> None:
        await self.ask("consent", f"/toy/say/{name}/{version}", method="POST")

    async def counted(self, name: str) -> list[int]:
        return list((await self.ask("delivery", f"/toy/count/{name}"))["versions"])

    async def rung(self, name: str) -> int:
        return int((await self.ask("delivery", f"/toy/bell/{name}"))["rung"])

    def rings(self, name: str) -> int:
        return self.bell_file.read_text().split().count(name) if self.bell_file.exists() else 0

    def told(self, service: str, **environment: str) -> None:
        """What the service's next process finds in its environment, beside what the house says."""
        self._extra[service] = {"TOY_BELL_FILE": str(self.bell_file), **environment}

    async def restart(self, service: str, **environment: str) -> None:
        self.told(service, **environment)
        await self.house.stop_service(service)
        await self.house.start_service(service)

    async def start_unfit(self, service: str, **environment: str) -> tuple[int, str]:
        """Start with a fault: the exit code, and what it said."""
        self.told(service, **environment)
        await self.house.stop_service(service)
        await self.house._start_seat(self.house.seats[service])
        process = self.house.service_process(service)
        code = await process.ended(20)
        self.told(service)
        said = process.tail()
        await self.house.start_service(service)
        assert code is not None
        return code, said


@asynccontextmanager
async def toys_in(folder: Path, *roles: ServiceRole) -> AsyncIterator[Toys]:
    extra: dict[str, dict[str, str]] = {"consent": {}, "delivery": {"TOY_BELL_FILE": str(folder / "bell")}}
    house = House(
        folder, services=("consent", "delivery"), roles=roles, command=toy, collections=COLLECTIONS, extra=extra
    )
    await house.start()
    try:
        yield Toys(house, extra, folder / "bell")
    finally:
        await house.stop()


@pytest.fixture(scope="module")
async def toys(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Toys]:
    async with toys_in(tmp_path_factory.mktemp("toys"), "all") as toys:
        yield toys


async def test_three_roles_in_three_processes_do_what_one_does(tmp_path: Path) -> None:
    """As on Kubernetes: each process with its own credentials alone, woken through the database."""
    async with toys_in(tmp_path, "api", "worker", "relay") as toys:
        await toys.say("req_apart")
        await until(lambda: toys.rung("req_apart"))
        assert await toys.counted("req_apart") == [1]
        assert toys.rings("req_apart") == 1
        relay = await toys.metrics("consent-relay")
        assert "placet_outbox_oldest_row_seconds{" in relay
        assert 'placet_mongodb_majority_lag_seconds{role="relay",service="consent"} ' in relay
        assert 'placet_certificate_expires_timestamp_seconds{kind="kafka",role="relay",service="consent"} ' in relay
        told = await toys.metrics("delivery-worker")
        assert 'placet_set_aside_records{kind="failed",role="worker",service="delivery",state="waiting"} 0.0' in told
        assert 'placet_consumer_lag_records{role="worker",service="delivery",topic="consent.requests"}' in told


async def test_what_one_service_says_the_other_hears_and_acts_on(toys: Toys) -> None:
    await toys.say("req_first")
    await until(lambda: toys.rung("req_first"))
    assert await toys.counted("req_first") == [1]
    assert toys.rings("req_first") == 1


async def test_a_service_told_to_stop_finishes_what_is_in_hand(toys: Toys) -> None:
    await asyncio.gather(*(toys.say(f"req_stop_{number}") for number in range(50)))
    await toys.restart("delivery")
    await toys.restart("consent")
    for number in range(50):
        await until(partial(toys.counted, f"req_stop_{number}"))


@pytest.mark.fault
@pytest.mark.parametrize("name", sorted(NAMES))
async def test_after_a_crash_at_any_point_all_is_counted_once(toys: Toys, name: str) -> None:
    service = "consent" if name in SAYS else "delivery"
    request = f"req_{name.replace('.', '_')}"
    await toys.restart(service, PLACET_FAILPOINT=name)
    try:
        await toys.say(request)
    except aiohttp.ClientError:
        assert name.startswith("work.")
    assert await toys.house.service_process(service).ended(10) == -signal.SIGKILL, f"nothing died at {name}"
    toys.told(service)
    await toys.house.start_service(service)
    if name == "work.decided":
        await toys.say(request)  # nothing was promised, so it is asked again
    await until(lambda: toys.rung(request))
    assert await toys.counted(request) == [1]
    assert toys.rings(request) == (2 if name == "duty.acted" else 1)


@pytest.mark.fault
async def test_a_broker_that_is_down_at_the_start_is_waited_for(toys: Toys) -> None:
    await toys.house.stop_service("delivery")
    await toys.house.own_kafka.kill()
    await toys.say("req_early")
    await toys.house._start_seat(toys.house.seats["delivery"])
    log = toys.house.service_process("delivery").log
    await until(lambda: "Kafka is down: nobody answers" in log.read_text())
    answer = await toys.ask("delivery", "/health/ready")
    assert answer["because"]["consumer"] == "no"
    await toys.house.own_kafka.start()
    await toys.house._until_ready("delivery")
    await until(lambda: toys.counted("req_early"), seconds=30)


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ({"PLACET_KAFKA_RELAY_PASSWORD": "not-the-password"}, "does not let 'consent-relay' in"),
        ({"PLACET_KAFKA_WORKER_PASSWORD": "not-the-password"}, "does not let 'consent-worker' in"),
        ({"PLACET_MONGODB_API_URI": "mongodb://nobody:nothing-at-all@{mongo}"}, "refuses the api's user"),
        (
            {"PLACET_MONGODB_API_URI": "mongodb://nobody:nothing-at-all@{host}/?replicaSet=rs0&tls=true"},
            "MongoDB answers, but the database's certificate is not signed",
        ),
        ({"PLACET_PORT": "{taken}"}, "free it, or set PLACET_PORT"),
        ({"PLACET_MONGODB_RELAY_URI": ""}, "PLACET_MONGODB_RELAY_URI is missing"),
    ],
    ids=["relay-password", "worker-password", "database-user", "authority", "port", "missing"],
)
async def test_what_is_set_up_wrong_ends_the_start_with_one_sentence(
    toys: Toys, fault: dict[str, str], sentence: str
) -> None:
    mongo = toys.house.own_mongo.root_uri.rpartition("@")[2]
    words = {"mongo": mongo, "host": toys.house.own_mongo.host, "taken": toys.house.seats["delivery"].port}
    code, said = await toys.start_unfit("consent", **{name: value.format(**words) for name, value in fault.items()})
    assert code == 1
    assert sentence in said
    assert "Traceback" not in said
    assert "not-the-password" not in said


async def test_a_part_that_does_not_end_tells_in_which_functions_it_waits() -> None:
    never = asyncio.Event()

    async def inner() -> None:
        await never.wait()

    async def outer() -> None:
        await inner()

    task = asyncio.create_task(outer())
    await asyncio.sleep(0)
    names = _waits_in(task).split(" > ")
    assert [name.rpartition(".")[2] for name in names[:3]] == ["outer", "inner", "wait"]
    never.set()
    await task
    assert _waits_in(task)
