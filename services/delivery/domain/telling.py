"""Telling a recipient: thin notices, when they are tried again, and what each answer means. Pure.

A notice carries ids, a link and a digest, nothing personal. Attempts follow Standard Webhooks' schedule; its jitter is
drawn from the notice's own id, so that a decision made twice comes out equal.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from contracts.delivery.v1 import DeliveryAbandoned
from contracts.problem import Reason
from services.chassis.decision import Decision, Refusal
from services.delivery.domain.ledger import spelled
from services.delivery.domain.state import (
    Delivery,
    Endpoint,
    EndpointState,
    Notice,
    NoticeKind,
    NoticeState,
    Status,
    about,
)

PAUSES = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""Between ten attempts: 75 h 35 m 5 s from the first to the last (Standard Webhooks)."""
JITTER = 0.2
"""± this part of each pause (Standard Webhooks)."""
LONGEST_RETRY_AFTER = timedelta(hours=24)
CLAIM = timedelta(seconds=30)
"""How long a begun attempt is left alone: its 15 s, and ample time to write down how it ended. Then it is due again."""
CATCHING_UP = timedelta(minutes=1)
"""How long a new endpoint is looked after: whatever was decided without it is written by then."""
DISABLED_AFTER = timedelta(days=5)
"""Of nothing but failures (Outpost, Svix)."""


class Answer(StrEnum):
    """What an attempt came to."""

    TAKEN = "taken"
    GONE = "gone"
    """410: the recipient wants no more of this."""
    THROTTLED = "throttled"
    FAILED = "failed"
    NOT_OURS_TO_SAY = "not-sent"
    """Our own way out was closed: never charged to the recipient (Outpost)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Begin an attempt now."""

    notice_id: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempted:
    """How the attempt with number `claim` ended. `said`: an HTTP status or one of our words."""

    notice_id: str
    claim: int
    answer: Answer
    said: str
    retry_after: timedelta | None = None
    at: datetime


def body_of(kind: NoticeKind, delivery: Delivery | None, at: datetime, *, ping: str = "") -> str:
    """The exact text of a webhook's body. Ids, a link and a digest only."""
    if delivery is None:
        told = {"endpoint": ping}
    else:
        told = {"delivery_id": str(delivery.delivery_id), "request_id": str(delivery.request_id), "link": delivery.link}
        told["digest"] = delivery.package_digest
    return json.dumps({"type": str(kind), "timestamp": spelled(at), "data": told}, separators=(",", ":"))


def notices_for(
    delivery: Delivery, kind: NoticeKind, endpoints: Iterable[Endpoint], at: datetime, *, claimed: bool = False
) -> list[Notice]:
    """One notice to each endpoint that is active: one `webhook-id` and one body for all of them, due now.

    `claimed`: whoever asks begins the attempts at once; if they don't come to it, the notices are due after `CLAIM`.
    """
    # A dot would be ambiguous in what is signed: `{id}.{timestamp}.{body}`.
    webhook_id = f"msg_{delivery.delivery_id.removeprefix('dlv_')}_{kind.rpartition('.')[2]}"
    # The moment it is about, not this one: an endpoint made later is told the very same bytes.
    happened = delivery.ended_at if kind is NoticeKind.REVOKED else delivery.available_at
    body = body_of(kind, delivery, happened or at)
    return [
        Notice(
            notice_id=f"{webhook_id}:{endpoint.endpoint_id}",
            webhook_id=webhook_id,
            trace=delivery.trace,
            kind=kind,
            state=NoticeState.WAITING,
            recipient_id=delivery.recipient_id,
            endpoint_id=endpoint.endpoint_id,
            delivery_id=delivery.delivery_id,
            body=body,
            made_at=at,
            due_at=at + CLAIM if claimed else at,
            claims=int(claimed),
        )
        for endpoint in sorted(endpoints, key=lambda one: one.endpoint_id)
        if endpoint.state is EndpointState.ACTIVE
    ]


def pause_after(failures: int, notice_id: str) -> timedelta | None:
    """How long to wait after that many failures; None when it is given up."""
    if failures > len(PAUSES):
        return None
    drawn = hashlib.sha256(f"{notice_id}#{failures}".encode()).digest()
    share = int.from_bytes(drawn[:4], "big") / 0xFFFFFFFF
    return PAUSES[failures - 1] * (1 - JITTER + 2 * JITTER * share)


def claim(
    notice: Notice | None,
    command: Claim,
    *,
    endpoint: Endpoint | None,
    delivery: Delivery | None,
    others: Iterable[Notice],
) -> Decision[Notice] | Refusal:
    """Begin an attempt, or drop what nobody needs any more. A crash after this lets it become due again."""
    if notice is None or notice.state is not NoticeState.WAITING or notice.due_at is None or notice.due_at > command.at:
        return Refusal(Reason.CONFLICT, "this notice is not due")
    if notice.kind is NoticeKind.AVAILABLE and (delivery is None or not _open_to(delivery, command.at)):
        return Decision(_ended(notice, NoticeState.DROPPED, "not-available-any-more", command.at))
    if endpoint is None or endpoint.state is not EndpointState.ACTIVE:
        dropped = _ended(notice, NoticeState.DROPPED, "endpoint-gone", command.at)
        return _given_up(dropped, delivery, others, cause="endpoint-gone")
    return Decision(replace(notice, claims=notice.claims + 1, due_at=command.at + CLAIM))


