"""Sign-in and step-up: one method per command. Secrets come in clear and leave as a digest or as ciphertext."""

import hashlib
import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contracts.types import OrganizationId, PersonId, PersonKind
from services.chassis import ids
from services.chassis.decision import Decision, Refusal
from services.chassis.keys.person import Erased, PersonKeys
from services.chassis.store.work import AlreadyDone, Job, Known, Many, Need, One, Verdict, Work
from services.identity import domain
from services.identity.domain import (
    Authenticator,
    Client,
    Enrol,
    EstablishOperator,
    IssueToken,
    Person,
    SignIn,
    Token,
    TryCode,
)
from services.identity.gateways import authenticator
from services.identity.gateways.marks import Marks
from services.identity.gateways.profiles import Profile
from services.identity.store import AUTHENTICATORS, ORGANIZATIONS, PEOPLE, TOKENS, Questions

HOUSE = OrganizationId("org_placet")
"""The house itself: operators are its people, and nobody else is."""
OPERATOR = PersonId("per_operator")


def digest_of(secret: str) -> str:
    """SHA-256 of a secret with 256 random bits. It can't be guessed, so a slow hash would protect nothing more."""
    return hashlib.sha256(secret.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A fresh authenticator secret, to be shown once and confirmed with a code."""

    secret: str
    address: str


class Access:
    """Commands by which somebody proves who they are. `operator_digest` is that of the first operator's token."""

    def __init__(
        self, work: Work, questions: Questions, keys: PersonKeys, marks: Marks, *, operator_digest: str = ""
    ) -> None:
        self._work = work
        self._questions = questions
        self._keys = keys
        self._marks = marks
        self._operator_digest = operator_digest

    async def issue_token(self, command: IssueToken) -> Decision[Token] | Refusal:
        def decide(known: Known) -> Verdict:
            return domain.issue_token(known.one(PEOPLE, command.person_id), command)

        return await self._carry_out(f"token:{command.digest}", command.at, decide, One(PEOPLE, command.person_id))

    async def revoke_tokens(self, person_id: PersonId, *, at: datetime) -> None:
        def decide(known: Known) -> Verdict:
            return domain.revoke_tokens(known.many(TOKENS, "person_id", person_id))

        await self._carry_out(ids.new("cmd"), at, decide, Many(TOKENS, "person_id", person_id))

    async def sign_in(self, secret: str, *, at: datetime) -> Person | Refusal:
        """Who the token signs in. Every way in which it may not is the same refusal."""
        digest = digest_of(secret)
        if self._operator_digest and hmac.compare_digest(digest, self._operator_digest):
            return await self._operator(at)
        token = await self._questions.token(digest)
        if token is None:
            return domain.NO_SIGN_IN
        person_id = token.person_id

        def reads(known: Known) -> Iterable[Need]:
            yield One(TOKENS, digest)
            yield One(PEOPLE, person_id)
            yield from (One(ORGANIZATIONS, one) for one in _read_for(known.one(PEOPLE, person_id)))

        def decide(known: Known) -> Verdict:
            person = known.one(PEOPLE, person_id)
            found = [known.one(ORGANIZATIONS, one) for one in _read_for(person)]
            return domain.sign_in(
                known.one(TOKENS, digest),
                person,
                SignIn(digest=digest, at=at),
                recipients=[one for one in found if one is not None],
            )

        verdict = await self._decided(Job(cause=ids.new("cmd"), at=at, reads=reads, decide=decide))
        if isinstance(verdict, Refusal):
            return verdict
        return await self._questions.person(person_id) or domain.NO_SIGN_IN

    async def client(self, client_id: str, secret: str) -> Client | None:
        """The client with these credentials, if there is one."""
        client = await self._questions.client(client_id)
        known = (
            client is not None and not client.revoked and hmac.compare_digest(client.secret_digest, digest_of(secret))
        )
        return client if known else None

    async def enrol(self, person_id: PersonId, *, account: str, proven: bool, at: datetime) -> Enrolment | Refusal:
        """Draws a secret. It counts only after a code from it has come back."""
        secret = authenticator.draw_secret()
        await self._keys.create([person_id])
        pending = await self._keys.seal(person_id, secret.encode())
        command = Enrol(person_id=person_id, pending=pending, proven=proven, at=at)

        def decide(known: Known) -> Verdict:
            ended = domain.still_active(known.one(PEOPLE, person_id))
            return ended or domain.enrol(known.one(AUTHENTICATORS, person_id), command)

        needs = (One(AUTHENTICATORS, person_id), One(PEOPLE, person_id))
        verdict = await self._carry_out(ids.new("cmd"), at, decide, *needs)
        return verdict if isinstance(verdict, Refusal) else Enrolment(secret, authenticator.address(secret, account))

    async def confirm(self, person_id: PersonId, code: str, *, at: datetime) -> str | Refusal:
        """The id of the accepted attempt; the authenticator is in use from now on."""
        return await self._try(person_id, code, at, pending=True)

    async def step_up(self, person_id: PersonId, code: str, *, at: datetime) -> str | Refusal:
        """The id of the accepted attempt: that of the step-up it stands for."""
        return await self._try(person_id, code, at, pending=False)

    async def remove_authenticator(self, person_id: PersonId, *, at: datetime) -> Decision[Authenticator] | Refusal:
        def decide(known: Known) -> Verdict:
            return domain.remove_authenticator(known.one(AUTHENTICATORS, person_id))

        return await self._carry_out(ids.new("cmd"), at, decide, One(AUTHENTICATORS, person_id))

    async def _try(self, person_id: PersonId, code: str, at: datetime, *, pending: bool) -> str | Refusal:
        kept = await self._questions.authenticator(person_id)
        sealed = (kept.pending if pending else kept.secret) if kept else None
        if sealed is None:
            return domain.NO_AUTHENTICATOR
        try:
            secret = (await self._keys.open(sealed)).decode()
        except Erased:
            return domain.NO_AUTHENTICATOR
        command = TryCode(
            person_id=person_id,
            secret=sealed,
            step=authenticator.step_of(secret, code, at),
            attempt=ids.new("sup"),
            at=at,
        )

        def decide(known: Known) -> Verdict:
            judge = domain.confirm if pending else domain.try_code
            ended = domain.still_active(known.one(PEOPLE, person_id))
            return ended or judge(known.one(AUTHENTICATORS, person_id), command)

        needs = (One(AUTHENTICATORS, person_id), One(PEOPLE, person_id))
        verdict = await self._carry_out(command.attempt, at, decide, *needs)
        if isinstance(verdict, Refusal):
            return verdict
        return command.attempt if verdict.state.accepted == command.attempt else domain.WRONG_CODE

    async def _operator(self, at: datetime) -> Person | Refusal:
        """The first operator, made at the first sign-in."""
        known = await self._questions.person(OPERATOR)
        if known is not None:
            return known
        await self._keys.create([OPERATOR])
        clear = Profile(name="Operator").dump()
        profile = domain.Profile(
            digest=self._marks.profile(OPERATOR, clear),
            sealed=await self._keys.seal(OPERATOR, clear),
            email_index=None,
        )
        command = EstablishOperator(person_id=OPERATOR, house=HOUSE, profile=profile, at=at)

        def decide(known: Known) -> Verdict:
            return domain.establish_operator(known.one(PEOPLE, OPERATOR), command)

        await self._carry_out("establish:operator", at, decide, One(PEOPLE, OPERATOR))
        return await self._questions.person(OPERATOR) or domain.NO_SIGN_IN

    async def _carry_out(
        self, cause: str, at: datetime, decide: Callable[[Known], Verdict], *needs: Need
    ) -> Decision[Any] | Refusal:
        def reads(_: Known) -> Iterable[Need]:
            return needs

        return await self._decided(Job(cause=cause, at=at, reads=reads, decide=decide))

    async def _decided(self, job: Job) -> Decision[Any] | Refusal:
        outcome = await self._work.carry_out(job)
        assert not isinstance(outcome, AlreadyDone)  # only `once` makes that answer
        return outcome


def _read_for(person: Person | None) -> list[OrganizationId]:
    """The recipients that the person reads for; none when there is another place that lets them in."""
    if person is None or any(place.kind is not PersonKind.READER for place in person.memberships):
        return []
    return [place.organization_id for place in person.memberships]
