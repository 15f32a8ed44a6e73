"""Pages of the operator: organizations with their standing, and who reads for a recipient."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Path, Query, Request
from pydantic import BaseModel, Field, ValidationError
from starlette.responses import RedirectResponse, Response

from contracts.types import OrganizationId, OrganizationKind, PersonId, PersonKind, Standing
from services.chassis import ids
from services.chassis.web.auth import Caller, allowed
from services.chassis.web.pages import LANGUAGES, render
from services.chassis.web.problem import Refused
from services.identity.api.desk import Desk, Way
from services.identity.api.views import ID, NewOrganization, NewReader
from services.identity.gateways.profiles import Opened
from services.identity.store import PAGE

Operator = Annotated[Caller, allowed(PersonKind.OPERATOR, people_only=True)]
OrganizationPath = Annotated[OrganizationId, Path(pattern=ID)]
PersonPath = Annotated[PersonId, Path(pattern=ID)]
Number = Annotated[int, Query(ge=0, le=10_000)]


class Described(BaseModel):
    """The form for an organization."""

    name: str = Field(default="", max_length=200)
    kind: str = Field(default="", max_length=20)
    timezone: str = Field(default="UTC", max_length=60)
    roster_source: str = Field(default="", max_length=100)
    sourced_id: str = Field(default="", max_length=255)

    def read(self) -> NewOrganization:
        """As the API takes it. Schools of the house's own operator need no proof. Raises `ValueError`."""
        kind = OrganizationKind(self.kind)
        return NewOrganization(
            name=self.name.strip(),
            kind=kind,
            timezone=self.timezone.strip() or "UTC",
            standing=Standing.VERIFIED if kind is OrganizationKind.SCHOOL else Standing.UNVERIFIED,
            roster_source=self.roster_source.strip() or None,
            sourced_id=self.sourced_id.strip() or None,
        )


class Invited(BaseModel):
    """The form for a reader. `command` is drawn with the form: sent twice, it lets somebody in once."""

    name: str = Field(default="", max_length=400)
    email: str = Field(default="", max_length=400)
    language: str = Field(default="", max_length=8)
    command: str = Field(default="", max_length=40, pattern=ID)


def routes(desk: Desk) -> APIRouter:
    """The operator's pages."""
    router = APIRouter(include_in_schema=False)
    _house(router, desk)
    _readers(router, desk)
    return router


def _house(router: APIRouter, desk: Desk) -> None:
    @router.get("/house")
    async def house(request: Request, _: Operator, page: Number = 0) -> Response:
        return render(request, "house.html", fault="", **await _organizations(desk, page))

    @router.post("/house")
    async def record(request: Request, caller: Operator, described: Annotated[Described, Form()]) -> Response:
        try:
            await desk.record_organization(described.read(), None, caller)
        except (Refused, ValueError) as why:
            fault = why.refusal.detail if isinstance(why, Refused) else "check the name, the kind and the time zone"
            return render(request, "house.html", status=422, fault=fault, **await _organizations(desk, 0))
        return RedirectResponse("/identity/house", status_code=303)

    @router.post("/house/{organization_id}/standing")
    async def standing(
        _: Operator, organization_id: OrganizationPath, standing: Annotated[Standing, Form()]
    ) -> Response:
        await desk.set_standing(organization_id, standing)
        return RedirectResponse("/identity/house", status_code=303)


async def _organizations(desk: Desk, page: int) -> dict[str, Any]:
    found = await desk.questions.organizations_of(page=page)
    return {"organizations": found[:PAGE], "page": page, "more": len(found) > PAGE, "kinds": list(OrganizationKind)}


def _readers(router: APIRouter, desk: Desk) -> None:
    @router.get("/recipients/{organization_id}")
    async def readers(request: Request, _: Operator, organization_id: OrganizationPath, page: Number = 0) -> Response:
        return render(request, "recipient.html", **await _recipient(desk, organization_id, page))

    @router.post("/recipients/{organization_id}/readers")
    async def invite(
        request: Request, caller: Operator, organization_id: OrganizationPath, invited: Annotated[Invited, Form()]
    ) -> Response:
        try:
            body = NewReader.model_validate(invited.model_dump(exclude={"command"}))
            opened, way = await desk.invite_reader(caller, organization_id, body, invited.command)
        except ValidationError as why:
            wrong = {str(one["loc"][0]) for one in why.errors()}
            about = await _recipient(desk, organization_id, wrong=wrong, invited=invited)
            return render(request, "recipient.html", status=422, **about)
        except Refused as why:
            # A command that was judged is remembered: what is sent next is another one.
            invited.command = ids.new("cmd")
            about = await _recipient(desk, organization_id, fault=why.refusal.detail, invited=invited)
            return render(request, "recipient.html", status=why.status_code, **about)
        return render(request, "recipient.html", **await _recipient(desk, organization_id, opened=opened, way=way))

    @router.post("/recipients/{organization_id}/readers/{person_id}/end")
    async def end(_: Operator, organization_id: OrganizationPath, person_id: PersonPath) -> Response:
        await desk.end_reader(organization_id, person_id)
        return RedirectResponse(f"/identity/recipients/{organization_id}", status_code=303)


async def _recipient(
    desk: Desk,
    organization_id: OrganizationId,
    page: int = 0,
    *,
    opened: Opened | None = None,
    way: Way | None = None,
    invited: Invited | None = None,
    wrong: frozenset[str] | set[str] = frozenset(),
    fault: str = "",
) -> dict[str, Any]:
    found, more = await desk.readers(organization_id, page)
    return {
        "recipient": await desk.recipient(organization_id),
        "readers": found,
        "page": page,
        "more": more,
        "opened": opened,
        "way": way,
        "invited": invited or Invited(command=ids.new("cmd")),
        "wrong": wrong,
        "fault": fault,
        "languages": LANGUAGES,
    }
