"""One-click unsubscribing (RFC 8058): a link that only we can have made, and that needs no table and no key of its own.

A ticket is a wish sealed under the person's key: it can't be forged or moved to somebody else, and it dies with the key.
All it can do is switch one class of messages off.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from contracts.types import PersonId, SealedValue
from services.chassis.keys.person import PersonKeys
from services.chassis.keys.sealing import Tampered
from services.notify.domain import MessageClass

_ACT = "notify.unsubscribe"
LONGEST = 600
_TO_URL, _FROM_URL = str.maketrans("+/", "-_", "="), str.maketrans("-_", "+/")


@dataclass(frozen=True, slots=True)
class Ticket:
    """Whose wish it is, and what is not wanted any more."""

    person_id: PersonId
    unwanted: MessageClass


async def write_ticket(keys: PersonKeys, ticket: Ticket) -> str:
    """The ticket, to be put in a URL. Raises `Erased`."""
    sealed = await keys.seal(ticket.person_id, orjson.dumps({"act": _ACT, "class": ticket.unwanted}))
    return f"{ticket.person_id}.{sealed.ciphertext.translate(_TO_URL)}"


async def read_ticket(keys: PersonKeys, written: str) -> Ticket | None:
    """The ticket in a URL; None for everything that is not one of ours, or whose person was erased."""
    person_id, _, text = written.partition(".")
    if len(written) > LONGEST or not text or not text.isascii():
        return None
    ciphertext = text.translate(_FROM_URL) + "=" * (-len(text) % 4)
    try:
        (clear,) = await keys.open_many([SealedValue(person_id=PersonId(person_id), ciphertext=ciphertext)])
    except Tampered:
        return None
    wish = orjson.loads(clear) if clear is not None and clear.startswith(b"{") else {}
    if not isinstance(wish, Mapping) or wish.get("act") != _ACT or wish.get("class") not in list(MessageClass):
        return None
    return Ticket(PersonId(person_id), MessageClass(wish["class"]))
