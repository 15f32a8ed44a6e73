"""The table of sizes in deploy/README.md, reckoned from what the bench last measured (`tests/bench/RESULTS.md`)."""

import re
from pathlib import Path

RESULTS = Path(__file__).parents[2] / "tests" / "bench" / "RESULTS.md"
SCENE = "person by person"
HALF = 0.5
"""Of a core: what is left over waits for a morning on which everybody applies."""
NEXT_TO_NOTHING = 0.5
"""Milliseconds: whoever costs less is no reason for another copy."""
DAY = 8 * 3_600
"""Seconds of a working day."""
_EACH = re.compile(r"CPU ms each: ([^|]+?) *\|")
_COST = re.compile(r"(\w+) ([\d.]+)")
_NOT_OURS = {"front", "smtp"}
"""The door and the mail catcher of the house on one machine: a cluster has others."""


def costs(page: str) -> dict[str, float]:
    """Milliseconds of a core for one full release, by service. Raises ValueError for a page that doesn't tell them."""
    line = next((one for one in page.splitlines() if one.startswith(f"| {SCENE}")), "")
    found = _EACH.search(line)
    if found is None:
        raise ValueError(f"{RESULTS.name} has no CPU of one release in the line “{SCENE}”")
    return {name: float(told) for name, told in _COST.findall(found[1]) if name not in _NOT_OURS}


def table(page: str) -> str:
    """What one core carries, by service, as Markdown."""
    rows = [
        "| | CPU of one release, ms | releases/s on half a core | on half a core in a day of 8 h |",
        "|---|---|---|---|",
    ]
    told = costs(page)
    for name, cost in [*told.items(), ("**together**", sum(told.values()))]:
        rate = HALF * 1_000 / max(cost, NEXT_TO_NOTHING)
        carried = f"{rate:,.0f} | {rate * DAY:,.0f}".replace(",", " ")
        rows.append(f"| {name} | {cost:.1f} | {carried if cost >= NEXT_TO_NOTHING else 'more than all others |'} |")
    return "\n".join(rows) + "\n"
