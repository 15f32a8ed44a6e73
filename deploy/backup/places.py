"""Where a backup is laid: a new folder, or below an address of an object store. Nothing that lies there is replaced."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import ObjectStore, from_url

_PART = 8 * 2**20
"""Bytes of one part; what is smaller goes up whole. S3 takes no part below 5 MiB, and 10 000 of them: 80 GiB a file."""
_AT_ONCE = 2
"""Parts under way: with them a Job needs some 50 MiB, whatever the size of a collection."""


class NotLaid(Exception):
    """A place can't be written. One sentence says why; what lies there is no backup."""


class Place(Protocol):
    """Somewhere to write files into, each once."""

    async def lay(self, name: str, chunks: AsyncIterator[bytes]) -> None:
        """Write a new file, as its bytes come. Raises `NotLaid`."""


class Folder:
    """A folder on this machine, for its owner alone."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def lay(self, name: str, chunks: AsyncIterator[bytes]) -> None:
        """Write a new file, as its bytes come. Raises `NotLaid`."""
        path = self._path / name
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            with path.open("xb") as file:
                path.chmod(0o600)
                async for chunk in chunks:
                    file.write(chunk)
        except OSError as why:
            raise NotLaid(f"{self._path} can't be written ({why.strerror}); what lies there is no backup") from None


class Shelf:
    """A name below an object store's address (`s3://`, `gs://`, `az://`, `file://`). Its login: the environment's."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._name = name

    async def lay(self, name: str, chunks: AsyncIterator[bytes]) -> None:
        """Write a new file, as its bytes come. Raises `NotLaid`."""
        path = f"{self._name}/{name}"
        try:
            store = opened(self._url)
            first = await _first(chunks)
            if len(first) < _PART:
                await obstore.put_async(store, path, first, mode="create", use_multipart=False)
            else:
                # In parts nothing can be asked to be new: no two backups have one name.
                whole = _chained(first, chunks)
                await obstore.put_async(store, path, whole, chunk_size=_PART, max_concurrency=_AT_ONCE)
        except (BaseError, ValueError) as why:
            raise NotLaid(
                f"{path} can't be laid where backups go ({type(why).__name__}): see the address, the login's right to "
                "put, and the way through the network; what lies there is no backup"
            ) from None


async def _first(chunks: AsyncIterator[bytes]) -> bytes:
    """As much as makes one part; less, when there is no more."""
    first = bytearray()
    while len(first) < _PART and (chunk := await anext(chunks, None)) is not None:
        first += chunk
    return bytes(first)


async def _chained(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk


def opened(where: str) -> ObjectStore:
    """The store at an address, or the folder. Raises BaseError or ValueError on what is neither."""
    if urlsplit(where).scheme not in {"", "file"}:
        return from_url(where)
    return from_url(where if where.startswith("file:") else Path(where).absolute().as_uri(), mkdir=True)
