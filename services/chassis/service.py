"""Builds and runs the roles api, worker and relay from a service's parts: the last room of the chassis, and the first to run.

Invariants: each role has its own credentials, also when one process plays all three; what is wrong with settings,
logins or files ends the process at its start with one sentence, while a broker or a database that is away is waited
for, and `/health/ready` says no; on SIGTERM nothing in hand is lost: not ready, no new work, finish, tell, leave.
"""

import asyncio
import gc
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import uvloop
from starlette.applications import Starlette
from starlette.types import ASGIApp

from contracts.topics import written_by
from services.chassis import clock
from services.chassis.bell import Bell
from services.chassis.duty import Due
from services.chassis.kafka.access import Cause, KafkaAccess, diagnose
from services.chassis.kafka.asides import MongoAsides
from services.chassis.kafka.consumer import ASIDE as ASIDE_RECORDS
from services.chassis.kafka.consumer import LAG, Consumer
from services.chassis.kafka.hearing import Hearing
from services.chassis.kafka.relay import OLDEST, KafkaPublisher, Relay, oldest
from services.chassis.kafka.sending import MongoSending, plant_lease
from services.chassis.observe import dates, log, telemetry
from services.chassis.observe.census import Census
from services.chassis.observe.log import logger
from services.chassis.settings import Role, Settings, SettingsRefused
from services.chassis.store.mongo import BEHIND, MongoStore, NoLogin, Untrusted, connect
from services.chassis.store.shelf import ASIDE, Shelf
from services.chassis.store.work import NotNow, Work
from services.chassis.web.health import Health
from services.chassis.web.server import HttpServer, PortTaken

DRAIN_SECONDS = 20.0
"""What is in hand at SIGTERM may take so long; the chart's grace period is above it."""
YOUNG_OBJECTS = 20_000
"""So many objects more than before make the collector look at the young ones. A batch of 500 messages makes some 100 000."""
SHORTEST, LONGEST = 0.5, 5.0
"""Seconds between two tries to reach what was away at the start."""


class Unfit(Exception):
    """The process can't run as it is set up. The text is one sentence: what, where, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What the chassis hands to a service's factories for one role. `closing` runs when the process ends."""

    role: Role
    settings: Any
    """The service's own settings class."""
    store: MongoStore
    work: Work
    health: Health
    closing: AsyncExitStack
    census: Census = field(default_factory=Census)
    """What is counted every few seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """What a service does beside answering HTTP: what it hears, and what falls due."""

    hearing: Hearing
    duties: Sequence[Due] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A service, as its `app.py` gives it. The factories build and join; they reach for nothing over the network."""

    name: str
    settings: type[Settings]
    shelves: Sequence[Shelf[Any]]
    api: Callable[[Room], Awaitable[ASGIApp]]
    worker: Callable[[Room], Awaitable[Worker]]


def main(parts: Parts, arguments: Sequence[str]) -> None:
    """`python -m services.consent api|worker|relay|all`. Exits 2 on a wrong word, 1 on what keeps it from starting."""
    words = [*arguments]
    if len(words) != 1 or words[0] not in list(Role):
        sys.stderr.write(f"usage: python -m services.{parts.name} {'|'.join(Role)}\n")
        sys.exit(2)
    run(parts, Role(words[0]))


def run(parts: Parts, role: Role) -> None:
    """Run a service in a role until SIGTERM or SIGINT."""
    try:
        settings = parts.settings.read(role)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(Process(parts, role, settings).run())
    except (SettingsRefused, Unfit) as why:
        sys.exit(f"{parts.name} {role} does not start: {why}")


@dataclass(slots=True)
class _Running:
    """One long-running part, how it is told to stop, and in which turn: lower turns stop first."""

    name: str
    stop: Callable[[], Any]
    turn: int
    task: asyncio.Task[None]


