"""The one reader of a service: all its topics, one poll batch at a time, every record to its verdict.

Invariants, each with a test:
1. An offset is committed only behind records that ended: handled in the database, or set aside in it.
2. No bytes, no header and no bug of ours leave a record without a verdict, or stop its partition for ever.
3. When the database can't answer, nothing is committed: the batch is read again after a pause.
4. A commit that fails is no error of a message: the inbox makes reading it again harmless.
Manual acknowledgement alone: every other policy of the library loses records or loops (measured, see tests).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker

from contracts.topics import heard_by
from services.chassis import clock
from services.chassis.failpoint import failpoint
from services.chassis.kafka import asides as aside_rows
from services.chassis.kafka.access import KafkaAccess
from services.chassis.kafka.asides import Asides
from services.chassis.kafka.chatter import hush
from services.chassis.kafka.hearing import Hearing
from services.chassis.kafka.offsets import COMMIT_SECONDS, Offsets
from services.chassis.kafka.polling import PromptSubscriber, build_broker, partitions_of, undecodable
from services.chassis.kafka.verdicts import End, Ending, Judge, Record
from services.chassis.observe import telemetry
from services.chassis.observe.log import logger
from services.chassis.store.aside import AsideState, SetAside
from services.chassis.store.work import NotNow, Work

POLL_MS = 500
"""Kafka wakes a waiting fetch at once, so a long wait costs no latency; a short one costs idle CPU (measured)."""
BATCH = 500
SHORTEST, LONGEST = 0.2, 5.0
"""Seconds of pause after `NotNow`, doubled each time in between."""
STALLED = 30.0
"""Seconds without a finished poll after which the process says that it is not ready."""
DRAIN_SECONDS = 20.0
"""What a batch in hand may take at the end of the process."""
LEAVE_SECONDS = 5.0
"""For leaving the group and closing connections. Closing waits for the broker's end of TLS, which sometimes never comes
(measured: uvloop waits for it 30 s); whatever is left then, the broker finds out by itself within the session's 6 s."""
REPLAY_SECONDS = 1.0
_REPLAYS = 50
BY_ITSELF = 10
"""Tries of a record that comes too early, without a person. Its moment was reached each time: then something else is wrong."""

HEARD = telemetry.counter("placet_messages_total", "Messages by how they ended.", ["type", "outcome"])
POLLED = telemetry.histogram(
    "placet_poll_records", "Records in one poll batch.", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500)
)
AGE = telemetry.histogram("placet_event_age_seconds", "From the moment of an event to its verdict here.", ["type"])
LAG = telemetry.gauge(
    "placet_consumer_lag_records", "Records not yet polled, of the partitions that this member has.", ["topic"]
)
ASIDE = telemetry.gauge(
    "placet_set_aside_records", "Set-aside records that are neither handled nor dismissed.", ["kind", "state"]
)
AGAIN = telemetry.counter("placet_batches_again_total", "Poll batches that are read again because of `NotNow`.")


