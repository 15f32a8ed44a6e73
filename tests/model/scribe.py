"""Reads, after every step, what services said and wrote since the last look, and holds it against the book.

Invariants: P14 at every disclosure and release; versions of events without a gap; no event without its state and no
state without its event; one ledger row for each disclosure; the chain holds and never changes; nothing that a service
said is set aside by another.
"""

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from services.chassis.kafka.verdicts import Ending, Record
from services.chassis.store.shelf import OUTBOX, Document, Shelf
from services.consent.store import REQUESTS
from services.delivery.domain import Chain, verify_chain
from services.delivery.store import CHAINS, DELIVERIES, LEDGER
from services.records.store import RELEASES
from services.records.store import TRANSCRIPTS as SEALED

if TYPE_CHECKING:
    from tests.model.services import Service
    from tests.model.world import World

OF_TOPIC: dict[str, Shelf[Any]] = {
    "consent.requests": REQUESTS,
    "delivery.deliveries": DELIVERIES,
    "records.transcripts": SEALED,
    "records.releases": RELEASES,
}
GAPLESS = ("consent.requests", "delivery.deliveries")
"""One event for each version. A transcript's drafts and a revocation heard early make versions that nobody is told of."""

UNKNOWN_KEY = "the approval's grant is refused: the grant is not signed by consent"


@dataclass
class Scribe:
    """How far was read, and what must stay as it was."""

    read_rows: dict[str, int] = field(default_factory=dict)
    versions: dict[tuple[str, str], int] = field(default_factory=dict)
    released: set[str] = field(default_factory=set)
    delivered: dict[str, dict[str, Any]] = field(default_factory=dict)
    ledger: list[Document] = field(default_factory=list)
    head: Chain | None = None

    def copy(self) -> "Scribe":
        return Scribe(**{name: copy.copy(value) for name, value in vars(self).items()})

    def read(self, world: "World") -> None:
        for service in world.services:
            rows = list(service.store.tables.get(OUTBOX.name, {}).values())
            fresh, self.read_rows[service.name] = rows[self.read_rows.get(service.name, 0) :], len(rows)
            for row in fresh:
                if not row["barrier"]:
                    self._said(world, service, row)
            for topic, key in {(row["topic"], row["key"]) for row in fresh if not row["barrier"]}:
                self._stands(service, topic, key)
        self._ledger(world)

    def _said(self, world: "World", service: "Service", row: Document) -> None:
        said = orjson.loads(row["body"])
        of, version = (row["topic"], row["key"]), said["version"]
        before = self.versions.get(of, 0)
        if row["topic"] in GAPLESS:
            assert version == before + 1, f"{row['type']} has version {version} after {before}"
        elif row["topic"] in OF_TOPIC:
            assert version > before or row["topic"] == "records.transcripts", f"{row['type']} {version} after {before}"
            assert version >= before
        self.versions[of] = version
        if row["type"] == "records.transcript.released.v1":
            assert said["request_id"] not in self.released, "one request was released twice"
            self.released.add(said["request_id"])
            world.book.released(said, row["at"])
        elif row["type"] == "delivery.transcript.available.v1":
            assert ("delivery", said["request_id"]) not in world.book.heard_revoked, "offered what is taken back"
        elif row["type"] == "delivery.transcript.delivered.v1":
            assert said["delivery_id"] not in self.delivered, "one delivery was disclosed twice"
            self.delivered[said["delivery_id"]] = said

    def _stands(self, service: "Service", topic: str, key: str) -> None:
        """What was said last is what stands."""
        shelf = OF_TOPIC.get(topic)
        if shelf is None:
            return
        state = service.store.rows(shelf).get(key)
        assert state is not None, f"an event of {topic} without its state"
        assert state["version"] == self.versions[topic, key], f"{topic}: the state is not what was said"

    def _ledger(self, world: "World") -> None:
        rows = world.delivery.store.rows(LEDGER)
        kept = [rows.get(row["_id"]) for row in self.ledger]
        assert kept == self.ledger, "a row of the ledger was changed or is gone"
        fresh = list(rows.values())[len(self.ledger) :]
        for document in fresh:
            row = LEDGER.state_in(document)
            broken = verify_chain([row], after=self.head)
            assert broken is None, broken
            self.head = Chain(school_id=row.school_id, number=row.number, hash=row.hash)
            world.book.written(row, world.at)
            said = self.delivered.get(row.delivery_id)
            assert said is not None and said["ledger_row"] == row.number and said["ledger_hash"] == row.hash
        self.ledger += fresh
        assert len(self.delivered) == len(self.ledger), "a disclosure without its row in the ledger"
        if fresh:
            heads = [CHAINS.state_in(one) for one in world.delivery.store.rows(CHAINS).values()]
            assert heads == [self.head]

    def set_aside(self, world: "World", service: str, record: Record, ending: Ending) -> bool:
        """Only what was forged is set aside for good; a genuine grant while its key is not known."""
        if (record.topic, record.partition, record.offset) in world.forged:
            return False
        assert not ending.failed, f"{service} failed: {ending.reason}"
        assert service == "records" and ending.reason == UNKNOWN_KEY, f"{service}: {ending.type}: {ending.reason}"
        return True
