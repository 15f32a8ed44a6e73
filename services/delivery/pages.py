"""Web pages: the same desk as the API, rendered for people. What arrived, where to be told, and who has received what."""

from collections.abc import Sequence
from typing import Annotated

import orjson
from fastapi import APIRouter, Form, Path, Request
from starlette.responses import RedirectResponse, Response

from contracts.types import DeliveryId, OrganizationId, PersonId, PersonKind
from services.chassis import clock
from services.chassis.keys.person import PersonKeys
from services.chassis.web.auth import Caller, allowed, signed_in
from services.chassis.web.pages import render
from services.chassis.web.problem import Refused
from services.delivery import domain
from services.delivery.api.desk import Desk
from services.delivery.domain import Delivery, Endpoint, Organization, Status
from services.delivery.domain.notice import REDISCLOSURE

Person = Annotated[Caller, signed_in(people_only=True)]
Reader = Annotated[Caller, allowed(PersonKind.READER, people_only=True)]
Text = Annotated[str, Form(max_length=500)]
Short = Annotated[str, Form(max_length=100)]
Name = Annotated[str, Form(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
PathName = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]

TONES = {
    Status.AVAILABLE: "wait",
    Status.DELIVERED: "good",
    Status.ACKNOWLEDGED: "good",
    Status.ABANDONED: "bad",
    Status.CANCELLED: "mute",
}


class Front:
    """What the pages need beside the desk: names, opened from ciphertext at the last moment."""

    def __init__(self, desk: Desk, keys: PersonKeys) -> None:
        self.desk = desk
        self.keys = keys

    async def names(self, student_ids: Sequence[PersonId]) -> dict[PersonId, str]:
        """Names of students. An erased one is said to be erased."""
        known = await self.desk.questions.students(sorted(set(student_ids)))
        opened = await self.keys.open_many([student.profile for student in known])
        return {
            student.person_id: str(orjson.loads(clear)["name"]) if clear else "(erased)"
            for student, clear in zip(known, opened, strict=True)
        }

    async def organizations(self, deliveries: Sequence[Delivery]) -> dict[OrganizationId, Organization]:
        ids = {one for delivery in deliveries for one in (delivery.recipient_id, delivery.school_id)}
        return await self.desk.questions.organizations(sorted(ids))

    async def home(self, request: Request, caller: Caller) -> Response:
        """For a recipient what arrived; for a school what it released; for a family who has received what."""
        questions = self.desk.questions
        recipients, schools = await self.desk.recipients_of(caller), caller.organizations(PersonKind.REGISTRAR)
        received = await questions.deliveries_to(recipients) if recipients else []
        released = await questions.deliveries_from(schools) if schools else []
        students = await self.desk.students(caller)
        rows = [row for student in students for row in await questions.rows_of(student.person_id)]
        rows.sort(key=lambda row: row.disclosed_at, reverse=True)
        own = await self.organizations([*received, *released])
        others = await questions.organizations(
            sorted({one for row in rows for one in (row.recipient_id, row.school_id)})
        )
        students_named = [*[one.person_id for one in students], *[one.student_id for one in released]]
        return render(
            request,
            "home.html",
            recipient=bool(recipients),
            closed=bool(caller.organizations(PersonKind.READER)) and not recipients,
            endpoints=await questions.endpoints_of(recipients) if recipients else [],
            received=received,
            school=bool(schools),
            schools=schools,
            released=released,
            family=bool(students),
            students=students,
            rows=rows,
            verified=await self.desk.verified(rows),
            names=await self.names(students_named),
            organizations=own | others,
            tones=TONES,
        )

    async def view(self, request: Request, caller: Caller, delivery_id: DeliveryId) -> Response:
        """One delivery: for its recipient to open and acknowledge, for its school to follow."""
        found = await self.desk.questions.delivery(delivery_id)
        receives = found is not None and found.recipient_id in await self.desk.recipients_of(caller)
        if found is None or not (receives or caller.belongs(PersonKind.REGISTRAR, found.school_id)):
            raise Refused(domain.NO_SUCH_DELIVERY)
        at = clock.now()
        return render(
            request,
            "view.html",
            delivery=found,
            receives=receives,
            over=at >= found.expires_at,
            notices=await self.desk.questions.notices_of(delivery_id),
            organizations=await self.organizations([found]),
            redisclosure=REDISCLOSURE,
            tones=TONES,
        )

    async def connections(
        self, request: Request, caller: Caller, *, shown: Endpoint | None = None, secret: str | None = None
    ) -> Response:
        """Where the recipient is told. A fresh secret is on the page that made it, and on no other."""
        recipients = await self.desk.recipients_of(caller)
        endpoints = await self.desk.questions.endpoints_of(recipients)
        attempts = {
            one.endpoint_id: await self.desk.questions.notices_to(one.endpoint_id, limit=5) for one in endpoints
        }
        owners = await self.desk.questions.organizations(sorted(recipients))
        return render(
            request,
            "connections.html",
            endpoints=endpoints,
            attempts=attempts,
            owners=owners,
            shown=shown,
            secret=secret,
        )


def routes(desk: Desk, keys: PersonKeys) -> APIRouter:
    """The pages of delivery."""
    router = APIRouter(include_in_schema=False)
    front = Front(desk, keys)
    _deliveries(router, front)
    _connections(router, front)
    return router


def _deliveries(router: APIRouter, front: Front) -> None:
    @router.get("/")
    async def home(request: Request, caller: Person) -> Response:
        return await front.home(request, caller)

    @router.get("/view/{delivery_id}")
    async def view(request: Request, caller: Person, delivery_id: DeliveryId) -> Response:
        return await front.view(request, caller, delivery_id)

    @router.post("/view/{delivery_id}/open")
    async def open_delivery(caller: Reader, delivery_id: DeliveryId, notice: Short) -> Response:
        await front.desk.open(caller, delivery_id, notice, None)
        return _to(f"view/{delivery_id}")

    @router.post("/view/{delivery_id}/acknowledge")
    async def acknowledge(caller: Reader, delivery_id: DeliveryId, digest: Short) -> Response:
        await front.desk.acknowledge(caller, delivery_id, digest, None)
        return _to(f"view/{delivery_id}")

    @router.post("/view/{delivery_id}/replay")
    async def replay(caller: Reader, delivery_id: DeliveryId) -> Response:
        await front.desk.replay(caller, delivery_id, None)
        return _to(f"view/{delivery_id}")


def _connections(router: APIRouter, front: Front) -> None:
    @router.get("/connections")
    async def connections(request: Request, caller: Reader) -> Response:
        return await front.connections(request, caller)

    @router.post("/connections")
    async def put_endpoint(  # noqa: PLR0917 - FastAPI fills them by name
        request: Request,
        caller: Reader,
        name: Name,
        url: Text,
        description: Annotated[str, Form(max_length=200)] = "",
        recipient_id: Annotated[str, Form(max_length=40)] = "",
    ) -> Response:
        owner = OrganizationId(recipient_id) if recipient_id else None
        made, secret = await front.desk.put_endpoint(caller, name, url=url, description=description, recipient_id=owner)
        return await front.connections(request, caller, shown=made, secret=secret)

    @router.post("/connections/{name}/rotate")
    async def rotate(request: Request, caller: Reader, name: PathName, recipient_id: Short) -> Response:
        rotated, secret = await front.desk.rotate_endpoint(caller, name, OrganizationId(recipient_id))
        return await front.connections(request, caller, shown=rotated, secret=secret)

    @router.post("/connections/{name}/ping")
    async def ping(caller: Reader, name: PathName, recipient_id: Short) -> Response:
        await front.desk.ping_endpoint(caller, name, OrganizationId(recipient_id))
        return _to("connections")

    @router.post("/connections/{name}/remove")
    async def remove(caller: Reader, name: PathName, recipient_id: Short) -> Response:
        await front.desk.remove_endpoint(caller, name, OrganizationId(recipient_id))
        return _to("connections")


def _to(page: str) -> Response:
    return RedirectResponse(f"/delivery/{page}", status_code=303)
