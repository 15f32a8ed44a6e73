"""A consumer before a backlog: the chassis's, and one that does what a plain handler does, a transaction for each message."""

import asyncio
import json
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import uvloop
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from services.chassis import clock, ids
from services.chassis.kafka.asides import MongoAsides
from services.chassis.kafka.consumer import Consumer
from services.chassis.kafka.relay import KafkaPublisher
from services.chassis.observe import log
from services.chassis.store import outbox
from services.chassis.store.mongo import MongoStore
from services.chassis.store.shelf import ASIDE
from services.chassis.store.work import Work
from tests.bench.bare import STEPS, Passed, Waited, hearing, make
from tests.bench.reach import BARE_TOPICS, PARTITIONS, Reach

TOPIC = BARE_TOPICS[2]
COUNTED = ("inbox", "steps", "outbox")


async def lay(reach: Reach, n: int) -> None:
    """The backlog."""
    publisher, name = KafkaPublisher(reach.access(), client_id="bench-backlog", topics=[TOPIC]), ids.new("run")
    for first in range(0, n, 500):
        events = [Waited(step_id=f"{name}-{number}", version=1) for number in range(first, min(n, first + 500))]
        rows = [outbox.row(one, cause=one.step_id, at=clock.now(), order=0) for one in events]
        if len(await publisher.publish(rows)) < len(rows):
            raise RuntimeError("the broker did not take the backlog")
    await publisher.close()


async def by_batches(reach: Reach, store: MongoStore, n: int) -> float:
    """Messages a second by the chassis's consumer: inbox, state and outbox row of each."""
    work, asides = Work(store, [STEPS]), MongoAsides(store.collection(ASIDE))
    consumer = Consumer("benchbacklog", reach.access(), hearing(Waited, Passed), work, asides, topics=[TOPIC])
    inbox = store.db["inbox"]
    before = await inbox.count_documents({})
    await consumer.start()
    while await inbox.count_documents({}) == before:
        await asyncio.sleep(0.005)
    since, first = clock.seconds(), await inbox.count_documents({})
    while (now := await inbox.estimated_document_count()) < before + n:
        await asyncio.sleep(0.05)
    took = clock.seconds() - since
    await consumer.stop()
    return float((now - first) / took)


async def one_by_one(reach: Reach, store: MongoStore, n: int) -> float:
    """Messages a second by a transaction and a commit for each, partitions side by side."""
    consumer = AIOKafkaConsumer(
        TOPIC, **reach.kafka(), group_id="bench-catch-up", auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    done, since = 0, clock.seconds()

    async def handle(records: Sequence[ConsumerRecord[bytes, bytes]]) -> int:
        for record in records:
            row: dict[str, Any] = {"_id": ids.new("one"), "body": record.value}
            async with await store.client.start_session() as session, session.start_transaction():
                for kind in COUNTED:
                    await store.db[kind].insert_one(dict(row), session=session)
            await consumer.commit({TopicPartition(record.topic, record.partition): record.offset + 1})
        return len(records)

    while done < n:
        polled = await consumer.getmany(timeout_ms=1_000, max_records=n // PARTITIONS)
        if polled and not done:
            since = clock.seconds()
        done += sum(await asyncio.gather(*(handle(records) for records in polled.values())))
    took = clock.seconds() - since
    await consumer.stop()
    return done / took


async def main(reach: Reach, n: int, few: int) -> dict[str, float]:
    """Both, one after the other, on the same backlog."""
    log.configure("bench", "backlog", "WARNING")
    async with AsyncExitStack() as closing:
        store = await make(reach, "benchbacklog", closing)
        await lay(reach, n)
        plain = await one_by_one(reach, store, few)
        return {"batches": await by_batches(reach, store, n), "one_by_one": plain}


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        told = runner.run(main(Reach.read(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
        sys.stdout.write(json.dumps(told))
