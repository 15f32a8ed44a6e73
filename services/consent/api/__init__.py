"""HTTP in: check the right, make a command, call a handler, show the verdict."""

from typing import Annotated

import orjson
from fastapi import APIRouter, Header, Query, Request
from joserfc.jwk import OKPKey
from starlette.responses import Response

from contracts.problem import Reason
from contracts.types import OrganizationId, PersonKind, RequestId
from services.chassis.decision import Refusal
from services.chassis.web.auth import Caller, PublicKeys, allowed, anyone, digest_of_many, signed_in
from services.chassis.web.problem import refused
from services.consent import domain
from services.consent.api.desk import Desk, ManyShown, NewRequest, Shown
from services.consent.api.views import ApprovalView, NoticeView, RequestView, TranscriptView, WaitingView
from services.consent.domain import Status

Person = Annotated[Caller, signed_in(people_only=True)]
Registrar = Annotated[Caller, allowed(PersonKind.REGISTRAR)]
CommandId = Annotated[str | None, Header(alias="Idempotency-Key", max_length=100, pattern=r"^[\x21-\x7e]+$")]
Page = Annotated[int, Query(ge=0, le=10_000)]


def routes(desk: Desk, keys: PublicKeys) -> APIRouter:
    """The JSON routes of consent."""
    router = APIRouter()
    _reading(router, desk)
    _acting(router, desk)
    _approving_many(router, desk)

    @router.get("/keys", summary="Public keys that grants are verified with", dependencies=[anyone()])
    async def grant_keys() -> Response:
        return public_keys(keys)

    return router


def _reading(router: APIRouter, desk: Desk) -> None:
    @router.get("/transcripts", summary="Transcripts that you may ask to be sent")
    async def transcripts(
        caller: Person, school_id: Annotated[OrganizationId | None, Query(max_length=40)] = None, page: Page = 0
    ) -> list[TranscriptView]:
        if school_id is not None:
            if not caller.belongs(PersonKind.REGISTRAR, school_id):
                raise refused(Reason.NOT_FOUND, "there is no such school")
            return [TranscriptView.of(one) for one in await desk.questions.transcripts_at(school_id, page=page)]
        about = await desk.about(caller)
        return [TranscriptView.of(one) for one in await desk.questions.transcripts_of(about, page=page)]

    @router.get("/notice", summary="The notice to read before signing")
    async def notice(_: Person, language: Annotated[str, Query(max_length=12)] = "en") -> NoticeView:
        return NoticeView.of(domain.notice_in(language))

    @router.get("/requests", summary="Requests about you and your wards, newest first")
    async def requests(caller: Person, page: Page = 0) -> list[RequestView]:
        found = await desk.questions.requests_of(await desk.about(caller), page=page)
        return [RequestView.of(one) for one in found]

    @router.get("/schools/{school_id}/requests", summary="Requests at your school, newest first")
    async def at_school(
        caller: Registrar,
        school_id: OrganizationId,
        status: Status | None = None,
        page: Page = 0,
    ) -> list[RequestView]:
        if not caller.belongs(PersonKind.REGISTRAR, school_id):
            raise refused(Reason.NOT_FOUND, "there is no such school")
        return [RequestView.of(one) for one in await desk.questions.requests_at(school_id, status, page=page)]

    @router.get("/requests/{request_id}", summary="One request")
    async def one_request(caller: Person, request_id: RequestId) -> RequestView:
        return RequestView.of(await desk.look(caller, request_id))


def _acting(router: APIRouter, desk: Desk) -> None:
    @router.post("/requests", status_code=201, summary="Ask that a transcript be sent")
    async def open_request(caller: Person, body: NewRequest, command_id: CommandId = None) -> RequestView:
        return RequestView.of(await desk.open(caller, body, command_id))

    @router.post("/requests/{request_id}/signature", summary="Approve exactly what was shown (step-up needed)")
    async def sign(request: Request, caller: Person, request_id: RequestId, body: Shown) -> RequestView:
        return RequestView.of(await desk.sign(request, caller, request_id, body))

    @router.post("/requests/{request_id}/school-approval", summary="Approve for the school (step-up needed)")
    async def approve(request: Request, caller: Registrar, request_id: RequestId, body: Shown) -> RequestView:
        return RequestView.of(await desk.approve(request, caller, request_id, body))

    @router.post("/requests/{request_id}/refusal", summary="Refuse")
    async def refuse(caller: Person, request_id: RequestId) -> RequestView:
        return RequestView.of(await desk.refuse(caller, request_id))

    @router.post("/requests/{request_id}/revocation", summary="Take back (step-up needed)")
    async def revoke(request: Request, caller: Person, request_id: RequestId) -> RequestView:
        return RequestView.of(await desk.revoke(request, caller, request_id))


def _approving_many(router: APIRouter, desk: Desk) -> None:
    @router.get(
        "/schools/{school_id}/approvals", summary="Requests that wait for your school, and the digest over all of them"
    )
    async def waiting(caller: Registrar, school_id: OrganizationId, page: Page = 0) -> WaitingView:
        found = await desk.waiting_at(caller, school_id, page)
        shown = [(one.request_id, one.package.digest) for one in found if one.package is not None]
        return WaitingView(requests=tuple(RequestView.of(one) for one in found), digest=digest_of_many(shown))

    @router.post("/schools/{school_id}/approvals", summary="Approve many for the school in one act (step-up needed)")
    async def approve_many(
        request: Request, caller: Registrar, school_id: OrganizationId, body: ManyShown
    ) -> list[ApprovalView]:
        return [
            ApprovalView(request_id=one, problem=verdict.reason, detail=verdict.detail)
            if isinstance(verdict, Refusal)
            else ApprovalView(request_id=one, status=verdict.state.status)
            for one, verdict in await desk.approve_many(request, caller, school_id, body)
        ]


def public_keys(keys: PublicKeys) -> Response:
    """A JSON Web Key Set (RFC 7517): for whoever re-proves a ledger without us. Never the private part."""
    body = {"keys": [key.as_dict(private=False) for key in keys.keys().keys if isinstance(key, OKPKey)]}
    return Response(
        orjson.dumps(body), media_type="application/jwk-set+json", headers={"cache-control": "public, max-age=300"}
    )
