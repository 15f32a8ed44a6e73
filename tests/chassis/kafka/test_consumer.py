"""Offsets move only behind records that ended; on the real broker and database."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError
from aiokafka.producer import message_accumulator, producer
from aiokafka.record import default_records

from contracts.consent.v1 import ConsentExpired
from contracts.envelope import Message, write_headers
from contracts.event import Event
from services.chassis import clock
from services.chassis.kafka import consumer as module
from services.chassis.kafka import offsets
from services.chassis.kafka.asides import MongoAsides
from services.chassis.kafka.consumer import Consumer
from services.chassis.kafka.hearing import Answer, Hearing, Unwanted
from services.chassis.store.aside import ASIDES, AsideKind, AsideState
from services.chassis.store.mongo import MongoStore
from services.chassis.store.shelf import ASIDE
from services.chassis.store.work import NotNow, Work
from tests.support.stage import Stage, access, until
from tests.support.toys import AT, BELLS, COUNTS, counting, expired, hear

pytestmark = pytest.mark.connected

TOPIC = "consent.requests"
RECORD = tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes]]]


def record(name: str, version: int = 1) -> RECORD:
    message: Message[Event] = Message(f"evt_{name}_{version}", expired(name, version), AT)
    return name.encode(), message.event.dump(), write_headers(message)


class Listener:
    """One member of a group of this test."""

    def __init__(self, stage: Stage, store: MongoStore, hearing: Hearing | None = None) -> None:
        self.stage, self.store = stage, store
        self.work = Work(store, [COUNTS, BELLS])
        self.asides = MongoAsides(store.collection(ASIDE))
        self.consumer = Consumer(
            stage.name, access(stage.kafka), hearing or counting(), self.work, self.asides, topics=[TOPIC]
        )

    async def counted(self, name: str) -> tuple[int, ...]:
        found = await self.store.find(COUNTS, {"_id": name})
        return found[0].versions if found else ()

    async def behind(self) -> int:
        """How far the group has committed on the first partition; 0 before its first commit."""
        reader = AIOKafkaConsumer(group_id=f"placet-{self.stage.name}", **access(self.stage.kafka).client_settings())
        await reader.start()
        try:
            return int(await reader.committed(TopicPartition(TOPIC, 0)) or 0)
        finally:
            await reader.stop()

    async def set_aside(self) -> list[Any]:
        return await self.store.find(ASIDES, {}, sort=[("offset", 1)])


@asynccontextmanager
async def listening(listener: Listener) -> AsyncIterator[Listener]:
    await listener.consumer.start()
    try:
        yield listener
    finally:
        await listener.consumer.stop()


@pytest.fixture
async def listener(stage: Stage) -> Listener:
    return Listener(stage, await stage.store("listener", [COUNTS.collection, BELLS.collection]))


async def test_what_was_committed_is_not_read_again(listener: Listener) -> None:
    await listener.stage.produce(TOPIC, [record("req_1"), record("req_2")])
    async with listening(listener):
        await until(lambda: listener.counted("req_2"))
    behind = await listener.behind()
    assert behind > 0
    again = Listener(listener.stage, listener.store)
    async with listening(again):
        await listener.stage.produce(TOPIC, [record("req_3")])
        await until(lambda: again.counted("req_3"))
    assert await listener.behind() == behind + 1


async def test_a_poll_that_lingers_takes_along_what_comes_meanwhile(stage: Stage) -> None:
    polls: list[int] = []
    hearing = Hearing(linger=1.0)

    @hearing(ConsentExpired)
    async def note(messages: Sequence[Message[ConsentExpired]]) -> Sequence[Answer]:
        polls.append(len(messages))
        return [hear(message) for message in messages]

    listener = Listener(stage, await stage.store("listener", [COUNTS.collection, BELLS.collection]), hearing)
    async with listening(listener):
        await stage.produce(TOPIC, [record("req_1")])
        await stage.produce(TOPIC, [record("req_2")])
        await until(lambda: listener.counted("req_2"))
    assert polls == [2]


async def test_rubbish_is_set_aside_byte_for_byte_and_blocks_nobody(listener: Listener) -> None:
    bad: RECORD = (b"req_2", b"\x00\xff", [("ce_type", b"consent.request.expired.v1"), ("ce_id", b"\xff\xfe")])
    await listener.stage.produce(TOPIC, [record("req_1"), bad, (None, b"", []), record("req_3")])
    async with listening(listener):
        await until(lambda: listener.counted("req_3"))
        await until(listener.set_aside)
    assert await listener.counted("req_1") == (1,)
    first, second = await listener.set_aside()
    assert (first.key, first.value, [tuple(pair) for pair in first.headers]) == bad
    assert (first.type, first.reason) == ("consent.request.expired.v1", "a header is not UTF-8")
    assert (await listener.asides.waiting())["unreadable", "waiting"] == 2
    assert (second.type, second.state) == ("unreadable", AsideState.WAITING)


async def test_what_the_client_cannot_decode_is_set_aside_and_passes_nothing_over(listener: Listener) -> None:
    await listener.stage.produce(TOPIC, [record(f"req_a{number}") for number in range(3)])
    await produce_undecodable(listener.stage)
    await listener.stage.produce(TOPIC, [record(f"req_b{number}") for number in range(3)])
    await produce_undecodable(listener.stage)
    for number in range(1, 4):
        await listener.stage.produce(TOPIC, [record(f"req_c{number}_{one}") for one in range(3)], partition=number)
    async with listening(listener):
        await until(lambda: _all(listener, 15), seconds=30)
        await until(lambda: _asides(listener, 2))
        await listener.stage.produce(TOPIC, [record("req_last")])
        await until(lambda: listener.counted("req_last"))
    first, second = await listener.set_aside()
    assert second.offset == first.offset + 4
    assert "can't decode" in first.reason


async def produce_undecodable(stage: Stage) -> None:
    """A record whose header's name is not UTF-8: no client library would write it, but bytes are bytes."""

    class Odd(str):
        __slots__ = ()

        def encode(self, *_: Any) -> bytes:
            return b"\xff\xfe"

    with pytest.MonkeyPatch.context() as patched:
        for module in (producer, message_accumulator):
            patched.setattr(module, "DefaultRecordBatchBuilder", default_records._DefaultRecordBatchBuilderPy)
        await stage.produce(TOPIC, [(b"req_odd", b"{}", [(Odd("x"), b"")])])


