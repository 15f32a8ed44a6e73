"""Where a recipient is told: made, changed, rotated, removed, tried and told again. Pure; secrets come sealed in commands."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from contracts.problem import Reason
from contracts.types import DeliveryId, EndpointId, OrganizationId
from services.chassis.decision import Decision, Refusal
from services.delivery.domain.disclosing import NO_SUCH_DELIVERY
from services.delivery.domain.state import (
    Delivery,
    Endpoint,
    EndpointState,
    Notice,
    NoticeKind,
    NoticeState,
    Secret,
    Status,
)
from services.delivery.domain.telling import body_of, notices_for

MOST_ENDPOINTS = 5
"""Of one recipient: each more is one more copy of every notice."""
BOTH_SIGN = timedelta(hours=24)
"""After a rotation the old secret signs beside the new one (Standard Webhooks)."""
REPLAYED = timedelta(days=30)
"""How old a delivery may be to be told again (Svix)."""
NO_SUCH_ENDPOINT = Refusal(Reason.NOT_FOUND, "there is no such endpoint")


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """Make an endpoint, or change it. `sealed_secret` counts only when it is made or was removed before."""

    endpoint_id: EndpointId
    recipient_id: OrganizationId
    name: str
    url: str
    description: str
    sealed_secret: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    """Tell this endpoint nothing more, and forget its secrets."""

    endpoint_id: EndpointId
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotate:
    """Sign with a new secret; the old one signs as well for a day."""

    endpoint_id: EndpointId
    sealed_secret: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """Send a test notice."""

    endpoint_id: EndpointId
    webhook_id: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Tell of a delivery once more: the same `webhook-id`, the same bytes."""

    delivery_id: DeliveryId
    recipient_ids: tuple[OrganizationId, ...]
    at: datetime


def put(endpoint: Endpoint | None, command: Put, *, siblings: Iterable[Endpoint]) -> Decision[Endpoint] | Refusal:
    """The endpoint as it is from now on, active. What nobody could be told about is looked for."""
    living = [one for one in siblings if one.state is not EndpointState.REMOVED and one != endpoint]
    if len(living) >= MOST_ENDPOINTS:
        return Refusal(Reason.CONFLICT, f"there are {MOST_ENDPOINTS} endpoints already: remove one first")
    if endpoint is None or endpoint.state is EndpointState.REMOVED:
        return Decision(_made(endpoint, command))
    same = (endpoint.url, endpoint.description) == (command.url, command.description)
    if same and endpoint.state is EndpointState.ACTIVE:
        return Decision(endpoint)
    changed = replace(
        endpoint,
        version=endpoint.version + 1,
        url=command.url,
        description=command.description,
        state=EndpointState.ACTIVE,
        why=None,
        failing_since=None,
        made_at=command.at,
        catching_up=True,
    )
    return Decision(changed)


def _made(before: Endpoint | None, command: Put) -> Endpoint:
    return Endpoint(
        endpoint_id=command.endpoint_id,
        version=before.version + 1 if before else 1,
        recipient_id=command.recipient_id,
        name=command.name,
        url=command.url,
        description=command.description,
        state=EndpointState.ACTIVE,
        secrets=(Secret(command.sealed_secret, command.at),),
        made_at=command.at,
        catching_up=True,
    )


def remove(endpoint: Endpoint | None, _command: Remove) -> Decision[Endpoint] | Refusal:
    if endpoint is None or endpoint.state is EndpointState.REMOVED:
        return NO_SUCH_ENDPOINT
    gone = replace(
        endpoint,
        version=endpoint.version + 1,
        state=EndpointState.REMOVED,
        why=None,
        secrets=(),
        catching_up=False,
        failing_since=None,
    )
    return Decision(gone)


def rotate(endpoint: Endpoint | None, command: Rotate) -> Decision[Endpoint] | Refusal:
    """The new secret comes first; older ones sign until their time is over."""
    if endpoint is None or endpoint.state is EndpointState.REMOVED:
        return NO_SUCH_ENDPOINT
    older = tuple(
        one if one.until is not None else replace(one, until=command.at + BOTH_SIGN)
        for one in signing(endpoint, command.at)
    )
    rotated = (Secret(command.sealed_secret, command.at), *older)
    return Decision(replace(endpoint, version=endpoint.version + 1, secrets=rotated))


def signing(endpoint: Endpoint, at: datetime) -> tuple[Secret, ...]:
    """The secrets that sign at this moment, the newest first."""
    return tuple(one for one in endpoint.secrets if one.until is None or at < one.until)


def ping(endpoint: Endpoint | None, command: Ping) -> Decision[Notice] | Refusal:
    if endpoint is None or endpoint.state is EndpointState.REMOVED:
        return NO_SUCH_ENDPOINT
    if endpoint.state is not EndpointState.ACTIVE:
        return Refusal(Reason.CONFLICT, "the endpoint is disabled: save it again to enable it, then try")
    notice = Notice(
        notice_id=f"{command.webhook_id}:{endpoint.endpoint_id}",
        webhook_id=command.webhook_id,
        kind=NoticeKind.PING,
        state=NoticeState.WAITING,
        recipient_id=endpoint.recipient_id,
        endpoint_id=endpoint.endpoint_id,
        delivery_id=None,
        body=body_of(NoticeKind.PING, None, command.at, ping=endpoint.name),
        made_at=command.at,
        due_at=command.at,
    )
    return Decision(notice)


def replay(
    delivery: Delivery | None, command: Replay, *, endpoints: Iterable[Endpoint], notices: Iterable[Notice]
) -> Decision[Delivery] | Refusal:
    """Every active endpoint is told once more what stands: that it is available, or that it no longer is."""
    if delivery is None or delivery.recipient_id not in command.recipient_ids:
        return NO_SUCH_DELIVERY
    if command.at - delivery.available_at > REPLAYED:
        return Refusal(
            Reason.EXPIRED, f"a delivery is told again for {REPLAYED.days} days only; it can still be fetched"
        )
    kind = NoticeKind.REVOKED if delivery.status is Status.CANCELLED else NoticeKind.AVAILABLE
    theirs = [one for one in endpoints if one.recipient_id == delivery.recipient_id]
    fresh = notices_for(delivery, kind, theirs, command.at)
    if not fresh:
        return Refusal(Reason.CONFLICT, "there is no active endpoint: make or enable one first")
    before = {one.notice_id: one for one in notices}
    told = [_again(before.get(one.notice_id), one) for one in fresh]
    return Decision(replace(delivery, untold=False), also=told)


def _again(before: Notice | None, fresh: Notice) -> Notice:
    """The notice from its first attempt on, with the bytes it always had and the count of claims that it had."""
    return fresh if before is None else replace(before, state=NoticeState.WAITING, due_at=fresh.due_at, failures=0)
