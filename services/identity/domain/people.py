"""Who exists: people as a school's roster tells of them, and the rights that pass to a student at 18.

Whoever imports speaks for the schools in `speaks_for` and for no other: memberships elsewhere are never touched, and
the profile of somebody who is only known elsewhere is not theirs to change.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from contracts.event import Event
from contracts.identity.v1 import PersonRecorded, RightsTransferred
from contracts.problem import Reason
from contracts.types import Membership, OrganizationId, PersonId, PersonKind, RightsHolder, SealedValue
from services.chassis.decision import Decision, Refusal
from services.identity.domain.state import Person

UNCHANGED = Refusal(Reason.CONFLICT, "nothing changes")
UNKNOWN = Refusal(
    Reason.NOT_FOUND, "this file holds changes only, and the person is not known here; send the whole roster"
)
NOT_YOURS = Refusal(
    Reason.NOT_ALLOWED, "the person has no place at your school, so their account is not yours to remove"
)
CHANGED_MEANWHILE = Refusal(Reason.NOT_NOW, "the person was changed by somebody else at this moment; import again")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Name and e-mail as ciphertext. `sealed` is None when the door saw that what is kept says the same."""

    digest: str
    sealed: SealedValue | None
    email_index: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Birth:
    """A student's birth date as ciphertext, the token of the 18th birthday, and whether it has come."""

    birthday: str
    sealed: SealedValue | None
    eligible: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordPerson:
    """What a roster says of one person. `whole` is false for a file of changes.

    `gone` holds memberships that a file of changes takes away; a whole roster takes away by not naming. `birth` and
    `guardians` are None when the file does not tell: what is known stays.
    """

    person_id: PersonId
    source: str
    speaks_for: frozenset[OrganizationId]
    whole: bool
    memberships: tuple[Membership, ...]
    gone: tuple[Membership, ...] = ()
    removed: bool = False
    enabled: bool = True
    profile: Profile
    birth: Birth | None = None
    guardians: tuple[PersonId, ...] | None = None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferRights:
    """The day has come at this school. `birthdays` are the tokens of the days that have begun."""

    person_id: PersonId
    school_id: OrganizationId
    birthdays: frozenset[str]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EstablishOperator:
    """The first operator, made by whoever installs the house."""

    person_id: PersonId
    house: OrganizationId
    profile: Profile
    at: datetime


def record_person(known: Person | None, command: RecordPerson) -> Decision[Person] | Refusal:
    """The person as the roster has them now. The same row again changes nothing and says nothing."""
    if known is None:
        return UNKNOWN if command.removed or not _told_places(command) else _first(command)
    if command.removed and not set(known.school_ids) & command.speaks_for:
        return NOT_YOURS
    memberships = _memberships(known, command)
    moved = replace(known, memberships=memberships, school_ids=_schools(memberships))
    changed = _with_age(moved, command, before=known.memberships)
    if command.removed:
        changed = replace(changed, active=known.active and bool(memberships))
    elif set(known.school_ids) & command.speaks_for or not known.memberships:
        renamed = _with_profile(changed, command.profile)
        if renamed is None:
            return CHANGED_MEANWHILE
        changed = replace(renamed, active=command.enabled and bool(memberships))
    if changed == known:
        return UNCHANGED
    return _told(known, changed, school_id=next(iter(_student_at(changed.memberships)), None))


def transfer_rights(known: Person | None, command: TransferRights) -> Decision[Person] | Refusal:
    """From the 18th birthday on the student signs, and nobody else (99.5(a)). The date may have been corrected since."""
    if known is None or known.birthday not in command.birthdays:
        return Refusal(Reason.CONFLICT, "the person's birthday is none of these days")
    if known.rights_holder is not RightsHolder.GUARDIAN:
        return UNCHANGED
    return _told(known, replace(known, rights_holder=RightsHolder.STUDENT), school_id=command.school_id)


def establish_operator(known: Person | None, command: EstablishOperator) -> Decision[Person] | Refusal:
    """The operator of the house itself, once."""
    if known is not None:
        return UNCHANGED
    if command.profile.sealed is None:
        return CHANGED_MEANWHILE
    place = Membership(kind=PersonKind.OPERATOR, organization_id=command.house)
    person = Person(
        person_id=command.person_id,
        version=1,
        source=command.house,
        memberships=(place,),
        school_ids=(command.house,),
        active=True,
        profile=command.profile.sealed,
        profile_digest=command.profile.digest,
        email_index=command.profile.email_index,
    )
    return Decision(person, [recorded(person)])


