"""`placet restore`: an empty set of databases filled from a backup, so that a house can be started on it.

What was said after the backup is lost, and nobody can know what it was. So what a restored house must not believe is
taken from it here (`restore_doubts`), before any process of it runs.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import bson.errors
import typer
from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from contracts.topics import SERVICES
from deploy.backup.archive import Archive, NoBackup, documents_of, read_archive
from deploy.backup.packages import NotCopied, copy_packages
from deploy.cli.access import HOME, Folder
from deploy.cli.printing import console, fail, plain
from deploy.cli.restore_doubts import NEVER_RESTORED, Doubted, doubt
from deploy.local.house import House
from deploy.local.mongo import Mongo
from deploy.local.process import NotStarted, is_alive
from deploy.mongodb.applying import declared, make_collections
from services.chassis import clock
from services.chassis.keys.person import DATABASE, MASTER_KEY_FILE, MongoPersonKeys, local_kms
from services.chassis.keys.sealing import KeysUnreadable
from services.chassis.store.mongo import connect

URI = "PLACET_RESTORE_MONGODB_URI"
"""A user with MongoDB's own roles `readWriteAnyDatabase` and `dbAdminAnyDatabase`, for this one hour."""
KEYS_KEPT = timedelta(days=30)
"""GUARANTEES of the house: who was erased 30 days ago is in no backup of keys any more."""
AT_ONCE = 200
"""Documents in hand at once: a sealed transcript with its outline may have some hundred kB."""


def restore(
    data: Annotated[Path, typer.Argument(help="What `placet backup --to` has written.")],
    keys: Annotated[Path, typer.Option("--keys", help="What `placet backup --keys-to` wrote: the newest there is.")],
    packages: Annotated[str, typer.Option("--packages", help="The vault that `--packages-to` has filled.")] = "",
    nothing_since: Annotated[
        bool, typer.Option("--nothing-since", help="The house stood still when the data were taken: nothing is lost.")
    ] = False,
    folder: Folder = HOME,
) -> None:
    """Fill an empty house from a backup. On this machine: a folder with nothing in it but the old house's `keys`."""
    try:
        archives = _checked(data, keys)
    except NoBackup as why:
        raise fail(str(why)) from None
    uri = os.environ.get(URI, "")
    if not uri:
        _check_folder(folder)
    elif packages and not os.environ.get("VAULT_URL"):
        raise fail("set VAULT_URL to the vault that the packages are to be copied into")
    try:
        found = asyncio.run(_restore(uri, folder, (data, keys), archives, nothing_since=nothing_since))
        vault = os.environ.get("VAULT_URL", "") if uri else House(folder, services=()).vault_url
        copied = asyncio.run(copy_packages(packages, vault)) if packages else None
    except (NoBackup, NotCopied, NotStarted) as why:
        raise fail(str(why)) from None
    except PyMongoError as why:
        raise fail(f"MongoDB did not take all of it ({type(why).__name__}): empty it, and restore again") from None
    for archive in archives:
        console.print(
            f"[green]✓[/] {archive.kind}  {archive.documents} documents of {archive.taken_at:%Y-%m-%d %H:%M:%S} UTC"
        )
    if copied is not None:
        console.print(f"[green]✓[/] packages  {copied.copied} copied, {copied.there} lay there already")
    _tell(found)


def _checked(data: Path, keys: Path) -> tuple[Archive, Archive]:
    """Both archives, whole and fit for one another. Raises `NoBackup`."""
    found = read_archive(keys, "keys"), read_archive(data, "data")
    if found[0].taken_at < found[1].taken_at:
        raise NoBackup(
            "the keys are older than the data: who came in between could be read by nobody; take the newest backup of "
            "keys, or older data"
        )
    if clock.now() - found[0].taken_at > KEYS_KEPT:
        raise NoBackup(
            f"the keys are more than {KEYS_KEPT.days} days old: with them, people could be read again who were erased "
            "since and were promised otherwise; take a newer backup of keys, and delete this one"
        )
    return found


