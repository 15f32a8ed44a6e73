"""HTTP in: check the right, make a command, call a handler, show the verdict."""

import base64
import binascii
from typing import Annotated

from fastapi import APIRouter, Form, Header, Path, Query, Request
from starlette.responses import JSONResponse, Response

from contracts.types import OrganizationId, OrganizationKind, PersonId, PersonKind
from services.chassis.web.auth import Caller, allowed, anyone, signed_in
from services.chassis.web.http import MIB
from services.chassis.web.problem import Refused
from services.chassis.web.tokens import STEP_UP_SECONDS
from services.identity.api.desk import Desk
from services.identity.api.views import (
    ID,
    AccessView,
    ClientView,
    Code,
    EnrolmentView,
    ImportView,
    Meant,
    MeView,
    NewClient,
    NewClientView,
    NewOrganization,
    NewReader,
    NewReaderView,
    NewStanding,
    NewToken,
    OrganizationView,
    PersonView,
    Search,
    StepUpView,
    TokenView,
)
from services.identity.gateways.profiles import open_profiles
from services.identity.gateways.sessions import ACCESS_SECONDS
from services.identity.store import PAGE

ROSTER_LIMIT = 64 * MIB
"""Bytes of an archive: what `roster_zip.Limits` takes."""

SomeBody = Annotated[Caller, signed_in()]
Human = Annotated[Caller, signed_in(people_only=True)]
Operator = Annotated[Caller, allowed(PersonKind.OPERATOR, people_only=True)]
Staff = Annotated[
    Caller, allowed(PersonKind.REGISTRAR, PersonKind.ADMINISTRATOR, PersonKind.OPERATOR, people_only=True)
]
CommandId = Annotated[str | None, Header(alias="Idempotency-Key", max_length=100, pattern=r"^[\x21-\x7e]+$")]
Page = Annotated[int, Query(ge=0, le=10_000)]
OrganizationPath = Annotated[OrganizationId, Path(pattern=ID)]
PersonPath = Annotated[PersonId, Path(pattern=ID)]
IdPath = Annotated[str, Path(pattern=ID)]
Word = Annotated[str, Form(max_length=200)]


def routes(desk: Desk) -> APIRouter:
    """The JSON routes of identity."""
    router = APIRouter()
    _organizations(router, desk)
    _readers(router, desk)
    _schools(router, desk)
    _people(router, desk)
    _ways_in(router, desk)
    return router


def _organizations(router: APIRouter, desk: Desk) -> None:
    @router.post("/organizations", status_code=201, summary="Record a school or a recipient, or describe it anew")
    async def record(caller: Operator, body: NewOrganization, command_id: CommandId = None) -> OrganizationView:
        return OrganizationView.of(await desk.record_organization(body, command_id, caller))

    @router.get("/organizations", summary="Organizations by name")
    async def organizations(
        _: Operator, kind: OrganizationKind | None = None, page: Page = 0
    ) -> list[OrganizationView]:
        kinds = (kind,) if kind else tuple(OrganizationKind)
        found = await desk.questions.organizations_of(kinds, page=page)
        return [OrganizationView.of(one) for one in found[:PAGE]]

    @router.get("/organizations/{organization_id}", summary="One organization, for its own people and for operators")
    async def organization(caller: SomeBody, organization_id: OrganizationPath) -> OrganizationView:
        return OrganizationView.of(await desk.organization(caller, organization_id))

    @router.post("/organizations/{organization_id}/standing", summary="Verify or suspend")
    async def standing(_: Operator, organization_id: OrganizationPath, body: NewStanding) -> OrganizationView:
        return OrganizationView.of(await desk.set_standing(organization_id, body.standing))

    @router.get("/organizations/{organization_id}/clients", summary="The programs of a recipient")
    async def clients(_: Operator, organization_id: OrganizationPath) -> list[ClientView]:
        return [ClientView.of(one) for one in await desk.questions.clients_of(organization_id)]

    @router.post(
        "/clients", status_code=201, summary="Give a recipient's program credentials; the secret is shown once"
    )
    async def create_client(_: Operator, body: NewClient) -> NewClientView:
        client, secret = await desk.create_client(body)
        return NewClientView(**dict(ClientView.of(client)), client_secret=secret)

    @router.delete("/clients/{client_id}", summary="Take the credentials back")
    async def revoke_client(_: Operator, client_id: IdPath) -> ClientView:
        return ClientView.of(await desk.revoke_client(client_id))


def _readers(router: APIRouter, desk: Desk) -> None:
    @router.get("/organizations/{organization_id}/readers", summary="Who reads for a recipient, fifty at a time")
    async def readers(_: Operator, organization_id: OrganizationPath, page: Page = 0) -> list[PersonView]:
        found, _more = await desk.readers(organization_id, page)
        return [PersonView.of(one) for one in found]

    @router.post(
        "/organizations/{organization_id}/readers",
        status_code=201,
        summary="Let somebody read for a recipient; the way in signs in once and is shown once",
    )
    async def invite(
        caller: Operator, organization_id: OrganizationPath, body: NewReader, command_id: CommandId = None
    ) -> NewReaderView:
        opened, way = await desk.invite_reader(caller, organization_id, body, command_id)
        token = (
            TokenView(token=way.token, person_id=opened.person.person_id, expires_at=way.until, single_use=True)
            if way
            else None
        )
        return NewReaderView(**dict(PersonView.of(opened)), way_in=token)

    @router.delete(
        "/organizations/{organization_id}/readers/{person_id}", summary="End a reader's account; it signs in no more"
    )
    async def end(_: Operator, organization_id: OrganizationPath, person_id: PersonPath) -> PersonView:
        return PersonView.of(await desk.end_reader(organization_id, person_id))


