"""Web pages: the same desk as the API, rendered for people. What would go, byte for byte; approve, refuse, take back."""

from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

import orjson
from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from contracts.problem import Reason
from contracts.types import OrganizationId, PersonId, PersonKind, Purpose, RequestId, TranscriptId
from services.chassis.keys.person import PersonKeys
from services.chassis.web.auth import Caller, signed_in
from services.chassis.web.pages import language, render
from services.chassis.web.problem import refused
from services.consent import domain
from services.consent.api.desk import APPROVE, REVOKE, SIGN, Desk, NewRequest, Shown, capacity_of
from services.consent.domain import Organization, Status
from services.consent.domain.basis import PURPOSES, basis_for

Person = Annotated[Caller, signed_in(people_only=True)]
Id = Annotated[str, Query(max_length=40)]
Text = Annotated[str, Form(max_length=100)]

TONES = {
    Status.OPEN: "wait",
    Status.SIGNED: "wait",
    Status.APPROVED: "good",
    Status.REFUSED: "bad",
    Status.REVOKED: "bad",
    Status.EXPIRED: "mute",
    Status.INVALIDATED: "mute",
}


class Front:
    """What the pages need beside the desk: names, opened from ciphertext at the last moment."""

    def __init__(self, desk: Desk, keys: PersonKeys) -> None:
        self.desk = desk
        self.keys = keys

    async def names(self, student_ids: Sequence[PersonId]) -> dict[PersonId, str]:
        """Names of students. An erased one is said to be erased."""
        students = [await self.desk.questions.student(one) for one in dict.fromkeys(student_ids)]
        known = [student for student in students if student is not None]
        opened = await self.keys.open_many([student.profile for student in known])
        return {
            student.person_id: str(orjson.loads(clear)["name"]) if clear else "(erased)"
            for student, clear in zip(known, opened, strict=True)
        }

    async def organizations(self, requests: Sequence[domain.Request]) -> dict[OrganizationId, Organization]:
        ids = {one for request in requests for one in (request.recipient_id, request.school_id)}
        return await self.desk.questions.organizations(sorted(ids))

    async def home(self, request: Request, caller: Caller) -> Response:
        """Requests about oneself and one's wards, or at one's school; what waits for the caller first."""
        desk = self.desk
        about = await desk.about(caller)
        found = {one.request_id: one for one in await desk.questions.requests_of(about)}
        for school in caller.organizations(PersonKind.REGISTRAR):
            found |= {one.request_id: one for one in await desk.questions.requests_at(school)}
        requests = sorted(found.values(), key=lambda one: one.opened_at, reverse=True)
        transcripts = await desk.questions.transcripts_of(about)
        return render(
            request,
            "home.html",
            waiting=[one for one in requests if waits_for(one, caller)],
            others=[one for one in requests if not waits_for(one, caller)],
            transcripts=[one for one in transcripts if not one.withdrawn],
            names=await self.names([*[one.student_id for one in requests], *[one.student_id for one in transcripts]]),
            organizations=await self.organizations(requests),
            tones=TONES,
        )

    async def ask(self, request: Request, caller: Caller, transcript_id: TranscriptId) -> Response:
        """The form that opens a request: to whom, for what, which parts."""
        transcript = await self.desk.questions.transcript(transcript_id)
        student = await self.desk.questions.student(transcript.student_id) if transcript else None
        if transcript is None or student is None or capacity_of(caller, transcript, student) is None:
            raise refused(Reason.NOT_FOUND, "there is no such transcript")
        schools = await self.desk.questions.organizations([transcript.school_id])
        policy = schools[transcript.school_id].policy if transcript.school_id in schools else None
        recipients = await self.desk.questions.recipients(policy.recipient_kinds if policy else ())
        return render(
            request,
            "ask.html",
            transcript=transcript,
            names=await self.names([transcript.student_id]),
            recipients=recipients,
            purposes=list(Purpose),
            possible=PURPOSES,
        )

    async def view(self, request: Request, caller: Caller, request_id: RequestId) -> Response:
        """One request: what, to whom, why, until when, on which ground; what happened; what the caller can do."""
        found = await self.desk.look(caller, request_id)
        return render(request, "view.html", **await self._about(caller, found))

    async def confirm(self, request: Request, caller: Caller, request_id: RequestId, act: str) -> Response:
        """The page behind the step-up: the notice, the digest, and one button that means it."""
        found = await self.desk.look(caller, request_id)
        notice = domain.notice_in(language(request))
        return render(request, "confirm.html", act=act, notice_text=notice, **await self._about(caller, found))

    async def _about(self, caller: Caller, found: domain.Request) -> dict[str, Any]:
        organizations = await self.organizations([found])
        transcript = await self.desk.questions.transcript(found.transcript_id)
        student = await self.desk.questions.student(found.student_id)
        recipient = organizations.get(found.recipient_id)
        chosen = set(found.selection.parts)
        parts = transcript.outline if transcript and transcript.transcript_version == found.transcript_version else ()
        return {
            "request": found,
            "names": await self.names([found.student_id]),
            "organizations": organizations,
            "going": [part for part in parts if not chosen or part.part_id in chosen],
            "staying": [part for part in parts if chosen and part.part_id not in chosen],
            "basis": found.basis
            or (basis_for(recipient.kind, student.rights_holder) if recipient and student else None),
            "tones": TONES,
            "may_sign": found.status is Status.OPEN and caller.person_id in found.signers,
            "may_approve": found.status is Status.SIGNED and caller.belongs(PersonKind.REGISTRAR, found.school_id),
            "may_refuse": waits_for(found, caller),
            "may_revoke": may_revoke(found, caller),
            "step_up": {act: step_up_at(found, act) for act in (SIGN, APPROVE, REVOKE)},
        }


