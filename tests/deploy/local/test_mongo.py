import asyncio
import shutil
import socket
import struct
import subprocess
from contextlib import suppress
from typing import Any
from urllib.parse import quote_plus

import pytest
from bson import encode
from pymongo import AsyncMongoClient

from deploy.local import mongo as mongo_module
from deploy.local.mongo import Mongo, find_mongod
from deploy.local.process import NotStarted
from deploy.local.tls import write_certificate
from services.chassis.store.mongo import Untrusted, connect, not_now


def test_a_missing_library_is_one_clear_sentence(monkeypatch):
    said = "mongod: error while loading shared libraries: libcurl.so.4: cannot open shared object file"
    answer = subprocess.CompletedProcess([], 127, stdout="", stderr=said)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: answer)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(NotStarted, match=r"needs libcurl\.so\.4, which this machine lacks; install libcurl"):
        find_mongod()


def test_without_any_mongod_the_error_says_what_to_do(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(mongo_module, "_packaged", lambda: None)
    with pytest.raises(NotStarted, match="no mongod 6 or newer"):
        find_mongod()


@pytest.mark.connected
async def test_data_survives_kill_9_and_a_port_that_was_taken_meanwhile(tmp_path):
    mongo = Mongo(tmp_path / "mongo")
    await mongo.start()
    try:
        client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongo.root_uri)
        async with client:
            await client["test"]["kept"].insert_one({"_id": 1})
        await nothing_is_said_in_clear(mongo)
        await a_certificate_of_another_authority_is_not_believed(mongo, tmp_path / "other")
        first = mongo.port
        await mongo.kill()
        await mongo.start()
        assert mongo.port == first
        await mongo.stop()
        with socket.socket() as squatter:
            squatter.bind(("127.0.0.1", first))
            await mongo.start()
        assert mongo.port != first
        client = AsyncMongoClient(mongo.root_uri)
        async with client:
            assert await client["test"]["kept"].find_one() == {"_id": 1}
    finally:
        await mongo.stop()


async def nothing_is_said_in_clear(mongo):
    asked = encode({"hello": 1, "$db": "admin"})
    reader, writer = await asyncio.open_connection("127.0.0.1", mongo.port)
    # OP_MSG of the wire protocol: a header of four numbers, no flags, one section with one document.
    writer.write(struct.pack("<iiiiiB", 21 + len(asked), 1, 0, 2013, 0, 0) + asked)
    with suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()


async def a_certificate_of_another_authority_is_not_believed(mongo, folder):
    _, authority = write_certificate(folder)
    client = connect(mongo.root_uri.replace(quote_plus(str(mongo.cafile)), quote_plus(str(authority))))
    with pytest.raises(Untrusted, match="certificate"), not_now():
        await client.admin.command("hello")
    client.close()


@pytest.mark.connected
async def test_a_start_that_fails_shows_the_log(tmp_path, monkeypatch):
    monkeypatch.setattr(mongo_module, "_OPTIONS", (*mongo_module._OPTIONS, "--noSuchOption"))
    mongo = Mongo(tmp_path / "mongo")
    with pytest.raises(NotStarted, match="noSuchOption"):
        await mongo.start()
    assert not list(tmp_path.rglob("*.pid"))
