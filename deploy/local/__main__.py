"""Runs one house in the foreground: `python -m deploy.local --folder .local/main`. SIGTERM or Ctrl-C takes it down."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from contracts.topics import SERVICES
from deploy.local.environment import APART, ServiceRole
from deploy.local.fetch import NotFetched
from deploy.local.house import House
from deploy.local.process import NotStarted
from deploy.local.supervisor import supervise


async def run(folder: Path, services: Sequence[str], roles: Sequence[ServiceRole]) -> int:
    """Start a house, keep it up, take it down. Returns the exit code."""
    ended = asyncio.Event()
    house = House(folder, services=services, roles=roles, say=print)
    starting = asyncio.ensure_future(house.start())

    def leave() -> None:
        ended.set()
        starting.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, leave)
    try:
        await starting
    except (NotStarted, NotFetched) as why:
        print(why, file=sys.stderr)
        return 1
    except asyncio.CancelledError:
        return 130
    for name, where in house.addresses().items():
        print(f"{name:>12}  {where}", flush=True)
    await supervise(house, ended)
    await house.stop()
    return 0


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description="Run Placet on this machine.")
    parser.add_argument("--folder", type=Path, default=Path(".local/main"), help="where everything of it lies")
    parser.add_argument("--service", action="append", choices=SERVICES, help="only this one; may be repeated")
    parser.add_argument("--roles", action="store_true", help="each role of a service as a process of its own")
    given = parser.parse_args()
    sys.exit(asyncio.run(run(given.folder, given.service or SERVICES, APART if given.roles else ("all",))))


if __name__ == "__main__":
    main()
