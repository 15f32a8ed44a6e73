"""Readers of a recipient: let in by the operator, signed in with their own token, and out again when they are ended."""

import json
from dataclasses import dataclass

import pytest

from deploy.demo import acts
from tests.support.house import ALDER, Family, Json, Person, World, refused, until
from tests.support.receiver import Receiver
from tests.support.search import found_in
from tests.support.town import Words

pytestmark = pytest.mark.connected


@dataclass
class Arrived:
    """What lies open for a recipient whose program does nothing."""

    family: Family
    request_id: str
    path: str
    notice: Json


def at(recipient: Receiver) -> str:
    return f"/identity/organizations/{recipient.organization_id}/readers"


async def let_in(world: World, recipient: Receiver, name: str, email: str) -> Person:
    """Invited by the operator, signed in with the token that the invitation made."""
    made = await world.operator.post(at(recipient), {"name": name, "email": email})
    token = made["way_in"]["token"]
    reader = Person(world.web, world.house.public_url, name, person_id=made["person_id"], way_in=token)
    await reader.come_in(reader.person_id, token)
    return reader


async def released(world: World, recipient: Receiver) -> Arrived:
    recipient.mood = "idle"
    family = await world.family(ALDER)
    request = await world.ask(family, recipient)
    await acts.sign(family.signer, request["request_id"])
    await world.until_stage(family, request["request_id"], "available")
    delivery = await recipient.delivery_of(request["request_id"])
    assert delivery is not None
    notice = {"redisclosure_notice": delivery["redisclosure_notice"]["version"]}
    return Arrived(family, request["request_id"], f"/delivery/deliveries/{delivery['delivery_id']}", notice)


async def shown(reader: Person) -> list[str]:
    return [f"/delivery/deliveries/{one['delivery_id']}" for one in await reader.get("/delivery/deliveries")]


async def test_p9_a_reader_sees_what_was_sent_to_their_recipient_and_opening_it_is_in_the_ledger(
    world: World, college: Receiver
) -> None:
    fernhill = await world.recruit("Fernhill College")
    arrived = await released(world, fernhill)
    reader = await let_in(world, fernhill, "Philippa Quarrington", "philippa.quarrington@fernhill.example.org")
    assert (await refused(reader.come_in(reader.person_id, reader.way_in))).status == 401, "the way in leads in once"
    assert await shown(reader) == [arrived.path]
    assert (await refused(reader.get(f"{arrived.path}/content"))).status == 409, "not before it is opened"
    await reader.post(f"{arrived.path}/open", arrived.notice)
    assert (await reader.get(f"{arrived.path}/content/transcript.pdf")).startswith(b"%PDF")
    await world.until_stage(arrived.family, arrived.request_id, "delivered")
    raw = await arrived.family.signer.get(f"/delivery/ledger?student_id={arrived.family.student.person_id}")
    rows = [json.loads(line) for line in raw.splitlines()] if isinstance(raw, bytes) else [raw]
    assert [row["opened_by"] for row in rows] == [reader.person_id]

    strange = await college.delivery_of((await world.release(await world.family(), college))["request_id"])
    assert strange is not None
    theirs = f"/delivery/deliveries/{strange['delivery_id']}"
    for call in (reader.get(theirs), reader.get(f"{theirs}/content"), reader.post(f"{theirs}/open", arrived.notice)):
        assert (await refused(call)).status == 404
    for path in ("/consent/requests", "/records/transcripts"):
        assert await reader.get(path) == [], path
    assert (await refused(reader.get(at(fernhill)))).status == 403, "nor who else reads"
    words = (b"Philippa", b"Quarrington", reader.way_in.encode())
    assert await found_in(world, Words(exact=words)) == []


async def test_a_reader_whose_account_ended_sees_nothing_more_also_with_a_session_from_before(world: World) -> None:
    fernhill = await world.recruit("Fernley College")
    arrived = await released(world, fernhill)
    reader = await let_in(world, fernhill, "Otis Marchetti", "otis.marchetti@fernley.example.org")
    await reader.post(f"{arrived.path}/open", arrived.notice)
    await world.operator.call("DELETE", f"{at(fernhill)}/{reader.person_id}")
    await until(lambda: nothing_for(reader), "delivery to hear that the account has ended")
    for path in (arrived.path, f"{arrived.path}/content", f"{arrived.path}/content/transcript.pdf"):
        assert (await refused(reader.get(path))).status == 404
    assert (await refused(world.operator.post(f"/identity/people/{reader.person_id}/tokens"))).status == 409
    again = await let_in(world, fernhill, "Otis Marchetti", "otis.marchetti@fernley.example.org")
    assert again.person_id == reader.person_id
    await until(lambda: something_for(again), "delivery to hear of the new invitation")
    assert (await again.get(f"{arrived.path}/content/transcript.pdf")).startswith(b"%PDF")


async def test_a_suspended_recipients_readers_see_nothing_more_and_are_not_let_in(world: World) -> None:
    fernhill = await world.recruit("Fernside College")
    arrived = await released(world, fernhill)
    reader = await let_in(world, fernhill, "Ines Okafor-Reyes", "ines.okafor-reyes@fernside.example.org")
    token = (await world.operator.post(f"/identity/people/{reader.person_id}/tokens"))["token"]
    standing = f"/identity/organizations/{fernhill.organization_id}/standing"
    await world.operator.post(standing, {"standing": "suspended"})
    await until(lambda: nothing_for(reader), "delivery to hear that the recipient is suspended")
    assert (await refused(reader.post(f"{arrived.path}/open", arrived.notice))).status == 404
    assert (await refused(reader.come_in(reader.person_id, token))).status == 401
    other = {"name": "Somebody Else", "email": "somebody@fernside.example.org"}
    assert (await refused(world.operator.post(at(fernhill), other))).status == 409
    await world.operator.post(standing, {"standing": "verified"})
    await reader.come_in(reader.person_id, token)
    await until(lambda: something_for(reader), "delivery to hear that the recipient is verified again")


async def nothing_for(reader: Person) -> bool:
    return await shown(reader) == []


async def something_for(reader: Person) -> bool:
    return await shown(reader) != []
