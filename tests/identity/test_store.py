"""Every question is answered by an index."""

from collections.abc import AsyncIterator

import pytest

from contracts.types import OrganizationKind
from deploy.local.mongo import Mongo
from services.chassis.store.mongo import MongoStore
from services.identity.store import COLLECTIONS, ORGANIZATIONS, SHELVES, TOKENS, Questions
from tests.identity.conftest import HARBOR, REGISTRAR, District
from tests.support.explain import Explaining, ask_all
from tests.support.mongo import a_database

pytestmark = pytest.mark.connected


@pytest.fixture
async def real(mongo: Mongo, district: District) -> AsyncIterator[MongoStore]:
    """A district's rows, as they are after a roster was imported."""
    await district.imports(await district.school())
    rows = {shelf: [*district.store.tables.get(shelf.collection.name, {}).values()] for shelf in SHELVES}
    async with a_database(mongo, COLLECTIONS, rows) as store:
        yield store


async def test_no_question_reads_a_whole_collection_or_sorts_in_memory(real: MongoStore) -> None:
    questions = Questions(Explaining(real))
    assert await questions.people_of(HARBOR) != []
    await ask_all(
        questions,
        questions.person(REGISTRAR),
        questions.people([REGISTRAR]),
        questions.people_of(HARBOR, page=3),
        questions.people_with_email(HARBOR, "mark"),
        questions.count_people("roster", [HARBOR]),
        questions.come_of_age(HARBOR, ["mark"], 100),
        questions.organization(HARBOR),
        questions.organizations([HARBOR]),
        questions.organizations_of(),
        questions.organizations_of([OrganizationKind.COLLEGE], page=3),
        questions.schools_of("roster"),
        questions.schools(after=1_000),
        questions.birthdays(HARBOR),
        questions.token("digest"),
        questions.authenticator(REGISTRAR),
        questions.client("cli_1"),
        questions.clients_of(HARBOR),
        questions.imported("imp_1"),
        questions.imports_of(HARBOR),
    )


async def test_what_is_loaded_with_a_state_is_found_by_an_index(real: MongoStore) -> None:
    for shelf, field in ((TOKENS, "person_id"), (ORGANIZATIONS, "source")):
        await Explaining(real).load_by(shelf, field, ["a", "b"])
