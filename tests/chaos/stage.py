"""What the faults happen to: a house of three brokers and three databases behind a proxy, with schools, families, recipients.

All clients of the run are processes of their own, which no fault touches; all they have to know is written to files.
"""

import asyncio
import json
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from pymongo import AsyncMongoClient

from contracts.topics import SERVICES
from deploy.demo.cast import Company, Json
from deploy.demo.town import Campus, Resident
from deploy.local.environment import ServiceRole
from deploy.local.house import House
from deploy.local.process import Child, free_port, is_listening, send
from services.chassis import clock
from services.delivery.domain.notice import REDISCLOSURE
from tests.chaos.passes import Passes
from tests.chaos.proxy import tell
from tests.support.house import World, _school, _seal_all, until
from tests.support.town import ALDER, BIRCH, archive, town

Say = Callable[[str], None]
ROOT = Path(__file__).parents[2]
NODES = 3
RECIPIENTS = 6
CAMPUSES = (ALDER, BIRCH)
SPLIT: dict[str, Sequence[ServiceRole]] = {"delivery": ("api", "worker", "relay")}
"""Delivery runs as three processes, the others as one each."""


@dataclass
class Stage:
    """The house, the wire before it, and who plays."""

    folder: Path
    house: House
    world: World
    passes: Passes
    control: int
    seed: int
    recipients: list[str] = field(default_factory=list)
    children: dict[str, Child] = field(default_factory=dict)
    port: int = 0
    """Where the recipients listen, behind their routes."""

    @property
    def history(self) -> Path:
        return self.folder / "history"

    async def wire(self, route: str, mode: str) -> None:
        """Change what befalls a route of the proxy."""
        await tell(self.control, route, mode)

    def clock_file(self, service: str) -> Path:
        return self.folder / "clocks" / service

    def set_clock(self, service: str, seconds: float) -> None:
        """Make a service's clock wrong by so much."""
        half = self.clock_file(service).with_suffix(".new")
        half.write_text(str(seconds))
        half.rename(self.clock_file(service))

    async def spawn(self, name: str, config: dict[str, Any]) -> Child:
        """Start a process of the run, which reads all it must know from one file."""
        path = self.folder / f"{name}.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(config))
        child = self.children[name] = Child(
            f"chaos-{name}", folder=self.folder / "run", log=self.folder / f"{name}.log"
        )
        await child.start([sys.executable, "-m", f"tests.chaos.{name}", str(path)], cwd=ROOT)
        return child

    def told(self) -> dict[str, Any]:
        """What every process of the run is told."""
        return {"origin": self.house.public_url, "keys": str(self.house.folder / "keys"), "seed": self.seed}


@asynccontextmanager
async def staged(folder: Path, seed: int, say: Say) -> AsyncIterator[Stage]:
    """A fresh house in `folder`, furnished, its recipients listening. All of it ends with the block."""
    await asyncio.to_thread(_cleared, folder)
    wire = _wire(folder)
    proxy = Child("chaos-proxy", folder=folder / "run", log=folder / "proxy.log")
    extra = {one: {"PLACET_CLOCK_FILE": str(folder / "clocks" / one), **SHORT.get(one, {})} for one in SERVICES}
    doors = {name: route["listen"] for name, route in wire["routes"].items() if "file" in route}
    house = House(folder / "house", roles=SPLIT, extra=extra, log_level="WARNING", nodes=NODES, doors=doors)
    stage: Stage | None = None
    try:
        await proxy.start([sys.executable, "-m", "tests.chaos.proxy", str(folder / "wire.json")], cwd=ROOT)
        await _until_listening(wire["control"], proxy)
        began = clock.seconds()
        await house.start()
        say(f"a house of {NODES} brokers and {NODES} databases is ready after {clock.seconds() - began:.0f} s")
        async with aiohttp.ClientSession() as web, AsyncMongoClient[dict[str, Any]](house.mongo.root_uri) as documents:
            world = await _furnish(house, web, documents, folder)
            stage = Stage(folder, house, world, Passes(house.folder / "keys"), wire["control"], seed)
            stage.port = wire["routes"]["recipient-0"]["port"]
            say(f"{len(world.transcripts)} sealed transcripts at {len(world.schools)} schools")
            await _recruit(stage, wire)
            yield stage
    finally:
        _wake(house)
        if stage is not None:
            await asyncio.gather(*(child.stop(grace=5) for child in stage.children.values()))
        await house.stop()
        await proxy.stop(grace=2)


SHORT = {"notify": {"PLACET_MAIL_RETRY_SECONDS": "5"}}
"""A mail that could not be handed in is tried again sooner than in five minutes."""


