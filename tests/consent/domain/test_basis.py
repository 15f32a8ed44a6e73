"""Who signs, and on which ground: the table of 34 CFR 99.3, 99.5 and 99.30 as families read it."""

import pytest

from contracts.types import BasisCode, Capacity, OrganizationKind, Purpose, RightsHolder
from services.consent.domain.basis import PURPOSES, basis_for, is_guardian_of, signing_capacity, who_signs
from services.consent.domain.notice import NOTICES, is_notice, notice_in
from tests.consent.build import GUARDIAN, OTHER_GUARDIAN, STRANGER, STUDENT, a_student, an_adult


@pytest.mark.parametrize(
    ("student", "signers", "capacity"),
    [
        pytest.param(a_student(), (GUARDIAN,), Capacity.GUARDIAN, id="under 18: the guardian"),
        pytest.param(
            a_student(guardians=(GUARDIAN, OTHER_GUARDIAN)),
            (GUARDIAN, OTHER_GUARDIAN),
            Capacity.GUARDIAN,
            id="under 18 with two guardians: either",
        ),
        pytest.param(a_student(guardians=()), (), Capacity.GUARDIAN, id="under 18 without a guardian: nobody"),
        pytest.param(an_adult(), (STUDENT,), Capacity.ELIGIBLE_STUDENT, id="18 or older: the student alone"),
    ],
)
def test_who_signs(student: object, signers: object, capacity: Capacity) -> None:
    assert who_signs(student) == signers  # type: ignore[arg-type]
    assert signing_capacity(student) is capacity  # type: ignore[arg-type]


RECIPIENTS = {
    OrganizationKind.COLLEGE: "a college the student applies to",
    OrganizationKind.SCHOLARSHIP: "a scholarship or aid body",
    OrganizationKind.EMPLOYER: "an employer",
}


@pytest.mark.parametrize("kind", RECIPIENTS, ids=str)
def test_under_18_the_ground_is_the_guardians_consent(kind: OrganizationKind) -> None:
    basis = basis_for(kind, RightsHolder.GUARDIAN)
    assert basis.code is BasisCode.GUARDIAN_CONSENT
    assert basis.section == "34 CFR 99.30"
    assert RECIPIENTS[kind] in basis.words
    assert "under 18" in basis.words


@pytest.mark.parametrize("kind", RECIPIENTS, ids=str)
def test_from_18_on_the_ground_is_the_students_consent(kind: OrganizationKind) -> None:
    basis = basis_for(kind, RightsHolder.STUDENT)
    assert basis.code is BasisCode.STUDENT_CONSENT
    assert "99.5(a)" in basis.section
    assert RECIPIENTS[kind] in basis.words
    assert "18 or older" in basis.words


def test_every_purpose_has_a_recipient_and_a_school_is_nobodys_recipient() -> None:
    assert {purpose for purposes in PURPOSES.values() for purpose in purposes} == set(Purpose)
    assert set(PURPOSES) == set(OrganizationKind) - {OrganizationKind.SCHOOL}


def test_a_guardian_is_one_until_the_student_holds_the_rights() -> None:
    assert is_guardian_of(GUARDIAN, a_student())
    assert not is_guardian_of(GUARDIAN, an_adult())
    assert not is_guardian_of(STRANGER, a_student())
    assert not is_guardian_of(None, a_student())


def test_the_notice_is_in_the_language_of_the_reader_and_english_otherwise() -> None:
    assert notice_in("es-MX").language == "es"
    assert notice_in("en").language == "en"
    assert notice_in("de").language == "en"


def test_a_signature_cites_the_digest_of_the_very_text() -> None:
    assert all(is_notice(notice.digest) for notice in NOTICES)
    assert len({notice.digest for notice in NOTICES}) == len(NOTICES)
    assert not is_notice("sha256:" + "0" * 64)


def test_a_published_notice_was_never_edited() -> None:
    assert {(notice.notice_id, notice.language): notice.digest[7:15] for notice in NOTICES} == {
        ("consent-2026-1", "en"): "b83a18e8",
        ("consent-2026-1", "es"): "fc4a3682",
    }
