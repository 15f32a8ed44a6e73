"""Fetches Kafka's jars once into a cache outside the clone, each pinned by its SHA-256.

Invariants: a file in the cache under its final name has the right digest; two runs that fetch at once do it once; when
all is there no network is touched. `KAFKA_HOME` replaces all of it with the jars of an installed Kafka.
"""

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from maven_artifact import Artifact, RequestException
from maven_artifact.requestor import Requestor
from maven_artifact.resolver import Resolver

LIST = Path(__file__).with_name("kafka.jars")
# All 46 jars took 1.1 s with eight at a time; more only burdens the repository.
_AT_ONCE = 8
_TIMEOUT_SECONDS = 60.0

Progress = Callable[[str], None]


class NotFetched(Exception):
    """A jar could not be had, or is not the pinned one. The text names it and says what to do."""


@dataclass(frozen=True)
class Jar:
    """One line of `kafka.jars`."""

    sha256: str
    coordinates: str

    @property
    def file(self) -> str:
        """Name of the file in the cache."""
        _, artifact, version = self.coordinates.split(":")
        return f"{artifact}-{version}.jar"


def cache_folder() -> Path:
    """Return the folder that outlives clones: `PLACET_CACHE`, or `~/.cache/placet`."""
    named = os.environ.get("PLACET_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "placet"


def pinned(listing: Path = LIST) -> tuple[Jar, ...]:
    """Read the pinned jars."""
    lines = (line.split() for line in listing.read_text().splitlines() if line and not line.startswith("#"))
    return tuple(Jar(sha256=digest, coordinates=coordinates) for digest, coordinates in lines)


def kafka_jars(say: Progress = lambda _: None) -> tuple[Path, ...]:
    """Return the jars of one Kafka node, fetching what is missing; `say` hears the progress of a first run.

    Raises NotFetched, with one sentence on what to do, when a jar can't be had or has another digest.
    """
    home = os.environ.get("KAFKA_HOME")
    if home:
        return _installed(Path(home))
    folder = cache_folder() / "kafka-jars"
    return fetch(pinned(), folder, say=say)


def _installed(home: Path) -> tuple[Path, ...]:
    jars = tuple(sorted((home / "libs").glob("*.jar")))
    if not jars:
        raise NotFetched(f"KAFKA_HOME is {home}, but there are no jars in {home / 'libs'}; correct or unset it")
    return jars


def fetch(jars: tuple[Jar, ...], folder: Path, *, say: Progress = lambda _: None) -> tuple[Path, ...]:
    """Make sure that all `jars` lie in `folder` and return their paths in order.

    A file under its final name was verified when it got that name, so a warm start reads no digest and no network.
    """
    paths = tuple(folder / jar.file for jar in jars)
    if all(path.exists() for path in paths):
        return paths
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        missing = [jar for jar in jars if not (folder / jar.file).exists()]
        if missing:
            say(f"Fetching {len(missing)} jars of Apache Kafka into {folder} (once)")
            _fetch_all(missing, folder, say)
    return paths


def _fetch_all(jars: list[Jar], folder: Path, say: Progress) -> None:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        running = [pool.submit(_fetch_one, jar, folder) for jar in jars]
        try:
            for count, done in enumerate(as_completed(running), start=1):
                done.result()
                if count % 10 == 0 or count == len(jars):
                    say(f"  {count} of {len(jars)}")
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _fetch_one(jar: Jar, folder: Path) -> None:
    artifact = Artifact.parse(jar.coordinates)
    half = folder / f".{jar.file}.part"
    try:
        content = _download(artifact)
    except RequestException as why:
        raise NotFetched(
            f"{jar.coordinates} could not be fetched: {why.msg}. Kafka's jars are needed once: run this with a network, "
            f"copy them from another machine's {folder}, or set KAFKA_HOME to an installed Kafka"
        ) from why
    found = hashlib.sha256(content).hexdigest()
    if found != jar.sha256:
        raise NotFetched(
            f"{jar.coordinates} has SHA-256 {found}, but {LIST.name} pins {jar.sha256}; it was thrown away. "
            "Something between here and the repository changes files: do not go on until you know what"
        )
    half.write_bytes(content)
    half.replace(folder / jar.file)


def _download(artifact: Artifact) -> bytes:
    """Read one artefact whole; the largest (zstd, scala) are some 7 MB."""
    requestor = Requestor()

    def refuse(address: str, why: Exception) -> None:
        raise RequestException(f"{address} answered {why}")

    address = Resolver.default().uri_for_artifact(artifact)
    body: bytes = requestor.request(address, refuse, lambda answer: answer.content, timeout=_TIMEOUT_SECONDS)
    return body
