"""What records learns from identity. Newer news wins, old is ignored. Pure: no clock, no ids, no I/O, no async."""

from contracts.identity.v1 import OrganizationRecorded, PersonRecorded
from contracts.problem import Reason
from contracts.types import OrganizationKind, PersonKind, RightsHolder
from services.chassis.decision import Decision, Refusal
from services.records.domain.state import Person, School

OLD_NEWS = Refusal(Reason.CONFLICT, "newer news is known already")
OF_SCHOOLS = frozenset({PersonKind.STUDENT, PersonKind.REGISTRAR})
"""Whose record it is, and who seals it. Nobody else is kept here."""


def know_person(known: Person | None, event: PersonRecorded) -> Decision[Person] | Refusal:
    """A student or a registrar as identity tells of them; one who is neither any more is kept as inactive there."""
    places = [one for one in event.memberships if one.kind in OF_SCHOOLS]
    if not places and known is None:
        return Refusal(Reason.CONFLICT, "neither a student nor a registrar")
    if known is not None and known.version >= event.version:
        return OLD_NEWS
    is_student = any(one.kind is PersonKind.STUDENT for one in places)
    return Decision(
        Person(
            person_id=event.person_id,
            version=event.version,
            active=event.active,
            kinds=tuple(dict.fromkeys(one.kind for one in places)),
            school_ids=tuple(dict.fromkeys(one.organization_id for one in places)),
            student_at=tuple(one.organization_id for one in places if one.kind is PersonKind.STUDENT),
            rights_holder=(event.rights_holder or RightsHolder.GUARDIAN) if is_student else None,
            guardians=event.guardians,
            profile=event.profile,
        )
    )


def know_school(known: School | None, event: OrganizationRecorded) -> Decision[School] | Refusal:
    """A school as identity tells of it. Recipients are consent's and delivery's to know."""
    if event.kind is not OrganizationKind.SCHOOL:
        return Refusal(Reason.CONFLICT, "not a school")
    if known is not None and known.version >= event.version:
        return OLD_NEWS
    return Decision(
        School(organization_id=event.organization_id, version=event.version, name=event.name, standing=event.standing)
    )