def _schools(router: APIRouter, desk: Desk) -> None:
    @router.post(
        "/schools/{school_id}/rosters",
        status_code=201,
        summary="Import a OneRoster ZIP; the same file again changes nothing",
        max_body_size=ROSTER_LIMIT,
    )
    async def import_roster(
        request: Request, caller: Staff, school_id: OrganizationPath, command_id: CommandId = None
    ) -> ImportView:
        return ImportView.of(await desk.import_roster(caller, school_id, await request.body(), command_id))

    @router.get("/schools/{school_id}/imports", summary="What became of a school's rosters, newest first")
    async def imports(caller: Staff, school_id: OrganizationPath) -> list[ImportView]:
        await desk.school(caller, school_id)
        found = await desk.questions.imports_of(school_id)
        return [ImportView.of(one).model_copy(update={"problems": ()}) for one in found]

    @router.get("/imports/{import_id}", summary="One import, with everything that is to be mended in the file")
    async def imported(caller: Staff, import_id: IdPath) -> ImportView:
        return ImportView.of(await desk.imported(caller, import_id))

    @router.get("/schools/{school_id}/people", summary="A school's people, fifty at a time")
    async def people(caller: Staff, school_id: OrganizationPath, page: Page = 0) -> list[PersonView]:
        found, _ = await desk.people(caller, school_id, page)
        return [PersonView.of(one) for one in found]

    @router.post("/schools/{school_id}/people/search", summary="People of a school by their exact e-mail address")
    async def search(caller: Staff, school_id: OrganizationPath, body: Search) -> list[PersonView]:
        return [PersonView.of(one) for one in await desk.search(caller, school_id, body.email)]


def _people(router: APIRouter, desk: Desk) -> None:
    @router.get("/me", summary="Who is asking")
    async def me(caller: SomeBody) -> MeView:
        return MeView(
            person_id=caller.person_id,
            client_id=caller.client_id,
            memberships=caller.memberships,
            authenticator=await desk.has_authenticator(caller),
        )

    @router.get("/people/{person_id}", summary="One person: oneself, or one of one's school")
    async def person(caller: Human, person_id: PersonPath) -> PersonView:
        (opened,) = await open_profiles(desk.rooms.keys, [await desk.person(caller, person_id)])
        return PersonView.of(opened)

    @router.post("/people/{person_id}/tokens", status_code=201, summary="Give somebody a way in; it is shown once")
    async def issue_token(caller: Staff, person_id: PersonPath, body: NewToken | None = None) -> TokenView:
        token, secret = await desk.issue_token(caller, person_id, body or NewToken())
        return TokenView(token=secret, person_id=person_id, expires_at=token.expires_at, single_use=token.single_use)

    @router.delete("/people/{person_id}/tokens", status_code=204, summary="Take every way in back")
    async def revoke_tokens(caller: Staff, person_id: PersonPath) -> None:
        await desk.revoke_tokens(caller, person_id)

    @router.delete("/people/{person_id}/authenticator", status_code=204, summary="Take a lost authenticator away")
    async def remove_authenticator(caller: Staff, person_id: PersonPath) -> None:
        await desk.remove_authenticator(caller, person_id)


def _ways_in(router: APIRouter, desk: Desk) -> None:
    @router.post("/authenticator", status_code=201, summary="Draw an authenticator secret; it is shown once")
    async def enrol(request: Request, caller: Human) -> EnrolmentView:
        drawn = await desk.enrol(request, caller)
        return EnrolmentView(secret=drawn.secret, address=drawn.address)

    @router.post("/authenticator/confirmation", status_code=204, summary="Take it into use with its first code")
    async def confirm(caller: Human, body: Code) -> None:
        await desk.confirm(caller, body.code)

    @router.post("/step-up", status_code=201, summary="A step-up for one act, for a code from the authenticator")
    async def step_up(caller: Human, body: Meant) -> StepUpView:
        return StepUpView(token=await desk.step_up(caller, body), expires_in=STEP_UP_SECONDS)

    @router.post("/token", summary="An access token for client credentials (RFC 6749 §4.4)", dependencies=[anyone()])
    async def access_token(
        request: Request,
        grant_type: Word,
        client_id: Word = "",
        client_secret: Word = "",
        authorization: Annotated[str, Header(max_length=500)] = "",
    ) -> Response:
        if grant_type != "client_credentials":
            return _oauth_error("unsupported_grant_type", 400)
        given, secret = _basic(authorization) or (client_id, client_secret)
        try:
            token = await desk.access_token(request, given, secret)
        except Refused as why:
            if why.status_code != 401:  # too many attempts: ours to say, in our own form
                raise
            return _oauth_error("invalid_client", 401)
        body = AccessView(access_token=token, expires_in=ACCESS_SECONDS)
        return JSONResponse(body.model_dump(), headers={"pragma": "no-cache"})


def _oauth_error(error: str, status: int) -> Response:
    """RFC 6749 §5.2 fixes the form of these, so they are no problem+json."""
    headers = {"WWW-Authenticate": 'Basic realm="placet"'} if status == 401 else {}
    return JSONResponse({"error": error}, status_code=status, headers=headers)


def _basic(authorization: str) -> tuple[str, str] | None:
    """Client credentials from HTTP Basic, which a client may use in place of the form (RFC 6749 §2.3.1)."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return client_id, secret
