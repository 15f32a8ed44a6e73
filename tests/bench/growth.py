"""A million stored requests: what real releases left in the databases, copied under new ids, and what the house does then.

A copy is the stored bytes with each id exchanged for another one of the same length, so a document is as large, as deep
and as indexed as one that came about by itself. Outbox, inbox and set-asides are left out: they keep a week, not for ever.
"""

import asyncio
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bson.raw_bson import DEFAULT_RAW_BSON_OPTIONS, RawBSONDocument
from pymongo import MongoClient
from pymongo.errors import BulkWriteError

from contracts.topics import SERVICES
from services.chassis import clock
from services.chassis.store.shelf import MECHANISM
from tests.bench.figures import Figure
from tests.bench.measures import Floors, person_by_person
from tests.bench.stand import Stand

SMALL = 10_000
PATTERNS = 60
"""Releases that are copied."""
BULK = 1_000
SECONDS, AT_ONCE = 25.0, 48
"""Of each measurement: families at once, and how long they go on."""
FIXED = b"per|org|trn|pkg|end|cli"
"""Kinds of ids that a copy keeps: families ask for the same transcripts and recipients again and again."""
_ID = re.compile(rb"\b(?!" + FIXED + rb")[a-z]{3}_[0-9a-hjkmnp-tv-z]{26}")
_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
Shelved = Mapping[tuple[str, str], Sequence[bytes]]


@dataclass(frozen=True)
class Pattern:
    """What one release left: documents by database and collection."""

    documents: Shelved

    def copy(self, number: int) -> Iterator[tuple[tuple[str, str], RawBSONDocument]]:
        """The same under ids of its own, which no other number makes."""
        mark = b"0" + _spelled(number)
        for place, found in self.documents.items():
            for raw in found:
                changed = _ID.sub(lambda known: known.group()[:4] + mark + known.group()[4 + len(mark) :], raw)
                if place == ("delivery", "ledger"):
                    # One chain a school: the copy's is a school that has one row.
                    changed = re.sub(rb"org_[0-9a-z]{26}", b"org_" + mark.ljust(26, b"0"), changed)
                yield place, RawBSONDocument(changed)


async def growth(stand: Stand, known: Floors, wanted: int) -> list[Figure]:
    """Releases a second at ten thousand stored requests, at `wanted`, and what a worker's memory did in between."""
    stand.say("the first releases, to be copied")
    await stand.mood("well")
    await stand.families(seconds=8, at_once=16)
    await stand.quiet()
    uri = stand.house.mongo.root_uri
    patterns = await asyncio.to_thread(_patterns, uri)
    took_small = await asyncio.to_thread(_fill, uri, patterns, 0, SMALL)
    [few] = await person_by_person(stand, known, SECONDS, AT_ONCE)
    memory = _memory(stand)
    stand.say(f"{SMALL} requests lie there ({took_small:.0f} s): {few.value:.1f} releases/s; filling up to {wanted}")
    took = await asyncio.to_thread(_fill, uri, patterns, SMALL, wanted)
    stored = await stand.world.documents["consent"]["requests"].estimated_document_count()
    # The database writes what it was given to disk before anything is measured.
    await stand.world.documents["admin"].command("fsync")
    [many] = await person_by_person(stand, known, SECONDS, AT_ONCE)
    grown = {name: now / memory[name] for name, now in _memory(stand).items()}
    return [
        Figure(
            what=f"cost growth: releases/s at {stored} stored requests", unit="/s", value=many.value, goal=0.9,
            floor=few.value, floor_is=f"at {SMALL} requests",
            note=f"filled in {took:.0f} s; {_disk(stand.house.folder / 'mongo') / 2**30:.1f} GiB of MongoDB",
        ),
        Figure(
            what="memory of a service's process meanwhile, the one that grew most", unit="×", value=max(grown.values()),
            goal=1.1, way="at most", note=", ".join(f"{name} {value:.2f}" for name, value in grown.items()),
        ),
    ]  # fmt: skip


def _patterns(uri: str) -> list[Pattern]:
    """What some finished releases left, found by the ids that lead from one document to the next."""
    client: MongoClient[RawBSONDocument] = MongoClient(uri, document_class=RawBSONDocument)
    skipped = {one.name for one in MECHANISM} | {"chains", "watermarks"}
    everything = [
        ((service, name), bytes(one.raw))
        for service in SERVICES
        for name in client[service].list_collection_names()
        if name not in skipped and not name.startswith("system.")
        for one in client[service][name].find()
    ]
    requests = [
        one["_id"].encode() for one in client["consent"]["requests"].find({"status": "approved"}).limit(PATTERNS)
    ]
    client.close()
    found: dict[bytes, dict[tuple[str, str], list[bytes]]] = {one: defaultdict(list) for one in requests}
    for place, raw in everything:
        about = {one for one in _ID.findall(raw) if one in found}
        if len(about) == 1:
            found[about.pop()][place].append(raw)
    return [Pattern(dict(documents)) for documents in found.values()]


def _fill(uri: str, patterns: Sequence[Pattern], since: int, until: int) -> float:
    """Copies with the numbers from `since` on. Seconds."""
    began = clock.seconds()
    client: MongoClient[RawBSONDocument] = MongoClient(uri, w=1, document_class=RawBSONDocument)
    codec = DEFAULT_RAW_BSON_OPTIONS
    waiting: dict[tuple[str, str], list[RawBSONDocument]] = defaultdict(list)

    def put(place: tuple[str, str]) -> None:
        rows = waiting.pop(place)
        try:
            client[place[0]].get_collection(place[1], codec_options=codec).insert_many(rows, ordered=False)
        except BulkWriteError as why:
            raise RuntimeError(f"{place}: {str(why.details.get('writeErrors', why))[:300]}") from None

    for number in range(since, until):
        for place, document in patterns[number % len(patterns)].copy(number):
            waiting[place].append(document)
            if len(waiting[place]) >= BULK:
                put(place)
    for place in [*waiting]:
        put(place)
    client.close()
    return clock.seconds() - began


def _spelled(number: int) -> bytes:
    digits = ""
    for _ in range(6):
        number, digit = divmod(number, 32)
        digits = _DIGITS[digit] + digits
    return digits.encode()


def _memory(stand: Stand) -> dict[str, int]:
    """Resident bytes by service."""
    told: dict[str, int] = {}
    for name in SERVICES:
        lines = Path(f"/proc/{stand.house.service_process(name).pid}/status").read_text().splitlines()
        told[name] = int(next(line.split()[1] for line in lines if line.startswith("VmRSS")))
    return told


def _disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def asked(value: Any) -> int:
    """The number of requests, from the command line."""
    return max(SMALL, int(str(value).replace("_", "")))
