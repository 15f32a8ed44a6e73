"""Keeps a house up: starts again what ended by itself, sooner the first time, ever later when it keeps ending."""

import asyncio
from dataclasses import dataclass

from deploy.local.fetch import NotFetched, Progress
from deploy.local.house import House
from deploy.local.process import NotStarted
from services.chassis import clock

_LOOK_EVERY = 0.25
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 15.0
# A part that lived this long had a good start: its next end is a first one again.
_GOOD_RUN = 60.0


@dataclass
class Attempts:
    """How often a part ended of late, and when it may be started again (seconds of a clock that never goes back)."""

    ends: int = 0
    started: float = 0.0
    not_before: float | None = None

    def due(self, now: float) -> bool:
        """Say whether it may be started now; the first question after an end fixes the pause."""
        if self.not_before is None:
            self.ends = 1 if now - self.started > _GOOD_RUN else self.ends + 1
            self.not_before = now + min(_FIRST_PAUSE * 2 ** (self.ends - 1), _LONGEST_PAUSE)
        return now >= self.not_before

    def begun(self, now: float) -> None:
        """Remember a new start."""
        self.started, self.not_before = now, None


async def supervise(house: House, ended: asyncio.Event, *, say: Progress = print) -> None:
    """Watch a started house until `ended` is set. Says what ended and what came back; stops nothing."""
    attempts: dict[str, Attempts] = {}
    while not ended.is_set():
        for name in house.ended():
            attempt = attempts.setdefault(name, Attempts())
            first = attempt.not_before is None
            due = attempt.due(clock.seconds())
            if first:
                say(f"{name} ended by itself; its log is in {house.folder}. Starting it again.")
            if due:
                attempt.begun(clock.seconds())
                await _restart(house, name, say)
        await _pause(ended)


async def _restart(house: House, name: str, say: Progress) -> None:
    try:
        await house.restart(name)
    except (NotStarted, NotFetched) as why:
        say(str(why))


async def _pause(ended: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(ended.wait(), _LOOK_EVERY)
    except TimeoutError:
        return
