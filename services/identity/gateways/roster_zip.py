"""Opens a roster's ZIP without believing a word of it.

Invariant: no more is inflated than the limits allow, counted on the bytes that come out and never on the sizes
that the archive claims; members that are not asked for are never inflated; nothing is written to disk.
"""

import io
import stat
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, cast

from services.identity.gateways.roster import RosterUnreadable

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

ARCHIVE = "the archive"
_CENTRAL_ENTRY = b"PK\x01\x02"
_ENCRYPTED = 0x1
_SHOWN_NAME = 80


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a roster may be. A district of 50 000 students and their guardians needs about a third of each.

    At these limits the worst file thought of (open quotation marks everywhere) takes 7 s of CPU: read in a thread.
    """

    archive_bytes: int = 64 * 1024 * 1024  # 50 000 students come to about 10 MB
    members: int = 200  # OneRoster 1.2 names fewer than 30 files; the rest is room for strays
    path_depth: int = 4  # a folder in a folder is seen in the wild, deeper is not
    member_bytes: int = 128 * 1024 * 1024  # users.csv of 125 000 people is about 25 MB
    total_bytes: int = 256 * 1024 * 1024
    ratio: int = 200  # inflated to packed; real CSV packs 5 to 40 times, a bomb a thousand
    ratio_from_bytes: int = 1024 * 1024  # below this a high ratio does no harm
    line_chars: int = 65_536  # one line of any file
    rows: int = 400_000  # lines of any one file; 50 000 students and their guardians are 125 000 people
    problems: int = 1_000  # listed in the result; all are counted


class Archive:
    """The CSV files of one ZIP, by their plain names (`users.csv`), wherever they lie inside it."""

    def __init__(self, zip_bytes: bytes, limits: Limits) -> None:
        self._limits = limits
        self._inflated = 0
        _refuse_early(zip_bytes, limits)
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(zip_bytes))
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError, MemoryError) as why:
            raise RosterUnreadable(ARCHIVE, _why_not_a_zip(zip_bytes)) from why
        self._members = _members(self._zip.infolist(), limits)

    def holds(self, file: str) -> bool:
        """Whether a file of that plain name is in the archive."""
        return file in self._members

    def open(self, file: str) -> BinaryIO:
        """The inflated bytes of a file as a stream that ends in `RosterUnreadable` when a limit is passed."""
        entry = self._members[file]
        if entry.flag_bits & _ENCRYPTED:
            raise RosterUnreadable(file, "is encrypted; export the roster again without a password")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise RosterUnreadable(file, "is packed with an unusual method; pack it as an ordinary ZIP (deflate)")
        # What is claimed may only make things worse: an honest bomb is refused before its first byte. One that
        # claims less than it holds is cut by zipfile at the claim, fails its check sum, and is counted besides.
        self._weigh(file, entry.file_size, entry.compress_size)
        try:
            member = self._zip.open(entry)
        except (zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, OSError) as why:
            raise RosterUnreadable(file, "is damaged inside the ZIP; export the roster again") from why
        raw = _Bounded(self, file, cast("BinaryIO", member), entry.compress_size)
        return cast("BinaryIO", io.BufferedReader(raw, 64 * 1024))

    def grow(self, file: str, amount: int, so_far: int, packed: int) -> None:
        """Counts what came out of a member; refuses when the member or the whole is larger than allowed."""
        self._inflated += amount
        if self._inflated > self._limits.total_bytes:
            raise RosterUnreadable(ARCHIVE, f"is larger than {self._limits.total_bytes:,} bytes when unpacked")
        self._weigh(file, so_far, packed)

    def _weigh(self, file: str, so_far: int, packed: int) -> None:
        limits = self._limits
        if so_far > limits.member_bytes:
            raise RosterUnreadable(file, f"is larger than {limits.member_bytes:,} bytes when unpacked")
        if so_far > limits.ratio_from_bytes and so_far > packed * limits.ratio:
            raise RosterUnreadable(
                file, f"unpacks to more than {limits.ratio} times its size, as no roster does; export it again"
            )


class _Bounded(io.RawIOBase):
    """A member's bytes on their way out, counted."""

    def __init__(self, archive: Archive, file: str, member: BinaryIO, packed: int) -> None:
        self._archive = archive
        self._file = file
        self._member = member
        self._packed = packed
        self._so_far = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        room = memoryview(buffer)
        try:
            chunk = self._member.read(len(room))
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as why:
            reason = "is damaged (its check sum or packing is wrong); export the roster again"
            raise RosterUnreadable(self._file, reason) from why
        room[: len(chunk)] = chunk
        self._so_far += len(chunk)
        self._archive.grow(self._file, len(chunk), self._so_far, self._packed)
        return len(chunk)


