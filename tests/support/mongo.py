"""One real mongod for the whole run, started when the first test asks; a database of its own for each who asks."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from deploy.local.mongo import Mongo

_running: list[Mongo] = []


@asynccontextmanager
async def a_database(folders: pytest.TempPathFactory) -> AsyncIterator[tuple[str, str]]:
    """The root address and the name of a fresh database."""
    if not _running:
        mongo = Mongo(folders.mktemp("mongo"))
        await mongo.start()
        _running.append(mongo)
    yield _running[0].root_uri, f"test_{secrets.token_hex(6)}"


async def stop_all() -> None:
    """Called once, when the run ends."""
    while _running:
        await _running.pop().stop()
