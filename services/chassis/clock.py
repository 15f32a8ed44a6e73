"""The one place that reads the clock. Times are UTC, to the millisecond, as MongoDB keeps them.

In local mode `PLACET_CLOCK_FILE` may name a file that holds seconds by which this process's clock is wrong: so a test makes
clocks jump while the processes run. Outside local mode a process that is told of such a file does not start.
"""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

LOOK_EVERY = 0.1
"""Seconds between two looks into the file."""


class _Wrong:
    """By how much this process's clock is wrong."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._by = timedelta()
        self._look_at = 0.0

    def by(self) -> timedelta:
        at = time.monotonic()
        if at >= self._look_at:
            self._look_at = at + LOOK_EVERY
            try:
                self._by = timedelta(seconds=float(self._file.read_text()))
            except (OSError, ValueError):
                self._by = timedelta()
        return self._by


def _wrong() -> _Wrong | None:
    named = os.environ.get("PLACET_CLOCK_FILE")
    return _Wrong(Path(named)) if named and os.environ.get("PLACET_MODE") == "local" else None


_WRONG = _wrong()


def now() -> datetime:
    """The moment, in UTC, cut to the millisecond: what is written is what will be read."""
    at = datetime.now(UTC)
    if _WRONG is not None:
        at += _WRONG.by()
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def seconds() -> float:
    """Seconds of a clock that never goes back, for measuring and waiting."""
    return time.monotonic()
