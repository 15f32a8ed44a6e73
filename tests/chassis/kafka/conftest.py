from collections.abc import AsyncIterator
from itertools import count

import pytest

from deploy.local.kafka import Kafka
from deploy.local.mongo import Mongo
from tests.support.stage import Stage, authorize, clear_topics

numbers = count(1)


@pytest.fixture(scope="session")
async def authorized(kafka: Kafka) -> Kafka:
    await authorize(kafka)
    return kafka


@pytest.fixture
async def stage(authorized: Kafka, mongo: Mongo) -> AsyncIterator[Stage]:
    await clear_topics(authorized)
    stage = Stage(authorized, mongo, f"toy{next(numbers)}")
    yield stage
    await stage.close()
