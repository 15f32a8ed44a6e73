"""Looks at this machine and at a house's folder: facts only, judged in `checks`. Reads files and /proc, changes nothing."""

import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from contracts.topics import SERVICES
from deploy.local.fetch import cache_folder, pinned
from deploy.local.house import ROOT
from deploy.local.java import find_java
from deploy.local.mongo import find_mongod
from deploy.local.process import NotStarted, is_alive

_LOCKED = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)")
_PRIVATE_FILES = ("*.private.jwks.json", "*.key", "*.pem", "*.token")


@dataclass(frozen=True)
class Package:
    """One line of the lock file beside what is installed (None: nothing)."""

    name: str
    locked: str
    installed: str | None

    @property
    def as_locked(self) -> bool:
        """Whether the two are one version: 2.007 is 2.7 (PEP 440)."""
        return self.installed is not None and _numbers(self.installed) == _numbers(self.locked)


@dataclass(frozen=True)
class Jars:
    """Kafka's jars: those that are not there, and those that are not the pinned ones."""

    place: Path
    count: int
    missing: tuple[str, ...]
    changed: tuple[str, ...]


@dataclass(frozen=True)
class Machine:
    """What a house needs of the machine it stands on. `*_trouble` is one sentence when the part was not found."""

    python: tuple[int, int, int]
    packages: tuple[Package, ...]
    free_disk: int
    free_memory: int
    jars: Jars
    java: str
    java_trouble: str
    mongod: str
    mongod_trouble: str


@dataclass(frozen=True)
class Port:
    """One port of the house, and which process listens there now (pid 0: one that is not ours to see)."""

    name: str
    number: int
    holder: int | None
    command: str
    ours: bool


@dataclass(frozen=True)
class Mode:
    """A file or folder that must be private, and what it allows."""

    path: Path
    found: int
    wanted: int


@dataclass(frozen=True)
class Place:
    """A house's folder. `key_troubles` are sentences."""

    path: Path
    exists: bool
    alive: bool
    told: bool
    """house.json is there: it was up, and was not taken down."""
    ports: tuple[Port, ...]
    modes: tuple[Mode, ...]
    key_sets: int
    key_troubles: tuple[str, ...]


def look_at_machine(folder: Path) -> Machine:
    """Gather the facts about the machine; `folder` tells whose disk is meant."""
    java, java_trouble, mongod, mongod_trouble = "", "", "", ""
    try:
        found = find_java()
        java = f"{found.version} ({found.command})"
    except NotStarted as why:
        java_trouble = str(why)
    try:
        mongod = str(find_mongod())
    except NotStarted as why:
        mongod_trouble = str(why)
    return Machine(
        python=sys.version_info[:3],
        packages=tuple(locked_packages(ROOT)),
        free_disk=shutil.disk_usage(_existing(folder)).free,
        free_memory=_free_memory(),
        jars=look_at_jars(),
        java=java,
        java_trouble=java_trouble,
        mongod=mongod,
        mongod_trouble=mongod_trouble,
    )


def locked_packages(root: Path) -> Iterator[Package]:
    """Read the fullest lock file there is (the developers', else the services')."""
    locks = [root / "requirements-dev.lock", root / "requirements.lock"]
    lock = next((path for path in locks if path.exists()), None)
    for line in lock.read_text().splitlines() if lock is not None else ():
        if found := _LOCKED.match(line):
            try:
                installed = importlib.metadata.version(found[1])
            except importlib.metadata.PackageNotFoundError:
                installed = None
            yield Package(found[1], found[2], installed)


def _numbers(version: str) -> list[str]:
    return [part.lstrip("0") or "0" for part in version.split(".")]


def look_at_jars() -> Jars:
    """Digest every jar in the cache: 44 MB, a tenth of a second."""
    home = os.environ.get("KAFKA_HOME")
    if home:
        there = tuple((Path(home) / "libs").glob("*.jar"))
        return Jars(Path(home), len(there), () if there else ("libs/*.jar",), ())
    place, wanted = cache_folder() / "kafka-jars", pinned()
    missing = [jar.file for jar in wanted if not (place / jar.file).exists()]
    changed = [
        jar.file
        for jar in wanted
        if jar.file not in missing and hashlib.sha256((place / jar.file).read_bytes()).hexdigest() != jar.sha256
    ]
    return Jars(place, len(wanted), tuple(missing), tuple(changed))


