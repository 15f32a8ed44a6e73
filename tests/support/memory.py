"""A store in memory that behaves as the MongoDB one: tests/chassis/store/test_work.py runs the same scenarios on both."""

import copy
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

from services.chassis.store.shelf import INBOX, OUTBOX, Document, Shelf
from services.chassis.store.work import Unit

S = TypeVar("S")
T = TypeVar("T")

Tables = dict[str, dict[str, Document]]

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "$in": lambda found, wanted: any(_equal(found, one) for one in wanted),
    "$nin": lambda found, wanted: not any(_equal(found, one) for one in wanted),
    "$ne": lambda found, wanted: not _equal(found, wanted),
    "$lte": lambda found, wanted: found is not None and found <= wanted,
    "$lt": lambda found, wanted: found is not None and found < wanted,
    "$gte": lambda found, wanted: found is not None and found >= wanted,
    "$gt": lambda found, wanted: found is not None and found > wanted,
    "$exists": lambda found, wanted: (found is not None) == wanted,
}


def _equal(found: Any, wanted: Any) -> bool:
    return (
        wanted in found
        if isinstance(found, (list, tuple)) and not isinstance(wanted, (list, tuple))
        else found == wanted
    )


def _field(document: Document, path: str) -> Any:
    found: Any = document
    for step in path.split("."):
        found = found.get(step) if isinstance(found, dict) else None
    return found


def matches(document: Document, where: Mapping[str, Any]) -> bool:
    for path, wanted in where.items():
        found = _field(document, path)
        if isinstance(wanted, Mapping) and any(str(word).startswith("$") for word in wanted):
            if not all(OPERATORS[word](found, value) for word, value in wanted.items()):
                return False
        elif not _equal(found, wanted):
            return False
    return True


class MemoryStore:
    """Tables of documents. A transaction works on a copy that takes the tables' place when its body returns."""

    def __init__(self) -> None:
        self.tables: Tables = {}
        self.transactions = 0
        self.crash_before_commit = False

    async def transact(self, body: Callable[[Unit], Awaitable[T]]) -> T:
        self.transactions += 1
        tables = copy.deepcopy(self.tables)
        # The database may run a body more than once: so does this one, and only the last run counts.
        await body(_MemoryUnit(copy.deepcopy(self.tables)))
        answer = await body(_MemoryUnit(tables))
        if self.crash_before_commit:
            raise ConnectionError("crashed before the commit")
        self.tables = tables
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
        found = [row for row in self.tables.get(shelf.collection.name, {}).values() if matches(row, where)]
        for path, way in reversed(sort):
            found.sort(key=lambda row: _field(row, path), reverse=way < 0)
        return [shelf.state_in(copy.deepcopy(row)) for row in found[after : after + limit]]

    async def count(self, shelf: Shelf[Any], where: Mapping[str, Any]) -> int:
        return sum(matches(row, where) for row in self.tables.get(shelf.collection.name, {}).values())

    @property
    def outbox(self) -> list[Document]:
        """The rows, in the order in which the relay would take them."""
        rows = self.tables.get(OUTBOX.name, {}).values()
        return sorted(rows, key=lambda row: (row["barrier"], cast("int", row["order"])))

    @property
    def inbox(self) -> list[str]:
        return list(self.tables.get(INBOX.name, {}))


class _MemoryUnit:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def load(self, shelf: Shelf[Any], ids: Sequence[str]) -> list[Document]:
        return await self.load_by(shelf, "_id", ids)

    async def load_by(self, shelf: Shelf[Any], field: str, values: Sequence[str]) -> list[Document]:
        rows = self._tables.get(shelf.collection.name, {}).values()
        return [copy.deepcopy(row) for row in rows if matches(row, {field: {"$in": list(values)}})]

    async def seen(self, message_ids: Sequence[str]) -> set[str]:
        return set(message_ids) & set(self._tables.get(INBOX.name, {}))

    async def write(
        self, states: Mapping[Shelf[Any], Sequence[Document]], rows: Sequence[Document], seen: Sequence[Document]
    ) -> None:
        for shelf, documents in states.items():
            self._put(shelf.collection.name, documents, new=shelf.collection.append_only)
        self._put(OUTBOX.name, rows, new=True)
        self._put(INBOX.name, seen, new=True)

    def _put(self, name: str, documents: Sequence[Document], *, new: bool) -> None:
        table = self._tables.setdefault(name, {})
        for document in documents:
            if new and document["_id"] in table:
                raise ValueError(f"{name} already holds this row")
            table[document["_id"]] = copy.deepcopy(document)
