"""How delivery's state lies in its database, and every question that is asked of it. Every query names its owner."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from contracts.topics import BY_NAME
from contracts.types import DeliveryId, EndpointId, OrganizationId, PersonId, RequestId
from services.chassis.store.aside import ASIDES, AsideState, SetAside
from services.chassis.store.shelf import Collection, Index, Shelf
from services.chassis.store.work import Store
from services.delivery.domain import (
    Chain,
    Delivery,
    Endpoint,
    EndpointState,
    LedgerRow,
    Notice,
    NoticeState,
    Organization,
    Reader,
    Revocation,
    Status,
    Student,
    Surroundings,
    Watermark,
)

NEVER_OPENED = (Status.AVAILABLE, Status.ABANDONED)

DELIVERIES = Shelf(
    Delivery,
    Collection(
        "deliveries",
        indexes=(
            Index((("recipient_id", 1), ("available_at", -1))),
            Index((("recipient_id", 1), ("status", 1), ("available_at", -1))),
            Index((("school_id", 1), ("available_at", -1))),
            Index((("school_id", 1), ("status", 1), ("available_at", -1))),
            Index((("request_id", 1),)),
            # What is looked for at all times stays as small as what is open, however much was delivered before.
            Index((("recipient_id", 1),), partial={"untold": True}),
            Index((("expires_at", 1),), partial={"status": {"$in": [str(one) for one in NEVER_OPENED]}}),
        ),
    ),
    key="delivery_id",
)
NOTICES = Shelf(
    Notice,
    Collection(
        "notices",
        indexes=(
            Index((("due_at", 1),), partial={"state": str(NoticeState.WAITING)}),
            Index((("delivery_id", 1), ("made_at", 1))),
            Index((("endpoint_id", 1), ("made_at", -1))),
        ),
    ),
    key="notice_id",
)
ENDPOINTS = Shelf(
    Endpoint,
    Collection(
        "endpoints",
        indexes=(
            Index((("recipient_id", 1), ("name", 1))),
            Index((("catching_up", 1),), partial={"catching_up": True}),
            Index((("state", 1), ("failing_since", 1))),
        ),
    ),
    key="endpoint_id",
)
ORGANIZATIONS = Shelf(Organization, Collection("organizations"), key="organization_id")
STUDENTS = Shelf(Student, Collection("students", indexes=(Index((("guardians", 1),)),)), key="person_id")
READERS = Shelf(Reader, Collection("readers"), key="person_id")
REVOCATIONS = Shelf(Revocation, Collection("revocations"), key="request_id")
WATERMARKS = Shelf(Watermark, Collection("watermarks"), key="partition")
LEDGER = Shelf(
    LedgerRow,
    Collection(
        "ledger",
        indexes=(
            Index((("school_id", 1), ("number", 1)), unique=True),
            Index((("student_id", 1), ("disclosed_at", -1))),
            Index((("delivery_id", 1),), unique=True),
        ),
        append_only=True,
    ),
    key="row_id",
)
CHAINS = Shelf(Chain, Collection("chains"), key="school_id")
SHELVES = (DELIVERIES, NOTICES, ENDPOINTS, ORGANIZATIONS, STUDENTS, READERS, REVOCATIONS, WATERMARKS, LEDGER, CHAINS)
COLLECTIONS = tuple(shelf.collection for shelf in SHELVES)

CONSENT = "consent.requests"
PARTITIONS = tuple(str(number) for number in range(BY_NAME[CONSENT].partitions))
"""Of consent's topic: a watermark is needed from every one of them."""
MOST_UNREAD = 100
"""Records of consent's that may lie aside. With more, something is so wrong that every partition is doubted."""
_REQUEST = re.compile(rb"req_[0-9A-Za-z_-]{1,64}")

HEALTHY, FAILING, DISABLED = "healthy", "failing", "disabled"
"""Classes of endpoints, for numbers: the last attempt was taken (or there was none), it failed, nobody tries any more."""
EPOCH = datetime.fromtimestamp(0, UTC)
MOST_FAILING = 1_000
"""So many failing endpoints are told apart from the healthy ones when notices are counted."""

PAGE = 100
"""Rows of a list at the most. More is asked for by page."""
NEWEST = (("available_at", -1),)


