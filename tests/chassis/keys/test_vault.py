import asyncio
import os
import stat
from pathlib import Path

import pytest

from services.chassis.keys import vault as room
from services.chassis.keys.vault import AlreadyLaid, Missing, TooLarge, Vault
from services.chassis.store.work import NotNow

CIPHERTEXT = bytes(range(256)) * 10


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture(params=["file", "memory"])
def vault(request: pytest.FixtureRequest, tmp_path: Path) -> Vault:
    return Vault.from_url(f"file://{tmp_path}/vault" if request.param == "file" else "memory:///")


async def test_what_was_laid_is_fetched(vault: Vault) -> None:
    await vault.lay("ab/cdef01", CIPHERTEXT)
    assert await vault.fetch("ab/cdef01") == CIPHERTEXT


async def test_laying_the_same_again_is_fine(vault: Vault) -> None:
    await vault.lay("ab/cdef01", CIPHERTEXT)
    await vault.lay("ab/cdef01", CIPHERTEXT)
    assert await vault.fetch("ab/cdef01") == CIPHERTEXT


async def test_other_bytes_are_never_laid_over(vault: Vault) -> None:
    await vault.lay("ab/cdef01", CIPHERTEXT)
    with pytest.raises(AlreadyLaid, match="ab/cdef01"):
        await vault.lay("ab/cdef01", b"other")
    assert await vault.fetch("ab/cdef01") == CIPHERTEXT


async def test_of_racers_with_other_bytes_one_wins(vault: Vault) -> None:
    ends = await asyncio.gather(
        *(vault.lay("ab/cdef01", bytes([racer])) for racer in range(16)), return_exceptions=True
    )
    assert sum(end is None for end in ends) == 1
    assert sum(isinstance(end, AlreadyLaid) for end in ends) == 15
    assert await vault.fetch("ab/cdef01") == bytes([ends.index(None)])


async def test_racers_with_the_same_bytes_all_win(vault: Vault) -> None:
    await asyncio.gather(*(vault.lay("ab/cdef01", CIPHERTEXT) for _ in range(16)))


async def test_nothing_there_is_missing(vault: Vault) -> None:
    with pytest.raises(Missing, match="ab/cdef01"):
        await vault.fetch("ab/cdef01")


async def test_what_was_removed_is_missing_and_removing_twice_is_fine(vault: Vault) -> None:
    await vault.lay("ab/cdef01", CIPHERTEXT)
    await vault.remove("ab/cdef01")
    await vault.remove("ab/cdef01")
    with pytest.raises(Missing):
        await vault.fetch("ab/cdef01")


@pytest.mark.parametrize(
    "place",
    [
        "",
        "/ab",
        "ab/",
        "ab//cd",
        "../ab",
        "ab/../cd",
        ".",
        "AB/cd",
        "ab/c d",
        "ab/cd.tmp",
        "é",
        "staging/x1",
        "a" * 513,
    ],
)
async def test_a_place_that_is_none_is_refused_everywhere(vault: Vault, place: str) -> None:
    for call in (vault.lay(place, b""), vault.fetch(place), vault.remove(place)):
        with pytest.raises(ValueError, match="a place in the vault"):
            await call


async def test_what_is_too_large_is_neither_laid_nor_read(tmp_path: Path) -> None:
    url = f"file://{tmp_path}"
    await Vault.from_url(url).lay("ab/cdef01", CIPHERTEXT)
    small = Vault.from_url(url, largest=100)
    with pytest.raises(TooLarge):
        await small.fetch("ab/cdef01")
    with pytest.raises(TooLarge):
        await small.lay("ab/cdef02", CIPHERTEXT)


async def test_the_vault_answers(vault: Vault) -> None:
    await vault.check()


async def test_a_folder_that_is_gone_is_not_now(tmp_path: Path) -> None:
    vault = Vault.from_url(f"file://{tmp_path}/vault")
    (tmp_path / "vault").rmdir()
    with pytest.raises(NotNow, match="gone"):
        await vault.check()


async def test_a_disk_that_is_full_is_not_now_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = Vault.from_url(f"file://{tmp_path}")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NotNow):
        await vault.lay("ab/cdef01", CIPHERTEXT)
    assert files(tmp_path) == []


async def test_a_store_that_does_not_answer_is_not_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_RETRY", {"max_retries": 0})
    for name, value in {
        "AWS_ENDPOINT": "http://127.0.0.1:9",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_REGION": "eu-central-1",
    }.items():
        monkeypatch.setenv(name, value)
    vault = Vault.from_url("s3://bucket/placet")
    for call in (vault.lay("ab/cd", b""), vault.fetch("ab/cd"), vault.remove("ab/cd"), vault.check()):
        with pytest.raises(NotNow):
            await call


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """What was synced, in order: the path below the vault, and whether the place had its name by then."""
    seen: list[tuple[str, bool]] = []
    really = os.fsync

    def watch(handle: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").readlink()
        kind = "folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file"
        seen.append((f"{kind} {path.name}", any(path.parents[1].rglob("cdef01"))))
        really(handle)

    monkeypatch.setattr(os, "fsync", watch)
    return seen


async def test_bytes_are_on_the_disk_before_their_name_and_names_before_the_answer(
    tmp_path: Path, synced: list[tuple[str, bool]]
) -> None:
    vault = Vault.from_url(f"file://{tmp_path}/vault")
    await vault.lay("ab/cdef01", CIPHERTEXT)
    (first, named), *rest = synced
    assert first.startswith("file ")
    assert not named
    assert [what for what, _ in rest] == ["folder ab", "folder vault"]
    synced.clear()
    await vault.lay("ab/cdef01", CIPHERTEXT)
    assert [what for what, _ in synced[1:]] == ["folder ab", "folder vault"]


async def test_nothing_is_left_in_the_staging_folder(tmp_path: Path) -> None:
    vault = Vault.from_url(f"file://{tmp_path}")
    await vault.lay("ab/cdef01", CIPHERTEXT)
    with pytest.raises(AlreadyLaid):
        await vault.lay("ab/cdef01", b"other")
    assert [path.name for path in files(tmp_path)] == ["cdef01"]
