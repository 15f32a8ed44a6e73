"""HTTP in: check the right, make a command, call a handler, show the verdict."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Header, Query

from contracts.types import MessageId, OrganizationId, PersonKind
from services.chassis.web.auth import Caller, allowed, signed_in
from services.notify.api.desk import Desk, NewAnnouncement, Wishes
from services.notify.api.views import AnnouncementView, MessageView, PreferencesView
from services.notify.domain import Message, Status

Person = Annotated[Caller, signed_in(people_only=True)]
Office = Annotated[Caller, allowed(PersonKind.REGISTRAR, PersonKind.OPERATOR)]
Operator = Annotated[Caller, allowed(PersonKind.OPERATOR)]
CommandId = Annotated[str | None, Header(alias="Idempotency-Key", max_length=100, pattern=r"^[\x21-\x7e]+$")]
Page = Annotated[int, Query(ge=0, le=10_000)]
School = Annotated[OrganizationId | None, Query(max_length=40)]


def routes(desk: Desk) -> APIRouter:
    """The JSON routes of notify."""
    router = APIRouter()
    _office(router, desk)
    _person(router, desk)
    return router


def _office(router: APIRouter, desk: Desk) -> None:
    @router.get("/messages", summary="Messages about your school's records, newest first")
    async def messages(
        caller: Office, status: Status | None = None, school_id: School = None, page: Page = 0
    ) -> list[MessageView]:
        return await _views(desk, caller, await desk.at_office(caller, status, school_id, page=page))

    @router.post("/messages/{message_id}/retry", summary="Try a message again that reached nobody")
    async def retry(caller: Office, message_id: MessageId, command_id: CommandId = None) -> MessageView:
        return MessageView.of(await desk.retry(caller, message_id, command_id))

    @router.post("/messages/{message_id}/bounce", summary="Say that the mail server could not deliver it after all")
    async def bounce(caller: Operator, message_id: MessageId, command_id: CommandId = None) -> MessageView:
        return MessageView.of(await desk.bounce(caller, message_id, command_id))

    @router.post("/announcements", status_code=201, summary="Tell the staff of schools something about the consortium")
    async def announce(caller: Operator, body: NewAnnouncement, command_id: CommandId = None) -> AnnouncementView:
        return AnnouncementView.of(await desk.announce(caller, body, command_id))


def _person(router: APIRouter, desk: Desk) -> None:
    @router.get("/messages/mine", summary="What was sent to you, newest first")
    async def mine(caller: Person, page: Page = 0) -> list[MessageView]:
        return await _views(desk, caller, await desk.own(caller, page=page))

    @router.get("/messages/{message_id}", summary="One message")
    async def one_message(caller: Person, message_id: MessageId) -> MessageView:
        (view,) = await _views(desk, caller, [await desk.look(caller, message_id)])
        return view

    @router.get("/preferences", summary="In which language you are written to, and what not")
    async def preferences(caller: Person) -> PreferencesView:
        assert caller.person_id is not None
        return PreferencesView.of(await desk.questions.preferences(caller.person_id))

    @router.put("/preferences", summary="Choose a language, and which messages you don't want")
    async def prefer(caller: Person, body: Wishes, command_id: CommandId = None) -> PreferencesView:
        return PreferencesView.of(await desk.prefer(caller, body, command_id))


async def _views(desk: Desk, caller: Caller, messages: Sequence[Message]) -> list[MessageView]:
    known = await desk.addressees(caller, messages)
    return [MessageView.of(one, known[one.person_id].address if one.person_id in known else None) for one in messages]
