"""Events waiting to leave: rows written in the transaction that made them true, carried to Kafka by the relay.

A row holds the exact bytes of the body, so what is published again is byte for byte what was published first.
"""

from datetime import datetime

from contracts.envelope import Message, write_headers
from contracts.event import Event
from services.chassis import ids
from services.chassis.store.shelf import Document


def event_id(cause: str, event: Event) -> str:
    """The same cause and the same version of the same aggregate always make the same id, whoever computes it."""
    return ids.derived("evt", cause, event.type, event.key, event.version)


def row(
    event: Event,
    *,
    cause: str,
    at: datetime,
    order: int,
    correlation: str | None = None,
    trace: str | None = None,
    partition: int | None = None,
) -> Document:
    """One row. `partition` is set for a barrier only: a record that must stand behind all that was committed before."""
    message = Message(event_id(cause, event), event, at, cause=cause, correlation=correlation, trace=trace)
    return {
        "_id": message.id,
        "topic": event.topic,
        "key": event.key,
        "type": event.type,
        "headers": [[name, value] for name, value in write_headers(message)],
        "body": event.dump(),
        "order": order,
        "at": at,
        "correlation": correlation,
        "sent": False,
        "barrier": partition is not None,
        "partition": partition,
    }
