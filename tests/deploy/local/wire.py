"""Small clients for tests of rights: what a user may do on the wire, as Kafka itself answers the product's own library."""

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from deploy.local.kafka import client_settings
from services.chassis.kafka.access import KafkaAccess


class KafkaUser:
    def __init__(self, broker, login):
        self._settings = client_settings(broker.bootstrap, broker.cafile, login)
        self._access = KafkaAccess(
            bootstrap=broker.bootstrap, cafile=broker.cafile, user=login.user, password=login.password
        )

    async def make_topic(self, name):
        """Returns None, or the name of the error."""
        admin = AdminClient(self._settings)
        try:
            await asyncio.to_thread(admin.create_topics([NewTopic(name, 1, 1)])[name].result, 15)
        except KafkaException as why:
            return why.args[0].name()
        return None

    async def write(self, topic, value):
        """Returns None, or the name of the error."""
        producer = AIOKafkaProducer(**self._access.client_settings(), enable_idempotence=True)
        try:
            await producer.start()
            await asyncio.wait_for(producer.send_and_wait(topic, value, key=b"k"), 15)
        except KafkaError as why:
            return type(why).__name__
        else:
            return None
        finally:
            await producer.stop()

    async def read(self, topic, group):
        """Returns the first value of the topic, or the name of the error."""
        consumer = AIOKafkaConsumer(
            topic, **self._access.client_settings(), group_id=group, auto_offset_reset="earliest"
        )
        try:
            await consumer.start()
            return (await asyncio.wait_for(consumer.getone(), 15)).value
        except KafkaError as why:
            return type(why).__name__
        finally:
            await consumer.stop()
