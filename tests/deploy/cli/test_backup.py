"""`placet backup` and `placet restore` as they are typed, on real databases; the whole story is told in tests/drills."""

import asyncio
import base64
import json
import secrets
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import bson
import pytest
import pytest_asyncio
from pymongo import AsyncMongoClient
from typer.testing import CliRunner

from contracts.topics import SERVICES
from contracts.types import PersonId, SealedValue
from deploy.backup.archive import Archive, NoBackup, documents_of, read_archive, write_collection
from deploy.backup.packages import NotCopied, copy_packages
from deploy.backup.places import Folder
from deploy.cli.__main__ import app
from deploy.cli.restore_doubts import OLDEST_REPUBLISHED, doubt
from deploy.local.mongo import Mongo
from deploy.mongodb.applying import declared, make_collections
from services.chassis import clock
from services.chassis.keys.person import MASTER_KEY_BYTES, MASTER_KEY_FILE, Erased, MongoPersonKeys, local_kms
from services.chassis.keys.vault import Vault
from services.chassis.store.mongo import connect

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
AMELIE, BRUNO = PersonId("per_amelie"), PersonId("per_bruno")


def typed(*words: str | Path, code: int = 0) -> str:
    result = CliRunner().invoke(app, [*map(str, words)])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


async def batches(*documents: dict[str, Any]) -> AsyncIterator[bytes]:
    for document in documents:
        yield bson.encode(document)


async def an_archive(folder: Path, kind: str = "data", *, taken_at: datetime = NOW) -> Path:
    await asyncio.to_thread(folder.mkdir, parents=True)
    entries = [await write_collection(Folder(folder), "identity", "people", batches({"_id": "a"}, {"_id": "b"}))]
    entries.append(await write_collection(Folder(folder), "identity", "tokens", batches()))
    await Archive(kind=kind, taken_at=taken_at, entries=tuple(entries)).write(Folder(folder))
    return folder


async def test_an_archive_says_what_is_in_it_and_is_read_as_it_was_written(tmp_path: Path) -> None:
    archive = read_archive(await an_archive(tmp_path / "one"), "data")
    assert archive.documents == 2 and archive.size == 2 * len(bson.encode({"_id": "a"}))
    (several,) = documents_of(tmp_path / "one", archive.entries[0], at_once=10)
    assert [document["_id"] for document in several] == ["a", "b"]
    assert [len(one) for one in documents_of(tmp_path / "one", archive.entries[0], at_once=1)] == [1, 1]
    assert (tmp_path / "one" / "identity" / "people.bson").stat().st_mode & 0o077 == 0


def no_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def other_bytes(folder: Path) -> None:
    path = folder / "identity" / "people.bson"
    path.write_bytes(path.read_bytes().replace(b"a", b"x"))


def a_file_less(folder: Path) -> None:
    (folder / "identity" / "people.bson").unlink()


def out_of_the_folder(folder: Path) -> None:
    said = json.loads((folder / "manifest.json").read_text())
    said["entries"][0]["database"] = "../../etc"
    (folder / "manifest.json").write_text(json.dumps(said))


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (no_manifest, "has no manifest.json"),
        (other_bytes, "its digest differs"),
        (a_file_less, "the backup is not whole"),
        (out_of_the_folder, "can't be read as a backup's"),
    ],
)
async def test_what_is_not_a_whole_backup_is_not_believed(
    tmp_path: Path, broken: Callable[[Path], None], why: str
) -> None:
    folder = await an_archive(tmp_path / "one")
    broken(folder)
    with pytest.raises(NoBackup, match=why):
        read_archive(folder, "data")


async def test_keys_are_not_taken_for_data(tmp_path: Path) -> None:
    with pytest.raises(NoBackup, match="is a backup of keys, and one of data is wanted"):
        read_archive(await an_archive(tmp_path / "one", "keys"), "data")


@pytest.mark.parametrize("keys", [".", "keys", ".."])
def test_data_and_keys_never_lie_in_one_folder(tmp_path: Path, keys: str) -> None:
    to = tmp_path / "a" / "b"
    said = typed("backup", "--to", to, "--keys-to", (to / keys).resolve(), "--folder", tmp_path / "nowhere", code=1)
    assert "could be read again from this backup" in said or "is there already and not empty" in said
    assert not to.exists()


