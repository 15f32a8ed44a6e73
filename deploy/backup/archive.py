"""What a backup consists of: one `.bson` file for each collection, as `mongodump` lays them, and a manifest with their digests.

Invariants: data and keys never lie in one archive, nor one in the other: who copies the data must not hold what opens it;
an archive is whole or has no manifest; nothing of it is believed before every digest was found right.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import bson
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deploy.backup.places import Place

Kind = Literal["data", "keys"]
MANIFEST = "manifest.json"
_CODEC: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)


class NoBackup(Exception):
    """It is no backup, or not whole. One sentence says what is wrong."""


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Entry(_Said):
    """One collection's file. `size` in bytes."""

    database: str = Field(pattern=r"^[a-z]{1,63}$")
    collection: str = Field(pattern=r"^[a-z_]{1,63}$")
    documents: int = Field(ge=0)
    size: int = Field(ge=0)
    digest: str

    @property
    def file(self) -> str:
        """Where it lies in the archive."""
        return f"{self.database}/{self.collection}.bson"


class Archive(_Said):
    """One archive. `taken_at` is the moment of which it is the picture, by MongoDB's own clock (whole seconds)."""

    format: Literal["placet.backup/1"] = "placet.backup/1"
    kind: Kind
    taken_at: datetime
    entries: tuple[Entry, ...]

    @property
    def documents(self) -> int:
        """How many there are in all."""
        return sum(entry.documents for entry in self.entries)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.entries)

    async def write(self, place: Place) -> None:
        """The last thing of an archive: with it the archive is whole. Raises `NotLaid`."""
        await place.lay(MANIFEST, _whole(self.model_dump_json(indent=1).encode() + b"\n"))


async def _whole(content: bytes) -> AsyncIterator[bytes]:
    yield content


@dataclass
class _Counted:
    """Batches on their way into a file: what went by."""

    documents: int = 0
    size: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    async def passing(self, batches: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for batch in batches:
            self.digest.update(batch)
            self.documents += _count(batch)
            self.size += len(batch)
            yield batch


async def write_collection(place: Place, database: str, collection: str, batches: AsyncIterator[bytes]) -> Entry:
    """Lay one collection's documents, given as batches of whole BSON documents, into its file. Raises `NotLaid`."""
    counted = _Counted()
    await place.lay(f"{database}/{collection}.bson", counted.passing(batches))
    return Entry(
        database=database,
        collection=collection,
        documents=counted.documents,
        size=counted.size,
        digest=f"sha256:{counted.digest.hexdigest()}",
    )


def _count(batch: bytes) -> int:
    """How many documents lie one behind another. Each begins with its length, as BSON has it."""
    place = count = 0
    while place < len(batch):
        place += int.from_bytes(batch[place : place + 4], "little")
        count += 1
    return count


def read_archive(folder: Path, kind: Kind) -> Archive:
    """The manifest of an archive of this kind whose files are all as it says. Raises `NoBackup`."""
    try:
        archive = Archive.model_validate(json.loads((folder / MANIFEST).read_bytes()))
    except FileNotFoundError:
        raise NoBackup(
            f"{folder} has no {MANIFEST}: it is no backup, or one that was broken off; take another"
        ) from None
    except (OSError, ValueError, ValidationError) as why:
        raise NoBackup(f"{folder / MANIFEST} can't be read as a backup's ({type(why).__name__})") from None
    if archive.kind != kind:
        raise NoBackup(f"{folder} is a backup of {archive.kind}, and one of {kind} is wanted here")
    for entry in archive.entries:
        _check(folder, entry)
    return archive


def _check(folder: Path, entry: Entry) -> None:
    path = folder / entry.file
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as why:
        raise NoBackup(f"{path} can't be read ({why.strerror}): the backup is not whole; take another") from None
    if f"sha256:{digest}" != entry.digest:
        raise NoBackup(f"{path} is not what was written: its digest differs; take another backup")


def documents_of(folder: Path, entry: Entry, *, at_once: int) -> Iterator[list[Any]]:
    """An archived collection's documents, `at_once` of them at a time, byte for byte. Raises OSError, InvalidBSON."""
    with (folder / entry.file).open("rb") as file:
        several: list[Any] = []
        for document in bson.decode_file_iter(file, _CODEC):
            several.append(document)
            if len(several) == at_once:
                yield several
                several = []
        if several:
            yield several
