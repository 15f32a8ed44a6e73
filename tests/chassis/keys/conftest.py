"""A real mongod with authentication on, for the key vault."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from deploy.local.mongo import Mongo
from services.chassis.keys.person import DATABASE, prepare_vault
from services.chassis.store.mongo import connect


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def mongo(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mongo]:
    folder: Path = tmp_path_factory.mktemp("keys-mongo")
    mongo = Mongo(folder)
    await mongo.start()
    yield mongo
    await mongo.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def client(mongo: Mongo) -> AsyncIterator[Any]:
    """A client of a service that makes keys, on an empty vault with its index."""
    root = connect(mongo.root_uri)
    await root.drop_database(DATABASE)
    await prepare_vault(root)
    yield root
    root.close()
