import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.chassis import clock


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A process in local mode whose clock is wrong by what the file says."""
    path = tmp_path / "clock"
    monkeypatch.setenv("PLACET_MODE", "local")
    monkeypatch.setenv("PLACET_CLOCK_FILE", str(path))
    return path


def is_off_by(seconds: float) -> bool:
    right = datetime.fromtimestamp(time.time(), UTC)  # noqa: TID251 - beside the one that is tested
    return abs(clock.now() - right - timedelta(seconds=seconds)) < timedelta(seconds=5)


def test_times_are_utc_and_whole_milliseconds() -> None:
    at = clock.now()
    assert at.tzinfo is UTC
    assert at.microsecond % 1000 == 0
    assert is_off_by(0)


@pytest.mark.parametrize("written", ["600", "-600\n", "0"])
def test_in_local_mode_a_file_makes_the_clock_jump(monkeypatch: pytest.MonkeyPatch, told: Path, written: str) -> None:
    told.write_text(written)
    monkeypatch.setattr(clock, "_WRONG", clock._wrong())
    assert is_off_by(float(written))


@pytest.mark.parametrize("written", ["", "soon", None])
def test_a_file_that_is_missing_or_says_nothing_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, told: Path, written: str | None
) -> None:
    if written is not None:
        told.write_text(written)
    monkeypatch.setattr(clock, "_WRONG", clock._wrong())
    assert is_off_by(0)


def test_the_clock_goes_right_again(monkeypatch: pytest.MonkeyPatch, told: Path) -> None:
    told.write_text("600")
    monkeypatch.setattr(clock, "_WRONG", clock._wrong())
    monkeypatch.setattr(clock, "LOOK_EVERY", 0)
    assert is_off_by(600)
    told.write_text("0")
    clock.now()
    assert is_off_by(0)


@pytest.mark.parametrize("mode", ["production", None])
def test_outside_local_mode_the_file_is_not_even_looked_at(
    monkeypatch: pytest.MonkeyPatch, told: Path, mode: str | None
) -> None:
    if mode is None:
        monkeypatch.delenv("PLACET_MODE")
    else:
        monkeypatch.setenv("PLACET_MODE", mode)
    assert clock._wrong() is None
