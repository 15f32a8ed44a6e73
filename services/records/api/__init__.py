"""HTTP in: check the right, make a command, call a handler, show the verdict. There is no route that releases."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request
from starlette.responses import Response, StreamingResponse

from contracts.problem import Reason
from contracts.types import OrganizationId, PackageId, PersonKind, TranscriptId
from services.chassis.decision import Refusal
from services.chassis.keys.sealing import KeyFile
from services.chassis.web.auth import Caller, allowed, anyone, digest_of_many, signed_in
from services.chassis.web.http import MIB
from services.chassis.web.problem import refused
from services.records.api.desk import Desk, HoldBody, NewTranscript, SealBody, SealMany, own_school
from services.records.api.documents import answer, member_of, public_keys
from services.records.api.views import (
    DraftsView,
    DraftView,
    ImportView,
    MissingEvidence,
    PackageView,
    PreparedPackageLine,
    SealedVersionLine,
    SealedView,
    TranscriptView,
    VersionView,
    WholeView,
    seal_line,
)
from services.records.domain.state import Package, Version
from services.records.handlers.drafts import BEGINNINGS, LARGEST_EVIDENCE

Person = Annotated[Caller, signed_in(people_only=True)]
Registrar = Annotated[Caller, allowed(PersonKind.REGISTRAR, people_only=True)]
CommandId = Annotated[str | None, Header(alias="Idempotency-Key", max_length=100, pattern=r"^[\x21-\x7e]+$")]
Page = Annotated[int, Query(ge=0, le=10_000)]
EvidenceId = Annotated[str, Path(max_length=64)]
CONTENT_LIMIT = 3 * MIB
"""Bytes of an import's body: the 2 MB that a content may have, written with escapes."""


def routes(desk: Desk, keys: KeyFile, *, public_url: str) -> APIRouter:
    """The JSON routes of records."""
    router = APIRouter()
    _importing(router, desk)
    _reading(router, desk)
    _sealing(router, desk)
    _holding(router, desk)
    _documents(router, desk)

    @router.get("/keys", summary="Public keys that credentials are signed with", dependencies=[anyone()])
    async def issuer_keys() -> Response:
        return public_keys(keys, public_url)

    return router


def _importing(router: APIRouter, desk: Desk) -> None:
    @router.post(
        "/schools/{school_id}/transcripts",
        summary="Import a transcript as draft; the same again changes nothing",
        max_body_size=CONTENT_LIMIT,
    )
    async def take_in(
        caller: Registrar, school_id: OrganizationId, body: NewTranscript, command_id: CommandId = None
    ) -> ImportView:
        transcript = await desk.take_in(caller, school_id, body, command_id)
        missing = await desk.missing_evidence(transcript)
        return ImportView(
            **dict(TranscriptView.of(transcript)),
            missing_evidence=tuple(MissingEvidence(evidence_id=name, sha256=digest) for name, digest in missing),
        )

    @router.put(
        "/transcripts/{transcript_id}/evidence/{evidence_id}",
        summary="Upload a file of evidence that the draft names (10 MiB at most)",
        status_code=204,
        max_body_size=LARGEST_EVIDENCE,
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in sorted(BEGINNINGS)},
            }
        },
    )
    async def lay_evidence(
        request: Request, caller: Registrar, transcript_id: TranscriptId, evidence_id: EvidenceId
    ) -> None:
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        await desk.lay_evidence(caller, transcript_id, evidence_id, media_type, await request.body())


def _reading(router: APIRouter, desk: Desk) -> None:
    @router.get("/schools/{school_id}/transcripts", summary="Transcripts of your school, the newest first")
    async def at_school(caller: Registrar, school_id: OrganizationId, page: Page = 0) -> list[TranscriptView]:
        if not caller.belongs(PersonKind.REGISTRAR, school_id):
            raise refused(Reason.NOT_FOUND, "there is no such school")
        return [TranscriptView.of(one) for one in await desk.questions.transcripts_at(school_id, page=page)]

    @router.get(
        "/schools/{school_id}/seals",
        response_class=StreamingResponse,
        summary="What your school has sealed, and its packages: JSON lines with their hashes",
    )
    async def seals(caller: Registrar, school_id: OrganizationId) -> Response:
        own_school(caller, school_id)
        return seal_lines(desk.seals_at(school_id))

    @router.get("/transcripts", summary="Transcripts about you and your wards")
    async def transcripts(caller: Person) -> list[TranscriptView]:
        return [TranscriptView.of(one) for one in await desk.questions.transcripts_of(await desk.about(caller))]

    @router.get("/transcripts/{transcript_id}", summary="One transcript, with its versions and packages")
    async def transcript(caller: Person, transcript_id: TranscriptId) -> WholeView:
        found = await desk.look(caller, transcript_id)
        return WholeView(
            **dict(TranscriptView.of(found)),
            versions=tuple(VersionView.of(one, found) for one in await desk.questions.versions_of(transcript_id)),
            packages=tuple(PackageView.of(one) for one in await desk.questions.packages_of(transcript_id)),
        )


