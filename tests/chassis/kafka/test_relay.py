"""Rows leave the outbox once the broker has them, in order, by one relay at a time; on the real broker and database."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from services.chassis import clock
from services.chassis.kafka import relay as module
from services.chassis.kafka.relay import KafkaPublisher, Publisher, Relay
from services.chassis.kafka.sending import LeaseLost, MongoSending, plant_lease
from services.chassis.store.mongo import MongoStore
from services.chassis.store.shelf import OUTBOX, Document
from services.chassis.store.work import Work
from tests.support.stage import Stage, access, until
from tests.support.toys import COUNTS, say, watermark

pytestmark = pytest.mark.connected

TOPIC = "consent.requests"


class Speaker:
    """A service that says things, and a look at what has left."""

    def __init__(self, stage: Stage, store: MongoStore) -> None:
        self.stage, self.store = stage, store
        self.work = Work(store, [COUNTS])
        self.rows: Any = store.collection(OUTBOX)

    async def say(self, *jobs: tuple[str, int]) -> None:
        await self.work.carry_out_batch([say(name, version, at=clock.now()) for name, version in jobs])

    async def unsent(self) -> int:
        return int(await self.rows.count_documents({"sent": False}))

    async def all_sent(self) -> bool:
        return await self.unsent() == 0

    async def on_topic(self) -> list[ConsumerRecord[bytes, bytes]]:
        """All records of the topic, partition after partition."""
        reader = AIOKafkaConsumer(**access(self.stage.kafka).client_settings())
        await reader.start()
        try:
            places = [TopicPartition(TOPIC, number) for number in range(4)]
            reader.assign(places)
            await reader.seek_to_beginning()
            ends = await reader.end_offsets(places)
            found: list[ConsumerRecord[bytes, bytes]] = []
            while any([await reader.position(place) < ends[place] for place in places]):
                for records in (await reader.getmany(timeout_ms=200)).values():
                    found += records
        finally:
            await reader.stop()
        return sorted(found, key=lambda record: (record.partition, record.offset))

    def publisher(self, user: str = "consent-relay") -> KafkaPublisher:
        return KafkaPublisher(access(self.stage.kafka, user), client_id=user)

    @asynccontextmanager
    async def relaying(self, publisher: Publisher | None = None, *, watch: bool = False) -> AsyncIterator[Relay]:
        relay = Relay(MongoSending(self.store), publisher or self.publisher(), watch=watch)
        running = asyncio.create_task(relay.run())
        try:
            yield relay
        finally:
            relay.stop()
            await asyncio.wait_for(running, 15)


@pytest.fixture
async def speaker(stage: Stage) -> Speaker:
    store = await stage.store("speaker", [COUNTS.collection])
    await plant_lease(store)
    return Speaker(stage, store)


def versions(records: Sequence[ConsumerRecord[bytes, bytes]], name: str) -> list[int]:
    return [json.loads(record.value or b"")["version"] for record in records if record.key == name.encode()]


def ids(records: Sequence[ConsumerRecord[bytes, bytes]]) -> list[bytes]:
    return [dict(record.headers)["ce_id"] for record in records]


async def test_rows_of_one_key_leave_in_their_order(speaker: Speaker) -> None:
    names = [f"req_{number}" for number in range(5)]
    async with speaker.relaying():
        for version in range(1, 31):
            await speaker.say(*((name, version) for name in names))
        await until(speaker.all_sent)
    records = await speaker.on_topic()
    for name in names:
        assert versions(records, name) == list(range(1, 31))


async def test_rows_that_leave_close_together_are_marked_together(
    speaker: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MARK_SECONDS", 1.0)
    sending, marks = MongoSending(speaker.store), list[int]()
    mark = sending.mark

    async def noted(row_ids: Sequence[str]) -> None:
        marks.append(len(row_ids))
        await mark(row_ids)

    monkeypatch.setattr(sending, "mark", noted)
    publisher = NotedPublisher()
    relay = Relay(sending, publisher, watch=False)
    running = asyncio.create_task(relay.run())
    for version in range(1, 6):
        await speaker.say(("req_1", version))
        relay.wake()
        await until(lambda version=version: len(publisher.taken) == version)  # type: ignore[misc]
    await until(speaker.all_sent)
    relay.stop()
    await asyncio.wait_for(running, 15)
    assert len(publisher.taken) == 5, "a row that has left and is not marked yet leaves once"
    assert len(marks) < 5


async def test_two_relays_at_once_publish_each_row_once(speaker: Speaker) -> None:
    async with speaker.relaying(), speaker.relaying():
        for version in range(1, 21):
            await speaker.say(("req_1", version), ("req_2", version))
        await until(speaker.all_sent)
    published = ids(await speaker.on_topic())
    assert len(published) == len(set(published)) == 40


async def test_the_second_relay_takes_over_when_the_first_leaves(speaker: Speaker) -> None:
    async with speaker.relaying():
        await speaker.say(("req_1", 1))
        await until(speaker.all_sent)
    async with speaker.relaying():
        await speaker.say(("req_1", 2))
        await until(speaker.all_sent, seconds=3)
    assert versions(await speaker.on_topic(), "req_1") == [1, 2]


async def test_a_late_relay_can_neither_mark_nor_release(speaker: Speaker) -> None:
    late, newer = MongoSending(speaker.store), MongoSending(speaker.store)
    await speaker.say(("req_1", 1))
    assert await late.take()
    assert not await newer.take()
    [row] = await late.unsent(10)
    await expire_lease(speaker)
    assert await newer.take()
    with pytest.raises(LeaseLost):
        await late.mark([row["_id"]])
    assert await speaker.unsent() == 1
    await late.release()
    assert not await MongoSending(speaker.store).take()
    await newer.mark([row["_id"]])
    assert await speaker.unsent() == 0


async def expire_lease(speaker: Speaker) -> None:
    """As if the relay that holds it had slept for a minute."""
    await speaker.rows.update_one({"_id": "lease"}, {"$set": {"until": clock.now() - timedelta(minutes=1)}})


async def test_a_crash_between_publish_and_mark_publishes_again_with_the_same_id(speaker: Speaker) -> None:
    await speaker.say(("req_1", 1), ("req_2", 1))
    crashed, publisher = MongoSending(speaker.store), speaker.publisher()
    assert await crashed.take()
    assert len(await publisher.publish(await crashed.unsent(10))) == 2
    await publisher.close()
    await expire_lease(speaker)
    async with speaker.relaying():
        await until(speaker.all_sent)
    records = await speaker.on_topic()
    assert len(records) == 4
    assert len(set(ids(records))) == 2
    assert len({(record.key, record.value, tuple(record.headers)) for record in records}) == 2


async def test_a_row_that_will_not_go_holds_back_its_key_alone_and_is_seen(speaker: Speaker) -> None:
    await speaker.say(("req_1", 1), ("req_2", 1), ("req_1", 2))
    [row] = await speaker.rows.find({"key": "req_1"}).sort("order", 1).limit(1).to_list(None)
    await speaker.rows.update_one({"_id": row["_id"]}, {"$set": {"body": b"x" * 2_000_000}})
    async with speaker.relaying():
        await until(lambda: _count(speaker, 2))
        await asyncio.sleep(0.5)
        assert versions(await speaker.on_topic(), "req_2") == [1]
        assert versions(await speaker.on_topic(), "req_1") == []
        await speaker.rows.update_one({"_id": row["_id"]}, {"$set": {"body": row["body"]}})
        await until(speaker.all_sent)
    assert versions(await speaker.on_topic(), "req_1") == [1, 2]


async def _count(speaker: Speaker, unsent: int) -> bool:
    return await speaker.unsent() == unsent


async def test_another_services_relay_may_not_write_and_marks_nothing(speaker: Speaker) -> None:
    await speaker.say(("req_1", 1))
    async with speaker.relaying(speaker.publisher("delivery-relay")):
        await asyncio.sleep(1)
    assert await speaker.unsent() == 1
    assert await speaker.on_topic() == []


async def test_a_commit_elsewhere_wakes_the_relay_through_the_change_stream(
    speaker: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 60.0)
    async with speaker.relaying(watch=True):
        await speaker.say(("req_1", 1))
        await until(speaker.all_sent)
        await asyncio.sleep(0.5)
        for version in range(2, 6):
            await speaker.say(("req_1", version))
            await until(speaker.all_sent, seconds=3)


class NotedPublisher:
    """A broker of this test: takes what it is told to take, and notes the order."""

    def __init__(self, takes: Callable[[Document], bool] = lambda row: True) -> None:
        self.taken: list[Document] = []
        self.takes = takes

    async def publish(self, rows: Sequence[Document]) -> set[str]:
        taken = [row for row in rows if self.takes(row)]
        self.taken += taken
        return {row["_id"] for row in taken}

    async def close(self) -> None:
        pass

    @property
    def types(self) -> list[str]:
        return [row["type"].split(".")[1] for row in self.taken]


async def barriers(speaker: Speaker) -> None:
    now = clock.now()
    await speaker.work.post_barriers(f"wmk_{now}", now, {number: watermark(number, now) for number in range(4)})


async def test_barriers_stand_behind_all_that_was_committed_before_them(speaker: Speaker) -> None:
    await speaker.say(*((f"req_{number}", 1) for number in range(20)))
    await barriers(speaker)
    async with speaker.relaying():
        await until(speaker.all_sent)
    records = await speaker.on_topic()
    last = {record.partition: dict(record.headers)["ce_type"] for record in records}
    assert set(last.values()) == {b"consent.watermark.passed.v1"}
    assert len(last) == 4


async def test_a_barrier_waits_while_a_row_before_it_will_not_go(speaker: Speaker) -> None:
    await speaker.say(("req_1", 1), ("req_2", 1))
    await barriers(speaker)
    publisher = NotedPublisher(lambda row: row["key"] != "req_1")
    async with speaker.relaying(publisher):
        await until(lambda: publisher.taken)
        await asyncio.sleep(1)
        assert publisher.types == ["request"]
        publisher.takes = lambda row: True
        await until(speaker.all_sent)
    assert publisher.types == ["request", "request", *["watermark"] * 4]


async def test_a_barrier_waits_while_there_are_more_rows_than_one_look_shows(
    speaker: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LIMIT", 3)
    await speaker.say(*((f"req_{number}", 1) for number in range(10)))
    await barriers(speaker)
    publisher = NotedPublisher()
    async with speaker.relaying(publisher):
        await until(speaker.all_sent)
    assert publisher.types == [*["request"] * 10, *["watermark"] * 4]


async def test_a_barrier_that_will_not_go_is_tried_again_with_pauses(speaker: Speaker) -> None:
    asked: list[str] = []

    def refuse(row: Document) -> bool:
        asked.append(row["_id"])
        return False

    await barriers(speaker)
    publisher = NotedPublisher(refuse)
    async with speaker.relaying(publisher):
        await asyncio.sleep(1)
        assert 4 <= len(asked) <= 20
        publisher.takes = lambda row: True
        await until(speaker.all_sent)
    assert publisher.types == ["watermark"] * 4


async def test_processes_that_start_at_once_make_one_lease(stage: Stage) -> None:
    store = await stage.store("fresh")
    await asyncio.gather(*(plant_lease(store) for _ in range(8)))
    took = [await MongoSending(store).take() for _ in range(3)]
    assert took == [True, False, False]


async def test_a_relay_that_loses_its_lease_while_the_broker_thinks_marks_nothing(speaker: Speaker) -> None:
    class Slow(NotedPublisher):
        async def publish(self, rows: Sequence[Document]) -> set[str]:
            await expire_lease(speaker)
            assert await MongoSending(speaker.store).take()
            return await super().publish(rows)

    publisher = Slow()
    await speaker.say(("req_1", 1))
    async with speaker.relaying(publisher):
        await until(lambda: publisher.taken)
        await asyncio.sleep(0.3)
        assert await speaker.unsent() == 1


@pytest.mark.fault
async def test_a_broker_that_dies_costs_time_and_no_event(speaker: Speaker) -> None:
    # A name of its own: a killed broker forgets which records the other tests had deleted.
    name = "req_survivor"
    async with speaker.relaying() as relay:
        await speaker.say((name, 1))
        relay.wake()
        await until(speaker.all_sent)
        await speaker.stage.kafka.kill()
        for version in range(2, 12):
            await speaker.say((name, version))
            relay.wake()
        await asyncio.sleep(1)
        assert await speaker.unsent() == 10
        await speaker.stage.kafka.start()
        await until(speaker.all_sent, seconds=30)
    assert versions(await speaker.on_topic(), name) == list(range(1, 12))


async def test_ten_thousand_rows_drain_in_batches(speaker: Speaker) -> None:
    total = 10_000
    for start in range(0, total, 1000):
        await speaker.say(*((f"req_{number}", 1) for number in range(start, start + 1000)))
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with speaker.relaying():
        await until(speaker.all_sent, seconds=60)
    rate = total / (loop.time() - began)
    assert rate > 1_000, f"only {rate:.0f} rows/s"
