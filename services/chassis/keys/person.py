"""A key per person, in a MongoDB key vault: explicit client-side field level encryption (libmongocrypt).

Deleting one key makes a person unreadable in every database, topic, backup and package at once. Invariants:
- a running process uses a deleted key for `FRESH_SECONDS` at the most: each use asks for an entry of our own that is no
  older. libmongocrypt's own expiry is never 0, which would mean for ever;
- a value opens only under the key of the person it says it is of: swapped ciphertext is as good as erased;
- keys are looked up for a whole batch with one query, and made with one insert.
"""

import asyncio
import base64
import binascii
import re
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from bson.binary import UUID_SUBTYPE, Binary
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import ReadPreference
from pymongo.errors import BulkWriteError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from contracts.types import PersonId, SealedValue
from services.chassis import clock
from services.chassis.keys.field import SHORTEST_CIPHERTEXT, Fields, Unopened, key_id_in
from services.chassis.keys.sealing import KeysUnreadable, Tampered, keyed_digest
from services.chassis.settings import LOCAL_MASTER_KEY, Settings
from services.chassis.store.mongo import not_now
from services.chassis.store.shelf import Collection, Index
from services.chassis.store.work import NotNow

T = TypeVar("T")
R = TypeVar("R")

DATABASE = "keys"
VAULT = Collection(
    "vault", indexes=(Index((("keyAltNames", 1),), unique=True, partial={"keyAltNames": {"$exists": True}}),)
)
"""One key for one person: the index decides between two that make it at once."""
MASTER_KEY_FILE = LOCAL_MASTER_KEY
MASTER_KEY_BYTES = 96
FRESH_SECONDS = 30.0
"""How long a key is used without asking the vault again. The promise is 60 s; half of it is for the way of the request."""
LONGEST_FRESH_SECONDS = 60.0
_LOCAL = "local"
_LOCAL_NAME = re.compile(r"local(:[A-Za-z0-9_]+)?")
"""As libmongocrypt takes names of providers."""
CAPACITY = 50_000
"""Wrapped keys kept in a process: 0.5 kB each."""
_LANES = 8
"""Calls at once to a key service, for one batch."""
_BREATH = 16
"""Values between two pauses for other tasks: about a millisecond of work."""
_QUERY = 1_000
_DUPLICATE = 11_000
_RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)


class Erased(Exception):
    """This person's key is gone, or never was: what was sealed under it can't be read by anybody. Show "erased"."""

    def __init__(self, person_id: PersonId) -> None:
        super().__init__(f"the key of {person_id} is gone: the person was erased")
        self.person_id = person_id


class PersonKeys(Protocol):
    """What handlers ask for. Everything raises `NotNow` when vault or key service can't be reached."""

    async def create(self, person_ids: Sequence[PersonId]) -> None:
        """Make a key for each person that has none. Asked twice or by two at once: one key."""

    async def seal(self, person_id: PersonId, clear: bytes) -> SealedValue:
        """Encrypt under the person's key. Raises `Erased`."""

    async def seal_many(self, values: Sequence[tuple[PersonId, bytes]]) -> list[SealedValue | None]:
        """Encrypt many, in their order; None where the person was erased."""

    async def open(self, sealed: SealedValue) -> bytes:
        """The clear bytes. Raises `Erased`, or `Tampered` when the ciphertext was changed."""

    async def open_many(self, sealed: Sequence[SealedValue]) -> list[bytes | None]:
        """The clear bytes of many, in their order; None where the person was erased. Raises `Tampered`."""

    async def erase(self, person_id: PersonId) -> None:
        """Delete the person's key, for ever. No key there is fine."""


def blind_index(secret: bytes, *parts: str) -> str:
    """A keyed digest by which to find what must not be readable (an e-mail address, a birthday). Callers normalize before."""
    return keyed_digest(secret, "placet blind index v1", *parts)


def local_kms(path: Path) -> dict[str, dict[str, Any]]:
    """`kmsProviders` with the master keys of a file: 96 random bytes in base64 on a line. Raises `KeysUnreadable`.

    The first wraps new keys, the others only open what they wrapped, until all is rewrapped (`placet keys rewrap`). A key
    that took another's place has its provider's name before it (`local:k3f9c11d2 …`), by which the vault tells them apart.
    """
    try:
        lines = [line.split() for line in path.read_text("ascii").splitlines() if line.strip()]
        found = {" ".join(words[:-1]) or _LOCAL: base64.b64decode(words[-1], validate=True) for words in lines}
    except (OSError, ValueError) as why:
        cause = why.strerror if isinstance(why, OSError) else "it is not a key in base64 on each line"
        raise KeysUnreadable(f"the master key in {path} can't be read: {cause}") from None
    if not found or len(found) != len(lines) or not all(map(_LOCAL_NAME.fullmatch, found)):
        raise KeysUnreadable(f"the master keys in {path} have to be one or more, each with a name of its own")
    for key in found.values():
        if len(key) != MASTER_KEY_BYTES:
            raise KeysUnreadable(f"the master key in {path} has {len(key)} bytes; it has to have {MASTER_KEY_BYTES}")
    return {name: {"key": key} for name, key in found.items()}


