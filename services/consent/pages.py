"""Web pages: the same desk as the API, rendered for people. What would go, byte for byte; approve, refuse, take back."""

from collections import Counter
from collections.abc import Coroutine, Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

import orjson
from fastapi import APIRouter, Form, Query, Request
from pydantic import Field, ValidationError
from starlette.responses import RedirectResponse, Response

from contracts.problem import Reason
from contracts.types import DIGEST_PATTERN, OrganizationId, PersonId, PersonKind, Purpose, RequestId, TranscriptId
from services.chassis import ids
from services.chassis.keys.person import PersonKeys
from services.chassis.web.auth import Caller, allowed, digest_of_many, signed_in, to_step_up
from services.chassis.web.pages import language, render
from services.chassis.web.problem import Refused, refused
from services.consent import domain
from services.consent.api.desk import (
    APPROVE,
    REVOKE,
    SIGN,
    Desk,
    ManyShown,
    NewRequest,
    Shown,
    Wanted,
    capacity_of,
)
from services.consent.domain import PURPOSES, Organization, Status, Student
from services.consent.store import PAGE

Person = Annotated[Caller, signed_in(people_only=True)]
Registrar = Annotated[Caller, allowed(PersonKind.REGISTRAR, people_only=True)]
Id = Annotated[str, Query(max_length=40)]
Page = Annotated[int, Query(ge=0, le=10_000)]
FormId = Annotated[str, Form(max_length=40)]
FormDigest = Annotated[str, Form(pattern=DIGEST_PATTERN)]
FormCommand = Annotated[str, Form(pattern=r"^cmd_[0-9a-z]{26}$")]
FormLines = Annotated[str, Form(max_length=200_000)]
"""`request_id package_digest`, a line each: what the page showed of many."""
FormParts = Annotated[list[Annotated[str, Field(max_length=100)]], Form(max_length=300)]

