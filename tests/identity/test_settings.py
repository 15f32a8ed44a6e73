"""What identity refuses to start with."""

from pathlib import Path

import pytest

from services.chassis.settings import Role
from services.identity.settings import BLIND_INDEX_KEY, PUBLIC_KEYS, SESSION_KEY, Settings


def faults(role: Role, folder: Path, **said: str) -> list[str]:
    settings = Settings.model_validate({"PLACET_MODE": "local", "PLACET_KEYS_FOLDER": folder, **said})
    return list(settings.faults(role))


def test_the_operators_digest_has_the_form_of_a_sha_256(tmp_path: Path) -> None:
    for wrong in ("secret", "A" * 64, "a" * 63):
        assert any(
            "PLACET_OPERATOR_TOKEN_SHA256" in one
            for one in faults(Role.API, tmp_path, PLACET_OPERATOR_TOKEN_SHA256=wrong)
        )
    for right in ("a" * 64, ""):
        assert not any("OPERATOR" in one for one in faults(Role.API, tmp_path, PLACET_OPERATOR_TOKEN_SHA256=right))


@pytest.mark.parametrize(
    ("role", "files"),
    [
        pytest.param(Role.API, {SESSION_KEY, PUBLIC_KEYS, BLIND_INDEX_KEY, "master.key"}, id="api"),
        pytest.param(Role.WORKER, {BLIND_INDEX_KEY}, id="worker"),
        pytest.param(Role.RELAY, set(), id="relay"),
    ],
)
def test_a_role_is_asked_for_no_key_it_does_not_use(tmp_path: Path, role: Role, files: set[str]) -> None:
    told = " ".join(faults(role, tmp_path))
    every = {SESSION_KEY, PUBLIC_KEYS, BLIND_INDEX_KEY, "master.key"}
    assert {name for name in every if name in told} == files


def test_the_files_lie_in_the_keys_folder(tmp_path: Path) -> None:
    settings = Settings.model_validate({"PLACET_KEYS_FOLDER": tmp_path})
    assert {settings.session_key, settings.public_keys, settings.blind_index_key} == {
        tmp_path / SESSION_KEY,
        tmp_path / PUBLIC_KEYS,
        tmp_path / BLIND_INDEX_KEY,
    }
