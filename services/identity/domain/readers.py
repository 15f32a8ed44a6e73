"""People of a recipient, who read what is sent to it: let in by an operator, one account for an address and a recipient."""

from dataclasses import dataclass, replace
from datetime import datetime

from contracts.problem import Reason
from contracts.types import Membership, OrganizationId, OrganizationKind, PersonId, PersonKind, Standing
from services.chassis.decision import Decision, Refusal
from services.identity.domain.access import IssueToken, issue_token, revoke_tokens
from services.identity.domain.organizations import NO_SUCH_ORGANIZATION
from services.identity.domain.people import Profile, recorded
from services.identity.domain.state import Organization, Person, Token

NO_SUCH_READER = Refusal(Reason.NOT_FOUND, "there is no such reader")
NAMED_OTHERWISE = Refusal(
    Reason.CONFLICT,
    "this address reads for this recipient already, under another name; end that account first, or use another address",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class InviteReader:
    """Somebody is to read for a recipient. `person_id` follows from recipient and address; `way_in` is for that person."""

    person_id: PersonId
    recipient_id: OrganizationId
    profile: Profile
    way_in: IssueToken
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EndReader:
    """The account ends: it signs in no more."""

    person_id: PersonId
    recipient_id: OrganizationId
    at: datetime


def may_have_readers(recipient: Organization | None) -> Refusal | None:
    """None for a recipient that is not suspended. One that is not verified yet may prepare: nothing is sent to it."""
    if recipient is None:
        return NO_SUCH_ORGANIZATION
    if recipient.kind is OrganizationKind.SCHOOL:
        return Refusal(
            Reason.CONFLICT, "this is a school: its people come from its roster; readers belong to recipients"
        )
    if recipient.standing is Standing.SUSPENDED:
        return Refusal(Reason.CONFLICT, "this recipient is suspended: verify it before you let anybody in")
    return None


def invite_reader(
    recipient: Organization | None, known: Person | None, command: InviteReader
) -> Decision[Person] | Refusal:
    """The account with its first way in: both or neither. Who is in already stays so, and gets no second way in."""
    refusal = may_have_readers(recipient)
    if refusal is not None:
        return refusal
    if known is not None and known.active:
        return Decision(known) if known.profile_digest == command.profile.digest else NAMED_OTHERWISE
    assert command.profile.sealed is not None  # an invitation is always sealed at the door
    place = Membership(kind=PersonKind.READER, organization_id=command.recipient_id)
    reader = Person(
        person_id=command.person_id,
        version=known.version + 1 if known else 1,
        source=command.recipient_id,
        memberships=(place,),
        school_ids=(command.recipient_id,),
        active=True,
        profile=command.profile.sealed,
        profile_digest=command.profile.digest,
        email_index=command.profile.email_index,
    )
    token = issue_token(reader, command.way_in)
    assert isinstance(token, Decision)  # the account is active
    return Decision(reader, [recorded(reader)], also=(token.state,))


def end_reader(known: Person | None, tokens: tuple[Token, ...], command: EndReader) -> Decision[Person] | Refusal:
    """Not active any more, and every way in worth nothing, also after an invitation anew. Ended twice: nothing to say."""
    if known is None or not reads_for(known, command.recipient_id):
        return NO_SUCH_READER
    if not known.active:
        return Decision(known)
    ended = replace(known, version=known.version + 1, active=False)
    return Decision(ended, [recorded(ended)], also=revoke_tokens(tokens).also)


def reads_for(person: Person, recipient_id: OrganizationId) -> bool:
    """Whether the person has (or had, when not active) a reader's account at this recipient."""
    return Membership(kind=PersonKind.READER, organization_id=recipient_id) in person.memberships
