"""`placet backup`: every service's database at one moment; the keys of persons apart; packages by their addresses.

The order is data, then keys, then packages, so that neither keys nor packages are ever older than data that need them.
Keys are a backup of their own, taken as often as one likes: the newest one says who was erased meanwhile.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure, PyMongoError

from contracts.topics import SERVICES
from deploy.cli.access import HOME, Folder
from deploy.cli.backup_archive import Archive, Kind, write_collection
from deploy.cli.backup_packages import NotCopied, copy_packages
from deploy.cli.printing import console, fail, plain
from deploy.local.house import House
from services.chassis.keys.person import DATABASE

URI = "PLACET_BACKUP_MONGODB_URI"
"""A user with MongoDB's own role `backup`; on this machine the house's root."""
DATA = SERVICES
KEYS = (DATABASE,)
_TOO_OLD = frozenset({239, 246})
"""SnapshotTooOld, SnapshotUnavailable."""


def backup(
    to: Annotated[Path | None, typer.Option("--to", help="A new folder for the data of all services.")] = None,
    keys_to: Annotated[
        Path | None, typer.Option("--keys-to", help="A new folder for the keys of persons: elsewhere, kept 30 days.")
    ] = None,
    packages_to: Annotated[
        str, typer.Option("--packages-to", help="A vault's address or a folder; what lies there already stays.")
    ] = "",
    folder: Folder = HOME,
) -> None:
    """Write what a house would have to be made from again. Data and keys go to different places, each for itself too."""
    if not (to or keys_to or packages_to):
        raise fail("say what to back up: --to FOLDER for the data, --keys-to FOLDER, --packages-to VAULT")
    _check_apart(to, keys_to)
    uri, vault = where_from(folder)
    if packages_to and not vault:
        raise fail("set VAULT_URL to the vault that the packages are to be copied from")
    parts: tuple[tuple[Kind, Path | None, tuple[str, ...]], ...] = (("data", to, DATA), ("keys", keys_to, KEYS))
    for kind, place, databases in parts:
        if place is not None:
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
            made = asyncio.run(take(uri, place, kind, databases))
            said = f"{made.documents} documents, {made.size / 2**20:.1f} MiB, as of {made.taken_at:%Y-%m-%d %H:%M:%S}"
            console.print(f"[green]✓[/] {kind}  {said} UTC  {plain(place)}")
    if packages_to:
        try:
            copied = asyncio.run(copy_packages(vault, packages_to))
        except NotCopied as why:
            raise fail(str(why)) from None
        said = f"{copied.copied} copied ({copied.size / 2**20:.1f} MiB), {copied.there} lay there already"
        console.print(f"[green]✓[/] packages  {said}  {plain(packages_to)}")


def where_from(folder: Path) -> tuple[str, str]:
    """The database's and the vault's address: the environment's, else the local house's. Leaves with a sentence."""
    uri = os.environ.get(URI)
    if uri:
        return uri, os.environ.get("VAULT_URL", "")
    if not (folder / "house.json").exists():
        raise fail(f"no house is up in {folder}, and {URI} is not set: start it with `placet up`, or name a database")
    house = House(folder)
    return house.mongo.root_uri, house.vault_url


def _check_apart(to: Path | None, keys_to: Path | None) -> None:
    for place in filter(None, (to, keys_to)):
        if place.exists() and (not place.is_dir() or any(place.iterdir())):
            raise fail(f"{place} is there already and not empty: a backup never mixes with another")
    if to is None or keys_to is None:
        return
    data, keys = to.absolute(), keys_to.absolute()
    if data == keys or data in keys.parents or keys in data.parents:
        raise fail(
            "data and keys must not lie in one folder: with the keys beside them the data of an erased person could be "
            "read again from this backup; choose another place for --keys-to, with other people's rights"
        )


async def take(uri: str, to: Path, kind: Kind, databases: Iterable[str]) -> Archive:
    """Write these databases as they were at one moment into an empty folder. Leaves with a sentence."""
    try:
        async with _snapshot(uri) as (client, session):
            wanted = {name: sorted(await client[name].list_collection_names()) for name in databases}
            empty = [name for name, collections in wanted.items() if not collections]
            if empty:
                raise fail(f"there is no database {', '.join(empty)} here: is this the house's MongoDB?")
            return await _write(client, session, to, kind, wanted)
    except OperationFailure as why:
        if why.code in _TOO_OLD:
            raise fail(
                "the backup took longer than MongoDB keeps one moment to read at (5 minutes, if nobody has changed it): "
                "raise minSnapshotHistoryWindowInSeconds there, or take volume snapshots instead"
            ) from None
        raise fail(f"MongoDB refuses ({why.details and why.details.get('codeName')}): {why.code}") from None
    except PyMongoError as why:
        raise fail(f"MongoDB can't be reached to the end ({type(why).__name__}); remove {to} and try again") from None
    except OSError as why:
        raise fail(f"{to} can't be written ({why.strerror}); what lies there is no backup") from None


@asynccontextmanager
async def _snapshot(uri: str) -> AsyncIterator[tuple[AsyncMongoClient[dict[str, Any]], Any]]:
    """A session all of whose reads see one moment, in whatever database: what most members have committed by then."""
    async with (
        AsyncMongoClient[dict[str, Any]](uri, tz_aware=True, serverSelectionTimeoutMS=10_000) as client,
        client.start_session(snapshot=True) as session,
    ):
        yield client, session


async def _write(
    client: AsyncMongoClient[dict[str, Any]], session: Any, to: Path, kind: Kind, wanted: Mapping[str, list[str]]
) -> Archive:
    # The first read chooses the moment.
    first = next(iter(wanted))
    await client[first][wanted[first][0]].find_one({}, {"_id": 1}, session=session)
    moment = session.operation_time
    entries = [
        await write_collection(to, name, collection, _batches(client[name][collection], session))
        for name, collections in wanted.items()
        for collection in collections
    ]
    archive = Archive(kind=kind, taken_at=datetime.fromtimestamp(moment.time, UTC), entries=tuple(entries))
    archive.write(to)
    return archive


async def _batches(rows: Any, session: Any) -> AsyncIterator[bytes]:
    """A collection's documents as the server sends them, undecoded: many MB are copied, nothing is read."""
    async for batch in rows.find_raw_batches({}, session=session):
        yield batch
