"""Approvals, revocations and holds as decisions."""

from dataclasses import replace

import pytest

from contracts.problem import Reason
from contracts.records.v1 import HoldLifted, HoldPlaced, ReleaseWithheld, TranscriptReleased
from contracts.types import OrganizationId, RequestId
from services.chassis.decision import Decision, Refusal
from services.records.domain.releasing import (
    LONGEST_HOLD,
    LiftHold,
    PlaceHold,
    Revoked,
    expire_waiting,
    lift_hold,
    place_hold,
    release,
    revoke,
)
from services.records.domain.state import HoldReason, Release, ReleaseStatus
from tests.records.domain.values import (
    AT,
    DAY,
    HELD,
    OTHER,
    REGISTRAR,
    SCHOOL,
    SEALED_ONE,
    STUDENT,
    TRANSCRIPT,
    WITHDRAWN,
    approved,
)

REVOKED = Revoked(
    request_id=RequestId("req_1"),
    school_id=SCHOOL,
    student_id=STUDENT,
    recipient_id=OrganizationId("org_college"),
    at=AT,
)


def waiting():
    decision = release(None, approved(), transcript=HELD)
    assert isinstance(decision, Decision)
    return decision.state


@pytest.mark.parametrize(
    ("transcript", "command", "status", "cause"),
    [
        (SEALED_ONE, approved(), ReleaseStatus.RELEASED, ""),
        (HELD, approved(), ReleaseStatus.WAITING, "hold"),
        (HELD, approved(at=AT + 31 * DAY), ReleaseStatus.RELEASED, ""),
        (WITHDRAWN, approved(), ReleaseStatus.ENDED, "withdrawn"),
        (replace(WITHDRAWN, number=2), approved(transcript_version=2), ReleaseStatus.RELEASED, ""),
        (SEALED_ONE, approved(expires_at=AT), ReleaseStatus.ENDED, "expired"),
        (HELD, approved(expires_at=AT), ReleaseStatus.ENDED, "expired"),
    ],
    ids=[
        "nothing against it",
        "held",
        "hold over",
        "withdrawn",
        "newer than the withdrawal",
        "expired",
        "expired, held",
    ],
)
def test_an_approval_is_met_by_how_things_stand(transcript, command, status, cause) -> None:
    decision = release(None, command, transcript=transcript)
    assert isinstance(decision, Decision)
    assert (decision.state.status, decision.state.cause, decision.state.version) == (status, cause, 1)
    (event,) = decision.events
    assert isinstance(event, TranscriptReleased if status is ReleaseStatus.RELEASED else ReleaseWithheld)
    assert getattr(event, "cause", "") == cause
    assert bool(decision.state.sealed_key) is (status is not ReleaseStatus.ENDED)


def test_a_release_on_hold_writes_the_transcript_too_so_that_a_lifting_beside_it_is_met() -> None:
    decision = release(None, approved(), transcript=HELD)
    assert isinstance(decision, Decision) and decision.also == [HELD]


def test_one_grant_has_one_answer() -> None:
    first = release(None, approved(), transcript=SEALED_ONE)
    assert isinstance(first, Decision)
    for again in (approved(), approved(grant_id="grt_2")):
        refusal = release(first.state, again, transcript=SEALED_ONE)
        assert isinstance(refusal, Refusal) and refusal.reason is Reason.CONFLICT


def test_a_release_of_an_unknown_transcript_is_refused() -> None:
    assert isinstance(release(None, approved(), transcript=None), Refusal)


def test_a_revocation_heard_first_ends_the_release() -> None:
    heard = revoke(None, REVOKED)
    assert isinstance(heard, Decision) and heard.events == ()
    decision = release(heard.state, approved(), transcript=SEALED_ONE)
    assert isinstance(decision, Decision) and decision.state.status is ReleaseStatus.ENDED
    (event,) = decision.events
    assert isinstance(event, ReleaseWithheld)
    assert (event.cause, event.version) == ("revoked", 2)


def test_a_revocation_ends_what_waits_and_nothing_else() -> None:
    ended = revoke(waiting(), REVOKED)
    assert isinstance(ended, Decision) and ended.state.cause == "revoked" and ended.state.sealed_key == ""
    assert isinstance(revoke(ended.state, REVOKED), Refusal)