def waits_for(request: domain.Request, caller: Caller) -> bool:
    """Whether this very person is the one waited for."""
    if request.status is Status.OPEN:
        return caller.person_id in request.signers
    return request.status is Status.SIGNED and caller.belongs(PersonKind.REGISTRAR, request.school_id)


def may_revoke(request: domain.Request, caller: Caller) -> bool:
    """Whether to show the button. Whether it may be done is the domain's to say."""
    if not request.pending and request.status is not Status.APPROVED:
        return False
    who = {*request.signers, request.opened_by} if request.pending else set(request.signers)
    return caller.person_id in who or caller.belongs(PersonKind.REGISTRAR, request.school_id)


def step_up_at(request: domain.Request, act: str) -> str:
    """The address of identity's step-up page for an act on this request, and on these bytes where bytes are signed."""
    verb = act.partition(".")[2]
    words = {"act": act, "on": request.request_id, "next": f"/consent/view/{request.request_id}/{verb}"}
    if act != REVOKE and request.package is not None:
        words["digest"] = request.package.digest
    return f"/identity/step-up?{urlencode(words)}"


def routes(desk: Desk, keys: PersonKeys) -> APIRouter:
    """The pages of consent."""
    router = APIRouter(include_in_schema=False)
    front = Front(desk, keys)
    _reading(router, front)
    _acting(router, front)
    return router


def _reading(router: APIRouter, front: Front) -> None:
    @router.get("/")
    async def home(request: Request, caller: Person) -> Response:
        return await front.home(request, caller)

    @router.get("/ask")
    async def ask(request: Request, caller: Person, transcript_id: Id) -> Response:
        return await front.ask(request, caller, TranscriptId(transcript_id))

    @router.get("/view/{request_id}")
    async def view(request: Request, caller: Person, request_id: RequestId) -> Response:
        return await front.view(request, caller, request_id)

    @router.get("/view/{request_id}/sign")
    async def sign(request: Request, caller: Person, request_id: RequestId) -> Response:
        return await front.confirm(request, caller, request_id, SIGN)

    @router.get("/view/{request_id}/approve")
    async def approve(request: Request, caller: Person, request_id: RequestId) -> Response:
        return await front.confirm(request, caller, request_id, APPROVE)

    @router.get("/view/{request_id}/revoke")
    async def revoke(request: Request, caller: Person, request_id: RequestId) -> Response:
        return await front.confirm(request, caller, request_id, REVOKE)


def _acting(router: APIRouter, front: Front) -> None:
    @router.post("/ask")
    async def ask(
        caller: Person,
        transcript_id: Text,
        recipient_id: Text,
        purpose: Annotated[Purpose, Form()],
        parts: Annotated[list[str], Form(max_length=300)] = [],  # noqa: B006 - FastAPI copies it
    ) -> Response:
        body = NewRequest(
            transcript_id=TranscriptId(transcript_id),
            recipient_id=OrganizationId(recipient_id),
            purpose=purpose,
            parts=parts,
        )
        return _to((await front.desk.open(caller, body, None)).request_id)

    @router.post("/view/{request_id}/sign")
    async def sign(request: Request, caller: Person, request_id: RequestId, package: Text, notice: Text) -> Response:
        await front.desk.sign(request, caller, request_id, Shown(package=package, notice=notice))
        return _to(request_id)

    @router.post("/view/{request_id}/approve")
    async def approve(request: Request, caller: Person, request_id: RequestId, package: Text, notice: Text) -> Response:
        await front.desk.approve(request, caller, request_id, Shown(package=package, notice=notice))
        return _to(request_id)

    @router.post("/view/{request_id}/refuse")
    async def refuse(caller: Person, request_id: RequestId) -> Response:
        await front.desk.refuse(caller, request_id)
        return _to(request_id)

    @router.post("/view/{request_id}/revoke")
    async def revoke(request: Request, caller: Person, request_id: RequestId) -> Response:
        await front.desk.revoke(request, caller, request_id)
        return _to(request_id)


def _to(request_id: RequestId) -> Response:
    return RedirectResponse(f"/consent/view/{request_id}", status_code=303)
