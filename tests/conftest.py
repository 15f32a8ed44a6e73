"""The real broker and the real database, once for a whole run, for the tests that ask for them. All others have no sockets."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_socket
from xdist.scheduler import LoadScopeScheduling

from deploy.local.kafka import Kafka
from deploy.local.mongo import Mongo
from services.chassis.observe import telemetry

LONG = ("tests/faults/", "tests/journeys/", "tests/drills/", "tests/deploy/local/")
"""Rooms whose tests share a house, or wait long for something: each stays in one process, and they begin."""


class ByRoom(LoadScopeScheduling):  # type: ignore[misc]  # xdist is untyped
    """Divides a run among processes (`-n 2`): what shares a house stays together, all else goes file by file."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((room for room in LONG if file.startswith(room)), file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByRoom:
    return ByRoom(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test that is not marked `connected` can't open a socket, so it can't depend on what runs on this machine."""
    if item.get_closest_marker("connected"):
        pytest_socket.enable_socket()
    else:
        pytest_socket.disable_socket(allow_unix_socket=True)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    pytest_socket.enable_socket()


@pytest.fixture(scope="session")
def house_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("house")


@pytest.fixture(scope="session")
async def kafka(house_folder: Path) -> AsyncIterator[Kafka]:
    """One Kafka for the run: TLS, passwords and access lists on, as everywhere."""
    node = Kafka(house_folder / "kafka")
    await node.start()
    yield node
    await node.stop()


@pytest.fixture(scope="session")
async def mongo(house_folder: Path) -> AsyncIterator[Mongo]:
    """One mongod for the run, a replica set with authentication on."""
    database = Mongo(house_folder / "mongod")
    await database.start()
    yield database
    await database.stop()


@pytest.fixture(autouse=True)
def no_exporters() -> Iterator[None]:
    """A test that measures or traces leaves nothing switched on for the next one."""
    yield
    telemetry.shutdown()
