"""What consent learns from the others. Newer news wins, old is ignored, in whatever order it comes."""

import itertools

import pytest

from contracts.consent.v1 import ConsentInvalidated, ConsentReaddressed
from contracts.types import Membership, OrganizationKind, PersonKind, RightsHolder, Selection, Standing
from services.chassis.decision import Decision, Refusal
from services.consent.domain import (
    Stage,
    Status,
    follow,
    know_organization,
    know_package,
    know_student,
    know_transcript,
    know_withdrawal,
)
from services.consent.domain.following import OLD_NEWS
from tests.consent.build import (
    AT,
    GUARDIAN,
    LATER,
    OTHER_DIGEST,
    OTHER_GUARDIAN,
    PACKAGE_DIGEST,
    SCHOOL,
    STUDENT,
    a_package,
    a_request,
    a_school,
    a_signed_request,
    a_student,
    a_transcript,
    an_approved_request,
    organization_recorded,
    package_prepared,
    person_recorded,
    transcript_sealed,
    transcript_withdrawn,
)


def test_a_student_as_identity_tells_of_them() -> None:
    verdict = know_student(None, person_recorded(), requests=(), at=AT)
    assert verdict == Decision(a_student(), [], also=[])


def test_a_student_of_whom_nobody_says_who_signs_is_under_18() -> None:
    verdict = know_student(None, person_recorded(rights_holder=None), requests=(), at=AT)
    assert isinstance(verdict, Decision)
    assert verdict.state.rights_holder is RightsHolder.GUARDIAN


def test_who_never_was_a_student_is_none_of_our_business() -> None:
    guardian = (Membership(kind=PersonKind.GUARDIAN, organization_id=SCHOOL),)
    assert isinstance(know_student(None, person_recorded(memberships=guardian), requests=(), at=AT), Refusal)


@pytest.mark.parametrize("version", [1, 2])
def test_old_news_of_a_student_is_ignored(version: int) -> None:
    known = a_student(version=2, guardians=(OTHER_GUARDIAN,))
    assert know_student(known, person_recorded(version=version), requests=(), at=AT) is OLD_NEWS


def test_a_student_whom_no_school_lists_is_not_active_and_keeps_who_may_take_back() -> None:
    event = person_recorded(version=2, memberships=(), rights_holder=None, guardians=(), active=False)
    verdict = know_student(a_student(), event, requests=(a_request(),), at=AT)
    assert isinstance(verdict, Decision)
    assert verdict.state == a_student(version=2, active=False, school_ids=())
    assert list(verdict.events) == []


def test_the_18th_birthday_readdresses_what_is_pending_and_only_that() -> None:
    requests = (a_request(), an_approved_request(request_id="req_2"), a_signed_request(request_id="req_3"))
    event = person_recorded(version=2, rights_holder=RightsHolder.STUDENT)
    verdict = know_student(a_student(), event, requests=requests, at=LATER)
    assert isinstance(verdict, Decision)
    assert {event.request_id for event in verdict.events if isinstance(event, ConsentReaddressed)} == {"req_1", "req_3"}
    assert all(request.signers == (STUDENT,) and request.status is Status.OPEN for request in verdict.also)  # type: ignore[attr-defined]


def test_an_organization_as_identity_tells_of_it() -> None:
    assert know_organization(None, organization_recorded()) == Decision(a_school())
    suspended = organization_recorded(version=2, standing=Standing.SUSPENDED)
    verdict = know_organization(a_school(), suspended)
    assert isinstance(verdict, Decision)
    assert verdict.state.standing is Standing.SUSPENDED
    assert know_organization(verdict.state, organization_recorded()) is OLD_NEWS
    assert verdict.state.kind is OrganizationKind.SCHOOL


def test_a_sealed_version_enters_the_catalogue_without_packages() -> None:
    assert know_transcript(None, transcript_sealed(), requests=(), at=AT) == Decision(
        a_transcript(packages=()), [], also=[]
    )


def test_a_new_version_ends_what_is_pending_on_the_old_one() -> None:
    requests = (a_request(), an_approved_request(request_id="req_2"), a_signed_request(request_id="req_3"))
    event = transcript_sealed(version=4, transcript_version=2, digest=OTHER_DIGEST)
    verdict = know_transcript(a_transcript(), event, requests=requests, at=LATER)
    assert isinstance(verdict, Decision)
    assert (verdict.state.transcript_version, verdict.state.packages) == (2, ())
    ended = [(one.request_id, one.cause) for one in verdict.events if isinstance(one, ConsentInvalidated)]
    assert ended == [("req_1", "version-superseded"), ("req_3", "version-superseded")]


def test_an_old_version_does_not_come_back() -> None:
    known = a_transcript(version=4, transcript_version=2)
    assert know_transcript(known, transcript_sealed(), requests=(a_request(),), at=LATER) is OLD_NEWS


