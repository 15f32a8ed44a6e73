"""A named point kills the process, but only where it was asked to, and never in production."""

import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from services.chassis import failpoint as module
from services.chassis.failpoint import NAMES, failpoint

ROOM = Path(module.__file__).parent


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    kills: list[Any] = []
    monkeypatch.setattr(os, "kill", lambda *told: kills.append(told))
    monkeypatch.setattr(module, "_times", {})
    monkeypatch.setenv("PLACET_MODE", "local")
    monkeypatch.setenv("PLACET_FAILPOINT", "relay.published")
    return kills


def test_the_named_point_kills_without_farewell(killed: list[Any]) -> None:
    failpoint("relay.published")
    assert killed == [(os.getpid(), signal.SIGKILL)]


def test_other_points_do_nothing(killed: list[Any]) -> None:
    failpoint("relay.marked")
    assert killed == []


def test_a_count_spares_the_first_times(killed: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLACET_FAILPOINT", "relay.published:2")
    failpoint("relay.published")
    assert killed == []
    failpoint("relay.published")
    assert len(killed) == 1


def test_a_running_process_is_armed_by_a_file_and_the_next_one_is_not(
    killed: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "consent"
    monkeypatch.setenv("PLACET_FAILPOINT", f"@{file}")
    failpoint("relay.published")
    assert killed == []
    file.write_text("relay.published")
    failpoint("relay.marked")
    failpoint("relay.published")
    assert len(killed) == 1
    assert not file.exists()


@pytest.mark.parametrize("mode", ["production", None])
def test_production_does_not_even_look(killed: list[Any], monkeypatch: pytest.MonkeyPatch, mode: str | None) -> None:
    if mode is None:
        monkeypatch.delenv("PLACET_MODE")
    else:
        monkeypatch.setenv("PLACET_MODE", mode)
    failpoint("relay.published")
    assert killed == []


def test_every_name_is_used_and_no_other() -> None:
    used = {
        name for path in ROOM.parent.rglob("*.py") for name in re.findall(r'failpoint\("([a-z.]+)"\)', path.read_text())
    }
    assert used == NAMES
