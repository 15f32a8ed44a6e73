"""Named points at which a process may be made to die, so that a test can show what a crash there leaves behind.

A point does nothing unless `PLACET_FAILPOINT` names it and `PLACET_MODE` is `local`; then the process kills itself with
SIGKILL: no farewell, no finally, as when the power goes. In production the variable is not even looked at.
`name:3` dies at the third time. `@/path` looks into that file each time: what it says arms a process that runs already,
and the file is gone when the process is, so that the next one lives.
"""

import os
import signal
from pathlib import Path

NAMES = frozenset(
    {
        "work.decided",  # decided, nothing committed yet
        "work.committed",  # state, outbox rows and inbox ids are there, nobody was told
        "consumer.handled",  # the poll batch is committed in the database, its offsets are not
        "relay.published",  # the broker has the rows, they are not marked
        "relay.marked",  # they are marked, the lease is still held
        "duty.begun",  # the first beat is committed, the outside world knows nothing
        "duty.acted",  # the outside world knows, it is not recorded
        "duty.recorded",  # recorded
    }
)
"""Every point there is. A test asks that each is used and that none other is."""

_times: dict[str, int] = {}


def failpoint(name: str) -> None:
    """Die here, if this process was told to."""
    told = os.environ.get("PLACET_FAILPOINT")
    if told is None or os.environ.get("PLACET_MODE") != "local":
        return
    file = Path(told[1:]) if told.startswith("@") else None
    wanted, _, count = (_written(file) if file else told).partition(":")
    if wanted != name:
        return
    _times[name] = _times.get(name, 0) + 1
    if _times[name] >= int(count or 1):
        if file:
            file.unlink(missing_ok=True)
        os.kill(os.getpid(), signal.SIGKILL)


def _written(file: Path) -> str:
    try:
        return file.read_text().strip()
    except FileNotFoundError:
        return ""