ACTS = {"sign": SIGN, "approve": APPROVE, "revoke": REVOKE}
"""The verb in a page's address → the act that its step-up is made for."""

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
        """Names of students, of all of them with one query. An erased one has none."""
        students = await self.desk.questions.students(sorted(set(student_ids)))
        opened = await self.keys.open_many([student.profile for student in students])
        return {
            student.person_id: str(orjson.loads(clear)["name"])
            for student, clear in zip(students, opened, strict=True)
            if clear
        }

    async def organizations(self, requests: Sequence[domain.Request]) -> dict[OrganizationId, Organization]:
        wanted = {one for request in requests for one in (request.recipient_id, request.school_id)}
        return await self.desk.questions.organizations(sorted(wanted))

    async def home(self, request: Request, caller: Caller, page: int) -> Response:
        """What waits for the caller first; then requests about oneself and one's wards, and at one's school."""
        desk, schools = self.desk, caller.organizations(PersonKind.REGISTRAR)
        about = await desk.about(caller)
        lists = [await desk.questions.requests_of(about, page=page)]
        lists += [await desk.questions.requests_at(school, page=page) for school in schools]
        # What waits for the school is asked for by itself: it may be older than the newest hundred.
        signed = [await desk.questions.requests_at(school, Status.SIGNED) for school in schools if not page]
        found = {one.request_id: one for rows in (*lists, *signed) for one in rows}
        requests = sorted(found.values(), key=lambda one: one.opened_at, reverse=True)
        students = [one.student_id for one in requests]
        waiting = [one for one in requests if waits_for(one, caller)]
        transcripts = [] if page else await desk.questions.transcripts_of(about)
        return render(
            request,
            "home.html",
            waiting=waiting,
            others=[one for one in requests if one not in waiting],
            transcripts=[one for one in transcripts if not one.withdrawn],
            schools=schools,
            many=sorted({one.school_id for rows in signed for one in rows}),
            names=await self.names(students + [one.student_id for one in transcripts]),
            organizations=await self.organizations(requests),
            tones=TONES,
            neighbours=_pages("/consent/", page, more=any(len(rows) == PAGE for rows in lists)),
        )

    async def pick(self, request: Request, caller: Caller, school_id: OrganizationId, page: int) -> Response:
        """The transcripts at a registrar's school, to ask that one of them be sent."""
        if not caller.belongs(PersonKind.REGISTRAR, school_id):
            raise refused(Reason.NOT_FOUND, "there is no such school")
        transcripts = await self.desk.questions.transcripts_at(school_id, page=page)
        return render(
            request,
            "pick.html",
            transcripts=transcripts,
            names=await self.names([one.student_id for one in transcripts]),
            neighbours=_pages("/consent/pick", page, more=len(transcripts) == PAGE, school_id=school_id),
        )

    async def ask(
        self, request: Request, caller: Caller, transcript_id: TranscriptId, recipient_id: str | None
    ) -> Response:
        """The form that opens a request: first to whom; then for what, and which parts."""
        transcript = await self.desk.questions.transcript(transcript_id)
        student = await self.desk.questions.student(transcript.student_id) if transcript else None
        if transcript is None or student is None or capacity_of(caller, transcript, student) is None:
            raise refused(Reason.NOT_FOUND, "there is no such transcript")
        schools = await self.desk.questions.organizations([transcript.school_id])
        policy = schools[transcript.school_id].policy if transcript.school_id in schools else None
        recipients = await self.desk.questions.recipients(policy.recipient_kinds if policy else ())
        recipient = next((one for one in recipients if one.organization_id == recipient_id), None)
        return render(
            request,
            "ask.html",
            transcript=transcript,
            names=await self.names([transcript.student_id]),
            recipients=[one for one in recipients if one.kind in PURPOSES],
            recipient=recipient,
            purposes=PURPOSES.get(recipient.kind, ()) if recipient else (),
            # The form carries the id of its command, so that pressing the button twice opens one request.
            command=ids.new("cmd"),
        )

    async def view(self, request: Request, caller: Caller, request_id: RequestId) -> Response:
        """One request: what, to whom, why, until when, on which ground; what happened; what the caller can do."""
        found = await self.desk.look(caller, request_id)
        return render(request, "view.html", **await self._about(caller, found))

    async def confirm(self, request: Request, caller: Caller, request_id: RequestId, verb: str) -> Response:
        """The page behind the step-up: the notice, the digest, and one button that means it."""
        found = await self.desk.look(caller, request_id)
        about = await self._about(caller, found)
        if verb not in about["verbs"]:
            return _to(request_id)
        return render(request, "confirm.html", verb=verb, notice_text=domain.notice_in(language(request)), **about)

    async def _about(self, caller: Caller, found: domain.Request) -> dict[str, Any]:
        organizations = await self.organizations([found])
        transcript = await self.desk.questions.transcript(found.transcript_id)
        student = await self.desk.questions.student(found.student_id)
        recipient = organizations.get(found.recipient_id)
        chosen = set(found.selection.parts)
        parts = transcript.outline if transcript and transcript.transcript_version == found.transcript_version else ()
        basis = found.basis
        if basis is None and found.pending and recipient is not None and student is not None:
            basis = domain.basis_for(recipient.kind, student.rights_holder)
        return {
            "asked": found,
            "names": await self.names([found.student_id]),
            "organizations": organizations,
            "going": [part for part in parts if not chosen or part.part_id in chosen],
            "staying": [part for part in parts if chosen and part.part_id not in chosen],
            "basis": basis,
            "tones": TONES,
            "verbs": verbs_for(found, caller, student),
            "steps": {verb: step_up_at(found, act) for verb, act in ACTS.items()},
        }

    async def many(
        self, request: Request, caller: Caller, school_id: OrganizationId, *, confirm: bool = False
    ) -> Response:
        """All that waits for the school; behind the step-up with the notice and the one button that means it."""
        waiting = await self.desk.waiting_at(caller, school_id, 0)
        shown = [one for one in waiting if one.package is not None]
        return render(
            request,
            "many.html",
            school_id=school_id,
            waiting=shown,
            names=await self.names([one.student_id for one in shown]),
            organizations=await self.organizations(shown),
            recipients=Counter(one.recipient_id for one in shown).most_common(),
            lines="\n".join(f"{one.request_id} {one.package.digest}" for one in shown if one.package),
            notice_text=domain.notice_in(language(request)) if confirm else None,
            step=many_step_up_at(school_id, shown),
        )

    async def approve_many(
        self, request: Request, caller: Caller, school_id: OrganizationId, lines: str, notice: str
    ) -> Response:
        """What became of each. Without a step-up for just these, the way leads there and back."""
        try:
            pairs = [line.split() for line in lines.splitlines()]
            wanted = [Wanted(request_id=RequestId(one), package=digest) for one, digest in pairs]
            shown = ManyShown(requests=wanted, notice=notice)
        except (ValidationError, ValueError):
            raise refused(
                Reason.INVALID, "the form does not say which requests were shown; open the page again"
            ) from None
        try:
            verdicts = await self.desk.approve_many(request, caller, school_id, shown)
        except Refused as no:
            if no.refusal.reason is not Reason.STEP_UP:
                raise
            waiting = await self.desk.waiting_at(caller, school_id, 0)
            return RedirectResponse(many_step_up_at(school_id, waiting), status_code=303)
        found = await self.desk.questions.requests([one for one, _ in verdicts])
        mine = {one: request for one, request in found.items() if request.school_id == school_id}
        return render(
            request,
            "approved.html",
            rows=[(mine[one], verdict) for one, verdict in verdicts if one in mine],
            lost=len(verdicts) - len(mine),
            names=await self.names([one.student_id for one in mine.values()]),
            organizations=await self.organizations([*mine.values()]),
            tones=TONES,
        )

    async def act(self, deed: Coroutine[Any, Any, object], caller: Caller, request_id: RequestId, act: str) -> Response:
        """Carry out a deed that needs a step-up. Where it is missing or too old, the way leads there and back."""
        try:
            await deed
        except Refused as no:
            if no.refusal.reason is not Reason.STEP_UP:
                raise
            return RedirectResponse(step_up_at(await self.desk.look(caller, request_id), act), status_code=303)
        return _to(request_id)


