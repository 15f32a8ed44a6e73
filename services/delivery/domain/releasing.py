"""What a release becomes here: a delivery that the recipient can be told of. Nothing is disclosed by it. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from contracts.delivery.v1 import DeliveryCancelled, TranscriptAvailable
from contracts.grant import Grant
from contracts.problem import Reason
from contracts.records.v1 import TranscriptReleased
from contracts.types import DeliveryId, Standing
from services.chassis.decision import Decision, Refusal
from services.delivery.domain.state import (
    Delivery,
    Endpoint,
    NoticeKind,
    Organization,
    Revocation,
    Status,
    about,
)
from services.delivery.domain.telling import notices_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Receive:
    """Take a release over. The grant was verified at the door; `delivery_id` is drawn from its `jti`."""

    delivery_id: DeliveryId
    release: TranscriptReleased
    grant: Grant
    expires_at: datetime
    link: str
    trace: str | None = None
    claimed: bool = False
    """Whoever takes it over begins to tell the recipient at once."""
    at: datetime


def mismatch(release: TranscriptReleased, grant: Grant) -> str | None:
    """The first field in which a release is not what its grant allows; None when it is just that."""
    pairs = (
        ("request_id", release.request_id, grant.request_id),
        ("school_id", release.school_id, grant.school_id),
        ("student_id", release.student_id, grant.sub),
        ("recipient_id", release.recipient_id, grant.recipient_id),
        ("package_id", release.package_id, grant.package_id),
        ("package_digest", release.package_digest, grant.package_digest),
    )
    return next((name for name, released, granted in pairs if released != granted), None)


def receive(
    command: Receive,
    *,
    already: Delivery | None,
    siblings: Iterable[Delivery],
    revocation: Revocation | None,
    recipient: Organization | None,
    endpoints: Iterable[Endpoint],
) -> Decision[Delivery] | Refusal:
    """A delivery, available; or cancelled from the start, when its request ended before its release was heard."""
    if already is not None or any(one.request_id == command.release.request_id for one in siblings):
        # One grant makes one delivery, and one request has one grant.
        return Refusal(Reason.CONFLICT, "this grant has made its delivery already")
    delivery = _delivery(command)
    if revocation is not None:
        return _stillborn(delivery, revocation.cause, command.at)
    if command.at >= command.expires_at:
        return _stillborn(delivery, "expired", command.at)
    # A recipient that was not heard of yet is told later: opening asks for its standing again.
    if recipient is not None and recipient.standing is not Standing.VERIFIED:
        return _stillborn(delivery, "recipient-not-verified", command.at)
    notices = notices_for(delivery, NoticeKind.AVAILABLE, endpoints, command.at, claimed=command.claimed)
    available = replace(delivery, untold=not notices)
    return Decision(available, [TranscriptAvailable(**about(available))], also=[*notices])


def _stillborn(delivery: Delivery, cause: str, at: datetime) -> Decision[Delivery]:
    """It is kept and said, so that nobody waits for it; nobody is told and nobody can open it."""
    cancelled = replace(delivery, status=Status.CANCELLED, cause=cause, ended_at=at, sealed_key="")
    return Decision(cancelled, [DeliveryCancelled(cause=cause, disclosed=False, **about(cancelled))])


def _delivery(command: Receive) -> Delivery:
    release, grant = command.release, command.grant
    return Delivery(
        delivery_id=command.delivery_id,
        version=1,
        status=Status.AVAILABLE,
        request_id=release.request_id,
        school_id=release.school_id,
        student_id=release.student_id,
        recipient_id=release.recipient_id,
        release_id=release.release_id,
        trace=command.trace,
        transcript_id=grant.transcript_id,
        transcript_version=grant.transcript_version,
        package_id=release.package_id,
        package_digest=release.package_digest,
        place=release.place,
        size=release.size,
        sealed_key=release.sealed_key,
        purpose=grant.purpose,
        basis=grant.basis,
        grant=release.grant,
        grant_jti=grant.jti,
        expires_at=command.expires_at,
        available_at=command.at,
        link=command.link,
    )
