"""Looks for words in everything a house has written: documents, data files, topics, the vault, logs, traces, metrics.

WiredTiger compresses its files, so documents are read through the driver as well, each as the bytes it is kept in; Kafka
keeps ours as they were sent. What a recipient keeps and what a mailbox holds is theirs, and not looked at.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.errors import OperationFailure

from tests.support.house import World
from tests.support.town import Words

FOLDERS = ("mongo", "kafka", "vault", "logs", "traces")
_RAW: CodecOptions[Any] = CodecOptions(document_class=RawBSONDocument)


async def found_in(world: World, words: Words) -> list[str]:
    """Every place where one of the words stands in clear, each with what stands there."""
    await world.documents.admin.command("fsync")
    found = [hit async for hit in _in_documents(world, words)]
    found += await asyncio.to_thread(_in_files, world.house.folder, words)
    found += [hit async for hit in _in_metrics(world, words)]
    return found


async def _in_documents(world: World, words: Words) -> AsyncIterator[str]:
    for database in await world.documents.list_database_names():
        for name in await world.documents[database].list_collection_names():
            collection: Any = world.documents[database].get_collection(name, codec_options=_RAW)
            try:
                kept = [document.raw async for document in collection.find({}, batch_size=1_000)]
            except OperationFailure:
                # Some of the server's own rooms are not to be read by anybody; their files are searched all the same.
                if database not in {"admin", "config", "local"}:
                    raise
                continue
            for hit in words.find(b"".join(kept)):
                yield f"{database}.{name}: {hit}"


def _in_files(folder: Path, words: Words) -> list[str]:
    found = []
    for place in FOLDERS:
        for path in sorted(path for path in (folder / place).rglob("*") if path.is_file()):
            # Both servers lay out files in advance: behind what is written there are only zeros.
            found += [f"{path.relative_to(folder)}: {hit}" for hit in words.find(path.read_bytes().rstrip(b"\0"))]
    return found


async def _in_metrics(world: World, words: Words) -> AsyncIterator[str]:
    for seat in world.house.seats.values():
        async with world.web.get(f"http://127.0.0.1:{seat.port}/metrics") as answer:
            text = await answer.read()
        assert b"placet_" in text, f"{seat.name} tells nothing of itself"
        for hit in words.find(text):
            yield f"/metrics of {seat.name}: {hit}"