def waits_for(request: domain.Request, caller: Caller) -> bool:
    """Whether this very person is the one waited for."""
    if request.status is Status.OPEN:
        return caller.person_id in request.signers
    return request.status is Status.SIGNED and caller.belongs(PersonKind.REGISTRAR, request.school_id)


def verbs_for(request: domain.Request, caller: Caller, student: Student | None) -> frozenset[str]:
    """Which buttons to show. Whether a thing may be done is the domain's to say.

    Whoever is waited for answers yes or no; taking back is for afterwards, and for those who only asked.
    """
    signs = student is not None and caller.person_id in domain.who_signs(student)
    registrar = caller.belongs(PersonKind.REGISTRAR, request.school_id)
    if request.status is Status.OPEN and signs:
        return frozenset({"sign", "refuse"} if request.package else {"refuse"})
    if request.status is Status.SIGNED and registrar:
        return frozenset({"approve", "refuse"})
    if not request.pending and request.status is not Status.APPROVED:
        return frozenset()
    asked = request.pending and caller.person_id == request.opened_by
    return frozenset({"revoke"}) if signs or registrar or asked else frozenset()


def step_up_at(request: domain.Request, act: str) -> str:
    """The address of identity's step-up page for an act on this request, and on these bytes where bytes are signed."""
    verb = act.partition(".")[2]
    signed = request.package.digest if act != REVOKE and request.package is not None else None
    return to_step_up(act, request.request_id, f"/consent/view/{request.request_id}/{verb}", digest=signed)


def many_step_up_at(school_id: OrganizationId, waiting: Sequence[domain.Request]) -> str:
    """The address of identity's step-up page for approving exactly these."""
    digest = digest_of_many((one.request_id, one.package.digest) for one in waiting if one.package is not None)
    return to_step_up(APPROVE, school_id, f"/consent/at/{school_id}/approve", digest=digest)


def routes(desk: Desk, keys: PersonKeys) -> APIRouter:
    """The pages of consent."""
    router = APIRouter(include_in_schema=False)
    front = Front(desk, keys)
    _reading(router, front)
    _acting(router, front)
    _approving_many(router, front)
    return router


