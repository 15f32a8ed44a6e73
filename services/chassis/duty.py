"""Work that falls due: on the outside world in three beats, within the house in one, or simply at every so many seconds.

The three beats are decide (a transaction), do (idempotent by the id just decided, many at once, each with a time limit,
outside of any transaction) and record (a transaction that decides afresh). Invariants, each with a test:
1. The first beat claims: it moves the due time forward, further than the act may take. Only what it decided is acted
   on, so two workers never act on one thing, and after a crash it becomes due again by itself. The transaction that
   makes a thing may claim it too: then the first beat is over before it begins (`Claimed`).
2. An act that fails or runs out of time is recorded as failed, or left to become due again. It takes no other down.
3. One slow act holds up one place of `concurrency`, not the round; an act that waits for its record holds up none.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from services.chassis import clock
from services.chassis.decision import Decision
from services.chassis.failpoint import failpoint
from services.chassis.observe import telemetry
from services.chassis.observe.log import logger
from services.chassis.store.work import Failure, Job, NotNow, Outcome, Work

T = TypeVar("T")
R = TypeVar("R")
C = TypeVar("C")

SHORTEST, LONGEST = 0.2, 5.0
"""Seconds of pause after something that only time mends; doubled each time in between."""
GATHER_SECONDS = 0.02
"""How long a round waits for more free places than one, so that a full house does not begin its acts one by one."""
STALLED = 60.0
RECORDS_TOGETHER = 0.1
"""Seconds. Records are written at such beats, all that have come in between in one transaction: nobody waits for them."""
RECORDS_OPEN = 20
"""So many times `concurrency` acts may wait for their record; then nothing more is begun."""
RECORD_SECONDS = 30.0
"""How long the third beat is tried again while the database is away. Later the act is due again: it is idempotent."""

ACTS = telemetry.counter(
    "placet_duty_acts_total", "Acts on the outside world by how they ended.", ["operation", "outcome"]
)
TOOK = telemetry.histogram("placet_duty_act_seconds", "What an act took.", ["operation"])
BEGUN = telemetry.counter("placet_duty_begun_total", "What fell due and was begun.", ["operation", "outcome"])

FindDue = Callable[[datetime, int], Awaitable[Sequence[T]]]
"""What is due at this time, at most so many, the most urgent first."""


class Due(Protocol):
    """Something that runs beside the consumer of a worker."""

    @property
    def name(self) -> str: ...
    def wake(self) -> None:
        """Something was committed: look, if that may make something due."""

    def stop(self) -> None:
        """Begin nothing more."""

    def progressing(self) -> bool: ...
    async def run(self, work: Work) -> None:
        """Look, again and again, until stopped; ends when what is in hand has ended."""


class _Rounds:
    """A loop of rounds: at once while there is more, else when woken, at the latest every so many seconds.

    `linger`: seconds that a round waits for company after it was woken.
    """

    def __init__(self, name: str, every: float, *, wakeful: bool, linger: float = 0.0) -> None:
        self.name = name
        self._every = every
        self._wakeful = wakeful
        self._linger = linger
        self._woken = asyncio.Event()
        self._stopping = asyncio.Event()
        self._finished = clock.seconds()

    def wake(self) -> None:
        if self._wakeful:
            self._woken.set()

    def stop(self) -> None:
        self._stopping.set()
        self._woken.set()

    def progressing(self) -> bool:
        """Whether rounds come to an end."""
        return clock.seconds() - self._finished < self._every + STALLED

    async def _go_round(self, once: Callable[[], Awaitable[bool]]) -> None:
        """`once` answers whether there is more. What it raises is told, and tried again after a growing pause."""
        pause = SHORTEST
        while not self._stopping.is_set():
            self._woken.clear()
            try:
                more = await once()
            except Exception as why:  # noqa: BLE001 - a duty never ends by itself: everything due after it would be lost
                if isinstance(why, NotNow):
                    logger().warning("duty waits", operation=self.name, reason=str(why), retry_after=pause)
                else:
                    logger().error("duty failed", operation=self.name, exc_info=why)
                await self._rest(self._stopping, pause)
                pause = min(pause * 2, LONGEST)
                continue
            self._finished, pause = clock.seconds(), SHORTEST
            if not more:
                await self._rest(self._woken, self._every)
                if self._linger:
                    await self._rest(self._stopping, self._linger)

    @staticmethod
    async def _rest(until: asyncio.Event, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(until.wait(), seconds)


class Tick(_Rounds):
    """Something done every so many seconds (a watermark). It must not mind being done by several workers."""

    def __init__(self, name: str, do: Callable[[datetime], Awaitable[None]], *, every: float) -> None:
        super().__init__(name, every, wakeful=False)
        self._do = do

    async def run(self, work: Work) -> None:  # noqa: ARG002 - as every duty
        async def once() -> bool:
            await self._do(clock.now())
            return False

        await self._go_round(once)


class Chore(_Rounds, Generic[T]):
    """What falls due and is settled by one decision: expiries, birthdays. `wakeful`: also looks after every commit."""

    def __init__(
        self,
        name: str,
        *,
        find_due: FindDue[T],
        begin: Callable[[T], Job],
        every: float,
        batch: int = 200,
        wakeful: bool = False,
    ) -> None:
        super().__init__(name, every, wakeful=wakeful)
        self._find_due = find_due
        self._begin = begin
        self._batch = batch

    async def run(self, work: Work) -> None:
        async def once() -> bool:
            due = await self._find_due(clock.now(), self._batch)
            begun = _begun(self.name, self._begin, due)
            outcomes = await work.carry_out_batch([job for _, job in begun])
            decided = [_decision(self.name, outcome) for outcome in outcomes]
            # Without a single decision the same things would be found again at once, for ever.
            return len(due) == self._batch and any(one is not None for one in decided)

        await self._go_round(once)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """Instead of a job for the first beat: the transaction that made the thing has claimed it, a moment ago."""

    decision: Decision[Any]
    cause: str
    trace: str | None


@dataclass(frozen=True, slots=True)
class _Begun(Generic[T]):
    """What the first beat decided."""

    thing: T
    claim: Job | Claimed
    decision: Decision[Any]


class Duty(_Rounds, Generic[T, R]):
    """Work on the outside world in three beats.

    `begin` decides and claims; `act` does it, with the decision; `record` says what came of it. `failed` makes the
    record of an act that raised (`TimeoutError` after `timeout` seconds); without it the thing becomes due again.
    `begin` must move the due time further than `timeout`. It may answer that the thing is claimed already.
    """

    def __init__(
        self,
        name: str,
        *,
        find_due: FindDue[T],
        begin: Callable[[T], Job | Claimed],
        act: Callable[[T, Decision[Any]], Awaitable[R]],
        record: Callable[[T, R], Job],
        failed: Callable[[T, Exception], Job] | None = None,
        every: float = 1.0,
        concurrency: int = 32,
        timeout: float = 20.0,
        wakeful: bool = True,
        linger: float = 0.0,
    ) -> None:
        super().__init__(name, every, wakeful=wakeful, linger=linger)
        self._find_due = find_due
        self._begin = begin
        self._act = act
        self._record = record
        self._failed = failed
        self._concurrency = concurrency
        self._timeout = timeout
        self._acting = 0
        self._freed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, work: Work) -> None:
        try:
            await self._go_round(lambda: self._round(work))
        finally:
            # What was begun is finished: its time limit bounds the wait, and its record spares a repeat.
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _round(self, work: Work) -> bool:
        places = await self._free_places()
        if not places:
            return False
        due = await self._find_due(clock.now(), places)
        if not due:
            return False
        claims = _begun(self.name, self._begin, due)
        claimed = [_Begun(thing, claim, claim.decision) for thing, claim in claims if isinstance(claim, Claimed)]
        # Nobody has to be asked about these, so they don't wait for those that are claimed now.
        self._act_on(work, claimed)
        jobs = [(thing, claim) for thing, claim in claims if isinstance(claim, Job)]
        outcomes = await work.carry_out_batch([job for _, job in jobs])
        failpoint("duty.begun")
        begun = [
            _Begun(thing, job, decision)
            for (thing, job), outcome in zip(jobs, outcomes, strict=True)
            if (decision := _decision(self.name, outcome)) is not None
        ]
        self._act_on(work, begun)
        return bool(claimed or begun)

    def _act_on(self, work: Work, begun: Sequence[_Begun[T]]) -> None:
        self._acting += len(begun)
        for one in begun:
            task = asyncio.create_task(self._carry_through(work, one), name=self.name)
            self._tasks.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._freed.set()

    async def _free_places(self) -> int:
        """How many may be begun now. Waits until at least one can, and a moment more for company."""
        most = self._concurrency * RECORDS_OPEN
        while (self._acting >= self._concurrency or len(self._tasks) >= most) and not self._stopping.is_set():
            self._freed.clear()
            await self._rest(self._freed, 1)
        if self._acting > self._concurrency // 2:
            await self._rest(self._stopping, GATHER_SECONDS)
        return 0 if self._stopping.is_set() else self._concurrency - self._acting

    async def _carry_through(self, work: Work, begun: _Begun[T]) -> None:
        """The second and the third beat for one thing."""
        with telemetry.span(self.name, trace=begun.claim.trace, cause=begun.claim.cause, operation="act"):
            trace = telemetry.traceparent() or begun.claim.trace
            try:
                record = await self._acted(begun)
            finally:
                self._acting -= 1
                self._freed.set()
            if record is None:
                return
            failpoint("duty.acted")
            if not self._stopping.is_set():
                # All wait for the same beat of the clock, so that they share a transaction.
                await self._rest(self._stopping, RECORDS_TOGETHER - clock.seconds() % RECORDS_TOGETHER)
            await self._recorded(work, replace(record, trace=record.trace or trace))
            failpoint("duty.recorded")

    async def _acted(self, begun: _Begun[T]) -> Job | None:
        since = clock.seconds()
        try:
            async with asyncio.timeout(self._timeout):
                result = await self._act(begun.thing, begun.decision)
            record: Job | None = self._record(begun.thing, result)
            outcome = "done"
        except Exception as why:  # noqa: BLE001 - whatever the outside world does is recorded, not suffered
            logger().warning("act failed", operation=self.name, cause=begun.claim.cause, exc_info=why)
            record, outcome = self._failure(begun, why), "failed"
        ACTS.add(operation=self.name, outcome=outcome)
        TOOK.record(clock.seconds() - since, operation=self.name)
        return record

    def _failure(self, begun: _Begun[T], why: Exception) -> Job | None:
        try:
            return self._failed(begun.thing, why) if self._failed is not None else None
        except Exception as bug:  # noqa: BLE001 - it becomes due again, as if nothing had been recorded
            logger().error("failure not recorded", operation=self.name, cause=begun.claim.cause, exc_info=bug)
            return None

    async def _recorded(self, work: Work, job: Job) -> None:
        """The third beat; those that end together share a transaction."""
        until, pause = clock.seconds() + RECORD_SECONDS, SHORTEST
        while True:
            try:
                await work.carry_out(job)
            except NotNow as why:
                if clock.seconds() + pause > until:
                    logger().error("act not recorded", operation=self.name, cause=job.cause, reason=str(why))
                    return
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST)
            except Exception as bug:  # noqa: BLE001 - it becomes due again; the act is idempotent
                logger().error("act not recorded", operation=self.name, cause=job.cause, exc_info=bug)
                return
            else:
                return


def _begun(name: str, begin: Callable[[T], C], due: Sequence[T]) -> list[tuple[T, C]]:
    """The jobs of the first beat. A thing that no job can be made for is told and skipped: others are due behind it."""
    jobs: list[tuple[T, C]] = []
    for thing in due:
        try:
            jobs.append((thing, begin(thing)))
        except Exception as bug:  # noqa: BLE001
            BEGUN.add(operation=name, outcome="failed")
            logger().error("not begun", operation=name, exc_info=bug)
    return jobs


def _decision(name: str, outcome: Outcome) -> Decision[Any] | None:
    """The decision in an outcome, if there is one. A refusal is an answer (somebody else was first, it was cancelled)."""
    if isinstance(outcome, Failure):
        BEGUN.add(operation=name, outcome="failed")
        logger().error("not begun", operation=name, exc_info=outcome.error)
        return None
    verdicts = outcome if isinstance(outcome, Sequence) else (outcome,)
    decided = [verdict for verdict in verdicts if isinstance(verdict, Decision)]
    BEGUN.add(operation=name, outcome="begun" if decided else "refused")
    return decided[0] if decided else None
