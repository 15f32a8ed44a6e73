"""A key service over the network: Amazon's protocol, spoken by a server of ours on loopback with TLS."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import bson
import pytest
import pytest_asyncio

from deploy.local.tls import write_certificate
from services.chassis.keys.field import SHORTEST_CIPHERTEXT, Fields, Unopened, key_id_in
from services.chassis.store.work import NotNow

pytestmark = pytest.mark.connected


class KeyService:
    """Wraps by turning bytes around. `status` is what it answers, `pause` how long it thinks."""

    def __init__(self, folder: Path) -> None:
        self.status, self.hangs_up, self.calls = 200, False, 0
        self.cafile = folder / "ca.pem"
        self._chain = folder / "server.pem"
        self.port = 0

    async def start(self) -> asyncio.Server:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self._chain)
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0, ssl=context)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.calls += 1
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length:")[2].split()[0])
        asked = json.loads(await reader.readexactly(length))
        if not self.hangs_up:
            body = json.dumps(
                self._turned(asked) if self.status == 200 else {"__type": "AccessDeniedException"}
            ).encode()
            writer.write(
                b"HTTP/1.1 %d Said\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                % (self.status, len(body))
                + body
            )
        writer.close()

    @staticmethod
    def _turned(asked: dict[str, str]) -> dict[str, str]:
        wraps = "Plaintext" in asked
        turned = base64.b64encode(base64.b64decode(asked["Plaintext" if wraps else "CiphertextBlob"])[::-1]).decode()
        return {"KeyId": "arn", "CiphertextBlob" if wraps else "Plaintext": turned}


@pytest_asyncio.fixture(loop_scope="session")
async def service(tmp_path: Path) -> AsyncIterator[KeyService]:
    write_certificate(tmp_path)
    service = KeyService(tmp_path)
    async with await service.start():
        yield service


class Shelf:
    """Wrapped keys by id."""

    def __init__(self) -> None:
        self.keys: dict[bytes, bytes] = {}

    async def fetch(self, key_ids: Iterable[bytes]) -> list[bytes]:
        return [self.keys[key_id] for key_id in key_ids if key_id in self.keys]

    def add(self, key: bytes) -> bytes:
        key_id = bytes(bson.decode(key)["_id"])
        self.keys[key_id] = key
        return key_id


def fields(service: KeyService, shelf: Shelf, *, cafile: Path | None = None) -> Fields:
    return Fields(
        shelf.fetch,
        kms={"aws": {"accessKeyId": "a", "secretAccessKey": "s"}},
        master_key={"region": "eu-central-1", "key": "arn", "endpoint": f"127.0.0.1:{service.port}"},
        tls={"aws": ssl.create_default_context(cafile=cafile or service.cafile)},
        fresh_seconds=30,
    )


async def test_a_key_is_wrapped_and_unwrapped_by_the_key_service(service: KeyService) -> None:
    shelf = Shelf()
    maker = fields(service, shelf)
    key_id = shelf.add(await maker.draw_key("per_1"))
    user = fields(service, shelf)
    ciphertext = await user.encrypt(key_id, b"clear")
    assert key_id_in(ciphertext) == key_id
    assert len(ciphertext) >= SHORTEST_CIPHERTEXT
    assert await user.decrypt(key_id, ciphertext) == b"clear"
    assert service.calls == 2  # once to wrap, once to unwrap: afterwards the key is kept


async def test_a_key_service_that_refuses_is_not_now(service: KeyService) -> None:
    service.status = 400
    with pytest.raises(NotNow, match="refuses"):
        await fields(service, Shelf()).draw_key("per_1")


async def test_a_key_service_that_hangs_up_is_not_now(service: KeyService) -> None:
    service.hangs_up = True
    with pytest.raises(NotNow, match="aws can't be reached"):
        await fields(service, Shelf()).draw_key("per_1")


async def test_a_key_service_with_a_strangers_certificate_is_not_spoken_to(
    service: KeyService, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    write_certificate(other)
    with pytest.raises(NotNow, match="aws can't be reached"):
        await fields(service, Shelf(), cafile=other / "ca.pem").draw_key("per_1")
    assert service.calls == 0


async def test_a_key_that_is_gone_while_it_is_needed_is_not_now(service: KeyService) -> None:
    shelf = Shelf()
    maker = fields(service, shelf)
    key_id = shelf.add(await maker.draw_key("per_1"))
    shelf.keys.clear()
    with pytest.raises(NotNow):
        await maker.encrypt(key_id, b"clear")


async def test_a_changed_ciphertext_is_told_apart_from_a_key_that_does_not_open() -> None:
    shelf = Shelf()
    mine, other = (
        Fields(shelf.fetch, kms={"local": {"key": bytes([number]) * 96}}, master_key=None, tls={}, fresh_seconds=30)
        for number in (1, 2)
    )
    key_id = shelf.add(await mine.draw_key("per_1"))
    ciphertext = await mine.encrypt(key_id, b"clear")
    with pytest.raises(Unopened):
        await mine.decrypt(key_id, ciphertext[:-1] + bytes([ciphertext[-1] ^ 1]))
    with pytest.raises(NotNow, match="master key"):
        await other.decrypt(key_id, ciphertext)


async def test_nothing_of_automatic_encryption_is_ever_asked(service: KeyService) -> None:
    door: Any = fields(service, Shelf())._crypt.callback
    with pytest.raises(NotImplementedError):
        await door.collection_info("db", b"")
    with pytest.raises(NotImplementedError):
        await door.mark_command("db", b"")
