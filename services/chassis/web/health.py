"""Live, ready, started: three questions of an orchestrator, kept apart, and the metrics. At the root, without a right.

Live never asks Kafka or MongoDB: restarting us would not repair them. Ready asks what we stand on, and says no while
draining. Answers name checks and exception classes, never a message or an address.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.chassis import clock
from services.chassis.observe import telemetry

TIMEOUT = 2.0
"""Seconds a check may take: below the 3 s after which the chart's probes give up."""
FRESH = 0.5
"""Seconds for which an answer is given again, so that nobody can make us hammer the database through `/health/ready`."""

_READY = telemetry.gauge("placet_ready", "1 when this check of readiness holds, else 0", ["check"])


@dataclass(frozen=True, slots=True)
class _Check:
    ask: Callable[[], Awaitable[object]]
    timeout: float


@dataclass(slots=True)
class Health:
    """What a process knows of its own state. Built in `app.py`, told by whoever knows."""

    _checks: dict[str, _Check] = field(default_factory=dict)
    _watches: dict[str, Callable[[], bool]] = field(default_factory=dict)
    _started: bool = False
    _draining: bool = False
    _asked_at: float = float("-inf")
    _answer: dict[str, str] = field(default_factory=dict)

    def check(self, name: str, ask: Callable[[], Awaitable[object]], *, timeout: float = TIMEOUT) -> None:
        """Readiness waits for `ask`. It holds when it ends in time with anything but `False` and raises nothing."""
        self._checks[name] = _Check(ask, timeout)

    def watch(self, name: str, alive: Callable[[], bool]) -> None:
        """Liveness asks `alive`: something of this very process (a loop that runs), answered at once, without I/O."""
        self._watches[name] = alive

    def started(self) -> None:
        """Everything is built; from now on readiness is asked."""
        self._started = True

    def draining(self) -> None:
        """The process was told to stop: no new work, please."""
        self._draining = True

    def live(self) -> dict[str, str]:
        """What is dead in this process; empty when it is alive."""
        return {name: "stopped" for name, alive in self._watches.items() if not alive()}

    async def ready(self) -> dict[str, str]:
        """What keeps this process from working; empty when it can."""
        if not self._started:
            return {"started": "not yet"}
        if self._draining:
            return {"draining": "the process is stopping"}
        if clock.seconds() - self._asked_at > FRESH:
            answers = await asyncio.gather(*(_ask(check) for check in self._checks.values()))
            for name, wrong in zip(self._checks, answers, strict=True):
                _READY.set(0 if wrong else 1, check=name)
            self._answer = {name: wrong for name, wrong in zip(self._checks, answers, strict=True) if wrong}
            self._asked_at = clock.seconds()
        return self._answer

    def routes(self) -> list[Route]:
        """The routes of the root: `/health/live`, `/health/ready`, `/health/started`, `/metrics`."""

        async def live(_request: Request) -> Response:
            return _say(self.live())

        async def ready(_request: Request) -> Response:
            return _say(await self.ready())

        async def started(_request: Request) -> Response:
            return _say({} if self._started else {"started": "not yet"})

        async def metrics(request: Request) -> Response:
            told, kind = telemetry.exposition(request.headers.get("accept", ""))
            return Response(told, headers={"content-type": kind, "vary": "accept"})

        return [
            Route("/health/live", live),
            Route("/health/ready", ready),
            Route("/health/started", started),
            Route("/metrics", metrics),
        ]


async def _ask(check: _Check) -> str:
    try:
        answer = await asyncio.wait_for(check.ask(), check.timeout)
    except TimeoutError:
        return f"no answer in {check.timeout:g} s"
    except Exception as failure:  # noqa: BLE001  (whatever a check raises means: not ready)
        return type(failure).__name__
    return "no" if answer is False else ""


def _say(wrong: dict[str, str]) -> Response:
    body = {"status": "no" if wrong else "yes", **({"because": wrong} if wrong else {})}
    return Response(orjson.dumps(body), status_code=503 if wrong else 200, media_type="application/json")
