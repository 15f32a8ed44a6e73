"""The list of what an export consists of: written at the end, read at the beginning."""

from datetime import datetime
from pathlib import Path
from typing import Any

from deploy.cli.audit.problems import EXPORT, Problems
from deploy.cli.audit.reading import (
    FILES,
    FORMAT,
    LARGEST_FILE,
    MANIFEST,
    FileEntry,
    Head,
    Malformed,
    Manifest,
    entry_of,
    own_hash,
    parse,
    read_as,
    shown,
)


def write_manifest(folder: Path, *, school_id: str, origin: str, head: Head, at: datetime) -> None:
    """Say what lies in the folder. Raises OSError."""
    said: dict[str, Any] = {
        "format": FORMAT,
        "school_id": school_id,
        "origin": origin,
        "exported_at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "head": head.model_dump(),
        "files": {name: entry_of(folder / name).model_dump() for name in FILES},
    }
    (folder / MANIFEST).write_bytes(shown({**said, "digest": own_hash(said)}))


def read_manifest(folder: Path, problems: Problems) -> Manifest | None:
    """The manifest, if it is whole. Of one that was changed nothing is believed; where that can be told, the place is named."""
    with (folder / MANIFEST).open("rb") as file:
        raw = file.read(LARGEST_FILE)
    try:
        said = parse(raw)
        manifest = _whole(read_as(Manifest, raw), is_spelled_so=shown(said) == raw)
    except Malformed as why:
        for place, what in why.faults:
            problems.note(MANIFEST, 0, place, what, EXPORT)
        return None
    if own_hash(said, "digest") == manifest.digest:
        return manifest
    wrong = [
        f"files.{name}.{field}"
        for name in FILES
        for field in FileEntry.model_fields
        if (folder / name).is_file() and getattr(entry_of(folder / name), field) != getattr(manifest.files[name], field)
    ]
    place = wrong[0] if len(wrong) == 1 else "school_id, origin, exported_at, head or digest"
    problems.note(MANIFEST, 0, place, "was changed: the manifest's own digest does not fit", EXPORT)
    return None


def _whole(manifest: Manifest, *, is_spelled_so: bool) -> Manifest:
    if set(manifest.files) != set(FILES):
        raise Malformed(("files", "does not list exactly the files of an export"))
    if not is_spelled_so:
        raise Malformed(("", "is spelled otherwise than it was written"))
    return manifest
