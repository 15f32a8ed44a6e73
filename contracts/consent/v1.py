"""Written by consent's relay and by nobody else; read by records, delivery and notify."""

from contracts.event import Event, published
from contracts.types import (
    Basis,
    Capacity,
    Digest,
    Instant,
    OrganizationId,
    PackageId,
    PersonId,
    Purpose,
    RequestId,
    Selection,
    TranscriptId,
)


class _AboutRequest(Event):
    """What every event of a request says: which request, whose record, for whom."""

    request_id: RequestId
    school_id: OrganizationId
    student_id: PersonId
    recipient_id: OrganizationId


@published(name="consent.request.opened.v1", topic="consent.requests", key="request_id")
class ConsentOpened(_AboutRequest):
    """Somebody asks that these parts go to that recipient. Nothing leaves by this."""

    transcript_id: TranscriptId
    transcript_version: int
    transcript_digest: Digest
    selection: Selection
    purpose: Purpose
    opened_by: PersonId
    opened_as: Capacity
    signers: tuple[PersonId, ...]
    school_approves: bool
    expires_at: Instant
    package_id: PackageId | None = None
    """None: no package of this selection is known yet; records prepares one."""
    package_digest: Digest | None = None


@published(name="consent.request.readdressed.v1", topic="consent.requests", key="request_id")
class ConsentReaddressed(_AboutRequest):
    """Others must sign than before: the rights passed to the student, or the guardians changed."""

    signers: tuple[PersonId, ...]


@published(name="consent.request.signed.v1", topic="consent.requests", key="request_id")
class ConsentSigned(_AboutRequest):
    """The family has signed; the school's own approval is still waited for."""

    signed_by: PersonId


@published(name="consent.request.approved.v1", topic="consent.requests", key="request_id")
class ConsentApproved(_AboutRequest):
    """**The approval event**: the only thing that lets a transcript leave. `grant` is consent's signature over it."""

    package_id: PackageId
    package_digest: Digest
    basis: Basis
    valid_until: Instant
    grant: str


@published(name="consent.request.refused.v1", topic="consent.requests", key="request_id")
class ConsentRefused(_AboutRequest):
    """Whoever had to sign, or the school, said no."""

    refused_by: PersonId
    refused_as: Capacity


@published(name="consent.request.revoked.v1", topic="consent.requests", key="request_id")
class ConsentRevoked(_AboutRequest):
    """Taken back. From here on nothing more is disclosed; what was disclosed before stays in the ledger."""

    revoked_by: PersonId
    revoked_as: Capacity
    revoked_at: Instant
    after_approval: bool


@published(name="consent.request.expired.v1", topic="consent.requests", key="request_id")
class ConsentExpired(_AboutRequest):
    """Nobody signed in time."""


@published(name="consent.request.invalidated.v1", topic="consent.requests", key="request_id")
class ConsentInvalidated(_AboutRequest):
    """What was to be signed is no longer what it was. `cause` is `version-superseded` or `transcript-withdrawn`."""

    cause: str


@published(name="consent.watermark.passed.v1", topic="consent.requests", key="watermark_id")
class WatermarkPassed(Event):
    """Every revocation committed before `at` stands before this record in this partition (bounded revocation)."""

    watermark_id: str
    partition: int
    at: Instant
