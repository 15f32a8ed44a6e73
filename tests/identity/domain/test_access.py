"""Ways in: tokens, authenticator codes, clients. Wrong, used, revoked, expired and unknown look the same."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts.problem import Reason
from contracts.types import OrganizationId, OrganizationKind, PersonId, SealedValue, Standing
from services.chassis.decision import Decision, Refusal
from services.identity import domain
from services.identity.domain import (
    Authenticator,
    CreateClient,
    Enrol,
    IssueToken,
    Organization,
    Person,
    SignIn,
    Token,
    TryCode,
)
from services.identity.domain.access import LOCKED, MOST_FAILURES

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
ADA = PersonId("per_ada")
SECRET, FRESH = SealedValue(person_id=ADA, ciphertext="s1"), SealedValue(person_id=ADA, ciphertext="s2")

PERSON = Person(
    person_id=ADA,
    version=1,
    source="district",
    memberships=(),
    school_ids=(),
    active=True,
    profile=SECRET,
    profile_digest="d",
    email_index=None,
)
ISSUE = IssueToken(digest="t1", person_id=ADA, issued_by=ADA, expires_at=AT + timedelta(days=1), at=AT)


def issued(**changes: Any) -> Token:
    verdict = domain.issue_token(PERSON, ISSUE)
    assert isinstance(verdict, Decision)
    return replace(verdict.state, **changes)


@pytest.mark.parametrize(
    ("person", "reason"),
    [
        pytest.param(None, Reason.NOT_FOUND, id="nobody"),
        pytest.param(replace(PERSON, active=False), Reason.CONFLICT, id="an account that is not active"),
    ],
)
def test_a_token_is_not_issued(person: Person | None, reason: Reason) -> None:
    verdict = domain.issue_token(person, ISSUE)
    assert isinstance(verdict, Refusal)
    assert verdict.reason is reason


@pytest.mark.parametrize(
    ("token", "person", "at"),
    [
        pytest.param(None, PERSON, AT, id="unknown"),
        pytest.param(issued(), None, AT, id="of nobody"),
        pytest.param(issued(), replace(PERSON, active=False), AT, id="of an account that is not active"),
        pytest.param(issued(revoked=True), PERSON, AT, id="revoked"),
        pytest.param(issued(), PERSON, AT + timedelta(days=1), id="expired"),
        pytest.param(issued(single_use=True, used_at=AT), PERSON, AT, id="used"),
    ],
)
def test_every_token_that_does_not_sign_in_gets_one_answer(
    token: Token | None, person: Person | None, at: datetime
) -> None:
    assert domain.sign_in(token, person, SignIn(digest="t1", at=at)) == domain.NO_SIGN_IN


@pytest.mark.parametrize("token", [issued(), issued(used_at=AT), issued(single_use=True)])
def test_a_good_token_signs_in(token: Token) -> None:
    verdict = domain.sign_in(token, PERSON, SignIn(digest="t1", at=AT))
    assert isinstance(verdict, Decision)
    assert verdict.state.used_at == AT


def test_revoking_takes_every_token_that_is_left() -> None:
    gone = domain.revoke_tokens((issued(), issued(digest="t2", revoked=True)))
    assert gone.also == [issued(revoked=True)]


def code(step: int | None, *, secret: SealedValue = SECRET, attempt: str = "sup_1", at: datetime = AT) -> TryCode:
    return TryCode(person_id=ADA, secret=secret, step=step, attempt=attempt, at=at)


def kept(**changes: Any) -> Authenticator:
    return replace(Authenticator(person_id=ADA, version=1, secret=SECRET, last_step=100), **changes)


def tried(authenticator: Authenticator, command: TryCode) -> Authenticator:
    verdict = domain.try_code(authenticator, command)
    assert isinstance(verdict, Decision)
    return verdict.state


def test_a_code_is_accepted_once() -> None:
    first = tried(kept(), code(101, attempt="sup_1"))
    assert (first.accepted, first.last_step) == ("sup_1", 101)
    second = tried(first, code(101, attempt="sup_2"))
    assert second.accepted == "sup_1"
    assert second.failures == 1


@pytest.mark.parametrize("step", [None, 100, 99])
def test_a_wrong_or_older_code_is_counted(step: int | None) -> None:
    after = tried(kept(), code(step))
    assert (after.accepted, after.failures, after.last_step) == (None, 1, 100)


def test_a_right_code_forgives_the_wrong_ones_before() -> None:
    assert tried(kept(failures=4), code(101)).failures == 0


def test_after_five_wrong_codes_ten_minutes_pass_before_another_is_looked_at() -> None:
    authenticator = kept()
    for _ in range(MOST_FAILURES):
        authenticator = tried(authenticator, code(None))
    assert authenticator.locked_until == AT + LOCKED
    soon = domain.try_code(authenticator, code(101, at=AT + LOCKED - timedelta(seconds=1)))
    assert soon == domain.LOCKED_OUT
    later = tried(authenticator, code(101, at=AT + LOCKED))
    assert (later.accepted, later.locked_until) == ("sup_1", None)


@pytest.mark.parametrize(
    ("known", "refusal"),
    [
        pytest.param(None, domain.NO_AUTHENTICATOR, id="none at all"),
        pytest.param(kept(secret=None, pending=SECRET), domain.NO_AUTHENTICATOR, id="not confirmed yet"),
        pytest.param(kept(secret=FRESH), domain.WRONG_CODE, id="replaced since the door looked"),
    ],
)
def test_a_code_without_its_authenticator_counts_for_nothing(known: Authenticator | None, refusal: Refusal) -> None:
    assert domain.try_code(known, code(101)) == refusal


def test_a_first_secret_is_pending_until_its_code_comes_back() -> None:
    enrolled = domain.enrol(None, Enrol(person_id=ADA, pending=FRESH, proven=False, at=AT))
    assert isinstance(enrolled, Decision)
    assert (enrolled.state.secret, enrolled.state.pending) == (None, FRESH)
    wrong = domain.confirm(enrolled.state, code(None, secret=FRESH))
    assert isinstance(wrong, Decision)
    assert (wrong.state.secret, wrong.state.failures) == (None, 1)
    right = domain.confirm(wrong.state, code(50, secret=FRESH))
    assert isinstance(right, Decision)
    assert (right.state.secret, right.state.pending, right.state.last_step) == (FRESH, None, 50)


def test_a_second_try_to_enrol_before_confirming_takes_the_first_ones_place() -> None:
    again = domain.enrol(kept(secret=None, pending=SECRET), Enrol(person_id=ADA, pending=FRESH, proven=False, at=AT))
    assert isinstance(again, Decision)
    assert again.state.pending == FRESH


def test_a_secret_in_use_is_replaced_only_by_who_has_just_used_it() -> None:
    unproven = domain.enrol(kept(), Enrol(person_id=ADA, pending=FRESH, proven=False, at=AT))
    assert isinstance(unproven, Refusal)
    assert unproven.reason is Reason.STEP_UP
    proven = domain.enrol(kept(), Enrol(person_id=ADA, pending=FRESH, proven=True, at=AT))
    assert isinstance(proven, Decision)
    assert proven.state.secret == SECRET


@pytest.mark.parametrize(
    "known",
    [
        pytest.param(None, id="none at all"),
        pytest.param(kept(), id="nothing pending"),
        pytest.param(kept(pending=SECRET), id="another pending"),
    ],
)
def test_there_is_nothing_to_confirm(known: Authenticator | None) -> None:
    assert domain.confirm(known, code(101, secret=FRESH)) == domain.NO_AUTHENTICATOR


def test_a_locked_authenticator_confirms_nothing() -> None:
    locked = kept(secret=None, pending=FRESH, locked_until=AT + LOCKED)
    assert domain.confirm(locked, code(101, secret=FRESH)) == domain.LOCKED_OUT


def test_a_lost_authenticator_is_taken_away_with_everything_of_it() -> None:
    verdict = domain.remove_authenticator(kept(pending=FRESH, failures=3))
    assert isinstance(verdict, Decision)
    assert verdict.state == Authenticator(person_id=ADA, version=2)
    assert domain.remove_authenticator(None) == domain.NO_AUTHENTICATOR


def test_a_client_belongs_to_an_organization_and_can_be_revoked() -> None:
    college = OrganizationId("org_college")
    command = CreateClient(client_id="cli_1", organization_id=college, secret_digest="x", name="admissions", at=AT)
    assert isinstance(domain.create_client(None, command), Refusal)
    organization = Organization(
        organization_id=college,
        version=1,
        kind=OrganizationKind.COLLEGE,
        name="Westmarch",
        standing=Standing.VERIFIED,
        timezone="UTC",
    )
    made = domain.create_client(organization, command)
    assert isinstance(made, Decision)
    gone = domain.revoke_client(made.state)
    assert isinstance(gone, Decision)
    assert gone.state.revoked
    assert isinstance(domain.revoke_client(None), Refusal)
