"""From the records of one poll to one ending for each: done, or aside with a reason. Knows nothing of a broker.

Invariants: every record ends, whatever its bytes are; what can't be handled is tried three times and then set aside,
without taking its neighbours down; `NotNow` means that nothing was said about any record, and reading them all again
is harmless, for the inbox knows what was done. Barriers come last: no barrier is carried out while a record before it
has no ending, or is set aside and not yet written down.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from traceback import extract_tb
from typing import Any

from contracts.envelope import Headers, Message, Unreadable, read
from contracts.event import Event
from services.chassis.decision import Refusal
from services.chassis.kafka.hearing import Answer, Heard, Hearing, Unwanted
from services.chassis.kafka.hop import Hop
from services.chassis.store.aside import AsideKind
from services.chassis.store.work import AlreadyDone, Failure, Job, NotNow, Outcome, Work

TRIES = 3
"""How often a message that raises is tried before it is set aside."""
BREATH = 64
"""Records read between two pauses for other tasks: a batch of 500 would hold everything else up for 50 ms."""
PAUSE = 0.2
"""Seconds before the second try; doubled before each further one."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it lies on a topic: coordinates and bytes, nothing judged yet."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    broken: str | None = None
    """Why it can't be read at all: then nothing but its place is known."""


class End(StrEnum):
    """How a record ended. All but `ASIDE` mean that there is nothing left to do."""

    HANDLED = "handled"
    REFUSED = "refused"
    """The domain said no. Done, and logged with the reason: a refusal is an answer, not an error."""
    KNOWN = "known"
    """Handled before: the inbox knows it."""
    PASSED = "passed"
    """Nobody here registered for it, or its type is newer than this code, or its function had nothing to do."""
    ASIDE = "aside"


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of one record. `reason` says why for a refusal or a set-aside, and names no person."""

    end: End
    type: str
    reason: str | None = None
    message: Message[Event] | None = None
    failed: bool = False
    """Set aside because our own code raised: somebody must look at the code, not only at the message."""
    again_at: datetime | None = None
    """Set aside only until then."""

    @property
    def kind(self) -> AsideKind:
        """Of a set-aside: where to look."""
        if self.failed:
            return AsideKind.FAILED
        return AsideKind.UNREADABLE if self.message is None else AsideKind.UNWANTED


Keep = Callable[[Mapping[int, Ending]], Awaitable[None]]
"""Writes down what was set aside, by its place among the records."""


class Judge:
    """Judges records with a service's functions and its work."""

    def __init__(self, hearing: Hearing, work: Work, *, tries: int = TRIES, pause: float = PAUSE) -> None:
        self._hearing = hearing
        self._work = work
        self._tries = tries
        self._pause = pause

    async def judge(self, records: Sequence[Record], keep: Keep | None = None) -> list[Ending]:
        """One ending per record, in their order. Raises `NotNow` alone.

        `keep` is given what was set aside, each once, before any barrier is carried out.
        """
        batch = _Batch()
        try:
            for place, record in enumerate(records):
                self._read(place, record, batch)
                if place % BREATH == BREATH - 1:
                    await asyncio.sleep(0)
            await self._settle(batch)
            await batch.write_asides(keep)
            if batch.barriers:
                batch.waiting, batch.barriers = batch.barriers, {}
                await self._settle(batch)
                await batch.write_asides(keep)
        finally:
            batch.leave()
        return [batch.endings[place] for place in range(len(records))]

    def _read(self, place: int, record: Record, batch: "_Batch") -> None:
        if record.broken is not None:
            batch.endings[place] = Ending(End.ASIDE, "unreadable", record.broken)
            return
        try:
            message = read(topic=record.topic, key=record.key, value=record.value, headers=record.headers)
        except Unreadable as why:
            batch.endings[place] = Ending(End.ASIDE, "unreadable", str(why))
            return
        except Exception as bug:  # noqa: BLE001 - no path without a verdict, not even for bytes nobody thought of
            batch.endings[place] = Ending(End.ASIDE, "unreadable", where(bug), failed=True)
            return
        if message is None:
            batch.endings[place] = Ending(End.PASSED, "newer")
            return
        heard = self._hearing.find(message.event.type)
        if heard is None:
            batch.endings[place] = Ending(End.PASSED, message.event.type, message=message)
        else:
            waiting = batch.barriers if heard.barrier else batch.waiting
            waiting[place] = _Waiting(message, heard, Hop(message))

    async def _settle(self, batch: "_Batch") -> None:
        pause = self._pause
        for left in reversed(range(self._tries)):
            failures = await self._try(batch)
            if not failures:
                return
            if left:
                await asyncio.sleep(pause)
                pause *= 2
        for place, bug in failures.items():
            message = batch.waiting[place].message
            reason = f"tried {self._tries} times: {where(bug)}"
            batch.end(place, Ending(End.ASIDE, message.event.type, reason, message, failed=True))

    async def _try(self, batch: "_Batch") -> dict[int, Exception]:
        """Ask and carry out all that still waits. Endings are noted; what raised is returned and goes on waiting."""
        answers, failures = await self._ask(batch)
        jobs: dict[int, Job] = {}
        for place in sorted(answers):
            message, answer = batch.waiting[place].message, answers[place]
            if isinstance(answer, Job):
                jobs[place] = _for_message(answer, batch.waiting[place])
            elif isinstance(answer, Unwanted):
                ending = Ending(End.ASIDE, message.event.type, answer.reason, message, again_at=answer.again_at)
                batch.end(place, ending)
            else:
                batch.end(place, Ending(End.PASSED, message.event.type, message=message))
        outcomes = await self._work.carry_out_batch(list(jobs.values()))
        for place, outcome in zip(jobs, outcomes, strict=True):
            if isinstance(outcome, Failure):
                failures[place] = outcome.error
            else:
                batch.end(place, _ending(batch.waiting[place].message, outcome))
        return failures

    async def _ask(self, batch: "_Batch") -> tuple[dict[int, Answer], dict[int, Exception]]:
        """Every function once for all its messages; where one raises, once more for each of them alone."""
        places: dict[str, list[int]] = defaultdict(list)
        for place, waiting in batch.waiting.items():
            places[waiting.message.event.type].append(place)
        answers: dict[int, Answer] = {}
        failures: dict[int, Exception] = {}
        for together in places.values():
            groups = [together]
            while groups:
                group = groups.pop(0)
                heard = batch.waiting[group[0]].heard
                try:
                    answered = await _answers(heard, [batch.waiting[place].message for place in group])
                except NotNow:
                    raise
                except Exception as bug:  # noqa: BLE001 - it is one message's until shown otherwise
                    if len(group) == 1:
                        failures[group[0]] = bug
                    else:
                        groups += [[place] for place in group]
                else:
                    answers.update(zip(group, answered, strict=True))
        return answers, failures


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A message that has no ending yet, and who answers for it."""

    message: Message[Any]
    heard: Heard
    hop: Hop


class _Batch:
    """What is known about the records of one poll: how some ended, and what the others still wait for."""

    def __init__(self) -> None:
        self.endings: dict[int, Ending] = {}
        self.waiting: dict[int, _Waiting] = {}
        self.barriers: dict[int, _Waiting] = {}
        """Asked when nothing else waits any more."""
        self.kept: set[int] = set()
        """Places of those set aside that are written down."""

    def end(self, place: int, ending: Ending) -> None:
        self.waiting.pop(place).hop.close(ending.end)
        self.endings[place] = ending

    async def write_asides(self, keep: Keep | None) -> None:
        """All that were not written down yet."""
        aside = {place: one for place, one in self.endings.items() if one.end is End.ASIDE and place not in self.kept}
        if aside and keep is not None:
            await keep(aside)
            self.kept |= aside.keys()

    def leave(self) -> None:
        """Close the spans of what has no ending: all of it is read again."""
        for waiting in (*self.waiting.values(), *self.barriers.values()):
            waiting.hop.close("again")


async def _answers(heard: Heard, messages: Sequence[Message[Any]]) -> Sequence[Answer]:
    answered = await heard.answer(messages)
    if len(answered) != len(messages):
        raise TypeError(
            f"{heard.event.type}: {len(messages)} messages were given and {len(answered)} answers came back"
        )
    return answered


def _for_message(job: Job, waiting: _Waiting) -> Job:
    """The same message, the same cause: whatever it makes true has the same ids when it is read again."""
    message = waiting.message
    correlation = job.correlation or message.correlation
    once = not waiting.heard.barrier
    return replace(job, cause=message.id, once=once, correlation=correlation, trace=waiting.hop.trace)


def _ending(message: Message[Event], outcome: Outcome) -> Ending:
    kind = message.event.type
    if isinstance(outcome, AlreadyDone):
        return Ending(End.KNOWN, kind, message=message)
    verdicts = outcome if isinstance(outcome, Sequence) else (outcome,)
    refused = [verdict for verdict in verdicts if isinstance(verdict, Refusal)]
    if refused and len(refused) == len(verdicts):
        return Ending(End.REFUSED, kind, f"{refused[0].reason}: {refused[0].detail}", message)
    return Ending(End.HANDLED, kind, message=message)


def where(bug: BaseException) -> str:
    """The class of an exception and the place in our code. Never its text, which may repeat personal values."""
    frames = extract_tb(bug.__traceback__)
    ours = [frame for frame in frames if "site-packages" not in frame.filename] or frames
    if not ours:
        return type(bug).__name__
    path = Path(ours[-1].filename)
    return f"{type(bug).__name__} at {'/'.join(path.parts[-3:])}:{ours[-1].lineno}"
