"""Opening says what is asked and who must sign. Nothing leaves by it, and a stranger learns nothing from it."""

from datetime import timedelta

import pytest

from contracts.consent.v1 import ConsentOpened
from contracts.problem import Reason
from contracts.types import Capacity, OrganizationKind, Purpose, Selection, Standing
from services.chassis.decision import Decision, Refusal
from services.consent.domain import Opener, Request, Stage, Status, Surroundings, open_request
from services.consent.domain.opening import Open
from tests.consent.build import (
    AT,
    COLLEGE,
    FIRM,
    GUARDIAN,
    PACKAGE_DIGEST,
    REGISTRAR,
    STRANGER,
    STUDENT,
    a_package,
    a_policy,
    a_recipient,
    a_school,
    a_student,
    a_transcript,
    an_adult,
    around,
    to_open,
)


def opened(command: Open | None = None, known: Surroundings | None = None) -> tuple[Request, ConsentOpened]:
    verdict = open_request(command or to_open(), already=None, around=known or around())
    assert isinstance(verdict, Decision)
    (event,) = verdict.events
    assert isinstance(event, ConsentOpened)
    return verdict.state, event


STRANGERS = Opener(STRANGER, Capacity.STUDENT_DIRECTION)
AS_GUARDIAN = Opener(GUARDIAN, Capacity.GUARDIAN)
EMPLOYER = a_recipient(OrganizationKind.EMPLOYER)
SCHOOLS = a_policy(recipient_kinds=tuple(OrganizationKind))

REFUSALS = [
    ("there is no such transcript", to_open(), around(transcript=None), Reason.NOT_FOUND, "no such transcript"),
    ("nothing is known of the student", to_open(), around(student=None), Reason.NOT_FOUND, "no such transcript"),
    ("a stranger", to_open(opener=STRANGERS), around(), Reason.NOT_FOUND, "no such transcript"),
    (
        "a stranger, though it was withdrawn",
        to_open(opener=STRANGERS),
        around(transcript=a_transcript(withdrawn=True)),
        Reason.NOT_FOUND,
        "no such transcript",
    ),
    (
        "somebody who says to be a guardian",
        to_open(opener=Opener(STRANGER, Capacity.GUARDIAN)),
        around(),
        Reason.NOT_FOUND,
        "no such transcript",
    ),
    (
        "the guardian of a student of 18",
        to_open(opener=AS_GUARDIAN),
        around(student=an_adult()),
        Reason.NOT_FOUND,
        "no such transcript",
    ),
    (
        "the transcript was withdrawn",
        to_open(),
        around(transcript=a_transcript(withdrawn=True)),
        Reason.CONFLICT,
        "withdrawn",
    ),
    (
        "no school lists the student",
        to_open(),
        around(student=a_student(active=False)),
        Reason.CONFLICT,
        "no longer lists",
    ),
    ("nothing is known of the school", to_open(), around(school=None), Reason.CONFLICT, "can't release"),
    (
        "the school is suspended",
        to_open(),
        around(school=a_school(standing=Standing.SUSPENDED)),
        Reason.CONFLICT,
        "can't release",
    ),
    ("the school has no policy", to_open(), around(school=a_school(policy=None)), Reason.CONFLICT, "can't release"),
    ("there is no such recipient", to_open(), around(recipient=None), Reason.CONFLICT, "not a verified"),
    (
        "the recipient is not verified",
        to_open(),
        around(recipient=a_recipient(standing=Standing.UNVERIFIED)),
        Reason.CONFLICT,
        "not a verified",
    ),
    (
        "the school allows no employers (P17)",
        to_open(recipient_id=FIRM, purpose=Purpose.EMPLOYMENT),
        around(recipient=EMPLOYER, school=a_school(policy=a_policy(recipient_kinds=(OrganizationKind.COLLEGE,)))),
        Reason.NOT_ALLOWED,
        "allows no release",
    ),
    (
        "an employer admits nobody",
        to_open(recipient_id=FIRM),
        around(recipient=EMPLOYER),
        Reason.INVALID,
        "not sent a transcript for admission",
    ),
    (
        "a school is nobody's recipient",
        to_open(),
        around(recipient=a_recipient(OrganizationKind.SCHOOL), school=a_school(policy=SCHOOLS)),
        Reason.INVALID,
        "not sent a transcript",
    ),
    ("an unknown part", to_open(selection=Selection(parts=("c1", "c9"))), around(), Reason.INVALID, "no part c9"),
    ("the deadline has passed", to_open(sign_by=AT), around(), Reason.INVALID, "passed already"),
    (
        "under 18 and nobody to sign",
        to_open(),
        around(student=a_student(guardians=())),
        Reason.CONFLICT,
        "no guardian on record",
    ),
]