@dataclass(slots=True)
class MasterKeys:
    """The local master keys, read again when their file changes, so that they are rotated without a restart.

    A change that can't be read does not take away the keys that were good: `fault` says so, and readiness shows it.
    """

    path: Path
    fault: str | None = None
    _kms: Mapping[str, Mapping[str, Any]] | None = None
    _stamp: tuple[int, int, int] | None = None

    def __call__(self) -> Mapping[str, Mapping[str, Any]]:
        """`kmsProviders`; the same object while the file is the same. Raises `KeysUnreadable` when it never was good."""
        try:
            found = self.path.stat()
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
            if stamp != self._stamp:
                self._kms, self._stamp = local_kms(self.path), stamp
            self.fault = None
        except (OSError, KeysUnreadable) as why:
            self.fault = f"the master keys in {self.path} can't be read anew: {why}"
            if self._kms is None:
                raise KeysUnreadable(self.fault) from None
        assert self._kms is not None
        return self._kms


async def prepare_vault(client: Any) -> None:
    """Make the vault's index, as the bootstrap user; again and again without harm."""
    for index in VAULT.indexes:
        await client[DATABASE][VAULT.name].create_index(
            list(index.fields), name=index.name, unique=index.unique, partialFilterExpression=dict(index.partial or {})
        )


@dataclass(frozen=True, slots=True)
class _Known:
    """A person's wrapped key as the vault had it. Worthless without the master key."""

    key_id: bytes
    wrapped: bytes
    until: float


