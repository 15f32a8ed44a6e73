"""Carries the outbox to Kafka. Only the relay produces.

Invariants, each with a test:
1. Nothing else writes a topic: the relay's principal alone has the right.
2. Rows of one aggregate leave in their order; while one of them will not go, those behind it stay.
3. Every write that ends a lease filters on its token (`sending`).
4. A row is marked only after the broker acknowledged it (a moment later and many at once, beside further looks at the
   outbox, so that no row waits for the marks of others). A crash in between publishes it again: same id, same bytes.
5. A row that will not go is seen (the age of the oldest is the first alarm), never dropped.
6. A barrier leaves only behind everything that was committed before it. It is published at the second look that shows
   it: whatever was committed before it is seen by that look too, and ahead of it, for a look shows barriers only behind
   the last ordinary row; and it is published only when all of those were acknowledged.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from services.chassis import clock
from services.chassis.failpoint import failpoint
from services.chassis.kafka.access import KafkaAccess, diagnose
from services.chassis.kafka.chatter import hush
from services.chassis.kafka.sending import RENEW_SECONDS, LeaseLost, Sending
from services.chassis.observe import telemetry
from services.chassis.observe.log import logger
from services.chassis.store.shelf import Document
from services.chassis.store.work import NotNow

LIMIT = 500
"""Rows drained at once: beyond this nothing is gained (measured)."""
POLL_SECONDS = 0.5
"""The safety net below the wake: a resume token can age out, an event can be missed."""
STANDBY_SECONDS = 1.0
SHORTEST, LONGEST = 0.1, 1.0
"""Seconds of pause after something that only time mends; doubled each time in between."""
STALLED = 30.0
STOP_SECONDS = 5.0
MARK_SECONDS = 0.25
"""How long marks wait for company: a mark is a transaction, and what it costs does not depend on how many it marks."""
MARK_AT = 200
"""So many marks wait no longer."""

SENT = telemetry.counter("placet_outbox_sent_total", "Rows that the broker acknowledged.", ["topic"])
REFUSED = telemetry.counter("placet_outbox_refused_total", "Rows that the broker did not take.", ["topic", "reason"])
OLDEST = telemetry.gauge("placet_outbox_oldest_row_seconds", "Age of the row that waits longest; 0 when none does.")
LEADS = telemetry.gauge("placet_relay_leads", "1 while this relay holds its service's lease.")


class Publisher(Protocol):
    """Takes rows to the broker."""

    async def publish(self, rows: Sequence[Document]) -> set[str]:
        """The ids of the rows that were acknowledged, each behind all rows of its key. Raises `NotNow`."""

    async def close(self) -> None:
        """Let go of the broker; what it did not take is not marked and goes again."""


class Relay:
    """One service's relay. `run` until stopped; `wake` says that rows were written."""

    def __init__(self, sending: Sending, publisher: Publisher, *, watch: bool) -> None:
        self._sending = sending
        self._publisher = publisher
        self._watch = watch
        self._woken = asyncio.Event()
        self._stopping = asyncio.Event()
        self._finished = clock.seconds()
        self._barriers_seen: set[str] = set()
        self._gone: set[str] = set()
        """Acknowledged by the broker, not marked yet."""
        self._marking: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        """Marks wait no longer: there are many, or the relay ends."""
        self._pause = SHORTEST

    def wake(self) -> None:
        self._woken.set()

    def stop(self) -> None:
        """Finish what is in hand and end."""
        self._stopping.set()
        self._woken.set()
        self._hurry.set()

    def progressing(self) -> bool:
        """Whether it sends, or waits its turn, or has nothing to send."""
        return clock.seconds() - self._finished < STALLED

    async def run(self) -> None:
        """Send what waits, again and again, until stopped. Ends by itself for no other reason."""
        watching = asyncio.create_task(self._watching(), name="watch-outbox") if self._watch else None
        try:
            while not self._stopping.is_set():
                await self._step()
        finally:
            if watching is not None:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
            await self._leave()

    async def _step(self) -> None:
        # Cleared before looking: what is written during the look wakes us once more.
        self._woken.clear()
        try:
            self._see_marking()
            leads = await self._sending.take()
            LEADS.set(int(leads))
            more = await self._drain() if leads else await self._stand_by()
        except LeaseLost:
            logger().warning("lease lost to another relay")
            self._gone.clear()
            return
        except NotNow as why:
            await self._wait(why)
            return
        except Exception as why:  # noqa: BLE001 - nothing is dropped, and a relay that ends would drop everything
            logger().error("relay failed", exc_info=why)
            await self._wait(NotNow(type(why).__name__))
            return
        self._finished, self._pause = clock.seconds(), SHORTEST
        if not more:
            await self._until_woken(POLL_SECONDS if leads else STANDBY_SECONDS)

    async def _drain(self) -> bool:
        """Publish one batch. True when there may be more of it."""
        found = await self._sending.unsent(LIMIT, without=sorted(self._gone))
        rows = [row for row in found if not row["barrier"]]
        barriers = [row for row in found if row["barrier"]]
        _note_oldest(rows[0] if rows else None)
        left = len(rows) - await self._carry(rows)
        if left:
            raise NotNow(f"{left} of {len(rows)} rows did not go")
        ready = [row for row in barriers if row["_id"] in self._barriers_seen]
        self._barriers_seen |= {row["_id"] for row in barriers}
        if await self._carry(ready) < len(ready):
            raise NotNow("barriers did not go")
        self._barriers_seen -= {row["_id"] for row in ready}
        return bool(self._barriers_seen) or len(found) == LIMIT

    async def _carry(self, rows: Sequence[Document]) -> int:
        """Publish. The lease is kept alive while the broker thinks; when it is lost, all is dropped."""
        if not rows:
            return 0
        publishing = asyncio.create_task(self._publisher.publish(rows), name="publish")
        try:
            while not (await asyncio.wait({publishing}, timeout=RENEW_SECONDS))[0]:
                _note_oldest(rows[0])
                if self._stopping.is_set():
                    raise NotNow("stopped while the broker had not answered")
                if not await self._sending.take():
                    raise LeaseLost
        finally:
            if not publishing.done():
                publishing.cancel()
                await asyncio.gather(publishing, return_exceptions=True)
        acknowledged = publishing.result()
        failpoint("relay.published")
        for row in rows:
            if row["_id"] in acknowledged:
                SENT.add(topic=row["topic"])
        self._gone |= acknowledged
        if len(self._gone) >= MARK_AT:
            self._hurry.set()
        self._see_marking()
        return len(acknowledged)

    def _see_marking(self) -> None:
        """Marks are written beside the next look at the outbox, never two at once. Raises what the last one met."""
        if self._marking is not None and self._marking.done():
            ended, self._marking = self._marking, None
            ended.result()
        if self._gone and self._marking is None:
            self._marking = asyncio.create_task(self._mark(), name="mark-sent")

    async def _mark(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._hurry.wait(), MARK_SECONDS)
        while self._gone:
            marked = set(self._gone)
            await self._sending.mark(sorted(marked))
            failpoint("relay.marked")
            self._gone -= marked
        if not self._stopping.is_set():
            self._hurry.clear()

    async def _stand_by(self) -> bool:
        """Another relay leads; the age of the oldest row is still told, for it may be dead."""
        _note_oldest(await self._sending.oldest())
        return False

    async def _wait(self, why: NotNow) -> None:
        logger().warning("relay waits", reason=str(why), retry_after=self._pause)
        pause, self._pause = self._pause, min(self._pause * 2, LONGEST)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), pause)

    async def _until_woken(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), seconds)

    async def _watching(self) -> None:
        """A change stream across processes. Whatever ends it, the poll covers until it is open again."""
        while True:
            try:
                await self._sending.watch(self.wake)
            except NotNow:
                logger().info("outbox not watched, polled alone")
            except Exception as why:  # noqa: BLE001 - the stream only makes it quicker
                logger().warning("outbox not watched, polled alone", exc_info=why)
            await asyncio.sleep(LONGEST)

    async def _leave(self) -> None:
        await self._publisher.close()
        with suppress(NotNow, LeaseLost):  # the lease runs out by itself, and what is not marked goes again
            if self._marking is not None:
                await self._marking
            await self._mark()
            await self._sending.release()