async def _asides(listener: Listener, count: int) -> bool:
    return len(await listener.set_aside()) == count


def away(times: int) -> tuple[Hearing, list[int]]:
    """A function that can't answer so many times, and the sizes of the batches it was asked for."""
    hearing, sizes = Hearing(), list[int]()

    @hearing(ConsentExpired)
    async def handle(messages: Sequence[Message[ConsentExpired]]) -> Sequence[Answer]:
        sizes.append(len(messages))
        if len(sizes) <= times:
            raise NotNow("the vault can't be reached")
        return [hear(message) for message in messages]

    return hearing, sizes


async def test_not_now_commits_nothing_and_reads_again(stage: Stage, listener: Listener) -> None:
    hearing, sizes = away(3)
    waiting = Listener(stage, listener.store, hearing)
    await stage.produce(TOPIC, [record("req_1"), record("req_2")])
    async with listening(waiting):
        await until(lambda: len(sizes) >= 2)
        assert await waiting.behind() == 0
        await until(lambda: waiting.counted("req_2"))
    assert sizes[:3] == [2, 2, 2]
    assert await waiting.set_aside() == []
    assert await waiting.behind() > 0


async def test_stopping_while_it_waits_loses_nothing(stage: Stage, listener: Listener) -> None:
    hearing, sizes = away(99)
    waiting = Listener(stage, listener.store, hearing)
    await stage.produce(TOPIC, [record("req_1")])
    async with listening(waiting):
        await until(lambda: sizes)
    assert await waiting.behind() == 0
    async with listening(listener):
        await until(lambda: listener.counted("req_1"))


