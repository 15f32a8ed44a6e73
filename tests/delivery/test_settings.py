"""What delivery refuses to start with, and which keys each role is asked for."""

from pathlib import Path

import pytest

from services.chassis.settings import Role
from services.delivery.settings import CONSENT_KEYS, OWN_KEY, SESSION_KEYS, Settings

EVERY = {OWN_KEY, CONSENT_KEYS, SESSION_KEYS, "master.key"}


@pytest.mark.parametrize(
    ("role", "files"),
    [
        pytest.param(Role.API, {OWN_KEY, SESSION_KEYS, "master.key"}, id="api"),
        pytest.param(Role.WORKER, {OWN_KEY, CONSENT_KEYS}, id="worker"),
        pytest.param(Role.RELAY, set(), id="relay"),
    ],
)
def test_a_role_is_asked_for_no_key_it_does_not_use(tmp_path: Path, role: Role, files: set[str]) -> None:
    settings = Settings.model_validate({"PLACET_MODE": "local", "PLACET_KEYS_FOLDER": tmp_path})
    told = " ".join(settings.faults(role))
    assert {name for name in EVERY if name in told} == files


def test_only_the_api_needs_the_vault() -> None:
    settings = Settings.model_validate({"PLACET_MODE": "local"})
    assert [role for role in (Role.API, Role.WORKER, Role.RELAY) if "VAULT_URL" in " ".join(settings.faults(role))] == [
        Role.API
    ]


def test_endpoints_listen_on_443_unless_others_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().webhook_ports == (443,)
    monkeypatch.setenv("PLACET_WEBHOOK_PORTS", "[443, 8443]")
    assert Settings().webhook_ports == (443, 8443)
