"""How a kind of state lies in a collection: its key, its indexes, whether rows may ever change.

A service declares its shelves in `store.py`. Collections, indexes and the rights of each role's database user are made
from these declarations, so that code and credentials can't drift.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter

S = TypeVar("S")
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Index:
    """One index. `expire_seconds` makes MongoDB drop rows that long after the time in the (single) field."""

    fields: tuple[tuple[str, int], ...]
    unique: bool = False
    partial: Mapping[str, Any] | None = None
    expire_seconds: int | None = None

    @property
    def name(self) -> str:
        return "_".join(f"{field}_{way}" for field, way in self.fields)


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection. `append_only`: the role may find and insert, never change. `watched`: and open a change stream."""

    name: str
    indexes: tuple[Index, ...] = ()
    append_only: bool = False
    watched: bool = False


class Shelf(Generic[S]):
    """A kind of aggregate (a frozen dataclass) and how it becomes a document and back.

    The field `key` becomes `_id`. `order` rides beside the state: a clock per aggregate that only goes forward, by
    which the relay keeps the rows of one aggregate in the order of their commits.
    """

    def __init__(self, state: type[S], collection: Collection, *, key: str) -> None:
        self.state = state
        self.collection = collection
        self.key = key
        self._shape: TypeAdapter[S] = TypeAdapter(state)

    def __repr__(self) -> str:
        return f"Shelf({self.collection.name})"

    def id_of(self, state: S) -> str:
        return str(getattr(state, self.key))

    def document(self, state: S, order: int) -> Document:
        fields: Document = self._shape.dump_python(state)
        return {"_id": fields.pop(self.key), "order": order, **fields}

    def state_in(self, document: Document) -> S:
        fields = dict(document)
        fields.pop("order")
        fields[self.key] = fields.pop("_id")
        return self._shape.validate_python(fields)


SENT_ROWS_KEPT = 7 * 86_400
"""Seconds. So long a lost topic can be written again (`placet relay replay`)."""
SEEN_IDS_KEPT = 35 * 86_400
"""Seconds. Longer than any topic's retention (30 days), so that a record read again is always known."""

OUTBOX = Collection(
    "outbox",
    indexes=(
        Index((("sent", 1), ("barrier", 1), ("order", 1)), partial={"sent": False}),
        Index((("sent_at", 1),), expire_seconds=SENT_ROWS_KEPT),
        Index((("correlation", 1),)),
    ),
    watched=True,
)
INBOX = Collection("inbox", indexes=(Index((("at", 1),), expire_seconds=SEEN_IDS_KEPT),))
ASIDE = Collection("aside", indexes=(Index((("state", 1), ("at", 1))),))
MECHANISM = (OUTBOX, INBOX, ASIDE)
"""What every service's database has beside its own shelves."""
