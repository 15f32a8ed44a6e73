"""The command of the chart's CronJobs, on a real MongoDB under the users that the chart makes, into a store's folder."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from contracts.topics import SERVICES
from deploy.backup.__main__ import main
from deploy.backup.archive import read_archive
from deploy.backup.places import _PART, NotLaid, Shelf
from deploy.local.principals import mongo_roles
from deploy.mongodb.applying import authorize_mongo, declared, make_collections
from services.chassis.keys.vault import Vault

LOCAL = ("typer", "rich", "filelock", "confluent_kafka", "yaml", "maven_artifact")


def test_a_wrong_word_and_a_missing_variable_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["all"], {}) == 2
    assert main(["data"], {}) == 1
    assert "PLACET_BACKUP_MONGODB_URI is missing" in capsys.readouterr().err
    assert main(["packages"], {"VAULT_URL": "memory://"}) == 1
    assert "PLACET_BACKUP_URL is missing" in capsys.readouterr().err


def test_it_needs_nothing_that_the_image_has_not() -> None:
    code = f"import sys; sys.modules.update(dict.fromkeys({LOCAL!r})); import deploy.backup.__main__"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def files(folder: Path) -> list[Path]:
    return [*folder.iterdir()]


@pytest.fixture(scope="module")
async def uris(mongo: Any) -> AsyncIterator[dict[str, str]]:
    """The house's collections with a document in two of them; and each user's address."""
    roles = mongo_roles(declared())
    passwords = {role.name: f"a-password-of-{role.name}" for role in roles}
    await authorize_mongo(mongo.root_uri, roles=roles, passwords=passwords)
    await make_collections(mongo.root_uri, declared())
    async with AsyncMongoClient[dict[str, Any]](mongo.root_uri) as client:
        await client["notify"]["people"].insert_one({"_id": "per_backed_up"})
        await client["keys"]["vault"].insert_one({"keyAltNames": ["per_backed_up"]})
        yield {user: mongo.uri(user, password) for user, password in passwords.items()}
        await client["notify"]["people"].delete_one({"_id": "per_backed_up"})
        await client["keys"]["vault"].delete_one({"keyAltNames": "per_backed_up"})


@pytest.mark.connected
@pytest.mark.parametrize(("kind", "databases"), [("data", set(SERVICES)), ("keys", {"keys"})])
async def test_each_part_is_laid_whole_under_its_moment(
    uris: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: Any, databases: set[str]
) -> None:
    told = {"PLACET_BACKUP_MONGODB_URI": uris[f"backup-{kind}"], "PLACET_BACKUP_URL": tmp_path.as_uri()}
    assert await asyncio.to_thread(main, [kind], told) == 0
    (folder,) = files(tmp_path)
    archive = read_archive(folder, kind)
    assert {entry.database for entry in archive.entries} == databases
    assert archive.documents >= 1
    assert f"{folder.name}: {archive.documents} documents" in capsys.readouterr().out


@pytest.mark.connected
@pytest.mark.parametrize(("kind", "user"), [("data", "backup-keys"), ("keys", "backup-data"), ("data", "operator")])
async def test_who_reads_one_part_can_not_read_the_other(
    uris: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, user: str
) -> None:
    told = {"PLACET_BACKUP_MONGODB_URI": uris[user], "PLACET_BACKUP_URL": tmp_path.as_uri()}
    assert await asyncio.to_thread(main, [kind], told) == 1
    assert "MongoDB refuses (Unauthorized)" in capsys.readouterr().err
    assert not [path for folder in files(tmp_path) for path in files(folder) if path.name == "manifest.json"]


async def test_packages_are_copied_as_they_lie(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vault = (tmp_path / "vault").as_uri()
    await Vault.from_url(vault).lay("ab/cdef", b"one")
    told = {"VAULT_URL": vault, "PLACET_BACKUP_URL": (tmp_path / "copy").as_uri()}
    assert await asyncio.to_thread(main, ["packages"], told) == 0
    assert "1 copied" in capsys.readouterr().out
    assert (tmp_path / "copy" / "ab" / "cdef").read_bytes() == b"one"


@pytest.mark.parametrize("size", [0, 1, _PART, 3 * _PART + 1])
async def test_a_file_of_any_size_arrives_whole(tmp_path: Path, size: int) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for begin in range(0, size, 1_000_003):
            yield bytes(min(1_000_003, size - begin))

    await Shelf(tmp_path.as_uri(), "data").lay("identity/people.bson", chunks())
    assert (tmp_path / "data" / "identity" / "people.bson").stat().st_size == size


async def test_what_lies_there_is_never_replaced_and_a_store_that_fails_is_told(tmp_path: Path) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"one"

    place = Shelf(tmp_path.as_uri(), "data")
    await place.lay("manifest.json", chunks())
    with pytest.raises(NotLaid, match="AlreadyExistsError"):
        await place.lay("manifest.json", chunks())
    with pytest.raises(NotLaid, match="can't be laid where backups go"):
        await Shelf("nowhere://bucket", "data").lay("manifest.json", chunks())
