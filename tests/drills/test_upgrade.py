"""The day of an upgrade: a version and the one before it side by side, at the same database and topics, and no caller notices.

There is no earlier release yet. What the next version may write (another optional field, in events and in documents) is made
here by hand, and today's code is the older reader; what runs side by side are two processes of the same code. The page is
deploy/runbooks/upgrade.md.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from pydantic import TypeAdapter

from contracts.event import known_types
from contracts.topics import SERVICES
from deploy.local.environment import Addresses, service_environment
from deploy.local.front import Door
from deploy.local.house import ROOT, House, Seat, run_service
from deploy.local.process import Child, free_port
from deploy.mongodb.applying import declared
from services.chassis.store.shelf import Collection, Shelf
from services.consent.store import ORGANIZATIONS
from tests.faults.place import LANTERN, STUDENTS, WESTMARCH, Case, Place

SAMPLES = sorted((Path(__file__).parents[2] / "contracts" / "samples").glob("*.json"))
LATER = "of_the_next_version"


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_what_the_next_version_adds_to_an_event_does_not_stop_a_reader_of_today(sample: Path) -> None:
    said = json.loads(sample.read_text())
    event = known_types()[sample.stem]
    body = said["value"]
    assert event.model_validate_json(json.dumps({**body, LATER: {"a": [1]}})) == event.model_validate_json(
        json.dumps(body)
    )


def test_an_older_writer_drops_a_newer_field_of_a_document_it_changes() -> None:
    # So a release that adds a field may not rely on it: it is there for good only one release later (upgrade.md).
    class_ = ORGANIZATIONS.state
    shelf: Shelf[Any] = Shelf(class_, Collection("organizations"), key=ORGANIZATIONS.key)
    empty = {"_id": "org_1", "order": 1, LATER: 1} | _least(class_)
    assert LATER not in shelf.document(shelf.state_in(empty), 2)


def _least(state: type[Any]) -> dict[str, Any]:
    """The smallest document of a state: a value for each field that must be there."""
    schema = TypeAdapter(state).json_schema()
    values: dict[str, Any] = {"string": "x", "integer": 1, "array": [], "boolean": False}
    found: dict[str, Any] = {}
    for name in schema.get("required", ()):
        shape = schema["properties"][name]
        shape = schema["$defs"][shape["$ref"].rpartition("/")[2]] if "$ref" in shape else shape
        found[name] = shape["enum"][0] if "enum" in shape else values[shape["type"]]
    found.pop(ORGANIZATIONS.key, None)
    return found


class Turnstile:
    """The front door of a house, which can be led to another process of a service, and counts what it had to refuse."""

    def __init__(self, house: House) -> None:
        self.routes = {seat.service: seat.port for seat in house.seats.values()}
        self.answered = 0
        self.refused: list[str] = []
        self._port = int(house.public_url.rpartition(":")[2])
        self._runner: web.AppRunner | None = None

    async def open(self) -> None:
        app = Door(self.routes).application()
        app.middlewares.append(self._count)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()

    async def close(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    @web.middleware
    async def _count(self, request: web.Request, handler: Any) -> web.StreamResponse:
        answer: web.StreamResponse = await handler(request)
        self.answered += 1
        if answer.status >= 500:
            self.refused.append(f"{request.method} {request.path}: {answer.status}")
        return answer


@pytest_asyncio.fixture(loop_scope="session")
async def turnstile(place: Place) -> AsyncIterator[Turnstile]:
    """In the place of the house's own door, at its address."""
    await place.house._front.stop()
    made = Turnstile(place.house)
    await made.open()
    yield made
    await made.close()
    await place.house._start_front()


async def replace_process(house: House, service: str, turnstile: Turnstile) -> None:
    """As a Deployment with `maxUnavailable: 0` does: another one beside it, ready, led to; then the old one ends in order."""
    old, port = house.service_process(service), free_port()
    addresses = Addresses(house.public_url, house.smtp_url, house.vault_url)
    env = service_environment(
        service, "all", port=port, folder=house.folder, addresses=addresses, broker=house.kafka,
        database=house.mongo, credentials=house.credentials,
    )  # fmt: skip
    new = Child(f"{service}-next", folder=house.folder / "run", log=house.folder / "logs" / f"{service}-next.log")
    await new.start(run_service(service, "all"), env=env, cwd=ROOT)
    house._children[service], house.seats[service] = new, Seat(service, "all", port)
    await house._until_ready(service)
    turnstile.routes[service] = port
    await asyncio.sleep(0.5)  # what was led to the old one before is answered; on a cluster its preStop waits so
    await old.stop(grace=25)


@pytest.mark.connected
@pytest.mark.fault
async def test_every_service_is_replaced_under_traffic_and_no_call_is_refused_at_the_door(
    place: Place, turnstile: Turnstile
) -> None:
    for service, collections in declared().items():
        for collection in collections:
            await place.documents[service][collection.name].update_many({}, {"$set": {LATER: "anything"}})
    cases: list[Case] = []
    ended = asyncio.Event()

    async def families() -> None:
        for student, to in itertools.cycle(itertools.product(STUDENTS, (WESTMARCH, LANTERN))):
            if ended.is_set():
                return
            case = await place.ask(student, to)
            await place.sign(case)
            await place.finish(case)
            cases.append(case)

    going = asyncio.create_task(families())
    for service in SERVICES:
        await replace_process(place.house, service, turnstile)
    ended.set()
    await going
    assert turnstile.refused == []
    assert len(cases) >= 2 and turnstile.answered > 50
    for case in cases:
        await place.judge(case)
