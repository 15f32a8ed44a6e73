"""How records come from the broker into our hands: the library's subscriber, without what loses or delays them.

Invariants, each with a test:
1. A record that the client can't even decode (the name of a header that is not UTF-8) comes as a stand-in with its
   place, so that it gets a verdict like any other. Left alone, the client raises on it again and again, for ever.
2. When a poll raises, no record of it is passed over: the client has moved on in the partitions that it had already
   taken from, so all of them are set back to what was handed out last.
"""

import asyncio
import logging
from collections.abc import Iterable
from itertools import chain
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import ConsumerStoppedError, IllegalStateError, KafkaError
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.kafka.message import FAKE_CONSUMER, KafkaAckableMessage
from faststream.kafka.subscriber.usecase import BatchSubscriber
from faststream.security import BaseSecurity, SASLScram512

from services.chassis import clock
from services.chassis.kafka.access import KafkaAccess
from services.chassis.observe.log import logger

STAND_IN = "placet-undecodable"
"""The one header of a stand-in; its value is the class of what the client raised."""

_MOST = 500
"""Records of one poll where nothing else was said."""

Polled = tuple[ConsumerRecord[bytes, bytes], ...]


class PromptSubscriber(BatchSubscriber):
    """The library's batch subscriber without its sleep after an empty poll, which is all of its latency's tail."""

    empty_at: float = 0.0
    """When a poll last found nothing to do: as good a sign of life as a batch that was handled."""
    turn: int = 0
    """Which partition is read first when each is read alone."""
    linger: float = 0.0
    """Seconds that a poll waits for company."""

    async def get_msg(self, consumer: AIOKafkaConsumer) -> Polled:
        try:
            polled = await self._polled(consumer)
        except ConsumerStoppedError:
            raise
        except Exception as why:
            await self.set_back(consumer)
            if isinstance(why, KafkaError):
                raise  # the broker, our rights, our membership: the library tells it and tries again
            logger().warning("poll raised, reading one by one", exc_info=why)
            return self._handed_out(await self._one_alone(consumer))
        if not polled:
            self.empty_at = clock.seconds()
        return self._handed_out(polled)

    async def _polled(self, consumer: AIOKafkaConsumer) -> Polled:
        """What is there, and what comes while we linger. Nothing of partitions that go to another member meanwhile."""
        most = self.max_records or _MOST
        polled = tuple(chain.from_iterable((await self._getmany(consumer, self.batch_timeout_ms, most)).values()))
        if not polled or not self.linger or len(polled) >= most:
            return polled
        await asyncio.sleep(self.linger)
        more = await self._getmany(consumer, 0, most - len(polled))
        mine = consumer.assignment()
        both = chain(polled, chain.from_iterable(more.values()))
        return tuple(record for record in both if TopicPartition(record.topic, record.partition) in mine)

    async def _getmany(
        self, consumer: AIOKafkaConsumer, timeout_ms: int, most: int
    ) -> dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]]:
        found: dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]] = await consumer.getmany(
            timeout_ms=timeout_ms, max_records=most
        )
        return found

    @property
    def handed_out(self) -> dict[TopicPartition, int]:
        """Behind what was handed out last, by partition. Whoever seeks says so here."""
        known: dict[TopicPartition, int] = self.__dict__.setdefault("_handed_out_behind", {})
        return known

    def _handed_out(self, records: Polled) -> Polled:
        for record in records:
            self.handed_out[TopicPartition(record.topic, record.partition)] = record.offset + 1
        return records

    async def set_back(self, consumer: AIOKafkaConsumer) -> None:
        """Read on behind what was handed out last; where nothing was, behind what the group has committed."""
        for partition in consumer.assignment():
            try:
                behind = self.handed_out.get(partition)
                if behind is None:
                    behind = await consumer.committed(partition)
                if behind is None:
                    await consumer.seek_to_beginning(partition)
                else:
                    consumer.seek(partition, behind)
            except IllegalStateError:
                continue  # given to another member meanwhile

    async def _one_alone(self, consumer: AIOKafkaConsumer) -> Polled:
        """The next record of one partition, or its stand-in. Each partition has its turn."""
        partitions = sorted(consumer.assignment())
        self.turn += 1
        for number in range(len(partitions)):
            partition = partitions[(number + self.turn) % len(partitions)]
            try:
                polled = await consumer.getmany(partition, timeout_ms=self.batch_timeout_ms, max_records=1)
            except (KafkaError, ConsumerStoppedError):
                raise
            except Exception as why:  # noqa: BLE001 - whatever the bytes made the client raise
                offset = await consumer.position(partition)
                consumer.seek(partition, offset + 1)
                return (_stand_in(partition, offset, why),)
            if polled:
                return tuple(chain.from_iterable(polled.values()))
        return ()


def _stand_in(partition: TopicPartition, offset: int, why: Exception) -> ConsumerRecord[bytes, bytes]:
    headers = ((STAND_IN, type(why).__name__.encode()),)
    return ConsumerRecord(partition.topic, partition.partition, offset, 0, 0, None, None, None, 0, 0, headers)


def undecodable(record: ConsumerRecord[bytes, bytes]) -> str | None:
    """Why a record is only a stand-in; None for a real one."""
    for name, value in record.headers:
        if name == STAND_IN:
            return (
                f"the client can't decode it ({value.decode('ascii', 'replace')[:50]}); "
                "its bytes are on the topic alone, at the place told here"
            )
    return None


def build_broker(access: KafkaAccess, *, client_id: str, drain_seconds: float) -> KafkaBroker:
    """The library's broker, reading only, with our parser and without its own logs below WARNING."""
    security = BaseSecurity(ssl_context=access.ssl_context() if access.tls else None)
    if access.security.startswith("SASL"):
        security = SASLScram512(access.user, access.password, ssl_context=security.ssl_context, use_ssl=access.tls)
    # Two INFO lines a message froze a service once: this logger speaks from WARNING up. Its own name, for the library
    # puts a handler of its own on its own logger.
    speaks = logging.getLogger("placet.faststream")
    speaks.setLevel(logging.WARNING)
    speaks.addFilter(_is_news)
    return KafkaBroker(
        access.addresses,
        security=security,
        client_id=client_id,
        consumer_only=True,
        allow_auto_create_topics=False,
        # How soon a topic that was missing, or a cluster that was made anew, is read.
        metadata_max_age_ms=5_000,
        parser=_whole,
        decoder=_untouched,
        apply_types=False,
        graceful_timeout=drain_seconds,
        logger=speaks,
    )


async def _whole(records: Polled, _original: Any) -> KafkaMessage:
    """The batch as it came. The library's own parser decodes headers, and one that is not UTF-8 loses the batch."""
    return KafkaAckableMessage(
        body=b"", headers={}, raw_message=records, message_id="", correlation_id="", consumer=FAKE_CONSUMER
    )


async def _untouched(message: KafkaMessage, _original: Any) -> Any:
    return message.raw_message


def _is_news(line: logging.LogRecord) -> bool:
    """Drops the reminder that topics are not made by us, said at each start: access lists see to that."""
    return not str(line.msg).startswith("Auto create topics is disabled")


def partitions_of(records: Iterable[ConsumerRecord[bytes, bytes]]) -> dict[TopicPartition, list[int]]:
    """The offsets in a batch, by partition."""
    offsets: dict[TopicPartition, list[int]] = {}
    for record in records:
        offsets.setdefault(TopicPartition(record.topic, record.partition), []).append(record.offset)
    return offsets