class Questions:
    """What pages, APIs and duties ask. Whose it is stands in each question, or the domain asks it of the answer."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def delivery(self, delivery_id: DeliveryId) -> Delivery | None:
        """By its id alone: the caller decides whether the asker may see it."""
        return next(iter(await self._store.find(DELIVERIES, {"_id": delivery_id}, limit=1)), None)

    async def standing_of(self, delivery_id: DeliveryId) -> tuple[Delivery | None, Surroundings]:
        """A delivery with all that its disclosure rests on.

        Watermarks are read **first**: a revocation that a fresh one speaks for is then seen by what is read after it.
        """
        found = await self._store.find(WATERMARKS, {"_id": {"$in": list(PARTITIONS)}}, limit=len(PARTITIONS))
        newest = {watermark.partition: watermark for watermark in found}
        delivery = await self.delivery(delivery_id)
        recipient = await self.organization(delivery.recipient_id) if delivery else None
        revocation = await self._revocation(delivery.request_id) if delivery else None
        return delivery, Surroundings(
            recipient=recipient,
            revocation=revocation,
            watermarks=[newest.get(partition) for partition in PARTITIONS],
        )

    async def unread(self) -> dict[str, list[RequestId | None]]:
        """Consent's records that lie aside, handled by nobody and dismissed by nobody: by partition, whose they are."""
        open_ = [str(AsideState.WAITING), str(AsideState.REPLAY)]
        where = {"state": {"$in": open_}, "topic": CONSENT}
        found = await self._store.find(ASIDES, where, limit=MOST_UNREAD + 1)
        if len(found) > MOST_UNREAD:
            return {partition: [None] for partition in PARTITIONS}
        unread: dict[str, list[RequestId | None]] = {}
        for kept in found:
            unread.setdefault(str(kept.partition), []).append(whose(kept))
        return unread

    async def oldest_watermark(self) -> datetime | None:
        """The oldest of the newest watermarks of all partitions; None while one partition has none."""
        found = await self._store.find(WATERMARKS, {"_id": {"$in": list(PARTITIONS)}}, limit=len(PARTITIONS))
        return min((one.at for one in found), default=None) if len(found) == len(PARTITIONS) else None

    async def deliveries_to(
        self, recipient_ids: Sequence[OrganizationId], status: Status | None = None, *, page: int = 0
    ) -> list[Delivery]:
        where: dict[str, Any] = {"recipient_id": {"$in": list(recipient_ids)}} | (
            {"status": str(status)} if status else {}
        )
        return await self._store.find(DELIVERIES, where, sort=NEWEST, limit=PAGE, after=page * PAGE)

    async def deliveries_from(
        self, school_ids: Sequence[OrganizationId], status: Status | None = None, *, page: int = 0
    ) -> list[Delivery]:
        where: dict[str, Any] = {"school_id": {"$in": list(school_ids)}} | ({"status": str(status)} if status else {})
        return await self._store.find(DELIVERIES, where, sort=NEWEST, limit=PAGE, after=page * PAGE)

    async def notices_of(self, delivery_id: DeliveryId) -> list[Notice]:
        return await self._store.find(NOTICES, {"delivery_id": delivery_id}, sort=(("made_at", 1),), limit=PAGE)

    async def notices_to(self, endpoint_id: EndpointId, *, limit: int = 20) -> list[Notice]:
        where = {"endpoint_id": endpoint_id}
        return await self._store.find(NOTICES, where, sort=(("made_at", -1),), limit=limit)

    async def endpoint(self, endpoint_id: EndpointId, recipient_ids: Sequence[OrganizationId]) -> Endpoint | None:
        where: dict[str, Any] = {"_id": endpoint_id, "recipient_id": {"$in": list(recipient_ids)}}
        where["state"] = {"$ne": str(EndpointState.REMOVED)}
        return next(iter(await self._store.find(ENDPOINTS, where, limit=1)), None)

    async def endpoints_of(self, recipient_ids: Sequence[OrganizationId]) -> list[Endpoint]:
        where = {"recipient_id": {"$in": list(recipient_ids)}, "state": {"$ne": str(EndpointState.REMOVED)}}
        return await self._store.find(ENDPOINTS, where, sort=(("name", 1),), limit=PAGE)

    async def organization(self, organization_id: OrganizationId) -> Organization | None:
        return next(iter(await self._store.find(ORGANIZATIONS, {"_id": organization_id}, limit=1)), None)

    async def organizations(self, ids: Sequence[OrganizationId]) -> dict[OrganizationId, Organization]:
        found = await self._store.find(ORGANIZATIONS, {"_id": {"$in": list(ids)}}, limit=len(ids) or 1)
        return {one.organization_id: one for one in found}

    async def student(self, student_id: PersonId) -> Student | None:
        return next(iter(await self._store.find(STUDENTS, {"_id": student_id}, limit=1)), None)

    async def reader(self, person_id: PersonId) -> Reader | None:
        return next(iter(await self._store.find(READERS, {"_id": person_id}, limit=1)), None)

    async def students(self, ids: Sequence[PersonId]) -> list[Student]:
        return await self._store.find(STUDENTS, {"_id": {"$in": list(ids)}}, limit=len(ids) or 1)

    async def students_of(self, guardian_id: PersonId) -> list[Student]:
        return await self._store.find(STUDENTS, {"guardians": guardian_id}, limit=PAGE)

    async def rows_of(self, student_id: PersonId, *, page: int = 0) -> list[LedgerRow]:
        """A student's disclosures, the newest first."""
        where = {"student_id": student_id}
        return await self._store.find(LEDGER, where, sort=(("disclosed_at", -1),), limit=PAGE, after=page * PAGE)

    async def rows_at(self, school_id: OrganizationId, *, after: int = 0, limit: int = PAGE) -> list[LedgerRow]:
        """A school's chain from the row behind `after`, in order."""
        where = {"school_id": school_id, "number": {"$gt": after}}
        return await self._store.find(LEDGER, where, sort=(("number", 1),), limit=limit)

    async def rows_before(self, rows: Sequence[LedgerRow]) -> dict[str, LedgerRow]:
        """The row before each of these, by its id, where there is one."""
        ids = [f"{row.school_id}:{row.number - 1}" for row in rows if row.number > 1]
        found = await self._store.find(LEDGER, {"_id": {"$in": ids}}, limit=len(ids) or 1)
        return {row.row_id: row for row in found}

    async def chain(self, school_id: OrganizationId) -> Chain | None:
        return next(iter(await self._store.find(CHAINS, {"_id": school_id}, limit=1)), None)

    async def due(self, now: datetime, limit: int, *, without: Sequence[str] = ()) -> list[Notice]:
        """Notices due, the most urgent first, but none to the endpoints `without`."""
        where: dict[str, Any] = {"state": str(NoticeState.WAITING), "due_at": {"$lte": now}}
        if without:
            where["endpoint_id"] = {"$nin": list(without)}
        return await self._store.find(NOTICES, where, sort=(("due_at", 1),), limit=limit)

    async def endpoints(self, ids: Sequence[EndpointId]) -> dict[EndpointId, Endpoint]:
        """For the duty that tells: any recipient's."""
        found = await self._store.find(ENDPOINTS, {"_id": {"$in": list(ids)}}, limit=len(ids) or 1)
        return {one.endpoint_id: one for one in found}

    async def catching_up(self, limit: int) -> list[Endpoint]:
        return await self._store.find(ENDPOINTS, {"catching_up": True}, limit=limit)

    async def endpoint_classes(self) -> dict[tuple[str, ...], int]:
        """For the operator: how many endpoints take what they are told, fail at this moment, or were given up."""
        active = {"state": str(EndpointState.ACTIVE)}
        return {
            (HEALTHY,): await self._store.count(ENDPOINTS, {**active, "failing_since": None}),
            (FAILING,): await self._store.count(ENDPOINTS, {**active, "failing_since": {"$ne": None}}),
            (DISABLED,): await self._store.count(ENDPOINTS, {"state": str(EndpointState.DISABLED)}),
        }

    async def waiting_by_class(self) -> dict[tuple[str, ...], int]:
        """For the operator: how many notices wait, and how many of them for endpoints that fail at this moment."""
        failing = await self._store.find(
            ENDPOINTS,
            {"state": str(EndpointState.ACTIVE), "failing_since": {"$ne": None}},
            limit=MOST_FAILING,
        )
        # Each has a time at which it is due; to ask for it brings the index that holds nothing but these.
        waiting = {"state": str(NoticeState.WAITING), "due_at": {"$gt": EPOCH}}
        ids = [one.endpoint_id for one in failing]
        stuck = await self._store.count(NOTICES, {**waiting, "endpoint_id": {"$in": ids}}) if ids else 0
        return {(HEALTHY,): max(0, await self._store.count(NOTICES, waiting) - stuck), (FAILING,): stuck}

    async def untold(self, recipient_ids: Sequence[OrganizationId], limit: int) -> list[Delivery]:
        where = {"untold": True, "recipient_id": {"$in": list(recipient_ids)}}
        return await self._store.find(DELIVERIES, where, limit=limit)

    async def expired(self, now: datetime, limit: int) -> list[Delivery]:
        """Deliveries that nobody opened while their grant was in force."""
        where = {"status": {"$in": [str(one) for one in NEVER_OPENED]}, "expires_at": {"$lte": now}}
        return await self._store.find(DELIVERIES, where, sort=(("expires_at", 1),), limit=limit)

    async def _revocation(self, request_id: RequestId) -> Revocation | None:
        return next(iter(await self._store.find(REVOCATIONS, {"_id": request_id}, limit=1)), None)


def whose(kept: SetAside) -> RequestId | None:
    """The request that a record of consent's is about, though its body could not be read; None when that isn't sure.

    Consent's relay writes it twice, as the key and as a header: both must say the same and be the id of a request.
    """
    subject = next((bytes(value) for name, value in kept.headers if name == "ce_subject"), b"")
    if kept.key is None or bytes(kept.key) != subject or not _REQUEST.fullmatch(subject):
        return None
    return RequestId(subject.decode())
