"""No is as easy as yes: refused, taken back, expired, overtaken, readdressed. And a stranger learns nothing."""

from datetime import timedelta

import pytest

from contracts.consent.v1 import ConsentExpired, ConsentInvalidated, ConsentReaddressed, ConsentRefused, ConsentRevoked
from contracts.problem import Reason
from contracts.types import Capacity, PersonId
from services.chassis.decision import Decision, Refusal
from services.consent.domain import (
    Expire,
    Refuse,
    Request,
    Stage,
    Status,
    Student,
    expire,
    invalidate,
    readdress,
    refuse,
    revoke,
)
from tests.consent.build import (
    AT,
    GUARDIAN,
    LATER,
    OTHER_GUARDIAN,
    OTHER_SCHOOL,
    REGISTRAR,
    REQUEST,
    SCHOOL,
    STRANGER,
    STUDENT,
    a_request,
    a_signed_request,
    a_student,
    an_adult,
    an_approved_request,
    to_refuse,
    to_revoke,
)

ENDS = [Status.REFUSED, Status.REVOKED, Status.EXPIRED, Status.INVALIDATED]
BY_SCHOOL = {"person_id": REGISTRAR, "school_id": SCHOOL}
BY_OTHER_SCHOOL = {"person_id": REGISTRAR, "school_id": OTHER_SCHOOL}


@pytest.mark.parametrize(
    ("command", "capacity"),
    [(to_refuse(), Capacity.GUARDIAN), (to_refuse(**BY_SCHOOL), Capacity.REGISTRAR)],
    ids=["the guardian", "the school"],
)
@pytest.mark.parametrize("request_", [a_request(), a_signed_request()], ids=["open", "signed"])
def test_who_would_have_to_approve_may_refuse(request_: Request, command: Refuse, capacity: Capacity) -> None:
    verdict = refuse(request_, command, student=a_student())
    assert isinstance(verdict, Decision)
    (event,) = verdict.events
    assert isinstance(event, ConsentRefused)
    assert (verdict.state.status, verdict.state.version) == (Status.REFUSED, request_.version + 1)
    assert (event.refused_by, event.refused_as) == (command.person_id, capacity)


def test_a_student_of_18_refuses_in_their_own_right() -> None:
    verdict = refuse(a_request(), to_refuse(person_id=STUDENT), student=an_adult())
    assert isinstance(verdict, Decision)
    assert verdict.state.story[-1].capacity is Capacity.ELIGIBLE_STUDENT


STRANGERS = [
    pytest.param(None, {}, a_student(), id="there is no such request"),
    pytest.param(a_request(), {"person_id": STRANGER}, a_student(), id="a stranger"),
    pytest.param(a_request(), BY_OTHER_SCHOOL, a_student(), id="another school"),
    pytest.param(a_request(), {}, None, id="nothing is known of the student"),
    pytest.param(a_request(), {}, an_adult(), id="the guardian, after the 18th birthday"),
    pytest.param(a_request(status=Status.EXPIRED), {"person_id": STRANGER}, a_student(), id="a stranger, though ended"),
]


@pytest.mark.parametrize(("request_", "who", "student"), STRANGERS)
def test_a_stranger_can_not_refuse_and_learns_nothing(
    request_: Request | None, who: dict[str, PersonId], student: Student | None
) -> None:
    verdict = refuse(request_, to_refuse(**who), student=student)
    assert verdict == Refusal(Reason.NOT_FOUND, "there is no such request for you to answer")


@pytest.mark.parametrize(("request_", "who", "student"), STRANGERS)
def test_a_stranger_can_not_take_back_and_learns_nothing(
    request_: Request | None, who: dict[str, PersonId], student: Student | None
) -> None:
    verdict = revoke(request_, to_revoke(**who), student=student)
    assert verdict == Refusal(Reason.NOT_FOUND, "there is no such request for you to take back")


def test_the_student_who_only_asked_can_not_refuse() -> None:
    assert isinstance(refuse(a_request(), to_refuse(person_id=STUDENT), student=a_student()), Refusal)


@pytest.mark.parametrize("status", [*ENDS, Status.APPROVED], ids=str)
def test_what_has_ended_can_not_be_refused(status: Status) -> None:
    request = an_approved_request(status=status)
    verdict = refuse(request, to_refuse(), student=a_student())
    if status is Status.REFUSED:
        assert verdict == Decision(request)
    else:
        assert verdict == Refusal(Reason.CONFLICT, f"the request is already {status}")


