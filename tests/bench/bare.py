"""The bare mechanism: three services of the chassis with empty decisions and the same two hops as a release.

    first ─ bench.bare-0 ─► second ─ bench.bare-1 ─► third ─ POST ─► whoever listens

Inbox, state, outbox, relay, and at the end a duty in its three beats: all that a release passes through, and no logic.
Run as `python -m tests.bench.bare REACH.json second|third|first OPTIONS`; `first` feeds, tells when each message was
committed, and ends; the others run until SIGTERM.
"""

import asyncio
import json
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

import aiohttp
import uvloop

from contracts import envelope
from contracts.envelope import Message
from contracts.event import Event, published
from contracts.topics import BY_NAME
from services.chassis import clock, ids
from services.chassis.bell import Bell
from services.chassis.decision import Decision, Refusal
from services.chassis.duty import Duty
from services.chassis.kafka.asides import MongoAsides
from services.chassis.kafka.consumer import Consumer
from services.chassis.kafka.hearing import Answer, Hearing
from services.chassis.kafka.relay import KafkaPublisher, Relay
from services.chassis.kafka.sending import MongoSending, plant_lease
from services.chassis.observe import log
from services.chassis.store.mongo import MongoStore, connect, prepare
from services.chassis.store.shelf import ASIDE, Collection, Index, Shelf
from services.chassis.store.work import Job, Known, One, Work
from tests.bench.floor import paced
from tests.bench.reach import BARE_TOPICS, TOPICS, Reach

# Records of other topics than the contracts' are refused, in every service: the bench's own processes know their own as well.
envelope.BY_NAME = MappingProxyType({**BY_NAME, **{topic.name: topic for topic in TOPICS}})  # type: ignore[attr-defined]


class _Step(Event):
    step_id: str
    told: str = "x" * 300


@published(name="bench.step.begun.v1", topic=BARE_TOPICS[0], key="step_id")
class Begun(_Step):
    """What the first says."""


@published(name="bench.step.passed.v1", topic=BARE_TOPICS[1], key="step_id")
class Passed(_Step):
    """What the second says."""


@published(name="bench.step.waited.v1", topic=BARE_TOPICS[2], key="step_id")
class Waited(_Step):
    """What lies in a backlog."""


@dataclass(frozen=True, slots=True)
class Step:
    step_id: str
    version: int
    due_at: datetime | None = None


STEPS = Shelf(Step, Collection("steps", indexes=(Index((("due_at", 1),)),)), key="step_id")


def step(step_id: str, cause: str, *says: type[_Step], at: datetime, due: bool = False) -> Job:
    """The empty decision: it is known now, and this is said."""

    def decide(known: Known) -> Decision[Step]:
        before = known.one(STEPS, step_id)
        state = Step(step_id, before.version + 1 if before else 1, at if due else None)
        return Decision(state, events=[one(step_id=step_id, version=state.version) for one in says])

    return Job(cause=cause, at=at, reads=lambda _: [One(STEPS, step_id)], decide=decide)


def hearing(heard: type[_Step], *says: type[_Step], due: bool = False) -> Hearing:
    hears = Hearing()

    async def answer(messages: Sequence[Message[Any]]) -> Sequence[Answer]:
        now = clock.now()
        return [step(one.event.step_id, one.id, *says, at=now, due=due) for one in messages]

    hears.on(heard, answer)
    return hears


async def make(reach: Reach, name: str, closing: AsyncExitStack) -> MongoStore:
    """A database of the mechanism's shape, as the bootstrap user makes one for a service."""
    client = connect(reach.mongo)
    closing.callback(client.close)
    store = MongoStore(client, name)
    await prepare(store.db, [STEPS.collection])
    await plant_lease(store)
    return store


