"""What a house that was set back to an earlier moment must not believe, and how it is told.

Three things are not as they were: topics (what was on its way is gone: all that is kept is published again, and inboxes
know what was handled), watermarks (one of before proves nothing), and revocations that came after the backup: until a
person says that they are known again, delivery discloses nothing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from contracts.topics import SERVICES
from services.chassis.store import aside
from services.chassis.store.aside import AsideKind
from services.chassis.store.shelf import ASIDE, OUTBOX, SEEN_IDS_KEPT, SENT_ROWS_KEPT
from services.delivery.store import CONSENT, PARTITIONS, WATERMARKS

NEVER_RESTORED = frozenset({("delivery", WATERMARKS.collection.name)})
"""With none, nothing is disclosed before consent has spoken again: behind everything that it publishes again."""
OLDEST_REPUBLISHED = timedelta(seconds=SEEN_IDS_KEPT - SENT_ROWS_KEPT)
"""Of an older backup the database drops inbox ids whose rows are still there: what is published again would be handled
twice."""


@dataclass(frozen=True)
class Doubted:
    """How many rows go out again; under what id it lies aside that later revocations are unknown (empty: they are not)."""

    taken_at: str
    republished: int
    aside_id: str
    too_old: bool


async def doubt(client: Any, *, taken_at: datetime, now: datetime, nothing_since: bool) -> Doubted:
    """Tell every database of a house that was filled from a backup, before any process of it runs."""
    too_old = now - taken_at > OLDEST_REPUBLISHED
    republished = 0
    for service in SERVICES:
        rows = client[service][OUTBOX.name]
        await rows.delete_many({"barrier": True})
        if not too_old:
            gone = await rows.update_many({"sent": True}, {"$set": {"sent": False}, "$unset": {"sent_at": ""}})
            republished += int(gone.modified_count)
    aside_id = "" if nothing_since else await _lay_aside(client["delivery"][ASIDE.name], taken_at, now)
    return Doubted(f"{taken_at:%Y-%m-%d %H:%M:%S}", republished, aside_id, too_old)


async def _lay_aside(rows: Any, taken_at: datetime, now: datetime) -> str:
    """As a record of consent's that could not be read: it may be a revocation of anything, and is treated as that."""
    kept = aside.set_aside(
        CONSENT,
        int(PARTITIONS[0]),
        -1,
        None,
        None,
        (),
        reason=(
            f"the house was restored from a backup of {taken_at:%Y-%m-%d %H:%M:%S} UTC: what was taken back after that is "
            "not known here; see deploy/runbooks/restore.md"
        ),
        at=now,
        kind=AsideKind.UNREADABLE,
    )
    document = aside.document(kept)
    document["_id"] = f"restored:{taken_at:%Y-%m-%dT%H:%M:%SZ}"
    await rows.insert_one(document)
    return str(document["_id"])