def attempted(
    notice: Notice | None,
    command: Attempted,
    *,
    endpoint: Endpoint | None,
    delivery: Delivery | None,
    others: Iterable[Notice],
) -> Decision[Notice] | Refusal:
    """Write down how an attempt ended. Decided afresh: what was heard in between is met here."""
    if notice is None or notice.state is not NoticeState.WAITING:
        return Refusal(Reason.CONFLICT, "this notice is not waited for any more")
    heard = replace(notice, last_at=command.at, last_said=command.said)
    if command.answer is Answer.TAKEN:
        sent = replace(heard, state=NoticeState.SENT, due_at=None)
        well = endpoint is not None and endpoint.failing_since is not None
        return Decision(sent, also=[replace(endpoint, failing_since=None)] if well and endpoint else [])
    if command.claim != notice.claims:
        return Refusal(Reason.CONFLICT, "a newer attempt is under way")
    if command.answer is Answer.NOT_OURS_TO_SAY:
        return Decision(replace(heard, due_at=command.at + PAUSES[0]))
    return _failed(heard, command, endpoint=endpoint, delivery=delivery, others=others)


def _failed(
    notice: Notice,
    command: Attempted,
    *,
    endpoint: Endpoint | None,
    delivery: Delivery | None,
    others: Iterable[Notice],
) -> Decision[Notice]:
    worse = _worse(endpoint, command)
    failures = notice.failures + 1
    if command.answer is Answer.GONE:
        ended = replace(notice, state=NoticeState.FAILED, failures=failures, due_at=None)
        return _given_up(ended, delivery, others, cause="endpoint-gone", also=worse)
    pause = pause_after(failures, notice.notice_id)
    if pause is None:
        ended = replace(notice, state=NoticeState.FAILED, failures=failures, due_at=None)
        return _given_up(ended, delivery, others, cause="attempts-exhausted", also=worse)
    if command.answer is Answer.THROTTLED and command.retry_after is not None:
        pause = max(pause, min(command.retry_after, LONGEST_RETRY_AFTER))
    return Decision(replace(notice, failures=failures, due_at=command.at + pause), also=worse)


def _worse(endpoint: Endpoint | None, command: Attempted) -> list[Endpoint]:
    """The endpoint after a failure: disabled when it asked for it or failed for too long; nothing where nothing changes."""
    if endpoint is None or endpoint.state is not EndpointState.ACTIVE:
        return []
    if command.answer is Answer.GONE:
        return [_disabled(endpoint, "gone")]
    if endpoint.failing_since is None:
        return [replace(endpoint, failing_since=command.at)]
    if command.at - endpoint.failing_since >= DISABLED_AFTER:
        return [_disabled(endpoint, "failing")]
    return []


def _disabled(endpoint: Endpoint, why: str) -> Endpoint:
    return replace(endpoint, state=EndpointState.DISABLED, why=why, version=endpoint.version + 1, catching_up=False)


def _given_up(
    notice: Notice,
    delivery: Delivery | None,
    others: Iterable[Notice],
    *,
    cause: str,
    also: Iterable[Endpoint] = (),
) -> Decision[Notice]:
    """The end of a notice that did not arrive. When it was the last hope, the delivery is abandoned: never silence."""
    hopes = (NoticeState.WAITING, NoticeState.SENT)
    hope = any(
        other.kind is notice.kind and other.notice_id != notice.notice_id and other.state in hopes for other in others
    )
    if delivery is None or notice.kind is not NoticeKind.AVAILABLE or hope:
        return Decision(notice, also=[*also])
    # Whoever makes a new endpoint is told again; whoever has one that never answers is not.
    told = replace(delivery, untold=cause == "endpoint-gone")
    if delivery.status is not Status.AVAILABLE:
        return Decision(notice, also=[told, *also])
    abandoned = replace(told, status=Status.ABANDONED, cause=cause, version=delivery.version + 1)
    return Decision(notice, [DeliveryAbandoned(cause=cause, **about(abandoned))], also=[abandoned, *also])


def catch_up(
    delivery: Delivery | None, endpoint: Endpoint | None, endpoints: Iterable[Endpoint], *, at: datetime
) -> Decision[Delivery] | Refusal:
    """Tell of a delivery that had nobody to be told, now that there is an endpoint."""
    if endpoint is None or endpoint.state is not EndpointState.ACTIVE:
        return Refusal(Reason.CONFLICT, "the endpoint is not active any more")
    if delivery is None or not delivery.untold or not _open_to(delivery, at):
        return Refusal(Reason.CONFLICT, "there is nothing to tell about this delivery")
    notices = notices_for(delivery, NoticeKind.AVAILABLE, endpoints, at)
    return Decision(replace(delivery, untold=False), also=[*notices])


def caught_up(endpoint: Endpoint | None, *, at: datetime) -> Decision[Endpoint] | Refusal:
    """Stop looking for what the endpoint missed, a minute after it was made: whatever was decided without it is written."""
    if endpoint is None or not endpoint.catching_up or at < endpoint.made_at + CATCHING_UP:
        return Refusal(Reason.CONFLICT, "the endpoint is still catching up")
    return Decision(replace(endpoint, catching_up=False))


def _ended(notice: Notice, state: NoticeState, said: str, at: datetime) -> Notice:
    return replace(notice, state=state, due_at=None, last_said=said, last_at=at)


def _open_to(delivery: Delivery, at: datetime) -> bool:
    return delivery.status is not Status.CANCELLED and at < delivery.expires_at
