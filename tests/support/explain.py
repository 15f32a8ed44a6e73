"""The questions of a store, put to a real database that says how it goes about each: never by reading a whole collection."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from types import CoroutineType
from typing import Any, TypeVar

from services.chassis.store.mongo import MongoStore
from services.chassis.store.shelf import Shelf
from services.chassis.store.work import Unit

S = TypeVar("S")
T = TypeVar("T")

UNWANTED = {"COLLSCAN", "SORT", "EOF"}
"""A whole collection read, or rows sorted in memory: both grow with all that was ever written. And a collection that is not
there: of that a plan says nothing."""


class Explaining:
    """A store that answers as the real one, and refuses (`AssertionError`) a question that no index answers."""

    def __init__(self, real: MongoStore) -> None:
        self._real = real

    async def find(
        self,
        shelf: Shelf[S],
        where: Mapping[str, Any],
        *,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 100,
        after: int = 0,
    ) -> list[S]:
        asked = {
            "find": shelf.collection.name,
            "filter": dict(where),
            "sort": dict(sort),
            "limit": limit,
            "skip": after,
        }
        await self._judge(shelf, where, asked)
        return await self._real.find(shelf, where, sort=sort, limit=limit, after=after)

    async def count(self, shelf: Shelf[Any], where: Mapping[str, Any]) -> int:
        # As `count_documents` asks.
        pipeline = [{"$match": dict(where)}, {"$group": {"_id": 1, "n": {"$sum": 1}}}]
        asked = {"aggregate": shelf.collection.name, "pipeline": pipeline, "cursor": {}}
        await self._judge(shelf, where, asked)
        return await self._real.count(shelf, where)

    async def load_by(self, shelf: Shelf[Any], field: str, values: Sequence[str]) -> None:
        """As a unit loads what belongs to a state."""
        await self.find(shelf, {field: {"$in": list(values)}})

    async def transact(self, body: Callable[[Unit], Awaitable[T]]) -> T:
        raise AssertionError("a question writes nothing")

    async def _judge(self, shelf: Shelf[Any], where: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
        plan = await self._real.db.command("explain", asked, verbosity="queryPlanner")
        found = stages(plan)
        assert found, f"a plan that names no stage: {plan}"
        assert not found & UNWANTED, f"{shelf.collection.name}, {dict(where)}: {sorted(found)}"


async def ask_all(questions: object, *asked: Coroutine[Any, Any, Any]) -> None:
    """Ask; every public question of the object must be among these, once at least, so that a new one is not forgotten."""
    names = {one.__qualname__.rpartition(".")[2] for one in asked if isinstance(one, CoroutineType)}
    answers = await asyncio.gather(*asked, return_exceptions=True)
    faults = [str(answer) for answer in answers if isinstance(answer, BaseException)]
    assert not faults, "\n".join(faults)
    public = {name for name, value in vars(type(questions)).items() if callable(value) and not name.startswith("_")}
    assert names == public, f"asked here, or new: {names ^ public}"


def stages(plan: Any) -> set[str]:
    """The stages of the plan that won."""
    if isinstance(plan, Mapping):
        own = {plan["stage"]} if isinstance(plan.get("stage"), str) else set()
        return own.union(*(stages(child) for name, child in plan.items() if name != "rejectedPlans"))
    return set().union(*map(stages, plan)) if isinstance(plan, list) else set()
