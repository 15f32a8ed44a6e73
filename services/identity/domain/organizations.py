"""Schools and recipients: recorded by an operator, verified before anything is sent to them, suspended when need be."""

from dataclasses import dataclass, replace
from datetime import datetime

from contracts.identity.v1 import OrganizationRecorded
from contracts.problem import Reason
from contracts.types import OrganizationId, OrganizationKind, SchoolPolicy, Standing
from services.chassis.decision import Decision, Refusal
from services.identity.domain.state import Birthdays, Organization

NO_SUCH_ORGANIZATION = Refusal(Reason.NOT_FOUND, "there is no such organization")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordOrganization:
    """Everything an operator says of an organization. `today` is the day in its time zone (ISO date)."""

    organization_id: OrganizationId
    kind: OrganizationKind
    name: str
    standing: Standing
    timezone: str
    policy: SchoolPolicy | None = None
    source: str | None = None
    sourced_id: str | None = None
    today: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SetStanding:
    """Verify or suspend."""

    organization_id: OrganizationId
    standing: Standing
    at: datetime


def record_organization(
    known: Organization | None,
    command: RecordOrganization,
    *,
    of_source: tuple[Organization, ...] = (),
    birthdays: Birthdays | None = None,
) -> Decision[Organization] | Refusal:
    """An organization as the operator describes it. `of_source` are the schools of the same rosters.

    A new school's birthdays are looked through from the day before on: whoever is 18 by then is so at the import.
    """
    school = command.kind is OrganizationKind.SCHOOL
    refusal = _what_stands_against(known, command, of_source)
    if refusal is not None:
        return refusal
    organization = Organization(
        organization_id=command.organization_id,
        version=known.version if known else 0,
        kind=command.kind,
        name=command.name,
        standing=command.standing,
        timezone=command.timezone,
        policy=(command.policy or SchoolPolicy()) if school else None,
        source=(command.source or command.organization_id) if school else None,
        sourced_id=command.sourced_id if school else None,
    )
    if organization == known:
        return Decision(known)
    also = (Birthdays(command.organization_id, command.today),) if school and birthdays is None else ()
    return _told(organization, also)


def set_standing(known: Organization | None, command: SetStanding) -> Decision[Organization] | Refusal:
    """Verified: it may take part. Suspended: everything of it stops, everywhere, as soon as the others hear it."""
    if known is None:
        return NO_SUCH_ORGANIZATION
    if known.standing is command.standing:
        return Decision(known)
    return _told(replace(known, standing=command.standing))


def _what_stands_against(
    known: Organization | None, command: RecordOrganization, of_source: tuple[Organization, ...]
) -> Refusal | None:
    if known is not None and known.kind is not command.kind:
        return Refusal(Reason.CONFLICT, f"this organization is a {known.kind}; record another one for another kind")
    if command.kind is not OrganizationKind.SCHOOL and (command.policy or command.source or command.sourced_id):
        return Refusal(Reason.INVALID, "policy, roster_source and sourced_id belong to schools; leave them out")
    if command.sourced_id is not None and any(
        other.sourced_id == command.sourced_id and other.organization_id != command.organization_id
        for other in of_source
    ):
        return Refusal(Reason.CONFLICT, "another school has this sourced_id in the same rosters; give each its own")
    return None


def _told(organization: Organization, also: tuple[Birthdays, ...] = ()) -> Decision[Organization]:
    told = replace(organization, version=organization.version + 1)
    event = OrganizationRecorded(
        version=told.version,
        organization_id=told.organization_id,
        kind=told.kind,
        name=told.name,
        standing=told.standing,
        timezone=told.timezone,
        policy=told.policy,
    )
    return Decision(told, [event], also=also)
