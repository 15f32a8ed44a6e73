"""What Helm made of the chart, with the questions that rules ask of it: pods, containers, what selects what."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from deploy.helm.generate import CHART, documents, render

Document = dict[str, Any]


@dataclass(frozen=True)
class Rendered:
    """The manifests of one set of values, and the values that they were made from."""

    values: Document
    documents: tuple[Document, ...]

    def of(self, kind: str) -> list[Document]:
        return [one for one in self.documents if one["kind"] == kind]

    def named(self, kind: str, name: str) -> Document:
        """The one of this kind and name, to look at or to bend."""
        (found,) = [one for one in self.of(kind) if one["metadata"]["name"] == name]
        return found

    def workloads(self) -> list[Document]:
        """Everything that has a pod template."""
        return [one for one in self.documents if "template" in _of_pods(one)]

    def copy(self) -> "Rendered":
        return Rendered(copy.deepcopy(self.values), copy.deepcopy(self.documents))


def _of_pods(one: Document) -> Document:
    """What has the pod's template: a CronJob's is in its Job's."""
    spec: Document = one.get("spec", {})
    return spec.get("jobTemplate", {}).get("spec", {}) if one["kind"] == "CronJob" else spec


def name_of(document: Document) -> str:
    return f"{document['kind']}/{document['metadata']['name']}"


def pod_of(workload: Document) -> Document:
    spec: Document = _of_pods(workload)["template"]["spec"]
    return spec


def labels_of(workload: Document) -> Mapping[str, str]:
    labels: Mapping[str, str] = _of_pods(workload)["template"]["metadata"]["labels"]
    return labels


def component_of(workload: Document) -> str:
    return labels_of(workload)["app.kubernetes.io/component"]


def containers_of(workload: Document) -> Iterator[Document]:
    pod = pod_of(workload)
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        yield from pod.get(kind, [])


def selects(selector: Document | None, labels: Mapping[str, str]) -> bool:
    """Whether a label selector chooses these labels; an empty one chooses all, an absent one nothing."""
    if selector is None:
        return False
    if any(labels.get(name) != value for name, value in selector.get("matchLabels", {}).items()):
        return False
    return all(_holds(one, labels) for one in selector.get("matchExpressions", []))


def _holds(expression: Document, labels: Mapping[str, str]) -> bool:
    value, operator = labels.get(expression["key"]), expression["operator"]
    if operator == "In":
        return value in expression["values"]
    if operator == "NotIn":
        return value not in expression["values"]
    if operator == "Exists":
        return value is not None
    assert operator == "DoesNotExist", operator
    return value is None


def merged(base: Any, over: Any) -> Any:
    """Values as Helm lays one file over another: maps key by key, all else replaced, null taken away."""
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return over
    both = {**base, **{name: merged(base.get(name), value) for name, value in over.items()}}
    return {name: value for name, value in both.items() if value is not None}


@cache
def rendered(files: tuple[Path, ...], major: int = 4) -> Rendered:
    """The chart with these files of values. What comes back is shared: copy it before bending it."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    for path in files:
        values = merged(values, yaml.safe_load(path.read_text()) or {})
    return Rendered(values, tuple(documents(render(files, major=major))))


def texts(node: Any) -> Iterator[str]:
    """Every text in a document, wherever it stands."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, Mapping):
        for value in node.values():
            yield from texts(value)
    elif isinstance(node, Sequence):
        for value in node:
            yield from texts(value)
