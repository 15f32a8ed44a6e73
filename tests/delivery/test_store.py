"""Every question is answered by an index, and memory answers as the real database does."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from contracts.types import OrganizationId, PersonId
from deploy.local.mongo import Mongo
from services.chassis.store.mongo import MongoStore
from services.chassis.store.work import Store
from services.delivery.domain import Chain, EndpointState, NoticeState, Status
from services.delivery.domain.ledger import next_row
from services.delivery.store import COLLECTIONS, DELIVERIES, ENDPOINTS, LEDGER, NOTICES, SHELVES, STUDENTS, Questions
from tests.delivery.scene import (
    AT,
    COLLEGE,
    GUARDIAN,
    NOTICE_VERSION,
    OTHER,
    READER,
    SCHOOL,
    STUDENT,
    delivery,
    endpoint,
    notice,
    opened,
    recipient,
    revocation,
    student,
    watermarks,
)
from tests.support.explain import Explaining, ask_all
from tests.support.memory import MemoryStore
from tests.support.mongo import a_database

DAY = timedelta(days=1)


def states() -> list[Any]:
    """Enough rows that an order or a missing filter would show."""
    first, head = next_row(None, delivery(), opened_by=READER, notice_version=NOTICE_VERSION, at=AT)
    second, head = next_row(
        head, delivery(delivery_id="dlv_2", student_id="per_b"), opened_by=READER, notice_version=NOTICE_VERSION, at=AT
    )
    third, head = next_row(
        head, delivery(delivery_id="dlv_3"), opened_by=READER, notice_version=NOTICE_VERSION, at=AT + DAY
    )
    return [
        delivery(untold=True, expires_at=AT + 2 * DAY),
        delivery(delivery_id="dlv_2", request_id="req_2", available_at=AT + DAY, expires_at=AT + DAY),
        opened(delivery_id="dlv_3", request_id="req_3", available_at=AT - DAY, expires_at=AT),
        delivery(delivery_id="dlv_4", request_id="req_4", recipient_id=OTHER, school_id="org_b", untold=True),
        notice(),
        notice(notice_id="n2", endpoint_id="end_b", due_at=AT - DAY, made_at=AT + DAY),
        notice(notice_id="n3", state=NoticeState.SENT, due_at=None, delivery_id="dlv_2"),
        notice(notice_id="n4", due_at=AT + DAY, delivery_id=None),
        endpoint("b"),
        endpoint(catching_up=True),
        endpoint("gone", state=EndpointState.REMOVED),
        endpoint("theirs", recipient_id=OTHER),
        endpoint("fails", recipient_id=OTHER, failing_since=AT),
        endpoint("ended", recipient_id=OTHER, state=EndpointState.DISABLED, failing_since=AT - DAY),
        notice(notice_id="n5", endpoint_id="end_fails", due_at=AT + DAY, delivery_id=None),
        # Of many others: among five rows one plan is as good as another.
        *(endpoint(f"of_{number}", recipient_id=f"org_{number}") for number in range(100)),
        recipient(),
        student(),
        student(person_id="per_b", guardians=()),
        revocation(),
        *watermarks(),
        first,
        second,
        third,
        head,
    ]


def written() -> dict[Any, list[Any]]:
    by_state = {shelf.state: shelf for shelf in SHELVES}
    documents: dict[Any, list[Any]] = {}
    for state in states():
        shelf = by_state[type(state)]
        documents.setdefault(shelf, []).append(shelf.document(state, 1))
    return documents


@pytest.fixture(scope="module")
async def real(mongo: Mongo) -> AsyncIterator[MongoStore]:
    async with a_database(mongo, COLLECTIONS, written()) as store:
        yield store


@pytest.fixture
async def memory() -> MemoryStore:
    store = MemoryStore()
    await store.transact(lambda unit: unit.write(written(), [], []))
    return store


@pytest.fixture(params=["memory", pytest.param("real", marks=pytest.mark.connected)])
def questions(request: pytest.FixtureRequest) -> Questions:
    store: Store = request.getfixturevalue(request.param)
    return Questions(store)


def ids(rows: Sequence[Any], name: str) -> list[Any]:
    return [getattr(row, name) for row in rows]


async def test_a_state_comes_back_as_it_went(questions: Questions) -> None:
    found, around = await questions.standing_of(delivery().delivery_id)
    assert found == delivery(untold=True, expires_at=AT + 2 * DAY)
    assert (around.recipient, around.revocation, list(around.watermarks)) == (recipient(), revocation(), watermarks())
    assert await questions.student(STUDENT) == student()
    assert await questions.chain(SCHOOL) == states()[-1]


async def test_what_is_not_there_is_none(questions: Questions) -> None:
    found, around = await questions.standing_of("dlv_none")  # type: ignore[arg-type]
    assert (found, around.recipient, around.revocation) == (None, None, None)
    assert await questions.chain(OrganizationId("org_none")) is None


async def test_deliveries_are_those_of_the_recipient_or_the_school_newest_first(questions: Questions) -> None:
    assert ids(await questions.deliveries_to([COLLEGE]), "delivery_id") == ["dlv_2", "dlv_1", "dlv_3"]
    assert ids(await questions.deliveries_to([COLLEGE], Status.DELIVERED), "delivery_id") == ["dlv_3"]
    assert ids(await questions.deliveries_to([OTHER]), "delivery_id") == ["dlv_4"]
    assert ids(await questions.deliveries_from([SCHOOL]), "delivery_id") == ["dlv_2", "dlv_1", "dlv_3"]
    assert ids(await questions.deliveries_from([SCHOOL], Status.AVAILABLE), "delivery_id") == ["dlv_2", "dlv_1"]
    assert await questions.deliveries_to([COLLEGE], page=1) == []


async def test_notices_due_come_most_urgent_first_and_not_to_those_left_out(questions: Questions) -> None:
    assert ids(await questions.due(AT, 10), "notice_id") == ["n2", notice().notice_id]
    assert ids(await questions.due(AT, 10, without=["end_b"]), "notice_id") == [notice().notice_id]
    assert ids(await questions.due(AT, 1), "notice_id") == ["n2"]


async def test_endpoints_are_the_recipients_own_by_name_without_the_removed(questions: Questions) -> None:
    assert ids(await questions.endpoints_of([COLLEGE]), "name") == ["b", "main"]
    assert await questions.endpoint(endpoint().endpoint_id, [OTHER]) is None
    assert await questions.endpoint(endpoint("gone").endpoint_id, [COLLEGE]) is None
    assert await questions.endpoint(endpoint("b").endpoint_id, [COLLEGE]) == endpoint("b")
    assert ids(await questions.catching_up(10), "name") == ["main"]
    assert set(await questions.endpoints([endpoint().endpoint_id])) == {"end_main"}


async def test_the_operator_sees_how_many_endpoints_fail_and_what_waits_for_them(questions: Questions) -> None:
    active = [one for one in states() if isinstance(one, ENDPOINTS.state) and one.state is EndpointState.ACTIVE]
    classes = {("healthy",): len(active) - 1, ("failing",): 1, ("disabled",): 1}
    assert await questions.endpoint_classes() == classes
    assert await questions.waiting_by_class() == {("healthy",): 3, ("failing",): 1}


async def test_what_is_untold_or_over_is_found(questions: Questions) -> None:
    assert ids(await questions.untold([COLLEGE], 10), "delivery_id") == ["dlv_1"]
    assert ids(await questions.expired(AT + 2 * DAY, 10), "delivery_id") == ["dlv_2", "dlv_1"]


async def test_the_ledger_is_read_by_student_and_by_school(questions: Questions) -> None:
    assert ids(await questions.rows_of(STUDENT), "number") == [3, 1]
    assert ids(await questions.rows_at(SCHOOL), "number") == [1, 2, 3]
    assert ids(await questions.rows_at(SCHOOL, after=1, limit=1), "number") == [2]
    assert set(await questions.rows_before(await questions.rows_of(STUDENT))) == {f"{SCHOOL}:2"}
    assert ids(await questions.students_of(GUARDIAN), "person_id") == [STUDENT]


@pytest.mark.connected
async def test_no_question_reads_a_whole_collection_or_sorts_in_memory(real: MongoStore) -> None:
    questions = Questions(Explaining(real))
    one = delivery().delivery_id
    await ask_all(
        questions,
        questions.delivery(one),
        questions.standing_of(one),
        questions.deliveries_to([COLLEGE, OTHER]),
        questions.deliveries_to([COLLEGE], Status.AVAILABLE, page=3),
        questions.deliveries_from([SCHOOL]),
        questions.deliveries_from([SCHOOL], Status.AVAILABLE, page=3),
        questions.notices_of(one),
        questions.notices_to(endpoint().endpoint_id),
        questions.endpoint(endpoint().endpoint_id, [COLLEGE]),
        questions.endpoints_of([COLLEGE, OTHER]),
        questions.endpoints([endpoint().endpoint_id]),
        questions.organization(COLLEGE),
        questions.organizations([COLLEGE, OTHER]),
        questions.student(STUDENT),
        questions.students([STUDENT, GUARDIAN]),
        questions.students_of(GUARDIAN),
        questions.rows_of(STUDENT),
        questions.rows_at(SCHOOL, after=7),
        questions.rows_before([row for row in states() if isinstance(row, LEDGER.state)]),
        questions.chain(SCHOOL),
        questions.due(AT, 10),
        questions.due(AT, 10, without=["end_b"]),
        questions.catching_up(10),
        questions.untold([COLLEGE], 10),
        questions.expired(AT, 10),
        questions.unread(),
        questions.oldest_watermark(),
        questions.endpoint_classes(),
        questions.waiting_by_class(),
        questions.reader(PersonId("per_reader")),
    )


@pytest.mark.connected
async def test_what_consumers_load_with_a_state_is_found_by_an_index(real: MongoStore) -> None:
    for shelf, field in (
        (DELIVERIES, "request_id"),
        (NOTICES, "delivery_id"),
        (ENDPOINTS, "recipient_id"),
        (STUDENTS, "_id"),
    ):
        await Explaining(real).load_by(shelf, field, ["a", "b"])


def test_the_ledger_can_only_grow() -> None:
    assert [one.name for one in COLLECTIONS if one.append_only] == ["ledger"]
    assert isinstance(states()[-1], Chain)
