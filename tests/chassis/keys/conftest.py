"""A key vault of its own for each test, in the run's real mongod."""

import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest

from deploy.local.mongo import Mongo
from services.chassis.keys.person import DATABASE, prepare_vault
from services.chassis.store.mongo import connect


@pytest.fixture
async def client(mongo: Mongo) -> AsyncIterator[dict[str, Any]]:
    """What stands for a client: the vault's database, empty and with its index."""
    root = connect(mongo.root_uri)
    database = root[f"{DATABASE}_{secrets.token_hex(6)}"]
    await prepare_vault({DATABASE: database})
    yield {DATABASE: database}
    await root.drop_database(database.name)
    root.close()
