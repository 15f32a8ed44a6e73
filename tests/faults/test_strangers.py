"""Who holds the credentials of another service, or of none, writes nothing: the broker says no."""

import asyncio
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, Producer

from contracts.topics import TOPICS
from deploy.local.kafka import client_settings
from deploy.local.principals import kafka_acls, kafka_users
from tests.faults.place import Place
from tests.faults.wire import RELAY_OF

pytestmark = [pytest.mark.connected, pytest.mark.fault]

STRANGERS = [(user, topic.name) for user, topic in product(kafka_users(), TOPICS) if RELAY_OF[topic.name] != user]


def test_each_topic_has_one_writer_and_it_is_its_owners_relay() -> None:
    writers = {(acl.principal, acl.name) for acl in kafka_acls() if acl.operation == "WRITE"}
    assert writers == {(user, topic) for topic, user in RELAY_OF.items()}


async def test_nobody_but_the_owners_relay_can_write_a_topic(place: Place) -> None:
    users = sorted({user for user, _ in STRANGERS})
    tried = await asyncio.gather(*(asyncio.to_thread(_try_all, place, user) for user in users))
    answers = {pair: code for found in tried for pair, code in found.items()}
    assert answers.keys() == set(STRANGERS)
    assert set(answers.values()) == {KafkaError.TOPIC_AUTHORIZATION_FAILED}


async def test_no_api_has_a_user_at_kafka(place: Place) -> None:
    assert not [user for user in place.house.credentials.kafka if user.endswith("-api")]
    assert not [name for name in _environment_of(place, "delivery-api") if "KAFKA" in name]


def _try_all(place: Place, user: str) -> dict[tuple[str, str], Any]:
    """What the broker answers to a record on each topic that is not this user's; None: it took it."""
    house, found = place.house, {}
    settings = client_settings(house.kafka.bootstrap, house.kafka.cafile, house.credentials.kafka_login(user))
    producer = Producer({**settings, "message.timeout.ms": 15_000, "acks": "all"})
    for stranger, topic in STRANGERS:
        if stranger == user:

            def told(error: KafkaError | None, _: Any, topic: str = topic) -> None:
                found[user, topic] = error.code() if error is not None else None

            producer.produce(topic, key=b"x", value=b"{}", on_delivery=told)
    assert producer.flush(20) == 0
    return found


def _environment_of(place: Place, process: str) -> list[str]:
    pid = place.house.service_process(process).pid
    return [word.split("=", 1)[0] for word in Path(f"/proc/{pid}/environ").read_text().split("\0")]
