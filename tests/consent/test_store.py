"""Every question is answered by an index, and memory answers as the real database does."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from contracts.types import OrganizationKind, RequestId, Selection, Standing
from deploy.local.mongo import Mongo
from services.chassis.store.mongo import MongoStore
from services.chassis.store.work import Store
from services.consent.domain import Status
from services.consent.store import COLLECTIONS, ORGANIZATIONS, REQUESTS, SHELVES, STUDENTS, TRANSCRIPTS, Questions
from services.consent.store import may_see as sees
from tests.consent.build import (
    AT,
    COLLEGE,
    FIRM,
    FUND,
    GUARDIAN,
    OTHER_GUARDIAN,
    OTHER_SCHOOL,
    REGISTRAR,
    REQUEST,
    SCHOOL,
    STRANGER,
    STUDENT,
    TRANSCRIPT,
    a_package,
    a_recipient,
    a_request,
    a_school,
    a_signed_request,
    a_store,
    a_student,
    a_transcript,
    an_adult,
    an_approved_request,
)
from tests.support.explain import Explaining, ask_all
from tests.support.mongo import a_database


def states() -> list[Any]:
    """A small town: enough rows that an order or a missing filter would show."""
    requests = [
        a_request(request_id=f"req_{n}", opened_at=AT + timedelta(minutes=n), expires_at=AT + timedelta(days=40 - n))
        for n in range(5)
    ]
    return [
        *requests,
        a_signed_request(request_id="req_signed", opened_at=AT - timedelta(days=1)),
        an_approved_request(request_id="req_approved", opened_at=AT - timedelta(days=2)),
        a_request(
            request_id="req_elsewhere",
            student_id="per_b",
            school_id=OTHER_SCHOOL,
            transcript_id="trn_2",
            expires_at=AT + timedelta(days=31),
        ),
        a_request(request_id="req_refused", status=Status.REFUSED, opened_at=AT - timedelta(days=3)),
        a_student(),
        a_student(person_id="per_b", guardians=(GUARDIAN, OTHER_GUARDIAN)),
        an_adult(person_id="per_adult"),
        a_school(),
        a_recipient(),
        a_recipient(OrganizationKind.SCHOLARSHIP),
        a_recipient(OrganizationKind.EMPLOYER, standing=Standing.SUSPENDED),
        a_transcript(packages=(a_package(), a_package(Selection(parts=("c1",)), package_id="pkg_2"))),
        a_transcript(transcript_id="trn_2", student_id="per_b", school_id=OTHER_SCHOOL),
    ]


@pytest.fixture(scope="module")
async def real(mongo: Mongo) -> AsyncIterator[MongoStore]:
    by_state = {shelf.state: shelf for shelf in SHELVES}
    documents: dict[Any, list[Any]] = {}
    for state in states():
        shelf = by_state[type(state)]
        documents.setdefault(shelf, []).append(shelf.document(state, 1))
    async with a_database(mongo, COLLECTIONS, documents) as store:
        yield store


@pytest.fixture(params=["memory", pytest.param("mongo", marks=pytest.mark.connected)])
def store(request: pytest.FixtureRequest) -> Store:
    return a_store(*states()) if request.param == "memory" else request.getfixturevalue("real")


def ids(rows: Sequence[Any], name: str) -> list[str]:
    return [getattr(row, name) for row in rows]


@pytest.fixture
def questions(store: Store) -> Questions:
    return Questions(store)


async def test_a_state_comes_back_as_it_went(questions: Questions) -> None:
    assert await questions.student(STUDENT) == a_student()
    assert await questions.request("req_approved") == an_approved_request(  # type: ignore[arg-type]
        request_id="req_approved", opened_at=AT - timedelta(days=2)
    )
    found = await questions.transcript(TRANSCRIPT)
    assert found is not None
    assert found.package_for(Selection(parts=("c1",))) == a_package(Selection(parts=("c1",)), package_id="pkg_2")
    assert await questions.organizations([SCHOOL, COLLEGE]) == {SCHOOL: a_school(), COLLEGE: a_recipient()}


async def test_what_is_not_there_is_none(questions: Questions) -> None:
    assert await questions.student(STRANGER) is None
    assert await questions.request("req_none") is None  # type: ignore[arg-type]
    assert await questions.transcript("trn_none") is None  # type: ignore[arg-type]
    assert await questions.organizations([]) == {}
    assert await questions.students([]) == []


async def test_requests_of_a_family_come_newest_first_and_no_stranger_s_among_them(questions: Questions) -> None:
    found = ids(await questions.requests_of([STUDENT]), "request_id")
    assert found == ["req_4", "req_3", "req_2", "req_1", "req_0", "req_signed", "req_approved", "req_refused"]
    assert await questions.requests_of([STUDENT], page=1) == []


async def test_requests_at_a_school_by_status(questions: Questions) -> None:
    assert ids(await questions.requests_at(SCHOOL, Status.SIGNED), "request_id") == ["req_signed"]
    every = ids(await questions.requests_at(SCHOOL), "request_id")
    assert (every[0], every[-3:]) == ("req_4", ["req_signed", "req_approved", "req_refused"])
    assert ids(await questions.requests_at(OTHER_SCHOOL), "request_id") == ["req_elsewhere"]


async def test_what_waits_for_a_school_is_what_the_family_has_signed(questions: Questions) -> None:
    assert ids(await questions.waiting_for_school(SCHOOL), "request_id") == ["req_signed"]
    assert await questions.waiting_for_school(SCHOOL, page=1) == []
    assert await questions.waiting_for_school(OTHER_SCHOOL) == []


async def test_a_guardians_wards_are_those_whose_rights_the_guardian_holds(questions: Questions) -> None:
    assert sorted(ids(await questions.wards_of(GUARDIAN), "person_id")) == ["per_b", STUDENT]
    assert ids(await questions.wards_of(OTHER_GUARDIAN), "person_id") == ["per_b"]


async def test_transcripts_are_found_by_student_and_by_school(questions: Questions) -> None:
    assert ids(await questions.transcripts_of([STUDENT]), "transcript_id") == [TRANSCRIPT]
    assert ids(await questions.transcripts_of([STUDENT, "per_b"]), "transcript_id") == [TRANSCRIPT, "trn_2"]  # type: ignore[list-item]
    assert ids(await questions.transcripts_at(OTHER_SCHOOL), "transcript_id") == ["trn_2"]


async def test_only_verified_recipients_of_allowed_kinds_can_be_chosen_by_name(questions: Questions) -> None:
    every = (OrganizationKind.COLLEGE, OrganizationKind.SCHOLARSHIP, OrganizationKind.EMPLOYER)
    assert ids(await questions.recipients(every), "organization_id") == [FUND, COLLEGE]
    assert FIRM not in ids(await questions.recipients(every), "organization_id")
    assert ids(await questions.recipients((OrganizationKind.COLLEGE,)), "organization_id") == [COLLEGE]
    assert await questions.recipients(()) == []


async def test_what_expires_is_pending_and_over_the_most_urgent_first(questions: Questions) -> None:
    found = await questions.expiring(AT + timedelta(days=38), 10)
    assert ids(found, "request_id") == ["req_signed", "req_elsewhere", "req_4", "req_3", "req_2"]
    assert len(await questions.expiring(AT + timedelta(days=38), 2)) == 2
    assert await questions.expiring(AT, 10) == []


@pytest.mark.connected
async def test_no_question_reads_a_whole_collection_or_sorts_in_memory(real: MongoStore) -> None:
    questions = Questions(Explaining(real))
    await ask_all(
        questions,
        questions.student(STUDENT),
        questions.students([STUDENT, STRANGER]),
        questions.wards_of(GUARDIAN),
        questions.transcripts_of([STUDENT]),
        questions.transcripts_of([STUDENT, STRANGER], page=3),
        questions.transcripts_at(SCHOOL, page=3),
        questions.transcript(TRANSCRIPT),
        questions.request(REQUEST),
        questions.requests([REQUEST, RequestId("req_signed")]),
        questions.requests_of([STUDENT, STRANGER]),
        questions.requests_at(SCHOOL),
        questions.requests_at(SCHOOL, Status.OPEN, page=3),
        questions.waiting_for_school(SCHOOL),
        questions.waiting_for_school(SCHOOL, page=3),
        questions.organizations([SCHOOL, COLLEGE]),
        questions.recipients((OrganizationKind.COLLEGE, OrganizationKind.EMPLOYER)),
        questions.expiring(AT, 200),
    )


@pytest.mark.connected
async def test_what_consumers_load_with_a_state_is_found_by_an_index(real: MongoStore) -> None:
    for shelf, field in (
        (REQUESTS, "student_id"),
        (REQUESTS, "transcript_id"),
        (STUDENTS, "_id"),
        (TRANSCRIPTS, "_id"),
    ):
        await Explaining(real).load_by(shelf, field, ["a", "b"])


@pytest.mark.connected
async def test_every_index_serves_a_question(real: MongoStore) -> None:
    """An index that no question uses is paid for with every write."""
    wanted: dict[Any, set[str]] = {
        REQUESTS: {"student_id", "school_id", "transcript_id", "expires_at"},
        STUDENTS: {"guardians"},
        ORGANIZATIONS: {"kind"},
        TRANSCRIPTS: {"student_id", "school_id"},
    }
    for shelf, firsts in wanted.items():
        made = await real.db[shelf.collection.name].index_information()
        assert {index["key"][0][0] for index in made.values()} == firsts | {"_id"}


@pytest.mark.parametrize(
    ("person", "student", "schools", "may"),
    [
        pytest.param(STUDENT, a_student(), (), True, id="the student"),
        pytest.param(GUARDIAN, a_student(), (), True, id="the guardian"),
        pytest.param(OTHER_GUARDIAN, a_student(), (), False, id="somebody else's guardian"),
        pytest.param(GUARDIAN, an_adult(), (), False, id="the guardian, after the 18th birthday"),
        pytest.param(GUARDIAN, a_student(guardians=()), (), False, id="a guardian no longer"),
        pytest.param(GUARDIAN, None, (), False, id="nothing is known of the student"),
        pytest.param(REGISTRAR, a_student(), (SCHOOL,), True, id="the school"),
        pytest.param(REGISTRAR, a_student(), (OTHER_SCHOOL,), False, id="another school"),
        pytest.param(REGISTRAR, a_student(), (), False, id="the registrar who opened it and has left"),
        pytest.param(STRANGER, a_student(), (), False, id="a stranger"),
    ],
)
def test_who_may_see_a_request(person: Any, student: Any, schools: Any, may: bool) -> None:
    assert sees(a_request(opened_by=REGISTRAR), person, student, schools) is may
