"""How notify's state lies in its database, and every question that is asked of it. Every query names its owner."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from contracts.types import MessageId, OrganizationId, PersonId, PersonKind
from services.chassis.store.shelf import Collection, Index, Shelf
from services.chassis.store.work import Store
from services.notify.domain import Announcement, Hold, Message, Organization, Person, Preferences, RequestView, Status

S = TypeVar("S")

MESSAGES_KEPT = 90 * 86_400
"""Seconds. Who was told what and when, without a word of it: as long as a mail's content may be kept at the most."""
REQUESTS_KEPT = 730 * 86_400
"""Seconds after a request's signatures were due: an approval lives 548 days at the most, and news of it may come late."""

PEOPLE = Shelf(
    Person,
    Collection("people", indexes=(Index((("registrar_of", 1),)), Index((("kinds", 1), ("_id", 1))))),
    key="person_id",
)
ORGANIZATIONS = Shelf(Organization, Collection("organizations"), key="organization_id")
HOLDS = Shelf(Hold, Collection("holds", indexes=(Index((("until", 1),), expire_seconds=86_400),)), key="transcript_id")
REQUESTS = Shelf(
    RequestView,
    Collection("requests", indexes=(Index((("expires_at", 1),), expire_seconds=REQUESTS_KEPT),)),
    key="request_id",
)
MESSAGES = Shelf(
    Message,
    Collection(
        "messages",
        indexes=(
            Index((("status", 1), ("due_at", 1))),
            Index((("person_id", 1), ("created_at", -1))),
            Index((("school_id", 1), ("status", 1), ("created_at", -1))),
            Index((("created_at", 1),), expire_seconds=MESSAGES_KEPT),
        ),
    ),
    key="message_id",
)
PREFERENCES = Shelf(Preferences, Collection("preferences"), key="person_id")
ANNOUNCEMENTS = Shelf(
    Announcement,
    Collection("announcements", indexes=(Index((("made_at", 1),), expire_seconds=MESSAGES_KEPT),)),
    key="announcement_id",
)
SHELVES = (PEOPLE, ORGANIZATIONS, HOLDS, REQUESTS, MESSAGES, PREFERENCES, ANNOUNCEMENTS)
COLLECTIONS = tuple(shelf.collection for shelf in SHELVES)

PAGE = 100
"""Rows of a list at the most. More is asked for by page."""
NEWEST = (("created_at", -1),)


@dataclass(frozen=True, slots=True)
class Due:
    """A message that is due, with all that its letter may speak of. Missing is what notify has not heard of (yet)."""

    message: Message
    person: Person | None
    preferences: Preferences | None
    student: Person | None
    opener: Person | None
    school: Organization | None
    recipient: Organization | None
    hold: Hold | None
    announcement: Announcement | None


class Questions:
    """What pages, APIs and the sending ask."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def due(self, now: datetime, limit: int) -> list[Due]:
        """Messages whose time has come, the longest due first, with their surroundings: one query for each kind."""
        where = {"status": str(Status.WAITING), "due_at": {"$lte": now}}
        messages = await self._store.find(MESSAGES, where, sort=(("due_at", 1),), limit=limit)
        facts = [one.facts for one in messages]
        people = await self.people(
            [
                *(one.person_id for one in messages),
                *(one.student_id for one in messages),
                *(one.opened_by for one in facts),
            ]
        )
        places = [*(one.school_id for one in messages), *(one.recipient_id for one in facts)]
        organizations = await self._by_id(ORGANIZATIONS, places)
        wishes = await self._by_id(PREFERENCES, [one.person_id for one in messages])
        holds = await self._by_id(HOLDS, [one.transcript_id for one in facts])
        announcements = await self._by_id(ANNOUNCEMENTS, [one.announcement_id for one in facts])
        return [
            Due(
                message=one,
                person=people.get(one.person_id),
                preferences=wishes.get(one.person_id),
                student=people.get(one.student_id or ""),
                opener=people.get(one.facts.opened_by or ""),
                school=organizations.get(one.school_id or ""),
                recipient=organizations.get(one.facts.recipient_id or ""),
                hold=holds.get(one.facts.transcript_id or ""),
                announcement=announcements.get(one.facts.announcement_id or ""),
            )
            for one in messages
        ]

    async def message(self, message_id: MessageId) -> Message | None:
        """By its id alone: the caller decides whether the asker may see it."""
        return next(iter(await self._store.find(MESSAGES, {"_id": message_id}, limit=1)), None)

    async def messages_of(self, person_id: PersonId, *, page: int = 0) -> list[Message]:
        where = {"person_id": person_id}
        return await self._store.find(MESSAGES, where, sort=NEWEST, limit=PAGE, after=page * PAGE)

    async def messages_at(
        self, school_ids: Sequence[OrganizationId] | None, statuses: Sequence[Status] = tuple(Status), *, page: int = 0
    ) -> list[Message]:
        """About these schools' records, newest first. None means all schools: for operators."""
        where: dict[str, Any] = {"status": {"$in": [str(one) for one in statuses]}}
        if school_ids is not None:
            where["school_id"] = {"$in": list(school_ids)}
        return await self._store.find(MESSAGES, where, sort=NEWEST, limit=PAGE, after=page * PAGE)

    async def counts_at(self, school_ids: Sequence[OrganizationId] | None) -> dict[Status, int]:
        """How many messages stand where."""
        own: dict[str, Any] = {} if school_ids is None else {"school_id": {"$in": list(school_ids)}}
        return {status: await self._store.count(MESSAGES, {**own, "status": str(status)}) for status in Status}

    async def preferences(self, person_id: PersonId) -> Preferences | None:
        return next(iter(await self._store.find(PREFERENCES, {"_id": person_id}, limit=1)), None)

    async def people(self, ids: Sequence[str | None]) -> Mapping[str, Person]:
        return await self._by_id(PEOPLE, ids)

    async def staff(self, kind: PersonKind, *, after: str, limit: int) -> list[Person]:
        """Active people of a kind in the order of their ids, from behind `after` on: for an announcement."""
        where = {"kinds": str(kind), "active": True, "_id": {"$gt": after}}
        return await self._store.find(PEOPLE, where, sort=(("_id", 1),), limit=limit)

    async def organizations(self, ids: Sequence[str | None]) -> Mapping[str, Organization]:
        return await self._by_id(ORGANIZATIONS, ids)

    async def _by_id(self, shelf: Shelf[S], ids: Sequence[str | None]) -> dict[str, S]:
        wanted = [one for one in dict.fromkeys(ids) if one]
        if not wanted:
            return {}
        found = await self._store.find(shelf, {"_id": {"$in": wanted}}, limit=len(wanted))
        return {shelf.id_of(one): one for one in found}
