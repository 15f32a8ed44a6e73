"""From the previous release's manifests to today's chart and back; what can't be changed in place is refused, not lost."""

import shutil
from pathlib import Path

import pytest

from deploy.helm.generate import CHART, documents
from tests.deploy.chart.rendered import Document, component_of
from tests.deploy.cluster.cluster import Refused
from tests.deploy.cluster.installing import PREVIOUS, chart_of, comes_up, processes, values


def level(one: Document) -> str:
    (container,) = one["spec"]["template"]["spec"]["containers"]
    (told,) = [variable["value"] for variable in container["env"] if variable["name"] == "PLACET_LOG_LEVEL"]
    assert isinstance(told, str)
    return told


def bent(folder: Path) -> Path:
    """Today's chart with one more label by which a process's pods are chosen."""
    chart = shutil.copytree(CHART, folder / "placet")
    names = chart / "templates" / "_names.tpl"
    text = names.read_text()
    mark = "app.kubernetes.io/component: {{ .of }}\n"
    assert text.count(mark) == 1
    names.write_text(text.replace(mark, mark + "placet/tier: inner\n"))
    return chart


def test_the_previous_release_is_upgraded_and_rolled_back(space, tmp_path):
    space.install(chart_of(PREVIOUS, tmp_path / "previous"))
    before = processes(space)
    assert "STATUS: deployed" in space.install(CHART, *values("standard"), verb="upgrade")
    assert processes(space).keys() >= {f"placet-{component_of(one)}" for one in before.values()}
    assert comes_up(space)
    space.roll_back(1)
    after = processes(space)
    assert {name: one["spec"]["template"] for name, one in after.items()} == {
        name: one["spec"]["template"] for name, one in before.items()
    }
    assert comes_up(space)


def test_a_value_is_changed_and_taken_back(space):
    space.install(CHART, *values("standard"))
    space.install(CHART, *values("standard"), "--set", "logLevel=DEBUG", verb="upgrade")
    assert {level(one) for one in processes(space).values()} == {"DEBUG"}
    space.roll_back(1)
    assert {level(one) for one in processes(space).values()} == {"INFO"}
    assert comes_up(space)


def test_an_upgrade_that_changes_a_selector_is_refused_and_the_house_goes_on(space, tmp_path):
    space.install(CHART, *values("standard"))
    pods = {one["metadata"]["name"] for one in space.items("pods")}
    with pytest.raises(Refused, match="field is immutable"):
        space.install(bent(tmp_path), *values("standard"), verb="upgrade")
    assert {one["metadata"]["name"] for one in space.items("pods")} == pods
    space.roll_back(1)
    assert comes_up(space)


def test_each_profile_leads_to_each(space):
    """A school grows: nothing that a larger profile says is refused in place."""
    space.install(CHART, *values("small"))
    for profile in ("standard", "high-availability", "small"):
        space.install(CHART, *values(profile), "--set", "keda.enabled=false", verb="upgrade")
        assert comes_up(space)


def test_the_previous_manifests_are_upgraded_without_helm(space):
    """`kubectl apply` over what was applied: each resource is taken."""
    given = [one for one in documents(PREVIOUS.read_text()) if one["kind"] != "Job"]
    space.kubectl("apply", given=given)
    now = [one for one in documents((PREVIOUS.parents[1] / "standard.yaml").read_text()) if one["kind"] != "Job"]
    space.kubectl("apply", given=now)
    assert comes_up(space)
