"""Readers of a recipient: one method per command. Name and address leave the door as ciphertext or a keyed digest."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from contracts.problem import Reason
from contracts.types import OrganizationId, PersonId
from services.chassis import ids
from services.chassis.decision import Decision, Refusal
from services.chassis.keys.person import Erased, PersonKeys
from services.chassis.store.work import AlreadyDone, Job, Known, Many, Need, One, Verdict, Work
from services.identity import domain
from services.identity.domain import EndReader, InviteReader, IssueToken, Person
from services.identity.gateways.marks import Marks
from services.identity.gateways.profiles import Profile
from services.identity.handlers.access import digest_of
from services.identity.store import ORGANIZATIONS, PEOPLE, TOKENS, Questions

ERASED = Refusal(Reason.CONFLICT, "who had this account was erased; it is not made again: use another address")
USED = Refusal(Reason.CONFLICT, "this Idempotency-Key was used for something else; send a fresh one")


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """What an operator says of a reader. `secret` is the way in that is handed over, should the account be made by this."""

    recipient_id: OrganizationId
    profile: Profile = field(repr=False)
    secret: str = field(repr=False)
    invited_by: PersonId
    valid_until: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class Invited:
    """The reader as they are now. `let_in` is true when the invitation's secret signs them in."""

    person: Person
    let_in: bool


class Readers:
    """Commands about the people of a recipient."""

    def __init__(self, work: Work, questions: Questions, keys: PersonKeys, marks: Marks) -> None:
        self._work = work
        self._questions = questions
        self._keys = keys
        self._marks = marks

    async def invite(self, invitation: Invitation, *, cause: str) -> Invited | Refusal:
        """An account with a way in that signs in once. The same invitation again: the account, and no second way in."""
        # Asked before anything is drawn: nobody gets a key for an account that is not to be.
        recipient = await self._questions.organization(invitation.recipient_id)
        refusal = domain.may_have_readers(recipient)
        if refusal is not None:
            return refusal
        command = await self._sealed(invitation)
        if isinstance(command, Refusal):
            return command

        def reads(_: Known) -> Iterable[Need]:
            return (One(ORGANIZATIONS, command.recipient_id), One(PEOPLE, command.person_id))

        def decide(known: Known) -> Verdict:
            recipient = known.one(ORGANIZATIONS, command.recipient_id)
            return domain.invite_reader(recipient, known.one(PEOPLE, command.person_id), command)

        job = Job(
            cause=cause, at=command.at, reads=reads, decide=decide, once=True, correlation=invitation.recipient_id
        )
        outcome = await self._work.carry_out(job)
        if isinstance(outcome, Refusal):
            return outcome
        if isinstance(outcome, AlreadyDone):
            there = await self._questions.person(command.person_id)
            same = there is not None and there.profile_digest == command.profile.digest
            return Invited(there, let_in=False) if there is not None and same else USED
        return Invited(outcome.state, let_in=bool(outcome.also))

    async def end(self, command: EndReader) -> Decision[Person] | Refusal:
        """The account signs in no more. Ended again: the same answer."""

        def reads(_: Known) -> Iterable[Need]:
            return (One(PEOPLE, command.person_id), Many(TOKENS, "person_id", command.person_id))

        def decide(known: Known) -> Verdict:
            tokens = known.many(TOKENS, "person_id", command.person_id)
            return domain.end_reader(known.one(PEOPLE, command.person_id), tokens, command)

        job = Job(
            cause=ids.new("cmd"), at=command.at, reads=reads, decide=decide, correlation=str(command.recipient_id)
        )
        outcome = await self._work.carry_out(job)
        assert not isinstance(outcome, AlreadyDone)  # only `once` makes that answer
        return outcome

    async def _sealed(self, invitation: Invitation) -> InviteReader | Refusal:
        """The command, with what is personal under the reader's own key."""
        clear, email = invitation.profile.dump(), self._marks.email(invitation.profile.email or "")
        person_id = reader_id(invitation.recipient_id, email)
        if await self._questions.person(person_id) is None:
            # Somebody known has a key, or was erased: then there must never be another.
            await self._keys.create([person_id])
        try:
            sealed = await self._keys.seal(person_id, clear)
        except Erased:
            return ERASED
        digest = self._marks.profile(person_id, clear)
        return InviteReader(
            person_id=person_id,
            recipient_id=invitation.recipient_id,
            profile=domain.Profile(digest=digest, sealed=sealed, email_index=email),
            way_in=IssueToken(
                digest=digest_of(invitation.secret),
                person_id=person_id,
                issued_by=invitation.invited_by,
                expires_at=invitation.valid_until,
                single_use=True,
                at=invitation.at,
            ),
            at=invitation.at,
        )


def reader_id(recipient_id: OrganizationId, email_mark: str) -> PersonId:
    """One address at one recipient is one account. The mark is a keyed digest: nobody can try addresses against the id."""
    return PersonId(ids.derived("per", "reader", recipient_id, email_mark))
