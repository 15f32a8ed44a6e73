"""Load, decide, commit: the whole story of a write, for one command or a batch of five hundred.

Invariants, each with a test that runs on memory and on MongoDB:
1. State, outbox rows and inbox ids of a batch are written in one transaction: all or none.
2. A message whose id the inbox knows changes nothing, also when it stands twice in one batch.
3. Jobs of a batch see what earlier jobs of the batch decided.
4. One job that fails does not take the others down: the batch is split until it stands alone.
5. Rows of one aggregate carry an `order` that only grows, whatever the clocks do.
Handlers and domains don't know about batches.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol, TypeVar, cast

from contracts.event import Event
from services.chassis.decision import Decision, Refusal
from services.chassis.failpoint import failpoint
from services.chassis.observe import telemetry
from services.chassis.observe.log import logger
from services.chassis.store import inbox, outbox
from services.chassis.store.shelf import Document, Shelf

S = TypeVar("S")
T = TypeVar("T")

MAX_GROUP = 200
"""HTTP commands that share one transaction at the most. Beyond this a transaction's own length costs more than it saves."""
MAX_ROUNDS = 4
"""How often a job may ask for more after seeing what it asked for. Deeper means the state lacks something."""


class NotNow(Exception):
    """The database (or another thing we stand on) can't answer at this moment. Try again after `retry_after` seconds."""

    def __init__(self, what: str, *, retry_after: float = 1.0) -> None:
        super().__init__(what)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class One:
    """A need for the state with this id."""

    shelf: Shelf[Any]
    id: str


@dataclass(frozen=True, slots=True)
class Many:
    """A need for all states whose field has this value (the field is indexed)."""

    shelf: Shelf[Any]
    field: str
    value: str


Need = One | Many


class AlreadyDone:
    """The inbox knows this message: nothing was decided."""


ALREADY_DONE = AlreadyDone()


@dataclass(frozen=True, slots=True)
class Failure:
    """The job raised when it stood alone: a bug, or a broken message. Nothing of it was written."""

    error: Exception


