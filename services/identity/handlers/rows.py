"""A roster in the house's own words: whose schools these are, and what each row asks for. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from contracts.problem import Reason
from contracts.types import Membership, OrganizationId, PersonId, PersonKind
from services.chassis import ids
from services.chassis.decision import Refusal
from services.identity.domain import ImportProblem, Organization, Severity
from services.identity.gateways import roster as rostered
from services.identity.gateways.roster import Roster, SourcedId

NO_PLACE = Refusal(Reason.NOT_ALLOWED, "they have no role at a school that you may import for")


@dataclass(frozen=True, slots=True)
class Places:
    """The schools of a roster that are known here and may be imported by whoever sent it."""

    by_key: Mapping[SourcedId, OrganizationId]
    zones: Mapping[OrganizationId, str]
    problems: tuple[ImportProblem, ...]

    @property
    def speaks_for(self) -> frozenset[OrganizationId]:
        return frozenset(self.zones)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One person of the roster, with the places that count. `guardians` is None where the file does not tell."""

    person_id: PersonId
    person: rostered.Person
    memberships: tuple[Membership, ...]
    gone: tuple[Membership, ...]
    removed: bool
    guardians: tuple[PersonId, ...] | None
    why_left_out: Refusal | None


def places_in(
    roster: Roster, schools: Sequence[Organization], *, may_import: frozenset[OrganizationId] | None
) -> Places:
    """Matches the roster's organizations with the schools known here, by `sourcedId` or by `identifier`.

    A file of changes speaks for every school that its sender may import for, since it need not name them again.
    """
    allowed = [one for one in schools if may_import is None or one.organization_id in may_import]
    known = {one.sourced_id: one for one in allowed if one.sourced_id}
    by_key: dict[SourcedId, OrganizationId] = {}
    zones: dict[OrganizationId, str] = {}
    problems: list[ImportProblem] = []
    for school in roster.schools:
        match = known.get(school.sourced_id) or known.get(school.identifier or "")
        if match is not None:
            by_key[school.sourced_id] = match.organization_id
            zones[match.organization_id] = match.timezone
        elif school.kind == "school" and school.status is not rostered.Status.REMOVED:
            reason = (
                f"names the school {school.sourced_id!r}, which is not one that you may import for; "
                "what the file says of it is left out"
            )
            problems.append(ImportProblem("orgs.csv", 1, "sourcedId", reason, Severity.WARNING))
    if roster.delta:
        for key, one in known.items():
            by_key.setdefault(SourcedId(key), one.organization_id)
            zones[one.organization_id] = one.timezone
    return Places(by_key, zones, tuple(problems))


def rows_of(roster: Roster, places: Places, source: str) -> Iterator[Row]:
    """Each person of the roster as the domain asks for it. Guardians are told by the student's row alone."""
    guardians: dict[SourcedId, list[PersonId]] = defaultdict(list)
    for link in roster.guardianships:
        guardians[link.student_sourced_id].append(person_id_of(source, link.guardian_sourced_id))
    for person in roster.people:
        memberships = _memberships(person, places, rostered.Status.ACTIVE)
        named = guardians.get(person.sourced_id)
        yield Row(
            person_id=person_id_of(source, person.sourced_id),
            person=person,
            memberships=memberships,
            gone=_memberships(person, places, rostered.Status.REMOVED),
            removed=person.status is rostered.Status.REMOVED,
            # A row of changes that names no guardian says nothing of guardians; one of a whole roster says: none.
            guardians=None if named is None and roster.delta else tuple(named or ()),
            why_left_out=NO_PLACE if not memberships and person.roles else None,
        )


def _memberships(person: rostered.Person, places: Places, status: rostered.Status) -> tuple[Membership, ...]:
    return tuple(
        Membership(kind=PersonKind(role.kind.value), organization_id=places.by_key[role.school_sourced_id])
        for role in person.roles
        if role.status is status and role.school_sourced_id in places.by_key
    )


def person_id_of(source: str, sourced_id: SourcedId) -> PersonId:
    """The same key of the same rosters is the same person, on every import."""
    return PersonId(ids.derived("per", source, sourced_id))
