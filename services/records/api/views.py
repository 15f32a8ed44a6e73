"""What records shows of its state over HTTP: ids, digests and outlines; what a record says is in its documents alone."""

import hashlib
from datetime import datetime
from typing import Literal, Self

import orjson
import rfc8785
from pydantic import BaseModel

from contracts.types import Digest, Instant, OrganizationId, PackageId, Part, PersonId, TranscriptId, TranscriptKind
from services.records.domain.state import Hold, HoldReason, Package, PackageStatus, Transcript, Version


class HoldView(BaseModel):
    """A hold, without the school's words."""

    hold_id: str
    reason: HoldReason
    placed_by: PersonId
    placed_at: datetime
    until: datetime

    @classmethod
    def of(cls, hold: Hold) -> Self:
        return cls(
            hold_id=hold.hold_id,
            reason=hold.reason,
            placed_by=hold.placed_by,
            placed_at=hold.placed_at,
            until=hold.until,
        )


class TranscriptView(BaseModel):
    """A transcript as it stands."""

    transcript_id: TranscriptId
    school_id: OrganizationId
    student_id: PersonId
    kind: TranscriptKind
    draft_digest: str | None
    transcript_version: int
    """The newest sealed version; 0 when none is."""
    digest: str | None
    withdrawn: bool
    hold: HoldView | None
    changed_at: datetime

    @classmethod
    def of(cls, transcript: Transcript) -> Self:
        return cls(
            transcript_id=transcript.transcript_id,
            school_id=transcript.school_id,
            student_id=transcript.student_id,
            kind=transcript.kind,
            draft_digest=transcript.draft.digest if transcript.draft else None,
            transcript_version=transcript.number,
            digest=transcript.digest or None,
            withdrawn=transcript.withdrawn,
            hold=HoldView.of(transcript.hold) if transcript.hold else None,
            changed_at=transcript.changed_at,
        )


class VersionView(BaseModel):
    """A sealed version: its outline, and nothing in it."""

    number: int
    digest: str
    sealed_by: PersonId
    sealed_at: datetime
    withdrawn: bool
    outline: tuple[Part, ...]

    @classmethod
    def of(cls, version: Version, transcript: Transcript) -> Self:
        return cls(
            number=version.number,
            digest=version.digest,
            sealed_by=version.sealed_by,
            sealed_at=version.sealed_at,
            withdrawn=version.number <= transcript.withdrawn_through,
            outline=version.outline,
        )


class PackageView(BaseModel):
    """A package: exactly the bytes that a release sends, by their digest."""

    package_id: PackageId
    transcript_version: int
    status: PackageStatus
    parts: tuple[str, ...]
    partial: bool
    digest: str | None
    size: int

    @classmethod
    def of(cls, package: Package) -> Self:
        return cls(
            package_id=package.package_id,
            transcript_version=package.transcript_version,
            status=package.status,
            parts=package.selection.parts,
            partial=package.partial,
            digest=package.digest or None,
            size=package.size,
        )


class WholeView(TranscriptView):
    """A transcript with its versions and packages."""

    versions: tuple[VersionView, ...] = ()
    packages: tuple[PackageView, ...] = ()


class MissingEvidence(BaseModel):
    """A file that the draft names and nobody has uploaded yet."""

    evidence_id: str
    sha256: str


class ImportView(TranscriptView):
    """What an import has brought. Upload what is missing, then seal."""

    missing_evidence: tuple[MissingEvidence, ...] = ()


class DraftView(BaseModel):
    """One draft that waits for a seal."""

    transcript_id: TranscriptId
    digest: str


class DraftsView(BaseModel):
    """The drafts of a school, and the digest that a step-up for sealing all of them binds."""

    drafts: tuple[DraftView, ...]
    digest: str


class SealedView(BaseModel):
    """What became of one transcript of a bulk seal. Exactly one of `transcript` and `problem` is there."""

    transcript_id: TranscriptId
    transcript: TranscriptView | None = None
    problem: str | None = None


class SealedVersionLine(BaseModel):
    """A sealed version in the export of seals: what was sealed, by its digest, by whom and when."""

    what: Literal["version"] = "version"
    school_id: OrganizationId
    student_id: PersonId
    transcript_id: TranscriptId
    transcript_version: int
    digest: Digest
    sealed_by: PersonId
    sealed_at: Instant

    @classmethod
    def of(cls, version: Version) -> Self:
        return cls(
            school_id=version.school_id,
            student_id=version.student_id,
            transcript_id=version.transcript_id,
            transcript_version=version.number,
            digest=version.digest,
            sealed_by=version.sealed_by,
            sealed_at=version.sealed_at,
        )


class PreparedPackageLine(BaseModel):
    """A prepared package in the export of seals: which selection of which version, its exact bytes by their digest."""

    what: Literal["package"] = "package"
    school_id: OrganizationId
    student_id: PersonId
    transcript_id: TranscriptId
    transcript_version: int
    transcript_digest: Digest
    package_id: PackageId
    parts: tuple[str, ...]
    partial: bool
    digest: Digest
    size: int
    prepared_at: Instant

    @classmethod
    def of(cls, package: Package) -> Self:
        assert package.prepared_at is not None, "only what is prepared is exported"
        return cls(
            school_id=package.school_id,
            student_id=package.student_id,
            transcript_id=package.transcript_id,
            transcript_version=package.transcript_version,
            transcript_digest=package.transcript_digest,
            package_id=package.package_id,
            parts=package.selection.parts,
            partial=package.partial,
            digest=package.digest,
            size=package.size,
            prepared_at=package.prepared_at,
        )


def seal_line(said: SealedVersionLine | PreparedPackageLine) -> bytes:
    """One line of the export, with its hash: SHA-256 over the RFC 8785 form of all but `hash`, as in the ledger's."""
    fields = said.model_dump(mode="json")
    return orjson.dumps(
        {**fields, "hash": f"sha256:{hashlib.sha256(rfc8785.dumps(fields)).hexdigest()}"},
        option=orjson.OPT_APPEND_NEWLINE,
    )