@pytest.mark.parametrize(
    ("command", "known", "reason", "words"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS]
)
def test_what_can_not_be_opened(command: Open, known: Surroundings, reason: Reason, words: str) -> None:
    verdict = open_request(command, already=None, around=known)
    assert isinstance(verdict, Refusal)
    assert verdict.reason is reason
    assert words in verdict.detail


@pytest.mark.parametrize(
    "opener",
    [Opener(STUDENT, Capacity.STUDENT_DIRECTION), AS_GUARDIAN, Opener(REGISTRAR, Capacity.REGISTRAR)],
    ids=["the student", "a guardian", "the registrar"],
)
def test_whoever_opens_it_is_addressed_to_those_who_must_sign(opener: Opener) -> None:
    request, event = opened(to_open(opener=opener))
    assert (request.status, request.stage) == (Status.OPEN, Stage.NOT_RELEASED)
    assert (request.opened_by, request.opened_as) == (opener.person_id, opener.capacity)
    assert request.signers == event.signers == (GUARDIAN,)
    assert request.expires_at == event.expires_at == AT + timedelta(days=30)
    assert (event.version, event.recipient_id, event.purpose) == (1, COLLEGE, Purpose.ADMISSION)
    assert [one.what for one in request.story] == ["opened"]


def test_a_student_of_18_signs_alone() -> None:
    request, _ = opened(known=around(student=an_adult()))
    assert request.signers == (STUDENT,)


def test_a_prepared_package_is_bound_at_once() -> None:
    request, event = opened()
    assert request.package == a_package()
    assert event.package_digest == PACKAGE_DIGEST


def test_a_selection_without_a_package_waits_for_one() -> None:
    request, event = opened(to_open(selection=Selection(parts=("c1",))))
    assert request.package is None
    assert event.package_id is None
    assert event.package_digest is None


def test_one_choice_has_one_spelling() -> None:
    request, event = opened(to_open(selection=Selection(parts=("c2", "c1", "c2"))))
    assert request.selection.parts == event.selection.parts == ("c1", "c2")


def test_all_parts_are_the_whole_transcript() -> None:
    request, _ = opened(to_open(selection=Selection(parts=("c3", "c2", "c1"))))
    assert request.selection.whole
    assert request.package == a_package()


def test_the_schools_policy_says_for_how_long_and_whether_it_approves() -> None:
    school = a_school(policy=a_policy(request_days=7, school_approves=True))
    request, event = opened(known=around(school=school))
    assert request.expires_at == AT + timedelta(days=7)
    assert request.school_approves
    assert event.school_approves


@pytest.mark.parametrize(("days", "expires"), [(5, 5), (90, 30)], ids=["sooner", "later than the school's own"])
def test_a_deadline_may_be_sooner_than_the_schools_own_but_not_later(days: int, expires: int) -> None:
    request, _ = opened(to_open(sign_by=AT + timedelta(days=days)))
    assert request.expires_at == AT + timedelta(days=expires)


def test_the_same_command_again_says_nothing_new() -> None:
    request, _ = opened()
    verdict = open_request(to_open(), already=request, around=around())
    assert verdict == Decision(request)


@pytest.mark.parametrize(
    "other",
    [
        to_open(recipient_id=FIRM),
        to_open(purpose=Purpose.SCHOLARSHIP),
        to_open(opener=AS_GUARDIAN),
        to_open(transcript_id="trn_2"),
        to_open(selection=Selection(parts=("c2",))),
    ],
    ids=["another recipient", "another purpose", "another person", "another transcript", "other parts"],
)
def test_another_request_under_the_same_key_is_refused(other: Open) -> None:
    request, _ = opened(to_open(selection=Selection(parts=("c1",))))
    verdict = open_request(other, already=request, around=around())
    assert isinstance(verdict, Refusal)
    assert verdict.reason is Reason.CONFLICT
