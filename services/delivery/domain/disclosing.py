"""The disclosure: who may open a delivery, on how fresh a knowledge of revocations, and what is written down. Pure.

**Bounded revocation.** A revocation that consent has committed stops disclosure within `BOUND`, whatever is down. Nothing is
disclosed unless a watermark was handled from every partition of consent's topic that is no older than `OLDEST_WATERMARK`; and
nothing of a request of which consent said something that could not be read here. The sum, in true time after the commit:

    20 s  a watermark written just before it may be believed so long by our clock  OLDEST_WATERMARK
     5 s  by which our clock may be behind consent's without being noticed         SKEW
     5 s  from the moment by which the age is judged to the answer                 LONGEST_ANSWER
    30 s                                                                           BOUND

Consent writes a watermark every 5 s: a healthy house, with clocks apart by `SKEW` in the worse direction, sees ages up to
about 11 s. What is assumed is `SKEW` alone. A clock further behind shows itself: prompt watermarks then lie in its future,
are not believed, and revoke those believed before (`pass_watermark`); `placet doctor` complains from 2 s on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from contracts.delivery.v1 import TranscriptAcknowledged, TranscriptDelivered
from contracts.problem import Reason
from contracts.types import DeliveryId, OrganizationId, Standing
from services.chassis.decision import Decision, Refusal
from services.delivery.domain.ledger import next_row
from services.delivery.domain.state import Chain, Delivery, Organization, Revocation, Status, Watermark, about

BOUND = timedelta(seconds=30)
"""No disclosure later than this after a committed revocation: the promise, in true time."""
SKEW = timedelta(seconds=5)
"""How far a watermark may lie in our future. One further ahead means that the clocks disagree: its age proves nothing."""
LONGEST_ANSWER = timedelta(seconds=5)
"""From drawing the time of an opening to answering it. One that took longer (a database that hung) is answered `NOT_NOW`.
A fetch draws its time when the bytes lie ready and every read has ended: it has all of this for handing them to the wire."""
OLDEST_WATERMARK = BOUND - SKEW - LONGEST_ANSWER
NO_SUCH_DELIVERY = Refusal(Reason.NOT_FOUND, "there is no such delivery")
NOT_NOW = Refusal(
    Reason.NOT_NOW, "it can't be told at this moment whether the release still stands: try again in a minute"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """Disclose. `recipient_ids` are the caller's organizations, `notice_version` the redisclosure notice it accepts."""

    delivery_id: DeliveryId
    recipient_ids: tuple[OrganizationId, ...]
    opened_by: str
    notice_version: str
    current_notice: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledge:
    """Echo the digest of what was received."""

    delivery_id: DeliveryId
    recipient_ids: tuple[OrganizationId, ...]
    digest: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What delivery knows, at the moment of a disclosure, of everything it rests on."""

    recipient: Organization | None
    revocation: Revocation | None
    watermarks: Sequence[Watermark | None]
    """One for each partition of consent's topic; None where none was handled."""


def freshness(watermarks: Sequence[Watermark | None], at: datetime) -> Refusal | None:
    """None when every partition's newest watermark is at most `OLDEST_WATERMARK` old at `at`."""
    fresh = bool(watermarks) and all(
        watermark is not None and -SKEW <= at - watermark.at <= OLDEST_WATERMARK for watermark in watermarks
    )
    return None if fresh else NOT_NOW


def may_disclose(
    delivery: Delivery | None, recipient_ids: Sequence[OrganizationId], *, around: Surroundings, at: datetime
) -> Delivery | Refusal:
    """Asked before the first opening and again before every fetch. A stranger's delivery and a missing one look the same."""
    if delivery is None or delivery.recipient_id not in recipient_ids:
        return NO_SUCH_DELIVERY
    if delivery.status is Status.CANCELLED or around.revocation is not None:
        return Refusal(Reason.EXPIRED, "this release was taken back: it can't be opened any more")
    if at >= delivery.expires_at:
        return Refusal(Reason.EXPIRED, "the consent to this release has run out: ask for a new one")
    if around.recipient is None or around.recipient.standing is not Standing.VERIFIED:
        return Refusal(Reason.NOT_ALLOWED, "your organization is not verified at this moment: ask the operator")
    if any(mark is not None and delivery.request_id in mark.doubted for mark in around.watermarks):
        return NOT_NOW
    return freshness(around.watermarks, at) or delivery


def open_delivery(
    delivery: Delivery | None, command: Open, *, around: Surroundings, chain: Chain | None
) -> Decision[Delivery] | Refusal:
    """The disclosure with its row in the ledger: both or neither. Opened again: nothing new to say."""
    standing = may_disclose(delivery, command.recipient_ids, around=around, at=command.at)
    if isinstance(standing, Refusal):
        return standing
    if command.notice_version != command.current_notice:
        return Refusal(
            Reason.INVALID, f"accept the redisclosure notice {command.current_notice}: it goes with every package"
        )
    if standing.disclosed:
        return Decision(standing)
    row, head = next_row(
        chain, standing, opened_by=command.opened_by, notice_version=command.notice_version, at=command.at
    )
    delivered = replace(
        standing,
        status=Status.DELIVERED,
        cause=None,
        version=standing.version + 1,
        untold=False,
        opened_at=command.at,
        opened_by=command.opened_by,
        notice_version=command.notice_version,
        ledger_number=row.number,
        ledger_hash=row.hash,
    )
    event = TranscriptDelivered(
        package_digest=delivered.package_digest,
        basis=delivered.basis.code,
        delivered_at=command.at,
        ledger_row=row.number,
        ledger_hash=row.hash,
        **about(delivered),
    )
    return Decision(delivered, [event], also=[row, head])


def may_fetch(
    delivery: Delivery | None, recipient_ids: Sequence[OrganizationId], *, around: Surroundings, at: datetime
) -> Delivery | Refusal:
    """Whether the bytes may go out at this moment: opened before, and everything still stands."""
    standing = may_disclose(delivery, recipient_ids, around=around, at=at)
    if isinstance(standing, Delivery) and not standing.disclosed:
        return Refusal(Reason.CONFLICT, "open the delivery first, accepting the redisclosure notice")
    return standing


def acknowledge(delivery: Delivery | None, command: Acknowledge) -> Decision[Delivery] | Refusal:
    """The recipient says which bytes it has. Another digest is told too: somebody must look."""
    if delivery is None or delivery.recipient_id not in command.recipient_ids:
        return NO_SUCH_DELIVERY
    if delivery.status is Status.CANCELLED:
        return Refusal(Reason.EXPIRED, "this release was taken back")
    if not delivery.disclosed:
        return Refusal(Reason.CONFLICT, "open the delivery first: there is nothing to acknowledge yet")
    if delivery.matches or delivery.acknowledged_digest == command.digest:
        return Decision(delivery)
    matches = command.digest == delivery.package_digest
    acknowledged = replace(
        delivery,
        status=Status.ACKNOWLEDGED if matches else delivery.status,
        version=delivery.version + 1,
        acknowledged_at=command.at,
        acknowledged_digest=command.digest,
        matches=matches,
    )
    event = TranscriptAcknowledged(matches=matches, acknowledged_at=command.at, **about(acknowledged))
    return Decision(acknowledged, [event])