class KafkaPublisher:
    """A raw, idempotent producer. It comes and goes with the broker; whoever holds rows never notices more than `NotNow`.

    `topics` are looked up at once, so that the first event of each does not wait for it.
    """

    def __init__(self, access: KafkaAccess, *, client_id: str, topics: Sequence[str] = ()) -> None:
        self._access = access
        self._client_id = client_id
        self._topics = tuple(topics)
        self._producer: AIOKafkaProducer | None = None

    async def publish(self, rows: Sequence[Document]) -> set[str]:
        producer = await self.connect()
        waiting: list[tuple[Document, asyncio.Future[object]]] = []
        stuck: set[tuple[str, str]] = set()
        refused = _Refused()
        for row in rows:
            if (row["topic"], row["key"]) in stuck:
                continue
            try:
                waiting.append((row, await self._hand_over(producer, row)))
            except KafkaError as why:
                stuck.add((row["topic"], row["key"]))
                refused.note(row, why)
        answers = await asyncio.gather(*(future for _, future in waiting), return_exceptions=True)
        acknowledged: set[str] = set()
        for (row, _), answer in zip(waiting, answers, strict=True):
            if isinstance(answer, BaseException):
                stuck.add((row["topic"], row["key"]))
                refused.note(row, answer)
            elif (row["topic"], row["key"]) not in stuck:
                acknowledged.add(row["_id"])
        if len(acknowledged) < len(rows):
            refused.tell()
            # A sequence with a hole in it takes nothing more: the next try begins a new one.
            await self.close()
        return acknowledged

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await _stop(producer)

    async def connect(self) -> AIOKafkaProducer:
        """The producer, connected. Raises `NotNow` with the sentence that says what is in the way."""
        if self._producer is None:
            hush()
            producer = AIOKafkaProducer(
                **self._access.client_settings(),
                client_id=self._client_id,
                acks="all",
                enable_idempotence=True,
                linger_ms=0,
                max_batch_size=512 * 1024,  # above the largest body (`envelope.MAX_BODY`), below the broker's 1 MB
                request_timeout_ms=10_000,
                metadata_max_age_ms=5_000,
            )
            try:
                await producer.start()
            except KafkaError as why:
                await _stop(producer)
                trouble = await diagnose(self._access)
                raise NotNow(trouble.sentence if trouble else "Kafka could not be reached") from why
            self._producer = producer
            for topic in self._topics:
                # One that is missing is told when a row wants to go there.
                with suppress(KafkaError, TimeoutError):
                    await asyncio.wait_for(producer.partitions_for(topic), STOP_SECONDS)
        return self._producer

    @staticmethod
    async def _hand_over(producer: AIOKafkaProducer, row: Document) -> "asyncio.Future[object]":
        headers = [(name, bytes(value)) for name, value in row["headers"]]
        future: asyncio.Future[object] = await producer.send(
            row["topic"],
            value=bytes(row["body"]),
            key=row["key"].encode(),
            headers=headers,
            partition=row["partition"],
        )
        return future


async def _stop(producer: AIOKafkaProducer) -> None:
    try:
        await asyncio.wait_for(producer.stop(), STOP_SECONDS)
    except (TimeoutError, KafkaError):
        logger().info("producer given up with rows in hand")


class _Refused:
    """What the broker did not take in one go: one line for each reason, however many rows."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], list[Document]] = {}

    def note(self, row: Document, why: BaseException) -> None:
        REFUSED.add(topic=row["topic"], reason=type(why).__name__)
        self._rows.setdefault((row["topic"], type(why).__name__), []).append(row)

    def tell(self) -> None:
        for (topic, error), rows in self._rows.items():
            first = rows[0]
            logger().error(
                "rows did not go", topic=topic, error=error, count=len(rows), type=first["type"], id=first["_id"]
            )


async def oldest(sending: Sending) -> dict[tuple[str, ...], float]:
    """The age of the row that waits longest, in seconds, as the database knows it."""
    return {(): _age(await sending.oldest())}


def _note_oldest(row: Document | None) -> None:
    OLDEST.set(_age(row))


def _age(row: Document | None) -> float:
    return max(0.0, (clock.now() - row["at"]).total_seconds()) if row is not None else 0.0
