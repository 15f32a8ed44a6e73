"""Rubbish on every topic, byte by byte and record by record: nobody stops, each record lies aside once with its reason.

But for disclosures: among consent's rubbish there may be a revocation, until an operator says that there is none.
"""

import asyncio
import os

import pytest
from typer.testing import CliRunner

from contracts.envelope import Headers
from contracts.generate import sample
from contracts.topics import TOPICS
from deploy.cli.__main__ import app
from services.chassis import clock
from tests.faults.place import Place
from tests.faults.wire import Wired, until_heard, write

pytestmark = [pytest.mark.connected, pytest.mark.fault]

ALMOST_ALL = 1_000_000
"""Bytes: with its envelope, just below the broker's limit of 1 MiB for a batch (`message.max.bytes`)."""
TYPE_ON = {
    "identity.people": "identity.person.recorded.v1",
    "identity.organizations": "identity.organization.recorded.v1",
    "consent.requests": "consent.request.approved.v1",
    "records.transcripts": "records.transcript.sealed.v1",
    "records.releases": "records.transcript.released.v1",
    "delivery.deliveries": "delivery.transcript.delivered.v1",
    "notify.messages": "notify.message.sent.v1",
}

OPENS_NOTHING = {("records", "delivery.deliveries")}
"""Who acts on no event of a topic that it may read: it judges the envelopes, and passes every body over unopened."""


def rubbish_for(topic: str) -> dict[str, Wired]:
    """What a reader of a topic must get over, by why it can't be read."""
    good = sample(TYPE_ON[topic])
    key, value = good["key"].encode(), b'{"version": 1}'
    headers = tuple((name, text.encode()) for name, text in good["headers"].items())
    foreign = "consent.request.opened.v1" if not topic.startswith("consent") else "records.transcript.sealed.v1"
    huge = _with(headers, "ce_causationid", b"x" * 100_000)
    return {
        "ce_type is missing": Wired(topic, None, b"", ()),
        "ce_type is missing, empty": Wired(topic, os.urandom(16), os.urandom(2_000), ()),
        "a header is not UTF-8": Wired(topic, key, value, _with(headers, "ce_type", b"\xff\xfe\x80")),
        "ce_specversion": Wired(topic, key, value, _with(headers, "ce_specversion", b"9.9")),
        "not the name of an event type": Wired(topic, key, value, _with(headers, "ce_type", b"DROP TABLE requests")),
        "does not belong to the owner": Wired(topic, key, value, _with(headers, "ce_type", foreign.encode())),
        "the body is empty": Wired(topic, key, None, headers),
        "the body is not a": Wired(topic, key, value, headers),
        "the body is not a ": Wired(topic, key, b"[[[[" * 1_000, headers),
        "the body is not a  ": Wired(topic, None, value, huge),
        "the body is larger than": Wired(topic, key, os.urandom(ALMOST_ALL), headers),
    }


def newer_for(topic: str) -> Wired:
    """A type of a later day than this code: nothing to be alarmed about, and nothing to do."""
    good = sample(TYPE_ON[topic])
    headers = tuple((name, text.encode()) for name, text in good["headers"].items())
    later = f"{topic.split('.', maxsplit=1)[0]}.something.invented.v7"
    return Wired(topic, good["key"].encode(), b"{}", _with(headers, "ce_type", later.encode()))


@pytest.fixture
async def lying(place: Place) -> list[tuple[str, Wired]]:
    """The rubbish of every topic, each record with why it can't be read, as it lies on its topic now."""
    thrown = [(why, record) for topic in TOPICS for why, record in rubbish_for(topic.name).items()]
    written = await write(place.house, [record for _, record in thrown])
    by_topic = {record.topic: [one for one in written if one.topic == record.topic] for record in written}
    assert len(written) == len(thrown)
    await write(place.house, [newer_for(topic.name) for topic in TOPICS])
    return [
        (why, by_topic[topic.name][number]) for topic in TOPICS for number, why in enumerate(rubbish_for(topic.name))
    ]


async def test_rubbish_on_every_topic_is_set_aside_once_by_each_reader_and_stops_nobody(
    place: Place, lying: list[tuple[str, Wired]]
) -> None:
    since = clock.seconds()
    await until_heard(place.house)
    for topic in TOPICS:
        for service in topic.readers:
            rows = place.documents[service]["aside"].find({"topic": topic.name})
            kept = {(row["partition"], row["offset"]): row async for row in rows}
            opens = (service, topic.name) not in OPENS_NOTHING
            for why, record in lying:
                if record.topic == topic.name and (opens or "body" not in why):
                    row = kept.get((record.partition, record.offset))
                    assert row, f"{service} has not set aside: {why} on {topic.name}"
                    assert why.strip() in row["reason"], f"{service} says {row['reason']} of {why} on {topic.name}"
                    assert row["state"] == "waiting"
    assert clock.seconds() - since < 60
    await _newer_is_passed_over(place)
    await _dismiss_what_may_be_revocations(place)
    case = await place.ask()
    await place.sign(case)
    await place.finish(case)
    await place.judge(case)


async def _dismiss_what_may_be_revocations(place: Place) -> None:
    """As an operator: delivery discloses nothing while records of consent's lie aside of which nobody knows whose they are."""
    waiting = {"topic": "consent.requests", "state": "waiting"}
    for row in [row async for row in place.documents["delivery"]["aside"].find(waiting)]:
        words = ["aside", "dismiss", row["_id"], "--because", "rubbish", "--folder", str(place.house.folder)]
        said = await asyncio.to_thread(CliRunner().invoke, app, words)
        assert said.exit_code == 0, said.output


async def _newer_is_passed_over(place: Place) -> None:
    for service in {reader for topic in TOPICS for reader in topic.readers}:
        assert not await place.documents[service]["aside"].find_one({"type": {"$regex": "invented"}})


def _with(headers: Headers, name: str, value: bytes) -> Headers:
    return (*(pair for pair in headers if pair[0] != name), (name, value))