def test_a_backup_says_what_it_lacks(tmp_path: Path) -> None:
    assert "say what to back up" in typed("backup", code=1)
    assert "no house is up" in typed("backup", "--to", tmp_path / "new", "--folder", tmp_path, code=1)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    assert "never mixes with another" in typed("backup", "--to", tmp_path / "full", code=1)


async def test_a_restore_wants_keys_that_fit_the_data(tmp_path: Path) -> None:
    now = clock.now().replace(microsecond=0)
    data = await an_archive(tmp_path / "data", taken_at=now - timedelta(days=32))
    older = await an_archive(tmp_path / "older", "keys", taken_at=now - timedelta(days=33))
    old = await an_archive(tmp_path / "old", "keys", taken_at=now - timedelta(days=31))
    new = await an_archive(tmp_path / "new", "keys", taken_at=now)

    async def refused(keys: Path) -> str:
        return await asyncio.to_thread(typed, "restore", data, "--keys", keys, "--folder", tmp_path / "fresh", code=1)

    assert "the keys are older than the data" in await refused(older)
    assert "people could be read again who were erased since" in await refused(old)
    assert "lay the old house's folder `keys` there first" in await refused(new)
    (tmp_path / "fresh" / "mongo").mkdir(parents=True)
    assert "a house lies in" in await refused(new)


async def test_packages_are_copied_once_and_never_replaced(tmp_path: Path) -> None:
    source = Vault.from_url((tmp_path / "vault").as_uri())
    await source.lay("ab/cdef", b"one")
    await source.lay("ab/0123", b"two")
    target = str(tmp_path / "copy")
    first = await copy_packages((tmp_path / "vault").as_uri(), target)
    assert (first.copied, first.there, first.size) == (2, 0, 6)
    await source.lay("cd/4567", b"three")
    again = await copy_packages((tmp_path / "vault").as_uri(), target)
    assert (again.copied, again.there) == (1, 2)
    assert await Vault.from_url(Path(target).as_uri()).fetch("ab/cdef") == b"one"
    (tmp_path / "vault" / "ab" / "cdef").write_bytes(b"other")
    with pytest.raises(NotCopied, match="other bytes lie at ab/cdef"):
        await copy_packages((tmp_path / "vault").as_uri(), target)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lived_in(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Mongo, Path]]:
    """A database with the house's collections, a person's key and a few documents; and the folder of its secrets."""
    folder = tmp_path_factory.mktemp("lived-in")
    (folder / "keys").mkdir()
    (folder / "keys" / MASTER_KEY_FILE).write_bytes(base64.b64encode(secrets.token_bytes(MASTER_KEY_BYTES)))
    mongo = Mongo(folder / "mongo")
    await mongo.start()
    await make_collections(mongo.root_uri, declared())
    client = connect(mongo.root_uri)
    keys = MongoPersonKeys(client, kms=local_kms(folder / "keys" / MASTER_KEY_FILE))
    await keys.create([AMELIE, BRUNO])
    for person in (AMELIE, BRUNO):
        sealed = await keys.seal(person, b"somebody")
        await client["notify"]["people"].insert_one({"_id": person, "order": 1, "name": sealed.ciphertext})
    await client["consent"]["outbox"].insert_many(
        [
            {"_id": "evt_1", "sent": True, "sent_at": NOW, "barrier": False, "order": 1},
            {"_id": "evt_2", "sent": False, "barrier": False, "order": 2},
            {"_id": "evt_3", "sent": True, "sent_at": NOW, "barrier": True, "order": 3},
        ]
    )
    await client["delivery"]["watermarks"].insert_one({"_id": "0", "order": 1, "at": NOW, "doubted": []})
    for user, roles in (("backup", ["backup"]), ("restore", ["readWriteAnyDatabase", "dbAdminAnyDatabase"])):
        await client.admin.command("createUser", user, pwd=user, roles=roles)
    client.close()
    yield mongo, folder
    await mongo.stop()


