"""What is made from the classes is written, kept fresh, and never broken."""

import json
import runpy
import shutil
import sys
from pathlib import Path

import pytest

from contracts import generate

NAME = "consent.request.refused.v1"


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the generated files, in which a test may write."""
    for name in ("schemas", "samples"):
        shutil.copytree(generate.HERE / name, tmp_path / name)
    for name in ("CATALOGUE.md", "asyncapi.json"):
        shutil.copy(generate.HERE / name, tmp_path / name)
    monkeypatch.setattr(generate, "HERE", tmp_path)
    monkeypatch.setattr(generate, "SCHEMAS", tmp_path / "schemas")
    monkeypatch.setattr(generate, "SAMPLES", tmp_path / "samples")
    return tmp_path


def test_it_writes_what_the_check_then_finds_fresh(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / "CATALOGUE.md").write_text("stale")
    (copy / "schemas" / f"{NAME}.json").unlink()
    assert generate.main(["--check"]) == 1
    said = capsys.readouterr().out
    assert "CATALOGUE.md" in said
    assert f"{NAME}.json" in said
    assert (copy / "CATALOGUE.md").read_text() == "stale", "a check writes nothing"
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    assert (copy / "CATALOGUE.md").read_text() == (Path(generate.__file__).parent / "CATALOGUE.md").read_text()


def test_a_breaking_change_is_refused_and_nothing_is_written(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = copy / "schemas" / f"{NAME}.json"
    published = json.loads(path.read_text())
    published["properties"]["gone"] = {"type": "string"}
    path.write_text(json.dumps(published))
    (copy / "CATALOGUE.md").write_text("stale")
    assert generate.main([]) == 1
    assert f"{NAME}: gone is gone" in capsys.readouterr().out
    assert (copy / "CATALOGUE.md").read_text() == "stale"


def test_a_published_type_that_disappeared_is_a_breaking_change(copy: Path) -> None:
    (copy / "schemas" / "consent.request.pondered.v1.json").write_text("{}")
    assert generate.breaking() == [
        "consent.request.pondered.v1 is gone: a published type stays for as long as a group may read it"
    ]


def test_the_command_line_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["generate", "--check"])
    monkeypatch.delitem(sys.modules, "contracts.generate")
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("contracts.generate", run_name="__main__")
    assert ended.value.code == 0


def test_the_asyncapi_document_stands_alone() -> None:
    document = json.loads((Path(generate.__file__).parent / "asyncapi.json").read_text())
    assert document["asyncapi"] == "3.0.0"
    assert "$defs" not in json.dumps(document)
    for message in document["components"]["messages"].values():
        (example,) = message["examples"]
        assert set(message["payload"]["required"]) <= set(example["payload"])


def test_the_catalogue_names_every_event_with_writer_and_readers() -> None:
    catalogue = (Path(generate.__file__).parent / "CATALOGUE.md").read_text()
    assert all(f"`{name}`" in catalogue for name in generate.load_all())
    assert "Written by **consent**'s relay alone. Read by delivery, notify and records." in catalogue
    assert "Read by no service." in catalogue
