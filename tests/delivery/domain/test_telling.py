"""When a recipient is told, told again, and given up."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from contracts.delivery.v1 import DeliveryAbandoned
from contracts.problem import Reason
from services.chassis.decision import Decision, Refusal
from services.delivery.domain import (
    Answer,
    Attempted,
    Claim,
    Delivery,
    Endpoint,
    EndpointState,
    Notice,
    NoticeKind,
    NoticeState,
    Status,
    attempted,
    catch_up,
    caught_up,
    claim,
    notices_for,
    pause_after,
)
from services.delivery.domain.telling import CLAIM, PAUSES, body_of
from tests.delivery.scene import AT, delivery, endpoint, notice, opened

SECOND = timedelta(seconds=1)
CLAIMED = notice(claims=1, due_at=AT + CLAIM)
SCHEDULE = {
    1: 5,
    2: 5 * 60,
    3: 30 * 60,
    4: 2 * 3600,
    5: 5 * 3600,
    6: 10 * 3600,
    7: 14 * 3600,
    8: 20 * 3600,
    9: 24 * 3600,
}


@pytest.mark.parametrize(("failures", "seconds"), SCHEDULE.items(), ids=[f"after {n}" for n in SCHEDULE])
def test_the_pause_follows_the_schedule_within_its_jitter(failures: int, seconds: int) -> None:
    pauses = [pause_after(failures, f"notice-{number}") for number in range(300)]
    found = [pause.total_seconds() for pause in pauses if pause]
    assert all(0.8 * seconds <= pause <= 1.2 * seconds for pause in found)
    assert max(found) - min(found) > 0.3 * seconds


def test_the_attempts_span_75_hours_35_minutes_and_5_seconds() -> None:
    assert sum(PAUSES, timedelta()) == timedelta(hours=75, minutes=35, seconds=5)


def test_after_the_tenth_failure_it_is_given_up() -> None:
    assert pause_after(10, "notice") is None


def test_the_same_notice_draws_the_same_pause() -> None:
    assert pause_after(3, "notice") == pause_after(3, "notice")


def test_a_notice_carries_ids_a_link_and_a_digest_and_nothing_else() -> None:
    (made,) = notices_for(delivery(), NoticeKind.AVAILABLE, [endpoint()], AT + SECOND)
    told = json.loads(made.body)
    assert told == {
        "type": "transcript.available",
        "timestamp": "2026-11-24T12:00:00.000Z",
        "data": {
            "delivery_id": "dlv_1",
            "request_id": "req_1",
            "link": "https://placet.example/delivery/deliveries/dlv_1",
            "digest": delivery().package_digest,
        },
    }
    assert len(made.body) < 20_000
    # What is signed is `{id}.{timestamp}.{body}`: a dot inside the id could be read as the next part.
    assert "." not in made.webhook_id


def test_the_same_notice_made_later_has_the_same_bytes_and_id() -> None:
    (now,) = notices_for(delivery(), NoticeKind.AVAILABLE, [endpoint()], AT)
    (later,) = notices_for(delivery(), NoticeKind.AVAILABLE, [endpoint()], AT + timedelta(days=3))
    assert (now.webhook_id, now.body) == (later.webhook_id, later.body)


def test_a_ping_names_the_endpoint_alone() -> None:
    assert json.loads(body_of(NoticeKind.PING, None, AT, ping="main"))["data"] == {"endpoint": "main"}


def claimed(known: Notice | None = None, **around: Any) -> Decision[Notice] | Refusal:
    surroundings: dict[str, Any] = {"endpoint": endpoint(), "delivery": delivery(), "others": ()} | around
    return claim(known or notice(), Claim(notice_id="x", at=AT), **surroundings)


NOT_DUE = {
    "it was sent": notice(state=NoticeState.SENT),
    "it has no time": notice(due_at=None),
    "its time is not yet": notice(due_at=AT + SECOND),
}


@pytest.mark.parametrize("known", NOT_DUE.values(), ids=NOT_DUE.keys())
def test_no_attempt_is_begun_when(known: Notice) -> None:
    assert isinstance(claimed(known), Refusal)


def test_no_attempt_is_begun_for_a_notice_that_is_not_there() -> None:
    verdict = claim(None, Claim(notice_id="x", at=AT), endpoint=endpoint(), delivery=delivery(), others=())
    assert isinstance(verdict, Refusal)


def test_an_attempt_claims_the_notice_for_longer_than_it_can_take() -> None:
    verdict = claimed()
    assert isinstance(verdict, Decision)
    assert (verdict.state.claims, verdict.state.due_at) == (1, AT + CLAIM)


NEEDLESS = {
    "there is no delivery": None,
    "it was taken back": delivery(status=Status.CANCELLED),
    "it ran out": delivery(expires_at=AT),
}


@pytest.mark.parametrize("known", NEEDLESS.values(), ids=NEEDLESS.keys())
def test_a_notice_that_nobody_needs_is_dropped_when(known: Delivery | None) -> None:
    verdict = claimed(delivery=known)
    assert isinstance(verdict, Decision)
    assert (verdict.state.state, verdict.state.due_at) == (NoticeState.DROPPED, None)


def test_that_something_was_taken_back_is_told_although_it_was() -> None:
    verdict = claimed(notice(kind=NoticeKind.REVOKED), delivery=delivery(status=Status.CANCELLED))
    assert isinstance(verdict, Decision)
    assert verdict.state.claims == 1


@pytest.mark.parametrize("gone", [None, endpoint(state=EndpointState.DISABLED)], ids=["removed", "disabled"])
def test_with_the_endpoint_gone_the_delivery_waits_for_another(gone: Endpoint | None) -> None:
    verdict = claimed(endpoint=gone)
    assert isinstance(verdict, Decision)
    (event,) = verdict.events
    (abandoned,) = verdict.also
    assert isinstance(event, DeliveryAbandoned)
    assert isinstance(abandoned, Delivery)
    assert (event.cause, abandoned.status, abandoned.untold) == ("endpoint-gone", Status.ABANDONED, True)


def ended(
    answer: Answer,
    known: Notice | None = CLAIMED,
    *,
    number: int = 1,
    retry_after: timedelta | None = None,
    **around: Any,
) -> Decision[Notice] | Refusal:
    surroundings: dict[str, Any] = {"endpoint": endpoint(), "delivery": delivery(), "others": ()} | around
    command = Attempted(notice_id="x", claim=number, answer=answer, said="said", retry_after=retry_after, at=AT)
    return attempted(known, command, **surroundings)


def test_what_was_taken_is_sent_and_nothing_else_changes() -> None:
    verdict = ended(Answer.TAKEN)
    assert isinstance(verdict, Decision)
    assert (verdict.state.state, verdict.state.due_at, verdict.state.last_said) == (NoticeState.SENT, None, "said")
    assert (list(verdict.events), list(verdict.also)) == ([], [])


def test_success_ends_the_time_of_failing() -> None:
    verdict = ended(Answer.TAKEN, endpoint=endpoint(failing_since=AT))
    assert isinstance(verdict, Decision)
    assert list(verdict.also) == [endpoint()]


def test_success_counts_also_from_an_attempt_that_came_back_late() -> None:
    verdict = ended(Answer.TAKEN, replace(CLAIMED, claims=2), number=1, endpoint=None)
    assert isinstance(verdict, Decision)
    assert verdict.state.state is NoticeState.SENT


def test_a_failure_that_came_back_late_counts_nothing() -> None:
    assert isinstance(ended(Answer.FAILED, replace(CLAIMED, claims=2), number=1), Refusal)


@pytest.mark.parametrize("known", [None, notice(state=NoticeState.DROPPED)], ids=["not there", "dropped meanwhile"])
def test_nothing_is_written_about_a_notice(known: Notice | None) -> None:
    assert isinstance(ended(Answer.TAKEN, known), Refusal)


def test_a_failure_waits_and_marks_since_when_the_endpoint_fails() -> None:
    verdict = ended(Answer.FAILED)
    assert isinstance(verdict, Decision)
    assert verdict.state.failures == 1
    assert verdict.state.due_at is not None
    assert 4 * SECOND <= verdict.state.due_at - AT <= 6 * SECOND
    assert list(verdict.also) == [endpoint(failing_since=AT)]


def test_our_own_fault_is_never_charged_to_the_recipient() -> None:
    verdict = ended(Answer.NOT_OURS_TO_SAY)
    assert isinstance(verdict, Decision)
    assert (verdict.state.failures, verdict.state.due_at, list(verdict.also)) == (0, AT + 5 * SECOND, [])


RETRY_AFTER = {
    "an hour is honoured": (timedelta(hours=1), timedelta(hours=1)),
    "a year is cut to a day": (timedelta(days=365), timedelta(hours=24)),
}


@pytest.mark.parametrize(("asked", "waited"), RETRY_AFTER.values(), ids=RETRY_AFTER.keys())
def test_a_recipient_that_throttles_is_given_the_time_it_asks_for(asked: timedelta, waited: timedelta) -> None:
    verdict = ended(Answer.THROTTLED, retry_after=asked)
    assert isinstance(verdict, Decision)
    assert verdict.state.due_at == AT + waited


@pytest.mark.parametrize("asked", [None, SECOND], ids=["nothing asked", "less than the schedule"])
def test_a_recipient_that_throttles_waits_at_least_as_scheduled(asked: timedelta | None) -> None:
    verdict = ended(Answer.THROTTLED, retry_after=asked)
    assert isinstance(verdict, Decision)
    assert verdict.state.due_at is not None
    assert verdict.state.due_at - AT >= 4 * SECOND


def test_410_disables_the_endpoint_and_is_not_tried_again() -> None:
    verdict = ended(Answer.GONE)
    assert isinstance(verdict, Decision)
    abandoned, disabled = verdict.also
    assert isinstance(abandoned, Delivery)
    assert isinstance(disabled, Endpoint)
    assert (verdict.state.state, verdict.state.due_at) == (NoticeState.FAILED, None)
    assert (disabled.state, disabled.why) == (EndpointState.DISABLED, "gone")
    assert (abandoned.status, abandoned.cause, abandoned.untold) == (Status.ABANDONED, "endpoint-gone", True)


def test_the_tenth_failure_abandons_but_the_delivery_can_still_be_fetched() -> None:
    verdict = ended(Answer.FAILED, replace(CLAIMED, failures=9), endpoint=endpoint(failing_since=AT))
    assert isinstance(verdict, Decision)
    (event,) = verdict.events
    (abandoned,) = verdict.also
    assert isinstance(event, DeliveryAbandoned)
    assert isinstance(abandoned, Delivery)
    assert (event.cause, event.version, verdict.state.state) == ("attempts-exhausted", 2, NoticeState.FAILED)
    assert (abandoned.status, abandoned.untold, abandoned.sealed_key) == (
        Status.ABANDONED,
        False,
        delivery().sealed_key,
    )


HOPES = {
    "another endpoint was told": notice(notice_id="n:b", state=NoticeState.SENT),
    "another endpoint is still tried": notice(notice_id="n:b"),
}


@pytest.mark.parametrize("other", HOPES.values(), ids=HOPES.keys())
def test_it_is_not_abandoned_while(other: Notice) -> None:
    verdict = ended(Answer.FAILED, replace(CLAIMED, failures=9), others=(CLAIMED, other))
    assert isinstance(verdict, Decision)
    assert list(verdict.events) == []


def test_what_was_opened_is_not_abandoned_any_more() -> None:
    verdict = ended(Answer.FAILED, replace(CLAIMED, failures=9), delivery=opened(), endpoint=None)
    assert isinstance(verdict, Decision)
    assert list(verdict.events) == []


def test_a_ping_that_fails_abandons_nothing() -> None:
    ping = replace(CLAIMED, kind=NoticeKind.PING, delivery_id=None, failures=9)
    verdict = ended(Answer.FAILED, ping, delivery=None)
    assert isinstance(verdict, Decision)
    assert list(verdict.events) == []


def test_five_days_of_nothing_but_failures_disable_an_endpoint() -> None:
    verdict = ended(Answer.FAILED, endpoint=endpoint(failing_since=AT - timedelta(days=5)))
    assert isinstance(verdict, Decision)
    (disabled,) = verdict.also
    assert isinstance(disabled, Endpoint)
    assert (disabled.state, disabled.why, disabled.version) == (EndpointState.DISABLED, "failing", 2)


@pytest.mark.parametrize(
    "known",
    [None, endpoint(state=EndpointState.DISABLED), endpoint(failing_since=AT - timedelta(days=4))],
    ids=["not there", "disabled already", "failing for four days"],
)
def test_a_failure_leaves_an_endpoint_as_it_is_when_it_is(known: Endpoint | None) -> None:
    verdict = ended(Answer.FAILED, endpoint=known)
    assert isinstance(verdict, Decision)
    assert list(verdict.also) == []


def test_a_new_endpoint_is_told_of_what_nobody_was_told() -> None:
    verdict = catch_up(delivery(untold=True), endpoint(), [endpoint()], at=AT)
    assert isinstance(verdict, Decision)
    (told,) = verdict.also
    assert isinstance(told, Notice)
    assert (verdict.state.untold, told.due_at) == (False, AT)


NOTHING_MISSED = {
    "the endpoint is gone": (delivery(untold=True), None),
    "the endpoint is disabled": (delivery(untold=True), endpoint(state=EndpointState.DISABLED)),
    "there is no delivery": (None, endpoint()),
    "it was told": (delivery(), endpoint()),
    "it was taken back": (delivery(untold=True, status=Status.CANCELLED), endpoint()),
    "it ran out": (delivery(untold=True, expires_at=AT), endpoint()),
}


@pytest.mark.parametrize(("known", "where"), NOTHING_MISSED.values(), ids=NOTHING_MISSED.keys())
def test_nothing_is_caught_up_when(known: Delivery | None, where: Endpoint | None) -> None:
    verdict = catch_up(known, where, [endpoint()], at=AT)
    assert isinstance(verdict, Refusal)
    assert verdict.reason is Reason.CONFLICT


def test_an_endpoint_stops_catching_up_a_minute_after_it_was_made() -> None:
    young = endpoint(catching_up=True)
    assert isinstance(caught_up(young, at=AT + timedelta(seconds=59)), Refusal)
    assert isinstance(caught_up(None, at=AT), Refusal)
    assert isinstance(caught_up(endpoint(), at=AT + timedelta(days=1)), Refusal)
    verdict = caught_up(young, at=AT + timedelta(minutes=1))
    assert isinstance(verdict, Decision)
    assert not verdict.state.catching_up
