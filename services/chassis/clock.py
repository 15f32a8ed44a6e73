"""The one place that reads the clock. Times are UTC, to the millisecond, as MongoDB keeps them."""

import time
from datetime import UTC, datetime


def now() -> datetime:
    """The moment, in UTC, cut to the millisecond: what is written is what will be read."""
    at = datetime.now(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def seconds() -> float:
    """Seconds of a clock that never goes back, for measuring and waiting."""
    return time.monotonic()
