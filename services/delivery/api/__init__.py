"""HTTP in: check the right, make a command, call a handler, show the verdict."""

from collections.abc import AsyncIterator
from typing import Annotated

import orjson
from fastapi import APIRouter, Header, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse

from contracts.problem import Reason
from contracts.types import DeliveryId, Digest, OrganizationId, PersonId, PersonKind
from services.chassis.web.auth import Caller, allowed, signed_in
from services.chassis.web.problem import refused
from services.delivery.api.desk import Desk
from services.delivery.api.views import (
    AttemptView,
    DeliveryView,
    EndpointView,
    SchoolDeliveryView,
    VerificationView,
    ledger_line,
)
from services.delivery.domain import Delivery, LedgerRow, Status
from services.delivery.gateways.packages import Document

Recipient = Annotated[Caller, allowed(PersonKind.READER)]
Registrar = Annotated[Caller, allowed(PersonKind.REGISTRAR)]
Person = Annotated[Caller, signed_in(people_only=True)]
CommandId = Annotated[str | None, Header(alias="Idempotency-Key", max_length=100, pattern=r"^[\x21-\x7e]+$")]
Page = Annotated[int, Query(ge=0, le=10_000)]
DeliveryPath = Annotated[DeliveryId, Path(max_length=40)]
EndpointName = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
Owner = Annotated[OrganizationId | None, Query(max_length=40)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Opening(_Body):
    """Opening accepts the redisclosure notice, by its version."""

    redisclosure_notice: str = Field(max_length=100)


class Acknowledgement(_Body):
    """The digest of the package as it was received."""

    digest: Digest


class EndpointBody(_Body):
    """Where to be told. `recipient_id` is needed by who belongs to several organizations."""

    url: str = Field(max_length=500)
    description: str = Field(default="", max_length=200)
    recipient_id: OrganizationId | None = Field(default=None, max_length=40)


def routes(desk: Desk) -> APIRouter:
    """The JSON routes of delivery."""
    router = APIRouter()
    _deliveries(router, desk)
    _content(router, desk)
    _endpoints(router, desk)
    _endpoint_acts(router, desk)
    _ledger(router, desk)
    return router


def _deliveries(router: APIRouter, desk: Desk) -> None:
    @router.get("/deliveries", summary="What was sent to your organization, newest first")
    async def deliveries(caller: Recipient, status: Status | None = None, page: Page = 0) -> list[DeliveryView]:
        found = await desk.questions.deliveries_to(await desk.recipients_of(caller), status, page=page)
        schools = await desk.questions.organizations(sorted({one.school_id for one in found}))
        return [DeliveryView.of(one, schools) for one in found]

    @router.get("/deliveries/{delivery_id}", summary="One delivery")
    async def one_delivery(caller: Recipient, delivery_id: DeliveryPath) -> DeliveryView:
        return await _view(desk, await desk.look(caller, delivery_id))

    @router.post("/deliveries/{delivery_id}/open", summary="Open: this is the disclosure, and is written in the ledger")
    async def open_delivery(
        caller: Recipient, delivery_id: DeliveryPath, body: Opening, command_id: CommandId = None
    ) -> DeliveryView:
        return await _view(desk, await desk.open(caller, delivery_id, body.redisclosure_notice, command_id))

    @router.post("/deliveries/{delivery_id}/acknowledge", summary="Echo the digest of what was received")
    async def acknowledge(
        caller: Recipient, delivery_id: DeliveryPath, body: Acknowledgement, command_id: CommandId = None
    ) -> DeliveryView:
        return await _view(desk, await desk.acknowledge(caller, delivery_id, body.digest, command_id))

    @router.post("/deliveries/{delivery_id}/replay", status_code=202, summary="Send its webhook once more")
    async def replay(caller: Recipient, delivery_id: DeliveryPath, command_id: CommandId = None) -> DeliveryView:
        return await _view(desk, await desk.replay(caller, delivery_id, command_id))

    @router.get("/schools/{school_id}/deliveries", summary="What your school released, newest first")
    async def at_school(
        caller: Registrar,
        school_id: Annotated[OrganizationId, Path(max_length=40)],
        status: Status | None = None,
        page: Page = 0,
    ) -> list[SchoolDeliveryView]:
        school = await desk.school_of(caller, school_id)
        return [SchoolDeliveryView.of(one) for one in await desk.questions.deliveries_from([school], status, page=page)]


def _content(router: APIRouter, desk: Desk) -> None:
    @router.get("/deliveries/{delivery_id}/content", response_class=Response, summary="The package: a ZIP, exact bytes")
    async def package(caller: Recipient, delivery_id: DeliveryPath) -> Response:
        return document(await desk.package(caller, delivery_id))

    @router.get(
        "/deliveries/{delivery_id}/content/{name:path}", response_class=Response, summary="One file of the package"
    )
    async def one_file(
        caller: Recipient, delivery_id: DeliveryPath, name: Annotated[str, Path(max_length=200)]
    ) -> Response:
        return document(await desk.member(caller, delivery_id, name))


def _endpoints(router: APIRouter, desk: Desk) -> None:
    @router.get("/endpoints", summary="Where your organization is told")
    async def endpoints(caller: Recipient) -> list[EndpointView]:
        return [EndpointView.of(one) for one in await desk.questions.endpoints_of(await desk.recipients_of(caller))]

    @router.get("/endpoints/{name}", summary="One endpoint")
    async def endpoint(caller: Recipient, name: EndpointName, recipient_id: Owner = None) -> EndpointView:
        return EndpointView.of(await desk.endpoint(caller, name, recipient_id))

    @router.put("/endpoints/{name}", summary="Make, change or enable an endpoint; its secret is shown once")
    async def put_endpoint(caller: Recipient, name: EndpointName, body: EndpointBody) -> EndpointView:
        made, secret = await desk.put_endpoint(
            caller, name, url=body.url, description=body.description, recipient_id=body.recipient_id
        )
        return EndpointView.of(made, secret)

    @router.delete("/endpoints/{name}", status_code=204, summary="Remove an endpoint")
    async def remove_endpoint(caller: Recipient, name: EndpointName, recipient_id: Owner = None) -> None:
        await desk.remove_endpoint(caller, name, recipient_id)


def _endpoint_acts(router: APIRouter, desk: Desk) -> None:
    @router.post("/endpoints/{name}/rotation", summary="A new secret; the old one signs beside it for a day")
    async def rotate(caller: Recipient, name: EndpointName, recipient_id: Owner = None) -> EndpointView:
        rotated, secret = await desk.rotate_endpoint(caller, name, recipient_id)
        return EndpointView.of(rotated, secret)

    @router.post("/endpoints/{name}/ping", status_code=202, summary="Send a test notice")
    async def ping(caller: Recipient, name: EndpointName, recipient_id: Owner = None) -> AttemptView:
        return AttemptView.of(await desk.ping_endpoint(caller, name, recipient_id))

    @router.get("/endpoints/{name}/attempts", summary="The newest notices to an endpoint and what became of them")
    async def attempts(caller: Recipient, name: EndpointName, recipient_id: Owner = None) -> list[AttemptView]:
        own = await desk.own_recipient(caller, recipient_id)
        found = await desk.endpoint(caller, name, own)
        return [AttemptView.of(one) for one in await desk.questions.notices_to(found.endpoint_id, limit=100)]


def _ledger(router: APIRouter, desk: Desk) -> None:
    @router.get(
        "/ledger", response_class=StreamingResponse, summary="Who has received what: JSON lines with their hashes"
    )
    async def ledger(
        caller: Person,
        student_id: Annotated[PersonId | None, Query(max_length=40)] = None,
        school_id: Annotated[OrganizationId | None, Query(max_length=40)] = None,
    ) -> Response:
        if (student_id is None) == (school_id is None):
            raise refused(Reason.INVALID, "say whose record of disclosures: either student_id or school_id")
        if student_id is not None:
            return lines(await desk.rows_about(caller, student_id))
        assert school_id is not None
        return lines(desk.rows_at(await desk.school_of(caller, school_id)))

    @router.get("/ledger/verification", summary="Verify your school's chain of disclosures")
    async def verification(
        caller: Registrar, school_id: Annotated[OrganizationId, Query(max_length=40)]
    ) -> VerificationView:
        rows, broken = await desk.verify(await desk.school_of(caller, school_id))
        if broken is None:
            return VerificationView(rows=rows, holds=True)
        return VerificationView(rows=rows, holds=False, broken_at=broken.number, how=broken.how)


def document(found: Document) -> Response:
    """The bytes and what is needed to read and check them: nothing else goes with them (P15)."""
    shown = "inline" if found.media_type == "application/pdf" else "attachment"
    headers = {
        "content-digest": found.digest_header,
        "content-disposition": f'{shown}; filename="{found.name}"',
        "cache-control": "no-store",
    }
    return Response(found.content, media_type=found.media_type, headers=headers)


def lines(rows: AsyncIterator[LedgerRow]) -> Response:
    """One JSON object a line, as they are read."""

    async def spelled() -> AsyncIterator[bytes]:
        async for row in rows:
            yield orjson.dumps(ledger_line(row), option=orjson.OPT_APPEND_NEWLINE)

    return StreamingResponse(spelled(), media_type="application/jsonl")


async def _view(desk: Desk, delivery: Delivery) -> DeliveryView:
    return DeliveryView.of(delivery, await desk.questions.organizations([delivery.school_id]))
