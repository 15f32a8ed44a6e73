"""The floor: a pipeline with no logic at all, in one process. What a message costs when each stage does nothing but write,
publish and commit its offset.

    stage 0 ─ topic ─► stage 1 ─ topic ─► … ─► stage N      N hops, N + 1 majority writes

`mode` single: one write, one publish, one commit a message, partitions side by side (what a plain handler does);
batch: all that one fetch brought is written, published and committed together. `write` insert: one document;
txn: a transaction of inbox, state and outbox. Run as `python -m tests.bench.floor REACH.json '{"hops": 5, …}'`.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from motor.motor_asyncio import AsyncIOMotorClient

from services.chassis import clock, ids
from tests.bench.figures import Latency
from tests.bench.reach import FLOOR_TOPICS, Reach

Message = dict[str, Any]
COLLECTIONS = ("inbox", "state", "outbox")
BATCH = 200
PAYLOAD = "x" * 300
PATIENCE = 120.0


@dataclass(frozen=True)
class Run:
    """What one run is asked to do. `rate` 0: as fast as it goes, `inflight` first writes at a time."""

    hops: int = 5
    mode: str = "single"
    write: str = "insert"
    n: int = 400
    rate: float = 0.0
    inflight: int = 16
    warmup: int = 20


@dataclass
class Pipeline:
    """The stages of one run, joined by topics."""

    run: Run
    reach: Reach
    database: Any
    client: Any
    producer: AIOKafkaProducer
    name: str = field(default_factory=lambda: ids.new("run"))
    done: dict[int, float] = field(default_factory=dict)
    """Moment at which a message ended, by its number."""
    began: dict[int, float] = field(default_factory=dict)
    """Moment at which its first write was committed: from there a latency is counted."""
    finished: asyncio.Event = field(default_factory=asyncio.Event)

    async def write(self, stage: int, messages: Sequence[Message]) -> None:
        """One majority write for these messages."""
        if self.run.write == "insert":
            rows = [{**message, "stage": stage} for message in messages]
            await self.database["state"].insert_many(rows, ordered=False)
            return
        async with await self.client.start_session() as session, session.start_transaction():
            for kind in COLLECTIONS:
                rows = [{**message, "stage": stage} for message in messages]
                await self.database[kind].insert_many(rows, ordered=False, session=session)

    async def publish(self, hop: int, messages: Sequence[Message]) -> None:
        sent = [
            await self.producer.send(FLOOR_TOPICS[hop], json.dumps(one).encode(), key=str(one["number"]).encode())
            for one in messages
        ]
        await asyncio.gather(*sent)

    async def begin(self, numbers: Sequence[int]) -> None:
        """Stage 0."""
        messages = [{"run": self.name, "number": number, "body": PAYLOAD} for number in numbers]
        await self.write(0, messages)
        now = clock.seconds()
        self.began.update(dict.fromkeys(numbers, now))
        await self.publish(0, messages)

    async def pass_on(self, stage: int, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        """Stage 1 and further: write, then publish; the last one notes the end."""
        messages = [one for one in (json.loads(record.value) for record in records) if one["run"] == self.name]
        if not messages:
            return
        await self.write(stage, messages)
        if stage < self.run.hops:
            await self.publish(stage, messages)
            return
        now = clock.seconds()
        for message in messages:
            self.done.setdefault(message["number"], now)
        if len(self.done) >= self.run.n + self.run.warmup:
            self.finished.set()


async def consume(pipeline: Pipeline, stage: int, ready: Callable[[], None]) -> None:
    """One stage's reader, until cancelled."""
    consumer = AIOKafkaConsumer(
        FLOOR_TOPICS[stage - 1],
        **pipeline.reach.kafka(),
        group_id=f"bench-floor-{stage}",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        fetch_max_wait_ms=500,
        session_timeout_ms=6_000,
        heartbeat_interval_ms=1_000,
    )
    await consumer.start()
    ready()

    async def handle(records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        await pipeline.pass_on(stage, records)
        behind: dict[TopicPartition, int] = {}
        for record in records:
            behind[TopicPartition(record.topic, record.partition)] = record.offset + 1
        await consumer.commit(behind)

    async def one_by_one(records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        for record in records:
            await handle([record])

    try:
        while True:
            polled = await consumer.getmany(timeout_ms=1_000, max_records=BATCH)
            if not polled:
                continue
            if pipeline.run.mode == "batch":
                await handle([record for records in polled.values() for record in records])
            else:
                await asyncio.gather(*(one_by_one(records) for records in polled.values()))
    finally:
        await consumer.stop()


async def feed(pipeline: Pipeline) -> None:
    """All messages through stage 0: at a steady rate, in batches, or so many at a time."""
    run = pipeline.run
    numbers = range(run.warmup, run.warmup + run.n)
    if run.rate:
        await paced(run.rate, [lambda number=number: pipeline.begin([number]) for number in numbers])  # type: ignore[misc]
    elif run.mode == "batch":
        for first in range(run.warmup, run.warmup + run.n, BATCH):
            await pipeline.begin([*range(first, min(first + BATCH, run.warmup + run.n))])
    else:
        gate = asyncio.Semaphore(run.inflight)

        async def one(number: int) -> None:
            async with gate:
                await pipeline.begin([number])

        await asyncio.gather(*(one(number) for number in numbers))


async def paced(rate: float, calls: Sequence[Callable[[], Awaitable[Any]]]) -> list[Any]:
    """An open loop: each call begins when it is due, whatever became of those before it. What they answered."""
    since = clock.seconds()
    tasks: list[asyncio.Future[Any]] = []
    for number, call in enumerate(calls):
        wait = since + number / rate - clock.seconds()
        if wait > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.ensure_future(call()))
    return list(await asyncio.gather(*tasks, return_exceptions=True))


async def measure(reach: Reach, run: Run) -> dict[str, Any]:
    """One run from end to end."""
    client: Any = AsyncIOMotorClient(reach.mongo, w="majority", journal=True, maxPoolSize=16)
    database = client["benchfloor"]
    there = set(await database.list_collection_names())
    for kind in COLLECTIONS:
        if kind not in there:
            await database.create_collection(kind)
    producer = AIOKafkaProducer(**reach.kafka(), acks="all", enable_idempotence=True, linger_ms=0)
    await producer.start()
    pipeline = Pipeline(run, reach, database, client, producer)
    reading = asyncio.Semaphore(0)
    stages = [asyncio.create_task(consume(pipeline, stage, reading.release)) for stage in range(1, run.hops + 1)]
    try:
        for _ in stages:
            await reading.acquire()
        for number in range(run.warmup):
            await pipeline.begin([number])
        while len(pipeline.done) < run.warmup:
            await asyncio.sleep(0.05)
        since = clock.seconds()
        await feed(pipeline)
        await asyncio.wait_for(pipeline.finished.wait(), PATIENCE)
        took = max(pipeline.done.values()) - since
    finally:
        for stage in stages:
            stage.cancel()
        await asyncio.gather(*stages, return_exceptions=True)
        await producer.stop()
        client.close()
    latency = Latency([pipeline.done[one] - pipeline.began[one] for one in pipeline.began if one >= run.warmup])
    return {"per_second": run.n / took, "p50_ms": latency.p50, "p99_ms": latency.p99}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(measure(Reach.read(sys.argv[1]), Run(**json.loads(sys.argv[2]))))))
