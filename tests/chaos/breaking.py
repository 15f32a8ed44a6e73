"""Carries out a plan of faults on a running house, keeps up what died of them, and mends everything at the end."""

import asyncio
import os
import resource
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress

import aiohttp
from aiokafka.errors import KafkaError
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from pymongo.errors import PyMongoError

from contracts.topics import SERVICES
from deploy.local.cluster import MongoSet
from deploy.local.fetch import NotFetched
from deploy.local.kafka import client_settings
from deploy.local.process import NotStarted
from services.chassis import clock
from tests.chaos import posting
from tests.chaos.history import Fault, Pen
from tests.chaos.plan import JUMP, Planned
from tests.chaos.stage import NODES, RECIPIENTS, Say, Stage

OPERATOR_SECONDS = 60.0
"""So long an operator waits for the alarm; whatever is set aside later is looked at when the run comes to rest."""
WATCHED = "consent.requests"
"""The topic whose leader is *the* leader: without it nothing moves."""


class Breaker:
    """One run's faults. Two never befall the same system at once: of three nodes one may be missing, as is promised."""

    def __init__(self, stage: Stage, pen: Pen, say: Say) -> None:
        self._stage, self._house, self._pen, self._say = stage, stage.house, pen, say
        self._turns = {"kafka": asyncio.Lock(), "mongod": asyncio.Lock()}
        self._reviving: dict[str, asyncio.Task[None]] = {}
        self._services = {name: asyncio.Lock() for name in (*self._house.seats, "front", "smtp")}
        self.struck: list[Fault] = []
        self.failed: list[str] = []
        """What could not be brought back, and why."""

    async def strike(self, plan: list[Planned]) -> None:
        """Every fault at its moment; ends when the last is mended."""
        keeper = asyncio.create_task(self._keep_up())
        began = clock.seconds()

        async def one(fault: Planned) -> None:
            await asyncio.sleep(max(0.0, began + fault.at - clock.seconds()))
            await self._carry_out(fault)

        try:
            await asyncio.gather(*map(one, plan))
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, *self._reviving.values(), return_exceptions=True)

    async def mend(self) -> None:
        """All faults end: the wire passes, clocks are right, everything that should run runs and is ready."""
        for route in self._routes(""):
            await self._stage.wire(route, "pass")
        for service in SERVICES:
            self._stage.set_clock(service, 0)
        with suppress(aiohttp.ClientError):
            await self._mail("up")
        for name in self._house.ended():
            await self._revive(name)
        await self._house._until_ready()

    async def _carry_out(self, fault: Planned) -> None:
        at = clock.now().timestamp()
        self._say(f"{fault.number:3d}  {fault.at:5.0f} s  {fault.told}")
        try:
            await self._acts()[fault.kind](fault)
        except (NotStarted, OSError, aiohttp.ClientError, KafkaError, TimeoutError, RuntimeError) as why:
            self.failed.append(f"fault {fault.number}, {fault.told}: {type(why).__name__} {why}"[:2_000])
        done = Fault(at=at, number=fault.number, what=fault.told, ended=clock.now().timestamp())
        self.struck.append(done)
        self._pen.note(done)

    def _acts(self) -> dict[str, Callable[[Planned], Awaitable[None]]]:
        return {
            "kill service": self._kill_service,
            "pause service": self._pause_service,
            "restart service": self._restart_service,
            "kill all services": self._kill_all,
            "kill broker": lambda one: self._on_node(one, self._kill_node),
            "pause broker": lambda one: self._on_node(one, self._pause_node),
            "cut off broker": lambda one: self._on_node(one, self._cut_off),
            "kill database": lambda one: self._on_node(one, self._kill_node),
            "pause database": lambda one: self._on_node(one, self._pause_node),
            "cut off database": lambda one: self._on_node(one, self._cut_off),
            "reset connections": self._reset,
            "slow wire": self._slow,
            "recipient away": lambda one: self._wire_for(one.seconds, "refuse", f"recipient-{one.target}"),
            "recipient silent": lambda one: self._wire_for(one.seconds, "hang", f"recipient-{one.target}"),
            "disk full": self._disk_full,
            "clock": self._wrong_clock,
            "mail server down": self._no_mail,
            "kill front": self._kill_front,
            "repeat records": lambda one: posting.repeat(self._house, one.draw),
            "garbage records": self._garbage,
            "forge records": lambda one: posting.forge(self._house, self._pen, one.draw),
        }

    async def _garbage(self, fault: Planned) -> None:
        """Nonsense, and an operator who is paged and looks at what it stops."""
        await posting.garbage(self._house, self._pen, fault.draw)
        deadline = clock.seconds() + OPERATOR_SECONDS
        while clock.seconds() < deadline:
            with suppress(PyMongoError):
                if await posting.dismiss(self._stage.world.documents):
                    return
            await asyncio.sleep(1)

    # Processes of the services

    async def _kill_service(self, fault: Planned) -> None:
        async with self._services[fault.target]:
            await self._house.kill_service(fault.target)
            await asyncio.sleep(fault.seconds)
            await self._house.restart(fault.target)

    async def _pause_service(self, fault: Planned) -> None:
        async with self._services[fault.target]:
            await _paused(self._house.service_process(fault.target).pid, fault.seconds)

    async def _restart_service(self, fault: Planned) -> None:
        async with self._services[fault.target]:
            await self._house.stop_service(fault.target)
            await self._house.restart(fault.target)

    async def _kill_all(self, fault: Planned) -> None:
        async def one(name: str) -> None:
            async with self._services[name]:
                await self._house.kill_service(name)
                await asyncio.sleep(fault.seconds)
                await self._house.restart(name)

        await asyncio.gather(*map(one, self._house.seats))

    async def _kill_front(self, fault: Planned) -> None:
        async with self._services["front"]:
            await self._house._front.kill()
            await asyncio.sleep(fault.seconds)
            await self._house.restart("front")

    # Nodes

    async def _on_node(self, fault: Planned, act: Callable[[str, float], Awaitable[None]]) -> None:
        async with self._turns["kafka" if "broker" in fault.kind else "mongod"]:
            await act(await self._node(fault), fault.seconds)

    async def _node(self, fault: Planned) -> str:
        """The leader or the primary of this moment; when there is none, one of the draw's choosing."""
        if "broker" in fault.kind or fault.target == "leader":
            return await asyncio.to_thread(self._leader) or f"kafka-{1 + fault.draw % NODES}"
        return await self._set.primary() or f"mongod-{1 + fault.draw % NODES}"

    @property
    def _set(self) -> MongoSet:
        found = self._house.mongo
        assert isinstance(found, MongoSet)
        return found

    def _leader(self) -> str | None:
        kafka = self._house.kafka
        try:
            told = AdminClient(client_settings(kafka.bootstrap, kafka.cafile, kafka.admin)).list_topics(WATCHED, 5)
        except KafkaException:
            return None
        leader = told.topics[WATCHED].partitions[0].leader
        return f"kafka-{leader}" if leader > 0 else None

    async def _kill_node(self, name: str, seconds: float) -> None:
        await self._house.nodes[name].kill()
        await asyncio.sleep(seconds)
        await self._house.restart(name)

    async def _pause_node(self, name: str, seconds: float) -> None:
        await _paused(self._house.nodes[name].pid, seconds)
        await asyncio.sleep(2)  # it finds its way back before another may go

    async def _cut_off(self, name: str, seconds: float) -> None:
        await self._wire_for(seconds, "hang", name)
        await asyncio.sleep(2)

    # The wire, disks, clocks, mail

    def _routes(self, kind: str) -> list[str]:
        nodes = [f"{system}-{one}" for system in ("kafka", "mongod") for one in range(1, NODES + 1)]
        recipients = [f"recipient-{one}" for one in range(RECIPIENTS)]
        return [name for name in (*nodes, *recipients) if name.startswith(kind)]

    async def _wire_for(self, seconds: float, mode: str, *routes: str) -> None:
        for route in routes:
            await self._stage.wire(route, mode)
        await asyncio.sleep(seconds)
        for route in routes:
            await self._stage.wire(route, "pass")

    async def _reset(self, fault: Planned) -> None:
        for route in self._routes(fault.target):
            await self._stage.wire(route, "reset")

    async def _slow(self, fault: Planned) -> None:
        async with self._turns[fault.target]:
            await self._wire_for(fault.seconds, "slow", *self._routes(fault.target))

    async def _disk_full(self, fault: Planned) -> None:
        """No file of the process may grow: what the kernel answers is an error, as on a full disk."""
        if fault.target in {"primary", "leader"}:
            system = "kafka" if fault.target == "leader" else "mongod"
            async with self._turns[system]:
                name = await self._node(fault)
                await _without_room(self._house.nodes[name].pid, fault.seconds)
                # It may have died of it; then the keeper brings it back before another may go.
                while name in self._house.ended() or name in self._reviving:
                    await asyncio.sleep(0.2)
        else:
            async with self._services[fault.target]:
                await _without_room(self._house.service_process(fault.target).pid, fault.seconds)

    async def _wrong_clock(self, fault: Planned) -> None:
        services = SERVICES if fault.target == "everybody" else (fault.target,)
        by = JUMP if fault.draw % 2 else -JUMP
        for service in services:
            self._stage.set_clock(service, by)
        await asyncio.sleep(fault.seconds)
        for service in services:
            self._stage.set_clock(service, 0)

    async def _no_mail(self, fault: Planned) -> None:
        await self._mail("down")
        await asyncio.sleep(fault.seconds)
        await self._mail("up")

    async def _mail(self, word: str) -> None:
        async with self._stage.world.web.post(f"{self._house.mail_url}/{word}"):
            pass

    # Keeping up

    async def _keep_up(self) -> None:
        """What ended by itself is started again, as a cluster would."""
        while True:
            for name in self._house.ended():
                if name not in self._reviving and not self._busy(name):
                    self._reviving[name] = asyncio.create_task(self._revive(name))
            await asyncio.sleep(0.3)

    def _busy(self, name: str) -> bool:
        """Whether a fault has it in hand, and will bring it back itself."""
        return name in self._services and self._services[name].locked()

    async def _revive(self, name: str) -> None:
        try:
            await self._house.restart(name)
        except (NotStarted, NotFetched) as why:
            self.failed.append(f"{name} did not come back: {why}"[:2_000])
        finally:
            self._reviving.pop(name, None)


async def _paused(pid: int | None, seconds: float) -> None:
    if pid is None:
        return
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


async def _without_room(pid: int | None, seconds: float) -> None:
    if pid is None:
        return
    _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, most))
    try:
        await asyncio.sleep(seconds)
    finally:
        with suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most))