@dataclass(slots=True)
class Process:
    """One process of a service."""

    parts: Parts
    role: Role
    settings: Settings
    _health: Health = field(default_factory=Health)
    _bell: Bell = field(default_factory=Bell)
    _census: Census = field(default_factory=Census)
    _closing: AsyncExitStack = field(default_factory=AsyncExitStack)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _running: list[_Running] = field(default_factory=list)
    _helping: list[asyncio.Task[None]] = field(default_factory=list)
    _lease_planted: bool = False

    async def run(self) -> None:
        """Build, serve, and end in order. Raises `Unfit`."""
        log.configure(self.parts.name, self.role, self.settings.log_level)
        telemetry.configure(
            self.parts.name,
            self.role,
            traces_file=self.settings.traces_file,
            otlp_endpoint=self.settings.otlp_endpoint,
            share=self.settings.traces_share,
        )
        self._listen_to_signals()
        try:
            async with self._closing:
                await self._build()
                _spare_the_collector()
                logger().info("started", port=self.settings.port, mode=self.settings.mode)
                await self._until_stopped()
                await self._drain()
        finally:
            telemetry.shutdown()

    def stop(self) -> None:
        """What SIGTERM does."""
        self._stopping.set()

    async def _build(self) -> None:
        app: ASGIApp = Starlette(routes=self._health.routes())
        for role in self.role.parts:
            room = self._room(role)
            if role is Role.API:
                app = await self.parts.api(room)
            elif role is Role.WORKER:
                await self._build_worker(room)
            else:
                await self._build_relay(room)
        try:
            server = HttpServer(app, host=self.settings.host, port=self.settings.port)
        except PortTaken as why:
            raise Unfit(str(why)) from None
        self._start("http", server.serve(), stop=server.stop, turn=0)
        dates.watch(self._census, self.settings, self.role)
        self._help("census", self._census.run())
        self._health.started()

    def _room(self, role: Role) -> Room:
        client = connect(self.settings.mongodb_uri(role))
        self._closing.callback(client.close)
        store = MongoStore(client, self.parts.name)
        work = Work(store, self.parts.shelves)
        self._health.check(f"mongodb-{role}", store.check)
        self._help(f"bell-{role}", self._bell.follow(work.changed))
        room = Room(
            role=role,
            settings=self.settings,
            store=store,
            work=work,
            health=self._health,
            closing=self._closing,
            census=self._census,
        )
        self._help(f"mongodb-{role}", self._greet_database(room))
        return room

    async def _build_worker(self, room: Room) -> None:
        worker = await self.parts.worker(room)
        access = self._access(Role.WORKER)
        asides = MongoAsides(room.store.collection(ASIDE))
        consumer = Consumer(self.parts.name, access, worker.hearing, room.work, asides)
        self._health.check("consumer", _answering(consumer.progressing))
        self._census.ask(LAG, consumer.lag, labels=["topic"])
        self._census.ask(ASIDE_RECORDS, asides.waiting, labels=["kind", "state"])
        self._start("consumer", self._hear(consumer, access), stop=lambda: None, turn=0)
        for duty in worker.duties:
            self._bell.tell(duty.wake)
            self._health.check(duty.name, _answering(duty.progressing))
            self._start(duty.name, duty.run(room.work), stop=duty.stop, turn=0)

    async def _build_relay(self, room: Room) -> None:
        access = self._access(Role.RELAY)
        topics = [topic.name for topic in written_by(self.parts.name)]
        publisher = KafkaPublisher(access, client_id=f"placet-{self.parts.name}-relay", topics=topics)
        # In one process with api and worker their commits ring the bell; alone it watches the outbox.
        sending = MongoSending(room.store)
        relay = Relay(sending, publisher, watch=self.role is not Role.ALL)
        self._bell.tell(relay.wake)
        self._health.check("relay", _answering(relay.progressing))
        # Also while the broker was never reached and the relay has not begun to look.
        self._census.ask(OLDEST, lambda: oldest(sending))
        self._census.ask(BEHIND, room.store.behind)
        self._start("relay", self._send(relay, publisher, access), stop=relay.stop, turn=1)

    def _access(self, role: Role) -> KafkaAccess:
        user, password = self.settings.kafka_login(role)
        access = KafkaAccess(
            self.settings.kafka_bootstrap, user, password, self.settings.kafka_cafile, self.settings.kafka_security
        )
        try:
            access.client_settings()
        except ValueError as why:
            raise Unfit(str(why)) from None
        return access

    async def _greet_database(self, room: Room) -> None:
        """Wait for the database once, so that the log says what is wrong, and see that the relays' lease exists."""
        pause = SHORTEST
        while True:
            try:
                await room.store.check()
                if room.role is not Role.RELAY:
                    await plant_lease(room.store)
            except Untrusted as why:
                raise Unfit(
                    f"MongoDB answers, but {why}: check tlsCAFile in PLACET_MONGODB_{room.role.upper()}_URI, and that "
                    "its certificate names the host you gave"
                ) from None
            except NoLogin:
                raise _refused(room.role, "its name or password is wrong") from None
            except NotNow as why:
                logger().warning("MongoDB is away", reason=str(why), retry_after=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST)
            except Exception as why:  # noqa: BLE001 - whatever the driver raises for a missing right
                raise _refused(room.role, f"{type(why).__name__}, code {getattr(why, 'code', None)}") from None
            else:
                return

    async def _hear(self, consumer: Consumer, access: KafkaAccess) -> None:
        if await self._reach(consumer.start, access):
            await self._stopping.wait()
        await consumer.stop()

    async def _send(self, relay: Relay, publisher: KafkaPublisher, access: KafkaAccess) -> None:
        # What cannot be mended by waiting is found now and not with the first event.
        if await self._reach(publisher.connect, access):
            await relay.run()

    async def _reach(self, reach: Callable[[], Awaitable[object]], access: KafkaAccess) -> bool:
        """Try until Kafka answers; False when told to stop before. Raises `Unfit` for what waiting does not mend."""
        pause = SHORTEST
        while not self._stopping.is_set():
            try:
                await reach()
            except NotNow as why:
                trouble = await diagnose(access)
                if trouble is not None and trouble.cause is not Cause.DOWN:
                    raise Unfit(trouble.sentence) from None
                reason = trouble.sentence if trouble is not None else str(why)
                logger().warning("Kafka is away", reason=reason, retry_after=pause)
                await _pause(self._stopping, pause)
                pause = min(pause * 2, LONGEST)
            else:
                return True
        return False

    async def _until_stopped(self) -> None:
        """Until a signal; or until a part ends that should not: then the process ends too, and is started afresh."""
        waiting = asyncio.create_task(self._stopping.wait(), name="stopping")
        helping: set[asyncio.Task[Any]] = {*self._helping}
        parts: set[asyncio.Task[Any]] = {part.task for part in self._running}
        try:
            while not waiting.done():
                ended, _ = await asyncio.wait({waiting, *helping, *parts}, return_when=asyncio.FIRST_COMPLETED)
                broken = [task for task in ended if task is not waiting and task.exception() is not None]
                if broken:
                    await self._fail(broken[0])
                gone = ended & parts
                if gone and not waiting.done():
                    raise Unfit(f"{gone.pop().get_name()} ended by itself; see the log")
                helping -= ended
        finally:
            waiting.cancel()

    async def _fail(self, task: asyncio.Task[Any]) -> None:
        why = task.exception()
        assert why is not None
        logger().error("part failed", operation=task.get_name(), exc_info=why)
        self._stopping.set()
        await self._drain()
        raise (
            why if isinstance(why, Unfit) else Unfit(f"{task.get_name()} failed with {type(why).__name__}; see the log")
        )

    async def _drain(self) -> None:
        """Not ready; then everything that takes work ends; then the relay, so that what was committed last still leaves."""
        self._health.draining()
        self._stopping.set()
        until = clock.seconds() + DRAIN_SECONDS
        for turn in (0, 1):
            parts = [part for part in self._running if part.turn == turn]
            for part in parts:
                part.stop()
            tasks = {part.task for part in parts}
            if tasks:
                _, late = await asyncio.wait(tasks, timeout=max(0.5, until - clock.seconds()))
                for task in late:
                    logger().warning("did not end in time", operation=task.get_name(), reason=_waits_in(task))
                await _cancelled(late)
        await _cancelled(self._helping)
        logger().info("stopped")

    def _start(self, name: str, running: Coroutine[Any, Any, None], *, stop: Callable[[], Any], turn: int) -> None:
        self._running.append(_Running(name, stop, turn, asyncio.create_task(running, name=name)))

    def _help(self, name: str, running: Coroutine[Any, Any, None]) -> None:
        self._helping.append(asyncio.create_task(running, name=name))

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)


