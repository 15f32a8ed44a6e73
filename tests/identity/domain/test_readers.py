"""Readers of a recipient: who may be let in where, what an end takes away, and what a second invitation does."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts.identity.v1 import PersonRecorded
from contracts.problem import Reason
from contracts.types import Membership, OrganizationId, OrganizationKind, PersonId, PersonKind, SealedValue, Standing
from services.chassis.decision import Decision, Refusal
from services.identity import domain
from services.identity.domain import EndReader, InviteReader, IssueToken, Organization, Person, Profile, SignIn, Token

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
NORA, WESTMARCH = PersonId("per_nora"), OrganizationId("org_westmarch")
COLLEGE = Organization(
    organization_id=WESTMARCH,
    version=1,
    kind=OrganizationKind.COLLEGE,
    name="Westmarch College",
    standing=Standing.VERIFIED,
    timezone="UTC",
)
INVITE = InviteReader(
    person_id=NORA,
    recipient_id=WESTMARCH,
    profile=Profile(digest="p1", sealed=SealedValue(person_id=NORA, ciphertext="c1"), email_index="m1"),
    way_in=IssueToken(
        digest="t1",
        person_id=NORA,
        issued_by=PersonId("per_operator"),
        expires_at=AT + timedelta(days=7),
        single_use=True,
        at=AT,
    ),
    at=AT,
)
END = EndReader(person_id=NORA, recipient_id=WESTMARCH, at=AT)


def invited(known: Person | None = None, command: InviteReader = INVITE) -> Decision[Person]:
    verdict = domain.invite_reader(COLLEGE, known, command)
    assert isinstance(verdict, Decision)
    return verdict


def ended(known: Person, *tokens: Token) -> Decision[Person]:
    verdict = domain.end_reader(known, tokens, END)
    assert isinstance(verdict, Decision)
    return verdict


def test_an_invitation_makes_an_account_that_reads_for_one_recipient_and_its_way_in() -> None:
    verdict = invited()
    assert verdict.state.memberships == (Membership(kind=PersonKind.READER, organization_id=WESTMARCH),)
    assert verdict.state.active
    (event,) = verdict.events
    assert isinstance(event, PersonRecorded)
    assert event.memberships == verdict.state.memberships
    assert event.rights_holder is None
    (token,) = verdict.also
    assert isinstance(token, Token)
    assert (token.person_id, token.single_use) == (NORA, True)


@pytest.mark.parametrize(
    ("recipient", "reason", "word"),
    [
        pytest.param(None, Reason.NOT_FOUND, "no such", id="an organization that is not known"),
        pytest.param(replace(COLLEGE, kind=OrganizationKind.SCHOOL), Reason.CONFLICT, "roster", id="a school"),
        pytest.param(replace(COLLEGE, standing=Standing.SUSPENDED), Reason.CONFLICT, "suspended", id="suspended"),
    ],
)
def test_nobody_is_let_in_to(recipient: Organization | None, reason: Reason, word: str) -> None:
    verdict = domain.invite_reader(recipient, None, INVITE)
    assert isinstance(verdict, Refusal)
    assert verdict.reason is reason
    assert word in verdict.detail


@pytest.mark.parametrize("standing", [Standing.VERIFIED, Standing.UNVERIFIED])
@pytest.mark.parametrize("kind", [OrganizationKind.COLLEGE, OrganizationKind.SCHOLARSHIP, OrganizationKind.EMPLOYER])
def test_every_kind_of_recipient_has_readers_also_while_it_waits_to_be_verified(
    kind: OrganizationKind, standing: Standing
) -> None:
    assert isinstance(domain.invite_reader(replace(COLLEGE, kind=kind, standing=standing), None, INVITE), Decision)


def test_the_same_invitation_again_changes_nothing_and_lets_nobody_in_twice() -> None:
    there = invited().state
    again = invited(there)
    assert (again.state, again.events, again.also) == (there, (), ())


def test_an_address_that_reads_already_is_not_given_to_another_name() -> None:
    other = replace(INVITE, profile=replace(INVITE.profile, digest="p2"))
    assert domain.invite_reader(COLLEGE, invited().state, other) == domain.NAMED_OTHERWISE


def test_an_end_takes_every_way_in_away_and_is_told_once() -> None:
    first = invited()
    (token,) = first.also
    assert isinstance(token, Token)
    end = ended(first.state, token)
    assert not end.state.active
    assert [event.active for event in end.events if isinstance(event, PersonRecorded)] == [False]
    assert end.also == [replace(token, revoked=True)]
    again = ended(end.state, replace(token, revoked=True))
    assert (again.state, again.events, again.also) == (end.state, (), ())


def test_an_account_that_ended_is_opened_again_by_a_new_invitation_with_a_new_way_in() -> None:
    over = ended(invited().state).state
    way_in = replace(INVITE.way_in, digest="t2")
    anew = invited(over, replace(INVITE, profile=replace(INVITE.profile, digest="p2"), way_in=way_in))
    assert anew.state.active
    assert anew.state.version == 3
    assert [token.digest for token in anew.also if isinstance(token, Token)] == ["t2"]


@pytest.mark.parametrize(
    "known",
    [
        pytest.param(None, id="nobody"),
        pytest.param({"memberships": ()}, id="somebody without a place"),
        pytest.param(
            {"memberships": (Membership(kind=PersonKind.READER, organization_id=OrganizationId("org_other")),)},
            id="another recipient's reader",
        ),
        pytest.param(
            {"memberships": (Membership(kind=PersonKind.STUDENT, organization_id=WESTMARCH),)}, id="no reader at all"
        ),
    ],
)
def test_only_a_reader_of_this_recipient_is_ended(known: dict[str, Any] | None) -> None:
    person = None if known is None else replace(invited().state, **known)
    assert domain.end_reader(person, (), END) == domain.NO_SUCH_READER


def test_a_suspended_recipients_reader_does_not_sign_in_until_it_is_verified_again() -> None:
    first = invited()
    (token,) = first.also
    assert isinstance(token, Token)
    suspended = replace(COLLEGE, standing=Standing.SUSPENDED)
    come = SignIn(digest="t1", at=AT)
    assert domain.sign_in(token, first.state, come, recipients=[suspended]) == domain.NO_SIGN_IN
    assert isinstance(domain.sign_in(token, first.state, come, recipients=[suspended, COLLEGE]), Decision)
    assert isinstance(domain.sign_in(token, first.state, come, recipients=[COLLEGE]), Decision)


def test_an_account_that_ended_is_not_active_and_nobody_is_neither() -> None:
    reader = invited().state
    assert domain.still_active(reader) is None
    assert domain.still_active(replace(reader, active=False)) == domain.ENDED
    assert domain.still_active(None) == domain.ENDED