def _refuse_early(zip_bytes: bytes, limits: Limits) -> None:
    """Refuses before a directory of millions of entries is built in memory."""
    if len(zip_bytes) > limits.archive_bytes:
        raise RosterUnreadable(ARCHIVE, f"is larger than {limits.archive_bytes:,} bytes")
    if not zip_bytes:
        raise RosterUnreadable(ARCHIVE, "is empty; choose the ZIP file that the school's system exported")
    # An upper bound: each entry needs this mark. Twice the limit, as packed bytes may hold it by chance.
    if zip_bytes.count(_CENTRAL_ENTRY) > 2 * limits.members:
        raise RosterUnreadable(ARCHIVE, f"holds more than {limits.members} files; send only the roster's own files")


def _why_not_a_zip(zip_bytes: bytes) -> str:
    if zip_bytes.startswith(b"PK"):
        return "is a ZIP that was cut short or damaged; send the whole file again"
    if zip_bytes.startswith((b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!")):
        return "is packed, but not as a ZIP; pack the CSV files as a ZIP"
    if zip_bytes.startswith(b"%PDF"):
        return "is a PDF; choose the ZIP file that the school's system exported"
    return "is not a ZIP file; choose the ZIP that the school's system exported, not one of its CSV files"


def _members(entries: list[zipfile.ZipInfo], limits: Limits) -> dict[str, zipfile.ZipInfo]:
    if len(entries) > limits.members:
        raise RosterUnreadable(ARCHIVE, f"holds more than {limits.members} files; send only the roster's own files")
    members: dict[str, zipfile.ZipInfo] = {}
    for entry in entries:
        path = _safe_path(entry, limits)
        # macOS lays a shadow of each file into the archive; it is no file of the roster.
        if entry.is_dir() or path.parts[0] == "__MACOSX" or path.name.startswith("."):
            continue
        name = path.name.lower()
        if name in members:
            raise RosterUnreadable(_shown(name), "is in the archive twice, so it is not clear which one counts")
        members[name] = entry
    if "users.csv" not in members and any(name.endswith(".zip") for name in members):
        raise RosterUnreadable(ARCHIVE, "holds another ZIP instead of CSV files; send the inner ZIP")
    return members


def _safe_path(entry: zipfile.ZipInfo, limits: Limits) -> PurePosixPath:
    # `orig_filename` is the name as it stands in the archive: `filename` is cut at a NUL already.
    raw = entry.orig_filename
    if "\0" in raw or not raw.strip("/ "):
        raise RosterUnreadable(ARCHIVE, "holds a file without a proper name")
    path = PurePosixPath(raw.replace("\\", "/"))
    if path.is_absolute() or ":" in path.parts[0] or ".." in path.parts:
        raise RosterUnreadable(_shown(raw), "points outside the archive; a roster never does")
    if len(path.parts) > limits.path_depth:
        raise RosterUnreadable(_shown(raw), f"lies deeper than {limits.path_depth} folders; pack the CSV files flat")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise RosterUnreadable(_shown(raw), "is a link and not a file; pack the file itself")
    return path


def _shown(name: str) -> str:
    """A name from the archive, safe to print: no control characters, not endless."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name[:_SHOWN_NAME])
