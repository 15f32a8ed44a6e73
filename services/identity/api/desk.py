"""Where a caller's wish becomes a command: who may ask it, of whom. API and pages share it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from starlette.requests import Request

from contracts.problem import Reason
from contracts.types import OrganizationId, OrganizationKind, PersonId, PersonKind, Standing
from services.chassis import clock, ids
from services.chassis.decision import Decision, Refusal
from services.chassis.keys.person import PersonKeys
from services.chassis.web.auth import Auth, Caller
from services.chassis.web.problem import Refused, refused
from services.identity import domain
from services.identity.api.attempts import Attempts
from services.identity.api.views import Meant, NewClient, NewOrganization, NewReader, NewToken
from services.identity.domain import (
    Client,
    CreateClient,
    EndReader,
    Import,
    IssueToken,
    Organization,
    Person,
    RecordOrganization,
    SetStanding,
)
from services.identity.gateways.marks import Marks
from services.identity.gateways.profiles import Opened, Profile, open_profile, open_profiles
from services.identity.gateways.sessions import Sessions
from services.identity.handlers import (
    Access,
    Enrolment,
    ImportRoster,
    Invitation,
    Organizations,
    Readers,
    RosterImport,
    digest_of,
)
from services.identity.store import PAGE, Questions

S = TypeVar("S")

REPLACE = "identity.authenticator.replace"
"""The act of putting another authenticator in the place of one that is in use; bound to the person."""
NO_SUCH_PERSON = Refusal(Reason.NOT_FOUND, "there is no such person")
NO_SUCH_SCHOOL = Refusal(Reason.NOT_FOUND, "there is no such school")
NO_SUCH_RECIPIENT = Refusal(Reason.NOT_FOUND, "there is no such recipient")
NO_CLIENT = Refusal(Reason.NOT_ALLOWED, "these are no credentials of a client or a person")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """What the desk works with."""

    questions: Questions
    organizations: Organizations
    readers: Readers
    rosters: RosterImport
    access: Access
    keys: PersonKeys
    marks: Marks
    sessions: Sessions
    auth: Auth


@dataclass(frozen=True, slots=True)
class Way:
    """A way in, as it is handed over: the token in clear, and until when it signs in."""

    token: str = field(repr=False)
    until: datetime


class Desk:
    """The wishes of callers. Whoever may not gets the answer that whoever is missing gets."""

    def __init__(self, rooms: Rooms) -> None:
        self.rooms = rooms
        self.questions = rooms.questions
        self.attempts = Attempts()

    async def record_organization(self, body: NewOrganization, command_id: str | None, caller: Caller) -> Organization:
        cause = f"{caller.id}:{command_id}" if command_id else ids.new("cmd")
        fresh = ids.derived("org", cause) if command_id else ids.new("org")
        at = clock.now()
        command = RecordOrganization(
            organization_id=body.organization_id or OrganizationId(fresh),
            kind=body.kind,
            name=body.name,
            standing=body.standing,
            timezone=body.timezone,
            policy=body.policy,
            source=body.roster_source,
            sourced_id=body.sourced_id,
            today=at.astimezone(ZoneInfo(body.timezone)).date().isoformat(),
            at=at,
        )
        return _state(await self.rooms.organizations.record(command, cause=cause))

    async def set_standing(self, organization_id: OrganizationId, standing: Standing) -> Organization:
        command = SetStanding(organization_id=organization_id, standing=standing, at=clock.now())
        return _state(await self.rooms.organizations.set_standing(command, cause=ids.new("cmd")))

    async def organization(self, caller: Caller, organization_id: OrganizationId) -> Organization:
        """An organization, for its own people and for operators."""
        found = await self.questions.organization(organization_id)
        if found is None or not (operates(caller) or organization_id in caller.organizations()):
            raise Refused(domain.NO_SUCH_ORGANIZATION)
        return found

    async def create_client(self, body: NewClient) -> tuple[Client, str]:
        """The client, and its secret: shown once."""
        secret = ids.secret()
        command = CreateClient(
            client_id=ids.new("cli"),
            organization_id=body.organization_id,
            secret_digest=digest_of(secret),
            name=body.name,
            at=clock.now(),
        )
        return _state(await self.rooms.organizations.create_client(command)), secret

    async def revoke_client(self, client_id: str) -> Client:
        return _state(await self.rooms.organizations.revoke_client(client_id, at=clock.now()))

    async def recipient(self, recipient_id: OrganizationId) -> Organization:
        """A recipient, for operators."""
        found = await self.questions.organization(recipient_id)
        if found is None or found.kind is OrganizationKind.SCHOOL:
            raise Refused(NO_SUCH_RECIPIENT)
        return found

    async def readers(self, recipient_id: OrganizationId, page: int) -> tuple[list[Opened], bool]:
        """A page of the recipient's readers with their names, and whether there is another page."""
        await self.recipient(recipient_id)
        found = await self.questions.people_of(recipient_id, page=page)
        return await open_profiles(self.rooms.keys, found[:PAGE]), len(found) > PAGE

    async def invite_reader(
        self, caller: Caller, recipient_id: OrganizationId, body: NewReader, command_id: str | None
    ) -> tuple[Opened, Way | None]:
        """The reader, and the way in that this invitation made: shown once. None when they were let in before."""
        secret, at = ids.secret(), clock.now()
        invitation = Invitation(
            recipient_id=recipient_id,
            profile=Profile(name=body.name, email=body.email, language=body.language),
            secret=secret,
            invited_by=person_of(caller),
            valid_until=at + timedelta(days=body.valid_days),
            at=at,
        )
        cause = f"reader:{caller.id}:{command_id}" if command_id else ids.new("cmd")
        invited = await self.rooms.readers.invite(invitation, cause=cause)
        if isinstance(invited, Refusal):
            raise Refused(invited)
        (opened,) = await open_profiles(self.rooms.keys, [invited.person])
        return opened, Way(secret, invitation.valid_until) if invited.let_in else None

    async def end_reader(self, recipient_id: OrganizationId, person_id: PersonId) -> Opened:
        command = EndReader(person_id=person_id, recipient_id=recipient_id, at=clock.now())
        ended = _state(await self.rooms.readers.end(command))
        (opened,) = await open_profiles(self.rooms.keys, [ended])
        return opened

    async def school(self, caller: Caller, school_id: OrganizationId) -> Organization:
        """A school, for its registrars and administrators and for operators."""
        found = await self.questions.organization(school_id)
        staff = school_id in caller.organizations(PersonKind.REGISTRAR, PersonKind.ADMINISTRATOR)
        if found is None or found.kind is not OrganizationKind.SCHOOL or not (staff or operates(caller)):
            raise Refused(NO_SUCH_SCHOOL)
        return found

    async def import_roster(
        self, caller: Caller, school_id: OrganizationId, archive: bytes, command_id: str | None
    ) -> Import:
        school = await self.school(caller, school_id)
        command = ImportRoster(
            import_id=ids.derived("imp", caller.id, command_id) if command_id else ids.new("imp"),
            archive=archive,
            school=school,
            may_import=domain.may_import(caller.memberships),
            imported_by=person_of(caller),
            at=clock.now(),
        )
        report = await self.rooms.rosters.carry_out(command)
        if isinstance(report, Refusal):
            raise Refused(report)
        return report

    async def imported(self, caller: Caller, import_id: str) -> Import:
        report = await self.questions.imported(import_id)
        allowed = domain.may_import(caller.memberships)
        if report is None or not (allowed is None or report.school_id in allowed):
            raise refused(Reason.NOT_FOUND, "there is no such import")
        return report

    async def people(self, caller: Caller, school_id: OrganizationId, page: int) -> tuple[list[Opened], bool]:
        """A page of the school's people with their names, and whether there is another page."""
        await self.school(caller, school_id)
        found = await self.questions.people_of(school_id, page=page)
        return await open_profiles(self.rooms.keys, found[:PAGE]), len(found) > PAGE

    async def search(self, caller: Caller, school_id: OrganizationId, email: str) -> list[Opened]:
        """People of the school with exactly this address, found by its keyed digest."""
        await self.school(caller, school_id)
        found = await self.questions.people_with_email(school_id, self.rooms.marks.email(email))
        return await open_profiles(self.rooms.keys, found)

    async def person(self, caller: Caller, person_id: PersonId) -> Person:
        found = await self.questions.person(person_id)
        if found is None or not domain.may_see(person_of(caller), caller.memberships, found):
            raise Refused(NO_SUCH_PERSON)
        return found

    async def issue_token(self, caller: Caller, person_id: PersonId, body: NewToken) -> tuple[domain.Token, str]:
        """A way in for somebody of one's own school: the token, and its secret, shown once."""
        await self._let_in(caller, person_id)
        secret, at = ids.secret(), clock.now()
        command = IssueToken(
            digest=digest_of(secret),
            person_id=person_id,
            issued_by=person_of(caller),
            expires_at=at + timedelta(days=body.valid_days),
            single_use=body.single_use,
            at=at,
        )
        return _state(await self.rooms.access.issue_token(command)), secret

    async def revoke_tokens(self, caller: Caller, person_id: PersonId) -> None:
        await self._let_in(caller, person_id)
        await self.rooms.access.revoke_tokens(person_id, at=clock.now())

    async def remove_authenticator(self, caller: Caller, person_id: PersonId) -> None:
        await self._let_in(caller, person_id)
        _state(await self.rooms.access.remove_authenticator(person_id, at=clock.now()))

    async def sign_in(self, request: Request, secret: str) -> str:
        """The session for a token. Every reason why not is one answer."""
        self.attempts.check(request)
        at = clock.now()
        person = await self.rooms.access.sign_in(secret.strip(), at=at)
        if isinstance(person, Refusal):
            self.attempts.failed(request)
            raise Refused(person)
        return self.rooms.sessions.session(person, await open_profile(self.rooms.keys, person), at)

    async def access_token(self, request: Request, client_id: str, secret: str) -> str:
        """An access token for a client's credentials, or for a person's id and token."""
        self.attempts.check(request)
        at = clock.now()
        client = await self.rooms.access.client(client_id, secret)
        if client is not None:
            return self.rooms.sessions.access_of_client(client, at)
        person = await self.rooms.access.sign_in(secret, at=at) if client_id.startswith("per_") else None
        if isinstance(person, Person) and person.person_id == client_id:
            return self.rooms.sessions.access_of_person(person, at)
        self.attempts.failed(request)
        raise Refused(NO_CLIENT, status=401)

    async def enrol(self, request: Request, caller: Caller) -> Enrolment:
        """A fresh authenticator secret. In the place of one in use only with a step-up from that one."""
        person_id = person_of(caller)
        step_up = self.rooms.auth.step_up(request, caller=caller, act=REPLACE, on=person_id, digest=None)
        drawn = await self.rooms.access.enrol(
            person_id, account=caller.name or person_id, proven=not isinstance(step_up, Refusal), at=clock.now()
        )
        if isinstance(drawn, Refusal):
            raise Refused(drawn)
        return drawn

    async def confirm(self, caller: Caller, code: str) -> None:
        accepted = await self.rooms.access.confirm(person_of(caller), _digits(code), at=clock.now())
        if isinstance(accepted, Refusal):
            raise Refused(accepted)

    async def step_up(self, caller: Caller, meant: Meant) -> str:
        """The step-up for a code: for this act, on this object, on these bytes."""
        person_id, at = person_of(caller), clock.now()
        accepted = await self.rooms.access.step_up(person_id, _digits(meant.code), at=at)
        if isinstance(accepted, Refusal):
            raise Refused(accepted)
        return self.rooms.sessions.step_up(
            person_id, act=meant.act, on=meant.on, digest=meant.digest, jti=accepted, at=at
        )

    async def has_authenticator(self, caller: Caller) -> bool:
        if caller.person_id is None:
            return False
        kept = await self.questions.authenticator(caller.person_id)
        return kept is not None and kept.secret is not None

    async def _let_in(self, caller: Caller, person_id: PersonId) -> Person:
        found = await self.person(caller, person_id)
        if not domain.may_let_in(caller.memberships, found):
            words = "this person also has a place elsewhere or is staff; an administrator or the operator does this"
            raise refused(Reason.NOT_ALLOWED, words)
        return found


def operates(caller: Caller) -> bool:
    return PersonKind.OPERATOR in caller.kinds


def person_of(caller: Caller) -> PersonId:
    if caller.person_id is None:
        raise refused(Reason.NOT_ALLOWED, "only a person can do this")
    return caller.person_id


def _digits(code: str) -> str:
    """People type the gap that their app shows."""
    return code.replace(" ", "")


def _state(verdict: Decision[S] | Refusal) -> S:
    if isinstance(verdict, Refusal):
        raise Refused(verdict)
    return verdict.state
