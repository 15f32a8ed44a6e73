"""How much is sent to an endpoint at once: a failing or slow one is given little, so that it holds up no other.

The breaker's numbers are Convoy's: at least 70 % failures of at least 10 attempts within 5 minutes close it for 30 s. It is
kept in memory: a worker that starts afresh finds out again within ten attempts.
"""

from collections import defaultdict, deque
from dataclasses import dataclass, field

from services.delivery.gateways.webhooks import AT_ONCE

WINDOW_SECONDS = 300.0
FEWEST = 10
FAILING = 0.7
CLOSED_SECONDS = 30.0
SLOW_SECONDS = 3.0
WELL_AT_ONCE = AT_ONCE // 2
"""Attempts at once to an endpoint that answers well: never all places, so that another always finds one."""
ILL_AT_ONCE = 1
"""To one that fails or is slow. A timeout of 15 s then keeps one of 32 places."""


@dataclass(slots=True)
class _Health:
    attempts: deque[tuple[float, bool]] = field(default_factory=deque)
    under_way: int = 0
    ill: bool = False
    closed_until: float = 0.0


class Pace:
    """Counts attempts by endpoint. Times are seconds of a clock that never goes back."""

    def __init__(self) -> None:
        self._health: defaultdict[str, _Health] = defaultdict(_Health)

    def room(self, endpoint_id: str, now: float) -> int:
        """How many more attempts may begin now."""
        health = self._health.get(endpoint_id)
        if health is None:
            return WELL_AT_ONCE
        if now < health.closed_until:
            return 0
        return max(0, (ILL_AT_ONCE if health.ill else WELL_AT_ONCE) - health.under_way)

    def full(self, now: float) -> list[str]:
        """Endpoints to which nothing more may begin now."""
        return [endpoint_id for endpoint_id in list(self._health) if not self.room(endpoint_id, now)]

    def begin(self, endpoint_id: str) -> None:
        self._health[endpoint_id].under_way += 1

    def end(self, endpoint_id: str, now: float, *, well: bool, took: float) -> None:
        """An attempt ended, well or not, after that many seconds."""
        health = self._health[endpoint_id]
        health.under_way -= 1
        health.ill = not well or took > SLOW_SECONDS
        health.attempts.append((now, well))
        while health.attempts[0][0] < now - WINDOW_SECONDS:
            health.attempts.popleft()
        failures = sum(not one for _, one in health.attempts)
        if len(health.attempts) >= FEWEST and failures >= FAILING * len(health.attempts):
            health.closed_until = now + CLOSED_SECONDS
            health.attempts.clear()
