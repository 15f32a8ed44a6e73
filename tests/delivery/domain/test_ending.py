"""Taken back, or run out."""

from datetime import timedelta

import pytest

from contracts.delivery.v1 import DeliveryCancelled
from contracts.problem import Reason
from services.chassis.decision import Decision, Refusal
from services.delivery.domain import (
    Cancel,
    Delivery,
    Expire,
    Notice,
    NoticeKind,
    NoticeState,
    Revocation,
    Status,
    cancel,
    expire,
)
from tests.delivery.scene import AT, REQUEST, delivery, endpoint, notice, opened, revocation

LATER = AT + timedelta(minutes=1)
COMMAND = Cancel(request_id=REQUEST, cause="revoked", at=LATER)


def test_a_revocation_is_kept_for_a_release_that_is_heard_later() -> None:
    (kept,) = cancel(COMMAND, known=None, deliveries=(), notices=(), endpoints=())
    assert kept.state == Revocation(request_id=REQUEST, cause="revoked", at=LATER)
    assert list(kept.events) == []


def test_the_first_end_that_was_heard_stays() -> None:
    (kept,) = cancel(COMMAND, known=revocation("expired"), deliveries=(), notices=(), endpoints=())
    assert kept.state == revocation("expired")


def cancelled(known: Delivery, *notices: Notice) -> Decision[Delivery]:
    _, ended = cancel(COMMAND, known=None, deliveries=(known,), notices=notices, endpoints=(endpoint(), endpoint("b")))
    assert isinstance(ended.state, Delivery)
    return ended


def test_a_delivery_taken_back_is_cancelled_and_its_key_is_dropped() -> None:
    ended = cancelled(delivery())
    (event,) = ended.events
    assert isinstance(event, DeliveryCancelled)
    assert (ended.state.status, ended.state.sealed_key, ended.state.ended_at) == (Status.CANCELLED, "", LATER)
    assert (event.cause, event.disclosed, event.version) == ("revoked", False, 2)


def test_who_was_told_is_told_that_it_was_taken_back() -> None:
    told = notice(state=NoticeState.SENT, claims=1, due_at=None)
    (revoked,) = cancelled(delivery(), told).also
    assert isinstance(revoked, Notice)
    assert (revoked.kind, revoked.endpoint_id, revoked.due_at) == (NoticeKind.REVOKED, told.endpoint_id, LATER)
    assert revoked.webhook_id != told.webhook_id


def test_who_was_never_told_is_told_nothing() -> None:
    (dropped,) = cancelled(delivery(), notice()).also
    assert isinstance(dropped, Notice)
    assert (dropped.state, dropped.due_at) == (NoticeState.DROPPED, None)


def test_an_attempt_under_way_may_arrive_and_so_is_followed_by_the_other_notice() -> None:
    dropped, revoked = cancelled(delivery(), notice(claims=1)).also
    assert isinstance(dropped, Notice)
    assert isinstance(revoked, Notice)
    assert (dropped.state, revoked.kind) == (NoticeState.DROPPED, NoticeKind.REVOKED)


def test_who_has_opened_it_is_told_at_every_endpoint_and_the_event_says_so() -> None:
    ended = cancelled(opened())
    (event,) = ended.events
    assert isinstance(event, DeliveryCancelled)
    assert event.disclosed
    assert [one.endpoint_id for one in ended.also if isinstance(one, Notice)] == ["end_b", "end_main"]


@pytest.mark.parametrize(
    "known", [delivery(status=Status.CANCELLED), delivery(request_id="req_2")], ids=["cancelled already", "another's"]
)
def test_what_has_ended_or_is_another_requests_is_left_alone(known: Delivery) -> None:
    assert len(cancel(COMMAND, known=None, deliveries=(known,), notices=(), endpoints=())) == 1


def test_what_nobody_opened_in_time_runs_out() -> None:
    over = delivery(expires_at=AT)
    verdict = expire(over, Expire(delivery_id=over.delivery_id, at=AT), notices=(), endpoints=())
    assert isinstance(verdict, Decision)
    (event,) = verdict.events
    assert isinstance(event, DeliveryCancelled)
    assert event.cause == "expired"


NOT_EXPIRED = {
    "there is none": None,
    "it was opened": opened(expires_at=AT),
    "it was cancelled": delivery(status=Status.CANCELLED, expires_at=AT),
    "it has time left": delivery(),
}


@pytest.mark.parametrize("known", NOT_EXPIRED.values(), ids=NOT_EXPIRED.keys())
def test_nothing_runs_out_when(known: Delivery | None) -> None:
    verdict = expire(known, Expire(delivery_id=delivery().delivery_id, at=AT), notices=(), endpoints=())
    assert isinstance(verdict, Refusal)
    assert verdict.reason is Reason.CONFLICT