def recorded(person: Person) -> PersonRecorded:
    """The whole public state of a person, as the others hear it."""
    return PersonRecorded(
        version=person.version,
        person_id=person.person_id,
        memberships=person.memberships,
        active=person.active,
        profile=person.profile,
        rights_holder=person.rights_holder,
        guardians=person.guardians,
    )


def _first(command: RecordPerson) -> Decision[Person] | Refusal:
    if command.profile.sealed is None:
        return CHANGED_MEANWHILE
    memberships = _told_places(command)
    person = Person(
        person_id=command.person_id,
        version=1,
        source=command.source,
        memberships=memberships,
        school_ids=_schools(memberships),
        active=command.enabled,
        profile=command.profile.sealed,
        profile_digest=command.profile.digest,
        email_index=command.profile.email_index,
    )
    person = _with_age(person, command, before=())
    return Decision(person, [recorded(person)])


def _told_places(command: RecordPerson) -> tuple[Membership, ...]:
    """What the roster gives, where the importer speaks; it gives nobody a right over the house itself."""
    return tuple(
        dict.fromkeys(
            place
            for place in command.memberships
            if place.organization_id in command.speaks_for and place.kind is not PersonKind.OPERATOR
        )
    )


def _memberships(known: Person, command: RecordPerson) -> tuple[Membership, ...]:
    """Places elsewhere stay as they are; those at the importer's schools are what the roster says."""
    elsewhere = [place for place in known.memberships if place.organization_id not in command.speaks_for]
    here = [place for place in known.memberships if place.organization_id in command.speaks_for]
    if command.removed:
        return tuple(elsewhere)
    if command.whole:
        return _in_order(known, [*elsewhere, *_told_places(command)])
    kept = [place for place in here if place not in command.gone]
    return _in_order(known, [*elsewhere, *kept, *_told_places(command)])


def _in_order(known: Person, places: Sequence[Membership]) -> tuple[Membership, ...]:
    """Each place once; those known before keep their order, so that a repeat of the same roster is no change."""
    wanted = dict.fromkeys(places)
    return tuple([place for place in known.memberships if place in wanted]) + tuple(
        place for place in wanted if place not in known.memberships
    )


def _schools(memberships: Sequence[Membership]) -> tuple[OrganizationId, ...]:
    return tuple(dict.fromkeys(place.organization_id for place in memberships))


def _with_profile(person: Person, profile: Profile) -> Person | None:
    """With the name and e-mail of the roster; None when these differ and the door has not sealed them."""
    if person.profile_digest == profile.digest:
        return person
    if profile.sealed is None:
        return None
    return replace(person, profile=profile.sealed, profile_digest=profile.digest, email_index=profile.email_index)


def _student_at(memberships: Sequence[Membership]) -> tuple[OrganizationId, ...]:
    return tuple(place.organization_id for place in memberships if place.kind is PersonKind.STUDENT)


def _with_age(person: Person, command: RecordPerson, *, before: Sequence[Membership]) -> Person:
    """A student's birthday, rights and guardians; nobody else has any of them.

    Who stands for another school's student is not for this school to say, also when it takes the student in: a roster
    must not be a way to put oneself in a guardian's place. A birth date that is not told takes nothing away, and an unknown one is taken as under 18: until the school knows
    better, the guardian holds the rights. A corrected one is believed in both directions.
    """
    if not person.is_a(PersonKind.STUDENT):
        return replace(person, birth_date=None, birthday=None, rights_holder=None, guardians=())
    already = _student_at(before)
    if already and not command.speaks_for.intersection(already):
        return replace(person, rights_holder=person.rights_holder or RightsHolder.GUARDIAN)
    guardians = person.guardians if command.guardians is None else command.guardians
    person = replace(person, guardians=guardians, rights_holder=person.rights_holder or RightsHolder.GUARDIAN)
    birth = command.birth
    if birth is None:
        return person
    # The same day again keeps the ciphertext that is there: a fresh one would look like a change.
    sealed = person.birth_date if birth.birthday == person.birthday or birth.sealed is None else birth.sealed
    holder = RightsHolder.STUDENT if birth.eligible else RightsHolder.GUARDIAN
    return replace(person, birth_date=sealed, birthday=birth.birthday, rights_holder=holder)


def _told(known: Person, changed: Person, *, school_id: OrganizationId | None) -> Decision[Person]:
    """The change with its events. A transfer of rights is told first, with a version of its own."""
    events: list[Event] = []
    version = known.version + 1
    came_of_age = known.rights_holder is RightsHolder.GUARDIAN and changed.rights_holder is RightsHolder.STUDENT
    if came_of_age and school_id is not None:
        events.append(RightsTransferred(version=version, person_id=known.person_id, school_id=school_id))
        version += 1
    person = replace(changed, version=version)
    return Decision(person, [*events, recorded(person)])
