"""Opens a package as a stranger would: a ZIP whose every member is what the manifest says, and nothing else.

Invariants: no member is decompressed or written anywhere (packages store their members as they are, so a bomb is refused
before it is read); only the manifest and the credentials are held in memory, all else is digested in passing. What the
manifest says is signed by nobody: it is covered by the package's digest, and by the credentials inside.
"""

import base64
import hashlib
import io
import re
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pypdf import PdfReader
from pypdf.errors import PyPdfError

from deploy.cli.envelopes import MAX_BYTES, Invalid, Json, parse

FORMAT = "placet.package/1"
CREDENTIALS = ("credential.1edtech.jwt", "credential.json", "credential.vc.jwt")
PAGE = "transcript.pdf"
_MANIFEST = "manifest.json"
# Evidence has at most 10 MiB a file.
_MAX_PACKAGE = 512 * 2**20
_MAX_MEMBERS = 2_000
# A central directory of 2 000 members with names of 200 letters.
_MAX_DIRECTORY = 2**19
_NAME = re.compile(r"(evidence/)?[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_CHUNK = 2**20
_END = struct.Struct("<4s4H2IH")
"""End of central directory (APPNOTE 4.3.16): signature, disks, counts, size and place of the directory, comment."""
_ZIP64 = b"PK\x06\x07"


@dataclass(frozen=True)
class Package:
    """What a package holds: digests of all members by name, the bytes of the few that are read, the manifest."""

    digest: str
    digests: Mapping[str, bytes]
    read: Mapping[str, bytes]
    manifest: Json

    @property
    def evidence(self) -> set[str]:
        """Digests of the evidence files, in base64url without padding as RFC 6920 writes them."""
        return {
            base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            for name, digest in self.digests.items()
            if name.startswith("evidence/")
        }


def digest_of(path: Path) -> str:
    """Return `sha256:…` of a file."""
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def open_package(path: Path) -> Package:
    """Read a package and hold each member against the manifest. Raises Invalid with one sentence."""
    _check_frame(path)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _check_entries(entries, path.stat().st_size)
            digests, read = _read_all(archive, entries)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, UnicodeDecodeError) as why:
        raise Invalid(f"it is a damaged ZIP ({type(why).__name__})") from None
    if missing := sorted({_MANIFEST, PAGE, *CREDENTIALS} - set(digests)):
        raise Invalid(f"it is not a package of Placet: {', '.join(missing)} is missing")
    manifest = parse(read[_MANIFEST])
    _check_manifest(manifest, entries, digests)
    return Package(digest_of(path), digests, read, manifest)


def attached_credential(pdf: bytes) -> bytes:
    """Return the credential inside a page. Raises Invalid."""
    try:
        attached = PdfReader(io.BytesIO(pdf)).attachments
        if "credential.json" not in attached:
            raise Invalid("it is a PDF without a credential attached: an ordinary page, which proves nothing")
        found: bytes = attached["credential.json"][0]
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Invalid("it is a damaged PDF") from None
    return found


def _check_frame(path: Path) -> None:
    """Look at size and the last record before the directory is read: its length is what a hostile file would inflate."""
    size = path.stat().st_size
    if size > _MAX_PACKAGE:
        raise Invalid(f"it is larger than {_MAX_PACKAGE // 2**20} MiB: no package is")
    with path.open("rb") as file:
        file.seek(max(0, size - _END.size - 20))
        tail = file.read()
    if len(tail) < _END.size:
        raise Invalid("it is a damaged ZIP (too short)")
    signature, _, _, _, count, directory, _, comment = _END.unpack(tail[-_END.size :])
    if signature != b"PK\x05\x06" or comment:
        raise Invalid("it is a damaged ZIP (nothing may follow its last record)")
    if tail.startswith(_ZIP64) or count > _MAX_MEMBERS or directory > _MAX_DIRECTORY:
        raise Invalid(f"it lists more than {_MAX_MEMBERS:,} members: no package does")


def _check_entries(entries: list[zipfile.ZipInfo], size: int) -> None:
    names = [entry.filename for entry in entries]
    if len(set(names)) != len(names):
        raise Invalid("it holds two members of one name: readers would differ on which counts")
    for number, entry in enumerate(entries):
        if not _NAME.fullmatch(entry.filename) or ".." in entry.filename:
            raise Invalid(f"the name of its member {number + 1} is not one that a package has")
        if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
            raise Invalid(f"{entry.filename} is compressed: a package stores its members as they are")
        if entry.flag_bits & 0x1:
            raise Invalid(f"{entry.filename} is encrypted: a package hides nothing from who may read it")
    if sum(entry.file_size for entry in entries) > size:
        raise Invalid("its members overlap: together they claim more bytes than the file has")


def _read_all(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> tuple[dict[str, bytes], dict[str, bytes]]:
    digests, read = {}, {}
    for entry in entries:
        keep = entry.filename in {_MANIFEST, PAGE, *CREDENTIALS}
        if keep and entry.file_size > MAX_BYTES:
            raise Invalid(f"{entry.filename} is larger than {MAX_BYTES:,} bytes: no transcript is")
        with archive.open(entry) as member:
            digests[entry.filename], body = _take(member, keep=keep)
        if keep:
            read[entry.filename] = body
    return digests, read


def _take(member: IO[bytes], *, keep: bool) -> tuple[bytes, bytes]:
    running, kept = hashlib.sha256(), bytearray()
    while chunk := member.read(_CHUNK):
        running.update(chunk)
        if keep:
            kept += chunk
    return running.digest(), bytes(kept)


def _check_manifest(manifest: Json, entries: list[zipfile.ZipInfo], digests: Mapping[str, bytes]) -> None:
    if manifest.get("format") != FORMAT:
        raise Invalid(f"its manifest is of another format than {FORMAT}: use the verify of a newer Placet")
    listed = manifest.get("members")
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise Invalid("its manifest lists no members")
    sizes = {entry.filename: entry.file_size for entry in entries if entry.filename != _MANIFEST}
    told = {each.get("name"): each for each in listed}
    if len(told) != len(listed) or set(told) != set(sizes):
        raise Invalid("its manifest does not list exactly the members that are there")
    for name, each in told.items():
        if (each.get("size"), each.get("sha256")) != (sizes[name], digests[name].hex()):
            raise Invalid(f"{name} is not the file that the manifest names: it was changed")
