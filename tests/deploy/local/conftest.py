"""A started ground (Kafka, mongod, mail, keys, rights; no service), shared by the connected tests of this folder."""

import sys
from pathlib import Path

import pytest_asyncio

from contracts.topics import SERVICES
from deploy.local.house import House
from services.chassis.store.shelf import Collection

DUMMY = Path(__file__).with_name("dummy_service.py")
COLLECTIONS = {
    service: (Collection("things", watched=True), Collection("ledger", append_only=True)) for service in SERVICES
}


def dummy(service, role):
    return [sys.executable, DUMMY, service, role]


def dummy_house(folder, **more):
    return House(folder, command=dummy, collections=COLLECTIONS, **more)


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def ground(tmp_path_factory):
    house = dummy_house(tmp_path_factory.mktemp("ground"), services=())
    await house.start()
    yield house
    await house.stop()
