"""Web pages: what was sent to me and how I want it; for the office, what reached nobody and why, and another try."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from contracts.types import MessageId, OrganizationId, PersonKind
from services.chassis.web.auth import Caller, allowed, anyone, signed_in
from services.chassis.web.pages import render
from services.notify import domain
from services.notify.api.desk import Desk, NewAnnouncement, Wishes
from services.notify.domain import STAFF, MessageClass, Status
from services.notify.store import PAGE

Person = Annotated[Caller, signed_in(people_only=True)]
Office = Annotated[Caller, allowed(PersonKind.REGISTRAR, PersonKind.OPERATOR, people_only=True)]
Operator = Annotated[Caller, allowed(PersonKind.OPERATOR, people_only=True)]
Anyone = Annotated[Caller | None, anyone()]
Number = Annotated[int, Query(ge=0, le=10_000)]

TONES = {
    Status.WAITING: "wait",
    Status.SENT: "good",
    Status.NO_ADDRESS: "bad",
    Status.HELD_BACK: "mute",
    Status.UNWANTED: "mute",
    Status.ABANDONED: "bad",
}


class Front:
    """What the pages show."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def home(self, request: Request, caller: Caller, *, saved: bool) -> Response:
        assert caller.person_id is not None
        messages = await self.desk.own(caller)
        wishes = await self.desk.questions.preferences(caller.person_id)
        muted = wishes.muted if wishes else ()
        switchable = classes_for(caller)
        return render(
            request,
            "home.html",
            messages=messages,
            tones=TONES,
            organizations=await self._organizations(messages),
            addressees=await self.desk.addressees(caller, messages),
            language_wanted=(wishes.language if wishes else None) or "",
            languages=domain.LANGUAGES,
            switchable=switchable,
            wanted=[one for one in switchable if one not in muted],
            saved=saved,
            office=bool({PersonKind.REGISTRAR, PersonKind.OPERATOR} & caller.kinds),
            operator=PersonKind.OPERATOR in caller.kinds,
        )

    async def office(self, request: Request, caller: Caller, status: Status | None, page: int) -> Response:
        messages = await self.desk.at_office(caller, status, None, page=page)
        return render(
            request,
            "office.html",
            messages=messages,
            chosen=status,
            counts=await self.desk.questions.counts_at(self.desk.schools(caller)),
            tones=TONES,
            organizations=await self._organizations(messages),
            addressees=await self.desk.addressees(caller, messages),
            retriable=(Status.ABANDONED, Status.NO_ADDRESS, Status.HELD_BACK),
            newer=_at(status, page - 1) if page else "",
            older=_at(status, page + 1) if len(messages) == PAGE else "",
        )

    async def _organizations(self, messages: list[domain.Message]) -> Any:
        ids: list[OrganizationId | None] = [one.facts.recipient_id for one in messages]
        return await self.desk.questions.organizations(ids)


def classes_for(caller: Caller) -> tuple[MessageClass, ...]:
    """What may be switched off, of that which this person may be sent at all."""
    may_have = caller.kinds & STAFF and not caller.kinds - STAFF
    return (MessageClass.INFORMATION, MessageClass.MEMBERSHIP) if may_have else (MessageClass.INFORMATION,)


def routes(desk: Desk) -> APIRouter:
    """The pages of notify."""
    router = APIRouter(include_in_schema=False)
    front = Front(desk)
    _person(router, front)
    _office(router, front)
    _unsubscribing(router, desk)
    return router


def _person(router: APIRouter, front: Front) -> None:
    @router.get("/")
    async def home(request: Request, caller: Person, saved: bool = False) -> Response:
        return await front.home(request, caller, saved=saved)

    @router.post("/preferences")
    async def prefer(
        caller: Person,
        language: Annotated[str, Form(max_length=5)] = "",
        wanted: Annotated[list[MessageClass], Form(max_length=3)] = [],  # noqa: B006 - FastAPI copies it
    ) -> Response:
        muted = [one for one in classes_for(caller) if one not in wanted]
        wishes = Wishes.model_validate({"language": language or None, "muted": muted})
        await front.desk.prefer(caller, wishes, None)
        return RedirectResponse("/notify/?saved=true", status_code=303)


def _office(router: APIRouter, front: Front) -> None:
    @router.get("/office")
    async def office(request: Request, caller: Office, status: Status | None = None, page: Number = 0) -> Response:
        return await front.office(request, caller, status, page)

    @router.post("/office/{message_id}/retry")
    async def retry(caller: Office, message_id: MessageId) -> Response:
        await front.desk.retry(caller, message_id, None)
        return RedirectResponse("/notify/office?status=waiting", status_code=303)

    @router.get("/announce")
    async def announcing(request: Request, _: Operator) -> Response:
        audiences = sorted(STAFF - {PersonKind.OPERATOR})
        return render(request, "announce.html", audiences=audiences)

    @router.post("/announce")
    async def announce(caller: Operator, body: Annotated[NewAnnouncementForm, Form()]) -> Response:
        given = NewAnnouncement.model_validate(body.model_dump(exclude={"csrf"}))
        await front.desk.announce(caller, given, None)
        return RedirectResponse("/notify/office", status_code=303)


class NewAnnouncementForm(NewAnnouncement):
    """The same from a form, which brings its token."""

    csrf: str = ""


def _unsubscribing(router: APIRouter, desk: Desk) -> None:
    """The page is the same for a good, a wrong and an old link, and looking at it does nothing: scanners open links."""

    @router.get("/unsubscribe/{ticket}")
    async def ask(request: Request, _: Anyone, ticket: str) -> Response:
        return render(request, "unsubscribe.html", ticket=ticket, done=False)

    @router.post("/unsubscribe/{ticket}")
    async def unsubscribe(request: Request, _: Anyone, ticket: str) -> Response:
        await desk.unsubscribe(ticket)
        return render(request, "unsubscribe.html", ticket=ticket, done=True)


def _at(status: Status | None, page: int) -> str:
    chosen = f"status={status}&" if status else ""
    return f"/notify/office?{chosen}page={page}"
