"""The broker of the model: topics with their partitions, groups with their places, and rows that a relay carries there."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from contracts.envelope import Headers, Message, write_headers
from contracts.event import Event
from contracts.topics import BY_NAME, TOPICS, heard_by
from services.chassis.kafka.sending import LeaseLost
from services.chassis.kafka.verdicts import Record
from services.chassis.store.shelf import OUTBOX, Document
from services.chassis.store.work import NotNow
from tests.model.store import ModelStore

Place = tuple[str, int]
"""A topic and a partition."""


@dataclass
class Broker:
    """Logs that only grow, and how far each group has read. Inside a partition nothing ever changes its order."""

    logs: dict[Place, list[Record]] = field(default_factory=dict)
    read: dict[str, dict[Place, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for topic in TOPICS:
            for partition in range(topic.partitions):
                self.logs.setdefault((topic.name, partition), [])

    def copy(self) -> "Broker":
        logs = {place: list(records) for place, records in self.logs.items()}
        return Broker(logs, {group: dict(places) for group, places in self.read.items()})

    def append(self, topic: str, key: bytes, value: bytes, headers: Headers, partition: int | None = None) -> Record:
        if partition is None:
            partition = zlib.crc32(key) % BY_NAME[topic].partitions
        log = self.logs[topic, partition]
        log.append(Record(topic, partition, len(log), key, value, headers))
        return log[-1]

    def say(self, message: Message[Event]) -> Record:
        """As a relay would; for the services that are no part of the model, and for forgers."""
        event = message.event
        return self.append(event.topic, event.key.encode(), event.dump(), write_headers(message))

    def again(self, record: Record) -> Record:
        """The very same bytes once more, at the end of its partition."""
        assert record.key is not None and record.value is not None
        return self.append(record.topic, record.key, record.value, record.headers, record.partition)

    def genuine(self, topic: str, forged: set[tuple[str, int, int]]) -> list[Record]:
        """What was said on a topic, by whoever may; no watermarks."""
        return [
            record
            for (name, _), log in self.logs.items()
            for record in log
            if name == topic
            and (record.topic, record.partition, record.offset) not in forged
            and not (record.key or b"").startswith(b"watermark")
        ]

    def waiting(self, group: str) -> list[Place]:
        """Partitions in which the group has something to read."""
        read = self.read.setdefault(group, {})
        return [place for place in places_of(group) if read.get(place, 0) < len(self.logs[place])]

    def next(self, group: str, place: Place, most: int) -> Sequence[Record]:
        begin = self.read.setdefault(group, {}).get(place, 0)
        return self.logs[place][begin : begin + most]

    def commit(self, group: str, place: Place, behind: int) -> None:
        self.read.setdefault(group, {})[place] = behind


def places_of(group: str) -> list[Place]:
    return [(topic.name, partition) for topic in heard_by(group) for partition in range(topic.partitions)]


class MemorySending:
    """The outbox as the real relay sees it. `dies` lets its process end before the next mark."""

    def __init__(self, store: ModelStore) -> None:
        self._store = store
        self.dies = False

    async def take(self) -> bool:
        return True

    async def unsent(self, limit: int, *, without: Sequence[str] = ()) -> list[Document]:
        rows = [row for row in self._store.tables.get(OUTBOX.name, {}).values() if not row["sent"]]
        rows = [row for row in rows if row["_id"] not in without]
        return sorted(rows, key=lambda row: (row["barrier"], row["order"]))[:limit]

    async def mark(self, row_ids: Sequence[str]) -> None:
        if self.dies:
            raise LeaseLost
        self._store.mark_sent(row_ids)

    async def release(self) -> None:
        return

    async def oldest(self) -> Document | None:
        return next(iter(await self.unsent(1)), None)

    async def watch(self, wake: Callable[[], None]) -> None:
        raise NotNow("nothing to watch")


class MemoryPublisher:
    """Takes rows to the model's broker. `takes` is how many of the next rows it acknowledges (None: all)."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.takes: int | None = None

    async def publish(self, rows: Sequence[Document]) -> set[str]:
        taken, self.takes = (rows if self.takes is None else rows[: self.takes]), None
        for row in taken:
            headers = tuple((str(name), bytes(value)) for name, value in row["headers"])
            self._broker.append(row["topic"], row["key"].encode(), bytes(row["body"]), headers, row["partition"])
        return {str(row["_id"]) for row in taken}

    async def close(self) -> None:
        return


def with_id(record: Record, message_id: str) -> dict[str, Any]:
    """The fields of a record under another message id: the inbox can't know it."""
    headers = tuple((name, message_id.encode() if name == "ce_id" else value) for name, value in record.headers)
    return {"topic": record.topic, "key": record.key, "value": record.value, "headers": headers}
