"""How consent's state lies in its database, and every question that is asked of it. Every query names its owner."""

from collections.abc import Sequence
from datetime import datetime

from contracts.types import OrganizationId, OrganizationKind, PersonId, RequestId, RightsHolder, Standing, TranscriptId
from services.chassis.store.shelf import Collection, Index, Shelf
from services.chassis.store.work import Store
from services.consent.domain import Organization, Request, Status, Student, Transcript, who_signs
from services.consent.domain.state import PENDING

REQUESTS = Shelf(
    Request,
    Collection(
        "requests",
        indexes=(
            Index((("student_id", 1), ("opened_at", -1))),
            Index((("school_id", 1), ("opened_at", -1))),
            Index((("school_id", 1), ("status", 1), ("opened_at", -1))),
            Index((("transcript_id", 1),)),
            # Only what is pending expires: the index stays as small as that, however many requests there were.
            Index((("expires_at", 1),), partial={"status": {"$in": [str(one) for one in PENDING]}}),
        ),
    ),
    key="request_id",
)
STUDENTS = Shelf(
    Student,
    Collection("students", indexes=(Index((("guardians", 1),)),)),
    key="person_id",
)
ORGANIZATIONS = Shelf(
    Organization,
    Collection("organizations", indexes=(Index((("kind", 1), ("standing", 1), ("name", 1))),)),
    key="organization_id",
)
TRANSCRIPTS = Shelf(
    Transcript,
    Collection("transcripts", indexes=(Index((("student_id", 1), ("_id", 1))), Index((("school_id", 1), ("_id", 1))))),
    key="transcript_id",
)
SHELVES = (REQUESTS, STUDENTS, ORGANIZATIONS, TRANSCRIPTS)
COLLECTIONS = tuple(shelf.collection for shelf in SHELVES)

PAGE = 100
"""Rows of a list at the most. More is asked for by page."""
AT_ONCE = 1_000
"""Requests that one act of a school approves at the most: their ids and digests are 150 kB of JSON."""
NEWEST, OLDEST = (("opened_at", -1),), (("opened_at", 1),)
BY_ID = (("_id", 1),)
"""Ids grow with time, so pages don't shift while new ones come."""


class Questions:
    """What pages and APIs ask. A stranger's request is never in an answer: each question says whose it is about."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def student(self, person_id: PersonId) -> Student | None:
        return next(iter(await self._store.find(STUDENTS, {"_id": person_id}, limit=1)), None)

    async def students(self, ids: Sequence[PersonId]) -> list[Student]:
        """By their ids alone: for the names on rows that the asker may see already."""
        return await self._store.find(STUDENTS, {"_id": {"$in": list(ids)}}, limit=len(ids) or 1)

    async def wards_of(self, guardian_id: PersonId) -> list[Student]:
        """Students for whom this guardian's rights are in force (34 CFR 99.5(a))."""
        where = {"guardians": guardian_id, "rights_holder": str(RightsHolder.GUARDIAN)}
        return await self._store.find(STUDENTS, where, limit=PAGE)

    async def transcripts_of(self, student_ids: Sequence[PersonId], *, page: int = 0) -> list[Transcript]:
        where = {"student_id": {"$in": list(student_ids)}}
        return await self._store.find(TRANSCRIPTS, where, sort=BY_ID, limit=PAGE, after=page * PAGE)

    async def transcripts_at(self, school_id: OrganizationId, *, page: int = 0) -> list[Transcript]:
        where = {"school_id": school_id}
        return await self._store.find(TRANSCRIPTS, where, sort=BY_ID, limit=PAGE, after=page * PAGE)

    async def transcript(self, transcript_id: TranscriptId) -> Transcript | None:
        return next(iter(await self._store.find(TRANSCRIPTS, {"_id": transcript_id}, limit=1)), None)

    async def request(self, request_id: RequestId) -> Request | None:
        """By its id alone: the caller decides whether the asker may see it (`may_see`)."""
        return next(iter(await self._store.find(REQUESTS, {"_id": request_id}, limit=1)), None)

    async def requests(self, ids: Sequence[RequestId]) -> dict[RequestId, Request]:
        """By their ids alone: the caller decides which of them the asker may see."""
        found = await self._store.find(REQUESTS, {"_id": {"$in": list(ids)}}, limit=len(ids) or 1)
        return {one.request_id: one for one in found}

    async def requests_of(self, student_ids: Sequence[PersonId], *, page: int = 0) -> list[Request]:
        where = {"student_id": {"$in": list(student_ids)}}
        return await self._store.find(REQUESTS, where, sort=NEWEST, limit=PAGE, after=page * PAGE)

    async def requests_at(
        self, school_id: OrganizationId, status: Status | None = None, *, page: int = 0
    ) -> list[Request]:
        where = {"school_id": school_id} | ({"status": str(status)} if status else {})
        return await self._store.find(REQUESTS, where, sort=NEWEST, limit=PAGE, after=page * PAGE)

    async def waiting_for_school(self, school_id: OrganizationId, *, page: int = 0) -> list[Request]:
        """What the family has signed and the school has not, oldest first: as many as one act approves."""
        where = {"school_id": school_id, "status": str(Status.SIGNED)}
        return await self._store.find(REQUESTS, where, sort=OLDEST, limit=AT_ONCE, after=page * AT_ONCE)

    async def organizations(self, ids: Sequence[OrganizationId]) -> dict[OrganizationId, Organization]:
        found = await self._store.find(ORGANIZATIONS, {"_id": {"$in": list(ids)}}, limit=len(ids) or 1)
        return {one.organization_id: one for one in found}

    async def recipients(self, kinds: Sequence[OrganizationKind]) -> list[Organization]:
        """Verified recipients of these kinds, by name: what a family may choose from."""
        where = {"kind": {"$in": [str(kind) for kind in kinds]}, "standing": str(Standing.VERIFIED)}
        return await self._store.find(ORGANIZATIONS, where, sort=(("name", 1),), limit=PAGE)

    async def expiring(self, now: datetime, limit: int) -> list[Request]:
        """Pending requests whose time is over: for the chore that ends them."""
        where = {"status": {"$in": [str(one) for one in PENDING]}, "expires_at": {"$lte": now}}
        return await self._store.find(REQUESTS, where, sort=(("expires_at", 1),), limit=limit)


def may_see(request: Request, person_id: PersonId, student: Student | None, schools: Sequence[OrganizationId]) -> bool:
    """The school, the student, and whoever holds the rights now: a guardian's end with them, also on what they signed."""
    if request.school_id in schools or person_id == request.student_id:
        return True
    return student is not None and person_id in who_signs(student)
