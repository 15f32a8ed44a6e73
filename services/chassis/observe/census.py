"""Numbers that nobody comes past while working, counted every few seconds: what waits, what lies aside, what fails.

Invariant: a count that can't be made ends nothing and hides nothing else. The last number then stands; that the database
or the broker is away is told by readiness.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from services.chassis.observe.log import logger
from services.chassis.observe.telemetry import Metric

EVERY = 10.0
"""Seconds. Prometheus asks every 15 to 60; each count is one or two looks into an index."""
TIMEOUT = 5.0

Numbers = Mapping[tuple[str, ...], float]
"""A number for each set of labels, in the order in which the question names them."""


@dataclass(slots=True)
class _Question:
    metric: Metric
    labels: tuple[str, ...]
    count: Callable[[], Awaitable[Numbers]]
    told: set[tuple[str, ...]] = field(default_factory=set)
    silent: bool = False
    """It could not be counted the last time, and the log says so."""


@dataclass(slots=True)
class Census:
    """What is counted in this process. Questions are asked in `app.py` and by the chassis, before it runs."""

    _questions: list[_Question] = field(default_factory=list)

    def ask(self, metric: Metric, count: Callable[[], Awaitable[Numbers]], *, labels: Sequence[str] = ()) -> None:
        """Set the gauge `metric` to what `count` answers. What was told once and is not in the answer becomes 0."""
        self._questions.append(_Question(metric, tuple(labels), count))

    async def run(self) -> None:
        """Count again and again, until cancelled."""
        while True:
            await self.once()
            await asyncio.sleep(EVERY)

    async def once(self) -> None:
        """Ask every question, one after the other: nobody is in a hurry, and the database has others to serve."""
        for question in self._questions:
            try:
                numbers = await asyncio.wait_for(question.count(), TIMEOUT)
            except Exception as why:  # noqa: BLE001 - a number that can't be had must not end the work
                if not question.silent:
                    logger().warning("not counted", operation=question.metric.name, exc_info=why)
                question.silent = True
                continue
            question.silent = False
            _tell(question, numbers)


def _tell(question: _Question, numbers: Numbers) -> None:
    question.told |= numbers.keys()
    for words in question.told:
        question.metric.set(numbers.get(words, 0), **dict(zip(question.labels, words, strict=True)))
