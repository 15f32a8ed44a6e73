import asyncio
import socket
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from pymongo import AsyncMongoClient

from deploy.local.cluster import KafkaQuorum, MongoSet
from deploy.local.house import House
from deploy.local.kafka import client_settings
from deploy.local.process import NotStarted, is_listening
from services.chassis import clock
from tests.deploy.local.wire import KafkaUser


def test_a_house_of_three_names_each_node(tmp_path):
    house = House(tmp_path, services=(), nodes=3)
    assert {"mongod-1", "mongod-2", "mongod-3"} <= {*house.nodes}
    with pytest.raises(NotStarted):
        _ = house.own_mongo


def test_a_member_is_known_by_its_door(tmp_path):
    members = MongoSet(tmp_path, 3, doors={"mongod-1": 20_001, "mongod-2": 20_002, "mongod-3": 20_003})
    assert "@127.0.0.1:20001,127.0.0.1:20002,127.0.0.1:20003/?replicaSet=rs0&authSource=admin" in members.root_uri


@pytest.mark.connected
async def test_a_set_of_three_goes_on_without_its_primary_and_takes_it_back(tmp_path, capsys):
    members = MongoSet(tmp_path / "mongo", 3)
    started = clock.seconds()
    await members.start()
    took = clock.seconds() - started
    try:
        client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(members.root_uri, w="majority")
        async with client:
            kept = client["test"]["kept"]
            await kept.insert_one({"_id": 1})
            first = await members.primary()
            assert first is not None
            await members.nodes[first].kill()
            await kept.insert_one({"_id": 2})
            assert await members.primary() not in {None, first}
            await members.start_node(first)
            assert await members.state(first) in {"primary", "secondary"}
            assert await kept.count_documents({}) == 2
        await members.nodes["mongod-3"].kill()
        with socket.socket() as squatter:
            squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            squatter.bind(("127.0.0.1", members.nodes["mongod-3"].port))
            squatter.listen()
            with pytest.raises(NotStarted, match="somebody else listens"):
                await members.start_node("mongod-3")
    finally:
        await members.stop()
    with capsys.disabled():
        print(f"\na set of three: ready in {took:.1f} s")


@pytest.mark.connected
async def test_a_quorum_of_three_keeps_what_it_took_when_a_node_is_killed(tmp_path, capsys):
    quorum = KafkaQuorum(tmp_path / "kafka", 3)
    started = clock.seconds()
    await quorum.start()
    took = clock.seconds() - started
    try:
        admin = KafkaUser(quorum, quorum.admin)
        wanted = NewTopic("kept", 1, -1)
        client = AdminClient(client_settings(quorum.bootstrap, quorum.cafile, quorum.admin))
        await asyncio.to_thread(client.create_topics([wanted])["kept"].result, 15)
        while not (partitions := client.list_topics("kept").topics["kept"].partitions):
            await asyncio.sleep(0.1)  # a node tells of a new topic a moment after its controller made it
        assert len(partitions[0].replicas) == 3
        assert await admin.write("kept", b"one") is None
        await quorum.nodes["kafka-1"].kill()
        assert not is_listening(int(quorum.nodes["kafka-1"].bootstrap.rpartition(":")[2]))
        await asyncio.sleep(3)
        assert await admin.read("kept", "any-group") == b"one"
        await quorum.nodes["kafka-1"].start()
    finally:
        await quorum.stop()
    with capsys.disabled():
        print(f"\na quorum of three: ready in {took:.1f} s")