def _sealing(router: APIRouter, desk: Desk) -> None:
    @router.get("/schools/{school_id}/drafts", summary="Drafts that wait for a seal, and the digest over all of them")
    async def drafts(caller: Registrar, school_id: OrganizationId) -> DraftsView:
        found = await desk.drafts_at(caller, school_id)
        return DraftsView(
            drafts=tuple(DraftView(transcript_id=one, digest=digest) for one, digest in found),
            digest=digest_of_many(found),
        )

    @router.post("/transcripts/{transcript_id}/seal", summary="Seal exactly this draft (step-up needed)")
    async def seal(request: Request, caller: Registrar, transcript_id: TranscriptId, body: SealBody) -> TranscriptView:
        return TranscriptView.of(await desk.seal(request, caller, transcript_id, body.digest))

    @router.post("/schools/{school_id}/seal", summary="Seal many drafts in one act (step-up needed)")
    async def seal_many(
        request: Request, caller: Registrar, school_id: OrganizationId, body: SealMany
    ) -> list[SealedView]:
        found = await desk.seal_many(request, caller, school_id, body.transcript_ids)
        return [
            SealedView(transcript_id=one, problem=verdict.detail)
            if isinstance(verdict, Refusal)
            else SealedView(transcript_id=one, transcript=TranscriptView.of(verdict.state))
            for one, verdict in found
        ]

    @router.post("/transcripts/{transcript_id}/withdraw", summary="Take back every version: nothing more is released")
    async def withdraw(caller: Registrar, transcript_id: TranscriptId, command_id: CommandId = None) -> TranscriptView:
        return TranscriptView.of(await desk.withdraw(caller, transcript_id, command_id))


def _holding(router: APIRouter, desk: Desk) -> None:
    @router.put("/transcripts/{transcript_id}/hold", summary="Hold releases back, with a reason and an end")
    async def place_hold(caller: Registrar, transcript_id: TranscriptId, body: HoldBody) -> TranscriptView:
        return TranscriptView.of(await desk.place_hold(caller, transcript_id, body))

    @router.delete("/transcripts/{transcript_id}/hold", summary="Lift the hold; what waited goes")
    async def lift_hold(caller: Registrar, transcript_id: TranscriptId) -> TranscriptView:
        return TranscriptView.of(await desk.lift_hold(caller, transcript_id))


def _documents(router: APIRouter, desk: Desk) -> None:
    @router.get("/packages/{package_id}/content", summary="The package that would go, byte for byte (ZIP)")
    async def content(caller: Person, package_id: PackageId) -> Response:
        package, raw = await desk.open_package(caller, package_id)
        return answer(raw, "application/zip", name=f"{package.package_id}.zip")

    @router.get("/packages/{package_id}/transcript.pdf", summary="The PDF in the package")
    async def transcript_pdf(caller: Person, package_id: PackageId) -> Response:
        _, raw = await desk.open_package(caller, package_id)
        return answer(member_of(raw, "transcript.pdf"), "application/pdf", name="transcript.pdf", inline=True)

    @router.get("/packages/{package_id}/credential.json", summary="The CLR 2.0 credential in the package")
    async def credential(caller: Person, package_id: PackageId) -> Response:
        _, raw = await desk.open_package(caller, package_id)
        return answer(member_of(raw, "credential.json"), "application/vc+ld+json", name="credential.json")


def seal_lines(found: AsyncIterator[Version | Package]) -> Response:
    """One JSON object a line, as they are read."""

    async def spelled() -> AsyncIterator[bytes]:
        async for one in found:
            yield seal_line(SealedVersionLine.of(one) if isinstance(one, Version) else PreparedPackageLine.of(one))

    return StreamingResponse(spelled(), media_type="application/jsonl")
