"""A bound on guessing: so many failed sign-ins from one place in so much time, then no more."""

from collections import OrderedDict, deque

from starlette.requests import Request

from contracts.problem import Reason
from services.chassis import clock
from services.chassis.web.problem import refused

MOST = 50
WINDOW = 300.0
"""Fifty in 300 s (GUARANTEES of the house). Tokens have 256 random bits: this bounds noise, not luck."""
PLACES = 10_000
"""Addresses remembered at once; the ones longest silent are forgotten first."""


class Attempts:
    """Failed attempts of one process, by the address of whoever sent them. Another process counts for itself."""

    def __init__(self, *, most: int = MOST, window: float = WINDOW) -> None:
        self._most = most
        self._window = window
        self._failed: OrderedDict[str, deque[float]] = OrderedDict()

    def check(self, request: Request) -> None:
        """Raises a refusal when there were too many."""
        failed = self._failed.get(place_of(request))
        since = clock.seconds() - self._window
        while failed and failed[0] < since:
            failed.popleft()
        if failed and len(failed) >= self._most:
            raise refused(Reason.TOO_MANY, "too many failed sign-ins; try again in five minutes")

    def failed(self, request: Request) -> None:
        place = place_of(request)
        self._failed.setdefault(place, deque(maxlen=self._most)).append(clock.seconds())
        self._failed.move_to_end(place)
        if len(self._failed) > PLACES:
            self._failed.popitem(last=False)


def place_of(request: Request) -> str:
    """The address next to our own front door: the last hop is what the door saw, whatever a sender claims before it."""
    hops = request.headers.get("x-forwarded-for", "").rsplit(",", 1)
    return hops[-1].strip()[:64] or (request.client.host if request.client else "")
