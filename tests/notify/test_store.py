"""Every question is answered by an index."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from contracts.types import MessageId, PersonKind
from deploy.local.mongo import Mongo
from services.chassis.store.mongo import MongoStore
from services.notify.domain import Announcement, Status
from services.notify.store import ANNOUNCEMENTS, COLLECTIONS, HOLDS, MESSAGES, PEOPLE, PREFERENCES, SHELVES, Questions
from tests.support.explain import Explaining, ask_all
from tests.support.mongo import a_database
from tests.support.notices import AT, COLLEGE, MOTHER, OPERATOR, REGISTRAR, SCHOOL, STUDENT, Town

pytestmark = pytest.mark.connected


@pytest.fixture
async def real(mongo: Mongo, town: Town) -> AsyncIterator[MongoStore]:
    """A town's rows, as they are after a request was opened and staff was told something."""
    said = Announcement(
        announcement_id="ann_1",
        version=1,
        audience=PersonKind.REGISTRAR,
        subjects={"en": "A meeting"},
        texts={"en": "On Monday."},
        made_by=OPERATOR,
        made_at=AT,
    )
    rows = {shelf: [*town.store.tables.get(shelf.collection.name, {}).values()] for shelf in SHELVES}
    rows[ANNOUNCEMENTS] = [ANNOUNCEMENTS.document(said, 1)]
    # Many of them, of other schools and people too: with three rows one plan is as good as another.
    rows[MESSAGES] += [
        {
            **row,
            "_id": f"msg_{number}_{status}",
            "school_id": f"org_{number % 20}",
            "person_id": f"per_{number}",
            "status": status,
        }
        for number in range(100)
        for row, status in zip(rows[MESSAGES], Status, strict=False)
    ]
    async with a_database(mongo, COLLECTIONS, rows) as store:
        yield store


async def test_no_question_reads_a_whole_collection_or_sorts_in_memory(real: MongoStore) -> None:
    questions = Questions(Explaining(real))
    assert await questions.due(AT + timedelta(days=1), 10) != []
    await ask_all(
        questions,
        questions.due(AT + timedelta(days=1), 10),
        questions.message(MessageId("msg_1")),
        questions.messages_of(MOTHER, page=3),
        questions.messages_at([SCHOOL]),
        questions.messages_at([SCHOOL], [Status.WAITING], page=3),
        questions.messages_at(None),
        questions.counts_at([SCHOOL]),
        questions.counts_at(None),
        questions.preferences(MOTHER),
        questions.people([STUDENT, MOTHER, None]),
        questions.staff(PersonKind.REGISTRAR, after=REGISTRAR, limit=100),
        questions.organizations([SCHOOL, COLLEGE]),
    )


async def test_what_goes_with_a_message_is_found_by_an_index(real: MongoStore) -> None:
    for shelf, field in ((PEOPLE, "registrar_of"), (HOLDS, "_id"), (PREFERENCES, "_id"), (ANNOUNCEMENTS, "_id")):
        await Explaining(real).load_by(shelf, field, ["a", "b"])
