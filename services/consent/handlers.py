"""One method per command: what it reads, which decision it asks for. Loading and committing is the chassis's."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from contracts.problem import Reason
from contracts.types import OrganizationId, RequestId, TranscriptId
from services.chassis.decision import Decision, Refusal
from services.chassis.store.work import AlreadyDone, Job, Known, Need, One, Verdict, Work
from services.consent import domain
from services.consent.domain import (
    ApproveForSchool,
    Expire,
    Open,
    Refuse,
    Request,
    Revoke,
    Sign,
    Surroundings,
)
from services.consent.domain.signing import SignGrant
from services.consent.store import ORGANIZATIONS, REQUESTS, STUDENTS, TRANSCRIPTS


class Handlers:
    """Consent's commands. `sign_grant` is consent's key at work."""

    def __init__(self, work: Work, sign_grant: SignGrant) -> None:
        self._work = work
        self._sign_grant = sign_grant

    async def open(self, command: Open, *, cause: str) -> Decision[Request] | Refusal:
        def reads(known: Known) -> Iterable[Need]:
            yield One(REQUESTS, command.request_id)
            yield from _surroundings_of(known, command.transcript_id, command.recipient_id)

        def decide(known: Known) -> Verdict:
            already = known.one(REQUESTS, command.request_id)
            return domain.open_request(
                command, already=already, around=_around(known, command.transcript_id, command.recipient_id)
            )

        return await self._carry_out(command.request_id, cause, command.at, reads, decide)

    async def sign(self, command: Sign, *, cause: str) -> Decision[Request] | Refusal:
        """`cause` is the id of the step-up: a step-up signs once."""

        def decide(known: Known) -> Verdict:
            request = known.one(REQUESTS, command.request_id)
            return domain.sign(request, command, around=_around_request(known, request), sign_grant=self._sign_grant)

        return await self._about_request(command.request_id, cause, command.at, decide)

    async def approve_for_school(self, command: ApproveForSchool, *, cause: str) -> Decision[Request] | Refusal:
        def decide(known: Known) -> Verdict:
            request = known.one(REQUESTS, command.request_id)
            around = _around_request(known, request)
            return domain.approve_for_school(request, command, around=around, sign_grant=self._sign_grant)

        return await self._about_request(command.request_id, cause, command.at, decide)

    async def approve_many(
        self, commands: Sequence[ApproveForSchool], *, cause: str
    ) -> list[Decision[Request] | Refusal]:
        """Each for itself: one that can't be approved keeps none of the others back.

        They come to the group commit at once, so a thousand are a few transactions of `MAX_GROUP`, and between two of
        these everybody else is served. What a crash leaves undone is done by sending the same again.
        """
        each = (self.approve_for_school(one, cause=f"{cause}:{one.request_id}") for one in commands)
        return list(await asyncio.gather(*each))

    async def refuse(self, command: Refuse, *, cause: str) -> Decision[Request] | Refusal:
        def decide(known: Known) -> Verdict:
            request = known.one(REQUESTS, command.request_id)
            return domain.refuse(request, command, student=_around_request(known, request).student)

        return await self._about_request(command.request_id, cause, command.at, decide)

    async def revoke(self, command: Revoke, *, cause: str) -> Decision[Request] | Refusal:
        def decide(known: Known) -> Verdict:
            request = known.one(REQUESTS, command.request_id)
            return domain.revoke(request, command, student=_around_request(known, request).student)

        return await self._about_request(command.request_id, cause, command.at, decide)

    async def _about_request(
        self, request_id: RequestId, cause: str, at: datetime, decide: Callable[[Known], Verdict]
    ) -> Decision[Request] | Refusal:
        def reads(known: Known) -> Iterable[Need]:
            yield One(REQUESTS, request_id)
            request = known.one(REQUESTS, request_id)
            if request is not None:
                yield from _surroundings_of(known, request.transcript_id, request.recipient_id)

        return await self._carry_out(request_id, cause, at, reads, decide)

    async def _carry_out(
        self,
        request_id: RequestId,
        cause: str,
        at: datetime,
        reads: Callable[[Known], Iterable[Need]],
        decide: Callable[[Known], Verdict],
    ) -> Decision[Request] | Refusal:
        job = Job(cause=cause, at=at, reads=reads, decide=decide, once=True, correlation=request_id)
        outcome = await self._work.carry_out(job)
        if isinstance(outcome, AlreadyDone):
            outcome = await self._work.carry_out(replace(job, once=False, decide=_again(decide)))
        assert not isinstance(outcome, AlreadyDone), "only a job that is remembered can be done already"
        return outcome


def _again(decide: Callable[[Known], Verdict]) -> Callable[[Known], Verdict]:
    """The same command once more: the same rights are asked for, and nothing is changed by it.

    The answer is the request as it is now, or why there is none.
    """

    def answer(known: Known) -> Verdict:
        verdict = decide(known)
        if isinstance(verdict, Decision) and verdict.events:
            return USED_UP
        return verdict

    return answer


USED_UP = Refusal(
    Reason.CONFLICT, "this was sent before, and was refused or has been undone since; confirm again and send it anew"
)


def expire_job(request: Request, at: datetime) -> Job:
    """The chore's job for one request whose time is over."""

    def reads(_: Known) -> Iterable[Need]:
        yield One(REQUESTS, request.request_id)

    def decide(known: Known) -> Verdict:
        return domain.expire(known.one(REQUESTS, request.request_id), Expire(request_id=request.request_id, at=at))

    cause = f"expire:{request.request_id}:{request.version}"
    return Job(cause=cause, at=at, reads=reads, decide=decide, correlation=request.request_id)


def _surroundings_of(known: Known, transcript_id: TranscriptId, recipient_id: OrganizationId) -> Iterable[Need]:
    yield One(TRANSCRIPTS, transcript_id)
    yield One(ORGANIZATIONS, recipient_id)
    transcript = known.one(TRANSCRIPTS, transcript_id)
    if transcript is not None:
        yield One(ORGANIZATIONS, transcript.school_id)
        yield One(STUDENTS, transcript.student_id)


def _around(known: Known, transcript_id: TranscriptId, recipient_id: OrganizationId) -> Surroundings:
    transcript = known.one(TRANSCRIPTS, transcript_id)
    return Surroundings(
        student=known.one(STUDENTS, transcript.student_id) if transcript else None,
        school=known.one(ORGANIZATIONS, transcript.school_id) if transcript else None,
        recipient=known.one(ORGANIZATIONS, recipient_id),
        transcript=transcript,
    )


def _around_request(known: Known, request: Request | None) -> Surroundings:
    if request is None:
        return Surroundings(student=None, school=None, recipient=None, transcript=None)
    return _around(known, request.transcript_id, request.recipient_id)
