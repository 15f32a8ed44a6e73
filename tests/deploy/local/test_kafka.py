import pytest

from deploy.local import kafka as kafka_module
from deploy.local.fetch import kafka_jars
from deploy.local.java import find_java
from deploy.local.kafka import Kafka, Login
from deploy.local.process import NotStarted
from services.chassis import clock
from tests.deploy.local.wire import KafkaUser


def test_a_password_shows_in_no_repr():
    assert "secret" not in repr(Login("admin", "secret"))


def test_a_quorum_of_three_is_a_matter_of_parameters(tmp_path, monkeypatch):
    monkeypatch.setattr(kafka_module, "free_port", iter((20_001, 20_002)).__next__)
    node = Kafka(tmp_path, node_id=2, voters={1: 21_001, 2: 21_002, 3: 21_003})
    node._settle_ports()
    properties = node._properties()
    assert "controller.quorum.voters=1@127.0.0.1:21001,2@127.0.0.1:21002,3@127.0.0.1:21003\n" in properties
    assert "CONTROLLER://127.0.0.1:21002" in properties
    assert "node.id=2\n" in properties
    assert "default.replication.factor=3\n" in properties
    assert "min.insync.replicas=2\n" in properties


def test_java_is_new_enough():
    assert find_java().major >= 17


def test_without_java_the_error_says_what_to_do(monkeypatch):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr("deploy.local.java.find_spec", lambda _: None)
    with pytest.raises(NotStarted, match="JAVA_HOME is not set"):
        find_java()


@pytest.mark.connected
async def test_a_start_that_fails_tells_the_reason_from_the_log(tmp_path, monkeypatch):
    monkeypatch.setitem(kafka_module._SECURITY, "authorizer.class.name", "org.example.NoSuchAuthorizer")
    with pytest.raises(NotStarted, match="NoSuchAuthorizer") as told:
        await Kafka(tmp_path / "kafka").start()
    assert "kafka.log" in str(told.value) or "formatted" in str(told.value)
    assert not list(tmp_path.rglob("*.pid"))


@pytest.mark.connected
async def test_a_node_killed_with_9_goes_on_with_its_data_on_the_same_port(tmp_path, capsys):
    kafka_jars()
    node = Kafka(tmp_path / "kafka")
    await node.start()
    try:
        before = node.bootstrap
        admin = KafkaUser(node, node.admin)
        await admin.make_topic("kept")
        assert await admin.write("kept", b"survives") is None
        await node.kill()
        started = clock.seconds()
        await node.start()
        took = clock.seconds() - started
        assert node.bootstrap == before
        assert await KafkaUser(node, node.admin).read("kept", "any-group") == b"survives"
    finally:
        await node.stop()
    with capsys.disabled():
        print(f"\nKafka after kill -9: ready in {took:.1f} s")
