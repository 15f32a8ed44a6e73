"""Records that could not be handled, kept in the reader's own database with the reason, until somebody looks.

Never a dead-letter topic: that would be one copy of the record more, and readers need no right to produce.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from contracts.envelope import Headers
from services.chassis.store.shelf import ASIDE, Document, Shelf


class AsideState(StrEnum):
    """`waiting` for a person, marked for `replay`, or `done`: handled, or dismissed by a person who says why."""

    WAITING = "waiting"
    REPLAY = "replay"
    DONE = "done"


class AsideKind(StrEnum):
    """Where to look: at who wrote it (`unreadable`, `unwanted`), or at our own code (`failed`)."""

    UNREADABLE = "unreadable"
    """Not one of our events, or not by its bytes."""
    UNWANTED = "unwanted"
    """Read, and not believed: a forged grant, a release that its grant does not allow, one dated ahead."""
    FAILED = "failed"
    """Our code raised each time."""


@dataclass(frozen=True, slots=True)
class SetAside:
    """One record, byte for byte, and why it was set aside."""

    aside_id: str
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    type: str
    """The event's type as the header spells it, or `unreadable`."""
    reason: str
    at: datetime
    kind: AsideKind = AsideKind.UNREADABLE
    state: AsideState = AsideState.WAITING
    tries: int = 1
    again_at: datetime | None = None
    """Marked for replay at this moment; None: as soon as it is marked."""
    dismissed: str | None = None
    """Why a person said that nothing need be done about it."""


ASIDES = Shelf(SetAside, ASIDE, key="aside_id")


def set_aside(  # noqa: PLR0917 - a record's own coordinates
    topic: str,
    partition: int,
    offset: int,
    key: bytes | None,
    value: bytes | None,
    headers: Headers,
    *,
    reason: str,
    at: datetime,
    kind: AsideKind = AsideKind.UNREADABLE,
) -> SetAside:
    """The row for a record. Its id is the record's place, so the same record is set aside once."""
    told = next((value for name, value in headers if name == "ce_type"), b"")
    spelled = told[:100].decode("ascii", "replace") if told else ""
    return SetAside(
        aside_id=f"{topic}:{partition}:{offset}",
        topic=topic,
        partition=partition,
        offset=offset,
        key=key,
        value=value,
        headers=headers,
        type=spelled if spelled.isprintable() and spelled else "unreadable",
        reason=reason,
        at=at,
        kind=kind,
    )


def document(kept: SetAside) -> Document:
    return ASIDES.document(kept, order=0)
