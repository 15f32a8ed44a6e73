"""One event on its whole way: committed at one service, carried by its relay, heard and counted by another."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from services.chassis.kafka.asides import MongoAsides
from services.chassis.kafka.consumer import Consumer
from services.chassis.kafka.relay import KafkaPublisher, Relay
from services.chassis.kafka.sending import MongoSending, plant_lease
from services.chassis.store.mongo import MongoStore
from services.chassis.store.shelf import ASIDE
from services.chassis.store.work import Work
from tests.support.stage import Stage, access, until
from tests.support.toys import BELLS, COUNTS, counting, say

pytestmark = pytest.mark.connected


@asynccontextmanager
async def relaying(stage: Stage, store: MongoStore, *, user: str = "consent-relay") -> AsyncIterator[Relay]:
    await plant_lease(store)
    publisher = KafkaPublisher(access(stage.kafka, user), client_id=user)
    relay = Relay(MongoSending(store), publisher, watch=True)
    running = asyncio.create_task(relay.run())
    yield relay
    relay.stop()
    await running


async def test_an_event_travels_from_one_database_to_the_other(stage: Stage) -> None:
    said, heard = await stage.store("consent"), await stage.store("delivery")
    saying, hearing = Work(said, [COUNTS]), Work(heard, [COUNTS, BELLS])
    consumer = Consumer(
        "delivery",
        access(stage.kafka, "delivery-worker"),
        counting(),
        hearing,
        MongoAsides(heard.collection(ASIDE)),
    )
    await consumer.start()
    async with relaying(stage, said):
        await saying.carry_out_batch([say("req_1"), say("req_2"), say("req_1", 2)])
        await until(lambda: heard.count(COUNTS, {}), seconds=10)
        [first] = await heard.find(COUNTS, {"_id": "req_1"})
    await consumer.stop()
    assert first.versions == (1, 2)
