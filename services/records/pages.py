"""Web pages: the same desk as the API, rendered for people. The registrar's transcripts, and the family's own record."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, File, Form, Query, Request, UploadFile
from pydantic import ValidationError
from starlette.responses import RedirectResponse, Response

from contracts.types import OrganizationId, PersonId, PersonKind, TranscriptId
from services.chassis import clock
from services.chassis.keys.person import Erased
from services.chassis.web.auth import Caller, allowed, digest_of_many, signed_in, to_step_up
from services.chassis.web.http import MIB
from services.chassis.web.pages import render
from services.chassis.web.problem import Refused, faults_of
from services.records.api.desk import NO_SUCH_SCHOOL, SEAL, Desk, HoldBody, NewTranscript, own_school
from services.records.domain.content import TranscriptContent
from services.records.domain.releasing import LONGEST_HOLD
from services.records.domain.state import HoldReason, PackageStatus, School, Transcript
from services.records.handlers.drafts import LARGEST_EVIDENCE
from services.records.store import PAGE

Person = Annotated[Caller, signed_in(people_only=True)]
Registrar = Annotated[Caller, allowed(PersonKind.REGISTRAR, people_only=True)]
Text = Annotated[str, Form(max_length=200)]
IMPORT_LIMIT = 32 * MIB
MOST_FILES = 50


@dataclass(frozen=True, slots=True)
class Line:
    """What became of one imported file."""

    file: str
    transcript: Transcript | None = None
    missing: int = 0
    problem: str = ""
    faults: tuple[tuple[str, str], ...] = ()


class Front:
    """What the pages need beside the desk: names, opened from ciphertext at the last moment."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def names(self, student_ids: Sequence[PersonId]) -> dict[PersonId, str]:
        """Names of students. An erased one is said to be erased."""
        known = list((await self.desk.questions.people(student_ids)).values())
        opened = await self.desk.cabinet.keys.open_many([one.profile for one in known])
        return {
            one.person_id: str(orjson.loads(clear)["name"]) if clear else "(erased)"
            for one, clear in zip(known, opened, strict=True)
        }

    async def school_of(self, caller: Caller, school_id: OrganizationId) -> School:
        own_school(caller, school_id)
        found = await self.desk.questions.school(school_id)
        if found is None:
            raise Refused(NO_SUCH_SCHOOL)
        return found

    async def home(self, request: Request, caller: Caller) -> Response:
        """A registrar's school, or a choice of schools; everybody else's own record."""
        schools = caller.organizations(PersonKind.REGISTRAR)
        if not schools:
            return await self.mine(request, caller)
        if len(schools) == 1:
            return await self.school(request, caller, schools[0], page=0)
        found = [await self.desk.questions.school(one) for one in schools]
        return render(request, "schools.html", schools=[one for one in found if one is not None])

    async def school(self, request: Request, caller: Caller, school_id: OrganizationId, *, page: int) -> Response:
        school = await self.school_of(caller, school_id)
        transcripts = await self.desk.questions.transcripts_at(school_id, page=page)
        drafts = await self.desk.drafts_at(caller, school_id)
        return render(
            request,
            "school.html",
            school=school,
            transcripts=transcripts,
            names=await self.names([one.student_id for one in transcripts]),
            states={one.transcript_id: state_of(one) for one in transcripts},
            drafts=drafts,
            seal_all=to_step_up(SEAL, school_id, f"/records/at/{school_id}/seal", digest=digest_of_many(drafts)),
            newer=f"/records/at/{school_id}?page={page - 1}" if page else "",
            older=f"/records/at/{school_id}?page={page + 1}" if len(transcripts) == PAGE else "",
        )

    async def mine(self, request: Request, caller: Caller) -> Response:
        """The record of oneself and of one's wards: every sealed version, and the very document."""
        found = await self.desk.questions.transcripts_of(await self.desk.about(caller))
        sealed = [one for one in found if one.number]
        return render(
            request,
            "mine.html",
            transcripts=sealed,
            names=await self.names([one.student_id for one in sealed]),
            states={one.transcript_id: state_of(one) for one in sealed},
            versions={one.transcript_id: await self.desk.questions.versions_of(one.transcript_id) for one in sealed},
            packages={one.transcript_id: await self._prepared(one.transcript_id) for one in sealed},
        )

    async def view(self, request: Request, caller: Caller, transcript_id: TranscriptId) -> Response:
        """One transcript: what is drafted, what was sealed, what would go, and what keeps it."""
        found = await self.desk.look(caller, transcript_id)
        registrar = caller.belongs(PersonKind.REGISTRAR, found.school_id)
        return render(
            request,
            "view.html",
            transcript=found,
            registrar=registrar,
            state=state_of(found),
            names=await self.names([found.student_id]),
            versions=await self.desk.questions.versions_of(transcript_id),
            packages=await self._prepared(transcript_id),
            content=await self._draft(found) if registrar else None,
            missing=await self.desk.missing_evidence(found) if registrar else [],
            reasons=list(HoldReason),
            step_up=to_step_up(
                SEAL,
                transcript_id,
                f"/records/view/{transcript_id}/seal",
                digest=found.draft.digest if found.draft else None,
            ),
        )

    async def confirm_seal(self, request: Request, caller: Caller, transcript_id: TranscriptId) -> Response:
        """The page behind the step-up: what is sealed, and one button that means it."""
        found = await self.desk.at_own_school(caller, transcript_id)
        return render(
            request,
            "seal.html",
            transcript=found,
            content=await self._draft(found),
            names=await self.names([found.student_id]),
        )

    async def confirm_all(self, request: Request, caller: Caller, school_id: OrganizationId) -> Response:
        school = await self.school_of(caller, school_id)
        transcripts = await self.desk.questions.drafts_at(school_id)
        names = await self.names([one.student_id for one in transcripts])
        return render(request, "seal-all.html", school=school, transcripts=transcripts, names=names)

    async def seal_all(
        self, request: Request, caller: Caller, school_id: OrganizationId, wanted: Sequence[TranscriptId]
    ) -> Response:
        school = await self.school_of(caller, school_id)
        outcomes = await self.desk.seal_many(request, caller, school_id, wanted)
        found = [await self.desk.questions.transcript(one) for one, _ in outcomes]
        names = await self.names([one.student_id for one in found if one is not None])
        rows = list(zip(found, (verdict for _, verdict in outcomes), strict=True))
        return render(request, "sealed.html", school=school, rows=rows, names=names)

    async def take_in(
        self, request: Request, caller: Caller, school_id: OrganizationId, files: Sequence[UploadFile], source: str
    ) -> Response:
        school = await self.school_of(caller, school_id)
        lines = [await self._line(caller, school_id, file, source) for file in files[:MOST_FILES]]
        taken = [line.transcript for line in lines if line.transcript is not None]
        names = await self.names([one.student_id for one in taken])
        return render(request, "imported.html", school=school, lines=lines, names=names)

    async def _line(self, caller: Caller, school_id: OrganizationId, file: UploadFile, source: str) -> Line:
        """One file's fate. A bad one keeps none of the others back."""
        name = (file.filename or "?")[-80:]
        try:
            words = orjson.loads(await file.read())
            if isinstance(words, dict):
                words.pop("school_sourced_id", None)
                if source and "student_sourced_id" in words:
                    words.setdefault("roster_source", source)
            body = NewTranscript.model_validate(words)
            transcript = await self.desk.take_in(caller, school_id, body, None)
            missing = await self.desk.missing_evidence(transcript)
        except orjson.JSONDecodeError:
            return Line(name, problem="the file is not JSON")
        except ValidationError as why:
            told = faults_of(why.errors(include_url=False, include_input=False))
            return Line(name, problem="it is not in the form of an import", faults=_pairs(told))
        except Refused as why:
            return Line(name, problem=why.refusal.detail, faults=_pairs(why.faults))
        return Line(name, transcript=transcript, missing=len(missing))

    async def _prepared(self, transcript_id: TranscriptId) -> list[Any]:
        packages = await self.desk.questions.packages_of(transcript_id)
        prepared = [one for one in packages if one.status is PackageStatus.PREPARED]
        return sorted(prepared, key=lambda one: (-one.transcript_version, one.partial, one.package_id))

    async def _draft(self, transcript: Transcript) -> TranscriptContent | None:
        if transcript.draft is None:
            return None
        try:
            return await self.desk.drafts.read(transcript)
        except Erased:
            return None


