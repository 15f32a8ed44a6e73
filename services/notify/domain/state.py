"""What notify keeps: whom it can reach, what it knows of a request, and one row for each message."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from contracts.types import (
    BasisCode,
    Capacity,
    MessageId,
    OrganizationId,
    OrganizationKind,
    PersonId,
    PersonKind,
    Purpose,
    RequestId,
    RightsHolder,
    SealedValue,
    TranscriptId,
)


class Template(StrEnum):
    """What a message says. The words lie in `templates/mail/words/`, under these names."""

    SIGN = "sign"
    OPENED = "opened"
    SCHOOL_APPROVAL = "school-approval"
    APPROVED = "approved"
    REFUSED = "refused"
    REVOKED = "revoked"
    EXPIRED = "expired"
    INVALIDATED = "invalidated"
    HELD = "held"
    WITHDRAWN = "withdrawn"
    DELIVERED = "delivered"
    STOPPED_AFTER_OPENING = "stopped-after-opening"
    NEVER_OPENED = "never-opened"
    UNREACHABLE = "unreachable"
    MISMATCH = "mismatch"
    RIGHTS_PASSED = "rights-passed"
    ANNOUNCEMENT = "announcement"


class MessageClass(StrEnum):
    """How much a message may be unwanted (P13)."""

    NEEDED = "needed"
    """About an act to do, or a fact that nobody may be kept from: can't be switched off."""
    INFORMATION = "information"
    MEMBERSHIP = "membership"
    """About the consortium and its offers. Never to a student or a guardian."""


_INFORMATION = frozenset({Template.OPENED, Template.APPROVED, Template.HELD, Template.NEVER_OPENED})


def class_of(template: Template) -> MessageClass:
    """The class of a template. What isn't said to be less is needed."""
    if template is Template.ANNOUNCEMENT:
        return MessageClass.MEMBERSHIP
    return MessageClass.INFORMATION if template in _INFORMATION else MessageClass.NEEDED


class Status(StrEnum):
    """Where a message stands. Everything but `waiting` is an end."""

    WAITING = "waiting"
    SENT = "sent"
    NO_ADDRESS = "no-address"
    """The person has no e-mail address: the school tells them on paper."""
    HELD_BACK = "held-back"
    """This house is in test mode, and the address may be a real person's."""
    UNWANTED = "unwanted"
    """The person has switched this class of message off."""
    ABANDONED = "abandoned"


class News(StrEnum):
    """What happened, as the table knows it. Several events may be one news, and one event may be several."""

    OPENED = "opened"
    READDRESSED = "readdressed"
    SIGNED = "signed"
    APPROVED = "approved"
    REFUSED = "refused"
    REVOKED = "revoked"
    EXPIRED = "expired"
    INVALIDATED = "invalidated"
    HELD = "held"
    WITHDRAWN = "withdrawn"
    DELIVERED = "delivered"
    STOPPED_AFTER_OPENING = "stopped-after-opening"
    NEVER_OPENED = "never-opened"
    UNREACHABLE = "unreachable"
    MISMATCH = "mismatch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Whom a message can go to. `profile` holds name, address and language, and opens with the person's key only."""

    person_id: PersonId
    version: int
    active: bool
    profile: SealedValue
    kinds: tuple[PersonKind, ...]
    registrar_of: tuple[OrganizationId, ...] = ()
    rights_holder: RightsHolder | None = None
    guardians: tuple[PersonId, ...] = ()
    refusing: bool = False
    """The address was refused for good. Nothing more is sent to it until identity tells of a change, or a retry works."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Organization:
    """A school or a recipient: the name that a letter says, and the zone in which its dates are told."""

    organization_id: OrganizationId
    version: int
    kind: OrganizationKind
    name: str
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """The newest hold on a transcript: why, and until when at the latest."""

    transcript_id: TranscriptId
    version: int
    reason: str
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """One thing that happened to a request, reduced to what a letter may have to say of it."""

    event_id: str
    news: News
    at: datetime
    trace: str | None = None
    """The traceparent of the news: the mail goes on with it."""
    cause: str | None = None
    acted_as: Capacity | None = None
    valid_until: datetime | None = None
    basis: BasisCode | None = None
    ledger_row: int | None = None
    signers: tuple[PersonId, ...] | None = None
    """Of a readdressing: who signs from now on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestView:
    """What later news of a request needs to know of it. `opened` is False while only later news has been heard."""

    request_id: RequestId
    version: int
    school_id: OrganizationId
    student_id: PersonId
    recipient_id: OrganizationId
    opened: bool = False
    transcript_id: TranscriptId | None = None
    purpose: Purpose | None = None
    opened_by: PersonId | None = None
    opened_as: Capacity | None = None
    signers: tuple[PersonId, ...] = ()
    school_approves: bool = False
    expires_at: datetime | None = None
    early: tuple[Occasion, ...] = ()
    """What was heard before the opening, in the order heard. Told once the opening is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a letter says beside the names: ids, codes and times. No word of a person is in it."""

    at: datetime
    recipient_id: OrganizationId | None = None
    transcript_id: TranscriptId | None = None
    purpose: Purpose | None = None
    opened_by: PersonId | None = None
    opened_as: Capacity | None = None
    expires_at: datetime | None = None
    cause: str | None = None
    acted_as: Capacity | None = None
    valid_until: datetime | None = None
    basis: BasisCode | None = None
    ledger_row: int | None = None
    announcement_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message to one person. Its words are not kept: they are made from this when it is sent."""

    message_id: MessageId
    version: int
    template: Template
    status: Status
    person_id: PersonId
    facts: Facts
    created_at: datetime
    request_id: RequestId | None = None
    school_id: OrganizationId | None = None
    student_id: PersonId | None = None
    trace: str | None = None
    due_at: datetime | None = None
    first_tried_at: datetime | None = None
    attempts: int = 0
    ended_at: datetime | None = None
    cause: str | None = None
    """Why it ended otherwise than sent, or why the last attempt failed. A code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """What a person wants: a language other than the profile's, and which classes not to be sent."""

    person_id: PersonId
    version: int
    language: str | None = None
    muted: tuple[MessageClass, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """Words of the consortium to school staff, by language. It names no person."""

    announcement_id: str
    version: int
    audience: PersonKind
    subjects: dict[str, str]
    texts: dict[str, str]
    made_by: PersonId
    made_at: datetime
