"""Web pages: sign-in, step-up, authenticator, and a school's people. The same desk as the API, rendered for people."""

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, File, Form, Path, Query, Request, UploadFile
from pydantic import BaseModel, Field, ValidationError
from starlette.responses import RedirectResponse, Response

from contracts.problem import Reason
from contracts.types import OrganizationId, OrganizationKind, PersonId, PersonKind
from services.chassis import clock
from services.chassis.decision import Refusal
from services.chassis.web.auth import (
    Caller,
    allowed,
    anyone,
    end_session,
    local_path,
    set_session,
    set_step_up,
    signed_in,
)
from services.chassis.web.pages import places_of, render
from services.chassis.web.problem import Refused, refused
from services.identity import domain
from services.identity.api import ROSTER_LIMIT
from services.identity.api.desk import REPLACE, Desk, operates, person_of
from services.identity.api.views import ID, Meant, NewToken
from services.identity.gateways import authenticator
from services.identity.gateways.profiles import open_profile, open_profiles
from services.identity.gateways.sessions import SESSION_SECONDS
from services.identity.pages import house

START = "/identity/"
SECURITY = "/identity/security"
Guest = Annotated[Caller | None, anyone()]
Human = Annotated[Caller, signed_in(people_only=True)]
Staff = Annotated[
    Caller, allowed(PersonKind.REGISTRAR, PersonKind.ADMINISTRATOR, PersonKind.OPERATOR, people_only=True)
]
SchoolPath = Annotated[OrganizationId, Path(pattern=ID)]
PersonPath = Annotated[PersonId, Path(pattern=ID)]
Next = Annotated[str, Query(max_length=2_000)]
Text = Annotated[str, Form(max_length=2_000)]

KNOWN_ACTS = frozenset(
    {
        "consent.sign",
        "consent.approve",
        "consent.revoke",
        "records.seal",
        "identity.authenticator.replace",
    }
)
"""Acts that the step-up page has words for. Any other is shown by its name."""


class Asked(BaseModel):
    """What a step-up is asked for: the act, its object, the bytes, and where to go back to."""

    act: str = Field(max_length=64)
    on: str = Field(max_length=64)
    digest: str = Field(default="", max_length=80)
    next: str = Field(default=START, max_length=2_000)

    @property
    def back(self) -> str:
        """A path of this very house, whatever was asked."""
        return local_path(self.next, otherwise=START)


def routes(desk: Desk) -> APIRouter:
    """The pages of identity."""
    router = APIRouter(include_in_schema=False)
    _entrance(router, desk)
    _security(router, desk)
    _step_up(router, desk)
    _schools(router, desk)
    _directory(router, desk)
    _accounts(router, desk)
    router.include_router(house.routes(desk))
    return router


def _entrance(router: APIRouter, desk: Desk) -> None:
    @router.get("/")
    async def home(request: Request, caller: Human) -> Response:
        organizations = await desk.questions.organizations(sorted(set(caller.organizations())))
        return render(
            request,
            "home.html",
            memberships=[(place, organizations.get(place.organization_id)) for place in caller.memberships],
            authenticator=await desk.has_authenticator(caller),
            # Who reads and does nothing else is asked for no code.
            approves=caller.kinds != {PersonKind.READER},
            recipients=[
                organizations[one]
                for one in sorted(set(caller.organizations(PersonKind.READER)))
                if one in organizations
            ],
            schools=[
                organizations[school]
                for school in sorted(set(caller.organizations(PersonKind.REGISTRAR, PersonKind.ADMINISTRATOR)))
                if school in organizations
            ],
            operator=operates(caller),
            ways=[name for name in places_of(caller) if name != "identity"],
        )

    @router.get("/sign-in")
    async def sign_in_form(request: Request, caller: Guest, next: Next = "") -> Response:  # noqa: A002  the field's name
        if caller is not None:
            return RedirectResponse(local_path(next, otherwise=START), status_code=303)
        return render(request, "sign-in.html", next=local_path(next, otherwise=""), wrong="")

    @router.post("/sign-in", dependencies=[anyone()])
    async def sign_in(request: Request, token: Text = "", next: Text = "") -> Response:  # noqa: A002
        wanted = local_path(next, otherwise=START)
        try:
            session = await desk.sign_in(request, token)
        except Refused as why:
            wrong = "too-many" if why.refusal.reason is Reason.TOO_MANY else "wrong"
            return render(request, "sign-in.html", status=why.status_code, next=wanted, wrong=wrong)
        response = RedirectResponse(wanted, status_code=303)
        end_session(response)
        set_session(response, session, seconds=SESSION_SECONDS)
        return response

    @router.post("/sign-out", dependencies=[anyone()])
    async def sign_out() -> Response:
        response = RedirectResponse("/identity/sign-in", status_code=303)
        end_session(response)
        return response


