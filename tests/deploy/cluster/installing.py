"""The chart as an operator installs it, and what is looked at then."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from deploy.helm.generate import CHART
from tests.deploy.chart.rendered import Document
from tests.deploy.chart.sets import SETS
from tests.deploy.cluster.cluster import Space

OURS = "app.kubernetes.io/instance=placet"
PREVIOUS = CHART.parents[1] / "manifests" / "previous" / "standard.yaml"
"""What the last release installed. Nothing is released yet: it is the profile `standard` of the chart's first day."""


def values(profile: str, *more: Path) -> list[str | Path]:
    """Words for Helm: a profile with its examples, small enough for small nodes, and more files."""
    files = (*SETS[profile], Path(__file__).with_name("light.yaml"), *more)
    words: list[str | Path] = []
    for path in files:
        words += ["--values", path]
    return words


def chart_of(manifests: Path, folder: Path) -> Path:
    """A chart that installs these manifests as they are: how a release is put back whose chart is no longer here."""
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: placet\nversion: 0.0.1\n")
    (folder / "all.yaml").write_text(manifests.read_text())
    (folder / "templates" / "all.yaml").write_text('{{ .Files.Get "all.yaml" }}\n')
    return folder


def processes(space: Space) -> dict[str, Document]:
    """The Deployments by name."""
    return {one["metadata"]["name"]: one for one in space.items("deployments")}


def unready(space: Space) -> Iterator[str]:
    """Deployments that have not all their copies, of today's template, ready; where pods become ready at all."""
    for name, one in processes(space).items() if space.cluster.makes_ready else ():
        status, wanted = one["status"], one["spec"]["replicas"]
        counts = [status.get(f"{which}eplicas", 0) for which in ("r", "updatedR", "availableR")]
        if counts != [wanted] * 3:
            yield name


def comes_up(space: Space) -> bool:
    """Whether all copies become ready, and stay so for as long as the chart wants to see."""
    return space.cluster.comes(lambda: not list(unready(space)))


def places(space: Space, process: str) -> Counter[str]:
    """How many copies of a process stand on each node."""
    pods = space.items("pods", "-l", f"{OURS},app.kubernetes.io/component={process}")
    return Counter(pod["spec"].get("nodeName", "nowhere") for pod in pods)
