"""Where a caller's wish becomes a command: who may act in which capacity, with which step-up. API and pages share it."""

from typing import Annotated, Self

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.problem import Reason
from contracts.types import (
    Capacity,
    Digest,
    Instant,
    OrganizationId,
    PersonId,
    PersonKind,
    Purpose,
    RequestId,
    Selection,
    TranscriptId,
)
from services.chassis import clock, ids
from services.chassis.decision import Decision, Refusal
from services.chassis.web.auth import Auth, Caller, StepUp, digest_of_many
from services.chassis.web.problem import Refused, refused
from services.consent import domain
from services.consent.domain import ApproveForSchool, Open, Opener, Refuse, Revoke, Sign, Student, Transcript
from services.consent.handlers import Handlers
from services.consent.store import AT_ONCE, Questions, may_see

SIGN, APPROVE, REVOKE = "consent.sign", "consent.approve", "consent.revoke"
"""Acts that need a step-up, bound to the request and to the digest shown; of many, to the school and `digest_of_many`."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewRequest(_Body):
    """What is asked: these parts (none named: the whole transcript) to that recipient, for this purpose."""

    transcript_id: TranscriptId = Field(max_length=40)
    recipient_id: OrganizationId = Field(max_length=40)
    purpose: Purpose
    parts: list[Annotated[str, Field(max_length=100)]] = Field(default=[], max_length=300)
    sign_by: Instant | None = None
    """A deadline for signing, sooner than the school's own."""


class Shown(_Body):
    """The digests of exactly what was shown: the package, and the notice. A signature binds both."""

    package: Digest
    notice: Digest


class Wanted(_Body):
    """One of many: the request, and the digest of the package that was shown for it."""

    request_id: RequestId = Field(max_length=40)
    package: Digest


class ManyShown(_Body):
    """Exactly what was shown of many requests, and the notice. The step-up binds all of it."""

    requests: list[Wanted] = Field(min_length=1, max_length=AT_ONCE)
    notice: Digest

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len({one.request_id for one in self.requests}) != len(self.requests):
            raise ValueError("a request is named more than once")
        return self


