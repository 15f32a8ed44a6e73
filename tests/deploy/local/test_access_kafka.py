"""Every Kafka user on every topic and in every group: what the running broker says to a fetch and to a commit.

What is allowed is said here in the words of the rule (a worker reads what its service hears, in its own group; the
operator reads all, in none) and not read from the table that is tried. Writing has its own matrix in `tests/faults`.
"""

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError
from confluent_kafka import Consumer, KafkaError
from confluent_kafka import TopicPartition as Place

from contracts.topics import SERVICES, TOPICS, heard_by
from deploy.local.kafka import client_settings
from deploy.local.principals import group, kafka_users
from services.chassis import clock
from services.chassis.kafka.access import KafkaAccess

pytestmark = pytest.mark.connected

GROUPS = [*map(group, SERVICES), "somebody-elses"]
_SECONDS = 20


def may_read(user, topic):
    service, _, role = user.partition("-")
    return user == "operator" or (role == "worker" and topic in {one.name for one in heard_by(service)})


def may_join(user, name):
    service, _, role = user.partition("-")
    return role == "worker" and name == group(service)


async def test_each_user_reads_what_the_rule_says_and_no_other_topic(ground):
    tried = await asyncio.gather(*(asyncio.to_thread(fetch_all, ground, user) for user in kafka_users()))
    answers = {cell: let for part in tried for cell, let in part.items()}
    assert len(answers) == len(kafka_users()) * len(TOPICS)
    assert [cell for cell, let in answers.items() if let != may_read(*cell)] == []


async def test_each_worker_stands_in_its_own_group_and_nobody_else_in_any(ground):
    tried = await asyncio.gather(*(commit_everywhere(ground, user) for user in kafka_users()))
    answers = {cell: let for part in tried for cell, let in part.items()}
    assert len(answers) == len(kafka_users()) * len(GROUPS)
    assert [cell for cell, let in answers.items() if let != may_join(*cell)] == []


def fetch_all(ground, user):
    """Fetches each topic that the broker lets the user see at all, without a group: its end, a record, or a refusal."""
    settings = client_settings(ground.kafka.bootstrap, ground.kafka.cafile, ground.credentials.kafka_login(user))
    consumer = Consumer({**settings, "group.id": "none", "enable.auto.commit": False, "enable.partition.eof": True})
    seen = [topic.name for topic in TOPICS if consumer.list_topics(topic.name, 10).topics[topic.name].error is None]
    found = {(user, topic.name): False for topic in TOPICS if topic.name not in seen}
    consumer.assign([Place(name, 0, 0) for name in seen])
    deadline = clock.seconds() + _SECONDS
    try:
        while len(found) < len(TOPICS) and clock.seconds() < deadline:
            said = consumer.poll(0.5)
            error = said.error() if said is not None else None
            code = error.code() if error is not None else KafkaError._PARTITION_EOF
            if said is None or code == KafkaError.GROUP_AUTHORIZATION_FAILED:
                continue
            assert code in {KafkaError._PARTITION_EOF, KafkaError.TOPIC_AUTHORIZATION_FAILED}, error
            found[user, str(said.topic())] = code == KafkaError._PARTITION_EOF
    finally:
        consumer.close()
    return found


async def commit_everywhere(ground, user):
    """Commits a place on a topic in each group, which is what a member of it may do."""
    login = ground.credentials.kafka_login(user)
    access = KafkaAccess(ground.kafka.bootstrap, login.user, login.password, ground.kafka.cafile)
    place, found = TopicPartition(TOPICS[0].name, 0), {}
    for name in GROUPS:
        consumer = AIOKafkaConsumer(**access.client_settings(), group_id=name, enable_auto_commit=False)
        await consumer.start()
        consumer.assign([place])
        try:
            await asyncio.wait_for(consumer.commit({place: 0}), _SECONDS)
        except GroupAuthorizationFailedError:
            found[user, name] = False
        except TopicAuthorizationFailedError:
            found[user, name] = True  # the group takes it; the topic is not what is asked here
        else:
            found[user, name] = True
        finally:
            await consumer.stop()
    return found