class MongoPersonKeys:
    """`PersonKeys` over the vault. `kms` is MongoDB's `kmsProviders`: new keys are wrapped by its first provider."""

    def __init__(
        self,
        client: Any,
        *,
        kms: Mapping[str, Mapping[str, Any]] | MasterKeys,
        master_key: Mapping[str, Any] | None = None,
        kms_tls: Mapping[str, ssl.SSLContext] | None = None,
        fresh_seconds: float = FRESH_SECONDS,
    ) -> None:
        if not 0 < fresh_seconds <= LONGEST_FRESH_SECONDS:
            raise ValueError(
                f"a deleted key may be used for {LONGEST_FRESH_SECONDS:.0f} s at the most, and never for ever"
            )
        self._vault = client[DATABASE].get_collection(
            VAULT.name,
            codec_options=_RAW,
            read_preference=ReadPreference.PRIMARY,
            read_concern=ReadConcern("majority"),
            write_concern=WriteConcern("majority", j=True),
        )
        self._fresh_seconds = fresh_seconds
        self._known: dict[PersonId, _Known] = {}
        self._wrapped: dict[bytes, bytes] = {}
        self._master_keys = kms if isinstance(kms, MasterKeys) else None
        self._kms = kms() if isinstance(kms, MasterKeys) else kms
        self._make_fields = partial(
            Fields, self._fetch_wrapped, master_key=master_key, tls=kms_tls or {}, fresh_seconds=fresh_seconds
        )
        self._fields = self._make_fields(kms=self._kms)

    @classmethod
    def from_settings(cls, client: Any, settings: Settings) -> "MongoPersonKeys":
        """With the KMS that the settings name, or else the local master key of the keys folder."""
        kms = settings.kms_providers or MasterKeys(settings.key_file(MASTER_KEY_FILE))
        return cls(client, kms=kms, master_key=settings.kms_master_key)

    async def create(self, person_ids: Sequence[PersonId]) -> None:
        for person_id in person_ids:
            self._forget(person_id)  # the vault is asked, not what was known of it
        keys = await self._load(person_ids)
        missing = [person_id for person_id in dict.fromkeys(person_ids) if person_id not in keys]
        made = await _in_lanes(missing, self._fields.draw_key)
        if not made:
            return
        try:
            with not_now():
                await self._vault.insert_many([RawBSONDocument(key) for key in made], ordered=False)
        except BulkWriteError as why:
            details = why.details or {}
            if details.get("writeConcernErrors"):
                raise NotNow("the key vault can't keep new keys safely") from why
            # Somebody else made these in the meantime; theirs are the keys.
            if any(error["code"] != _DUPLICATE for error in details["writeErrors"]):
                raise

    async def seal(self, person_id: PersonId, clear: bytes) -> SealedValue:
        (sealed,) = await self.seal_many([(person_id, clear)])
        if sealed is None:
            raise Erased(person_id)
        return sealed

    async def seal_many(self, values: Sequence[tuple[PersonId, bytes]]) -> list[SealedValue | None]:
        keys = await self._load([person_id for person_id, _ in values])

        async def one(value: tuple[PersonId, bytes]) -> SealedValue | None:
            person_id, clear = value
            key = keys.get(person_id)
            if key is None:
                return None
            ciphertext = base64.b64encode(await self._fields.encrypt(key.key_id, clear)).decode("ascii")
            return SealedValue(person_id=person_id, ciphertext=ciphertext)

        return await _in_lanes(values, one)

    async def open(self, sealed: SealedValue) -> bytes:
        (clear,) = await self.open_many([sealed])
        if clear is None:
            raise Erased(sealed.person_id)
        return clear

    async def open_many(self, sealed: Sequence[SealedValue]) -> list[bytes | None]:
        keys = await self._load([value.person_id for value in sealed])

        async def one(value: SealedValue) -> bytes | None:
            ciphertext, key = _ciphertext(value), keys.get(value.person_id)
            # Another key's id: an older key of an erased person, or another person's value put in this one's place.
            if key is None or key_id_in(ciphertext) != key.key_id:
                return None
            try:
                return await self._fields.decrypt(key.key_id, ciphertext)
            except Unopened:
                raise Tampered(f"a sealed value of {value.person_id} was changed") from None

        return await _in_lanes(sealed, one)

    async def erase(self, person_id: PersonId) -> None:
        with not_now():
            await self._vault.delete_one({"keyAltNames": person_id})
        self._forget(person_id)

    async def check(self) -> None:
        """For readiness: the vault answers, and the master key opens what is in it. Raises `NotNow`."""
        self._look_at_master_keys()
        if self._master_keys is not None and self._master_keys.fault is not None:
            raise NotNow(self._master_keys.fault)
        with not_now():
            found = await self._vault.find_one({})
        if found is not None:
            await self._fields.encrypt(bytes(found["_id"]), b"")

    async def _load(self, person_ids: Sequence[PersonId]) -> dict[PersonId, _Known]:
        """The keys of these persons, each asked for within the last `fresh_seconds`. Who was erased is not there."""
        self._look_at_master_keys()
        now = clock.seconds()
        keys: dict[PersonId, _Known] = {}
        stale: list[PersonId] = []
        for person_id in dict.fromkeys(person_ids):
            known = self._known.get(person_id)
            if known is not None and now < known.until:
                keys[person_id] = known
            else:
                stale.append(person_id)
        for start in range(0, len(stale), _QUERY):
            with not_now():
                found = await self._vault.find({"keyAltNames": {"$in": stale[start : start + _QUERY]}}).to_list(None)
            for document in found:
                person_id = PersonId(document["keyAltNames"][0])
                keys[person_id] = _Known(bytes(document["_id"]), document.raw, now + self._fresh_seconds)
        for person_id in stale:
            self._forget(person_id)
            if person_id in keys:
                self._remember(person_id, keys[person_id])
        return keys

    def _look_at_master_keys(self) -> None:
        """Every use asks: one look at a file's date (2 µs) for a whole batch."""
        kms = self._master_keys() if self._master_keys is not None else self._kms
        if kms is not self._kms:
            self._kms, self._fields = kms, self._make_fields(kms=kms)

    def _remember(self, person_id: PersonId, key: _Known) -> None:
        if len(self._known) >= CAPACITY:
            self._forget(next(iter(self._known)))
        self._known[person_id] = key
        self._wrapped[key.key_id] = key.wrapped

    def _forget(self, person_id: PersonId) -> None:
        known = self._known.pop(person_id, None)
        if known is not None:
            self._wrapped.pop(known.key_id, None)

    async def _fetch_wrapped(self, key_ids: Iterable[bytes]) -> list[bytes]:
        """What libmongocrypt asks for while it works. Nearly always it was loaded for the batch just before."""
        wanted = list(key_ids)
        if all(key_id in self._wrapped for key_id in wanted):
            return [self._wrapped[key_id] for key_id in wanted]
        with not_now():
            found = await self._vault.find(
                {"_id": {"$in": [Binary(key_id, UUID_SUBTYPE) for key_id in wanted]}}
            ).to_list(None)
        return [document.raw for document in found]


async def _in_lanes(items: Sequence[T], work: Callable[[T], Awaitable[R]]) -> list[R]:
    """`work` on each, results in their order, `_LANES` at once, with room for other tasks in between."""
    results: dict[int, R] = {}

    async def lane(first: int) -> None:
        for place in range(first, len(items), _LANES):
            results[place] = await work(items[place])
            if len(results) % _BREATH == 0:
                await asyncio.sleep(0)

    await asyncio.gather(*(lane(first) for first in range(min(_LANES, len(items)))))
    return [results[place] for place in range(len(items))]


def _ciphertext(value: SealedValue) -> bytes:
    try:
        ciphertext = base64.b64decode(value.ciphertext, validate=True)
    except (binascii.Error, ValueError):
        raise Tampered(f"a sealed value of {value.person_id} is not base64") from None
    if len(ciphertext) < SHORTEST_CIPHERTEXT:
        raise Tampered(f"a sealed value of {value.person_id} was cut")
    return ciphertext
