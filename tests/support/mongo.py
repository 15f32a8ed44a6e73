"""The run's one real mongod, with a database of its own for each who asks."""

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from deploy.local.mongo import Mongo
from services.chassis.store.mongo import MongoStore, connect, prepare
from services.chassis.store.shelf import Collection, Document, Shelf

NOTHING: Mapping[Shelf[Any], Sequence[Document]] = {}


@asynccontextmanager
async def a_database(
    mongo: Mongo, collections: Sequence[Collection], documents: Mapping[Shelf[Any], Sequence[Document]] = NOTHING
) -> AsyncIterator[MongoStore]:
    """A fresh database with these collections, their indexes and documents. It is gone afterwards."""
    client = connect(mongo.root_uri)
    store = MongoStore(client, f"test_{secrets.token_hex(6)}")
    await prepare(store.db, collections)
    await store.transact(lambda unit: unit.write({shelf: rows for shelf, rows in documents.items() if rows}, [], []))
    yield store
    await client.drop_database(store.db.name)
    client.close()
