"""How records' state lies in its database, and every question that is asked of it. Every query names its owner."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from contracts.types import OrganizationId, PackageId, PersonId, RightsHolder, TranscriptId
from services.chassis.store.shelf import Collection, Index, Shelf
from services.chassis.store.work import Store
from services.records.domain.state import (
    Evidence,
    Package,
    Person,
    Release,
    ReleaseStatus,
    School,
    Transcript,
    Version,
    version_id,
)

TRANSCRIPTS = Shelf(
    Transcript,
    Collection(
        "transcripts",
        indexes=(
            Index((("school_id", 1), ("changed_at", -1))),
            Index((("student_id", 1), ("changed_at", -1))),
            Index((("hold.until", 1),), partial={"hold.until": {"$exists": True}}),
        ),
    ),
    key="transcript_id",
)
VERSIONS = Shelf(
    Version,
    Collection(
        "versions",
        indexes=(Index((("transcript_id", 1), ("number", -1))), Index((("school_id", 1), ("_id", 1)))),
        append_only=True,
    ),
    key="version_id",
)
EVIDENCE = Shelf(Evidence, Collection("evidence", indexes=(Index((("transcript_id", 1),)),)), key="evidence_key")
PACKAGES = Shelf(
    Package,
    Collection(
        "packages",
        indexes=(
            Index((("transcript_id", 1),)),
            Index((("school_id", 1), ("_id", 1))),
            Index((("due_at", 1),), partial={"due_at": {"$exists": True}}),
        ),
    ),
    key="package_id",
)
RELEASES = Shelf(
    Release,
    Collection("releases", indexes=(Index((("transcript_id", 1),)), Index((("status", 1), ("expires_at", 1))))),
    key="request_id",
)
PEOPLE = Shelf(
    Person,
    Collection("people", indexes=(Index((("guardians", 1),)),)),
    key="person_id",
)
SCHOOLS = Shelf(School, Collection("schools"), key="organization_id")
SHELVES = (TRANSCRIPTS, VERSIONS, EVIDENCE, PACKAGES, RELEASES, PEOPLE, SCHOOLS)
COLLECTIONS = tuple(shelf.collection for shelf in SHELVES)

PAGE = 100
"""Rows of a list at the most. More is asked for by page."""
MOST = 2_500
"""Files of evidence and packages of one transcript at the most: 120 credits with 20 files each."""
NEWEST = (("changed_at", -1),)
BY_ID = (("_id", 1),)
EXPORTED_AT_ONCE = 500
"""Rows of an export that are held in memory at once."""


class Questions:
    """What pages, APIs and duties ask. A stranger's record is never in an answer: each question says whose it is about."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def person(self, person_id: PersonId) -> Person | None:
        return next(iter(await self._store.find(PEOPLE, {"_id": person_id}, limit=1)), None)

    async def people(self, person_ids: Iterable[PersonId]) -> dict[PersonId, Person]:
        ids = sorted(set(person_ids))
        found = await self._store.find(PEOPLE, {"_id": {"$in": ids}}, limit=len(ids) or 1)
        return {one.person_id: one for one in found}

    async def wards_of(self, guardian_id: PersonId) -> list[Person]:
        """Students in whose record this guardian holds the rights: none who has come of age (34 CFR 99.5)."""
        where = {"guardians": guardian_id, "rights_holder": str(RightsHolder.GUARDIAN)}
        return await self._store.find(PEOPLE, where, limit=PAGE)

    async def school(self, school_id: OrganizationId) -> School | None:
        return next(iter(await self._store.find(SCHOOLS, {"_id": school_id}, limit=1)), None)

    async def transcript(self, transcript_id: TranscriptId) -> Transcript | None:
        """By its id alone: the caller decides whether the asker may see it (`Desk.look`)."""
        return next(iter(await self._store.find(TRANSCRIPTS, {"_id": transcript_id}, limit=1)), None)

    async def transcripts_at(self, school_id: OrganizationId, *, page: int = 0) -> list[Transcript]:
        where = {"school_id": school_id}
        return await self._store.find(TRANSCRIPTS, where, sort=NEWEST, limit=PAGE, after=page * PAGE)

    async def drafts_at(self, school_id: OrganizationId) -> list[Transcript]:
        """What waits for a seal, up to a hundred: what one bulk seal takes."""
        where = {"school_id": school_id, "draft": {"$ne": None}}
        return await self._store.find(TRANSCRIPTS, where, sort=NEWEST, limit=PAGE)

    async def transcripts_of(self, student_ids: Sequence[PersonId]) -> list[Transcript]:
        where = {"student_id": {"$in": list(student_ids)}}
        return await self._store.find(TRANSCRIPTS, where, sort=NEWEST, limit=PAGE)

    async def version(self, transcript_id: TranscriptId, number: int) -> Version | None:
        where = {"_id": version_id(transcript_id, number)}
        return next(iter(await self._store.find(VERSIONS, where, limit=1)), None)

    async def versions(self, version_ids: Iterable[str]) -> dict[str, Version]:
        ids = sorted(set(version_ids))
        found = await self._store.find(VERSIONS, {"_id": {"$in": ids}}, limit=len(ids) or 1)
        return {one.version_id: one for one in found}

    async def versions_of(self, transcript_id: TranscriptId) -> list[Version]:
        return await self._store.find(VERSIONS, {"transcript_id": transcript_id}, sort=(("number", -1),), limit=PAGE)

    async def versions_at(self, school_id: OrganizationId, *, after: str = "") -> list[Version]:
        """A page of all versions that a school has sealed, in the order of their ids, behind `after`."""
        where = {"school_id": school_id, "_id": {"$gt": after}}
        return await self._store.find(VERSIONS, where, sort=BY_ID, limit=EXPORTED_AT_ONCE)

    async def packages_at(self, school_id: OrganizationId, *, after: str = "") -> list[Package]:
        """A page of all packages of a school's transcripts, in the order of their ids, behind `after`."""
        where = {"school_id": school_id, "_id": {"$gt": after}}
        return await self._store.find(PACKAGES, where, sort=BY_ID, limit=EXPORTED_AT_ONCE)

    async def evidence_of(self, transcript_id: TranscriptId) -> list[Evidence]:
        return await self._store.find(EVIDENCE, {"transcript_id": transcript_id}, limit=MOST)

    async def package(self, package_id: PackageId) -> Package | None:
        """By its id alone: the caller decides whether the asker may see it."""
        return next(iter(await self._store.find(PACKAGES, {"_id": package_id}, limit=1)), None)

    async def packages(self, package_ids: Iterable[PackageId]) -> dict[PackageId, Package]:
        ids = sorted(set(package_ids))
        found = await self._store.find(PACKAGES, {"_id": {"$in": ids}}, limit=len(ids) or 1)
        return {one.package_id: one for one in found}

    async def packages_of(self, transcript_id: TranscriptId) -> list[Package]:
        return await self._store.find(PACKAGES, {"transcript_id": transcript_id}, limit=MOST)

    async def packages_due(self, now: datetime, limit: int) -> list[Package]:
        """Packages that a request waits for: for the duty that makes them."""
        return await self._store.find(PACKAGES, {"due_at": {"$lte": now}}, sort=(("due_at", 1),), limit=limit)

    async def holds_over(self, now: datetime, limit: int) -> list[Transcript]:
        """Transcripts whose hold has run out: for the chore that lifts it."""
        where = {"hold.until": {"$lte": now}}
        return await self._store.find(TRANSCRIPTS, where, sort=(("hold.until", 1),), limit=limit)

    async def waiting_over(self, now: datetime, limit: int) -> list[Release]:
        """Releases whose grant ran out while they waited: for the chore that ends them."""
        where = {"status": str(ReleaseStatus.WAITING), "expires_at": {"$lte": now}}
        return await self._store.find(RELEASES, where, sort=(("expires_at", 1),), limit=limit)
