import asyncio
import os
import signal
import stat
import sys

import aiohttp
import pytest

from contracts.topics import SERVICES
from deploy.local.house import House, take_down
from deploy.local.kafka import Kafka
from deploy.local.mongo import Mongo
from deploy.local.process import NotStarted, is_alive, started_at
from deploy.local.supervisor import supervise
from services.chassis import clock
from tests.deploy.local.conftest import COLLECTIONS, dummy, dummy_house
from tests.deploy.local.wire import KafkaUser

pytestmark = pytest.mark.connected


async def told(url):
    async with aiohttp.ClientSession() as client, client.get(url) as answer:
        return await answer.json()


@pytest.fixture(scope="module")
async def house(tmp_path_factory):
    made = dummy_house(tmp_path_factory.mktemp("house"))
    await made.start()
    yield made
    await made.stop()


async def test_every_service_is_reached_through_the_one_door(house):
    for service in SERVICES:
        answer = await told(f"{house.public_url}/{service}/health")
        assert (answer["service"], answer["role"]) == (service, "all")


async def test_a_service_holds_its_own_credentials_and_keys_only(house):
    env = (await told(f"{house.public_url}/notify/"))["env"]
    everybody_elses = {
        password for user, password in house.credentials.mongodb.items() if not user.startswith("notify-")
    }
    assert not [name for name, value in env.items() for password in everybody_elses if password in value]
    assert env["PLACET_KEYS_FOLDER"] == str(house.folder / "keys" / "notify")
    assert env["PLACET_PUBLIC_URL"] == house.public_url


async def test_what_holds_secrets_is_private(house):
    assert stat.S_IMODE((house.folder / "credentials.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((house.folder / "kafka" / "server.properties").stat().st_mode) == 0o600


async def test_two_houses_side_by_side_never_meet(house, ground):
    assert not set(house.addresses().values()) & set(ground.addresses().values())
    stranger = KafkaUser(ground.kafka, house.credentials.kafka_login("consent-relay"))
    assert await stranger.write("consent.requests", b"x") is not None


async def test_a_crashed_service_comes_back_by_itself(house):
    ended, said = asyncio.Event(), list[str]()
    watching = asyncio.create_task(supervise(house, ended, say=said.append))
    victim = house.service_process("consent").pid
    os.kill(victim, signal.SIGKILL)
    for _ in range(100):
        await asyncio.sleep(0.1)
        if house.service_process("consent").pid not in {victim, None}:
            break
    ended.set()
    await watching
    await house._until_ready("consent")
    assert house.service_process("consent").pid != victim
    assert any("consent" in line for line in said)


async def test_a_house_that_is_up_is_not_started_twice(house):
    (house.folder / "house.pid").write_text(f"1 {started_at(1)}\n")
    with pytest.raises(NotStarted, match="already up"):
        await House(house.folder).start()


async def test_a_service_that_fails_is_one_error_and_nothing_is_left(tmp_path):
    broken = dummy_house(tmp_path / "broken", services=("consent",), extra={"consent": {"DUMMY_FAILS": "1"}})
    with pytest.raises(NotStarted, match=r"consent did not start(.|\n)*told to fail"):
        await broken.start()
    assert not list((tmp_path / "broken").rglob("*.pid"))


async def test_a_killed_house_is_taken_down_without_remains_and_starts_again_on_its_data(tmp_path, capsys):
    folder = tmp_path / "killed"
    script = (
        "import asyncio, pathlib; from tests.deploy.local.conftest import dummy_house\n"
        f"async def run():\n house = dummy_house(pathlib.Path({str(folder)!r}))\n"
        " await house.start()\n print('up', flush=True)\n await asyncio.sleep(600)\n"
        "asyncio.run(run())"
    )
    other = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE)
    assert other.stdout is not None
    assert await asyncio.wait_for(other.stdout.readline(), 60) == b"up\n"
    pids = [int(path.read_text().split()[0]) for path in folder.rglob("*.pid")]
    assert len(pids) == 1 + 2 + 2 + len(SERVICES)
    other.kill()
    await other.wait()
    await take_down(folder)
    assert not [pid for pid in pids if started_at(pid)]
    assert not list(folder.rglob("*.pid"))

    again = dummy_house(folder)
    started = clock.seconds()
    await again.start()
    took = clock.seconds() - started
    try:
        assert (await told(f"{again.public_url}/records/"))["service"] == "records"
    finally:
        await again.stop()
    assert not is_alive(folder / "house.pid")
    with capsys.disabled():
        print(f"\na house of dummies, warm: ready in {took:.1f} s")


async def test_roles_run_as_processes_of_their_own(tmp_path):
    house = House(
        tmp_path / "roles",
        services=("consent",),
        roles=("api", "worker", "relay"),
        command=dummy,
        collections=COLLECTIONS,
    )
    await house.start()
    try:
        assert (await told(f"{house.public_url}/consent/"))["role"] == "api"
        relay = await told(house.addresses()["consent-relay"] + "/")
        assert "PLACET_MONGODB_API_URI" not in relay["env"]
    finally:
        await house.stop()


async def test_another_kafka_and_another_mongodb_are_used_when_the_environment_names_them(tmp_path, monkeypatch):
    kafka, mongo = Kafka(tmp_path / "theirs" / "kafka"), Mongo(tmp_path / "theirs" / "mongo")
    await asyncio.gather(kafka.start(), mongo.start())
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap)
    monkeypatch.setenv("PLACET_KAFKA_CAFILE", str(kafka.cafile))
    monkeypatch.setenv("PLACET_KAFKA_ADMIN_USER", kafka.admin.user)
    monkeypatch.setenv("PLACET_KAFKA_ADMIN_PASSWORD", kafka.admin.password)
    monkeypatch.setenv("MONGODB_URI", mongo.root_uri)
    monkeypatch.setenv("SMTP_URL", "smtp://127.0.0.1:1")
    house = dummy_house(tmp_path / "ours", services=("consent",))
    try:
        await house.start()
        env = (await told(f"{house.public_url}/consent/"))["env"]
        assert env["KAFKA_BOOTSTRAP_SERVERS"] == kafka.bootstrap
        assert env["SMTP_URL"] == "smtp://127.0.0.1:1"
        assert f"127.0.0.1:{mongo.port}/" in env["PLACET_MONGODB_API_URI"]
        relay = KafkaUser(house.kafka, house.credentials.kafka_login("consent-relay"))
        assert await relay.write("consent.requests", b"x") is None
        with pytest.raises(NotStarted, match="none of its own"):
            _ = house.own_kafka
    finally:
        await house.stop()
        assert kafka.pid is not None
        await asyncio.gather(kafka.stop(), mongo.stop())
