"""`promtool`, which tries alerts as Prometheus would. There is no other judge of them, so a test without it fails."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

MISSING = (
    "promtool is not installed, so no alert was tried: on Debian, `apt-get download prometheus && dpkg -x prometheus_*.deb p` "
    "and put p/usr/bin/promtool on the PATH (48 MB; nothing is started), as .ci/run does"
)


def promtool(*words: str | Path) -> str:
    """What it says; a test fails with it when it finds a fault."""
    program = shutil.which("promtool")
    assert program is not None, MISSING
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def try_rules(folder: Path, rules: Path, tests: list[dict[str, Any]], *, every: str) -> None:
    """`promtool test rules` with these series and expectations, the rules asked every so often."""
    path = folder / "tries.yaml"
    said = {"rule_files": [str(rules)], "evaluation_interval": every, "tests": tests}
    path.write_text(yaml.safe_dump(said, sort_keys=False))
    promtool("test", "rules", path)
