"""`placet up` and `placet down`: a whole house, and what is said when there is none or it does not come up."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from deploy.cli.__main__ import app
from deploy.local.process import write_pid


def typed(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def said(result: Result) -> str:
    return " ".join(result.output.split())


def test_commands_without_a_house_say_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("MONGODB_URI", raising=False)
    for words in (["topics"], ["relay", "status"], ["aside", "list"], ["follow", "req_1"]):
        result = typed(*words, "--folder", str(tmp_path))
        assert result.exit_code == 1
        assert "no house is up in" in said(result)
        assert "Start one with `placet up`" in said(result)


def test_down_where_nothing_is_up_is_no_fault(tmp_path: Path):
    result = typed("down", "--folder", str(tmp_path))
    assert (result.exit_code, result.output) == (0, "No house was up.\n")


def test_up_where_a_house_is_up_shows_its_addresses(tmp_path: Path):
    write_pid(tmp_path / "house.pid", os.getpid())
    (tmp_path / "house.json").write_text(json.dumps({"pages": "http://localhost:20001"}))
    result = typed("up", "--folder", str(tmp_path))
    assert result.exit_code == 0
    assert "The house is up already." in result.output
    assert "pages http://localhost:20001" in said(result)


def test_up_that_fails_says_why_even_where_a_killed_house_left_its_sign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "house.json").write_text("{}")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    for name in ("PLACET_KAFKA_CAFILE", "PLACET_KAFKA_ADMIN_USER", "PLACET_KAFKA_ADMIN_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    result = typed("up", "--folder", str(tmp_path))
    assert result.exit_code == 1
    assert "KAFKA_BOOTSTRAP_SERVERS is set, but PLACET_KAFKA_CAFILE" in said(result)


@pytest.mark.connected
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the house is left running on purpose
def test_a_house_is_put_up_found_well_and_taken_down(tmp_path: Path):
    folder = ("--folder", str(tmp_path / "house"))
    try:
        up = typed("up", *folder)
        assert up.exit_code == 0, up.output
        assert "Stop it with placet down." in said(up)
        well = typed("doctor", *folder)
        assert "identity, consent, records, delivery, notify: ready" in said(well)
        assert [line for line in well.output.splitlines() if line.startswith("✗") and "packages" not in line] == (
            [well.output.splitlines()[-1]] if well.exit_code else []
        )
    finally:
        down = typed("down", *folder)
    assert (down.exit_code, down.output) == (0, "The house is down.\n")
    assert not list((tmp_path / "house").rglob("*.pid"))
