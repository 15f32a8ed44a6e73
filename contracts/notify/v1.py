"""Written by notify; no service reads it. What happened to each message, without a word of it."""

from contracts.event import Event, published
from contracts.types import MessageId, PersonId, RequestId


class _AboutMessage(Event):
    message_id: MessageId
    person_id: PersonId
    template: str
    request_id: RequestId | None = None


@published(name="notify.message.sent.v1", topic="notify.messages", key="message_id")
class MessageSent(_AboutMessage):
    """Handed to the mail server, which took it."""


@published(name="notify.message.abandoned.v1", topic="notify.messages", key="message_id")
class MessageAbandoned(_AboutMessage):
    """A technical failure, or an address that refuses: seen here, never silent. `cause` is a code."""

    cause: str
