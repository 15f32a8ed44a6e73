"""Faults on the topics themselves: records come again, late and in another order; nonsense comes; forged approvals come.

All of it with the credentials of the topics' own relays, as if those were stolen. What must not count is noted as injected.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from joserfc.jwk import OKPKey
from pymongo import AsyncMongoClient

from contracts import grant as grants
from contracts.envelope import Unreadable
from contracts.grant import Grant
from contracts.topics import BY_NAME, TOPICS
from deploy.local.house import House
from services.chassis import ids
from tests.chaos.checker import unpadded
from tests.chaos.history import Injected, Pen
from tests.faults.wire import Wired, access, write

RECENT = 120
"""Records of a partition that are looked at from its end."""
REPEATED = 60
APPROVED, OPENED, RELEASED = (
    "consent.request.approved.v1",
    "consent.request.opened.v1",
    "records.transcript.released.v1",
)


async def repeat(house: House, draw: int) -> None:
    """Some of the newest records of every topic once more, in any order."""
    rng = _drawn(draw)
    found = [one for topic in TOPICS for one in await recent(house, topic.name) if is_event(one)]
    again = rng.sample(found, min(REPEATED, len(found)))
    await write(house, again)


async def garbage(house: House, pen: Pen, draw: int) -> None:
    """Bytes that no service ever wrote, with and without the headers of an event."""
    rng = _drawn(draw)
    records = []
    for topic in TOPICS:
        headers = (("ce_specversion", b"1.0"), ("ce_type", f"{topic.owner}.thing.done.v1".encode()), ("ce_id", b"\xff"))
        value = rng.choice([b"", rng.randbytes(200), b'{"version": 1', b"null", b'{"version": []}'])
        records.append(Wired(topic.name, rng.choice([None, b"key"]), value, rng.choice([(), headers])))
    for one in await write(house, records):
        pen.note(Injected(id=place_of(one), how="garbage"))


async def dismiss(documents: AsyncMongoClient[dict[str, Any]]) -> int:
    """As an operator who was paged: nonsense on consent's topic is no revocation. How much of it delivery had set aside.

    Until somebody says so, delivery discloses nothing.
    """
    rows, dismissed = documents["delivery"]["aside"], 0
    async for row in rows.find({"topic": "consent.requests", "state": {"$ne": "done"}}):
        headers = tuple((name, bytes(value)) for name, value in row["headers"])
        if not is_event(Wired(row["topic"], row["key"], row["value"], headers)):
            await rows.update_one({"_id": row["_id"]}, {"$set": {"state": "done", "dismissed": "nonsense"}})
            dismissed += 1
    return dismissed


async def forge(house: House, pen: Pen, draw: int) -> None:
    """Approvals that consent never signed, for requests that are open; and a release under another's grant."""
    rng = _drawn(draw)
    there = await recent(house, "consent.requests")
    approved = [one for one in there if one.kind == APPROVED]
    opened = [one for one in there if one.kind == OPENED]
    released = [one for one in await recent(house, "records.releases") if one.kind == RELEASED]
    if not approved or not opened:
        return
    forged = [_approval(rng.choice(approved), one) for one in rng.sample(opened, min(5, len(opened)))]
    if len(released) > 1:
        one, other = rng.sample(released, 2)
        forged.append(_under(one, {"grant": json.loads(other.value or b"{}")["grant"]}))
    for record in forged:
        # Noted first: once it lies there, it must be known for what it is, whatever becomes of this process.
        pen.note(Injected(id=_header(record, "ce_id"), how="forged"))
    await write(house, forged)


def _approval(of: Wired, request: Wired) -> Wired:
    """The approval of one request, made to speak of another, and signed by somebody else."""
    body, about = json.loads(of.value or b"{}"), json.loads(request.value or b"{}")
    claims = json.loads(_payload(body["grant"]))
    mine = {name: about[name] for name in ("request_id", "school_id", "recipient_id")} | {"sub": about["student_id"]}
    mine |= {"jti": ids.new("grt")}
    stranger = OKPKey.generate_key("Ed25519", private=True, auto_kid=True)
    body |= {name: about[name] for name in ("request_id", "school_id", "student_id", "recipient_id")}
    body["grant"] = grants.sign(Grant.model_validate({**claims, **mine}), stranger)
    return _rewritten(of, body, key=about["request_id"])


def _under(release: Wired, changes: dict[str, str]) -> Wired:
    body = {**json.loads(release.value or b"{}"), **changes, "release_id": ids.new("rel")}
    return _rewritten(release, body, key=(release.key or b"").decode())


def _rewritten(record: Wired, body: dict[str, object], *, key: str) -> Wired:
    swapped = {"ce_id": ids.new("evt").encode(), "ce_subject": key.encode()}
    headers = tuple((name, swapped.get(name, value)) for name, value in record.headers)
    return replace(record, key=key.encode(), value=json.dumps(body).encode(), headers=headers, partition=None)


def _payload(token: str) -> bytes:
    return unpadded(token.split(".")[1])


def _header(record: Wired, name: str) -> str:
    return next((value.decode(errors="replace") for one, value in record.headers if one == name), "")


def is_event(record: Wired) -> bool:
    """Whether a service may have written it."""
    try:
        return record.message() is not None
    except Unreadable:
        return False


def id_of(record: Wired) -> str:
    """By which a record is known: its event's id, or its place when it is no event."""
    return _header(record, "ce_id") if is_event(record) else place_of(record)


def place_of(record: Wired) -> str:
    return f"{record.topic}:{record.partition}:{record.offset}"


async def recent(house: House, topic: str) -> Sequence[Wired]:
    """The newest records of a topic."""
    places = [TopicPartition(topic, number) for number in range(BY_NAME[topic].partitions)]
    reader = AIOKafkaConsumer(**access(house, "admin").client_settings(), enable_auto_commit=False)
    await reader.start()
    found: list[Wired] = []
    try:
        ends = await reader.end_offsets(places)
        reader.assign(places)
        for place in places:
            reader.seek(place, max(0, ends[place] - RECENT))
        while any([await reader.position(place) < ends[place] for place in places]):
            for records in (await reader.getmany(timeout_ms=500)).values():
                found += [
                    Wired(one.topic, one.key, one.value, tuple(one.headers), one.partition, one.offset)
                    for one in records
                ]
    finally:
        await reader.stop()
    return found


def _drawn(draw: int) -> random.Random:
    return random.Random(draw)
