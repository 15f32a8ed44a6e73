"""Judges a coverage report room by room: 100 % of branches where decisions are made, 90 % elsewhere.

`python -m tests.coverage_gate coverage.json`. Services that run as processes of their own in journeys are not counted:
what they alone reach stays below the line of what unit tests reach.
"""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

WHOLE = re.compile(r"^(contracts/.*|services/[a-z]+/domain(\.py|/.*))$")
LEAST = 90.0


@dataclass(frozen=True)
class Room:
    """One file's share: lines and branches that there are, and that a test took."""

    path: str
    all: int
    taken: int
    missing: str


def rooms(report: dict[str, object]) -> Iterator[Room]:
    """Every file of the report."""
    files = report["files"]
    assert isinstance(files, dict)
    for path, facts in sorted(files.items()):
        sums = facts["summary"]
        yield Room(
            path=path,
            all=sums["num_statements"] + sums.get("num_branches", 0),
            taken=sums["covered_lines"] + sums.get("covered_branches", 0),
            missing=", ".join(str(line) for line in facts["missing_lines"][:8])
            or ", ".join(f"{start}→{end}" for start, end in facts.get("missing_branches", [])[:4]),
        )


def faults(found: list[Room]) -> Iterator[str]:
    """What falls short, with its place."""
    for room in found:
        if WHOLE.match(room.path) and room.taken < room.all:
            yield f"{room.path}: {room.taken} of {room.all}; see {room.missing}"
    rest = [room for room in found if not WHOLE.match(room.path)]
    every, taken = sum(room.all for room in rest), sum(room.taken for room in rest)
    if every and 100 * taken / every < LEAST:
        yield f"outside of domains and contracts {100 * taken / every:.1f} % are taken, less than {LEAST:.0f} %"
        for room in sorted(rest, key=lambda one: one.taken - one.all)[:12]:
            yield f"  {room.path}: {room.taken} of {room.all}; see {room.missing}"


def main(path: Path) -> int:
    """Print what falls short."""
    found = list(rooms(json.loads(path.read_text())))
    short = list(faults(found))
    rest = [room for room in found if not WHOLE.match(room.path)]
    share = 100 * sum(room.taken for room in rest) / max(1, sum(room.all for room in rest))
    print(*short, sep="\n") if short else print(f"Coverage: decisions 100 %, elsewhere {share:.1f} %.")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