@pytest.mark.parametrize(
    ("request_", "who", "student", "capacity"),
    [
        pytest.param(a_request(), {}, a_student(), Capacity.GUARDIAN, id="the guardian, while open"),
        pytest.param(an_approved_request(), {}, a_student(), Capacity.GUARDIAN, id="the guardian, afterwards"),
        pytest.param(an_approved_request(), BY_SCHOOL, a_student(), Capacity.REGISTRAR, id="the school, afterwards"),
        pytest.param(
            a_request(), {"person_id": STUDENT}, a_student(), Capacity.STUDENT_DIRECTION, id="who asked, while open"
        ),
        pytest.param(
            an_approved_request(),
            {"person_id": STUDENT},
            an_adult(),
            Capacity.ELIGIBLE_STUDENT,
            id="the student of 18, what a guardian had approved",
        ),
    ],
)
def test_who_may_take_back(request_: Request, who: dict[str, PersonId], student: Student, capacity: Capacity) -> None:
    verdict = revoke(request_, to_revoke(**who), student=student)
    assert isinstance(verdict, Decision)
    (event,) = verdict.events
    assert isinstance(event, ConsentRevoked)
    assert (verdict.state.status, event.revoked_as, event.revoked_at) == (Status.REVOKED, capacity, LATER)
    assert event.after_approval is (request_.status is Status.APPROVED)
    expected = Stage.CANCELLED if request_.status is Status.APPROVED else Stage.NOT_RELEASED
    assert verdict.state.stage is expected


def test_who_asked_and_took_back_is_told_so_when_they_ask_again() -> None:
    command = to_revoke(person_id=STUDENT)
    first = revoke(a_request(), command, student=a_student())
    assert isinstance(first, Decision)
    assert revoke(first.state, command, student=a_student()) == Decision(first.state)


def test_who_only_asked_learns_nothing_of_an_approval_that_others_took_back() -> None:
    request = an_approved_request(status=Status.REVOKED)
    verdict = revoke(request, to_revoke(person_id=STUDENT), student=a_student())
    assert isinstance(verdict, Refusal)


def test_the_student_under_18_can_not_take_back_what_was_approved() -> None:
    verdict = revoke(an_approved_request(), to_revoke(person_id=STUDENT), student=a_student())
    assert isinstance(verdict, Refusal)
    assert verdict.reason is Reason.NOT_FOUND


@pytest.mark.parametrize("status", ENDS, ids=str)
def test_what_has_ended_can_not_be_taken_back(status: Status) -> None:
    request = a_request(status=status)
    verdict = revoke(request, to_revoke(), student=a_student())
    if status is Status.REVOKED:
        assert verdict == Decision(request)
    else:
        assert verdict == Refusal(Reason.CONFLICT, f"the request is already {status}")


def expiring(request: Request | None, at: timedelta) -> Decision[Request] | Refusal:
    return expire(request, Expire(request_id=REQUEST, at=AT + at))


def test_nobody_signed_in_time() -> None:
    verdict = expiring(a_request(), timedelta(days=30))
    assert isinstance(verdict, Decision)
    (event,) = verdict.events
    assert isinstance(event, ConsentExpired)
    assert verdict.state.status is Status.EXPIRED


@pytest.mark.parametrize(
    ("request_", "at", "words"),
    [
        pytest.param(None, timedelta(days=31), "ended already", id="there is no such request"),
        pytest.param(an_approved_request(), timedelta(days=31), "ended already", id="it was approved meanwhile"),
        pytest.param(a_request(), timedelta(days=29), "time left", id="there is time left"),
    ],
)
def test_what_does_not_expire(request_: Request | None, at: timedelta, words: str) -> None:
    verdict = expiring(request_, at)
    assert isinstance(verdict, Refusal)
    assert words in verdict.detail


def test_an_approval_stands_when_a_new_version_is_sealed() -> None:
    assert isinstance(invalidate(an_approved_request(), cause="version-superseded", at=LATER), Refusal)
    verdict = invalidate(a_request(), cause="version-superseded", at=LATER)
    assert isinstance(verdict, Decision)
    (event,) = verdict.events
    assert isinstance(event, ConsentInvalidated)
    assert (verdict.state.status, event.cause) == (Status.INVALIDATED, "version-superseded")


def test_a_request_goes_to_those_who_sign_now() -> None:
    verdict = readdress(a_request(), student=an_adult(), at=LATER)
    assert isinstance(verdict, Decision)
    (event,) = verdict.events
    assert isinstance(event, ConsentReaddressed)
    assert verdict.state.signers == event.signers == (STUDENT,)
    assert verdict.state.status is Status.OPEN


def test_a_signature_that_is_no_longer_theirs_to_give_falls_away_with_its_ground() -> None:
    verdict = readdress(a_signed_request(), student=an_adult(), at=LATER)
    assert isinstance(verdict, Decision)
    state = verdict.state
    assert (state.status, state.signature, state.basis) == (Status.OPEN, None, None)


def test_a_signature_stays_while_its_giver_is_a_guardian() -> None:
    verdict = readdress(a_signed_request(), student=a_student(guardians=(GUARDIAN, OTHER_GUARDIAN)), at=LATER)
    assert isinstance(verdict, Decision)
    assert verdict.state.status is Status.SIGNED
    assert verdict.state.signature == a_signed_request().signature
    assert verdict.state.basis == a_signed_request().basis


@pytest.mark.parametrize(
    ("request_", "student"),
    [(a_request(), a_student()), (an_approved_request(), an_adult())],
    ids=["the same people", "approved already"],
)
def test_where_nobody_else_signs_nothing_changes(request_: Request, student: Student) -> None:
    assert isinstance(readdress(request_, student=student, at=LATER), Refusal)