class Desk:
    """What the routes work with: the commands, the questions, and who may act in which capacity."""

    def __init__(self, handlers: Handlers, questions: Questions, auth: Auth) -> None:
        self.handlers = handlers
        self.questions = questions
        self.auth = auth

    async def open(self, caller: Caller, body: NewRequest, command_id: str | None) -> domain.Request:
        """Opens as what the caller is to the student; a stranger learns nothing."""
        transcript = await self.questions.transcript(body.transcript_id)
        student = await self.questions.student(transcript.student_id) if transcript else None
        capacity = capacity_of(caller, transcript, student)
        if caller.person_id is None or capacity is None:
            raise refused(Reason.NOT_FOUND, "there is no such transcript")
        cause = f"{caller.person_id}:{command_id}" if command_id else ids.new("cmd")
        command = Open(
            request_id=RequestId(ids.derived("req", cause) if command_id else ids.new("req")),
            opener=Opener(caller.person_id, capacity),
            transcript_id=body.transcript_id,
            recipient_id=body.recipient_id,
            selection=Selection(parts=tuple(body.parts)),
            purpose=body.purpose,
            sign_by=body.sign_by,
            at=clock.now(),
        )
        return _state(await self.handlers.open(command, cause=cause))

    async def sign(self, request: Request, caller: Caller, request_id: RequestId, shown: Shown) -> domain.Request:
        step_up = self._step_up(request, caller, SIGN, request_id, shown.package)
        command = Sign(
            request_id=request_id,
            person_id=PersonId(step_up.person_id),
            shown=shown.package,
            notice=shown.notice,
            method=step_up.method,
            grant_id=ids.new("grt"),
            at=clock.now(),
        )
        return _state(await self.handlers.sign(command, cause=step_up.jti))

    async def approve(self, request: Request, caller: Caller, request_id: RequestId, shown: Shown) -> domain.Request:
        found = await self.look(caller, request_id)
        step_up = self._step_up(request, caller, APPROVE, request_id, shown.package)
        command = ApproveForSchool(
            request_id=request_id,
            person_id=PersonId(step_up.person_id),
            school_id=_own_school(caller, found),
            shown=shown.package,
            notice=shown.notice,
            method=step_up.method,
            grant_id=ids.new("grt"),
            at=clock.now(),
        )
        return _state(await self.handlers.approve_for_school(command, cause=step_up.jti))

    async def waiting_at(self, caller: Caller, school_id: OrganizationId, page: int) -> list[domain.Request]:
        """What waits for the school, oldest first. A school where the caller is no registrar is none."""
        _registrar_at(caller, school_id)
        return await self.questions.waiting_for_school(school_id, page=page)

    async def approve_many(
        self, request: Request, caller: Caller, school_id: OrganizationId, shown: ManyShown
    ) -> list[tuple[RequestId, Decision[domain.Request] | Refusal]]:
        """One step-up for exactly this list, one verdict for each of it. What is not the school's is not there."""
        _registrar_at(caller, school_id)
        digest = digest_of_many((one.request_id, one.package) for one in shown.requests)
        step_up, at = self._step_up(request, caller, APPROVE, school_id, digest), clock.now()
        commands = [
            ApproveForSchool(
                request_id=one.request_id,
                person_id=PersonId(step_up.person_id),
                school_id=school_id,
                shown=one.package,
                notice=shown.notice,
                method=step_up.method,
                grant_id=ids.new("grt"),
                at=at,
            )
            for one in shown.requests
        ]
        verdicts = await self.handlers.approve_many(commands, cause=step_up.jti)
        return [(one.request_id, verdict) for one, verdict in zip(shown.requests, verdicts, strict=True)]

    async def refuse(self, caller: Caller, request_id: RequestId) -> domain.Request:
        found = await self.look(caller, request_id)
        school = found.school_id if caller.belongs(PersonKind.REGISTRAR, found.school_id) else None
        command = Refuse(request_id=request_id, person_id=_person(caller), school_id=school, at=clock.now())
        return _state(await self.handlers.refuse(command, cause=ids.new("cmd")))

    async def revoke(self, request: Request, caller: Caller, request_id: RequestId) -> domain.Request:
        found = await self.look(caller, request_id)
        step_up = self._step_up(request, caller, REVOKE, request_id, None)
        school = found.school_id if caller.belongs(PersonKind.REGISTRAR, found.school_id) else None
        command = Revoke(request_id=request_id, person_id=_person(caller), school_id=school, at=clock.now())
        return _state(await self.handlers.revoke(command, cause=step_up.jti))

    async def look(self, caller: Caller, request_id: RequestId) -> domain.Request:
        """The request, if the caller may see it; a stranger's and a missing one get the same answer."""
        found = await self.questions.request(request_id)
        if found is not None and caller.person_id is not None:
            student = await self.questions.student(found.student_id)
            if may_see(found, caller.person_id, student, caller.organizations(PersonKind.REGISTRAR)):
                return found
        raise Refused(domain.NO_SUCH_REQUEST)

    async def about(self, caller: Caller) -> tuple[PersonId, ...]:
        """The students the caller may ask about: oneself, and one's wards."""
        person = _person(caller)
        return (person, *(student.person_id for student in await self.questions.wards_of(person)))

    def _step_up(self, request: Request, caller: Caller, act: str, on: str, digest: str | None) -> StepUp:
        step_up = self.auth.step_up(request, caller=caller, act=act, on=on, digest=digest)
        if isinstance(step_up, Refusal):
            raise Refused(step_up)
        return step_up


def capacity_of(caller: Caller, transcript: Transcript | None, student: Student | None) -> Capacity | None:
    """What the caller is to this transcript: student, guardian or registrar of its school; None for a stranger."""
    if transcript is None or student is None:
        return None
    if caller.person_id == student.person_id:
        return Capacity.STUDENT_DIRECTION
    if domain.is_guardian_of(caller.person_id, student):
        return Capacity.GUARDIAN
    if caller.belongs(PersonKind.REGISTRAR, transcript.school_id):
        return Capacity.REGISTRAR
    return None


def _person(caller: Caller) -> PersonId:
    assert caller.person_id is not None, "the route's right is for people only"
    return caller.person_id


def _registrar_at(caller: Caller, school_id: OrganizationId) -> None:
    if not caller.belongs(PersonKind.REGISTRAR, school_id):
        raise refused(Reason.NOT_FOUND, "there is no such school")


def _own_school(caller: Caller, found: domain.Request) -> OrganizationId:
    if not caller.belongs(PersonKind.REGISTRAR, found.school_id):
        raise Refused(domain.NO_SUCH_REQUEST)
    return found.school_id


def _state(verdict: Decision[domain.Request] | Refusal) -> domain.Request:
    if isinstance(verdict, Refusal):
        raise Refused(verdict)
    return verdict.state
