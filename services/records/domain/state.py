"""What records keeps: transcripts with draft and hold, sealed versions, packages, releases, and whom it has heard of.

What a student's record says lies as ciphertext in the vault; here are places, and locks that only the student's key opens.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from contracts.types import (
    OrganizationId,
    PackageId,
    Part,
    PersonId,
    PersonKind,
    ReleaseId,
    RequestId,
    RightsHolder,
    SealedValue,
    Selection,
    Standing,
    TranscriptId,
    TranscriptKind,
)


@dataclass(frozen=True, slots=True)
class Locked:
    """Ciphertext in the vault. `lock` opens, under the student's key, to the content key, the id and the digest."""

    place: str
    lock: SealedValue


class HoldReason(StrEnum):
    """Why a school holds releases back. The words behind the code stay with the school."""

    FEES = "fees"
    ENROLLMENT = "enrollment"
    REVIEW = "review"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a registrar imported and nobody has sealed yet.

    `digest` is over 32 random bytes and the canonical content: it binds, and lets nobody guess at marks. `mark` is a
    keyed digest of the content alone, by which the same import is known again.
    """

    digest: str
    mark: str
    content: Locked
    imported_by: PersonId
    imported_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealing:
    """A seal that was asked for and whose package is being made. Asked for again, it goes on as it began."""

    number: int
    draft: Draft
    package_id: PackageId
    words: SealedValue
    """Name and office of whoever seals, as printed."""
    sealed_by: PersonId
    sealed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """The school holds releases of this transcript back, with a reason, an owner and an end."""

    hold_id: str
    reason: HoldReason
    note: SealedValue | None
    placed_by: PersonId
    placed_at: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """One student's record of one kind at one school: at most one draft, and sealed versions 1 to `number`."""

    transcript_id: TranscriptId
    version: int
    school_id: OrganizationId
    student_id: PersonId
    kind: TranscriptKind
    draft: Draft | None = None
    sealing: Sealing | None = None
    number: int = 0
    """The newest sealed version; 0 when none is."""
    digest: str = ""
    mark: str = ""
    withdrawn_through: int = 0
    """Versions up to this one were taken back by the school."""
    hold: Hold | None = None
    changed_at: datetime

    @property
    def withdrawn(self) -> bool:
        """Whether nothing of it is released any more."""
        return 0 < self.number <= self.withdrawn_through

    def held(self, at: datetime) -> bool:
        return self.hold is not None and at < self.hold.until


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A sealed version. Never changed: the database's roles may insert and find, not update."""

    version_id: str
    transcript_id: TranscriptId
    number: int
    school_id: OrganizationId
    student_id: PersonId
    kind: TranscriptKind
    digest: str
    content: Locked
    words: SealedValue
    sealed_by: PersonId
    sealed_at: datetime
    outline: tuple[Part, ...]


def version_id(transcript_id: str, number: int) -> str:
    """The key of a sealed version."""
    return f"{transcript_id}:{number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A file of evidence, by its content: a corrected file stands beside the one that an older version has sealed."""

    evidence_key: str
    transcript_id: TranscriptId
    evidence_id: str
    mark: str
    size: int
    content: Locked


class PackageStatus(StrEnum):
    """Whether a package's bytes are there."""

    PENDING = "pending"
    PREPARED = "prepared"
    IMPOSSIBLE = "impossible"
    """The student was erased before it was made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """The exact bytes of one selection of one sealed version; made once, released many times.

    `kept_key` is the content key under the student's key: drawn when the package is asked for, so that a second making
    after a crash brings the same ciphertext. Everything from `place` on is known when it is prepared.
    """

    package_id: PackageId
    version: int
    status: PackageStatus
    transcript_id: TranscriptId
    transcript_version: int
    transcript_digest: str
    school_id: OrganizationId
    student_id: PersonId
    selection: Selection
    kept_key: SealedValue
    due_at: datetime | None = None
    tries: int = 0
    for_request: RequestId | None = None
    place: str = ""
    digest: str = ""
    size: int = 0
    partial: bool = False
    prepared_at: datetime | None = None


class ReleaseStatus(StrEnum):
    """What became of an approval."""

    WAITING = "waiting"
    """The school holds it back; it goes when the hold ends, if nothing stands against it then."""
    RELEASED = "released"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One approved request, as records has met it. A revocation heard first leaves one without a grant."""

    request_id: RequestId
    version: int
    status: ReleaseStatus
    cause: str = ""
    """Why it waits or has ended: `hold`, `revoked`, `withdrawn`, `expired`."""
    school_id: OrganizationId
    student_id: PersonId
    recipient_id: OrganizationId
    at: datetime
    transcript_id: TranscriptId | None = None
    transcript_version: int = 0
    package_id: PackageId | None = None
    package_digest: str = ""
    place: str = ""
    size: int = 0
    sealed_key: str = ""
    """The kept key, sealed further to delivery (HPKE). Opens nothing without the student's key."""
    grant_id: str | None = None
    grant: str = ""
    expires_at: datetime | None = None
    release_id: ReleaseId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A student, or somebody at a school, as identity tells of them."""

    person_id: PersonId
    version: int
    active: bool
    kinds: tuple[PersonKind, ...]
    school_ids: tuple[OrganizationId, ...]
    student_at: tuple[OrganizationId, ...]
    rights_holder: RightsHolder | None
    guardians: tuple[PersonId, ...]
    profile: SealedValue

    def has_guardian(self, person_id: PersonId) -> bool:
        """Whether this person holds the rights in the record: a guardian, until the student comes of age (99.5)."""
        return self.rights_holder is RightsHolder.GUARDIAN and person_id in self.guardians


@dataclass(frozen=True, slots=True, kw_only=True)
class School:
    """A school as identity tells of it."""

    organization_id: OrganizationId
    version: int
    name: str
    standing: Standing
