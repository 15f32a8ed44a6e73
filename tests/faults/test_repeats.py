"""Every event once more, late and in any order: nothing is done a second time."""

import random
from collections import Counter

import pytest

from contracts.topics import SERVICES, TOPICS
from tests.faults.place import Place
from tests.faults.wire import read_all, until_heard, write

pytestmark = [pytest.mark.connected, pytest.mark.fault]


async def test_every_event_repeated_late_and_out_of_order_has_no_second_effect(place: Place) -> None:
    kept, taken_back = await place.ask(), await place.ask()
    await place.sign(kept)
    await place.finish(kept)
    await place.sign(taken_back)
    await place.until_told(taken_back)
    await place.take_back(taken_back)
    await place.until(taken_back, lambda one: one["stage"] == "cancelled")
    await until_heard(place.house)
    before = await _effects(place)
    told_before = await _said(place)

    copies = await read_all(place.house)
    assert {record.topic for record in copies} == {topic.name for topic in TOPICS}
    random.Random(7).shuffle(copies)
    await write(place.house, copies)
    await until_heard(place.house)

    assert await _said(place) == told_before
    assert await _effects(place) == before
    await place.judge(kept)
    assert not await place.ledger(taken_back.request_id)


async def _said(place: Place) -> "Counter[str]":
    """What each service has said so far, by event type: a second effect would be said."""
    said: Counter[str] = Counter()
    for service in SERVICES:
        rows = place.documents[service]["outbox"].find({"barrier": False})
        said.update([row["type"] async for row in rows])
    return said


async def _effects(place: Place) -> dict[str, object]:
    """Everything that the world outside has seen."""
    raw = await place.registrar.get(f"/delivery/ledger?school_id={place.school_id}")
    return {
        "ledger": raw,
        "webhooks": {name: [hook.id for hook in receiver.hooks] for name, receiver in place.receivers.items()},
        "mails": sorted(path.name for path in (place.house.folder / "mail").glob("*.eml")),
        "vault": sorted(path.name for path in (place.house.folder / "vault").rglob("*") if path.is_file()),
    }
