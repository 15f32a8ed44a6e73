"""What Kubernetes never changes in place is the same as in the previous release, or an upgrade would be refused halfway."""

from collections.abc import Iterable
from typing import Any

import pytest

from deploy.helm.generate import DEPLOY, documents
from tests.deploy.chart.rendered import Document, Rendered, name_of, rendered
from tests.deploy.chart.sets import SETS

PREVIOUS = documents((DEPLOY / "manifests" / "previous" / "standard.yaml").read_text())
"""What the last release installed; laid there anew with each release. Nothing is released yet: the chart's first day."""


def fixed(one: Document) -> dict[str, Any]:
    """The fields that the API server, or the operator, refuses to change in this document."""
    spec = one.get("spec", {})
    if one["kind"] == "Deployment":
        return {"selector": spec["selector"]}
    if one["kind"] == "Service":
        return {"headless": spec.get("clusterIP") == "None"}
    if one["kind"] == "KafkaTopic":
        # Strimzi renames no topic, and Kafka takes no partition away: a key would change its place.
        return {"topicName": spec.get("topicName"), "partitions": spec["partitions"]}
    if (
        one["kind"] == "Job"
        and "before-hook-creation" not in one["metadata"]["annotations"]["helm.sh/hook-delete-policy"]
    ):
        return {"template": spec["template"]}
    return {}


def refused(before: Iterable[Document], after: Iterable[Document]) -> list[str]:
    """What could not be upgraded, by name."""
    now = {name_of(one): one for one in after}
    return [name for one in before if (name := name_of(one)) in now and fixed(one) != fixed(now[name])]


def test_nothing_that_never_changes_has_changed():
    assert refused(PREVIOUS, rendered(SETS["standard"]).documents) == []


def test_no_topic_and_no_process_of_the_previous_release_is_gone():
    now = {name_of(one) for one in rendered(SETS["standard"]).documents}
    kept = {name_of(one) for one in PREVIOUS if one["kind"] in {"Deployment", "KafkaTopic"}}
    assert kept <= now


def _selector(chart: Rendered) -> str:
    chart.named("Deployment", "placet-consent-api")["spec"]["selector"]["matchLabels"]["tier"] = "inner"
    return "Deployment/placet-consent-api"


def _headless(chart: Rendered) -> str:
    chart.named("Service", "placet-consent-api")["spec"]["clusterIP"] = "None"
    return "Service/placet-consent-api"


def _fewer(chart: Rendered) -> str:
    chart.named("KafkaTopic", "consent.requests")["spec"]["partitions"] -= 1
    return "KafkaTopic/consent.requests"


def _kept(chart: Rendered) -> str:
    job = chart.named("Job", "placet-self-test")
    job["metadata"]["annotations"]["helm.sh/hook-delete-policy"] = "hook-succeeded"
    return "Job/placet-self-test"


@pytest.mark.parametrize(
    "bend", [_selector, _headless, _fewer, _kept], ids=["selector", "headless", "partitions", "job"]
)
def test_a_change_that_would_be_refused_is_seen(bend):
    before, after = rendered(SETS["standard"]), rendered(SETS["standard"]).copy()
    assert refused(before.documents, after.documents) == []
    name = bend(after)
    assert refused(before.documents, after.documents) == [name]