class Consumer:
    """Reads what `contracts.topics` says a service hears. Start it, watch it, stop it."""

    def __init__(
        self,
        service: str,
        access: KafkaAccess,
        hearing: Hearing,
        work: Work,
        asides: Asides,
        *,
        topics: Iterable[str] | None = None,
    ) -> None:
        self._topics = tuple(topics) if topics is not None else tuple(topic.name for topic in heard_by(service))
        unheard = set(hearing.topics) - set(self._topics)
        if unheard:
            raise ValueError(f"{service} registered functions for {sorted(unheard)}, which it may not read")
        self._group = f"placet-{service}"
        self._access = access
        self._judge = Judge(hearing, work)
        self._linger = hearing.linger
        self._asides = asides
        self._broker: KafkaBroker | None = None
        self._subscriber: PromptSubscriber | None = None
        self._replayer: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._pause = SHORTEST
        self._finished = clock.seconds()
        self._offsets = Offsets(lambda behind: self._reader().commit(dict(behind)))

    async def start(self) -> None:
        """Join the group. Raises `NotNow` when the broker can't be reached; start it again then."""
        if not self._topics:
            return
        self._stopping.clear()
        hush()
        broker = build_broker(self._access, client_id=self._group, drain_seconds=DRAIN_SECONDS)
        subscriber = broker.subscriber(
            *self._topics,
            batch=True,
            group_id=self._group,
            ack_policy=AckPolicy.MANUAL,
            auto_offset_reset="earliest",
            batch_timeout_ms=POLL_MS,
            max_records=BATCH,
            fetch_max_wait_ms=POLL_MS,
            session_timeout_ms=6_000,  # the least Kafka takes: a killed worker's partitions move after 6 s
            heartbeat_interval_ms=2_000,
            listener=_Leaving(self._idle, self._leave),
        )
        # The library offers no place for another `get_msg`; the class adds nothing but that.
        subscriber.__class__ = PromptSubscriber
        assert isinstance(subscriber, PromptSubscriber)
        subscriber.linger = self._linger
        subscriber(self._poll)
        self._broker, self._subscriber = broker, subscriber
        try:
            await broker.start()
        except BaseException as why:
            await broker.stop()
            if isinstance(why, KafkaError):
                raise NotNow(f"Kafka could not be reached: {type(why).__name__}") from why
            raise
        self._finished = clock.seconds()
        self._replayer = asyncio.create_task(self._replay(), name="replay-asides")

    async def stop(self) -> None:
        """Finish the batch in hand, commit, leave the group. At most `DRAIN_SECONDS`."""
        self._stopping.set()
        if self._replayer is not None:
            await self._replayer
            self._replayer = None
        if self._broker is not None:
            # No poll begins any more; the one in hand ends, and what has ended is committed before we leave the group.
            if self._subscriber is not None:
                self._subscriber.running = False
            await self._idle.wait()
            await self._offsets.close()
            await self._let_go(self._broker)
            self._broker = None

    async def _let_go(self, broker: KafkaBroker) -> None:
        """Leave the group, then close what is open. A broker that does not answer a TLS farewell is not waited for."""
        try:
            await asyncio.wait_for(broker.stop(), LEAVE_SECONDS)
        except TimeoutError:
            logger().info("connections to Kafka closed without the broker's farewell")

    def progressing(self) -> bool:
        """Whether polls end well. False when stuck: a database or a broker away, a hung batch, a group that refuses us."""
        if not self._topics:
            return True
        if self._subscriber is None or self._subscriber.consumer is None:
            return False
        last = max(self._finished, self._subscriber.empty_at)
        return clock.seconds() - last < STALLED and _fetching(self._subscriber.consumer)

    @property
    def assignment(self) -> frozenset[TopicPartition]:
        """The partitions this member has now."""
        consumer = self._subscriber.consumer if self._subscriber is not None else None
        return frozenset(consumer.assignment()) if consumer is not None else frozenset()

    async def lag(self) -> Mapping[tuple[str, ...], float]:
        """Records of this member's partitions not yet handed out, by topic; those that are read again count again."""
        behind: dict[tuple[str, ...], float] = {(topic,): 0 for topic in self._topics}
        consumer = self._subscriber.consumer if self._subscriber is not None else None
        for partition in self.assignment:
            assert consumer is not None
            at = self._handed_out.get(partition)
            # Where nothing was handed out yet, from where reading will begin; the client knows the end when it has fetched.
            at = at if at is not None else await consumer.position(partition)
            behind[partition.topic,] += max(0, (consumer.highwater(partition) or at) - at)
        return behind

    async def _poll(self, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        """One batch from the broker to its verdicts. Swallows nothing but what it has dealt with."""
        self._idle.clear()
        try:
            await self._handle(records)
        finally:
            self._idle.set()

    async def _handle(self, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        POLLED.record(len(records))
        try:
            await self._settle([_record(record) for record in records])
        except Exception as why:  # noqa: BLE001 - whatever it was, nothing may be committed: read it again
            await self._again(records, why)
            return
        failpoint("consumer.handled")
        self._pause = SHORTEST
        self._offsets.ended({partition: max(offsets) + 1 for partition, offsets in partitions_of(records).items()})
        self._finished = clock.seconds()

    async def _settle(self, records: Sequence[Record]) -> list[Ending]:
        """Verdicts, and the set-asides written. What raises in here leaves every record unsaid."""

        async def keep(endings: Mapping[int, Ending]) -> None:
            at = clock.now()
            await self._asides.keep([aside_rows.row(records[place], ending, at) for place, ending in endings.items()])

        endings = await self._judge.judge(records, keep)
        for record, ending in zip(records, endings, strict=True):
            _tell(record, ending)
        return endings

    async def _again(self, records: Sequence[ConsumerRecord[bytes, bytes]], why: Exception) -> None:
        """Go back to the first record of each partition, after a pause that grows while it goes on."""
        AGAIN.add()
        if not isinstance(why, NotNow):
            logger().error("batch failed outside of any message", exc_info=why)
        else:
            logger().warning("batch waits", reason=str(why), count=len(records), retry_after=self._pause)
        consumer = self._reader()
        for partition, offsets in partitions_of(records).items():
            try:
                consumer.seek(partition, min(offsets))
                self._handed_out[partition] = min(offsets)
            except IllegalStateError:
                continue  # given to another member meanwhile, who reads from what was committed
        pause, self._pause = self._pause, min(self._pause * 2, LONGEST)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), pause)

    async def _replay(self) -> None:
        """Take set-aside records that were marked for replay through the same path, without offsets."""
        while not self._stopping.is_set():
            try:
                for kept in await self._asides.marked(_REPLAYS, clock.now()):
                    await self._asides.settle(await self._replayed(kept))
            except NotNow:
                pass  # looked at again in a second; that the database is away is told by the polls
            except Exception as why:  # noqa: BLE001 - one bad row must not end the replaying of others
                logger().error("replay failed", exc_info=why)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), REPLAY_SECONDS)

    async def _replayed(self, kept: SetAside) -> SetAside:
        record = aside_rows.record(kept)
        [ending] = await self._judge.judge([record])
        _tell(record, ending)
        tries = kept.tries + 1
        if ending.end is not End.ASIDE:
            return replace(kept, state=AsideState.DONE, tries=tries)
        again_at = ending.again_at if tries < BY_ITSELF else None
        state = AsideState.WAITING if again_at is None else AsideState.REPLAY
        reason = ending.reason or ""
        return replace(kept, state=state, kind=ending.kind, reason=reason, tries=tries, again_at=again_at)

    async def _leave(self) -> None:
        """The partitions go: commit what has ended, and know nothing of where we were in them."""
        await self._offsets.flush()
        self._offsets.forget()
        self._handed_out.clear()

    @property
    def _handed_out(self) -> dict[TopicPartition, int]:
        return self._subscriber.handed_out if self._subscriber is not None else {}

    def _reader(self) -> AIOKafkaConsumer:
        assert self._subscriber is not None
        return self._subscriber.consumer


