"""Written by identity; read by consent, records, delivery and notify.

Each event carries the whole public state of its person or organization, so that a reader needs only the newest.
"""

from contracts.event import Event, published
from contracts.types import (
    Membership,
    OrganizationId,
    OrganizationKind,
    PersonId,
    RightsHolder,
    SchoolPolicy,
    SealedValue,
    Standing,
)


@published(name="identity.person.recorded.v1", topic="identity.people", key="person_id")
class PersonRecorded(Event):
    """Who this is to whom. `profile` opens to a JSON `{name, email, language}` with the person's key only."""

    person_id: PersonId
    memberships: tuple[Membership, ...]
    active: bool
    profile: SealedValue
    rights_holder: RightsHolder | None = None
    """Of a student: who signs. None for everybody else."""
    guardians: tuple[PersonId, ...] = ()


@published(name="identity.rights.transferred.v1", topic="identity.people", key="person_id")
class RightsTransferred(Event):
    """The student turned 18: from now on the student signs, and guardians' open signatures count no more (99.5(a))."""

    person_id: PersonId
    school_id: OrganizationId


@published(name="identity.organization.recorded.v1", topic="identity.organizations", key="organization_id")
class OrganizationRecorded(Event):
    """A school with its policy, or a recipient with its standing."""

    organization_id: OrganizationId
    kind: OrganizationKind
    name: str
    standing: Standing
    timezone: str = "UTC"
    policy: SchoolPolicy | None = None