def state_of(transcript: Transcript) -> tuple[str, str]:
    """A word of the catalogue, and its tone."""
    if transcript.hold is not None:
        return "held", "wait"
    if transcript.withdrawn and transcript.draft is None:
        return "withdrawn", "bad"
    if transcript.draft is not None:
        return "draft", "wait"
    return ("sealed", "good") if transcript.number else ("empty", "mute")


def _pairs(faults: Sequence[Any]) -> tuple[tuple[str, str], ...]:
    return tuple((one.where, one.reason) for one in faults)


def routes(desk: Desk) -> APIRouter:
    """The pages of records."""
    router = APIRouter(include_in_schema=False)
    front = Front(desk)
    _reading(router, front)
    _importing(router, front)
    _acting(router, front)
    return router


def _reading(router: APIRouter, front: Front) -> None:
    @router.get("/")
    async def home(request: Request, caller: Person) -> Response:
        return await front.home(request, caller)

    @router.get("/mine")
    async def mine(request: Request, caller: Person) -> Response:
        return await front.mine(request, caller)

    @router.get("/at/{school_id}")
    async def school(
        request: Request, caller: Registrar, school_id: OrganizationId, page: Annotated[int, Query(ge=0, le=9_999)] = 0
    ) -> Response:
        return await front.school(request, caller, school_id, page=page)

    @router.get("/view/{transcript_id}")
    async def view(request: Request, caller: Person, transcript_id: TranscriptId) -> Response:
        return await front.view(request, caller, transcript_id)

    @router.get("/view/{transcript_id}/seal")
    async def seal(request: Request, caller: Registrar, transcript_id: TranscriptId) -> Response:
        return await front.confirm_seal(request, caller, transcript_id)

    @router.get("/at/{school_id}/seal")
    async def seal_all(request: Request, caller: Registrar, school_id: OrganizationId) -> Response:
        return await front.confirm_all(request, caller, school_id)


