"""`topics`, `relay`, `aside`, `follow` as an operator types them, in a house of two toy services that really talk."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from confluent_kafka.admin import AdminClient
from pymongo import AsyncMongoClient
from typer.testing import CliRunner

from contracts.envelope import Message, write_headers
from contracts.event import Event
from contracts.topics import SERVICES, TOPICS
from deploy.cli.__main__ import app
from deploy.cli.access import Access
from deploy.cli.printing import console
from deploy.local.environment import ServiceRole
from deploy.local.house import House
from deploy.local.kafka import client_settings
from services.chassis import clock
from services.chassis.store.aside import document, set_aside
from tests.deploy.local.wire import KafkaUser
from tests.support.stage import until
from tests.support.toys import BELLS, COUNTS, expired

pytestmark = pytest.mark.connected


class Toys:
    """The house, and its operator at a terminal of 100 columns."""

    def __init__(self, house: House) -> None:
        self.house = house

    async def type(self, *words: str, code: int = 0) -> str:
        """Run a command; what it printed, each line as shown."""
        folder = ("--folder", str(self.house.folder))
        result = await asyncio.to_thread(CliRunner().invoke, app, [*words, *folder])
        assert result.exit_code == code, result.output
        return result.output

    async def ask(self, service: str, path: str, *, method: str = "GET") -> Any:
        url = f"http://127.0.0.1:{self.house.seats[service].port}{path}"
        async with aiohttp.ClientSession() as client, client.request(method, url) as answer:
            return await answer.json()

    async def say(self, name: str) -> None:
        """Make an event and wait until it was heard."""
        await self.ask("consent", f"/toy/say/{name}/1", method="POST")

        async def heard() -> bool:
            count = await self.ask("delivery", f"/toy/count/{name}")
            return bool(count["versions"] == [1])

        await until(heard)

    async def emptied(self) -> None:
        """Wait until consent's relay has marked all as sent: that is after the readers have heard it."""

        async def marked() -> bool:
            async with self.root() as client:
                return await client["consent"]["outbox"].count_documents({"sent": False, "barrier": False}) == 0

        await until(marked)

    def root(self) -> AsyncMongoClient[dict[str, Any]]:
        return AsyncMongoClient(self.house.mongo.root_uri, tz_aware=True)


@pytest.fixture(scope="module")
async def toys(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Toys]:
    def command(service: str, role: ServiceRole) -> Sequence[str | Path]:
        return [sys.executable, "-m", "tests.support.toyservice", service, role]

    folder = tmp_path_factory.mktemp("commands")
    house = House(
        folder,
        services=("consent", "delivery"),
        command=command,
        collections=dict.fromkeys(SERVICES, (COUNTS.collection, BELLS.collection)),
        extra={"delivery": {"TOY_BELL_FILE": str(folder / "bell")}},
    )
    await house.start()
    yield Toys(house)
    await house.stop()


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "_width", 100)


async def test_topics_shows_each_with_its_writer_and_readers(toys: Toys):
    said = await toys.type("topics")
    lines = {line.split()[0]: line for line in said.splitlines()[1:]}
    assert set(lines) == {topic.name for topic in TOPICS}
    assert "delivery, notify, records" in lines["consent.requests"]
    assert "all others" in lines["identity.people"]
    assert all(line.rstrip().endswith("✓") for line in lines.values())


async def test_topics_fails_when_the_broker_lacks_one(toys: Toys):
    house = toys.house
    admin = AdminClient(client_settings(house.kafka.bootstrap, house.kafka.cafile, house.kafka.admin))
    await asyncio.to_thread(admin.delete_topics(["notify.messages"])["notify.messages"].result, 10)
    await asyncio.sleep(0.5)
    try:
        said = await toys.type("topics", code=1)
    finally:
        await house._authorize()
    assert "the broker has none" in said
    assert "1 topic differs from contracts/topics.py" in said


async def test_relay_status_shows_what_waits_and_who_holds_the_lease(toys: Toys):
    await toys.say("req_status")
    await toys.emptied()
    rows = {line.split()[0]: line.split() for line in (await toys.type("relay", "status")).splitlines()[1:]}
    assert set(rows) == set(SERVICES)
    assert rows["consent"][4] == "held"
    assert int(rows["consent"][3]) >= 1
    assert rows["notify"][1:] == ["0", "–", "0", "free"]


async def test_relay_status_fails_when_something_waits_too_long(toys: Toys):
    row = {"_id": "evt_old", "sent": False, "barrier": False, "order": 1, "at": clock.now() - timedelta(seconds=95)}
    async with toys.root() as client:
        await client["notify"]["outbox"].insert_one(row)
        try:
            said = await toys.type("relay", "status", code=1)
        finally:
            await client["notify"]["outbox"].delete_one({"_id": "evt_old"})
    assert "1        95" in next(line for line in said.splitlines() if line.startswith("notify"))


async def test_relay_replay_says_again_what_readers_have_heard_and_they_drop_it(toys: Toys):
    await toys.say("req_again")
    await toys.emptied()
    said = await toys.type("relay", "replay", "--service", "consent", "--hours", "1")
    assert int(said.split()[0]) >= 1

    await toys.emptied()
    await asyncio.sleep(0.5)
    assert (await toys.ask("delivery", "/toy/count/req_again"))["versions"] == [1]


