"""A stage for tests on the real broker and database: cleared topics, a fresh database, the house's own principals."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaProducer
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from contracts.topics import TOPICS
from deploy.local.authorize import authorize_kafka
from deploy.local.kafka import Kafka, client_settings
from deploy.local.mongo import Mongo
from deploy.local.principals import kafka_acls, kafka_users
from services.chassis.kafka.access import KafkaAccess
from services.chassis.store import mongo as driver
from services.chassis.store.mongo import MongoStore
from services.chassis.store.shelf import Collection

PASSWORD = "a-password-for-tests-only"


def access(kafka: Kafka, user: str = "admin") -> KafkaAccess:
    password = kafka.admin.password if user == "admin" else PASSWORD
    return KafkaAccess(kafka.bootstrap, user, password, kafka.cafile)


async def authorize(kafka: Kafka) -> None:
    """The house's topics, users and access lists."""
    settings = client_settings(kafka.bootstrap, kafka.cafile, kafka.admin)
    await authorize_kafka(settings, users=dict.fromkeys(kafka_users(), PASSWORD), acls=kafka_acls())


async def clear_topics(kafka: Kafka) -> None:
    """Forget all records: `earliest` begins behind what other tests wrote."""

    def clear() -> None:
        admin = AdminClient(client_settings(kafka.bootstrap, kafka.cafile, kafka.admin))
        places = [TopicPartition(topic.name, number) for topic in TOPICS for number in range(topic.partitions)]
        latest: Any = OffsetSpec.latest()
        ends = admin.list_offsets(dict.fromkeys(places, latest))
        behind = [TopicPartition(at.topic, at.partition, end.result(10).offset) for at, end in ends.items()]
        for done in admin.delete_records([place for place in behind if place.offset > 0]).values():
            done.result(10)

    await asyncio.to_thread(clear)


@dataclass
class Stage:
    """What one test plays on."""

    kafka: Kafka
    mongo: Mongo
    name: str
    clients: list[Any] = field(default_factory=list)

    async def store(self, service: str, collections: Sequence[Collection] = ()) -> MongoStore:
        """A fresh database for a service of this test."""
        client = driver.connect(self.mongo.root_uri)
        self.clients.append(client)
        store = MongoStore(client, f"{self.name}-{service}")
        await driver.prepare(store.db, collections)
        return store

    async def produce(
        self,
        topic: str,
        records: Sequence[tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes]]]],
        *,
        partition: int = 0,
    ) -> None:
        """Put records on a topic as nobody of the house would: any bytes at all."""
        async with AIOKafkaProducer(**access(self.kafka).client_settings()) as producer:
            for key, value, headers in records:
                await producer.send(topic, value, key=key, headers=list(headers), partition=partition)
            await producer.flush()

    async def close(self) -> None:
        for client in self.clients:
            await client.drop_database(f"{self.name}-x")
            client.close()


async def until(true: Callable[[], Any], *, seconds: float = 15) -> None:
    """Wait until something holds; the test fails by TimeoutError when it never does."""
    async with asyncio.timeout(seconds):
        while True:
            holds = true()
            if asyncio.iscoroutine(holds):
                holds = await holds
            if holds:
                return
            await asyncio.sleep(0.02)
