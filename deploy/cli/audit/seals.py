"""What records had sealed and prepared, and whether a grant is about exactly that, and came after it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from contracts.grant import SKEW_SECONDS, Grant
from deploy.cli.audit.grants import Fault
from deploy.cli.audit.problems import EXPORT, LOOK_AT_SEALS, Problems
from deploy.cli.audit.reading import (
    SEALS,
    Line,
    Malformed,
    PreparedPackage,
    SealedVersion,
    lines_of,
    parse,
    read_line,
)

Version = tuple[str, int]
"""Transcript and number."""


@dataclass(slots=True)
class Seals:
    """Everything in the file, each with the line where it stands."""

    versions: dict[Version, tuple[int, SealedVersion]] = field(default_factory=dict)
    packages: dict[str, tuple[int, PreparedPackage]] = field(default_factory=dict)

    def faults(self, grant: Grant) -> Iterator[Fault]:
        """Why what the grant names is not what records had sealed and prepared before it."""
        at, package = self.packages.get(grant.package_id, (0, None))
        if package is None:
            yield "package_digest", f"is of a package that {SEALS} does not have"
            return
        where = f"{SEALS} line {at}"
        pairs: tuple[tuple[str, str, Any, Any], ...] = (
            ("package_digest", "its digest", package.digest, grant.package_digest),
            ("transcript_id", "its transcript", package.transcript_id, grant.transcript_id),
            ("transcript_version", "its version", package.transcript_version, grant.transcript_version),
            ("transcript_version", "the digest of its version", package.transcript_digest, grant.transcript_digest),
            ("package_digest", "its selection", set(package.parts), set(grant.selection.parts)),
            ("student_id", "its student", package.student_id, grant.sub),
            ("school_id", "its school", package.school_id, grant.school_id),
        )
        for name, what, sealed, signed in pairs:
            if sealed != signed:
                yield name, f"belongs to a package of which {where} says otherwise: {what}"
        if _after(package.prepared_at, grant):
            yield "package_digest", f"was signed for before the package was prepared ({where})"
        at, version = self.versions.get((grant.transcript_id, grant.transcript_version), (0, None))
        if version is None:
            yield "transcript_version", f"is a version that {SEALS} does not have"
        elif _after(version.sealed_at, grant):
            yield "transcript_version", f"was signed for before it was sealed ({SEALS} line {at})"


def _after(moment: datetime, grant: Grant) -> bool:
    return moment.timestamp() > grant.grantor.at + SKEW_SECONDS


def read_seals(path: Path, problems: Problems) -> Seals:
    """The seals of a file. Whatever is wrong in itself is noted with its line. Raises OSError."""
    seals = Seals()
    for line in lines_of(path):
        try:
            _keep(line, seals, problems)
        except Malformed as why:
            for place, what in why.faults:
                problems.note(SEALS, line.number, place, what, EXPORT)
    _agree(seals, problems)
    return seals


def _keep(line: Line, seals: Seals, problems: Problems) -> None:
    if parse(line.raw).get("what") == "version":
        version, computed = read_line(SealedVersion, line)
        key = (version.transcript_id, version.transcript_version)
        first, said = seals.versions.setdefault(key, (line.number, version))[0], version.hash
    else:
        package, computed = read_line(PreparedPackage, line)
        first, said = seals.packages.setdefault(package.package_id, (line.number, package))[0], package.hash
    if computed != said:
        problems.note(SEALS, line.number, "one of its fields", "was changed: the line's hash does not fit", EXPORT)
    if first != line.number:
        problems.note(SEALS, line.number, "", f"stands in line {first} already", EXPORT)


def _agree(seals: Seals, problems: Problems) -> None:
    """Versions have no gap; a package is of a version, says of it what the version says, and came after it."""
    for line, version in seals.versions.values():
        number = version.transcript_version
        if number > 1 and (version.transcript_id, number - 1) not in seals.versions:
            what = f"is version {number} of its transcript, and version {number - 1} is nowhere"
            problems.note(SEALS, line, "transcript_version", what, EXPORT)
    for line, package in seals.packages.values():
        at, found = seals.versions.get((package.transcript_id, package.transcript_version), (0, None))
        if found is None:
            problems.note(SEALS, line, "transcript_version", "is a package of a version that is nowhere", EXPORT)
            continue
        pairs = (
            ("transcript_digest", package.transcript_digest, found.digest),
            ("student_id", package.student_id, found.student_id),
            ("school_id", package.school_id, found.school_id),
        )
        for place, here, there in pairs:
            if here != there:
                problems.note(SEALS, line, place, f"is not what the version in line {at} has", LOOK_AT_SEALS)
        if package.prepared_at.timestamp() < found.sealed_at.timestamp() - SKEW_SECONDS:
            problems.note(SEALS, line, "prepared_at", f"is before the version was sealed (line {at})", LOOK_AT_SEALS)
        if package.partial and not package.parts:
            problems.note(SEALS, line, "partial", "is true, and yet nothing was chosen", LOOK_AT_SEALS)
