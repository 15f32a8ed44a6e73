"""`python -m tests.chaos [--long] [--seed N] [--requests N] [--faults N]`."""

import argparse
import asyncio
import sys
from pathlib import Path

from deploy.local.fetch import NotFetched
from deploy.local.process import NotStarted
from tests.chaos.run import FOLDER, Size, run, told


def main() -> int:
    """0: everything held; 1: something did not; 2: the run itself failed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos", description="A house under faults, judged afterwards."
    )
    parser.add_argument("--long", action="store_true", help="10 000 requests and 200 faults instead of 1 000 and 20")
    parser.add_argument("--seed", type=int, help="the same requests and faults as in an earlier run")
    parser.add_argument("--requests", type=int)
    parser.add_argument("--faults", type=int)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="emptied first; house, logs and history stay there")
    asked = parser.parse_args()
    size = Size.of(is_long=asked.long, requests=asked.requests, faults=asked.faults)

    def say(text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    try:
        outcome = asyncio.run(run(size, asked.seed, asked.folder.absolute(), say))
    except (NotStarted, NotFetched) as why:
        say(f"the run failed: {why}")
        return 2
    except KeyboardInterrupt:
        say("the run was broken off; nothing of it is left running")
        return 130
    words = told(outcome)
    (asked.folder / "outcome.txt").write_text(words + "\n")
    say(words)
    return 0 if outcome.held else 1


if __name__ == "__main__":
    sys.exit(main())
