"""What delivery keeps: deliveries, notices and endpoints, the ledger, and what it has heard from the others."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypedDict

from contracts.types import (
    Basis,
    DeliveryId,
    EndpointId,
    OrganizationId,
    OrganizationKind,
    PackageId,
    PersonId,
    Purpose,
    ReleaseId,
    RequestId,
    RightsHolder,
    SealedValue,
    Standing,
    TranscriptId,
)


class Status(StrEnum):
    """Where a delivery stands. `abandoned` says that telling failed; it can still be fetched."""

    AVAILABLE = "available"
    DELIVERED = "delivered"
    ACKNOWLEDGED = "acknowledged"
    ABANDONED = "abandoned"
    CANCELLED = "cancelled"


class NoticeKind(StrEnum):
    """The types of our webhooks."""

    AVAILABLE = "transcript.available"
    REVOKED = "transcript.revoked"
    PING = "ping"


class NoticeState(StrEnum):
    """What became of one notice to one endpoint."""

    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"
    DROPPED = "dropped"
    """Nobody needs it any more: the release was taken back, or the endpoint is gone."""


class EndpointState(StrEnum):
    """Whether an endpoint is told anything."""

    ACTIVE = "active"
    DISABLED = "disabled"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One released package on its way to one recipient, under one grant. It holds no personal value in clear."""

    delivery_id: DeliveryId
    version: int
    status: Status
    cause: str | None = None
    """Why it was cancelled or abandoned."""
    request_id: RequestId
    school_id: OrganizationId
    student_id: PersonId
    recipient_id: OrganizationId
    release_id: ReleaseId
    trace: str | None = None
    transcript_id: TranscriptId
    transcript_version: int
    package_id: PackageId
    package_digest: str
    place: str
    size: int
    sealed_key: str
    """The content key, under the student's key, sealed to delivery's (HPKE)."""
    purpose: Purpose
    basis: Basis
    grant: str
    grant_jti: str
    expires_at: datetime
    available_at: datetime
    link: str
    """Where the recipient fetches it. Written once: every notice about it says the same."""
    untold: bool = False
    """The recipient has no endpoint to be told at; it is told when it makes one."""
    opened_at: datetime | None = None
    opened_by: str | None = None
    notice_version: str | None = None
    """Which redisclosure notice was accepted before the first opening (34 CFR 99.33(d))."""
    ledger_number: int | None = None
    ledger_hash: str | None = None
    acknowledged_at: datetime | None = None
    acknowledged_digest: str | None = None
    matches: bool | None = None
    ended_at: datetime | None = None

    @property
    def disclosed(self) -> bool:
        return self.opened_at is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One webhook to one endpoint. Its body is written once: the same bytes under one `webhook-id` on every attempt."""

    notice_id: str
    webhook_id: str
    trace: str | None = None
    """The traceparent that the attempts go on with: one trace from the approval to the recipient's door."""
    kind: NoticeKind
    state: NoticeState
    recipient_id: OrganizationId
    endpoint_id: EndpointId
    delivery_id: DeliveryId | None
    body: str
    made_at: datetime
    due_at: datetime | None
    claims: int = 0
    """How often an attempt was begun. The number of the newest is the claim that may say how it ended."""
    failures: int = 0
    last_at: datetime | None = None
    last_said: str | None = None
    """How the last attempt ended: an HTTP status or one of our words; never what the other side wrote."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A signing secret, sealed to delivery itself. `until`: it was rotated away and signs beside the new one so long."""

    sealed: str
    made_at: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a recipient wants to be told."""

    endpoint_id: EndpointId
    version: int
    recipient_id: OrganizationId
    name: str
    url: str
    description: str
    state: EndpointState
    why: str | None = None
    secrets: tuple[Secret, ...]
    made_at: datetime
    catching_up: bool = False
    """Made or revived not long ago: deliveries that nobody could be told about are looked for."""
    failing_since: datetime | None = None
    """Every attempt since then has failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Organization:
    """A school or a recipient, with its standing."""

    organization_id: OrganizationId
    version: int
    kind: OrganizationKind
    name: str
    standing: Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Student:
    """Who may read a student's part of the ledger."""

    person_id: PersonId
    version: int
    school_ids: tuple[OrganizationId, ...]
    rights_holder: RightsHolder
    guardians: tuple[PersonId, ...]
    profile: SealedValue
    """Opens to `{name, email, language}` with the student's key only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Somebody who reads for a recipient. A session outlives an account that ends by hours: what stands here counts."""

    person_id: PersonId
    version: int
    active: bool
    recipient_ids: tuple[OrganizationId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """A request that ended. It may be heard before the release it stops: the topics have no common order."""

    request_id: RequestId
    cause: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermark:
    """Everything that consent committed before `at` in this partition of its topic has been handled here.

    All but what was said of the requests in `doubted`: of each of them lies a record aside that could not be read.
    """

    partition: str
    at: datetime
    doubted: tuple[RequestId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """One disclosure (34 CFR 99.32). Never changed; `hash` seals it and the row before it."""

    row_id: str
    school_id: OrganizationId
    number: int
    previous_hash: str
    hash: str
    delivery_id: DeliveryId
    request_id: RequestId
    student_id: PersonId
    recipient_id: OrganizationId
    transcript_id: TranscriptId
    transcript_version: int
    package_digest: str
    grant_jti: str
    grant: str
    basis: Basis
    purpose: Purpose
    notice_version: str
    disclosed_at: datetime
    opened_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The head of one school's chain of rows."""

    school_id: OrganizationId
    number: int
    hash: str


class About(TypedDict):
    """The fields that every event of a delivery has."""

    version: int
    delivery_id: DeliveryId
    request_id: RequestId
    school_id: OrganizationId
    student_id: PersonId
    recipient_id: OrganizationId


def about(delivery: Delivery) -> About:
    return About(
        version=delivery.version,
        delivery_id=delivery.delivery_id,
        request_id=delivery.request_id,
        school_id=delivery.school_id,
        student_id=delivery.student_id,
        recipient_id=delivery.recipient_id,
    )
