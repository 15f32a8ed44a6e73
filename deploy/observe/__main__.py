"""`python -m deploy.observe` writes the chart's alerts and dashboards; `--check` says whether they are fresh."""

import json
import sys
from pathlib import Path

from deploy.helm.generate import CHART
from deploy.observe.alerts import BACKUPS, GROUPS
from deploy.observe.dashboards import BOARDS
from deploy.observe.rules import written

ALERTS, DASHBOARDS = CHART / "files" / "alerts", CHART / "files" / "dashboards"
_HEAD = "Made by `python -m deploy.observe` from deploy/observe; don't edit it."


def made() -> dict[Path, str]:
    """Every file with its text."""
    return {
        ALERTS / "placet.yaml": written(GROUPS, head=_HEAD),
        ALERTS / "backups.yaml": written([BACKUPS], head=_HEAD),
        **{
            DASHBOARDS / f"{name}.json": json.dumps(board(), indent=1, ensure_ascii=False) + "\n"
            for name, board in BOARDS.items()
        },
    }


def main(arguments: list[str]) -> int:
    """Write, or check. A file that nothing makes any more is stale too."""
    files = made()
    if "--check" in arguments:
        there = {path for folder in (ALERTS, DASHBOARDS) for path in folder.glob("*")}
        stale = [path for path, text in files.items() if path not in there or path.read_text() != text]
        stale += sorted(there - files.keys())
        if stale:
            print("Not fresh; run `python -m deploy.observe`:")
            print(*(f"  {path}" for path in stale), sep="\n")
        return 1 if stale else 0
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