def _reading(router: APIRouter, front: Front) -> None:
    @router.get("/")
    async def home(request: Request, caller: Person, page: Page = 0) -> Response:
        return await front.home(request, caller, page)

    @router.get("/pick")
    async def pick(request: Request, caller: Registrar, school_id: Id, page: Page = 0) -> Response:
        return await front.pick(request, caller, OrganizationId(school_id), page)

    @router.get("/ask")
    async def ask(request: Request, caller: Person, transcript_id: Id, recipient_id: Id = "") -> Response:
        return await front.ask(request, caller, TranscriptId(transcript_id), recipient_id or None)

    @router.get("/view/{request_id}")
    async def view(request: Request, caller: Person, request_id: RequestId) -> Response:
        return await front.view(request, caller, request_id)

    @router.get("/view/{request_id}/sign")
    async def sign(request: Request, caller: Person, request_id: RequestId) -> Response:
        return await front.confirm(request, caller, request_id, "sign")

    @router.get("/view/{request_id}/approve")
    async def approve(request: Request, caller: Person, request_id: RequestId) -> Response:
        return await front.confirm(request, caller, request_id, "approve")

    @router.get("/view/{request_id}/revoke")
    async def revoke(request: Request, caller: Person, request_id: RequestId) -> Response:
        return await front.confirm(request, caller, request_id, "revoke")


def _acting(router: APIRouter, front: Front) -> None:
    desk = front.desk

    @router.post("/ask")
    async def ask(
        *,
        caller: Person,
        transcript_id: FormId,
        recipient_id: FormId,
        purpose: Annotated[Purpose, Form()],
        command: FormCommand,
        parts: FormParts = [],  # noqa: B006 - FastAPI copies it
    ) -> Response:
        body = NewRequest(
            transcript_id=TranscriptId(transcript_id),
            recipient_id=OrganizationId(recipient_id),
            purpose=purpose,
            parts=parts,
        )
        return _to((await desk.open(caller, body, command)).request_id)

    @router.post("/view/{request_id}/sign")
    async def sign(
        request: Request, caller: Person, request_id: RequestId, package: FormDigest, notice: FormDigest
    ) -> Response:
        deed = desk.sign(request, caller, request_id, Shown(package=package, notice=notice))
        return await front.act(deed, caller, request_id, SIGN)

    @router.post("/view/{request_id}/approve")
    async def approve(
        request: Request, caller: Person, request_id: RequestId, package: FormDigest, notice: FormDigest
    ) -> Response:
        deed = desk.approve(request, caller, request_id, Shown(package=package, notice=notice))
        return await front.act(deed, caller, request_id, APPROVE)

    @router.post("/view/{request_id}/refuse")
    async def refuse(caller: Person, request_id: RequestId) -> Response:
        await desk.refuse(caller, request_id)
        return _to(request_id)

    @router.post("/view/{request_id}/revoke")
    async def revoke(request: Request, caller: Person, request_id: RequestId) -> Response:
        return await front.act(desk.revoke(request, caller, request_id), caller, request_id, REVOKE)


def _approving_many(router: APIRouter, front: Front) -> None:
    @router.get("/at/{school_id}")
    async def waiting(request: Request, caller: Registrar, school_id: OrganizationId) -> Response:
        return await front.many(request, caller, school_id)

    @router.get("/at/{school_id}/approve")
    async def confirm(request: Request, caller: Registrar, school_id: OrganizationId) -> Response:
        return await front.many(request, caller, school_id, confirm=True)

    @router.post("/at/{school_id}/approve")
    async def approve(
        request: Request, caller: Registrar, school_id: OrganizationId, requests: FormLines, notice: FormDigest
    ) -> Response:
        return await front.approve_many(request, caller, school_id, requests, notice)


def _to(request_id: RequestId) -> Response:
    return RedirectResponse(f"/consent/view/{request_id}", status_code=303)


def _pages(path: str, page: int, *, more: bool, **words: str) -> dict[str, str]:
    """The addresses of the neighbouring pages of a list; empty where there is none."""

    def at(number: int) -> str:
        return f"{path}?{urlencode({**words, 'page': number})}"

    return {"newer": at(page - 1) if page else "", "older": at(page + 1) if more else ""}
