"""Every alert fires when it should, says what it should, and keeps quiet when it should; `promtool` is the judge."""

from pathlib import Path
from typing import Any

import pytest

from deploy.observe.__main__ import ALERTS
from deploy.observe.alerts import EVERYTHING
from deploy.observe.rules import RUNBOOKS, Alert, written
from tests.deploy.observe.cases import Case
from tests.deploy.observe.cases_house import PATH, PROCESS, REVOCATION
from tests.deploy.observe.cases_objectives import OBJECTIVES
from tests.deploy.observe.cases_outside import GROUND, OUTSIDE
from tests.deploy.observe.promtool import MISSING, promtool, try_rules

CASES = (*OBJECTIVES, *REVOCATION, *PATH, *PROCESS, *OUTSIDE, *GROUND)
RULES = [ALERTS / "placet.yaml", ALERTS / "backups.yaml"]
ALL = [alert for group in EVERYTHING for alert in group.alerts]


def told(alert: Alert, says: str) -> dict[str, str]:
    return {"summary": says, "description": alert.description, "runbook_url": f"{RUNBOOKS}/{alert.name}.md"}


def the(name: str, severity: str) -> Alert:
    (found,) = [alert for alert in ALL if (alert.name, alert.severity) == (name, severity)]
    return found


def test_prometheus_takes_the_files() -> None:
    assert promtool("check", "rules", *RULES).count("SUCCESS") == len(RULES)


def tried(case: Case) -> dict[str, Any]:
    """A case as promtool reads it: the alert with these labels and these words, or not at all."""
    fired = [
        {
            "exp_labels": {"severity": one.severity, **one.labels},
            "exp_annotations": told(the(case.alert, one.severity), one.says),
        }
        for one in case.fires
    ]
    return {
        "name": case.about,
        "interval": case.every,
        "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
        "alert_rule_test": [{"eval_time": case.at, "alertname": case.alert, "exp_alerts": fired}],
    }


@pytest.mark.parametrize("name", sorted({alert.name for alert in ALL}))
def test_an_alert_fires_when_it_should_and_keeps_quiet_when_it_should(name: str, tmp_path: Path) -> None:
    """With its own group of rules alone, as the files have it: all groups at once take minutes."""
    (group,) = [group for group in EVERYTHING if name in {alert.name for alert in group.alerts}]
    rules = tmp_path / "rules.yaml"
    rules.write_text(written([group], head=group.name))
    cases = [case for case in CASES if case.alert == name]
    for every in sorted({case.every for case in cases}):
        try_rules(tmp_path, rules, [tried(case) for case in cases if case.every == every], every=every)


def test_each_alert_was_seen_to_fire_and_to_keep_quiet() -> None:
    assert {(case.alert, one.severity) for case in CASES for one in case.fires} == {
        (alert.name, alert.severity) for alert in ALL
    }
    assert {case.alert for case in CASES if not case.fires} == {alert.name for alert in ALL}


@pytest.mark.parametrize("alert", ALL, ids=lambda alert: f"{alert.name}-{alert.severity}")
def test_an_alert_is_named_for_us_and_says_in_words_what_it_means(alert: Alert) -> None:
    assert alert.name.startswith("Placet")
    assert len(alert.summary) < 120
    assert len(alert.description) > 60
    assert "{{" not in alert.description


def test_without_promtool_the_reason_and_the_remedy_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("tests.deploy.observe.promtool.cache_folder", lambda: tmp_path)
    with pytest.raises(AssertionError, match="promtool is not there") as told_:
        promtool("--version")
    assert str(told_.value).startswith(MISSING)
