"""Reads the files of an export as a stranger would: bounded, strict, by this module's own canonical JSON and hashing.

A line is what it says only if it is JSON, says each name once, is spelled as it was exported, and has exactly its fields.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from contracts.grant import MAX_LENGTH
from contracts.types import Basis, Digest, Purpose

LEDGER, SEALS, MANIFEST = "ledger.jsonl", "seals.jsonl", "manifest.json"
GRANT_KEYS, ISSUER_KEYS = "grants.jwks.json", "issuer.jwks.json"
FILES = (LEDGER, GRANT_KEYS, ISSUER_KEYS, SEALS)
FORMAT = "placet.audit/1"
GENESIS = "sha256:" + "0" * 64
"""What the first row of a chain follows."""
LONGEST_LINE = 128 * 2**10
"""Bytes. A row with the longest grant has 17 000."""
LARGEST_FILE = 16 * 2**20
"""Bytes of a file that is read as a whole: manifest or keys."""
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

M = TypeVar("M", bound=BaseModel)


class Malformed(Exception):
    """It can't be read as what it should be. One sentence for each `(place, what)`."""

    def __init__(self, *faults: tuple[str, str]) -> None:
        super().__init__(faults)
        self.faults = faults


def _moment(text: object) -> datetime:
    if not isinstance(text, str) or not _MOMENT.fullmatch(text):
        raise ValueError("is not a moment in UTC to the millisecond")
    return datetime.fromisoformat(text).astimezone(UTC)


Id = Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,100}$")]
Moment = Annotated[datetime, BeforeValidator(_moment)]


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Row(_Said):
    """A disclosure, as the ledger has it (34 CFR 99.32)."""

    school_id: Id
    number: int = Field(ge=1)
    previous_hash: Digest
    delivery_id: Id
    request_id: Id
    student_id: Id
    recipient_id: Id
    transcript_id: Id
    transcript_version: int = Field(ge=1)
    package_digest: Digest
    grant_jti: Id
    grant: str = Field(max_length=MAX_LENGTH)
    basis: Basis
    purpose: Purpose
    notice_version: Id
    disclosed_at: Moment
    opened_by: Id
    hash: Digest


class SealedVersion(_Said):
    """A version that a school has sealed."""

    what: Literal["version"]
    school_id: Id
    student_id: Id
    transcript_id: Id
    transcript_version: int = Field(ge=1)
    digest: Digest
    sealed_by: Id
    sealed_at: Moment
    hash: Digest


class PreparedPackage(_Said):
    """The exact bytes of one selection of one version."""

    what: Literal["package"]
    school_id: Id
    student_id: Id
    transcript_id: Id
    transcript_version: int = Field(ge=1)
    transcript_digest: Digest
    package_id: Id
    parts: tuple[str, ...]
    partial: bool
    digest: Digest
    size: int = Field(ge=1)
    prepared_at: Moment
    hash: Digest


class Head(_Said):
    """The last row of a chain; number 0 and `GENESIS` when there is none."""

    number: int = Field(ge=0)
    hash: Digest


class FileEntry(_Said):
    """One file of the export."""

    digest: Digest
    size: int = Field(ge=0)


class Manifest(_Said):
    """What an export consists of. Signed by nobody: it finds damage, and a head noted elsewhere finds deceit."""

    format: Literal["placet.audit/1"]
    school_id: Id
    origin: Id
    exported_at: Moment
    head: Head
    files: dict[str, FileEntry]
    digest: Digest


class Line(NamedTuple):
    """One line of a file of lines: its number from 1, and its bytes with the line's end."""

    number: int
    raw: bytes


def canonical(value: Any) -> bytes:
    """RFC 8785 for what these files hold: no floating point, names in ASCII. Raises ValueError for a lone surrogate."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def spelled(value: Any) -> bytes:
    """One line as the services write it: in the order of its fields."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def shown(value: Any) -> bytes:
    """A file that people read."""
    return json.dumps(value, ensure_ascii=False, indent=2).encode() + b"\n"


def sha256(raw: bytes) -> str:
    """`sha256:` and 64 digits."""
    return "sha256:" + hashlib.sha256(raw).hexdigest()


def own_hash(said: dict[str, Any], name: str = "hash") -> str:
    """The hash that an object must carry in `name`: over all its other fields."""
    return sha256(canonical({key: value for key, value in said.items() if key != name}))


def entry_of(path: Path) -> FileEntry:
    """Digest and size of a file. Raises OSError."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return FileEntry(digest=f"sha256:{digest}", size=file.tell())


def lines_of(path: Path) -> Iterator[Line]:
    """The lines of a file, none longer than can be one. Raises OSError, Malformed."""
    with path.open("rb") as file:
        number = 0
        while raw := file.readline(LONGEST_LINE):
            number += 1
            yield Line(number, raw)
            if len(raw) == LONGEST_LINE:
                return


def parse(raw: bytes) -> dict[str, Any]:
    """A JSON object that says each name once and holds no number but whole ones. Raises Malformed."""
    try:
        found = json.loads(raw, object_pairs_hook=_once, parse_constant=_no_number, parse_float=_no_number)
        canonical(found)
    except RecursionError:
        raise Malformed(("", "is nested deeper than anything of ours")) from None
    except ValueError:
        raise Malformed(("", "is not JSON as it was exported")) from None
    if not isinstance(found, dict):
        raise Malformed(("", "is JSON, but not an object"))
    return found


def read_as(model: type[M], raw: bytes) -> M:
    """The object with exactly its fields. Raises Malformed with every field that is wrong, and no value."""
    try:
        return model.model_validate_json(raw)
    except ValidationError as why:
        told = [
            (".".join(str(step) for step in one["loc"]), _words(one))
            for one in why.errors(include_url=False, include_input=False, include_context=False)
        ]
        raise Malformed(*told) from None


def read_line(model: type[M], line: Line) -> tuple[M, str]:
    """What a line says, and the hash that it must carry. Raises Malformed, also for another spelling of the same."""
    said = parse(line.raw)
    found = read_as(model, line.raw)
    if spelled(said) != line.raw:
        raise Malformed(("", "is spelled otherwise than any line that was exported"))
    return found, own_hash(said)


def _words(error: Any) -> str:
    kind = str(error["type"])
    return {
        "missing": "is not there",
        "extra_forbidden": "is a field that no export has",
    }.get(kind, "is not what stands in such a field")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed(("", "says one name twice"))
    return found


def _no_number(_: str) -> Any:
    raise ValueError