def _security(router: APIRouter, desk: Desk) -> None:
    @router.get("/security")
    async def security(request: Request, caller: Human, next: Next = SECURITY) -> Response:  # noqa: A002
        return render(request, "security.html", **await _authenticator(desk, caller, next))

    @router.post("/security/enrol")
    async def enrol(request: Request, caller: Human, next: Text = SECURITY) -> Response:  # noqa: A002
        try:
            drawn = await desk.enrol(request, caller)
        except Refused as why:
            if why.refusal.reason is not Reason.STEP_UP:
                raise
            # The step-up page comes back here; the form is then sent once more, with its cookie.
            return RedirectResponse(f"/identity/step-up?{_replacing(caller)}", status_code=303)
        return render(
            request,
            "enrol.html",
            secret=drawn.secret,
            picture=authenticator.picture(drawn.address),
            next=local_path(next, otherwise=SECURITY),
        )

    @router.post("/security/confirm")
    async def confirm(request: Request, caller: Human, code: Text = "", next: Text = SECURITY) -> Response:  # noqa: A002
        wanted = local_path(next, otherwise=SECURITY)
        try:
            await desk.confirm(caller, code)
        except Refused as why:
            about = await _authenticator(desk, caller, wanted)
            return render(request, "security.html", status=why.status_code, **{**about, "fault": why.refusal.detail})
        return RedirectResponse(wanted, status_code=303)


def _step_up(router: APIRouter, desk: Desk) -> None:
    @router.get("/step-up")
    async def step_up_form(request: Request, caller: Human, asked: Annotated[Asked, Query()]) -> Response:
        if not await desk.has_authenticator(caller):
            # First the authenticator, then back to the act that asks for it.
            here = f"/identity/step-up?{request.url.query}"
            return RedirectResponse(f"/identity/security?{urlencode({'next': here})}", status_code=303)
        return _shown(request, asked)

    @router.post("/step-up/confirm")
    async def step_up(request: Request, caller: Human, asked: Annotated[Asked, Form()], code: Text = "") -> Response:
        try:
            meant = Meant(act=asked.act, on=asked.on, digest=asked.digest or None, code=code)
        except ValidationError:
            return _shown(request, asked, domain.WRONG_CODE)
        try:
            token = await desk.step_up(caller, meant)
        except Refused as why:
            return _shown(request, asked, why.refusal, status=why.status_code)
        response = RedirectResponse(asked.back, status_code=303)
        set_step_up(response, token)
        if caller.by_cookie:
            await _rotate(desk, caller, response)
        return response


def _shown(request: Request, asked: Asked, fault: Refusal | None = None, *, status: int = 422) -> Response:
    return render(
        request,
        "step-up.html",
        status=status if fault else 200,
        fault=fault.detail if fault else "",
        known=asked.act in KNOWN_ACTS,
        asked=asked,
    )


async def _rotate(desk: Desk, caller: Caller, response: Response) -> None:
    """A fresh session after the second factor: one that was taken over before is not raised by it."""
    person = await desk.person(caller, person_of(caller))
    profile = await open_profile(desk.rooms.keys, person)
    set_session(response, desk.rooms.sessions.session(person, profile, clock.now()), seconds=SESSION_SECONDS)


async def _authenticator(desk: Desk, caller: Caller, next: str) -> dict[str, Any]:  # noqa: A002
    ready = await desk.has_authenticator(caller)
    return {"ready": ready, "fault": "", "next": local_path(next, otherwise=SECURITY)}


def _replacing(caller: Caller) -> str:
    return urlencode({"act": REPLACE, "on": caller.id, "next": SECURITY})


