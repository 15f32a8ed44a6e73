"""A cluster, and in it a namespace for each test. `make test-cluster` runs these; nothing else does."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.deploy.chart.rendered import Document
from tests.deploy.cluster.cluster import Cluster, Space

ROOM = Path(__file__).parent
CRDS = os.environ.get("CRDS", "")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if ROOM in item.path.parents:
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.connected)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The cluster that KUBECONFIG names, with the definitions of CRDS laid in where it had none; they go again at the end."""
    if not os.environ.get("KUBECONFIG"):
        pytest.fail("KUBECONFIG names no cluster: KUBECONFIG=/path/to/kubeconfig make test-cluster")
    cluster = Cluster(tmp_path_factory.mktemp("helm"))
    there = {one["metadata"]["name"] for one in cluster.items("customresourcedefinitions")}
    missing = [one for one in _definitions() if one["metadata"]["name"] not in there]
    names = [one["metadata"]["name"] for one in missing]
    if names:
        cluster.kubectl("create", given=missing)
        cluster.kubectl("wait", "crd", *names, "--for=condition=Established", "--timeout=60s")
    yield cluster
    cluster.gone("namespace", *cluster.spaces)
    if names:
        cluster.kubectl("delete", "crd", *names, "--wait=false")
        cluster.gone("crd", *names)


def _definitions() -> list[Document]:
    found = (yaml.load_all(path.read_text(), yaml.CSafeLoader) for path in sorted(Path(CRDS).glob("*.yaml")) if CRDS)
    return [one for documents in found for one in documents if one]


@pytest.fixture
def space(cluster: Cluster) -> Iterator[Space]:
    """A namespace that takes restricted pods only."""
    space = Space.made_in(cluster)
    yield space
    space.remove()


@pytest.fixture
def town(space: Space) -> Space:
    """A namespace in which things happen: controllers act, and nodes say that pods are ready, without running them."""
    if not space.cluster.makes_ready:
        pytest.skip("pods don't become ready here: an API server alone, or real nodes, which would want a real house")
    return space
