"""A broker that is down, a wrong password and a wrong protocol raise one and the same error: here they are told apart."""

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.local.kafka import Kafka
from deploy.local.process import free_port
from deploy.local.tls import write_certificate
from services.chassis.kafka.access import Cause, KafkaAccess, Trouble, diagnose
from services.chassis.kafka.chatter import hush
from services.chassis.kafka.polling import build_broker
from tests.support.stage import access


async def trouble(asked: KafkaAccess) -> Trouble:
    found = await diagnose(asked)
    assert found is not None
    assert asked.password not in found.sentence
    return found


@pytest.mark.connected
async def test_a_broker_that_lets_us_in_is_no_trouble(authorized: Kafka) -> None:
    assert await diagnose(access(authorized, "consent-relay")) is None


@pytest.mark.connected
async def test_a_broker_that_is_down(authorized: Kafka) -> None:
    found = await trouble(replace(access(authorized), bootstrap=f"127.0.0.1:{free_port()}"))
    assert found.cause is Cause.DOWN
    assert "nobody answers" in found.sentence


@pytest.mark.connected
async def test_one_broker_of_several_that_is_down_keeps_nobody_from_the_others(authorized: Kafka) -> None:
    asked = access(authorized, "consent-relay")
    assert await diagnose(replace(asked, bootstrap=f"127.0.0.1:{free_port()}, {asked.bootstrap}")) is None


def test_every_client_is_told_each_broker_by_itself() -> None:
    asked = KafkaAccess("one:9093, two:9093,three:9093", "user", "password", security="SASL_PLAINTEXT")
    wanted = ["one:9093", "two:9093", "three:9093"]
    assert asked.client_settings()["bootstrap_servers"] == wanted
    assert build_broker(asked, client_id="test", drain_seconds=1).specification.url == wanted


async def test_an_address_without_a_port_is_told_as_a_setting() -> None:
    found = await trouble(KafkaAccess("one:9093,two", "user", "password"))
    assert found.cause is Cause.SETTINGS


@pytest.mark.connected
async def test_a_wrong_password(authorized: Kafka) -> None:
    found = await trouble(replace(access(authorized, "consent-relay"), password="not-the-password"))
    assert found.cause is Cause.LOGIN
    assert "'consent-relay'" in found.sentence


@pytest.mark.connected
async def test_an_authority_that_is_not_this_clusters(authorized: Kafka, tmp_path: Path) -> None:
    _, authority = write_certificate(tmp_path)
    found = await trouble(replace(access(authorized), cafile=authority))
    assert found.cause is Cause.PROTOCOL
    assert str(authority) in found.sentence


@pytest.mark.connected
async def test_a_listener_without_tls(authorized: Kafka) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        found = await trouble(replace(access(authorized), bootstrap=f"127.0.0.1:{port}"))
    assert found.cause is Cause.PROTOCOL
    assert "does not speak TLS" in found.sentence


async def test_an_address_without_a_port() -> None:
    found = await trouble(KafkaAccess("somewhere", "relay", "a-password"))
    assert found.cause is Cause.SETTINGS


def test_an_authority_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"missing\.pem"):
        KafkaAccess("host:1", "relay", "a-password", tmp_path / "missing.pem").client_settings()


def test_the_password_is_not_shown() -> None:
    assert "a-password" not in repr(KafkaAccess("host:1", "relay", "a-password"))


def test_the_client_says_the_same_thing_once(caplog: pytest.LogCaptureFixture) -> None:
    hush()
    talker = logging.getLogger("aiokafka.client")
    for number in range(5):
        talker.error("no way to node %d", number)
    talker.error("something else")
    assert [record.getMessage() for record in caplog.records] == ["no way to node 0", "something else"]