@pytest.mark.connected
async def test_what_is_restored_opens_with_the_old_secrets_and_what_a_restored_house_must_not_believe_is_gone(
    lived_in: tuple[Mongo, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mongo, folder = lived_in
    monkeypatch.setenv("PLACET_BACKUP_MONGODB_URI", mongo.root_uri)
    await asyncio.to_thread(typed, "backup", "--to", tmp_path / "data")
    lived = connect(mongo.root_uri)
    await MongoPersonKeys(lived, kms=local_kms(folder / "keys" / MASTER_KEY_FILE)).erase(BRUNO)
    lived.close()
    await asyncio.to_thread(typed, "backup", "--keys-to", tmp_path / "keys")
    fresh = tmp_path / "fresh"
    (fresh / "keys").mkdir(parents=True)
    words = ("restore", tmp_path / "data", "--keys", tmp_path / "keys", "--nothing-since", "--folder", fresh)
    (fresh / "keys" / MASTER_KEY_FILE).write_bytes(base64.b64encode(secrets.token_bytes(MASTER_KEY_BYTES)))
    assert "is not the one under which these keys were wrapped" in await asyncio.to_thread(typed, *words, code=1)
    (fresh / "keys" / MASTER_KEY_FILE).write_bytes((folder / "keys" / MASTER_KEY_FILE).read_bytes())
    said = await asyncio.to_thread(typed, *words)
    assert "Nothing is disclosed" not in said

    restored = Mongo(fresh / "mongo")
    await restored.start()
    client = connect(restored.root_uri)
    try:
        keys = MongoPersonKeys(client, kms=local_kms(fresh / "keys" / MASTER_KEY_FILE))
        rows = {row["_id"]: row["name"] async for row in client["notify"]["people"].find({})}
        assert await keys.open(SealedValue(person_id=AMELIE, ciphertext=rows[AMELIE])) == b"somebody"
        with pytest.raises(Erased):  # after the data were taken, and before the keys were
            await keys.open(SealedValue(person_id=BRUNO, ciphertext=rows[BRUNO]))
        unsent = await client["consent"]["outbox"].find({"sent": False}).sort("_id", 1).to_list(None)
        assert [one["_id"] for one in unsent] == ["evt_1", "evt_2"]
        assert not await client["delivery"]["watermarks"].count_documents({})
        assert not await client["delivery"]["aside"].count_documents({})
        assert "number_1" in str(await client["delivery"]["ledger"].index_information())
    finally:
        client.close()
        await restored.stop()


@pytest.mark.connected
async def test_nothing_is_published_again_of_a_backup_that_inboxes_would_not_know(lived_in: tuple[Mongo, Path]) -> None:
    mongo, _ = lived_in
    async with AsyncMongoClient[dict[str, Any]](mongo.root_uri, tz_aware=True) as client:
        now = NOW + OLDEST_REPUBLISHED + timedelta(seconds=1)
        found = await doubt(client, taken_at=NOW, now=now, nothing_since=True)
    assert found.too_old and not found.republished


@pytest.mark.connected
async def test_mongodbs_own_roles_are_enough_and_a_house_with_something_in_it_is_never_restored_over(
    lived_in: tuple[Mongo, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mongo, _ = lived_in
    monkeypatch.setenv("PLACET_BACKUP_MONGODB_URI", mongo.uri("backup", "backup"))
    monkeypatch.setenv("PLACET_RESTORE_MONGODB_URI", mongo.uri("restore", "restore"))
    await asyncio.to_thread(typed, "backup", "--to", tmp_path / "data", "--keys-to", tmp_path / "keys")
    archive = read_archive(tmp_path / "data", "data")
    assert {entry.database for entry in archive.entries} == set(SERVICES)
    said = await asyncio.to_thread(typed, "restore", tmp_path / "data", "--keys", tmp_path / "keys", code=1)
    assert "is not empty: restoring over a house would make it forget revocations" in said
    async with AsyncMongoClient[dict[str, Any]](mongo.root_uri) as client:
        for name in (*SERVICES, "keys"):
            await client.drop_database(name)
    said = await asyncio.to_thread(typed, "restore", tmp_path / "data", "--keys", tmp_path / "keys")
    assert "1 rows will be published again" in said and "placet aside dismiss restored:" in said