Verdict = Decision[Any] | Refusal
Outcome = Verdict | Sequence[Verdict] | AlreadyDone | Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One command or message, ready to be decided.

    `reads` names what `decide` wants to know; it is asked again after each answer, so that it can follow an id it has
    just learned. `cause` is the id of the command or message; with `once` it is remembered and never handled again.
    `after` is told what was decided once that is committed: a hint, lost in a crash, on which nothing may rest.
    """

    cause: str
    at: datetime
    reads: Callable[["Known"], Iterable[Need]]
    decide: Callable[["Known"], Verdict | Sequence[Verdict]]
    once: bool = False
    correlation: str | None = None
    trace: str | None = None
    after: Callable[[Verdict | Sequence[Verdict]], None] | None = None


class Unit(Protocol):
    """One transaction. Its reads see one snapshot; what it writes is seen by others only when all of it is there."""

    async def load(self, shelf: Shelf[Any], ids: Sequence[str]) -> list[Document]: ...
    async def load_by(self, shelf: Shelf[Any], field: str, values: Sequence[str]) -> list[Document]: ...
    async def seen(self, message_ids: Sequence[str]) -> set[str]: ...
    async def write(
        self, states: Mapping[Shelf[Any], Sequence[Document]], rows: Sequence[Document], seen: Sequence[Document]
    ) -> None: ...


class Store(Protocol):
    """A database that runs bodies in transactions (perhaps more than once each), and answers reads outside of them."""

    async def transact(self, body: Callable[[Unit], Awaitable[T]]) -> T: ...
    async def find(
        self,
        shelf: Shelf[S],
        where: Mapping[str, Any],
        *,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 100,
        after: int = 0,
    ) -> list[S]: ...
    async def count(self, shelf: Shelf[Any], where: Mapping[str, Any]) -> int: ...


@dataclass(slots=True)
class Known:
    """What a batch has loaded, with what its earlier jobs have decided laid over it."""

    _states: dict[Shelf[Any], dict[str, tuple[Any, int] | None]] = field(default_factory=lambda: defaultdict(dict))
    _found: set[Many] = field(default_factory=set)
    _by_value: dict[tuple[Shelf[Any], str], dict[object, dict[str, None]]] = field(default_factory=dict)
    """For each field that was asked by: value → ids, in the order of their coming. A batch of 500 asks 500 times."""

    def one(self, shelf: Shelf[S], id: str) -> S | None:  # noqa: A002 - the word the field uses
        kept = self._states[shelf].get(id)
        return cast("S", kept[0]) if kept else None

    def many(self, shelf: Shelf[S], name: str, value: str) -> tuple[S, ...]:
        if (shelf, name) not in self._by_value:
            index = self._by_value[shelf, name] = {}
            for kept in self._states[shelf].values():
                if kept is not None:
                    _index(index, shelf.id_of(kept[0]), getattr(kept[0], name))
        states = self._states[shelf]
        found = (states[one] for one in self._by_value[shelf, name].get(value, ()))
        return tuple(cast("S", kept[0]) for kept in found if kept is not None)

    def lacks(self, need: Need) -> bool:
        if isinstance(need, One):
            return need.id not in self._states[need.shelf]
        return need not in self._found

    def order(self, shelf: Shelf[Any], id: str) -> int:  # noqa: A002
        kept = self._states[shelf].get(id)
        return kept[1] if kept else 0

    def lay(self, shelf: Shelf[S], state: S, order: int) -> None:
        id = shelf.id_of(state)  # noqa: A001
        before = self._states[shelf].get(id)
        self._states[shelf][id] = (state, order)
        for (indexed, name), index in self._by_value.items():
            if indexed is shelf:
                if before is not None:
                    _unindex(index, id, getattr(before[0], name))
                _index(index, id, getattr(state, name))

    async def fetch(self, unit: Unit, needs: Sequence[Need]) -> None:
        """One query for each shelf and field, whatever the number of jobs that asked. What was decided stays."""
        by_id: dict[Shelf[Any], list[str]] = defaultdict(list)
        by_field: dict[tuple[Shelf[Any], str], list[str]] = defaultdict(list)
        for need in dict.fromkeys(needs):
            if isinstance(need, One):
                by_id[need.shelf].append(need.id)
                self._states[need.shelf].setdefault(need.id, None)
            else:
                by_field[need.shelf, need.field].append(need.value)
                self._found.add(need)
        for shelf, wanted in by_id.items():
            self._take(shelf, await unit.load(shelf, wanted))
        for (shelf, name), values in by_field.items():
            self._take(shelf, await unit.load_by(shelf, name, values))

    def _take(self, shelf: Shelf[Any], documents: Sequence[Document]) -> None:
        for document in documents:
            if self._states[shelf].get(document["_id"]) is None:
                self.lay(shelf, shelf.state_in(document), document["order"])


@dataclass(slots=True)
class _Written:
    """What a batch is about to write: the newest document of each aggregate, and the rows in order."""

    states: dict[Shelf[Any], dict[str, Document]] = field(default_factory=lambda: defaultdict(dict))
    rows: list[Document] = field(default_factory=list)
    seen: list[Document] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.states or self.rows or self.seen)


class Work:
    """Carries out jobs on a store. `changed` is set after every commit: whoever waits for work due looks again."""

    def __init__(self, store: Store, shelves: Iterable[Shelf[Any]]) -> None:
        self.store = store
        self.changed = asyncio.Event()
        self._shelves = {shelf.state: shelf for shelf in shelves}
        self._waiting: list[tuple[Job, asyncio.Future[Outcome]]] = []
        self._runner: asyncio.Task[None] | None = None

    async def carry_out(self, job: Job) -> Verdict | AlreadyDone:
        """One command. What arrives while a transaction is in flight shares the next one: a quiet service adds no wait."""
        if job.trace is None:
            # The rows are written by another task: the caller's trace is taken along here.
            job = replace(job, trace=telemetry.traceparent())
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((job, answer))
        if self._runner is None or self._runner.done():
            self._runner = asyncio.create_task(self._run(), name="group-commit")
        outcome = await answer
        if isinstance(outcome, Failure):
            raise outcome.error
        if isinstance(outcome, Sequence):
            raise TypeError("a command decides about one thing")
        return outcome

    async def _run(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting[:MAX_GROUP], self._waiting[MAX_GROUP:]
            try:
                outcomes: Sequence[Outcome] = await self.carry_out_batch([job for job, _ in group])
            except Exception as error:  # noqa: BLE001 - each waiting caller gets it, none is left hanging
                outcomes = [Failure(error)] * len(group)
            for (_, answer), outcome in zip(group, outcomes, strict=True):
                if not answer.done():
                    answer.set_result(outcome)

    async def carry_out_batch(self, jobs: Sequence[Job]) -> list[Outcome]:
        """All jobs in one transaction, in order; one outcome each. Raises only `NotNow`: then nothing was written."""
        if not jobs:
            return []
        try:
            return await self._transact(jobs)
        except NotNow:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it is one job's until shown otherwise
            if len(jobs) == 1:
                return [Failure(error)]
        middle = len(jobs) // 2
        return await self.carry_out_batch(jobs[:middle]) + await self.carry_out_batch(jobs[middle:])

    async def _transact(self, jobs: Sequence[Job]) -> list[Outcome]:
        wrote = False

        async def body(unit: Unit) -> list[Outcome]:
            nonlocal wrote
            written, outcomes = await self._decide(unit, jobs)
            wrote = bool(written)
            failpoint("work.decided")
            if wrote:
                states = {shelf: list(documents.values()) for shelf, documents in written.states.items()}
                await unit.write(states, written.rows, written.seen)
            return outcomes

        outcomes = await self.store.transact(body)
        failpoint("work.committed")
        for job, outcome in zip(jobs, outcomes, strict=True):
            if job.after is not None and not isinstance(outcome, AlreadyDone | Failure):
                _hint(job.after, outcome, job.cause)
        if wrote:
            self.changed.set()
        return outcomes

    async def _decide(self, unit: Unit, jobs: Sequence[Job]) -> tuple[_Written, list[Outcome]]:
        causes = [job.cause for job in jobs if job.once]
        seen = await unit.seen(causes) if causes else set()
        known, written = Known(), _Written()
        await self._load(unit, known, [job for job in jobs if job.cause not in seen])
        outcomes: list[Outcome] = []
        for job in jobs:
            if job.once and job.cause in seen:
                outcomes.append(ALREADY_DONE)
                continue
            await self._load(unit, known, [job])
            verdict = job.decide(known)
            for one in verdict if isinstance(verdict, Sequence) else (verdict,):
                if isinstance(one, Decision):
                    self._note(job, one, known, written)
            if job.once:
                seen.add(job.cause)
                written.seen.append(inbox.row(job.cause, job.at))
            outcomes.append(verdict)
        return written, outcomes

    @staticmethod
    async def _load(unit: Unit, known: Known, jobs: Sequence[Job]) -> None:
        for _ in range(MAX_ROUNDS):
            lacking = [need for job in jobs for need in job.reads(known) if known.lacks(need)]
            if not lacking:
                return
            await known.fetch(unit, lacking)
        raise RuntimeError(f"a job still asks for more after {MAX_ROUNDS} rounds")

    def _note(self, job: Job, decision: Decision[Any], known: Known, written: _Written) -> None:
        states = [
            (self._shelves[type(state)], state) for state in (decision.state, *decision.also) if state is not None
        ]
        newest = max((known.order(shelf, shelf.id_of(state)) for shelf, state in states), default=0)
        order = max(int(job.at.timestamp() * 1_000_000), newest + 1)
        for event in decision.events:
            written.rows.append(_row(job, event, order))
            order += 1
        for shelf, state in states:
            known.lay(shelf, state, order)
            written.states[shelf][shelf.id_of(state)] = shelf.document(state, order)

    async def post_barriers(self, cause: str, at: datetime, events: Mapping[int, Event]) -> None:
        """Rows that leave after everything committed before them: one event for each partition of its topic."""
        order = int(at.timestamp() * 1_000_000)
        rows = [
            outbox.row(event, cause=f"{cause}:{partition}", at=at, order=order, partition=partition)
            for partition, event in events.items()
        ]
        await self.store.transact(lambda unit: unit.write({}, rows, []))
        self.changed.set()


def _hint(
    after: Callable[[Verdict | Sequence[Verdict]], None], verdict: Verdict | Sequence[Verdict], cause: str
) -> None:
    """What is committed stays: a hint that fails is told, and must not make anybody decide again."""
    try:
        after(verdict)
    except Exception as bug:  # noqa: BLE001 - whatever it is, the transaction is over
        logger().error("hint failed", cause=cause, exc_info=bug)


def _values(field_value: object) -> tuple[object, ...]:
    """As the database compares: a field that is a list is found by each of its members."""
    return field_value if isinstance(field_value, tuple) else (field_value,)


def _index(index: dict[object, dict[str, None]], id: str, field_value: object) -> None:  # noqa: A002
    for value in _values(field_value):
        index.setdefault(value, {})[id] = None


def _unindex(index: dict[object, dict[str, None]], id: str, field_value: object) -> None:  # noqa: A002
    for value in _values(field_value):
        index.get(value, {}).pop(id, None)


def _row(job: Job, event: Event, order: int) -> Document:
    correlation = event.correlation or job.correlation
    return outbox.row(event, cause=job.cause, at=job.at, order=order, correlation=correlation, trace=job.trace)
