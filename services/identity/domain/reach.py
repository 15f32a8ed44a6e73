"""Whom a member of staff may act upon: hand in a token, take a lost authenticator away, look at an account."""

from collections.abc import Sequence

from contracts.types import Membership, OrganizationId, PersonId, PersonKind
from services.identity.domain.state import Person

STAFF = frozenset({PersonKind.REGISTRAR, PersonKind.ADMINISTRATOR})


def may_see(asker: PersonId, memberships: Sequence[Membership], person: Person) -> bool:
    """Oneself; staff see the people of their schools; an operator sees everybody."""
    return asker == person.person_id or _operates(memberships) or bool(_schools(memberships) & set(person.school_ids))


def may_let_in(memberships: Sequence[Membership], person: Person) -> bool:
    """Whether these may give this person a way in, which is to be able to act as them.

    Only where every place of the person is at the asker's schools: else a registrar would reach into another school.
    Staff are let in by an administrator, so that a registrar makes nobody's rights larger than their own.
    """
    if _operates(memberships):
        return True
    if person.is_a(PersonKind.OPERATOR) or not person.school_ids:
        return False
    if any(place.kind in STAFF for place in person.memberships):
        return set(person.school_ids) <= _schools(memberships, PersonKind.ADMINISTRATOR)
    return set(person.school_ids) <= _schools(memberships)


def may_import(memberships: Sequence[Membership]) -> frozenset[OrganizationId] | None:
    """The schools whose people these may record; None: every one."""
    return None if _operates(memberships) else frozenset(_schools(memberships))


def _schools(memberships: Sequence[Membership], *kinds: PersonKind) -> set[OrganizationId]:
    wanted = kinds or tuple(STAFF)
    return {place.organization_id for place in memberships if place.kind in wanted}


def _operates(memberships: Sequence[Membership]) -> bool:
    return any(place.kind is PersonKind.OPERATOR for place in memberships)
