"""The real broker and the real database, once for a whole run, for the tests that ask for them. All others have no sockets."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_socket

from deploy.local.kafka import Kafka
from deploy.local.mongo import Mongo
from services.chassis.observe import telemetry

ROOT = Path(__file__).parent
LONG = (ROOT / "faults", ROOT / "journeys", ROOT / "deploy" / "local")
"""Rooms whose tests share a house, or wait long for something: each stays in one process, and they begin."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Divides the run among processes (`-n 2 --dist loadgroup`): the long rooms first, all others file by file."""
    for item in items:
        room = next((place for place in LONG if place in item.path.parents), item.path)
        item.add_marker(pytest.mark.xdist_group(str(room.relative_to(ROOT))))
    items.sort(key=lambda item: not any(place in item.path.parents for place in LONG))


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
