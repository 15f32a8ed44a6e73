"""How an event lies on the wire: CloudEvents 1.0 in Kafka's binary mode. `ce_*` headers, JSON body, key = aggregate id."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

from pydantic import ValidationError

from contracts.event import TYPE_PATTERN, Event, find_type
from contracts.topics import BY_NAME

MAX_BODY = 256 * 1024
"""Bytes. The largest event we write (an outline of 200 parts) is below 64 KiB."""

Headers = tuple[tuple[str, bytes], ...]
E = TypeVar("E", bound=Event)


class Unreadable(Exception):
    """The record is not one of ours, and why. It carries no byte of the record."""


@dataclass(frozen=True, slots=True)
class Message(Generic[E]):
    """An event with its envelope. `cause` is the id of the message or command it came from, `trace` a traceparent."""

    id: str
    event: E
    at: datetime
    cause: str | None = None
    correlation: str | None = None
    trace: str | None = None


def write_headers(message: Message[Event]) -> Headers:
    """The headers of a message in CloudEvents' Kafka binary mode."""
    service = message.event.type.split(".", 1)[0]
    pairs = [
        ("content-type", "application/json"),
        ("ce_specversion", "1.0"),
        ("ce_id", message.id),
        ("ce_source", f"/{service}"),
        ("ce_type", message.event.type),
        ("ce_subject", message.event.key),
        ("ce_time", message.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")),
    ]
    optional = (
        ("ce_causationid", message.cause),
        ("ce_correlationid", message.correlation),
        ("traceparent", message.trace),
    )
    pairs += [(name, value) for name, value in optional if value is not None]
    return tuple((name, value.encode()) for name, value in pairs)


def read(*, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> Message[Event] | None:
    """The message in a record; None for a type of a later day than this code. Raises `Unreadable`."""
    words = _words(headers)
    kind = _required(words, "ce_type")
    if _required(words, "ce_specversion") != "1.0":
        raise Unreadable("ce_specversion is not 1.0")
    if not TYPE_PATTERN.match(kind):
        raise Unreadable("ce_type is not the name of an event type")
    if topic not in BY_NAME or kind.split(".", 1)[0] != BY_NAME[topic].owner:
        raise Unreadable("the event's type does not belong to the owner of this topic")
    cls = find_type(kind)
    if cls is None:
        return None
    if cls.topic != topic:
        raise Unreadable(f"{kind} belongs on {cls.topic}")
    event = _body(cls, value)
    if key is None or key != event.key.encode():
        raise Unreadable("the record's key is not the id in its body")
    return Message(
        id=_required(words, "ce_id"),
        event=event,
        at=_time(_required(words, "ce_time")),
        cause=words.get("ce_causationid"),
        correlation=words.get("ce_correlationid"),
        trace=words.get("traceparent"),
    )


def _words(headers: Headers) -> dict[str, str]:
    try:
        return {name: (value or b"").decode() for name, value in headers}
    except UnicodeDecodeError:
        raise Unreadable("a header is not UTF-8") from None


def _required(words: dict[str, str], name: str) -> str:
    value = words.get(name, "")
    if not value or len(value) > 256:
        raise Unreadable(f"the header {name} is missing, empty or too long")
    return value


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Unreadable("ce_time is not a time") from None
    if at.tzinfo is None:
        raise Unreadable("ce_time has no zone")
    return at.astimezone(UTC)


def _body(cls: type[E], value: bytes | None) -> E:
    if not value:
        raise Unreadable("the body is empty")
    if len(value) > MAX_BODY:
        raise Unreadable(f"the body is larger than {MAX_BODY} bytes")
    try:
        return cls.__pydantic_validator__.validate_json(value)  # type: ignore[no-any-return]  # pydantic-core is untyped here
    except ValidationError as why:
        places = ", ".join(
            sorted({".".join(str(step) for step in fault["loc"]) or "body" for fault in why.errors()})[:5]
        )
        raise Unreadable(f"the body is not a {cls.type}: see {places}") from None
