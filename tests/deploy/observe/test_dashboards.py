"""The dashboards are what Grafana reads, are fresh, and no panel lies on another."""

import json
from pathlib import Path

import pytest

from deploy.observe import __main__ as observe
from deploy.observe.dashboards import BOARDS
from deploy.observe.panels import WIDTH


@pytest.mark.parametrize("name", BOARDS)
def test_each_panel_has_a_place_of_its_own_and_says_what_it_tells(name: str) -> None:
    board = json.loads((observe.DASHBOARDS / f"{name}.json").read_text())
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < WIDTH
        taken |= cells
        if panel["type"] != "row":
            assert panel["description"].endswith(".")
            assert all(target["expr"] and target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_asks_in_the_namespace_that_was_chosen(name: str) -> None:
    board = BOARDS[name]()
    assert [one["name"] for one in board["templating"]["list"]] == ["datasource", "namespace"]
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            assert 'namespace="$namespace"' in target["expr"]


def test_the_files_are_fresh() -> None:
    assert observe.main(["--check"]) == 0


def test_a_stale_file_and_one_that_nothing_makes_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(observe, "ALERTS", tmp_path / "alerts")
    monkeypatch.setattr(observe, "DASHBOARDS", tmp_path / "dashboards")
    assert observe.main(["--check"]) == 1
    assert observe.main([]) == 0
    assert observe.main(["--check"]) == 0
    (tmp_path / "alerts" / "old.yaml").write_text("")
    assert observe.main(["--check"]) == 1
    assert "old.yaml" in capsys.readouterr().out