def _check_folder(folder: Path) -> None:
    """A new house's folder: secrets and nothing else."""
    if is_alive(folder / "house.pid") or (folder / "mongo").exists() or (folder / "kafka").exists():
        raise fail(
            f"a house lies in {folder} already: restore into a new folder (a database or topics with something in them "
            "would tell two stories)"
        )
    if not (folder / "keys" / MASTER_KEY_FILE).exists():
        raise fail(
            f"{folder / 'keys'} has no {MASTER_KEY_FILE}: lay the old house's folder `keys` there first; without the "
            "very same secrets nothing of it can be read"
        )


async def _restore(
    uri: str, folder: Path, places: tuple[Path, Path], archives: tuple[Archive, Archive], *, nothing_since: bool
) -> Doubted:
    data, keys = places[0], places[1]
    async with (
        _database(uri, folder) as address,
        AsyncMongoClient[dict[str, Any]](
            address, tz_aware=True, serverSelectionTimeoutMS=10_000, w="majority", journal=True
        ) as client,
    ):
        await _check_empty(client)
        await make_collections(address, declared())
        await _load(client, keys, archives[0])
        if not uri:
            await _check_master_key(address, folder)
        await _load(client, data, archives[1])
        return await doubt(client, taken_at=archives[1].taken_at, now=clock.now(), nothing_since=nothing_since)


@asynccontextmanager
async def _database(uri: str, folder: Path) -> AsyncIterator[str]:
    """The address to fill: the one given, or a new local house's mongod, which runs only meanwhile and stays only filled."""
    if uri:
        yield uri
        return
    mongo = Mongo(folder / "mongo")
    try:
        await mongo.start()
        yield mongo.root_uri
    except BaseException:
        await mongo.stop()
        await asyncio.to_thread(shutil.rmtree, mongo.folder, ignore_errors=True)
        raise
    await mongo.stop()


async def _check_empty(client: AsyncMongoClient[dict[str, Any]]) -> None:
    """Raises `NoBackup`: nothing is ever restored over something."""
    for name in (*SERVICES, DATABASE):
        for collection in await client[name].list_collection_names():
            if await client[name][collection].find_one({}, {"_id": 1}) is not None:
                raise NoBackup(
                    f"{name}.{collection} is not empty: restoring over a house would make it forget revocations; "
                    "restore into an empty set of databases, with no process of the house running"
                )


async def _load(client: AsyncMongoClient[dict[str, Any]], folder: Path, archive: Archive) -> None:
    for entry in archive.entries:
        if (entry.database, entry.collection) in NEVER_RESTORED:
            continue
        rows: Any = client[entry.database][entry.collection]
        try:
            for several in documents_of(folder, entry, at_once=AT_ONCE):
                await rows.insert_many(several, ordered=False)
        except bson.errors.InvalidBSON:
            raise NoBackup(f"{folder / entry.file} is cut off in the midst of a document") from None


async def _check_master_key(address: str, folder: Path) -> None:
    """Whether the secrets that lie here open what was restored. Raises `NoBackup`."""
    asking = connect(address)
    try:
        kms = local_kms(folder / "keys" / MASTER_KEY_FILE)
        await MongoPersonKeys(asking, kms=kms).check()
    except KeysUnreadable as why:
        raise NoBackup(str(why)) from None
    except Exception as why:
        raise NoBackup(
            f"{MASTER_KEY_FILE} in {folder / 'keys'} is not the one under which these keys were wrapped: lay the right "
            "one there; nothing was restored"
        ) from why
    finally:
        asking.close()


def _tell(found: Doubted) -> None:
    console.print(
        f"{found.republished} rows will be published again when the relays start: readers drop what they know."
    )
    if found.too_old:
        console.print(
            "The backup is too old to publish anything again: what was under way then must be asked for anew."
        )
    if found.aside_id:
        console.print(
            f"\n[bold]Nothing is disclosed yet.[/] What was taken back after {plain(found.taken_at)} UTC is not known here. "
            "Start the house, let schools and\nfamilies take back again what they had taken back (deploy/runbooks/"
            "restore.md), and then say:\n"
        )
        console.print(f"  placet aside dismiss {found.aside_id} --because …", soft_wrap=True)