async def test_relay_replay_of_a_service_that_is_none(toys: Toys):
    said = await toys.type("relay", "replay", "--service", "nobody", "--hours", "1", code=1)
    assert "there is no service 'nobody': it is one of identity, consent" in said


async def test_rubbish_is_listed_shown_and_comes_back_after_a_replay(toys: Toys):
    assert "Nothing is set aside." in await toys.type("aside", "list")
    relay = KafkaUser(toys.house.kafka, toys.house.credentials.kafka_login("consent-relay"))
    assert await relay.write("consent.requests", b"[red]\x1b[2Jnot JSON[/red]") is None

    async def listed() -> bool:
        async with toys.root() as client:
            return await client["delivery"]["aside"].count_documents({"state": "waiting"}) == 1

    await until(listed)
    said = await toys.type("aside", "list")
    line = next(line for line in said.splitlines() if line.startswith("delivery"))
    place = line.split()[1]
    assert place.startswith("consent.requests:")
    assert "unreadable" in line.split()
    assert "tried once" in line
    shown = await toys.type("aside", "show", place)
    assert "not JSON" not in shown  # a body may hold anything
    assert "23 bytes" in shown
    again = await toys.type("aside", "replay", place, code=1)
    assert "delivery set it aside again:" in again
    async with toys.root() as client:
        await client["delivery"]["aside"].delete_many({})


async def test_what_is_dismissed_needs_a_reason_and_is_kept_with_it(toys: Toys):
    row = set_aside("consent.requests", 0, 998, b"req_1", b"?", (), reason="unreadable", at=clock.now())
    async with toys.root() as client:
        for reader in ("records", "delivery"):
            await client[reader]["aside"].insert_one(document(row))
        place = "consent.requests:0:998"
        assert "say why with --because" in await toys.type("aside", "dismiss", place, "--because", " ", code=1)
        assert (
            await toys.type("aside", "dismiss", place, "--because", "a drill") == "Dismissed at records and delivery.\n"
        )
        assert "dismissed already" in await toys.type("aside", "dismiss", place, "--because", "again")
        assert "Nothing is set aside." in await toys.type("aside", "list")
        kept = await client["delivery"]["aside"].find_one({"_id": place})
        assert kept is not None
        assert (kept["state"], kept["dismissed"], kept["reason"]) == ("done", "a drill", "unreadable")
        assert "a drill" in await toys.type("aside", "show", place)
        for reader in ("records", "delivery"):
            await client[reader]["aside"].delete_many({})


async def test_a_record_that_can_be_read_by_now_is_handled_at_a_replay(toys: Toys):
    event = expired("req_mended")
    message: Message[Event] = Message("evt_mended", event, clock.now(), cause="cmd_mended")
    row = set_aside(
        "consent.requests",
        0,
        999,
        b"req_mended",
        event.dump(),
        write_headers(message),
        reason="[b]bug[/b]",
        at=clock.now(),
    )
    async with toys.root() as client:
        await client["delivery"]["aside"].insert_one(document(row))
    assert "[b]bug[/b]" in await toys.type("aside", "list")
    assert await toys.type("aside", "replay", "consent.requests:0:999") == "Handled by delivery.\n"
    assert (await toys.ask("delivery", "/toy/count/req_mended"))["versions"] == [1]
    assert await toys.type("aside", "replay", "consent.requests:0:999") == "It was handled already.\n"
    assert "Nothing is set aside." in await toys.type("aside", "list")
    assert "tried 2 times, done" in await toys.type("aside", "list", "--all")


async def test_an_aside_that_is_not_there(toys: Toys):
    for word in ("show", "replay"):
        assert "nothing is set aside under consent.requests:0:12345" in await toys.type(
            "aside", word, "consent.requests:0:12345", code=1
        )


async def test_follow_shows_the_events_about_an_id(toys: Toys):
    await toys.say("req_followed")
    await toys.emptied()
    said = await toys.type("follow", "req_followed")
    event = next(line for line in said.splitlines() if "consent.request.expired.v1" in line)
    assert {"consent", "req_followed", "✓"} <= set(event.split())


async def test_follow_of_something_nobody_spoke_of(toys: Toys):
    assert "nothing was said about req_unknown in the last seven days" in await toys.type(
        "follow", "req_unknown", code=1
    )


async def test_a_house_elsewhere_is_found_by_the_environment(
    toys: Toys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    access = Access.find(toys.house.folder)
    for name, value in {
        "MONGODB_URI": access.mongodb_uri,
        "KAFKA_BOOTSTRAP_SERVERS": access.bootstrap,
        "PLACET_KAFKA_CAFILE": str(access.cafile),
        "PLACET_OPERATOR_USER": access.user,
        "PLACET_OPERATOR_PASSWORD": access.password,
    }.items():
        monkeypatch.setenv(name, value)
    for words in (["topics"], ["relay", "status"], ["aside", "list"]):
        result = await asyncio.to_thread(CliRunner().invoke, app, [*words, "--folder", str(tmp_path)])
        assert result.exit_code == 0, result.output
    seen = await asyncio.to_thread(CliRunner().invoke, app, ["doctor", "--folder", str(tmp_path)])
    assert "answers, and lets the operator in" in seen.output
