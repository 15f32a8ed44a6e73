"""The page of metrics says what the code declares: nothing else, and all of it."""

import re

import pytest

from deploy.cli import metrics
from services.chassis.observe.telemetry import DECLARED, Metric


def names(page: str) -> set[str]:
    return set(re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE))


def test_the_page_is_fresh() -> None:
    assert metrics.main(["--check"]) == 0


def test_every_metric_of_the_services_is_on_the_page_once() -> None:
    page = metrics.page()
    ours = {name for name in DECLARED if name.startswith("placet_")}
    assert names(page) == ours
    assert all(page.count(f"| `{name}` |") == 1 for name in ours)


def test_a_stale_page_is_told_and_written_anew(
    tmp_path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(metrics, "PAGE", tmp_path / "METRICS.md")
    assert metrics.main(["--check"]) == 1
    assert "python -m deploy.cli.metrics" in capsys.readouterr().out
    assert metrics.main([]) == 0
    assert metrics.main(["--check"]) == 0


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("placet_wait_seconds", "seconds"),
        ("placet_mails_total", "count since the process began"),
        ("placet_x", "count"),
    ],
)
def test_the_unit_stands_in_the_name(name: str, unit: str) -> None:
    assert metrics.unit(Metric(name, "", "gauge", frozenset())) == unit


def test_no_label_can_hold_an_id() -> None:
    metrics.page()
    words = {label for metric in DECLARED.values() for label in metric.labels}
    assert not {word for word in words if word.endswith("id") or word in {"id", "url", "name", "person", "endpoint"}}
