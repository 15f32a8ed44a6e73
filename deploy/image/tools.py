"""Runs the programs that make and try an image (mmdebstrap, buildah, umoci, runc), and says which are missing."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

_LAST_LINES = 20


class NotMade(Exception):
    """An image could not be made or tried. The text says what is missing or what failed, and what to do."""


def need(*programs: str) -> None:
    """See that all `programs` are there, and that we may use them. Raises `NotMade` with one sentence on what to do."""
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        raise NotMade(
            f"missing: {', '.join(missing)}. On Debian: apt-get install --no-install-recommends {' '.join(missing)}"
        )
    if os.geteuid() != 0:
        raise NotMade("root is needed to unpack file systems and start containers: use sudo, or a machine of CI's")


def run(words: Sequence[str | Path], *, cwd: Path | None = None) -> str:
    """Run a program and return what it wrote on stdout. Raises `NotMade` with its last lines when it fails."""
    done = subprocess.run([str(word) for word in words], cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-_LAST_LINES:])
        raise NotMade(f"{' '.join(str(word) for word in words[:3])} … failed with {done.returncode}:\n{said}")
    return done.stdout