def _refused(role: Role, why: str) -> Unfit:
    return Unfit(
        f"MongoDB answers but refuses the {role}'s user ({why}): "
        f"check PLACET_MONGODB_{role.upper()}_URI, and that the user has its role"
    )


def _spare_the_collector() -> None:
    """Take what a process is built of out of the garbage collector's sight, and let it look less often.

    A full look at some 300 000 objects that live as long as the process stops everything for a quarter of a second, and
    batches of hundreds of messages made it look again and again: two thirds of a busy worker's time (measured).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 50)


def _waits_in(task: asyncio.Task[Any]) -> str:
    """Names of the functions that a task waits in, the outermost first: where to look when it does not end."""
    names: list[str] = []
    step: Any = task.get_coro()
    while step is not None and len(names) < 20:
        code = getattr(step, "cr_code", None) or getattr(step, "gi_code", None)
        names.append(code.co_qualname if code is not None else type(step).__name__)
        step = getattr(step, "cr_await", None) or getattr(step, "gi_yieldfrom", None)
    return " > ".join(names)


def _answering(progressing: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
    async def ask() -> bool:
        return progressing()

    return ask


async def _pause(until: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(until.wait(), seconds)
    except TimeoutError:
        return


async def _cancelled(tasks: Sequence[asyncio.Task[Any]] | set[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
