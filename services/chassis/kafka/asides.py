"""The set-aside records of a service as its consumer keeps them: written once, read again when marked for replay."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from services.chassis.kafka.verdicts import Record
from services.chassis.store.aside import ASIDES, AsideState, SetAside, document, set_aside
from services.chassis.store.mongo import not_now


class Asides(Protocol):
    """Where set-aside records lie. Every method raises `NotNow` when it can't be reached."""

    async def keep(self, rows: Sequence[SetAside]) -> None:
        """Write them; a record that lies here already stays as it is."""

    async def marked(self, limit: int, at: datetime) -> list[SetAside]:
        """Those that a person marked for replay, and those whose own moment has come at `at`, oldest first."""

    async def settle(self, row: SetAside) -> None:
        """Write down how a replay ended, unless somebody changed the row's mark meanwhile."""


@dataclass(frozen=True, slots=True)
class MongoAsides:
    """Set-aside records in the service's own database."""

    rows: Any
    """The driver's handle of the collection."""

    async def keep(self, rows: Sequence[SetAside]) -> None:
        with not_now():
            for row in rows:
                fields = document(row)
                await self.rows.update_one({"_id": fields.pop("_id")}, {"$setOnInsert": fields}, upsert=True)

    async def marked(self, limit: int, at: datetime) -> list[SetAside]:
        due = {"$or": [{"again_at": None}, {"again_at": {"$lte": at}}]}
        with not_now():
            cursor = self.rows.find({"state": AsideState.REPLAY, **due}).sort("at", 1).limit(limit)
            return [ASIDES.state_in(found) async for found in cursor]

    async def settle(self, row: SetAside) -> None:
        changes = {"state": row.state, "reason": row.reason, "tries": row.tries, "again_at": row.again_at}
        with not_now():
            await self.rows.update_one({"_id": row.aside_id, "state": AsideState.REPLAY}, {"$set": changes})


def row(record: Record, reason: str, at: datetime, *, again_at: datetime | None = None) -> SetAside:
    """The row for a record; `again_at` marks it for replay at that moment. Its id is its place and a digest of its bytes.

    The place alone would do until a topic is made anew after a total loss: then a fresh record can stand where another
    one stood, and neither may hide the other.
    """
    kept = set_aside(
        record.topic,
        record.partition,
        record.offset,
        record.key,
        record.value,
        record.headers,
        reason=reason,
        at=at,
    )
    digest = hashlib.sha256(repr((record.key, record.value, record.headers)).encode()).hexdigest()
    state = AsideState.WAITING if again_at is None else AsideState.REPLAY
    return replace(kept, aside_id=f"{kept.aside_id}:{digest[:12]}", state=state, again_at=again_at)


def record(kept: SetAside) -> Record:
    """The record as it was read."""
    headers = tuple((name, bytes(value)) for name, value in kept.headers)
    return Record(kept.topic, kept.partition, kept.offset, kept.key, kept.value, headers)
