"""The chart brings the alerts and dashboards as they are in the files, when it is asked to."""

import json

import pytest
import yaml

from deploy.helm.generate import documents, render
from deploy.observe.__main__ import ALERTS
from deploy.observe.dashboards import BOARDS
from tests.deploy.chart.rendered import rendered
from tests.deploy.chart.sets import EVERYTHING, SETS

MOST = 1_048_576
"""Bytes that a ConfigMap may hold (Kubernetes' own limit)."""


@pytest.mark.parametrize(("name", "file"), [("placet", "placet"), ("placet-backups", "backups")])
def test_the_rules_are_those_of_the_file_with_the_operators_address_of_runbooks(name: str, file: str) -> None:
    rule = rendered(EVERYTHING).named("PrometheusRule", name)
    groups = json.dumps(rule["spec"]["groups"]).replace("https://runbooks.example/placet/", "deploy/runbooks/")
    assert json.loads(groups) == yaml.safe_load((ALERTS / f"{file}.yaml").read_text())["groups"]
    assert "https://runbooks.example/placet/Placet" in json.dumps(rule)
    assert rule["metadata"]["labels"]["release"] == "prometheus"


def test_each_dashboard_comes_whole_and_grafana_finds_it() -> None:
    for name, board in BOARDS.items():
        made = rendered(EVERYTHING).named("ConfigMap", f"placet-dashboard-{name}")
        assert made["metadata"]["labels"]["grafana_dashboard"] == "1"
        ((file, text),) = made["data"].items()
        assert file == f"placet-{name}.json"
        assert json.loads(text) == board()
        assert len(text.encode()) < MOST


def test_nothing_of_it_comes_without_being_asked_for() -> None:
    chart = rendered(SETS["small"])
    assert not chart.of("PrometheusRule")
    assert not chart.of("ServiceMonitor")
    assert not [one for one in chart.of("ConfigMap") if "dashboard" in one["metadata"]["name"]]


def test_backups_are_watched_only_where_they_are_made_here() -> None:
    made = documents(render(EVERYTHING, sets=["alerts.backups=false"]))
    assert [one["metadata"]["name"] for one in made if one["kind"] == "PrometheusRule"] == ["placet"]