class Service:
    """A service of the chassis in role `all`, without HTTP."""

    def __init__(self, reach: Reach, name: str, store: MongoStore) -> None:
        self._reach, self._name, self._store = reach, name, store
        self.work = Work(store, [STEPS])
        self.bell = Bell()

    async def run(
        self,
        topics: Sequence[str],
        hears: Hearing,
        says: Sequence[str],
        during: Callable[[], Awaitable[None]],
        duty: Duty[Any, Any] | None = None,
    ) -> None:
        """Run consumer, relay and duty while `during` lasts."""
        publisher = KafkaPublisher(self._reach.access(), client_id=f"placet-{self._name}", topics=says)
        relay = Relay(MongoSending(self._store), publisher, watch=False)
        self.bell.tell(relay.wake)
        asides = MongoAsides(self._store.collection(ASIDE))
        consumer = Consumer(self._name, self._reach.access(), hears, self.work, asides, topics=topics)
        await consumer.start()
        tasks = [asyncio.create_task(self.bell.follow(self.work.changed)), asyncio.create_task(relay.run())]
        if duty is not None:
            self.bell.tell(duty.wake)
            tasks.append(asyncio.create_task(duty.run(self.work)))
        await during()
        await consumer.stop()
        if duty is not None:
            duty.stop()
        relay.stop()
        await asyncio.wait(tasks[1:], timeout=10)
        tasks[0].cancel()


def telling(store: MongoStore, web: aiohttp.ClientSession, url: str) -> Duty[Step, int]:
    """The duty of the third: one POST for each step, decided, done and recorded."""

    async def find_due(now: datetime, limit: int) -> Sequence[Step]:
        return await store.find(STEPS, {"due_at": {"$lte": now}}, sort=[("due_at", 1)], limit=limit)

    def changed(one: Step, cause: str, later: timedelta | None) -> Job:
        at = clock.now()

        def decide(known: Known) -> Decision[Step] | Refusal:
            found = known.one(STEPS, one.step_id)
            assert found is not None
            return Decision(replace(found, due_at=at + later if later else None))

        return Job(
            cause=f"{cause}_{one.step_id}_{at.timestamp()}",
            at=at,
            reads=lambda _: [One(STEPS, one.step_id)],
            decide=decide,
        )

    async def act(one: Step, _: Decision[Any]) -> int:
        async with web.post(url, data=one.step_id.encode()) as answer:
            await answer.read()
            return answer.status

    return Duty(
        "bench.tell",
        find_due=find_due,
        begin=lambda one: changed(one, "begin", timedelta(seconds=60)),
        act=act,
        record=lambda one, _: changed(one, "record", None),
    )


async def feed(work: Work, *, n: int, rate: float, name: str) -> dict[str, float]:
    """`n` commands at a steady rate, or all at once: when each was committed."""
    committed: dict[str, float] = {}

    async def one(number: int) -> None:
        step_id = f"{name}-{number}"
        await work.carry_out(step(step_id, f"cmd_{step_id}", Begun, at=clock.now()))
        committed[step_id] = clock.seconds()

    calls = [lambda number=number: one(number) for number in range(n)]
    await paced(rate or 1e9, calls)
    return committed


async def main(reach: Reach, role: str, options: dict[str, Any]) -> None:
    """One of the three."""
    log.configure("bench", role, "WARNING")
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)

    async def until_told() -> None:
        await ended.wait()

    async with AsyncExitStack() as closing:
        store = await make(reach, f"bench{role}", closing)
        service = Service(reach, f"bench{role}", store)
        if role == "first":

            async def fed() -> None:
                sys.stdout.write(json.dumps(await feed(service.work, name=ids.new("step"), **options)))
                await asyncio.sleep(2)

            await service.run((), Hearing(), [BARE_TOPICS[0]], fed)
        elif role == "second":
            await service.run([BARE_TOPICS[0]], hearing(Begun, Passed), [BARE_TOPICS[1]], until_told)
        else:
            web = await closing.enter_async_context(aiohttp.ClientSession())
            duty = telling(store, web, options["url"])
            await service.run([BARE_TOPICS[1]], hearing(Passed, due=True), (), until_told, duty)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(Reach.read(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])))
