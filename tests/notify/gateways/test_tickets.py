"""A ticket switches off one class for one person, and can't be made by anybody else."""

import orjson
import pytest

from services.notify.domain import MessageClass
from services.notify.gateways.tickets import Ticket, read_ticket, write_ticket
from tests.support.notices import MOTHER, STUDENT
from tests.support.person_keys import MemoryPersonKeys

TICKET = Ticket(MOTHER, MessageClass.INFORMATION)


@pytest.fixture
def keys() -> MemoryPersonKeys:
    return MemoryPersonKeys(MOTHER, STUDENT)


async def test_a_ticket_is_read_as_it_was_written_and_fits_in_a_url(keys: MemoryPersonKeys) -> None:
    written = await write_ticket(keys, TICKET)
    assert written.replace(".", "").replace("-", "").replace("_", "").isalnum()
    assert await read_ticket(keys, written) == TICKET


async def test_a_ticket_of_one_person_is_none_for_another(keys: MemoryPersonKeys) -> None:
    written = await write_ticket(keys, TICKET)
    assert await read_ticket(keys, written.replace(MOTHER, STUDENT)) is None


async def test_a_ticket_dies_with_the_key(keys: MemoryPersonKeys) -> None:
    written = await write_ticket(keys, TICKET)
    await keys.erase(MOTHER)
    assert await read_ticket(keys, written) is None


async def test_what_else_is_sealed_under_the_key_is_no_ticket(keys: MemoryPersonKeys) -> None:
    for clear in (
        b'{"name": "Ana", "email": "a@b.test"}',
        b"not json",
        orjson.dumps({"act": "notify.unsubscribe", "class": "all"}),
    ):
        sealed = await keys.seal(MOTHER, clear)
        assert (
            await read_ticket(keys, f"{MOTHER}.{sealed.ciphertext.translate(str.maketrans('+/', '-_', '='))}") is None
        )


@pytest.mark.parametrize(
    "rubbish", ["", "x", "per_mother.", "per_mother.AAAA", "per_mother.ÄÖ", "a." * 400, "per_nobody." + "A" * 120]
)
async def test_rubbish_is_no_ticket(keys: MemoryPersonKeys, rubbish: str) -> None:
    assert await read_ticket(keys, rubbish) is None


async def test_a_changed_ticket_is_no_ticket(keys: MemoryPersonKeys) -> None:
    written = await write_ticket(keys, TICKET)
    last = "A" if written[-3] != "A" else "B"
    assert await read_ticket(keys, written[:-3] + last + written[-2:]) is None
