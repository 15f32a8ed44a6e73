"""`placet audit` as it is typed: what it prints, and its exit codes."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.cli.__main__ import app
from deploy.cli.audit.proving import Unreadable, prove
from deploy.cli.printing import console
from tests.deploy.cli.exports import (
    GENESIS,
    an_export,
    line,
)

LEDGER = "ledger.jsonl"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return an_export().write(tmp_path_factory.mktemp("good") / "export")


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    monkeypatch.setattr(console, "_width", 100)

    def run(*words: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["audit", *words])
        # As one line: where a sentence is folded depends on how long the folder's name is.
        return result.exit_code, " ".join(result.output.split())

    return run


def test_a_proven_export_says_so_with_the_head_to_note(good: Path, typed: Callable[..., tuple[int, str]]) -> None:
    code, said = typed(str(good))
    assert code == 0
    assert "✓ 6 of 6 disclosures proven, 0 problems" in said
    assert an_export().head in said and "note the head below" in said
    code, said = typed(str(good), "--head", an_export().rows[1]["hash"], "--grant-keys", str(good / "grants.jwks.json"))
    assert code == 0
    assert "the head you noted is row 2; 4 rows since" in said and "as you gave them" in said


def test_a_broken_export_says_where_and_what_to_do(tmp_path: Path, typed: Callable[..., tuple[int, str]]) -> None:
    made = an_export()
    made.rows[1]["recipient_id"] = "org_[red]press"
    made.chain()
    code, said = typed(str(made.write(tmp_path / "export")), "--head", GENESIS)
    assert code == 1
    assert "✗ 5 of 6 disclosures proven, 2 problems" in said
    assert "ledger.jsonl:2" in said and "recipient_id" in said and "is not what the grant allows" in said
    assert "repair nothing by hand" in said and "the head you noted is not in this chain" in said
    assert "press" not in said


def test_many_problems_are_shown_in_part_and_counted(tmp_path: Path, typed: Callable[..., tuple[int, str]]) -> None:
    folder = tmp_path / "export"
    an_export(1).write(folder)
    (folder / LEDGER).write_bytes(line({"number": 1}) * 100)
    code, said = typed(str(folder))
    assert code == 1 and "0 of 100 disclosures proven" in said and "problems more" in said


@pytest.mark.parametrize("made", ["nowhere", "empty", "file"])
def test_what_is_no_export_can_not_be_read(tmp_path: Path, typed: Callable[..., tuple[int, str]], made: str) -> None:
    place = tmp_path / made
    if made == "empty":
        place.mkdir()
    elif made == "file":
        place.write_text("hello")
    code, said = typed(str(place))
    assert code == 2 and "is no export" in said
    with pytest.raises(Unreadable):
        prove(place)


def test_a_head_that_is_no_hash_and_keys_that_are_not_there_are_said(
    good: Path, typed: Callable[..., tuple[int, str]]
) -> None:
    assert typed(str(good), "--head", "latest")[0] == 2
    code, said = typed(str(good), "--grant-keys", str(good / "none.json"))
    assert code == 2 and "can't be read" in said


def test_an_export_never_mixes_with_another_and_needs_to_know_as_whom(
    good: Path, typed: Callable[..., tuple[int, str]]
) -> None:
    url = ("--url", "http://127.0.0.1:1", "--school", "org_harbor")
    code, said = typed("export", *url, "--to", str(good), "--person", "per_registrar", "--token", "t")
    assert code == 2 and "not empty" in said
    code, said = typed("export", *url, "--to", str(good))
    assert code == 2 and "PLACET_TOKEN" in said
    code, said = typed("export", "--school", "org_harbor", "--to", str(good), "--folder", str(good))
    assert code == 2 and "no house is up" in said
