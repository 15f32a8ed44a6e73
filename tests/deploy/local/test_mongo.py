import socket
import subprocess

import pytest
from pymongo import AsyncMongoClient

from deploy.local import mongo as mongo_module
from deploy.local.mongo import Mongo, find_mongod
from deploy.local.process import NotStarted


def test_a_missing_library_is_one_clear_sentence(monkeypatch):
    said = "mongod: error while loading shared libraries: libcurl.so.4: cannot open shared object file"
    answer = subprocess.CompletedProcess([], 127, stdout="", stderr=said)
    monkeypatch.setattr(mongo_module.subprocess, "run", lambda *_, **__: answer)
    monkeypatch.setattr(mongo_module.shutil, "which", lambda _: None)
    with pytest.raises(NotStarted, match=r"needs libcurl\.so\.4, which this machine lacks; install libcurl"):
        find_mongod()


def test_without_any_mongod_the_error_says_what_to_do(monkeypatch):
    monkeypatch.setattr(mongo_module.shutil, "which", lambda _: None)
    monkeypatch.setattr(mongo_module, "_packaged", lambda: None)
    with pytest.raises(NotStarted, match="no mongod 6 or newer"):
        find_mongod()


@pytest.mark.connected
async def test_data_survives_kill_9_and_a_port_that_was_taken_meanwhile(tmp_path):
    mongo = Mongo(tmp_path / "mongo")
    await mongo.start()
    try:
        async with AsyncMongoClient(mongo.root_uri) as client:
            await client.test.get_collection("kept").insert_one({"_id": 1})
        first = mongo.port
        await mongo.kill()
        await mongo.start()
        assert mongo.port == first
        await mongo.stop()
        with socket.socket() as squatter:
            squatter.bind(("127.0.0.1", first))
            await mongo.start()
        assert mongo.port != first
        async with AsyncMongoClient(mongo.root_uri) as client:
            assert await client.test.get_collection("kept").find_one() == {"_id": 1}
    finally:
        await mongo.stop()


@pytest.mark.connected
async def test_a_start_that_fails_shows_the_log(tmp_path, monkeypatch):
    monkeypatch.setattr(mongo_module, "_OPTIONS", (*mongo_module._OPTIONS, "--noSuchOption"))
    mongo = Mongo(tmp_path / "mongo")
    with pytest.raises(NotStarted, match="noSuchOption"):
        await mongo.start()
    assert not list(tmp_path.rglob("*.pid"))
