"""The set-aside records of a service as its consumer keeps them: written once, read again when marked for replay."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from services.chassis.kafka.verdicts import Ending, Record
from services.chassis.store.aside import ASIDES, AsideKind, AsideState, SetAside, document, set_aside
from services.chassis.store.mongo import not_now


class Asides(Protocol):
    """Where set-aside records lie. Every method raises `NotNow` when it can't be reached."""

    async def keep(self, rows: Sequence[SetAside]) -> None:
        """Write them; a record that lies here already stays as it is."""

    async def marked(self, limit: int, at: datetime) -> list[SetAside]:
        """Those that a person marked for replay, and those whose own moment has come at `at`, oldest first."""

    async def waiting(self) -> Mapping[tuple[str, ...], int]:
        """How many are not done, by kind and state."""

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

    async def waiting(self) -> Mapping[tuple[str, ...], int]:
        states = (AsideState.WAITING, AsideState.REPLAY)
        counts: dict[tuple[str, ...], int] = {(str(kind), str(state)): 0 for kind in AsideKind for state in states}
        open_ = {"$match": {"state": {"$in": states}}}
        by = {"$group": {"_id": ["$kind", "$state"], "count": {"$sum": 1}}}
        with not_now():
            async for found in self.rows.aggregate([open_, by]):
                kind, state = found["_id"]
                counts[str(kind), str(state)] = found["count"]
        return counts

    async def settle(self, row: SetAside) -> None:
        fields = document(row)
        changes = {name: fields[name] for name in ("state", "kind", "reason", "tries", "again_at")}
        with not_now():
            await self.rows.update_one({"_id": row.aside_id, "state": AsideState.REPLAY}, {"$set": changes})


def row(record: Record, ending: Ending, at: datetime) -> SetAside:
    """The row for a record; its ending's `again_at` marks it for replay at that moment. Its id is its place and a digest of its bytes.

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
        reason=ending.reason or "",
        at=at,
        kind=ending.kind,
    )
    digest = hashlib.sha256(repr((record.key, record.value, record.headers)).encode()).hexdigest()
    state = AsideState.WAITING if ending.again_at is None else AsideState.REPLAY
    return replace(kept, aside_id=f"{kept.aside_id}:{digest[:12]}", state=state, again_at=ending.again_at)


def record(kept: SetAside) -> Record:
    """The record as it was read."""
    headers = tuple((name, bytes(value)) for name, value in kept.headers)
    return Record(kept.topic, kept.partition, kept.offset, kept.key, kept.value, headers)
