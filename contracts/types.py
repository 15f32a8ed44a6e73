"""The small words that every contract is made of: ids, digests, times, and the closed vocabularies of the field."""

from enum import StrEnum
from typing import Annotated, NewType

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer

PersonId = NewType("PersonId", str)
OrganizationId = NewType("OrganizationId", str)
TranscriptId = NewType("TranscriptId", str)
PackageId = NewType("PackageId", str)
RequestId = NewType("RequestId", str)
ReleaseId = NewType("ReleaseId", str)
DeliveryId = NewType("DeliveryId", str)
EndpointId = NewType("EndpointId", str)
MessageId = NewType("MessageId", str)

DIGEST_PATTERN = r"^sha256:[0-9a-f]{64}$"
Digest = Annotated[str, Field(pattern=DIGEST_PATTERN)]
"""SHA-256 of exact bytes, written `sha256:` and 64 lower-case hexadecimal digits."""

Instant = Annotated[
    AwareDatetime,
    PlainSerializer(
        lambda at: at.isoformat(timespec="milliseconds").replace("+00:00", "Z"), return_type=str, when_used="json"
    ),
]
"""A moment in UTC, to the millisecond (what MongoDB keeps), written `2026-11-24T22:26:57.123Z`."""


class Value(BaseModel):
    """A small immutable value inside an event. Readers ignore what they don't know, so a writer can go first."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class PersonKind(StrEnum):
    """What a person is to an organization."""

    STUDENT = "student"
    GUARDIAN = "guardian"
    REGISTRAR = "registrar"
    EDUCATOR = "educator"
    ADMINISTRATOR = "administrator"
    READER = "reader"
    OPERATOR = "operator"


class OrganizationKind(StrEnum):
    """What an organization is: the school that keeps the record, or a kind of recipient."""

    SCHOOL = "school"
    COLLEGE = "college"
    SCHOLARSHIP = "scholarship"
    EMPLOYER = "employer"


class Standing(StrEnum):
    """Whether an organization may take part."""

    UNVERIFIED = "unverified"
    VERIFIED = "verified"
    SUSPENDED = "suspended"


class RightsHolder(StrEnum):
    """Who holds the rights in a student's record (34 CFR 99.3, 99.5)."""

    GUARDIAN = "guardian"
    STUDENT = "student"


class Capacity(StrEnum):
    """In which capacity somebody acts on a request."""

    GUARDIAN = "guardian"
    ELIGIBLE_STUDENT = "eligible-student"
    STUDENT_DIRECTION = "student-direction"
    REGISTRAR = "registrar"


class Purpose(StrEnum):
    """Why a transcript is released. There is no commercial code, and an unknown one is refused (P3)."""

    ADMISSION = "admission"
    SCHOLARSHIP = "scholarship"
    FINANCIAL_AID = "financial-aid"
    EMPLOYMENT = "employment"


class BasisCode(StrEnum):
    """The legal ground a disclosure rests on."""

    GUARDIAN_CONSENT = "guardian-consent"
    STUDENT_CONSENT = "student-consent"


class TranscriptKind(StrEnum):
    """A Mastery Transcript replaces the transcript; a Learning Record stands beside a traditional one."""

    MASTERY_TRANSCRIPT = "mastery-transcript"
    LEARNING_RECORD = "learning-record"


class Basis(Value):
    """The legal basis of one release: its code, the section it comes from and the reason in words the family reads."""

    code: BasisCode
    section: str
    words: str


class Membership(Value):
    """One person's place in one organization."""

    kind: PersonKind
    organization_id: OrganizationId


class SealedValue(Value):
    """A personal value as ciphertext under one person's key. Deleting that key makes it unreadable everywhere."""

    person_id: PersonId
    ciphertext: str
    """Base64 of the encrypted bytes."""


class Part(Value):
    """One part of a transcript that can be chosen or left out. The title carries nothing personal."""

    part_id: str
    kind: str
    title: str


class Selection(Value):
    """Which parts of a transcript go. No parts named means the whole transcript."""

    parts: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        return not self.parts

    @property
    def key(self) -> str:
        """One spelling for one choice: sorted, without repeats."""
        return ",".join(sorted(set(self.parts))) or "*"


class SchoolPolicy(Value):
    """What a school authorises: which kinds of recipient, whether it approves each release itself, for how long."""

    recipient_kinds: tuple[OrganizationKind, ...] = (
        OrganizationKind.COLLEGE,
        OrganizationKind.SCHOLARSHIP,
        OrganizationKind.EMPLOYER,
    )
    school_approves: bool = False
    request_days: int = Field(default=30, ge=1, le=365)
    grant_days: int = Field(default=180, ge=1, le=548)