async def test_a_commit_that_fails_is_no_error_of_a_message(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(self: AIOKafkaConsumer, offsets: Any = None) -> None:
        raise CommitFailedError("rebalanced")

    await listener.stage.produce(TOPIC, [record("req_1")])
    with monkeypatch.context() as patched:
        patched.setattr(AIOKafkaConsumer, "commit", fail)
        async with listening(listener):
            await until(lambda: listener.counted("req_1"))
            await listener.stage.produce(TOPIC, [record("req_1", 2)])
            await until(listener.work.changed.is_set)
    assert await listener.behind() == 0
    again = Listener(listener.stage, listener.store)
    async with listening(again):
        await until(again.behind)
    assert await again.counted("req_1") == (1, 2)
    assert await again.set_aside() == []


async def test_a_commit_without_an_answer_is_given_up(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(self: AIOKafkaConsumer, offsets: Any = None) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(offsets, "COMMIT_SECONDS", 0.1)
    monkeypatch.setattr(AIOKafkaConsumer, "commit", hang)
    async with listening(listener):
        for number in (1, 2):
            await listener.stage.produce(TOPIC, [record("req_1", number)])
            await until(lambda number=number: _has(listener, "req_1", number))  # type: ignore[misc]


async def _has(listener: Listener, name: str, version: int) -> bool:
    return version in await listener.counted(name)


async def test_a_set_aside_record_that_is_replayed_is_handled(stage: Stage, listener: Listener) -> None:
    broken = Hearing()

    @broken(ConsentExpired)
    async def stumble(messages: Sequence[Message[ConsentExpired]]) -> Sequence[Answer]:
        raise KeyError("a bug")

    unlucky = Listener(stage, listener.store, broken)
    await stage.produce(TOPIC, [record("req_1")])
    async with listening(unlucky):
        await until(unlucky.set_aside)
        await mark(unlucky)
        await until(lambda: _tried(unlucky, 2))
        [kept] = await unlucky.set_aside()
        assert (kept.state, kept.reason.split(" at ")[0]) == (AsideState.WAITING, "tried 3 times: KeyError")
        assert {kind: n for kind, n in (await unlucky.asides.waiting()).items() if n} == {("failed", "waiting"): 1}
    await mark(listener)
    async with listening(listener):
        await until(lambda: listener.counted("req_1"))
        await until(lambda: _tried(listener, 3))
    [kept] = await listener.set_aside()
    assert kept.state is AsideState.DONE
    assert not any((await listener.asides.waiting()).values())


@pytest.mark.parametrize("for_ever", [False, True], ids=["its-time-comes", "its-time-never-comes"])
async def test_a_record_that_comes_too_early_is_tried_again_by_itself_and_holds_nobody_up(
    stage: Stage, listener: Listener, monkeypatch: pytest.MonkeyPatch, *, for_ever: bool
) -> None:
    monkeypatch.setattr(module, "BY_ITSELF", 3)
    begins = clock.now() + timedelta(seconds=1)
    early = Hearing()

    @early(ConsentExpired)
    async def wait(messages: Sequence[Message[ConsentExpired]]) -> Sequence[Answer]:
        too_early = Unwanted("too early", again_at=clock.now() if for_ever else begins)
        waits = for_ever or clock.now() < begins
        return [too_early if waits and one.event.request_id == "req_1" else hear(one) for one in messages]

    waiting = Listener(stage, listener.store, early)
    await stage.produce(TOPIC, [record("req_1"), record("req_2")])
    async with listening(waiting):
        await until(lambda: waiting.counted("req_2"))
        # A moment later than its neighbour: what is set aside is written behind the transaction, before the offset.
        await until(waiting.set_aside)
        [kept] = await waiting.set_aside()
        assert (kept.kind, kept.state) == (AsideKind.UNWANTED, AsideState.REPLAY)
        await until(lambda: _tried(waiting, 3 if for_ever else 2))
    [kept] = await waiting.set_aside()
    assert (kept.state, kept.tries) == ((AsideState.WAITING, 3) if for_ever else (AsideState.DONE, 2))
    assert await waiting.counted("req_1") == (() if for_ever else (1,))


async def test_lag_is_told_also_while_nothing_gets_through(stage: Stage, listener: Listener) -> None:
    hearing, _ = away(10_000)
    stuck = Listener(stage, listener.store, hearing)
    await stage.produce(TOPIC, [record("req_1"), record("req_2")])
    async with listening(stuck):
        await until(lambda: _lags(stuck, 2))
        await stage.produce(TOPIC, [record("req_3")])
        await until(lambda: _lags(stuck, 3))
    async with listening(listener):
        await until(lambda: listener.counted("req_3"))
        await until(lambda: _lags(listener, 0))


async def _lags(listener: Listener, records: int) -> bool:
    return await listener.consumer.lag() == {(TOPIC,): records}


async def mark(listener: Listener) -> None:
    await listener.store.collection(ASIDE).update_many({}, {"$set": {"state": "replay"}})


async def _tried(listener: Listener, times: int) -> bool:
    return all(kept.tries == times for kept in await listener.set_aside())


async def test_partitions_move_between_members_and_nothing_is_counted_twice(stage: Stage, listener: Listener) -> None:
    second = Listener(stage, listener.store)

    async def keep_saying() -> None:
        for version in range(1, 41):
            for number in range(4):
                await stage.produce(TOPIC, [record(f"req_{number}", version)], partition=number)

    async with listening(listener):
        saying = asyncio.create_task(keep_saying())
        await until(lambda: listener.counted("req_0"))
        async with listening(second):
            await until(lambda: [len(one.consumer.assignment) for one in (listener, second)] == [2, 2])
        await saying
        for number in range(4):
            await until(lambda number=number: _has(listener, f"req_{number}", 40))  # type: ignore[misc]
    for number in range(4):
        assert await listener.counted(f"req_{number}") == tuple(range(1, 41))


async def test_it_says_whether_it_progresses(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not listener.consumer.progressing()
    async with listening(listener):
        assert listener.consumer.progressing()
        monkeypatch.setattr(module, "STALLED", -1.0)
        assert not listener.consumer.progressing()
    assert not listener.consumer.progressing()


async def test_a_function_for_what_a_service_may_not_read_is_refused(stage: Stage, listener: Listener) -> None:
    with pytest.raises(ValueError, match=r"consent\.requests"):
        Consumer("identity", access(stage.kafka), counting(), listener.work, listener.asides)


async def test_ten_thousand_messages_go_through_in_batches(stage: Stage, listener: Listener) -> None:
    """Catch-up: a rate far above one transaction a message (50 to 80 a second here), whatever else runs."""
    total = 10_000
    await stage.produce(TOPIC, [record(f"req_{number}") for number in range(total)])
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with listening(listener):
        await until(lambda: _all(listener, total), seconds=60)
        rate = total / (loop.time() - began)
    assert rate > 800, f"only {rate:.0f} messages/s"


async def _all(listener: Listener, total: int) -> bool:
    return await listener.store.count(COUNTS, {}) == total


async def test_a_broker_that_never_says_farewell_is_not_waited_for(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measured on a full house: the end of TLS sometimes never comes, and a service then took 20 s to end."""
    await listener.consumer.start()
    await listener.stage.produce(TOPIC, [record("req_1")])
    await until(lambda: listener.counted("req_1"))
    never = asyncio.Event()
    monkeypatch.setattr(module, "LEAVE_SECONDS", 0.5)
    client: Any = listener.consumer._reader()._client
    closing = client.close

    async def hangs() -> None:
        await closing()
        await never.wait()

    monkeypatch.setattr(client, "close", hangs)
    async with asyncio.timeout(4):
        await listener.consumer.stop()
    assert await listener.behind() > 0, "what had ended was committed before"
