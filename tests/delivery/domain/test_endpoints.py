"""Endpoints: made, changed, rotated, removed, tried, told again."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from contracts.problem import Reason
from contracts.types import EndpointId
from services.chassis.decision import Decision, Refusal
from services.delivery.domain import (
    NO_SUCH_ENDPOINT,
    Delivery,
    Endpoint,
    EndpointState,
    Notice,
    NoticeKind,
    NoticeState,
    Ping,
    Put,
    Remove,
    Replay,
    Rotate,
    Secret,
    Status,
    ping,
    put,
    remove,
    replay,
    rotate,
    signing,
)
from tests.delivery.scene import AT, COLLEGE, OTHER, delivery, endpoint, notice

LATER = AT + timedelta(hours=1)
ID = EndpointId("end_main")
REMOVED = endpoint(state=EndpointState.REMOVED, secrets=())


def putting(**changes: Any) -> Put:
    command = Put(
        endpoint_id=ID,
        recipient_id=COLLEGE,
        name="main",
        url=endpoint().url,
        description="",
        sealed_secret="fresh",
        at=LATER,
    )
    return replace(command, **changes)


@pytest.mark.parametrize("before", [None, REMOVED], ids=["new", "removed before"])
def test_a_new_endpoint_has_a_fresh_secret_and_looks_for_what_it_missed(before: Endpoint | None) -> None:
    verdict = put(before, putting(), siblings=[before] if before else [])
    assert isinstance(verdict, Decision)
    assert verdict.state.secrets == (Secret("fresh", LATER),)
    assert (verdict.state.state, verdict.state.catching_up) == (EndpointState.ACTIVE, True)


def test_putting_the_same_again_changes_nothing() -> None:
    verdict = put(endpoint(), putting(), siblings=[endpoint()])
    assert isinstance(verdict, Decision)
    assert verdict.state == endpoint()


def test_a_change_keeps_the_secret() -> None:
    verdict = put(endpoint(failing_since=AT), putting(url="https://other.example/"), siblings=[endpoint()])
    assert isinstance(verdict, Decision)
    assert verdict.state.secrets == endpoint().secrets
    assert (verdict.state.url, verdict.state.failing_since) == ("https://other.example/", None)


def test_saving_enables_a_disabled_endpoint() -> None:
    verdict = put(endpoint(state=EndpointState.DISABLED, why="gone"), putting(), siblings=[])
    assert isinstance(verdict, Decision)
    assert (verdict.state.state, verdict.state.why, verdict.state.catching_up) == (EndpointState.ACTIVE, None, True)


def test_a_recipient_has_five_endpoints_at_the_most() -> None:
    five = [endpoint(str(number)) for number in range(5)]
    verdict = put(None, putting(), siblings=five)
    assert isinstance(verdict, Refusal)
    assert verdict.reason is Reason.CONFLICT
    assert isinstance(put(None, putting(), siblings=[*five[:4], REMOVED]), Decision)


def test_a_removed_endpoint_has_no_secrets() -> None:
    verdict = remove(endpoint(), Remove(endpoint_id=ID, at=LATER))
    assert isinstance(verdict, Decision)
    assert (verdict.state.state, verdict.state.secrets) == (EndpointState.REMOVED, ())


def test_both_secrets_sign_for_a_day_after_a_rotation() -> None:
    verdict = rotate(endpoint(), Rotate(endpoint_id=ID, sealed_secret="fresh", at=LATER))
    assert isinstance(verdict, Decision)
    day = timedelta(hours=24)
    assert [one.sealed for one in signing(verdict.state, LATER)] == ["fresh", "sealed-secret"]
    assert [one.sealed for one in signing(verdict.state, LATER + day - timedelta(seconds=1))] == [
        "fresh",
        "sealed-secret",
    ]
    assert [one.sealed for one in signing(verdict.state, LATER + day)] == ["fresh"]


def test_a_second_rotation_does_not_lengthen_the_life_of_the_first_secret() -> None:
    first = rotate(endpoint(), Rotate(endpoint_id=ID, sealed_secret="second", at=AT))
    assert isinstance(first, Decision)
    again = rotate(first.state, Rotate(endpoint_id=ID, sealed_secret="third", at=LATER))
    assert isinstance(again, Decision)
    assert [one.until for one in again.state.secrets] == [None, LATER + timedelta(days=1), AT + timedelta(days=1)]


GONE = [None, REMOVED]


@pytest.mark.parametrize("known", GONE, ids=["missing", "removed"])
def test_nothing_is_done_with_an_endpoint_that_is(known: Endpoint | None) -> None:
    assert remove(known, Remove(endpoint_id=ID, at=AT)) == NO_SUCH_ENDPOINT
    assert rotate(known, Rotate(endpoint_id=ID, sealed_secret="x", at=AT)) == NO_SUCH_ENDPOINT
    assert ping(known, Ping(endpoint_id=ID, webhook_id="msg_1", at=AT)) == NO_SUCH_ENDPOINT


def test_a_ping_is_due_now() -> None:
    verdict = ping(endpoint(), Ping(endpoint_id=ID, webhook_id="msg_1", at=AT))
    assert isinstance(verdict, Decision)
    assert (verdict.state.kind, verdict.state.due_at, verdict.state.delivery_id) == (NoticeKind.PING, AT, None)


def test_a_disabled_endpoint_is_not_pinged() -> None:
    verdict = ping(endpoint(state=EndpointState.DISABLED), Ping(endpoint_id=ID, webhook_id="msg_1", at=AT))
    assert isinstance(verdict, Refusal)
    assert verdict.reason is Reason.CONFLICT


def again(at: Any = LATER, recipient_id: Any = COLLEGE) -> Replay:
    return Replay(delivery_id=delivery().delivery_id, recipient_ids=(recipient_id,), at=at)


def test_a_replay_sends_the_same_bytes_under_the_same_id() -> None:
    sent = notice(
        notice_id="msg_1_available:end_main", body="the very bytes", state=NoticeState.SENT, claims=2, due_at=None
    )
    verdict = replay(delivery(), again(), endpoints=[endpoint()], notices=[sent])
    assert isinstance(verdict, Decision)
    (told,) = verdict.also
    assert told == replace(sent, state=NoticeState.WAITING, due_at=LATER)


def test_a_replay_tells_an_endpoint_that_was_never_told() -> None:
    verdict = replay(delivery(untold=True), again(), endpoints=[endpoint()], notices=[])
    assert isinstance(verdict, Decision)
    (told,) = verdict.also
    assert isinstance(told, Notice)
    assert (told.kind, verdict.state.untold) == (NoticeKind.AVAILABLE, False)


def test_a_replay_of_what_was_taken_back_says_that_it_was() -> None:
    verdict = replay(delivery(status=Status.CANCELLED, ended_at=AT), again(), endpoints=[endpoint()], notices=[])
    assert isinstance(verdict, Decision)
    (told,) = verdict.also
    assert isinstance(told, Notice)
    assert told.kind is NoticeKind.REVOKED


NOT_REPLAYED = {
    "there is none": (None, again(), [endpoint()], Reason.NOT_FOUND),
    "it is another recipient's": (delivery(), again(recipient_id=OTHER), [endpoint()], Reason.NOT_FOUND),
    "it is older than 30 days": (delivery(), again(AT + timedelta(days=31)), [endpoint()], Reason.EXPIRED),
    "there is no endpoint": (delivery(), again(), [], Reason.CONFLICT),
    "the endpoint is another recipient's": (delivery(), again(), [endpoint(recipient_id=OTHER)], Reason.CONFLICT),
}


@pytest.mark.parametrize(("known", "command", "where", "reason"), NOT_REPLAYED.values(), ids=NOT_REPLAYED.keys())
def test_nothing_is_replayed_when(
    known: Delivery | None, command: Replay, where: list[Endpoint], reason: Reason
) -> None:
    verdict = replay(known, command, endpoints=where, notices=[])
    assert isinstance(verdict, Refusal)
    assert verdict.reason is reason
