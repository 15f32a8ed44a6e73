"""Steps of a rotation on a folder of keys: who knows a key, who uses it, and which step is refused."""

import json
from pathlib import Path

import pytest

from deploy.local.keys import make_keys
from deploy.local.rotating import MASTER, NAMES, NotRotated, announce, kept, retire, use
from services.chassis.keys.person import local_kms
from services.chassis.keys.sealing import KeyFile

SETS = [name for name in NAMES if name != MASTER]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_keys(tmp_path)
    return tmp_path


def uses(folder: Path, name: str) -> list[str]:
    return [one.use for one in kept(folder) if one.name == name]


def ids(path: Path) -> list[str]:
    return [key["kid"] for key in json.loads(path.read_text())["keys"]]


@pytest.mark.parametrize("name", SETS)
def test_an_announced_key_is_known_to_all_and_used_by_nobody(folder: Path, name: str):
    before = ids(folder / f"{name}.public.jwks.json")
    made = announce(folder, name)
    for half in ("private", "public"):
        assert ids(folder / name / f"{name}.{half}.jwks.json") == [*before, *made]
    for copy in folder.glob(f"*/{name}.*.jwks.json"):
        assert ids(copy) == [*before, *made]


@pytest.mark.parametrize("name", SETS)
def test_a_used_key_is_the_first_and_the_old_one_goes_on_verifying_when_it_is_retired(folder: Path, name: str):
    old = ids(folder / f"{name}.private.jwks.json")
    made = announce(folder, name)
    assert sorted(use(folder, name)) == sorted(made)
    for half in ("private", "public"):
        assert ids(folder / name / f"{name}.{half}.jwks.json") == [*made, *old]
    for key_id in old:
        retire(folder, name, key_id)
    assert ids(folder / name / f"{name}.private.jwks.json") == made
    assert ids(folder / f"{name}.public.jwks.json") == [*made, *old]
    for key_id in old:
        retire(folder, name, key_id, public=True)
    assert ids(folder / f"{name}.public.jwks.json") == made


def test_rotating_again_and_again_always_takes_the_newest(folder: Path):
    seen = set()
    for _ in range(3):
        announce(folder, "consent")
        (key_id,) = use(folder, "consent")
        assert KeyFile(folder / "consent" / "consent.private.jwks.json").signing_key("Ed25519").kid == key_id
        assert key_id not in seen
        seen.add(key_id)


def test_the_shown_half_holds_no_secret(folder: Path):
    announce(folder, "records")
    assert not [
        key
        for key in json.loads((folder / "records.public.jwks.json").read_text())["keys"]
        if {"d", "iat"} & key.keys()
    ]


def test_an_announced_master_key_opens_and_a_used_one_wraps(folder: Path):
    (old,) = local_kms(folder / "master.key").values()
    (name,) = announce(folder, MASTER)
    assert [*local_kms(folder / "notify" / "master.key")] == ["local", name]
    assert use(folder, MASTER) == [name]
    found = local_kms(folder / "notify" / "master.key")
    assert [*found] == [name, "local"]
    assert found["local"] == old
    retire(folder, MASTER, "local")
    assert [*local_kms(folder / "notify" / "master.key")] == [name]
    (third,) = announce(folder, MASTER)
    assert use(folder, MASTER) == [third]


@pytest.mark.parametrize("name", NAMES)
def test_a_step_that_can_not_be_made_changes_nothing_and_says_why(folder: Path, name: str):
    def state() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}

    before = state()
    with pytest.raises(NotRotated, match=f"no new key of {name} is announced"):
        use(folder, name)
    with pytest.raises(NotRotated, match="in use"):
        retire(folder, name, next(one.key_id for one in kept(folder) if one.name == name))
    with pytest.raises(NotRotated, match="has no key"):
        retire(folder, name, "another")
    assert state() == before
    announce(folder, name)
    before = state()
    with pytest.raises(NotRotated, match="is announced already"):
        announce(folder, name)
    assert state() == before


def test_what_is_no_folder_of_keys_or_no_name_is_told(folder: Path, tmp_path: Path):
    with pytest.raises(NotRotated, match="there are no keys of 'nobody'"):
        announce(folder, "nobody")
    for name in ("consent", MASTER):
        with pytest.raises(NotRotated, match="can't be read"):
            announce(tmp_path / "elsewhere", name)


def test_what_is_kept_says_its_use(folder: Path):
    assert (uses(folder, "consent"), uses(folder, "delivery"), uses(folder, MASTER)) == (
        ["signs"],
        ["opens"],
        ["wraps"],
    )
    announce(folder, "consent")
    assert uses(folder, "consent") == ["signs", "known"]
    use(folder, "consent")
    retire(folder, "consent", ids(folder / "consent.private.jwks.json")[1])
    assert uses(folder, "consent") == ["signs", "verifies"]
