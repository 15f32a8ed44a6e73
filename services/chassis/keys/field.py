"""Encryption of one field under one data key, by libmongocrypt, and its way to the key service that wraps data keys.

With a local master key libmongocrypt's cache is kept all but empty: it is a list that each use walks along, so 10 000
cached keys cost 300 µs a value where unwrapping one anew costs 25 (measured). A cloud's KMS is a call over the network:
there it keeps a key as long as the owner of the fields does. An expiry of 0 would mean for ever and is never set.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import bson
from bson.binary import Binary
from pymongocrypt.asynchronous.explicit_encrypter import AsyncExplicitEncrypter
from pymongocrypt.asynchronous.state_machine import AsyncMongoCryptCallback
from pymongocrypt.errors import MongoCryptError
from pymongocrypt.options import MongoCryptOptions

from services.chassis.store.work import NotNow

SHORTEST_CIPHERTEXT = 65
"""Bytes: kind, key id, BSON type, IV, one block and the tag. libmongocrypt refuses 64 and fewer."""
_ALGORITHM = "AEAD_AES_256_CBC_HMAC_SHA_512-Random"
_CIPHERTEXT_SUBTYPE = 6
_KMS_SECONDS = 10.0

FetchWrapped = Callable[[Iterable[bytes]], Awaitable[list[bytes]]]
"""Key ids to the vault's documents of these keys, as BSON."""


class Unopened(Exception):
    """The key works, but this ciphertext is not what it sealed."""


class Fields:
    """Seals and opens single values. Everything raises `NotNow` when a key can't be wrapped or unwrapped."""

    def __init__(
        self,
        fetch: FetchWrapped,
        *,
        kms: Mapping[str, Mapping[str, Any]],
        master_key: Mapping[str, Any] | None,
        tls: Mapping[str, ssl.SSLContext],
        fresh_seconds: float,
    ) -> None:
        self._provider = next(iter(kms))
        self._master_key = dict(master_key) if master_key else None
        expires_ms = 1 if all(name.partition(":")[0] == "local" for name in kms) else max(1, int(fresh_seconds * 1000))
        self._crypt = AsyncExplicitEncrypter(
            _Door(fetch, tls),
            MongoCryptOptions({name: dict(how) for name, how in kms.items()}, key_expiration_ms=expires_ms),
        )

    async def draw_key(self, name: str) -> bytes:
        """A fresh data key, wrapped, as a document of the vault with this alternate name."""
        with _key_service():
            made = await self._crypt.create_data_key(self._provider, master_key=self._master_key, key_alt_names=[name])
        return bytes(made)

    async def encrypt(self, key_id: bytes, clear: bytes) -> bytes:
        value = bson.encode({"v": clear})
        with _key_service():
            made = await self._crypt.encrypt(value, _ALGORITHM, key_id=key_id)
        return bytes(bson.decode(made)["v"])

    async def decrypt(self, key_id: bytes, ciphertext: bytes) -> bytes:
        """The clear bytes. `key_id` is the one in the ciphertext. Raises `Unopened`."""
        value = bson.encode({"v": Binary(ciphertext, _CIPHERTEXT_SUBTYPE)})
        try:
            return bytes(bson.decode(await self._crypt.decrypt(value))["v"])
        except MongoCryptError:
            # Either the key itself does not open, which only an operator mends (NotNow), or this value is not its work.
            await self.encrypt(key_id, b"")
            raise Unopened from None


def key_id_in(ciphertext: bytes) -> bytes:
    """The id of the data key that it says it was sealed under."""
    return ciphertext[1:17]


class _Door(AsyncMongoCryptCallback):  # type: ignore[misc]  # the library has no types
    """libmongocrypt's way out: it asks for wrapped keys and for calls to a key service, and does no I/O itself."""

    def __init__(self, fetch: FetchWrapped, tls: Mapping[str, ssl.SSLContext]) -> None:
        self._fetch = fetch
        self._tls = tls

    async def fetch_keys(self, filter: bytes) -> AsyncIterator[bytes]:  # noqa: A002  the library's name
        asked: dict[str, Any] = bson.decode(filter)
        for key in await self._fetch([bytes(key_id) for key_id in asked["$or"][0]["_id"]["$in"]]):
            yield key

    async def insert_data_key(self, data_key: bytes) -> bytes:
        return bytes(data_key)  # handed back: many are inserted with one call

    async def kms_request(self, request: Any) -> None:
        host, _, port = request.endpoint.partition(":")
        context = self._tls.get(request.kms_provider) or ssl.create_default_context()
        await asyncio.sleep(request.usleep / 1_000_000)
        try:
            async with asyncio.timeout(_KMS_SECONDS):
                reader, writer = await asyncio.open_connection(host, int(port or 443), ssl=context)
                try:
                    writer.write(request.message)
                    while (needed := request.bytes_needed) > 0:
                        received = await reader.read(needed)
                        if not received:
                            raise ConnectionError("the key service hung up")
                        request.feed(received)
                finally:
                    writer.close()
        except (OSError, TimeoutError) as why:
            raise NotNow(f"the key service {request.kms_provider} can't be reached") from why

    def bson_encode(self, doc: Mapping[str, Any]) -> bytes:
        return bson.encode(doc)

    async def collection_info(self, _database: str, _filter: bytes) -> None:
        raise NotImplementedError("only automatic encryption asks for schemas")

    async def mark_command(self, _database: str, _command: bytes) -> bytes:
        raise NotImplementedError("only automatic encryption marks commands")

    async def close(self) -> None:
        """Nothing of its own is open."""


@contextmanager
def _key_service() -> Iterator[None]:
    """A key that can't be made or unwrapped is not the message's fault: somebody mends it, then it goes on."""
    try:
        yield
    except MongoCryptError as why:
        raise NotNow(f"the key service refuses, or the master key is not the vault's: {why}", retry_after=5.0) from None