def test_a_withdrawal_ends_what_is_pending() -> None:
    verdict = know_withdrawal(a_transcript(), transcript_withdrawn(), requests=(a_request(),), at=LATER)
    assert isinstance(verdict, Decision)
    assert verdict.state.withdrawn
    (event,) = verdict.events
    assert isinstance(event, ConsentInvalidated)
    assert event.cause == "transcript-withdrawn"


@pytest.mark.parametrize("known", [None, a_transcript(version=3)], ids=["unknown", "newer is known"])
def test_an_old_withdrawal_is_ignored(known: object) -> None:
    assert know_withdrawal(known, transcript_withdrawn(), requests=(), at=LATER) is OLD_NEWS  # type: ignore[arg-type]


PARTS = Selection(parts=("c1",))


def test_a_prepared_package_reaches_every_request_that_waits_for_it() -> None:
    waiting = (
        a_request(package=None, selection=PARTS),
        a_request(request_id="req_whole", package=None),
        a_request(request_id="req_served", package=a_package(PARTS), selection=PARTS),
        a_request(request_id="req_old", package=None, selection=PARTS, transcript_version=0),
        a_request(request_id="req_over", package=None, selection=PARTS, status=Status.REFUSED),
    )
    event = package_prepared(selection=PARTS, partial=True, package_id="pkg_2", digest=OTHER_DIGEST)
    verdict = know_package(a_transcript(), event, waiting=waiting, at=LATER)
    assert isinstance(verdict, Decision)
    (served,) = verdict.also
    assert (served.request_id, served.package.digest) == ("req_1", OTHER_DIGEST)  # type: ignore[attr-defined]
    assert verdict.state.version == 2
    assert [package.digest for package in verdict.state.packages] == [PACKAGE_DIGEST, OTHER_DIGEST]
    assert verdict.events == ()


def test_a_package_told_twice_stands_once() -> None:
    assert know_package(a_transcript(), package_prepared(), waiting=(), at=LATER) is OLD_NEWS


@pytest.mark.parametrize("known", [None, a_transcript(transcript_version=2)], ids=["unknown", "another version"])
def test_a_package_of_what_is_not_in_the_catalogue_is_ignored(known: object) -> None:
    assert know_package(known, package_prepared(), waiting=(), at=LATER) is OLD_NEWS  # type: ignore[arg-type]


STAGES = [
    Stage.RELEASED,
    Stage.AVAILABLE,
    Stage.UNREACHABLE,
    Stage.DELIVERED,
    Stage.MISMATCHED,
    Stage.ACKNOWLEDGED,
]


@pytest.mark.parametrize("order", list(itertools.permutations(STAGES[:1] + STAGES[-3:])), ids=str)
def test_in_whatever_order_news_comes_the_latest_stage_stays(order: tuple[Stage, ...]) -> None:
    request = an_approved_request()
    for stage in order:
        verdict = follow(request, stage, at=LATER)
        request = verdict.state if isinstance(verdict, Decision) else request
    assert request.stage is Stage.ACKNOWLEDGED


def test_the_same_news_again_is_old() -> None:
    request = an_approved_request()
    for stage in STAGES:
        verdict = follow(request, stage, at=LATER)
        assert isinstance(verdict, Decision)
        request = verdict.state
        assert follow(request, stage, at=LATER) is OLD_NEWS
    assert [one.what for one in request.story] == [str(stage) for stage in STAGES]


@pytest.mark.parametrize(
    "request_",
    [None, a_request(), a_signed_request(), a_request(status=Status.REVOKED)],
    ids=["unknown", "open", "signed", "taken back before any approval"],
)
def test_what_was_never_approved_has_no_stages(request_: object) -> None:
    assert isinstance(follow(request_, Stage.RELEASED, at=LATER), Refusal)  # type: ignore[arg-type]


def test_that_it_was_opened_is_told_even_when_it_was_taken_back_before_we_heard() -> None:
    revoked = an_approved_request(status=Status.REVOKED, stage=Stage.CANCELLED)
    verdict = follow(revoked, Stage.DELIVERED, at=LATER)
    assert isinstance(verdict, Decision)
    assert verdict.state.stage is Stage.CANCELLED
    assert [one.what for one in verdict.state.story] == ["delivered"]
    assert follow(verdict.state, Stage.DELIVERED, at=LATER) is OLD_NEWS
    assert follow(revoked, Stage.AVAILABLE, at=LATER) is OLD_NEWS


def test_a_guardian_who_came_is_asked_too() -> None:
    event = person_recorded(version=2, guardians=(GUARDIAN, OTHER_GUARDIAN))
    verdict = know_student(a_student(), event, requests=(a_request(),), at=LATER)
    assert isinstance(verdict, Decision)
    (event_,) = verdict.events
    assert isinstance(event_, ConsentReaddressed)
    assert event_.signers == (GUARDIAN, OTHER_GUARDIAN)