class _Leaving(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """Lets the batch in hand end, and its offsets be committed, before its partitions go to another member."""

    def __init__(self, idle: asyncio.Event, leave: Callable[[], Awaitable[None]]) -> None:
        self._idle = idle
        self._leave = leave

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        if revoked:
            try:
                await asyncio.wait_for(self._idle.wait(), COMMIT_SECONDS)
            except TimeoutError:
                logger().warning("partitions leave with a batch in hand", count=len(revoked))
        await self._leave()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Nothing to prepare: reading goes on from what was committed."""


def _fetching(consumer: AIOKafkaConsumer) -> bool:
    """Whether the broker has answered a fetch of late; it answers at least every `POLL_MS`, if only with nothing."""
    answered = [consumer.last_poll_timestamp(partition) for partition in consumer.assignment()]
    known = [at for at in answered if at]
    return not known or clock.now().timestamp() - max(known) / 1000 < STALLED


def _record(record: ConsumerRecord[bytes, bytes]) -> Record:
    headers = tuple((name, value or b"") for name, value in record.headers)
    broken = undecodable(record)
    return Record(record.topic, record.partition, record.offset, record.key, record.value, headers, broken)


def _tell(record: Record, ending: Ending) -> None:
    HEARD.add(type=ending.type, outcome="failed" if ending.failed else ending.end)
    message = ending.message
    if message is not None and ending.end in (End.HANDLED, End.REFUSED):
        AGE.record(max(0.0, (clock.now() - message.at).total_seconds()), type=ending.type)
    place = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
    if ending.end is End.ASIDE:
        logger().error("set aside", type=ending.type, reason=ending.reason, **place)
    elif ending.end is End.REFUSED and message is not None:
        logger().info("refused", type=ending.type, id=message.event.key, cause=message.id, reason=ending.reason)
