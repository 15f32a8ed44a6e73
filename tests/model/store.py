"""A store in memory that is quick, can be copied, and lets the power go at the three moments that matter."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, TypeVar

from services.chassis.store.shelf import INBOX, OUTBOX, Document, Shelf
from services.chassis.store.work import NotNow, Unit
from tests.support.memory import MemoryStore, Tables, matches

S = TypeVar("S")
T = TypeVar("T")


class Fault(StrEnum):
    """What happens to the next transaction."""

    CONFLICT = "conflict"
    """The database runs its body twice."""
    BEFORE_COMMIT = "before-commit"
    """The process dies before the commit: nothing of it is there."""
    AFTER_COMMIT = "after-commit"
    """It dies after the commit: all of it is there, and nobody was told."""


class ModelStore(MemoryStore):
    """Documents are never changed in place, so that a transaction costs what it touches, and a copy costs little."""

    def __init__(self, tables: Tables | None = None) -> None:
        super().__init__()
        self.tables = {name: dict(rows) for name, rows in (tables or {}).items()}
        self.fault: Fault | None = None
        self.commits = 0

    async def transact(self, body: Callable[[Unit], Awaitable[T]]) -> T:
        fault, self.fault = self.fault, None
        if fault is Fault.CONFLICT:
            await body(_Overlay(self.tables))
        unit = _Overlay(self.tables)
        answer = await body(unit)
        if fault is Fault.BEFORE_COMMIT:
            raise NotNow("the power went before the commit")
        for name, rows in unit.written.items():
            self.tables.setdefault(name, {}).update(rows)
        self.commits += 1
        if fault is Fault.AFTER_COMMIT:
            raise NotNow("the power went after the commit")
        return answer

    async def find(
        self,
        shelf: Shelf[S],
        where: Mapping[str, Any],
        *,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 100,
        after: int = 0,
    ) -> list[S]:
        if sort:
            return await super().find(shelf, where, sort=sort, limit=limit, after=after)
        found = [row for row in self.tables.get(shelf.collection.name, {}).values() if matches(row, where)]
        return [shelf.state_in(row) for row in found[after : after + limit]]

    def rows(self, shelf: Shelf[Any]) -> dict[str, Document]:
        """What lies there now, by id, in the order of its coming."""
        return self.tables.get(shelf.collection.name, {})

    def mark_sent(self, row_ids: Sequence[str]) -> None:
        table = self.tables[OUTBOX.name]
        for row_id in row_ids:
            table[row_id] = {**table[row_id], "sent": True}


class _Overlay:
    """One transaction: it reads what was there and what it wrote itself."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self.written: Tables = {}

    async def load(self, shelf: Shelf[Any], ids: Sequence[str]) -> list[Document]:
        table = self._tables.get(shelf.collection.name, {})
        return [table[one] for one in ids if one in table]

    async def load_by(self, shelf: Shelf[Any], field: str, values: Sequence[str]) -> list[Document]:
        where = {field: {"$in": list(values)}}
        return [row for row in self._tables.get(shelf.collection.name, {}).values() if matches(row, where)]

    async def seen(self, message_ids: Sequence[str]) -> set[str]:
        return set(message_ids) & self._tables.get(INBOX.name, {}).keys()

    async def write(
        self, states: Mapping[Shelf[Any], Sequence[Document]], rows: Sequence[Document], seen: Sequence[Document]
    ) -> None:
        for shelf, documents in states.items():
            self._put(shelf.collection.name, documents, new=shelf.collection.append_only)
        self._put(OUTBOX.name, rows, new=True)
        self._put(INBOX.name, seen, new=True)

    def _put(self, name: str, documents: Sequence[Document], *, new: bool) -> None:
        there, written = self._tables.get(name, {}), self.written.setdefault(name, {})
        for document in documents:
            if new and (document["_id"] in there or document["_id"] in written):
                raise ValueError(f"{name} already holds this row")
            written[document["_id"]] = document
