"""Every question is answered by an index, and memory answers as the real database does."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from contracts.types import PackageId, PersonId, RequestId, RightsHolder, TranscriptId
from deploy.local.mongo import Mongo
from services.chassis.decision import Decision
from services.chassis.store.mongo import MongoStore
from services.records.domain.releasing import release
from services.records.domain.state import Evidence
from services.records.store import COLLECTIONS, RELEASES, SHELVES, Questions
from tests.records.domain.values import (
    AT,
    DAY,
    DRAFTED,
    HELD,
    LOCKED,
    OTHER,
    PENDING,
    PERSON,
    PREPARED,
    SCHOOL,
    SEALED_ONE,
    STUDENT,
    TRANSCRIPT,
    VERIFIED,
    VERSION,
    approved,
)
from tests.support.explain import Explaining, ask_all
from tests.support.memory import MemoryStore
from tests.support.mongo import a_database

GUARDIAN = PersonId("per_guardian")


def states() -> list[Any]:
    """A small school: enough rows that an order or a missing filter would show."""
    waiting = release(None, approved(), transcript=HELD)
    gone = release(None, approved(request_id=RequestId("req_2")), transcript=SEALED_ONE)
    assert isinstance(waiting, Decision) and isinstance(gone, Decision)
    return [
        DRAFTED,
        replace(HELD, transcript_id=TranscriptId("trn_held"), changed_at=AT + DAY),
        replace(SEALED_ONE, transcript_id=TranscriptId("trn_other"), school_id=OTHER, student_id=PersonId("per_2")),
        VERSION,
        replace(VERSION, version_id="trn_1:2", number=2),
        PENDING,
        replace(PENDING, package_id=PackageId("pkg_later"), due_at=AT + DAY),
        replace(PREPARED, package_id=PackageId("pkg_made")),
        waiting.state,
        gone.state,
        PERSON,
        replace(PERSON, person_id=PersonId("per_adult"), rights_holder=RightsHolder.STUDENT),
        VERIFIED,
        Evidence(
            evidence_key="trn_1:notes:f",
            transcript_id=TRANSCRIPT,
            evidence_id="notes",
            mark="f",
            size=1,
            content=LOCKED,
        ),
    ]


def documents() -> dict[Any, list[Any]]:
    by_state = {shelf.state: shelf for shelf in SHELVES}
    found: dict[Any, list[Any]] = {}
    for state in states():
        shelf = by_state[type(state)]
        found.setdefault(shelf, []).append(shelf.document(state, 1))
    return found


@pytest.fixture(scope="module")
async def real(mongo: Mongo) -> AsyncIterator[MongoStore]:
    async with a_database(mongo, COLLECTIONS, documents()) as store:
        yield store


@pytest.fixture(params=["memory", pytest.param("mongo", marks=pytest.mark.connected)])
def questions(request: pytest.FixtureRequest) -> Questions:
    if request.param == "mongo":
        return Questions(request.getfixturevalue("real"))
    store = MemoryStore()
    for shelf, rows in documents().items():
        store.tables[shelf.collection.name] = {row["_id"]: row for row in rows}
    return Questions(store)


def names(rows: Sequence[Any], field: str) -> list[Any]:
    return [getattr(row, field) for row in rows]


async def test_a_state_comes_back_as_it_went(questions: Questions) -> None:
    assert await questions.transcript(TRANSCRIPT) == DRAFTED
    assert await questions.version(TRANSCRIPT, 1) == VERSION
    assert await questions.package(PENDING.package_id) == PENDING
    assert await questions.person(STUDENT) == PERSON
    assert await questions.people([STUDENT]) == {STUDENT: PERSON}
    assert await questions.school(SCHOOL) == VERIFIED
    assert await questions.versions(["trn_1:1"]) == {"trn_1:1": VERSION}
    assert set(await questions.packages([PENDING.package_id, PackageId("pkg_none")])) == {"pkg_1"}
    assert names(await questions.evidence_of(TRANSCRIPT), "evidence_id") == ["notes"]


async def test_a_schools_transcripts_are_its_own_the_newest_first(questions: Questions) -> None:
    assert names(await questions.transcripts_at(SCHOOL), "transcript_id") == ["trn_held", "trn_1"]
    assert names(await questions.drafts_at(SCHOOL), "transcript_id") == ["trn_1"]
    assert names(await questions.transcripts_of([STUDENT]), "transcript_id") == ["trn_held", "trn_1"]
    assert await questions.transcripts_at(SCHOOL, page=1) == []


async def test_versions_come_newest_first_and_packages_with_them(questions: Questions) -> None:
    assert names(await questions.versions_of(TRANSCRIPT), "number") == [2, 1]
    assert set(names(await questions.packages_of(TRANSCRIPT), "package_id")) == {"pkg_1", "pkg_later", "pkg_made"}


async def test_a_schools_seals_are_its_own_in_the_order_of_their_ids(questions: Questions) -> None:
    assert names(await questions.versions_at(SCHOOL), "version_id") == ["trn_1:1", "trn_1:2"]
    assert names(await questions.versions_at(SCHOOL, after="trn_1:1"), "version_id") == ["trn_1:2"]
    assert names(await questions.packages_at(SCHOOL), "package_id") == ["pkg_1", "pkg_later", "pkg_made"]
    assert names(await questions.packages_at(SCHOOL, after="pkg_later"), "package_id") == ["pkg_made"]
    assert await questions.versions_at(OTHER) == []
    assert await questions.packages_at(OTHER) == []


async def test_a_guardians_wards_are_those_whose_rights_the_guardian_holds(questions: Questions) -> None:
    assert names(await questions.wards_of(GUARDIAN), "person_id") == [STUDENT]


async def test_what_is_due_is_found_and_nothing_else(questions: Questions) -> None:
    assert names(await questions.packages_due(AT, 10), "package_id") == ["pkg_1"]
    assert names(await questions.packages_due(AT + DAY, 10), "package_id") == ["pkg_1", "pkg_later"]
    assert await questions.holds_over(AT, 10) == []
    assert names(await questions.holds_over(AT + 30 * DAY, 10), "transcript_id") == ["trn_held"]
    assert await questions.waiting_over(AT, 10) == []
    assert names(await questions.waiting_over(AT + 180 * DAY, 10), "request_id") == ["req_1"]


@pytest.mark.connected
async def test_no_question_reads_a_whole_collection_or_sorts_in_memory(real: MongoStore) -> None:
    questions = Questions(Explaining(real))
    await ask_all(
        questions,
        questions.person(STUDENT),
        questions.people([STUDENT, GUARDIAN]),
        questions.wards_of(GUARDIAN),
        questions.school(SCHOOL),
        questions.transcript(TRANSCRIPT),
        questions.transcripts_at(SCHOOL, page=3),
        questions.drafts_at(SCHOOL),
        questions.transcripts_of([STUDENT, GUARDIAN]),
        questions.version(TRANSCRIPT, 1),
        questions.versions(["trn_1:1"]),
        questions.versions_of(TRANSCRIPT),
        questions.versions_at(SCHOOL, after="trn_1:1"),
        questions.packages_at(SCHOOL, after="pkg_1"),
        questions.evidence_of(TRANSCRIPT),
        questions.package(PENDING.package_id),
        questions.packages([PENDING.package_id]),
        questions.packages_of(TRANSCRIPT),
        questions.packages_due(AT, 10),
        questions.holds_over(AT, 10),
        questions.waiting_over(AT, 10),
    )


@pytest.mark.connected
async def test_what_is_loaded_with_a_transcript_is_found_by_an_index(real: MongoStore) -> None:
    await Explaining(real).load_by(RELEASES, "transcript_id", [TRANSCRIPT])
