"""A node is drained: a process loses one copy at a time, and the last one stays until another is ready."""

from collections.abc import Iterator

import pytest

from deploy.helm.generate import CHART
from tests.deploy.chart.rendered import Document
from tests.deploy.cluster.cluster import Refused, Space, is_ready
from tests.deploy.cluster.installing import OURS, comes_up, places, values

# Pods have a /tmp of their own, which goes with them: kubectl wants to hear that this is known.
DRAIN = ("--ignore-daemonsets", "--delete-emptydir-data", "--pod-selector", OURS)


@pytest.fixture
def nodes(town: Space) -> Iterator[list[str]]:
    """The nodes' names. Whichever a test has cordoned are free again at the end."""
    free = [one["metadata"]["name"] for one in town.cluster.items("nodes") if not one["spec"].get("unschedulable")]
    yield free
    town.cluster.kubectl("uncordon", *free)


def evict(space: Space, pod: Document) -> None:
    name = pod["metadata"]["name"]
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": space.name},
    }
    path = f"/api/v1/namespaces/{space.name}/pods/{name}/eviction"
    space.cluster.post(path, eviction)


def copies(space: Space, process: str) -> list[Document]:
    found = space.items("pods", "-l", f"{OURS},app.kubernetes.io/component={process}")
    return [one for one in found if is_ready(one) and "deletionTimestamp" not in one["metadata"]]


def test_the_last_copy_is_not_evicted(town, nodes):
    town.install(CHART, *values("standard"))
    town.cluster.kubectl("cordon", *nodes)  # no replacement comes up
    one, other = copies(town, "consent-api")
    evict(town, one)
    # 429 Too Many Requests, in kubectl's words.
    with pytest.raises(Refused, match=r"TooManyRequests.*disruption budget"):
        evict(town, other)
    assert [pod["metadata"]["name"] for pod in copies(town, "consent-api")] == [other["metadata"]["name"]]


def test_a_drain_waits_for_the_replacement_and_then_goes_on(town, nodes):
    town.install(CHART, *values("standard"))
    one, other = sorted(places(town, "delivery-worker"))
    town.cluster.kubectl("cordon", *nodes)
    town.kubectl("drain", one, *DRAIN, "--timeout=60s")
    with pytest.raises(Refused, match="would violate the pod's disruption budget"):
        town.kubectl("drain", other, *DRAIN, "--timeout=8s")
    assert len(copies(town, "delivery-worker")) == 1
    town.cluster.kubectl("uncordon", one, *(name for name in nodes if name != other))
    assert comes_up(town)
    town.kubectl("drain", other, *DRAIN, "--timeout=60s")
    assert comes_up(town)
    assert other not in places(town, "delivery-worker")


def test_a_single_copy_keeps_no_node(town, nodes):
    """`small` says so: a node that goes takes a minute of service with it."""
    town.install(CHART, *values("small"))
    (only,) = copies(town, "consent-api")
    town.kubectl("drain", only["spec"]["nodeName"], *DRAIN, "--timeout=60s")
    assert comes_up(town)
    assert only["spec"]["nodeName"] not in places(town, "consent-api")


def test_a_budget_counts_its_own_process_and_no_other(town):
    town.install(CHART, *values("standard"))
    assert town.cluster.comes(lambda: all(one["status"].get("expectedPods") == 2 for one in budgets(town)))
    assert {one["status"]["disruptionsAllowed"] for one in budgets(town)} == {1}
    assert len(budgets(town)) == 15


def budgets(space: Space) -> list[Document]:
    return space.items("poddisruptionbudgets")
