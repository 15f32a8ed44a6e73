"""Reads databases as they were at one moment, and lays what they hold into a place.

Invariant: whatever happens, what is no whole backup has no manifest. No sentence carries an address of MongoDB's.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure, PyMongoError

from contracts.topics import SERVICES
from deploy.backup.archive import Archive, Kind, write_collection
from deploy.backup.places import Place
from services.chassis.keys.person import DATABASE

URI = "PLACET_BACKUP_MONGODB_URI"
"""Who may read what is backed up: the users `backup-data` and `backup-keys`, or one with MongoDB's own role `backup`."""
DATABASES: Mapping[Kind, tuple[str, ...]] = {"data": SERVICES, "keys": (DATABASE,)}
_TOO_OLD = frozenset({239, 246})
"""SnapshotTooOld, SnapshotUnavailable."""


class NotTaken(Exception):
    """There is no backup. One sentence says why, and what to do."""


async def take(uri: str, place: Place, kind: Kind) -> Archive:
    """Write the databases of this kind as they were at one moment. Raises `NotTaken`, and `NotLaid`."""
    try:
        async with _snapshot(uri) as (client, session):
            wanted = {name: sorted(await client[name].list_collection_names()) for name in DATABASES[kind]}
            empty = [name for name, collections in wanted.items() if not collections]
            if empty:
                raise NotTaken(f"there is no database {', '.join(empty)} here: is this the house's MongoDB?")
            return await _write(client, session, place, kind, wanted)
    except OperationFailure as why:
        if why.code in _TOO_OLD:
            raise NotTaken(
                "the backup took longer than MongoDB keeps one moment to read at (5 minutes, if nobody has changed it): "
                "raise minSnapshotHistoryWindowInSeconds there, or take volume snapshots instead"
            ) from None
        raise NotTaken(f"MongoDB refuses ({why.details and why.details.get('codeName')}): {why.code}") from None
    except PyMongoError as why:
        raise NotTaken(
            f"MongoDB can't be reached to the end ({type(why).__name__}); what was written is no backup: remove it, and "
            "try again"
        ) from None


@asynccontextmanager
async def _snapshot(uri: str) -> AsyncIterator[tuple[AsyncMongoClient[dict[str, Any]], Any]]:
    """A session all of whose reads see one moment, in whatever database: what most members have committed by then."""
    async with (
        AsyncMongoClient[dict[str, Any]](uri, tz_aware=True, serverSelectionTimeoutMS=10_000) as client,
        client.start_session(snapshot=True) as session,
    ):
        yield client, session


async def _write(
    client: AsyncMongoClient[dict[str, Any]],
    session: Any,
    place: Place,
    kind: Kind,
    wanted: Mapping[str, Iterable[str]],
) -> Archive:
    # The first read chooses the moment.
    database = next(iter(wanted))
    first = next(iter(wanted[database]))
    await client[database][first].find_one({}, {"_id": 1}, session=session)
    moment = session.operation_time
    entries = [
        await write_collection(place, name, collection, _batches(client[name][collection], session))
        for name, collections in wanted.items()
        for collection in collections
    ]
    archive = Archive(kind=kind, taken_at=datetime.fromtimestamp(moment.time, UTC), entries=tuple(entries))
    await archive.write(place)
    return archive


async def _batches(rows: Any, session: Any) -> AsyncIterator[bytes]:
    """A collection's documents as the server sends them, undecoded: many MB are copied, nothing is read."""
    async for batch in rows.find_raw_batches({}, session=session):
        yield batch
