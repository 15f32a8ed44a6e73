"""What consent keeps: the request, and what it has heard of students, organizations and transcripts."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import TypedDict

from contracts.types import (
    Basis,
    Capacity,
    OrganizationId,
    OrganizationKind,
    PackageId,
    Part,
    PersonId,
    Purpose,
    RequestId,
    RightsHolder,
    SchoolPolicy,
    SealedValue,
    Selection,
    Standing,
    TranscriptId,
    TranscriptKind,
)


class Status(StrEnum):
    """Where a request stands. Everything but `open`, `signed` and `approved` is an end."""

    OPEN = "open"
    SIGNED = "signed"
    """The family has signed; the school's approval is waited for."""
    APPROVED = "approved"
    REFUSED = "refused"
    REVOKED = "revoked"
    EXPIRED = "expired"
    INVALIDATED = "invalidated"


class Stage(StrEnum):
    """What has become of an approved request, as records and delivery tell it."""

    NOT_RELEASED = "not-released"
    ON_HOLD = "on-hold"
    WITHHELD = "withheld"
    RELEASED = "released"
    AVAILABLE = "available"
    DELIVERED = "delivered"
    MISMATCHED = "mismatched"
    """The recipient confirmed another digest than that of what was sent."""
    ACKNOWLEDGED = "acknowledged"
    UNREACHABLE = "unreachable"
    CANCELLED = "cancelled"


PENDING = (Status.OPEN, Status.SIGNED)


@dataclass(frozen=True, slots=True)
class Opener:
    """Who asks, in which capacity."""

    person_id: PersonId
    capacity: Capacity


@dataclass(frozen=True, slots=True)
class Prepared:
    """The exact bytes a selection would send, by their digest."""

    package_id: PackageId
    digest: str
    selection: Selection
    partial: bool
    size: int


@dataclass(frozen=True, slots=True)
class Signature:
    """One person's act on this request: authenticated how, shown which bytes and which notice (34 CFR 99.30(d))."""

    person_id: PersonId
    capacity: Capacity
    at: datetime
    method: str
    shown: str
    """Digest of the package that was shown."""
    notice: str
    """Digest of the very text of the notice that was shown."""


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of a request's story, for the people who may read it."""

    at: datetime
    what: str
    by: PersonId | None = None
    capacity: Capacity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request that these parts of this sealed version go to that recipient."""

    request_id: RequestId
    version: int
    status: Status
    stage: Stage = Stage.NOT_RELEASED
    school_id: OrganizationId
    student_id: PersonId
    recipient_id: OrganizationId
    transcript_id: TranscriptId
    transcript_version: int
    transcript_digest: str
    selection: Selection
    purpose: Purpose
    opened_by: PersonId
    opened_as: Capacity
    opened_at: datetime
    expires_at: datetime
    signers: tuple[PersonId, ...]
    school_approves: bool
    package: Prepared | None = None
    signature: Signature | None = None
    school_signature: Signature | None = None
    basis: Basis | None = None
    grant: str | None = None
    valid_until: datetime | None = None
    story: tuple[Happening, ...] = ()

    @property
    def pending(self) -> bool:
        return self.status in PENDING

    def told(self, at: datetime, what: str, by: PersonId | None = None, capacity: Capacity | None = None) -> "Request":
        """The request with one more line in its story."""
        return replace(self, story=(*self.story, Happening(at, what, by, capacity)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Student:
    """A person whose record it is, with who holds the rights in it."""

    person_id: PersonId
    version: int
    school_ids: tuple[OrganizationId, ...]
    active: bool
    rights_holder: RightsHolder
    guardians: tuple[PersonId, ...]
    profile: SealedValue
    """The name, for pages that may show it; opens with the person's key only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Organization:
    """A school with its policy, or a recipient with its standing."""

    organization_id: OrganizationId
    version: int
    kind: OrganizationKind
    name: str
    standing: Standing
    policy: SchoolPolicy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """The catalogue's entry: the newest sealed version, its outline and its prepared packages."""

    transcript_id: TranscriptId
    version: int
    school_id: OrganizationId
    student_id: PersonId
    transcript_version: int
    digest: str
    kind: TranscriptKind
    outline: tuple[Part, ...]
    withdrawn: bool = False
    packages: tuple[Prepared, ...] = field(default=())

    def package_for(self, selection: Selection) -> Prepared | None:
        return next((known for known in self.packages if known.selection.key == selection.key), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What consent knows, at the moment of a decision, of everything a request touches."""

    student: Student | None
    school: Organization | None
    recipient: Organization | None
    transcript: Transcript | None


class About(TypedDict):
    """The fields that every event of a request has."""

    version: int
    request_id: RequestId
    school_id: OrganizationId
    student_id: PersonId
    recipient_id: OrganizationId


def about(request: Request) -> About:
    return About(
        version=request.version,
        request_id=request.request_id,
        school_id=request.school_id,
        student_id=request.student_id,
        recipient_id=request.recipient_id,
    )
