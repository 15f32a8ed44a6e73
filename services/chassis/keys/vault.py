"""The vault: ciphertext in an object store (S3, GCS, Azure, or a folder in local mode), laid once and never changed.

Invariants: a place is written once, and a second laying of the same bytes is the first; what was acknowledged survives
a power cut; a name appears only when its bytes are whole. It neither knows nor checks what it holds: callers encrypt
before, and check digests after.
"""

import asyncio
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError
from obstore.store import LocalStore, MemoryStore, ObjectStore, from_url

from services.chassis import ids
from services.chassis.store.work import NotNow

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

LARGEST = 64 * 1024 * 1024
"""Bytes of one package. A transcript with evidence has a few megabytes; more is read into no process."""
_PLACE: Final = re.compile(r"[a-z0-9]+(/[a-z0-9]+)*")
_LONGEST_PLACE = 512
_STAGING = "staging"
# Half of what a worker has to drain: a store that does not answer is asked again later, from the top.
_RETRY: "RetryConfig" = {"max_retries": 3, "retry_timeout": timedelta(seconds=10)}
_CLIENT: "ClientConfig" = {"timeout": "10s", "connect_timeout": "3s"}


class AlreadyLaid(Exception):
    """Other bytes lie at this place already. Nothing was written. It is a bug, or somebody tampers with the vault."""


class Missing(Exception):
    """Nothing lies at this place: it never was laid, or was removed when its time was over."""


class TooLarge(Exception):
    """What lies at this place, or is to be laid, is larger than any package may be."""


class Vault:
    """One vault. Every method raises `NotNow` when the store can't be reached, and ValueError on a place that is none."""

    def __init__(self, store: ObjectStore, *, largest: int = LARGEST) -> None:
        self._store = store
        self._largest = largest
        self._folder = Path(store.prefix) if isinstance(store, LocalStore) and store.prefix else None

    @classmethod
    def from_url(cls, url: str, *, largest: int = LARGEST) -> "Vault":
        """The vault at `s3://`, `gs://`, `az://`, `file://` (the folder is made) or `memory://`. Logins: the environment."""
        scheme = urlsplit(url).scheme
        if scheme == "file":
            return cls(from_url(url, mkdir=True), largest=largest)
        if scheme == "memory":
            return cls(MemoryStore(), largest=largest)
        return cls(from_url(url, retry_config=_RETRY, client_options=_CLIENT), largest=largest)

    async def lay(self, place: str, ciphertext: bytes) -> None:
        """Lay at a new place. There already, the same: done. Raises `AlreadyLaid` when other bytes are there."""
        _check(place)
        if len(ciphertext) > self._largest:
            raise TooLarge(f"{len(ciphertext)} bytes are more than the {self._largest} that a package may have")
        try:
            with _not_now():
                await self._put_new(place, ciphertext)
        except AlreadyExistsError:
            if await self.fetch(place) != ciphertext:
                raise AlreadyLaid(f"other bytes lie in the vault at {place}") from None
        # Also when it was there: whoever laid it may have died before it was safe.
        await self._settle(place)

    async def fetch(self, place: str) -> bytes:
        """The bytes at a place. Raises `Missing`, or `TooLarge` before reading them."""
        _check(place)
        with _not_now(), _missing(place):
            found = await obstore.get_async(self._store, place)
            if found.meta["size"] > self._largest:
                raise TooLarge(f"what lies in the vault at {place} has more than {self._largest} bytes")
            return bytes(await found.bytes_async())

    async def remove(self, place: str) -> None:
        """Remove what lies at a place; nothing there is fine."""
        _check(place)
        try:
            with _not_now(), _missing(place):
                await obstore.delete_async(self._store, place)
        except Missing:
            return
        if self._folder is not None:
            with _not_now():
                await asyncio.to_thread(_sync, (self._folder / place).parent)

    async def check(self) -> None:
        """For readiness: the store answers. Raises `NotNow`."""
        if self._folder is not None and not self._folder.is_dir():
            raise NotNow(f"the vault's folder {self._folder} is gone")
        try:
            with _not_now(), _missing("readiness"):
                await obstore.head_async(self._store, "readiness")
        except Missing:
            return  # it answered

    async def _put_new(self, place: str, ciphertext: bytes) -> None:
        if self._folder is None:
            await obstore.put_async(self._store, place, ciphertext, mode="create", use_multipart=False)
            return
        # The library does not sync files. A power cut between name and bytes would leave an empty file at the place
        # for ever, so the bytes are made safe under another name first, and get theirs by a link that replaces nothing.
        staged = f"{_STAGING}/{ids.new('x').replace('_', '')}"
        await obstore.put_async(self._store, staged, ciphertext, mode="create", use_multipart=False)
        try:
            await asyncio.to_thread(_sync, self._folder / staged)
            await obstore.copy_async(self._store, staged, place, overwrite=False)
        finally:
            await obstore.delete_async(self._store, staged)

    async def _settle(self, place: str) -> None:
        """Make the names durable: the folder of the place and those above it, which may be new. Object stores are."""
        if self._folder is None:
            return
        path = self._folder / place
        above = [folder for folder in path.parents if folder.is_relative_to(self._folder)]
        with _not_now():
            await asyncio.to_thread(_sync, *above)


def _sync(*paths: Path) -> None:
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _check(place: str) -> None:
    """A place is lower-case letters, digits and single slashes: no way out of the vault, in no store."""
    if len(place) > _LONGEST_PLACE or not _PLACE.fullmatch(place) or place.startswith(f"{_STAGING}/"):
        raise ValueError("a place in the vault is made of lower-case letters, digits and slashes between them")


@contextmanager
def _missing(place: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotFoundError):
        raise Missing(f"nothing lies in the vault at {place}") from None


@contextmanager
def _not_now() -> Iterator[None]:
    """Whatever the store or the disk can't do now. A refused login too: somebody mends it, and nothing may be lost."""
    try:
        yield
    except AlreadyExistsError:
        raise
    except (BaseError, OSError) as why:
        raise NotNow(f"the vault can't be reached ({type(why).__name__})") from why
