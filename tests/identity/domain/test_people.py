"""Who exists: what a roster may change, and what it may not."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from contracts.identity.v1 import PersonRecorded, RightsTransferred
from contracts.types import Membership, OrganizationId, PersonId, PersonKind, RightsHolder, SealedValue
from services.chassis.decision import Decision, Refusal
from services.identity import domain
from services.identity.domain import Birth, EstablishOperator, Person, Profile, RecordPerson, TransferRights

AT = datetime(2026, 11, 24, tzinfo=UTC)
ADA, BELA = PersonId("per_ada"), PersonId("per_bela")
HARBOR, MESA = OrganizationId("org_harbor"), OrganizationId("org_mesa")


def sealed(text: str, person: PersonId = ADA) -> SealedValue:
    return SealedValue(person_id=person, ciphertext=text)


def at(school: OrganizationId, kind: PersonKind = PersonKind.STUDENT) -> Membership:
    return Membership(kind=kind, organization_id=school)


def told(**changes: Any) -> RecordPerson:
    command = RecordPerson(
        person_id=ADA,
        source="district",
        speaks_for=frozenset({HARBOR}),
        whole=True,
        memberships=(at(HARBOR),),
        profile=Profile(digest="d1", sealed=sealed("p1"), email_index="e1"),
        birth=Birth(birthday="b1", sealed=sealed("born"), eligible=False),
        guardians=(BELA,),
        at=AT,
    )
    return replace(command, **changes)


def recorded(known: Person | None, command: RecordPerson) -> Person:
    verdict = domain.record_person(known, command)
    assert isinstance(verdict, Decision), verdict
    return verdict.state


ADA_KNOWN = recorded(None, told())


def test_a_new_student_is_told_whole() -> None:
    verdict = domain.record_person(None, told())
    assert isinstance(verdict, Decision)
    (event,) = verdict.events
    assert isinstance(event, PersonRecorded)
    assert (event.version, event.rights_holder, event.guardians) == (1, RightsHolder.GUARDIAN, (BELA,))
    assert event.profile == sealed("p1")


def test_a_student_of_age_at_the_first_import_signs() -> None:
    grown = recorded(None, told(birth=Birth(birthday="b1", sealed=sealed("born"), eligible=True)))
    assert grown.rights_holder is RightsHolder.STUDENT


def test_a_student_without_a_birth_date_is_taken_as_under_18() -> None:
    assert recorded(None, told(birth=None)).rights_holder is RightsHolder.GUARDIAN


REFUSED = [
    pytest.param(None, told(removed=True), domain.UNKNOWN, id="removing whom nobody knows"),
    pytest.param(None, told(memberships=()), domain.UNKNOWN, id="changes of somebody who is not known"),
    pytest.param(None, told(memberships=(at(MESA),)), domain.UNKNOWN, id="a place at another's school"),
    pytest.param(
        None, told(memberships=(at(HARBOR, PersonKind.OPERATOR),)), domain.UNKNOWN, id="a roster that makes an operator"
    ),
    pytest.param(
        None,
        told(profile=Profile(digest="d1", sealed=None, email_index=None)),
        domain.CHANGED_MEANWHILE,
        id="a new person whose profile nobody sealed",
    ),
    pytest.param(ADA_KNOWN, told(), domain.UNCHANGED, id="the same row again"),
    pytest.param(
        ADA_KNOWN,
        told(profile=Profile(digest="d1", sealed=None, email_index="e1")),
        domain.UNCHANGED,
        id="the same row again, nothing sealed",
    ),
    pytest.param(
        ADA_KNOWN,
        told(profile=Profile(digest="d2", sealed=None, email_index=None)),
        domain.CHANGED_MEANWHILE,
        id="a profile that changed after the door looked",
    ),
    pytest.param(
        ADA_KNOWN,
        told(speaks_for=frozenset({MESA}), memberships=(), removed=True),
        domain.NOT_YOURS,
        id="removing another school's student",
    ),
]


@pytest.mark.parametrize(("known", "command", "refusal"), REFUSED)
def test_a_roster_is_refused(known: Person | None, command: RecordPerson, refusal: Refusal) -> None:
    assert domain.record_person(known, command) == refusal


def test_a_renamed_person_gets_the_new_ciphertext() -> None:
    renamed = recorded(ADA_KNOWN, told(profile=Profile(digest="d2", sealed=sealed("p2"), email_index="e2")))
    assert (renamed.profile, renamed.email_index, renamed.version) == (sealed("p2"), "e2", 2)


def test_a_disabled_account_stays_and_signs_nobody_in() -> None:
    assert not recorded(ADA_KNOWN, told(enabled=False)).active


def test_removing_takes_the_places_and_with_the_last_the_account() -> None:
    gone = recorded(ADA_KNOWN, told(memberships=(), removed=True))
    assert (gone.memberships, gone.active, gone.rights_holder) == ((), False, None)
    back = recorded(gone, told())
    assert (back.active, back.version) == (True, 3)


def test_a_place_elsewhere_stays_when_one_is_taken() -> None:
    both = recorded(ADA_KNOWN, told(speaks_for=frozenset({HARBOR, MESA}), memberships=(at(HARBOR), at(MESA))))
    left = recorded(both, told(memberships=(), removed=True))
    assert (left.memberships, left.active) == ((at(MESA),), True)


def test_a_whole_roster_takes_a_role_away_by_not_naming_it() -> None:
    teacher = recorded(None, told(memberships=(at(HARBOR, PersonKind.EDUCATOR), at(HARBOR, PersonKind.GUARDIAN))))
    assert recorded(teacher, told(memberships=(at(HARBOR, PersonKind.EDUCATOR),))).memberships == (
        at(HARBOR, PersonKind.EDUCATOR),
    )


def test_a_file_of_changes_adds_and_takes_only_what_it_names() -> None:
    teacher = recorded(None, told(memberships=(at(HARBOR, PersonKind.EDUCATOR), at(HARBOR, PersonKind.GUARDIAN))))
    command = told(
        whole=False,
        memberships=(at(HARBOR, PersonKind.ADMINISTRATOR),),
        gone=(at(HARBOR, PersonKind.GUARDIAN),),
    )
    assert recorded(teacher, command).memberships == (
        at(HARBOR, PersonKind.EDUCATOR),
        at(HARBOR, PersonKind.ADMINISTRATOR),
    )


def test_another_order_of_the_same_places_is_no_change() -> None:
    places = (at(HARBOR, PersonKind.EDUCATOR), at(HARBOR, PersonKind.GUARDIAN))
    teacher = recorded(None, told(memberships=places))
    assert domain.record_person(teacher, told(memberships=places[::-1])) == domain.UNCHANGED


def test_only_students_have_a_birthday_and_guardians() -> None:
    teacher = recorded(None, told(memberships=(at(HARBOR, PersonKind.EDUCATOR),)))
    assert (teacher.birth_date, teacher.birthday, teacher.guardians, teacher.rights_holder) == (None, None, (), None)


def test_what_a_file_does_not_tell_stays() -> None:
    changed = recorded(ADA_KNOWN, told(birth=None, guardians=None, enabled=False))
    assert (changed.birthday, changed.guardians) == ("b1", (BELA,))


def test_a_guardian_who_is_no_longer_named_stands_for_nobody() -> None:
    assert recorded(ADA_KNOWN, told(guardians=())).guardians == ()


def test_a_corrected_birth_date_is_believed_in_both_directions() -> None:
    grown = domain.record_person(ADA_KNOWN, told(birth=Birth(birthday="b0", sealed=sealed("older"), eligible=True)))
    assert isinstance(grown, Decision)
    transferred, told_whole = grown.events
    assert isinstance(transferred, RightsTransferred)
    assert isinstance(told_whole, PersonRecorded)
    assert (transferred.version, transferred.school_id, told_whole.version) == (2, HARBOR, 3)
    assert told_whole.rights_holder is RightsHolder.STUDENT
    assert grown.state.birth_date == sealed("older")
    younger = recorded(grown.state, told(birth=Birth(birthday="b2", sealed=sealed("younger"), eligible=False)))
    assert younger.rights_holder is RightsHolder.GUARDIAN


def test_the_same_birthday_keeps_its_ciphertext() -> None:
    again = Birth(birthday="b1", sealed=sealed("another ciphertext"), eligible=False)
    assert domain.record_person(ADA_KNOWN, told(birth=again)) == domain.UNCHANGED


def test_another_school_may_not_put_itself_in_a_guardians_place() -> None:
    command = told(
        speaks_for=frozenset({MESA}),
        memberships=(at(MESA),),
        guardians=(PersonId("per_mallory"),),
        birth=Birth(birthday="b9", sealed=sealed("x"), eligible=True),
        profile=Profile(digest="d9", sealed=sealed("mallory"), email_index="e9"),
    )
    taken_in = recorded(ADA_KNOWN, command)
    assert taken_in.memberships == (at(HARBOR), at(MESA))
    assert taken_in.guardians == (BELA,)
    assert taken_in.rights_holder is RightsHolder.GUARDIAN
    assert (taken_in.profile, taken_in.birthday) == (sealed("p1"), "b1")


def test_somebody_with_no_place_left_can_be_taken_in_by_any_school() -> None:
    gone = recorded(ADA_KNOWN, told(memberships=(), removed=True))
    elsewhere = recorded(gone, told(speaks_for=frozenset({MESA}), memberships=(at(MESA),), guardians=(BELA,)))
    assert (elsewhere.memberships, elsewhere.guardians) == ((at(MESA),), (BELA,))


def test_rights_pass_on_the_day_with_an_event_of_their_own() -> None:
    command = TransferRights(person_id=ADA, school_id=HARBOR, birthdays=frozenset({"b0", "b1"}), at=AT)
    verdict = domain.transfer_rights(ADA_KNOWN, command)
    assert isinstance(verdict, Decision)
    assert [event.type for event in verdict.events] == [
        "identity.rights.transferred.v1",
        "identity.person.recorded.v1",
    ]
    assert [event.version for event in verdict.events] == [2, 3]
    assert verdict.state.rights_holder is RightsHolder.STUDENT
    assert domain.transfer_rights(verdict.state, command) == domain.UNCHANGED


@pytest.mark.parametrize("known", [pytest.param(None, id="unknown"), pytest.param(ADA_KNOWN, id="a corrected date")])
def test_rights_pass_on_no_other_day(known: Person | None) -> None:
    command = TransferRights(person_id=ADA, school_id=HARBOR, birthdays=frozenset({"b7"}), at=AT)
    assert isinstance(domain.transfer_rights(known, command), Refusal)


def test_the_operator_of_the_house_is_made_once() -> None:
    profile = Profile(digest="d", sealed=sealed("p"), email_index=None)
    command = EstablishOperator(person_id=ADA, house=OrganizationId("org_placet"), profile=profile, at=AT)
    made = domain.establish_operator(None, command)
    assert isinstance(made, Decision)
    assert made.state.is_a(PersonKind.OPERATOR)
    assert domain.establish_operator(made.state, command) == domain.UNCHANGED
    unsealed = replace(command, profile=replace(profile, sealed=None))
    assert domain.establish_operator(None, unsealed) == domain.CHANGED_MEANWHILE


@pytest.mark.parametrize(
    ("asker", "memberships", "seen"),
    [
        pytest.param(ADA, (), True, id="oneself"),
        pytest.param(BELA, (at(HARBOR, PersonKind.REGISTRAR),), True, id="registrar of the school"),
        pytest.param(BELA, (at(HARBOR, PersonKind.EDUCATOR),), False, id="educator of the school"),
        pytest.param(BELA, (at(MESA, PersonKind.ADMINISTRATOR),), False, id="another school's administrator"),
        pytest.param(BELA, (at(MESA, PersonKind.OPERATOR),), True, id="operator"),
    ],
)
def test_who_may_see_a_person(asker: PersonId, memberships: tuple[Membership, ...], seen: bool) -> None:
    assert domain.may_see(asker, memberships, ADA_KNOWN) is seen


REGISTRAR, HEAD = (at(HARBOR, PersonKind.REGISTRAR),), (at(HARBOR, PersonKind.ADMINISTRATOR),)


@pytest.mark.parametrize(
    ("memberships", "places", "may"),
    [
        pytest.param(REGISTRAR, (at(HARBOR),), True, id="a registrar, their student"),
        pytest.param(REGISTRAR, (at(HARBOR), at(MESA)), False, id="a registrar, a student of two schools"),
        pytest.param(REGISTRAR, (at(HARBOR, PersonKind.REGISTRAR),), False, id="a registrar, another registrar"),
        pytest.param(HEAD, (at(HARBOR, PersonKind.REGISTRAR),), True, id="an administrator, their registrar"),
        pytest.param(HEAD, (at(MESA, PersonKind.REGISTRAR),), False, id="an administrator, another's registrar"),
        pytest.param(HEAD, (), False, id="nobody's person"),
        pytest.param(HEAD, (at(HARBOR, PersonKind.OPERATOR),), False, id="an operator"),
        pytest.param((at(MESA, PersonKind.OPERATOR),), (at(HARBOR), at(MESA)), True, id="the operator, anybody"),
    ],
)
def test_who_may_let_a_person_in(
    memberships: tuple[Membership, ...], places: tuple[Membership, ...], may: bool
) -> None:
    person = replace(ADA_KNOWN, memberships=places, school_ids=tuple({one.organization_id for one in places}))
    assert domain.may_let_in(memberships, person) is may


def test_an_operator_imports_for_every_school_and_staff_for_their_own() -> None:
    assert domain.may_import((at(MESA, PersonKind.OPERATOR),)) is None
    assert domain.may_import((*REGISTRAR, at(MESA, PersonKind.EDUCATOR))) == frozenset({HARBOR})