def test_a_waiting_release_ends_with_its_grant() -> None:
    assert isinstance(expire_waiting(None, at=AT), Refusal)
    assert isinstance(expire_waiting(waiting(), at=AT), Refusal)
    ended = expire_waiting(waiting(), at=AT + 180 * DAY)
    assert isinstance(ended, Decision) and ended.state.cause == "expired"
    assert isinstance(expire_waiting(ended.state, at=AT + 181 * DAY), Refusal)


PLACE = PlaceHold(
    transcript_id=TRANSCRIPT,
    school_id=SCHOOL,
    person_id=REGISTRAR,
    hold_id="hld_2",
    reason=HoldReason.REVIEW,
    note=None,
    until=AT + DAY,
    at=AT,
)


@pytest.mark.parametrize(("before", "hold_id"), [(SEALED_ONE, "hld_2"), (HELD, "hld_1")], ids=["new", "changed"])
def test_a_hold_is_placed_or_changed_and_keeps_its_id(before, hold_id) -> None:
    decision = place_hold(before, PLACE)
    assert isinstance(decision, Decision) and decision.state.held(AT)
    (event,) = decision.events
    assert isinstance(event, HoldPlaced) and (event.hold_id, event.reason) == (hold_id, "review")


@pytest.mark.parametrize(
    ("transcript", "command", "reason"),
    [
        (None, PLACE, Reason.NOT_FOUND),
        (SEALED_ONE, replace(PLACE, school_id=OTHER), Reason.NOT_FOUND),
        (SEALED_ONE, replace(PLACE, until=AT), Reason.INVALID),
        (SEALED_ONE, replace(PLACE, until=AT + LONGEST_HOLD + DAY), Reason.INVALID),
    ],
    ids=["no transcript", "another school's", "over before it begins", "too long"],
)
def test_a_hold_is_refused(transcript, command, reason) -> None:
    refusal = place_hold(transcript, command)
    assert isinstance(refusal, Refusal) and refusal.reason is reason


LIFT = LiftHold(transcript_id=TRANSCRIPT, school_id=SCHOOL, at=AT)


def test_a_lifting_lets_go_what_waited_and_leaves_the_rest() -> None:
    gone = release(None, approved(request_id=RequestId("req_2")), transcript=SEALED_ONE)
    assert isinstance(gone, Decision)
    decision = lift_hold(HELD, LIFT, releases=[waiting(), gone.state])
    assert isinstance(decision, Decision) and decision.state.hold is None
    assert [type(event) for event in decision.events] == [HoldLifted, TranscriptReleased]
    (released,) = decision.also
    assert isinstance(released, Release)
    assert (released.status, released.version) == (ReleaseStatus.RELEASED, 2)


@pytest.mark.parametrize(
    ("transcript", "at", "cause"),
    [(replace(HELD, withdrawn_through=1), AT, "withdrawn"), (HELD, AT + 180 * DAY, "expired")],
)
def test_a_lifting_ends_what_can_not_go_any_more(transcript, at, cause) -> None:
    decision = lift_hold(transcript, replace(LIFT, at=at), releases=[waiting()])
    assert isinstance(decision, Decision)
    _, ended = decision.events
    assert isinstance(ended, ReleaseWithheld) and ended.cause == cause


@pytest.mark.parametrize(
    ("transcript", "command", "reason"),
    [
        (None, LIFT, Reason.NOT_FOUND),
        (HELD, replace(LIFT, school_id=OTHER), Reason.NOT_FOUND),
        (SEALED_ONE, LIFT, Reason.CONFLICT),
        (HELD, replace(LIFT, school_id=None), Reason.CONFLICT),
    ],
    ids=["no transcript", "another school's", "no hold", "time not over"],
)
def test_a_lifting_is_refused(transcript, command, reason) -> None:
    refusal = lift_hold(transcript, command, releases=())
    assert isinstance(refusal, Refusal) and refusal.reason is reason


def test_a_hold_ends_by_itself_when_its_time_is_over() -> None:
    decision = lift_hold(HELD, replace(LIFT, school_id=None, at=AT + 30 * DAY), releases=())
    assert isinstance(decision, Decision) and decision.state.hold is None
