"""Broken on purpose, one thing at a time, in a real house: the doctor says which, in a sentence that helps."""

import asyncio
import json
import shutil
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from joserfc.jwk import OKPKey
from pymongo import AsyncMongoClient
from typer.testing import CliRunner

from contracts.topics import SERVICES
from deploy.cli import doctor as command
from deploy.cli import machine
from deploy.cli.__main__ import app
from deploy.cli.checks import Mark
from deploy.cli.doctor import examine
from deploy.cli.ground import EPOCH
from deploy.local import fetch
from deploy.local.house import House
from deploy.local.kafka import client_settings
from deploy.local.tls import write_certificate
from services.chassis import clock
from tests.deploy.local.conftest import dummy_house
from tests.deploy.local.wire import KafkaUser
from tests.support.explain import UNWANTED, stages

pytestmark = [
    pytest.mark.connected,
    pytest.mark.fault,
    # The driver leaves a socket open when its server is killed in the middle of a greeting.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
SOON = timedelta(hours=1)


@pytest.fixture(scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """Five dummies on a real ground; what their workers and relays would leave in the database is written for them."""
    made = dummy_house(tmp_path_factory.mktemp("doctor"))
    await made.start()
    async with root(made) as client:
        for service in SERVICES:
            await client[service]["outbox"].insert_one({"_id": "lease", "token": "t", "until": clock.now() + SOON})
    yield made
    await made.stop()


@pytest.fixture(autouse=True)
def locked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions are the lock's business; here only what a test breaks is broken."""
    monkeypatch.setattr(machine, "locked_packages", lambda _: iter(()))


def root(house: House) -> AsyncMongoClient[dict[str, Any]]:
    return AsyncMongoClient(house.mongo.root_uri, tz_aware=True)


async def remove(house: House, topic: str) -> None:
    admin = AdminClient(client_settings(house.kafka.bootstrap, house.kafka.cafile, house.kafka.admin))
    await asyncio.to_thread(admin.delete_topics([topic])[topic].result, 10)
    await asyncio.sleep(0.5)  # until the broker's answers leave it out


async def broken(house: House) -> list[str]:
    """What the doctor says is broken, a line each."""
    return [
        f"{line.what}: {line.said}"
        for _, lines in await examine(house.folder)
        for line in lines
        if line.mark is Mark.BROKEN
    ]


async def test_in_a_good_house_nothing_is_broken(house: House):
    assert await broken(house) == []
    said = [line for _, lines in await examine(house.folder) for line in lines]
    assert {line.what for line in said if line.mark is Mark.UNASKED} == {"packages"}


async def test_mongodb_with_a_certificate_of_another_authority(house: House, tmp_path: Path):
    path = house.folder / "mongo" / "ca.pem"
    kept = path.read_bytes()
    path.write_bytes(write_certificate(tmp_path)[1].read_bytes())
    try:
        (only,) = await broken(house)
    finally:
        path.write_bytes(kept)
    assert "answers, but its certificate is not signed by an authority that this machine trusts" in only


async def test_wrong_kafka_password(house: House):
    path = house.folder / "credentials.json"
    kept = path.read_text()
    path.write_text(json.dumps(json.loads(kept) | {"kafka": {"operator": "wrong"}}))
    try:
        (only,) = await broken(house)
    finally:
        path.write_text(kept)
    assert "answers but does not let 'operator' in: the user or its password is wrong" in only


async def test_wrong_mongodb_password(house: House):
    path = house.folder / "credentials.json"
    kept = path.read_text()
    path.write_text(json.dumps(json.loads(kept) | {"mongodb": {"operator": "wrong"}}))
    try:
        (only,) = await broken(house)
    finally:
        path.write_text(kept)
    assert "answers but does not let the operator in" in only


async def test_kafka_down_and_then_another_on_its_port_with_an_expired_certificate(house: House, tmp_path: Path):
    await house.own_kafka.kill()
    try:
        down = await broken(house)
        with impostor(int(house.kafka.bootstrap.rpartition(":")[2]), tmp_path):
            expired = await broken(house)
    finally:
        await house.own_kafka.start()
    assert any(line.startswith("Kafka: Kafka is down: nobody answers at 127.0.0.1:") for line in down)
    assert any(line.startswith("certificate: Kafka's expired on 2025-02-01: renew it") for line in expired)
    assert any("is taken by process" in line for line in expired)


async def test_mongod_down(house: House):
    await house.own_mongo.kill()
    try:
        said = await broken(house)
    finally:
        await house.own_mongo.start()
    assert any(line.startswith("MongoDB: MongoDB is down: nobody answers at 127.0.0.1:") for line in said)
    assert any("(mongod): see the logs" in line for line in said)


async def test_missing_topic(house: House):
    await remove(house, "records.releases")
    try:
        said = await broken(house)
    finally:
        await house._authorize()
    assert any("topics: records.releases is missing: `placet up` makes" in line for line in said)


async def test_readers_that_do_not_go_on(house: House):
    relay = KafkaUser(house.kafka, house.credentials.kafka_login("delivery-relay"))
    assert await relay.write("delivery.deliveries", b"x") is None
    try:
        said = await broken(house)  # dummies read nothing
    finally:
        await remove(house, "delivery.deliveries")
        await house._authorize()
    assert said == [
        f"lag: {reader} has 1 unread and does not go on: see its log, restart its worker"
        for reader in ("consent", "records", "notify")
    ]


async def test_topic_that_was_lost_and_made_anew(house: House):
    """What was sent is gone with it, lag is none, and only the outbox knows; said again, all is well."""
    relay = KafkaUser(house.kafka, house.credentials.kafka_login("notify-relay"))
    ages_ago = clock.now() - timedelta(hours=2)
    row = {"_id": "evt_lost", "sent": True, "barrier": False, "topic": "notify.messages", "order": 1, "at": ages_ago}
    async with root(house) as client:
        outbox = client["notify"]["outbox"]
        await outbox.insert_one({**row, "sent_at": clock.now()})
        assert await relay.write("notify.messages", b"x") is None
        assert await broken(house) == []
        await outbox.update_one({"_id": "evt_lost"}, {"$set": {"sent_at": ages_ago}})
        await remove(house, "notify.messages")
        await house._authorize()
        try:
            empty = await broken(house)
            assert await relay.write("notify.messages", b"something new") is None
            anew = await broken(house)
            # As `placet relay replay` and the relay do it: the row goes again, and says when.
            assert await relay.write("notify.messages", b"x") is None
            await outbox.update_one({"_id": "evt_lost"}, {"$set": {"sent_at": clock.now()}})
            again = await broken(house)
        finally:
            await outbox.delete_one({"_id": "evt_lost"})
    assert [line.partition(",")[0] for line in empty] == ["news: notify.messages is empty"]
    (only,) = anew
    assert only.startswith("news: notify.messages begins on ") and "replay --service notify --hours 168" in only
    assert again == []


async def test_the_first_kept_row_of_a_topic_is_found_by_the_index_by_which_rows_are_dropped(house: House):
    asked = {"sent_at": {"$gt": EPOCH}, "sent": True, "barrier": False, "topic": "consent.requests"}
    async with root(house) as client:
        plan = await client["consent"].command(
            "explain", {"find": "outbox", "filter": asked, "sort": {"sent_at": 1}, "limit": 1}, verbosity="queryPlanner"
        )
    assert stages(plan) and not UNWANTED & stages(plan)
    assert "'indexName': 'sent_at_1'" in str(plan["queryPlanner"]["winningPlan"])


async def test_private_key_that_others_can_read(house: House):
    path = house.folder / "keys" / "consent" / "consent.private.jwks.json"
    path.chmod(0o644)
    try:
        assert await broken(house) == [f"secrets: {path} has mode 0644, others can read it: chmod 600 {path}"]
    finally:
        path.chmod(0o600)


async def test_public_key_of_another_pair(house: House):
    path = house.folder / "keys" / "consent.public.jwks.json"
    kept = path.read_bytes()
    path.write_text(json.dumps({"keys": [OKPKey.generate_key("Ed25519").as_dict(private=False)]}))
    try:
        (only, *copies) = await broken(house)
    finally:
        path.write_bytes(kept)
    assert f"{path} is not the public half of consent.private.jwks.json" in only
    assert all("differs from" in line for line in copies)


async def test_key_file_that_is_no_jwks(house: House):
    path = house.folder / "keys" / "delivery.private.jwks.json"
    kept = path.read_bytes()
    path.write_bytes(b"{")
    try:
        (only,) = await broken(house)
    finally:
        path.write_bytes(kept)
    assert "delivery.private.jwks.json can't be read as a JWKS" in only


async def test_missing_and_changed_jar(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    jars = fetch.cache_folder() / "kafka-jars"
    copy = tmp_path / "kafka-jars"
    shutil.copytree(jars, copy)
    first, second = (jar.file for jar in fetch.pinned()[:2])
    (copy / first).unlink()
    monkeypatch.setenv("PLACET_CACHE", str(tmp_path))
    assert await broken(house) == [
        f"Kafka's jars: {first} is missing in {copy}: `placet up` fetches it, with a network"
    ]
    (copy / second).write_bytes(b"not a jar")
    assert await broken(house) == [
        f"Kafka's jars: {second} in {copy} is not the pinned one: remove it and find out who changed it"
    ]


async def test_something_set_aside(house: House):
    async with root(house) as client:
        aside = client["records"]["aside"]
        await aside.insert_one({"_id": "consent.requests:0:1", "state": "waiting", "at": clock.now()})
        try:
            assert await broken(house) == [
                "set aside: 1 at records: `placet aside list` says why, `placet aside replay` tries again"
            ]
        finally:
            await aside.delete_many({})


async def test_outbox_that_does_not_empty(house: House):
    async with root(house) as client:
        outbox = client["consent"]["outbox"]
        row = {"_id": "evt_1", "sent": False, "barrier": False, "order": 1, "at": clock.now() - timedelta(seconds=90)}
        await outbox.insert_one(row)
        try:
            (only,) = await broken(house)
        finally:
            await outbox.delete_one({"_id": "evt_1"})
    assert only.startswith("outboxes: consent's oldest row waits for 9")


async def test_lease_that_nobody_holds(house: House):
    async with root(house) as client:
        outbox = client["notify"]["outbox"]
        await outbox.update_one({"_id": "lease"}, {"$set": {"until": clock.now() - timedelta(seconds=1)}})
        try:
            (only,) = await broken(house)
        finally:
            await outbox.update_one({"_id": "lease"}, {"$set": {"until": clock.now() + SOON}})
    assert only.startswith("relays: nobody holds the lease of notify's relay")


async def test_service_down_and_its_port_taken_by_another(house: House):
    await house.kill_service("consent")
    try:
        down = await broken(house)
        with socket.socket() as squatter:
            squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            squatter.bind(("127.0.0.1", house.seats["consent"].port))
            squatter.listen()
            taken = await broken(house)
    finally:
        await house.start_service("consent")
    assert any(line.startswith("services: consent is not ready: nobody answers at") for line in down)
    assert any(f"({'consent'}) is taken by process" in line for line in taken)


async def test_vault_that_is_gone(house: House):
    vault = house.folder / "vault"
    vault.rename(vault.with_name("moved"))
    try:
        (only,) = await broken(house)
    finally:
        vault.with_name("moved").rename(vault)
    assert only.startswith(f"vault: nothing can be laid into the vault {vault}")


async def test_mail_and_front_door_down(house: House):
    assert house._smtp is not None
    await house._smtp.kill()
    await house._front.kill()
    try:
        said = await broken(house)
    finally:
        await house._start_smtp()
        await house._start_front()
    assert any(line.startswith("mail: no mail server answers at 127.0.0.1:") for line in said)
    assert any(line.startswith("front door: nobody answers at the front door http://localhost:") for line in said)


async def test_the_command_prints_one_line_a_check_and_fails_when_anything_is_broken(house: House):
    def run() -> tuple[int, str]:
        result = CliRunner().invoke(app, ["doctor", "--folder", str(house.folder)])
        return result.exit_code, result.output

    code, said = await asyncio.to_thread(run)
    assert (code, "Nothing is broken." in said) == (0, True)
    path = house.folder / "keys" / "operator.token"
    path.write_text("x")
    path.chmod(0o604)
    code, said = await asyncio.to_thread(run)
    path.unlink()
    assert (code, "1 thing is broken." in said) == (1, True)


async def test_a_folder_without_a_house_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("MONGODB_URI", raising=False)
    sections = await command.examine(tmp_path / "nothing")
    assert [line.mark for _, lines in sections for line in lines if line.mark is Mark.BROKEN] == []
    assert sections[-1][0] == "on the wire"


@contextmanager
def impostor(port: int, folder: Path) -> Iterator[None]:
    """Accepts TLS on a port with a certificate that ended long ago."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2025, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2025, 2, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "expired.pem").write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "expired.pem")
    with socket.create_server(("127.0.0.1", port)) as server:
        threading.Thread(target=_greet, args=(server, context), daemon=True).start()
        yield
        server.shutdown(socket.SHUT_RDWR)


def _greet(server: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        try:
            plain, _ = server.accept()
        except OSError:
            return
        try:
            with context.wrap_socket(plain, server_side=True) as wrapped:
                wrapped.recv(1)
        except OSError:
            plain.close()
