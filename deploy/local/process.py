"""One child process of the house: started with its log in a file, found again by its pid file, ended without remains.

Invariants: a child never writes into a pipe (an undrained one freezes it); only a process that this folder started is
ever signalled, known by pid *and* start time, so that a recycled pid is never hit.
"""

import asyncio
import itertools
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

# Below the range from which the kernel draws the ports of outgoing connections (32768 and up), so that nobody's
# client can sit on a port while its server is being restarted.
_PORTS = range(20_000, 32_000)
_PORT_ATTEMPTS = 200
# Walked from a random place on: a process never draws a port twice before anybody has bound it, and two processes
# that start houses side by side walk far from each other.
_walk = itertools.count(random.SystemRandom().randrange(len(_PORTS)))


class NotStarted(Exception):
    """A part of the house did not come up. The text says which, why, with its last log lines, and what to do."""


def free_port() -> int:
    """Return a loopback port on which nobody listens now, and another one at every call. The caller writes it down."""
    for _ in range(_PORT_ATTEMPTS):
        port = _PORTS[next(_walk) % len(_PORTS)]
        if is_free(port):
            return port
    raise NotStarted(
        f"no free port was found between {_PORTS.start} and {_PORTS.stop} on 127.0.0.1; "
        "end what listens there (ss -ltnp shows it)"
    )


def is_free(port: int) -> bool:
    """Say whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        # As servers do: a connection in TIME_WAIT does not hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def is_listening(port: int) -> bool:
    """Say whether somebody accepts connections on this loopback port now."""
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def started_at(pid: int) -> str | None:
    """Return the kernel's start tick of a living process, or None when there is none (a zombie counts as none)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    # proc(5): the state is field 3 and starttime field 22; two fields stand before the cut.
    return None if fields[0] == "Z" else fields[19]


def send(pid_file: Path, number: int) -> bool:
    """Signal the process that a pid file names, if it is still the same one. True when it was alive."""
    try:
        pid, started = pid_file.read_text().split()
    except (OSError, ValueError):
        return False
    if started_at(int(pid)) != started:
        return False
    os.kill(int(pid), number)
    return True


def is_alive(pid_file: Path) -> bool:
    """Say whether the process that a pid file names lives."""
    return send(pid_file, 0)


def write_pid(pid_file: Path, pid: int) -> None:
    """Write down a process by pid and start time."""
    pid_file.write_text(f"{pid} {started_at(pid)}\n")


async def end(pid_file: Path, *, grace: float) -> None:
    """End the process that a pid file names: SIGTERM, `grace` seconds, then SIGKILL. Removes the file."""
    if send(pid_file, signal.SIGTERM):
        deadline = time.monotonic() + grace
        while is_alive(pid_file):
            if time.monotonic() > deadline:
                send(pid_file, signal.SIGKILL)
            await asyncio.sleep(0.02)
    pid_file.unlink(missing_ok=True)  # noqa: ASYNC240 - one small local file


class Child:
    """One process with its log file and pid file. Not tied to an event loop: who started it need not be who ends it."""

    def __init__(self, name: str, *, folder: Path, log: Path) -> None:
        """Keep the pid file in `folder` as `<name>.pid`; append stdout and stderr to `log`."""
        self.name = name
        self.log = log
        self.pid_file = folder / f"{name}.pid"
        self._process: subprocess.Popen[bytes] | None = None
        self._log_from = 0

    @property
    def pid(self) -> int | None:
        """The living process's id, or None."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def exit_code(self) -> int | None:
        """The exit code of a run that ended without `stop` or `kill`, negative for a signal; else None."""
        return None if self._process is None else self._process.poll()

    async def start(
        self, command: Sequence[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        """Start it, after ending what an earlier, crashed house left behind in the same folder."""
        if self.pid is not None:
            raise NotStarted(f"{self.name} is already running as process {self.pid}")
        await end(self.pid_file, grace=5)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.pid_file.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._log_from = output.tell()
            self._process = _spawn(command, output, env=env, cwd=cwd)
        write_pid(self.pid_file, self._process.pid)

    async def stop(self, *, grace: float = 10) -> None:
        """SIGTERM, wait `grace` seconds, SIGKILL. Returns when it is gone; harmless when it was not running.

        Also ends what another, killed house started under the same name.
        """
        if self.pid is not None and self._process is not None:
            self._process.terminate()
            if await self.ended(grace) is None:
                self._process.kill()
                await self.ended(grace)
        self._process = None
        await end(self.pid_file, grace=grace)

    async def kill(self) -> None:
        """SIGKILL: no farewell, as when the power goes."""
        if self.pid is not None and self._process is not None:
            self._process.kill()
            await self.ended(10)
        self._process = None
        self.pid_file.unlink(missing_ok=True)

    async def ended(self, seconds: float) -> int | None:
        """Wait until it has ended and return its exit code; None when it still lives after so long."""
        deadline = time.monotonic() + seconds
        while self.pid is not None and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        return self.exit_code

    def tail(self, lines: int = 25) -> str:
        """Return the last lines that the present run wrote to its log."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as log:
            log.seek(self._log_from)
            return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])

    def failure(self, why: str) -> NotStarted:
        """Return the one error for a start that failed: what, why, the last log lines, where the log is."""
        written = self.tail() or "(it wrote nothing)"
        return NotStarted(f"{self.name} did not start: {why}\n{written}\nThe whole log: {self.log}")


def _spawn(
    command: Sequence[str | Path], output: IO[bytes], *, env: Mapping[str, str] | None, cwd: Path | None
) -> "subprocess.Popen[bytes]":
    """Spawn in a session of its own (Ctrl-C reaches the house, which stops its children in order)."""
    # Where util-linux is at hand, a house that is killed with -9 takes its children along.
    binder = shutil.which("setpriv")
    bound = [binder, "--pdeathsig", "TERM", "--", *command] if binder else list(command)
    return subprocess.Popen(  # commands are made by this package
        [str(word) for word in bound],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=dict(env) if env is not None else None,
        cwd=cwd,
        start_new_session=True,
    )
