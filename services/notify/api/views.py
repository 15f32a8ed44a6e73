"""What notify shows of its state over HTTP. Never a word of a message; an address only masked, and only to its school."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel

from contracts.types import MessageId, OrganizationId, PersonId, RequestId
from services.notify.domain import Announcement, Message, MessageClass, Preferences, Status, Template, class_of


class MessageView(BaseModel):
    """One message: to whom, about what, and what became of it."""

    message_id: MessageId
    template: Template
    message_class: MessageClass
    status: Status
    person_id: PersonId
    request_id: RequestId | None
    school_id: OrganizationId | None
    created_at: datetime
    due_at: datetime | None
    ended_at: datetime | None
    attempts: int
    cause: str | None
    address: str | None
    """Masked. None to operators, of erased persons, and where there is none."""

    @classmethod
    def of(cls, message: Message, address: str | None = None) -> Self:
        return cls(
            message_id=message.message_id,
            template=message.template,
            message_class=class_of(message.template),
            status=message.status,
            person_id=message.person_id,
            request_id=message.request_id,
            school_id=message.school_id,
            created_at=message.created_at,
            due_at=message.due_at,
            ended_at=message.ended_at,
            attempts=message.attempts,
            cause=message.cause,
            address=address,
        )


class PreferencesView(BaseModel):
    """In which language, and which classes are switched off."""

    language: str | None
    muted: tuple[MessageClass, ...]

    @classmethod
    def of(cls, preferences: Preferences | None) -> Self:
        if preferences is None:
            return cls(language=None, muted=())
        return cls(language=preferences.language, muted=preferences.muted)


class AnnouncementView(BaseModel):
    """An announcement that is on its way."""

    announcement_id: str
    audience: str
    made_at: datetime

    @classmethod
    def of(cls, announcement: Announcement) -> Self:
        return cls(
            announcement_id=announcement.announcement_id,
            audience=announcement.audience,
            made_at=announcement.made_at,
        )
