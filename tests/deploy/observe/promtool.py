"""`promtool`, which tries alerts as Prometheus would. There is no other judge of them: in CI a test without it fails, elsewhere it is skipped, as
those that need a browser are."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from filelock import FileLock

from deploy.local.fetch import cache_folder

MISSING = (
    "promtool is not there, so no alert was tried: on Debian and Ubuntu run `apt-get update`, then the tests fetch it by themselves "
    "(one file of 48 MB out of the package `prometheus`, nothing is installed or started); elsewhere put it on the PATH"
)


def program() -> Path:
    """The one on the PATH, else one fetched before, else one out of the distribution's package."""
    found = shutil.which("promtool")
    if found is not None:
        return Path(found)
    place = cache_folder() / "promtool"
    place.mkdir(parents=True, exist_ok=True)
    with FileLock(place / "lock"):
        if not (place / "promtool").exists():
            _fetch(place)
    if not (place / "promtool").exists():
        assert not os.environ.get("CI"), MISSING
        pytest.skip(MISSING)
    return place / "promtool"


def _fetch(place: Path) -> None:
    """Unpacked and not installed, so nobody has to be root, and no server is started."""
    apt, dpkg = shutil.which("apt-get"), shutil.which("dpkg")
    if apt is None or dpkg is None:
        return
    subprocess.run([apt, "download", "-qq", "prometheus"], cwd=place, capture_output=True, check=False, timeout=300)
    for package in place.glob("prometheus_*.deb"):
        subprocess.run([dpkg, "-x", package, place / "whole"], check=True, timeout=60)
        (place / "whole" / "usr" / "bin" / "promtool").rename(place / "promtool")
        shutil.rmtree(place / "whole")
        package.unlink()


def promtool(*words: str | Path) -> str:
    """What it says; a test fails with it when it finds a fault."""
    done = subprocess.run([program(), *words], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def try_rules(folder: Path, rules: Path, tests: list[dict[str, Any]], *, every: str) -> None:
    """`promtool test rules` with these series and expectations, the rules asked every so often."""
    path = folder / "tries.yaml"
    said = {"rule_files": [str(rules)], "evaluation_interval": every, "tests": tests}
    path.write_text(yaml.safe_dump(said, sort_keys=False))
    promtool("test", "rules", path)
