"""What identity tells: newer news wins, and nobody is kept who is not needed."""

from dataclasses import replace

import pytest

from contracts.identity.v1 import OrganizationRecorded, PersonRecorded
from contracts.types import Membership, OrganizationKind, PersonKind, Standing
from services.chassis.decision import Decision, Refusal
from services.records.domain.following import know_person, know_school
from tests.records.domain.values import OTHER, PERSON, SCHOOL, SEALED, STUDENT, VERIFIED

RECORDED = PersonRecorded(
    version=2,
    person_id=STUDENT,
    memberships=(
        Membership(kind=PersonKind.STUDENT, organization_id=SCHOOL),
        Membership(kind=PersonKind.EDUCATOR, organization_id=OTHER),
    ),
    active=True,
    profile=SEALED,
)
SCHOOL_RECORDED = OrganizationRecorded(
    version=2, organization_id=SCHOOL, kind=OrganizationKind.SCHOOL, name="Harbor", standing=Standing.VERIFIED
)


@pytest.mark.parametrize("known", [None, PERSON], ids=["new", "known"])
def test_a_student_is_known_by_the_newest_news(known) -> None:
    decision = know_person(known, RECORDED)
    assert isinstance(decision, Decision)
    assert (decision.state.version, decision.state.student_at, decision.state.school_ids) == (2, (SCHOOL,), (SCHOOL,))


def test_old_news_changes_nothing() -> None:
    assert isinstance(know_person(replace(PERSON, version=2), RECORDED), Refusal)
    assert isinstance(know_school(replace(VERIFIED, version=2), SCHOOL_RECORDED), Refusal)


def test_whoever_is_neither_student_nor_registrar_is_not_kept_unless_known() -> None:
    educator = RECORDED.model_copy(update={"memberships": RECORDED.memberships[1:]})
    assert isinstance(know_person(None, educator), Refusal)
    left = know_person(PERSON, educator)
    assert isinstance(left, Decision) and left.state.student_at == ()


@pytest.mark.parametrize("known", [None, VERIFIED], ids=["new", "known"])
def test_a_school_is_known_by_the_newest_news(known) -> None:
    decision = know_school(known, SCHOOL_RECORDED)
    assert isinstance(decision, Decision) and decision.state.version == 2


def test_a_recipient_is_not_kept() -> None:
    college = SCHOOL_RECORDED.model_copy(update={"kind": OrganizationKind.COLLEGE})
    assert isinstance(know_school(None, college), Refusal)
