"""Where a caller's wish becomes a command: whose messages one may see, and what one may do about them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from contracts.problem import Reason
from contracts.types import MessageId, OrganizationId, PersonId, PersonKind
from services.chassis import clock, ids
from services.chassis.decision import Decision, Refusal
from services.chassis.keys.person import PersonKeys
from services.chassis.web.auth import Caller
from services.chassis.web.problem import Refused, refused
from services.notify import domain
from services.notify.domain import (
    Announce,
    Announcement,
    Bounce,
    Message,
    MessageClass,
    Prefer,
    Preferences,
    Retry,
    Status,
)
from services.notify.gateways.mail import masked
from services.notify.gateways.profiles import open_profiles
from services.notify.gateways.tickets import read_ticket
from services.notify.handlers import Handlers
from services.notify.store import Questions

S = TypeVar("S")

Line = Annotated[str, Field(min_length=1, max_length=120)]
Words = Annotated[str, Field(min_length=1, max_length=4_000)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Wishes(_Body):
    """What a person wants. `language` null: as the school has it."""

    language: Literal["en", "es"] | None = None
    muted: list[MessageClass] = Field(default=[], max_length=3)


class NewAnnouncement(_Body):
    """Words to the staff of schools or recipients, in each language of the house."""

    audience: PersonKind
    subject_en: Line
    subject_es: Line
    text_en: Words
    text_es: Words


@dataclass(frozen=True, slots=True)
class Addressee:
    """To whom a message goes, for those who may know: a name, and an address that only they can complete."""

    name: str
    address: str | None


class Desk:
    """What the routes work with: the commands, the questions, and who may ask which."""

    def __init__(self, handlers: Handlers, questions: Questions, keys: PersonKeys) -> None:
        self.handlers = handlers
        self.questions = questions
        self._keys = keys

    def schools(self, caller: Caller) -> tuple[OrganizationId, ...] | None:
        """Whose messages a caller may list: all (None) for operators, those of one's schools for registrars."""
        return None if PersonKind.OPERATOR in caller.kinds else caller.organizations(PersonKind.REGISTRAR)

    async def at_office(
        self, caller: Caller, status: Status | None, school_id: OrganizationId | None, *, page: int
    ) -> list[Message]:
        """A page of the messages that the caller may list. A stranger's school and a missing one get the same answer."""
        schools = self.schools(caller)
        if school_id is not None:
            if schools is not None and school_id not in schools:
                raise refused(Reason.NOT_FOUND, "there is no such school")
            schools = (school_id,)
        statuses = (status,) if status else tuple(Status)
        return await self.questions.messages_at(schools, statuses, page=page)

    async def own(self, caller: Caller, *, page: int = 0) -> list[Message]:
        return await self.questions.messages_of(_person(caller), page=page)

    async def look(self, caller: Caller, message_id: MessageId) -> Message:
        """One message: by its person, its school or an operator."""
        found = await self.questions.message(message_id)
        if found is None or not (found.person_id == caller.person_id or self._runs(caller, found)):
            raise Refused(domain.NO_SUCH_MESSAGE)
        return found

    async def addressees(self, caller: Caller, messages: Sequence[Message]) -> Mapping[PersonId, Addressee]:
        """Names and masked addresses, for the schools and the persons themselves. Operators see ids and states."""
        mine = [one.person_id for one in messages if self._may_know(caller, one)]
        people = list((await self.questions.people(mine)).values())
        profiles = await open_profiles(self._keys, people)
        return {
            person.person_id: Addressee(profile.name, masked(profile.email) if profile.email else None)
            for person, profile in zip(people, profiles, strict=True)
            if profile is not None
        }

    async def retry(self, caller: Caller, message_id: MessageId, command_id: str | None) -> Message:
        found = await self.look(caller, message_id)
        if not self._runs(caller, found):
            raise refused(Reason.NOT_ALLOWED, "the school's registrar or an operator tries a message again")
        command = Retry(message_id=message_id, at=clock.now())
        return _state(await self.handlers.retry(command, about=found.person_id, cause=_cause(caller, command_id)))

    async def bounce(self, caller: Caller, message_id: MessageId, command_id: str | None) -> Message:
        found = await self.look(caller, message_id)
        command = Bounce(message_id=message_id, at=clock.now())
        return _state(await self.handlers.bounce(command, about=found.person_id, cause=_cause(caller, command_id)))

    async def prefer(self, caller: Caller, wishes: Wishes, command_id: str | None) -> Preferences:
        command = Prefer(person_id=_person(caller), language=wishes.language, muted=tuple(wishes.muted))
        return _state(await self.handlers.prefer(command, at=clock.now(), cause=_cause(caller, command_id)))

    async def unsubscribe(self, ticket: str) -> None:
        """One click. Whoever holds a ticket that is none learns nothing by it."""
        wish = await read_ticket(self._keys, ticket)
        if wish is not None:
            await self.handlers.mute(wish.person_id, wish.unwanted, at=clock.now(), cause=ids.new("cmd"))

    async def announce(self, caller: Caller, body: NewAnnouncement, command_id: str | None) -> Announcement:
        cause = _cause(caller, command_id)
        command = Announce(
            announcement_id=ids.derived("ann", cause),
            audience=body.audience,
            subjects={"en": body.subject_en, "es": body.subject_es},
            texts={"en": _unix(body.text_en), "es": _unix(body.text_es)},
            made_by=_person(caller),
            at=clock.now(),
        )
        return _state(await self.handlers.announce(command, cause=cause))

    @staticmethod
    def _runs(caller: Caller, message: Message) -> bool:
        if PersonKind.OPERATOR in caller.kinds:
            return True
        return message.school_id is not None and caller.belongs(PersonKind.REGISTRAR, message.school_id)

    @staticmethod
    def _may_know(caller: Caller, message: Message) -> bool:
        if message.person_id == caller.person_id:
            return True
        return message.school_id is not None and caller.belongs(PersonKind.REGISTRAR, message.school_id)


def _cause(caller: Caller, command_id: str | None) -> str:
    return f"{caller.id}:{command_id}" if command_id else ids.new("cmd")


def _person(caller: Caller) -> PersonId:
    if caller.person_id is None:
        raise refused(Reason.NOT_ALLOWED, "only a person can do this")
    return caller.person_id


def _state(verdict: Decision[S] | Refusal) -> S:
    if isinstance(verdict, Refusal):
        raise Refused(verdict)
    return verdict.state


def _unix(text: str) -> str:
    """A form's line ends are CRLF; a blank line between paragraphs is told by two LF."""
    return text.replace("\r\n", "\n")