def look_at_place(folder: Path) -> Place:
    """Gather the facts about a house's folder."""
    keys = folder / "keys"
    sets = [service for service in SERVICES if (keys / f"{service}.private.jwks.json").exists()]
    return Place(
        path=folder,
        exists=folder.is_dir(),
        alive=is_alive(folder / "house.pid"),
        told=(folder / "house.json").exists(),
        ports=tuple(_ports(folder)),
        modes=tuple(_modes(folder)),
        key_sets=len(sets),
        key_troubles=tuple(trouble for service in sets for trouble in _key_troubles(keys, service)),
    )


def _existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())


def _free_memory() -> int:
    """Bytes that could be had without swapping (proc(5): MemAvailable)."""
    found = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    return int(found[1]) * 1024 if found else 0


def _ports(folder: Path) -> Iterator[Port]:
    numbers: dict[str, int] = {}
    for path, prefix in ((folder / "ports.json", ""), (folder / "kafka" / "ports.json", "kafka ")):
        if path.exists():
            numbers |= {f"{prefix}{name}": number for name, number in json.loads(path.read_text()).items()}
    if (folder / "mongo" / "port").exists():
        numbers["mongod"] = int((folder / "mongo" / "port").read_text())
    own = {
        int(path.read_text().split()[0])
        for place in ("run", "kafka", "mongo")
        for path in (folder / place).glob("*.pid")
        if is_alive(path)
    }
    holders = _holders(set(numbers.values()))
    for name, number in numbers.items():
        holder = holders.get(number)
        yield Port(name, number, holder, _command(holder), ours=holder in own)


def _holders(ports: set[int]) -> dict[int, int]:
    """Which process listens on which of these ports: the socket's inode, looked for in all processes (proc(5))."""
    inodes: dict[str, int] = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:] if Path(table).exists() else ():
            fields = line.split()
            port = int(fields[1].rpartition(":")[2], 16)
            if fields[3] == "0A" and port in ports:  # TCP_LISTEN
                inodes[fields[9]] = port
    held = dict.fromkeys(inodes.values(), 0)
    for process in Path("/proc").glob("[0-9]*/fd"):
        for link in _links(process):
            port_of = inodes.get(link.removeprefix("socket:[").removesuffix("]"))
            if port_of is not None:
                held[port_of] = int(process.parent.name)
    return held


def _links(descriptors: Path) -> Iterator[str]:
    try:
        for one in descriptors.iterdir():
            yield str(one.readlink())
    except OSError:
        return  # another user's process, or one that has just ended


def _command(pid: int | None) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() if pid else ""
    except OSError:
        return ""


def _modes(folder: Path) -> Iterator[Mode]:
    """Everything that holds a secret: the keys and their folders, passwords, Kafka's certificate with its key."""
    keys = folder / "keys"
    for place in (keys, *(keys / service for service in SERVICES)):
        if place.is_dir():
            yield Mode(place, stat.S_IMODE(place.stat().st_mode), 0o700)
            for pattern in _PRIVATE_FILES:
                for path in sorted(place.glob(pattern)):
                    yield Mode(path, stat.S_IMODE(path.stat().st_mode), 0o600)
    secret = ("credentials.json", "kafka/secrets.json", "kafka/server.pem", "mongo/secrets.json", "mongo/key")
    for path in (folder / name for name in secret):
        if path.exists():
            yield Mode(path, stat.S_IMODE(path.stat().st_mode), 0o400 if path.name == "key" else 0o600)


def _key_troubles(keys: Path, service: str) -> Iterator[str]:
    """Whether a service's JWKS can be read, the public half is of the private one, and all copies are the same."""
    private, public = keys / f"{service}.private.jwks.json", keys / f"{service}.public.jwks.json"
    prints: list[set[str]] = []
    for path in (private, public):
        try:
            found = KeySet.import_key_set(json.loads(path.read_bytes()))
            prints.append({key.thumbprint() for key in found.keys})
        except (OSError, ValueError, KeyError, TypeError, JoseError) as why:
            yield f"{path} can't be read as a JWKS ({type(why).__name__}): put it back from a backup"
            return
    # Public halves of keys that were retired stay: what they signed is still verified.
    if not prints[0] <= prints[1]:
        yield (
            f"{public} is not the public half of {private.name}: put it back from a backup, or remove it, and the next "
            "start makes it again, without the keys that were retired"
        )
    for copy in sorted(keys.glob(f"*/{service}.*.jwks.json")):
        if copy.read_bytes() != (keys / copy.name).read_bytes():
            yield f"{copy} differs from {keys / copy.name}: take the house down and up, the start lays it anew"