def _importing(router: APIRouter, front: Front) -> None:
    @router.post("/at/{school_id}/import", max_body_size=IMPORT_LIMIT)
    async def take_in(
        request: Request,
        caller: Registrar,
        school_id: OrganizationId,
        files: Annotated[list[UploadFile], File(max_length=MOST_FILES)],
        roster_source: Text = "",
    ) -> Response:
        return await front.take_in(request, caller, school_id, files, roster_source.strip())

    @router.post("/view/{transcript_id}/evidence", max_body_size=LARGEST_EVIDENCE + MIB)
    async def lay_evidence(
        caller: Registrar, transcript_id: TranscriptId, evidence_id: Text, file: Annotated[UploadFile, File()]
    ) -> Response:
        media_type = (file.content_type or "").partition(";")[0].strip().lower()
        await front.desk.lay_evidence(caller, transcript_id, evidence_id, media_type, await file.read())
        return _to(transcript_id)


def _acting(router: APIRouter, front: Front) -> None:
    @router.post("/view/{transcript_id}/seal")
    async def seal(request: Request, caller: Registrar, transcript_id: TranscriptId, digest: Text) -> Response:
        await front.desk.seal(request, caller, transcript_id, digest)
        return _to(transcript_id)

    @router.post("/at/{school_id}/seal")
    async def seal_all(
        request: Request,
        caller: Registrar,
        school_id: OrganizationId,
        transcript_ids: Annotated[list[TranscriptId], Form(min_length=1, max_length=100)],
    ) -> Response:
        return await front.seal_all(request, caller, school_id, transcript_ids)

    @router.post("/view/{transcript_id}/hold")
    async def hold(
        caller: Registrar,
        transcript_id: TranscriptId,
        reason: Annotated[HoldReason, Form()],
        days: Annotated[int, Form(ge=1, le=LONGEST_HOLD.days)],
        note: Annotated[str, Form(max_length=500)] = "",
    ) -> Response:
        body = HoldBody(reason=reason, until=clock.now() + timedelta(days=days), note=note.strip() or None)
        await front.desk.place_hold(caller, transcript_id, body)
        return _to(transcript_id)

    @router.post("/view/{transcript_id}/lift")
    async def lift(caller: Registrar, transcript_id: TranscriptId) -> Response:
        await front.desk.lift_hold(caller, transcript_id)
        return _to(transcript_id)

    @router.post("/view/{transcript_id}/withdraw")
    async def withdraw(caller: Registrar, transcript_id: TranscriptId) -> Response:
        await front.desk.withdraw(caller, transcript_id, None)
        return _to(transcript_id)


def _to(transcript_id: TranscriptId) -> Response:
    return RedirectResponse(f"/records/view/{transcript_id}", status_code=303)