def _cleared(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for place in ("history", "clocks", "run"):
        (folder / place).mkdir(parents=True)


def _wire(folder: Path) -> dict[str, Any]:
    """The proxy's routes: to each node, and to each recipient."""
    routes: dict[str, dict[str, Any]] = {}
    house, recipients = folder / "house", free_port()
    for one in range(1, NODES + 1):
        ports = str(house / "kafka" / str(one) / "ports.json")
        routes[f"kafka-{one}"] = {"listen": 0, "file": ports, "key": "client"}
        routes[f"mongod-{one}"] = {"listen": 0, "file": str(house / "mongo" / str(one) / "port")}
    for one in range(RECIPIENTS):
        routes[f"recipient-{one}"] = {"listen": 0, "port": recipients}
    drawn: set[int] = {recipients}
    while len(drawn) < len(routes) + 2:
        drawn.add(free_port())
    ports_left = sorted(drawn - {recipients})
    for route in routes.values():
        route["listen"] = ports_left.pop()
    wire = {"control": ports_left.pop(), "routes": routes}
    (folder / "wire.json").write_text(json.dumps(wire))
    return wire


async def _until_listening(port: int, child: Child) -> None:
    deadline = clock.seconds() + 20
    while not is_listening(port):
        if clock.seconds() > deadline or child.exit_code is not None:
            raise child.failure(f"nothing listens on port {port}")
        await asyncio.sleep(0.05)


def _wake(house: House) -> None:
    """Whatever was paused goes on, so that it can be ended."""
    for path in house.folder.rglob("*.pid"):
        if path.name != "house.pid":
            send(path, signal.SIGCONT)


async def _furnish(
    house: House, web: aiohttp.ClientSession, documents: AsyncMongoClient[dict[str, Any]], folder: Path
) -> World:
    company = Company(web, house.public_url)
    await company.start(house.operator_token)
    world = World(house, web, town(clock.now().date()), company, folder, documents)
    for campus in CAMPUSES:
        world.schools[campus.key] = await _school(world, campus, campus.zone)
        path = f"/identity/schools/{world.schools[campus.key]}/rosters"
        await world.operator.call("POST", path, data=archive(world.town, campus), media_type="application/zip")
    for campus in CAMPUSES:
        await _seal_all(world, campus)
    return world


async def _recruit(stage: Stage, wire: dict[str, Any]) -> None:
    """Recipients known to every service, each with its endpoint at its own route; then the process that listens for all."""
    operator = stage.world.operator
    for number in range(RECIPIENTS):
        body = {"kind": "college", "name": f"College {number}", "standing": "verified"}
        stage.recipients.append((await operator.post("/identity/organizations", body))["organization_id"])

    async def known() -> bool:
        there = {"_id": {"$in": stage.recipients}}
        documents = stage.world.documents
        counts = [
            await documents[one]["organizations"].count_documents(there) for one in ("consent", "delivery", "notify")
        ]
        return set(counts) == {RECIPIENTS}

    await until(known, "the services to hear of the recipients")
    config = []
    for number, organization in enumerate(stage.recipients):
        url = f"http://127.0.0.1:{wire['routes'][f'recipient-{number}']['listen']}/hook/{number}"
        async with stage.world.web.put(
            f"{stage.house.public_url}/delivery/endpoints/main",
            json={"url": url, "description": "chaos"},
            headers={"authorization": f"Bearer {stage.passes.program(organization)}"},
        ) as answer:
            answer.raise_for_status()
            config.append({"organization_id": organization, "secret": (await answer.json())["secret"]})
    told = {"port": stage.port, "recipients": config, "redisclosure_notice": REDISCLOSURE.version}
    child = await stage.spawn(
        "recipients", {**stage.told(), **told, "history": str(stage.history / "recipients.jsonl")}
    )
    await _until_listening(stage.port, child)


async def families(stage: Stage) -> list[Json]:
    """What the families' process has to know of each household."""
    return [await _family(stage, campus, one) for campus in CAMPUSES for one in stage.world.town.students(campus)]


async def _family(stage: Stage, campus: Campus, resident: Resident) -> Json:
    world = stage.world
    student = world.person_id(resident.sourced_id)
    person = await world.documents["consent"]["students"].find_one({"_id": student})
    assert person is not None
    return {
        "student": student,
        "signer": student if person["rights_holder"] == "student" else str(person["guardians"][0]),
        "transcript_id": world.transcripts[resident.sourced_id]["transcript_id"],
        "school": world.schools[campus.key],
        "registrar": world.person_id(f"{campus.key}-rg-02"),
    }


async def notice_digest(stage: Stage) -> str:
    """The notice that a signature cites."""
    token = stage.passes.person(stage.world.person_id("al-rg-01"))
    url = f"{stage.house.public_url}/consent/notice"
    async with stage.world.web.get(url, headers={"authorization": f"Bearer {token}"}) as answer:
        answer.raise_for_status()
        return str((await answer.json())["digest"])
