"""A particular, authenticated person approves exactly these bytes; the grant binds all of it (34 CFR 99.30(d))."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from contracts.consent.v1 import ConsentApproved, ConsentSigned
from contracts.problem import Reason
from contracts.types import BasisCode, Capacity, OrganizationKind, RightsHolder, Selection, Standing
from services.chassis.decision import Decision, Refusal
from services.consent.domain import (
    ApproveForSchool,
    Request,
    Sign,
    Status,
    Surroundings,
    approve_for_school,
    basis_for,
    notice_in,
    sign,
)
from tests.consent.build import (
    COLLEGE,
    DIGEST,
    GUARDIAN,
    LATER,
    NOTICE,
    OTHER_DIGEST,
    OTHER_GUARDIAN,
    OTHER_SCHOOL,
    PACKAGE_DIGEST,
    REGISTRAR,
    REQUEST,
    SCHOOL,
    STRANGER,
    STUDENT,
    TRANSCRIPT,
    a_policy,
    a_recipient,
    a_request,
    a_school,
    a_signed_request,
    a_student,
    a_transcript,
    an_adult,
    an_approved_request,
    around,
    grant_in,
    sign_grant,
    to_approve,
    to_sign,
)


def signing(
    request: Request | None, command: Sign | None = None, known: Surroundings | None = None
) -> Decision[Request] | Refusal:
    return sign(request, command or to_sign(), around=known or around(), sign_grant=sign_grant)


def approving(
    request: Request | None, command: ApproveForSchool | None = None, known: Surroundings | None = None
) -> Decision[Request] | Refusal:
    return approve_for_school(request, command or to_approve(), around=known or around(), sign_grant=sign_grant)


# What stands against a signature, the family's or the school's, whatever was true when the request was opened.
ASKED_AGAIN: list[tuple[str, dict[str, Any], dict[str, Any], Surroundings, Reason, str]] = [
    ("it was refused", {"status": Status.REFUSED}, {}, around(), Reason.CONFLICT, "already refused"),
    ("it was taken back", {"status": Status.REVOKED}, {}, around(), Reason.CONFLICT, "already revoked"),
    ("it has expired", {}, {"at": LATER + timedelta(days=31)}, around(), Reason.EXPIRED, "expired"),
    ("it expires this very moment", {"expires_at": LATER}, {}, around(), Reason.EXPIRED, "expired"),
    ("the package is not there yet", {"package": None}, {}, around(), Reason.NOT_NOW, "being prepared"),
    ("another notice", {}, {"notice": OTHER_DIGEST}, around(), Reason.CONFLICT, "another text"),
    ("other bytes were shown", {}, {"shown": OTHER_DIGEST}, around(), Reason.CONFLICT, "not what would be sent"),
    ("the transcript is unknown", {}, {}, around(transcript=None), Reason.CONFLICT, "newer version"),
    (
        "the transcript was withdrawn",
        {},
        {},
        around(transcript=a_transcript(withdrawn=True)),
        Reason.CONFLICT,
        "newer version",
    ),
    (
        "a newer version was sealed",
        {},
        {},
        around(transcript=a_transcript(transcript_version=2)),
        Reason.CONFLICT,
        "newer version",
    ),
    (
        "no school lists the student any more",
        {},
        {},
        around(student=a_student(active=False)),
        Reason.CONFLICT,
        "no longer lists",
    ),
    (
        "the school was suspended",
        {},
        {},
        around(school=a_school(standing=Standing.SUSPENDED)),
        Reason.CONFLICT,
        "can't release",
    ),
    (
        "the recipient was suspended",
        {},
        {},
        around(recipient=a_recipient(standing=Standing.SUSPENDED)),
        Reason.CONFLICT,
        "not a verified",
    ),
    (
        "the school allows colleges no more",
        {},
        {},
        around(school=a_school(policy=a_policy(recipient_kinds=(OrganizationKind.SCHOLARSHIP,)))),
        Reason.NOT_ALLOWED,
        "allows no release",
    ),
    (
        "the recipient is an employer by now",
        {},
        {},
        around(recipient=a_recipient(OrganizationKind.EMPLOYER)),
        Reason.INVALID,
        "not sent a transcript for admission",
    ),
]
IDS = [row[0] for row in ASKED_AGAIN]
ROWS = [row[1:] for row in ASKED_AGAIN]


@pytest.mark.parametrize(("request_", "command", "known", "reason", "words"), ROWS, ids=IDS)
def test_what_stands_against_the_familys_signature(
    request_: dict[str, Any], command: dict[str, Any], known: Surroundings, reason: Reason, words: str
) -> None:
    verdict = signing(a_request(**request_), to_sign(**command), known)
    assert isinstance(verdict, Refusal)
    assert verdict.reason is reason
    assert words in verdict.detail


@pytest.mark.parametrize(("request_", "command", "known", "reason", "words"), ROWS, ids=IDS)
def test_what_stands_against_the_schools_approval(
    request_: dict[str, Any], command: dict[str, Any], known: Surroundings, reason: Reason, words: str
) -> None:
    verdict = approving(a_signed_request(**request_), to_approve(**command), known)
    assert isinstance(verdict, Refusal)
    assert verdict.reason is reason
    assert words in verdict.detail


def test_the_school_can_not_approve_for_a_student_it_does_not_know() -> None:
    verdict = approving(a_signed_request(), known=around(student=None))
    assert isinstance(verdict, Refusal)


@pytest.mark.parametrize(
    ("request_", "command", "known"),
    [
        pytest.param(None, to_sign(), around(), id="there is no such request"),
        pytest.param(a_request(), to_sign(person_id=STRANGER), around(), id="a stranger"),
        pytest.param(a_request(), to_sign(person_id=STUDENT), around(), id="the student, under 18"),
        pytest.param(a_request(), to_sign(person_id=REGISTRAR), around(), id="the registrar"),
        pytest.param(a_request(), to_sign(), around(student=an_adult()), id="the guardian, after the 18th birthday"),
        pytest.param(a_request(), to_sign(), around(student=None), id="nothing is known of the student"),
        pytest.param(
            a_request(), to_sign(), around(student=a_student(guardians=(OTHER_GUARDIAN,))), id="a guardian no longer"
        ),
        pytest.param(an_approved_request(), to_sign(person_id=STRANGER), around(), id="a stranger, though approved"),
        pytest.param(a_request(status=Status.EXPIRED), to_sign(person_id=STRANGER), around(), id="a stranger, though expired"),
    ],
)  # fmt: skip
def test_who_may_not_sign_gets_one_and_the_same_answer(
    request_: Request | None, command: Sign, known: Surroundings
) -> None:
    assert signing(request_, command, known) == Refusal(Reason.NOT_FOUND, "there is no such request for you to sign")


@pytest.mark.parametrize(
    ("request_", "command"),
    [(None, to_approve()), (a_signed_request(), to_approve(school_id=OTHER_SCHOOL))],
    ids=["there is no such request", "another school"],
)
def test_another_school_gets_one_and_the_same_answer(request_: Request | None, command: ApproveForSchool) -> None:
    assert approving(request_, command) == Refusal(Reason.NOT_FOUND, "there is no such request at your school")


def test_the_guardians_signature_is_the_approval() -> None:
    verdict = signing(a_request())
    assert isinstance(verdict, Decision)
    approved, (event,) = verdict.state, verdict.events
    assert isinstance(event, ConsentApproved)
    assert (approved.status, approved.version, event.version) == (Status.APPROVED, 2, 2)
    assert approved.signature is not None
    assert (approved.signature.shown, approved.signature.notice) == (PACKAGE_DIGEST, NOTICE)
    assert approved.valid_until == event.valid_until == LATER + timedelta(days=180)
    assert approved.grant == event.grant
    assert [one.what for one in approved.story] == ["signed", "approved"]


def test_the_grant_binds_request_bytes_recipient_purpose_ground_and_person() -> None:
    parts = Selection(parts=("c1", "c2"))
    verdict = signing(a_request(selection=parts))
    assert isinstance(verdict, Decision)
    for audience in ("records", "delivery"):
        grant = grant_in(verdict.state.grant, audience=audience)
        assert (grant.request_id, grant.sub, grant.school_id) == (REQUEST, STUDENT, SCHOOL)
        assert (grant.transcript_id, grant.transcript_version, grant.transcript_digest) == (TRANSCRIPT, 1, DIGEST)
        assert (grant.package_digest, grant.selection) == (PACKAGE_DIGEST, parts)
        assert (grant.recipient_id, grant.purpose) == (COLLEGE, a_request().purpose)
        assert grant.basis == basis_for(OrganizationKind.COLLEGE, RightsHolder.GUARDIAN)
        assert (grant.grantor.person_id, grant.grantor.capacity) == (GUARDIAN, Capacity.GUARDIAN)
        assert (grant.grantor.method, grant.grantor.at) == ("totp", int(LATER.timestamp()))
        assert (grant.jti, grant.iat) == (to_sign().grant_id, int(LATER.timestamp()))
        assert grant.exp == int((LATER + timedelta(days=180)).timestamp())


def test_the_same_decision_gives_the_same_grant() -> None:
    # The database may run a transaction's body more than once.
    first, second = signing(a_request()), signing(a_request())
    assert first == second


def test_a_student_of_18_consents_in_their_own_right() -> None:
    verdict = signing(a_request(signers=(STUDENT,)), to_sign(person_id=STUDENT), around(student=an_adult()))
    assert isinstance(verdict, Decision)
    grant = grant_in(verdict.state.grant)
    assert grant.basis.code is BasisCode.STUDENT_CONSENT
    assert grant.grantor.capacity is Capacity.ELIGIBLE_STUDENT


def test_either_notice_can_be_signed_in_the_readers_language() -> None:
    assert isinstance(signing(a_request(), to_sign(notice=notice_in("es").digest)), Decision)


def test_where_the_school_approves_too_the_familys_signature_releases_nothing() -> None:
    verdict = signing(a_request(school_approves=True))
    assert isinstance(verdict, Decision)
    (event,) = verdict.events
    assert isinstance(event, ConsentSigned)
    assert (verdict.state.status, verdict.state.grant, event.signed_by) == (Status.SIGNED, None, GUARDIAN)


def test_a_school_that_asks_for_its_approval_meanwhile_is_asked() -> None:
    verdict = signing(a_request(), known=around(school=a_school(policy=a_policy(school_approves=True))))
    assert isinstance(verdict, Decision)
    assert (verdict.state.status, verdict.state.school_approves) == (Status.SIGNED, True)


def test_the_schools_approval_completes_it_and_the_grantor_stays_the_family() -> None:
    verdict = approving(a_signed_request())
    assert isinstance(verdict, Decision)
    approved, (event,) = verdict.state, verdict.events
    assert isinstance(event, ConsentApproved)
    assert (approved.status, approved.version) == (Status.APPROVED, 3)
    assert approved.school_signature is not None
    assert (approved.school_signature.person_id, approved.school_signature.capacity) == (REGISTRAR, Capacity.REGISTRAR)
    assert grant_in(approved.grant).grantor.person_id == GUARDIAN


@pytest.mark.parametrize(
    "request_",
    [a_request(), a_request(signature=a_signed_request().signature)],
    ids=["no signature", "no ground"],
)
def test_the_school_does_not_approve_before_the_family(request_: Request) -> None:
    verdict = approving(request_)
    assert isinstance(verdict, Refusal)
    assert "family has not signed" in verdict.detail


@pytest.mark.parametrize("signed", [a_signed_request(), an_approved_request()], ids=["signed", "approved"])
def test_signing_twice_says_nothing_new(signed: Request) -> None:
    assert signing(signed) == Decision(signed)


def test_the_other_guardian_need_not_sign_again() -> None:
    both = around(student=a_student(guardians=(GUARDIAN, OTHER_GUARDIAN)))
    signed = an_approved_request()
    assert signing(signed, to_sign(person_id=OTHER_GUARDIAN), both) == Decision(signed)


def test_what_was_signed_and_taken_back_is_not_signed_again() -> None:
    verdict = signing(replace(an_approved_request(), status=Status.REVOKED))
    assert isinstance(verdict, Refusal)
    assert verdict.reason is Reason.CONFLICT


def test_approving_twice_says_nothing_new() -> None:
    approved = an_approved_request()
    assert approving(approved) == Decision(approved)
