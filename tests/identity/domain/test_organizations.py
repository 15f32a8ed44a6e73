"""Schools and recipients: recorded, verified, suspended."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from contracts.identity.v1 import OrganizationRecorded
from contracts.problem import Reason
from contracts.types import OrganizationId, OrganizationKind, SchoolPolicy, Standing
from services.chassis.decision import Decision, Refusal
from services.identity import domain
from services.identity.domain import Birthdays, Organization, RecordOrganization, SetStanding

AT = datetime(2026, 11, 24, tzinfo=UTC)
HARBOR = OrganizationId("org_harbor")


def said(**changes: Any) -> RecordOrganization:
    command = RecordOrganization(
        organization_id=HARBOR,
        kind=OrganizationKind.SCHOOL,
        name="Harbor School",
        standing=Standing.VERIFIED,
        timezone="America/New_York",
        sourced_id="s1",
        today="2026-11-24",
        at=AT,
    )
    return replace(command, **changes)


def decided(verdict: Decision[Organization] | Refusal) -> Decision[Organization]:
    assert isinstance(verdict, Decision)
    return verdict


SCHOOL = decided(domain.record_organization(None, said())).state


def test_a_new_school_has_a_policy_a_source_and_its_birthdays_watched() -> None:
    verdict = decided(domain.record_organization(None, said()))
    assert verdict.state.policy == SchoolPolicy()
    assert verdict.state.source == HARBOR
    assert verdict.also == (Birthdays(HARBOR, "2026-11-24"),)
    (event,) = verdict.events
    assert isinstance(event, OrganizationRecorded)
    assert (event.version, event.timezone) == (1, "America/New_York")


def test_a_recipient_has_no_policy_and_no_birthdays() -> None:
    verdict = decided(
        domain.record_organization(None, said(kind=OrganizationKind.COLLEGE, sourced_id=None, timezone="UTC"))
    )
    assert (verdict.state.policy, verdict.state.source, verdict.also) == (None, None, ())


def test_the_same_description_again_says_nothing() -> None:
    assert decided(domain.record_organization(SCHOOL, said())).events == ()


def test_a_new_description_is_told_and_the_birthdays_go_on() -> None:
    verdict = decided(
        domain.record_organization(SCHOOL, said(name="Harbor High"), birthdays=Birthdays(HARBOR, "2026-11-01"))
    )
    assert (verdict.state.name, verdict.state.version, verdict.also) == ("Harbor High", 2, ())


OTHER = replace(SCHOOL, organization_id=OrganizationId("org_other"))


@pytest.mark.parametrize(
    ("known", "command", "of_source", "reason"),
    [
        pytest.param(SCHOOL, said(kind=OrganizationKind.COLLEGE), (), Reason.CONFLICT, id="another kind"),
        pytest.param(
            None,
            said(kind=OrganizationKind.EMPLOYER, sourced_id="s1"),
            (),
            Reason.INVALID,
            id="a recipient's roster key",
        ),
        pytest.param(None, said(), (OTHER,), Reason.CONFLICT, id="a roster key that is taken"),
    ],
)
def test_an_organization_is_refused(
    known: Organization | None, command: RecordOrganization, of_source: tuple[Organization, ...], reason: Reason
) -> None:
    verdict = domain.record_organization(known, command, of_source=of_source)
    assert isinstance(verdict, Refusal)
    assert verdict.reason is reason


def test_a_school_may_keep_its_own_roster_key() -> None:
    assert decided(domain.record_organization(SCHOOL, said(), of_source=(SCHOOL,))).state == SCHOOL


def test_standing_changes_once() -> None:
    command = SetStanding(organization_id=HARBOR, standing=Standing.SUSPENDED, at=AT)
    verdict = decided(domain.set_standing(SCHOOL, command))
    assert verdict.state.standing is Standing.SUSPENDED
    assert len(verdict.events) == 1
    assert decided(domain.set_standing(verdict.state, command)).events == ()
    assert domain.set_standing(None, command) == domain.NO_SUCH_ORGANIZATION
