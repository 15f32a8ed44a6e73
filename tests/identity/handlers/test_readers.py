"""Readers over a store: what is personal is ciphertext, a command is carried out once, an end is an end."""

import json
from datetime import timedelta

import pytest

from contracts.problem import Reason
from contracts.types import OrganizationId, OrganizationKind, PersonId, Standing
from services.chassis.decision import Decision, Refusal
from services.identity import domain
from services.identity.domain import EndReader, Person, RecordOrganization, SetStanding
from services.identity.gateways.profiles import Profile, open_profiles
from services.identity.handlers import Enrolment, Invitation, Invited
from services.identity.handlers.readers import ERASED, USED
from tests.identity.conftest import NOW, District

WESTMARCH = OrganizationId("org_westmarch")
NORA = Profile(name="Nora Feld", email="nora.feld@westmarch.example.org", language="es")


@pytest.fixture
async def district() -> District:
    found = District()
    await found.organizations.record(
        RecordOrganization(
            organization_id=WESTMARCH,
            kind=OrganizationKind.COLLEGE,
            name="Westmarch College",
            standing=Standing.VERIFIED,
            timezone="UTC",
            today="2026-11-24",
            at=NOW,
        ),
        cause="record",
    )
    return found


async def invite(
    district: District, cause: str = "one", *, profile: Profile = NORA, secret: str = "a way in"
) -> Invited | Refusal:
    invitation = Invitation(
        recipient_id=WESTMARCH,
        profile=profile,
        secret=secret,
        invited_by=PersonId("per_operator"),
        valid_until=NOW + timedelta(days=7),
        at=NOW,
    )
    return await district.readers.invite(invitation, cause=cause)


async def let_in(district: District, cause: str = "one", *, secret: str = "a way in") -> Person:
    invited = await invite(district, cause, secret=secret)
    assert isinstance(invited, Invited)
    assert invited.let_in
    return invited.person


async def end(district: District, person: Person) -> Person:
    verdict = await district.readers.end(EndReader(person_id=person.person_id, recipient_id=WESTMARCH, at=NOW))
    assert isinstance(verdict, Decision)
    return verdict.state


async def test_a_reader_signs_in_once_with_the_way_in_and_is_known_by_name(district: District) -> None:
    reader = await let_in(district)
    assert await district.access.sign_in("a way in", at=NOW) == reader
    assert await district.access.sign_in("a way in", at=NOW) == domain.NO_SIGN_IN
    (opened,) = await open_profiles(district.keys, [reader])
    assert opened.profile == NORA


async def test_name_address_and_token_are_nowhere_to_be_read(district: District) -> None:
    await let_in(district)
    kept = json.dumps([district.store.tables, district.store.outbox], default=str)
    for word in ("Nora", "Feld", "nora.feld", "a way in"):
        assert word not in kept


async def test_the_same_command_again_is_one_account_one_event_and_no_second_way_in(district: District) -> None:
    reader = await let_in(district)
    again = await invite(district, secret="another way in")
    assert again == Invited(reader, let_in=False)
    assert district.types_said().count("identity.person.recorded.v1") == 1
    assert await district.access.sign_in("another way in", at=NOW) == domain.NO_SIGN_IN
    assert await district.access.sign_in("a way in", at=NOW) == reader


async def test_the_same_command_for_somebody_else_is_refused(district: District) -> None:
    await let_in(district)
    otto = Profile(name="Otto Brand", email="otto@westmarch.example.org")
    assert await invite(district, profile=otto) == USED
    renamed = Profile(name="Nora Brand", email=NORA.email)
    assert await invite(district, profile=renamed) == USED


async def test_a_late_repetition_does_not_open_an_account_that_ended_meanwhile(district: District) -> None:
    ended = await end(district, await let_in(district))
    again = await invite(district, secret="another way in")
    assert again == Invited(ended, let_in=False)
    assert await district.access.sign_in("another way in", at=NOW) == domain.NO_SIGN_IN


async def test_spelling_an_address_in_capitals_makes_no_second_account(district: District) -> None:
    reader = await let_in(district)
    loud = NORA.model_copy(update={"email": "Nora.Feld@WESTMARCH.example.org"})
    assert await invite(district, "two", profile=loud) == domain.NAMED_OTHERWISE
    assert await district.questions.people_of(WESTMARCH) == [reader]


async def test_after_an_end_no_token_and_no_code_is_worth_anything(district: District) -> None:
    reader = await let_in(district)
    ended = await end(district, reader)
    assert await end(district, reader) == ended
    assert await district.access.sign_in("a way in", at=NOW) == domain.NO_SIGN_IN
    drawn = await district.access.enrol(reader.person_id, account="Nora", proven=False, at=NOW)
    assert drawn == domain.ENDED
    anew = await let_in(district, "two", secret="a new way in")
    assert anew.person_id == reader.person_id
    assert await district.access.sign_in("a way in", at=NOW) == domain.NO_SIGN_IN, "what was taken back stays so"
    assert await district.access.sign_in("a new way in", at=NOW) == anew


async def test_an_authenticator_proves_nothing_for_an_account_that_ended(district: District) -> None:
    reader = await let_in(district)
    drawn = await district.access.enrol(reader.person_id, account="Nora", proven=False, at=NOW)
    assert isinstance(drawn, Enrolment)
    await end(district, reader)
    assert await district.access.confirm(reader.person_id, "000000", at=NOW) == domain.ENDED


async def test_a_suspended_recipients_readers_are_not_let_in(district: District) -> None:
    reader = await let_in(district)
    for standing, expected in ((Standing.SUSPENDED, domain.NO_SIGN_IN), (Standing.VERIFIED, reader)):
        command = SetStanding(organization_id=WESTMARCH, standing=standing, at=NOW)
        await district.organizations.set_standing(command, cause=f"to {standing}")
        assert await district.access.sign_in("a way in", at=NOW) == expected


async def test_nobody_gets_a_key_for_an_account_that_is_not_to_be(district: District) -> None:
    nowhere = Invitation(
        recipient_id=OrganizationId("org_none"),
        profile=NORA,
        secret="s",
        invited_by=PersonId("per_operator"),
        valid_until=NOW,
        at=NOW,
    )
    district.keys.down = True
    verdict = await district.readers.invite(nowhere, cause="one")
    assert isinstance(verdict, Refusal)
    assert verdict.reason is Reason.NOT_FOUND


async def test_who_was_erased_is_not_made_again(district: District) -> None:
    reader = await end(district, await let_in(district))
    await district.keys.erase(reader.person_id)
    assert await invite(district, "two") == ERASED