def _schools(router: APIRouter, desk: Desk) -> None:
    @router.get("/schools/{school_id}")
    async def school(request: Request, caller: Staff, school_id: SchoolPath) -> Response:
        return render(request, "school.html", fault="", **await _school(desk, caller, school_id))

    @router.post("/schools/{school_id}/import", max_body_size=ROSTER_LIMIT)
    async def import_roster(
        request: Request, caller: Staff, school_id: SchoolPath, roster: Annotated[UploadFile, File()]
    ) -> Response:
        try:
            report = await desk.import_roster(caller, school_id, await roster.read(), None)
        except Refused as why:
            if why.refusal.reason is not Reason.INVALID:
                raise
            about = await _school(desk, caller, school_id)
            return render(request, "school.html", status=why.status_code, fault=why.refusal.detail, **about)
        return RedirectResponse(f"/identity/schools/{school_id}/imports/{report.import_id}", status_code=303)

    @router.get("/schools/{school_id}/imports/{import_id}")
    async def imported(
        request: Request, caller: Staff, school_id: SchoolPath, import_id: Annotated[str, Path(pattern=ID)]
    ) -> Response:
        report = await desk.imported(caller, import_id)
        if school_id not in report.school_ids:
            raise refused(Reason.NOT_FOUND, "there is no such import")
        return render(request, "import.html", school=await desk.school(caller, school_id), report=report)


def _directory(router: APIRouter, desk: Desk) -> None:
    @router.get("/schools/{school_id}/directory")
    async def directory(
        request: Request, caller: Staff, school_id: SchoolPath, page: Annotated[int, Query(ge=0, le=10_000)] = 0
    ) -> Response:
        people, more = await desk.people(caller, school_id, page)
        school = await desk.school(caller, school_id)
        return render(request, "directory.html", people=people, school=school, page=page, more=more, searched=False)

    @router.post("/schools/{school_id}/directory")
    async def search(request: Request, caller: Staff, school_id: SchoolPath, email: Text = "") -> Response:
        people = await desk.search(caller, school_id, email)
        school = await desk.school(caller, school_id)
        return render(request, "directory.html", people=people, school=school, page=0, more=False, searched=True)


def _accounts(router: APIRouter, desk: Desk) -> None:
    @router.get("/people/{person_id}/account")
    async def account(request: Request, caller: Staff, person_id: PersonPath) -> Response:
        return render(request, "account.html", token=None, **await _account(desk, caller, person_id))

    @router.post("/people/{person_id}/account/token")
    async def issue_token(request: Request, caller: Staff, person_id: PersonPath) -> Response:
        token, secret = await desk.issue_token(caller, person_id, NewToken())
        about = await _account(desk, caller, person_id)
        return render(request, "account.html", token=secret, expires_at=token.expires_at, **about)

    @router.post("/people/{person_id}/account/lock")
    async def lock(caller: Staff, person_id: PersonPath) -> Response:
        await desk.revoke_tokens(caller, person_id)
        return RedirectResponse(f"/identity/people/{person_id}/account", status_code=303)


async def _school(desk: Desk, caller: Caller, school_id: OrganizationId) -> dict[str, Any]:
    return {
        "school": await desk.school(caller, school_id),
        "imports": await desk.questions.imports_of(school_id),
    }


async def _account(desk: Desk, caller: Caller, person_id: PersonId) -> dict[str, Any]:
    person = await desk.person(caller, person_id)
    (opened,) = await open_profiles(desk.rooms.keys, [person])
    guardians = await desk.questions.people(person.guardians)
    kept = await desk.questions.authenticator(person_id)
    places = await desk.questions.organizations(person.school_ids)
    return {
        "one": opened,
        "organizations": places,
        "guardians": await open_profiles(desk.rooms.keys, list(guardians.values())),
        "authenticator": kept is not None and kept.secret is not None,
        "schools": [
            one
            for one, place in places.items()
            if place.kind is OrganizationKind.SCHOOL
            if operates(caller) or one in caller.organizations(PersonKind.REGISTRAR, PersonKind.ADMINISTRATOR)
        ],
        "recipients": [
            one for one, place in places.items() if operates(caller) and place.kind is not OrganizationKind.SCHOOL
        ],
        "may_end": operates(caller) and person.active and person.is_a(PersonKind.READER),
        "may_let_in": person.active and domain.may_let_in(caller.memberships, person),
    }
