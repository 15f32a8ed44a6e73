"""How a delivery ends: taken back, or run out before anybody opened it. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from contracts.delivery.v1 import DeliveryCancelled
from contracts.problem import Reason
from contracts.types import DeliveryId, RequestId
from services.chassis.decision import Decision, Refusal
from services.delivery.domain.state import (
    Delivery,
    Endpoint,
    Notice,
    NoticeKind,
    NoticeState,
    Revocation,
    Status,
    about,
)
from services.delivery.domain.telling import notices_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """The request ended. `cause` is `revoked` or `expired`."""

    request_id: RequestId
    cause: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Expire:
    """The grant has run out and nobody opened the delivery."""

    delivery_id: DeliveryId
    at: datetime


def cancel(
    command: Cancel,
    *,
    known: Revocation | None,
    deliveries: Iterable[Delivery],
    notices: Iterable[Notice],
    endpoints: Iterable[Endpoint],
) -> list[Decision[Revocation] | Decision[Delivery]]:
    """Remember the end, for a release that is heard later; and end what is there. It never refuses: it must not fail."""
    revocation = known or Revocation(request_id=command.request_id, cause=command.cause, at=command.at)
    ended = [
        _cancelled(delivery, command.cause, command.at, notices, endpoints)
        for delivery in deliveries
        if delivery.request_id == command.request_id and delivery.status is not Status.CANCELLED
    ]
    return [Decision(revocation), *ended]


def expire(
    delivery: Delivery | None, command: Expire, *, notices: Iterable[Notice], endpoints: Iterable[Endpoint]
) -> Decision[Delivery] | Refusal:
    """What was never opened in time is said to be over. What was opened is no longer fetched either, and stays told."""
    if delivery is None or delivery.disclosed or delivery.status is Status.CANCELLED:
        return Refusal(Reason.CONFLICT, "the delivery was opened or has ended already")
    if command.at < delivery.expires_at:
        return Refusal(Reason.CONFLICT, "the grant has time left")
    return _cancelled(delivery, "expired", command.at, notices, endpoints)


def _cancelled(
    delivery: Delivery, cause: str, at: datetime, notices: Iterable[Notice], endpoints: Iterable[Endpoint]
) -> Decision[Delivery]:
    """No more disclosure. Whoever may have been told that it is there is told that it no longer is."""
    cancelled = replace(
        delivery,
        status=Status.CANCELLED,
        cause=cause,
        version=delivery.version + 1,
        ended_at=at,
        untold=False,
        # Nothing opens the package for this recipient any more, not even a mistake of ours.
        sealed_key="",
    )
    own = [one for one in notices if one.delivery_id == delivery.delivery_id and one.kind is NoticeKind.AVAILABLE]
    waiting = [one for one in own if one.state is NoticeState.WAITING]
    dropped = [
        replace(one, state=NoticeState.DROPPED, due_at=None, last_at=at, last_said=f"release-{cause}")
        for one in waiting
    ]
    told = {one.endpoint_id for one in own if one.claims}
    theirs = [one for one in endpoints if one.recipient_id == delivery.recipient_id]
    listening = theirs if delivery.disclosed else [one for one in theirs if one.endpoint_id in told]
    revoked = notices_for(cancelled, NoticeKind.REVOKED, listening, at)
    event = DeliveryCancelled(cause=cause, disclosed=delivery.disclosed, **about(cancelled))
    return Decision(cancelled, [event], also=[*dropped, *revoked])
