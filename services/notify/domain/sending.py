"""A message on its way: claimed, tried again, sent, given up, taken up once more. Never silently gone.

A mail that isn't taken is tried every few minutes for four hours, then it is a technical failure that people can see.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from contracts.notify.v1 import MessageAbandoned, MessageSent
from contracts.problem import Reason
from contracts.types import MessageId
from services.chassis.decision import Decision, Refusal
from services.notify.domain.state import Message, Person, Status

CLAIM = timedelta(seconds=35)
"""How long a claimed message is nobody else's: longer than an attempt of 25 s may take."""
GIVE_UP_AFTER = timedelta(hours=4)
TECHNICAL_FAILURE = "technical-failure"
REFUSED = "refused"
BOUNCED = "bounced"

NO_SUCH_MESSAGE = Refusal(Reason.NOT_FOUND, "there is no such message")
NOT_DUE = Refusal(Reason.CONFLICT, "the message is not due: somebody else has it, or it has ended")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Try once more what did not reach anybody."""

    message_id: MessageId
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounce:
    """The mail server says afterwards that it could not deliver."""

    message_id: MessageId
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How an attempt ended for good. `refuses`: the address itself was refused."""

    status: Status
    cause: str | None = None
    refuses: bool = False


def claim(message: Message | None, *, at: datetime) -> Decision[Message] | Refusal:
    """The first beat: it is ours for a while."""
    if message is None or message.status is not Status.WAITING or message.due_at is None or message.due_at > at:
        return NOT_DUE
    claimed = replace(
        message,
        version=message.version + 1,
        attempts=message.attempts + 1,
        first_tried_at=message.first_tried_at or at,
        due_at=at + CLAIM,
    )
    return Decision(claimed)


def end(message: Message | None, ending: Ending, *, person: Person | None, at: datetime) -> Decision[Message] | Refusal:
    """The third beat, when the attempt settled it: sent, or given up with a cause."""
    if message is None or message.status is not Status.WAITING:
        return NOT_DUE
    ended = _ended(message, ending.status, ending.cause, at)
    also = (
        [replace(person, refusing=ending.refuses)] if person is not None and person.refusing != ending.refuses else []
    )
    settles_address = ending.refuses or ending.status is Status.SENT
    return Decision(ended, [_said(ended)], also=also if settles_address else [])


def postpone(
    message: Message | None, *, attempt: int, cause: str, wait: timedelta, at: datetime
) -> Decision[Message] | Refusal:
    """The third beat, when only time may help. After four hours of trying it is given up, and seen."""
    if message is None or message.status is not Status.WAITING or message.attempts != attempt:
        return NOT_DUE
    due_at = at + wait
    if message.first_tried_at is not None and due_at > message.first_tried_at + GIVE_UP_AFTER:
        ended = _ended(message, Status.ABANDONED, TECHNICAL_FAILURE, at)
        return Decision(ended, [_said(ended)])
    return Decision(replace(message, version=message.version + 1, due_at=due_at, cause=cause))


def retry(message: Message | None, command: Retry, *, person: Person | None) -> Decision[Message] | Refusal:
    """Somebody has mended what was wrong: an address, a mail server. The address gets another chance too."""
    if message is None:
        return NO_SUCH_MESSAGE
    if message.status is Status.WAITING:
        return Decision(message)
    if message.status in (Status.SENT, Status.UNWANTED):
        return Refusal(Reason.CONFLICT, f"the message is {message.status}; there is nothing to try again")
    again = replace(
        message,
        version=message.version + 1,
        status=Status.WAITING,
        due_at=command.at,
        first_tried_at=None,
        attempts=0,
        ended_at=None,
        cause=None,
    )
    return Decision(again, also=[replace(person, refusing=False)] if person is not None and person.refusing else [])


def bounce(message: Message | None, command: Bounce, *, person: Person | None) -> Decision[Message] | Refusal:
    """A mail that was taken came back. It didn't reach anybody, and neither would the next."""
    if message is None:
        return NO_SUCH_MESSAGE
    if message.status is Status.ABANDONED:
        return Decision(message)
    if message.status is not Status.SENT:
        return Refusal(Reason.CONFLICT, f"the message is {message.status}: what was not sent can't come back")
    ended = _ended(message, Status.ABANDONED, BOUNCED, command.at)
    also = [replace(person, refusing=True)] if person is not None else []
    return Decision(ended, [_said(ended)], also=also)


def _ended(message: Message, status: Status, cause: str | None, at: datetime) -> Message:
    return replace(message, version=message.version + 1, status=status, cause=cause, due_at=None, ended_at=at)


def _said(message: Message) -> MessageSent | MessageAbandoned:
    if message.status is Status.SENT:
        return MessageSent(
            version=message.version,
            message_id=message.message_id,
            person_id=message.person_id,
            template=message.template,
            request_id=message.request_id,
        )
    return MessageAbandoned(
        version=message.version,
        message_id=message.message_id,
        person_id=message.person_id,
        template=message.template,
        request_id=message.request_id,
        cause=message.cause or message.status,
    )
