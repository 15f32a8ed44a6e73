"""A real API server takes every resource, knows every field, and lets every pod into a restricted namespace."""

import copy
from collections.abc import Iterable

import pytest

from deploy.helm.generate import DEPLOY, PROFILES, documents
from tests.deploy.chart.rendered import Document, labels_of, name_of, pod_of, rendered
from tests.deploy.chart.sets import EVERYTHING, SETS
from tests.deploy.cluster.cluster import Cluster, Refused, Space

UNDEFINED = {"TriggerAuthentication"}
"""Kinds whose definition may be missing among CRDS: the published folder of it has none. A cluster with KEDA serves it."""


def manifests(name: str) -> list[Document]:
    """A profile as it is committed, or a set of values as Helm makes it now."""
    if name in PROFILES:
        return documents((DEPLOY / "manifests" / f"{name}.yaml").read_text())
    return list(rendered(SETS.get(name, EVERYTHING)).documents)


def known(cluster: Cluster, given: Iterable[Document]) -> list[Document]:
    """Without those whose kind this API server does not serve; which has to be one of the few that nobody can define."""
    served = cluster.serves()
    strange = {one["kind"] for one in given if (one["apiVersion"], one["kind"]) not in served}
    assert strange <= UNDEFINED, (
        f"this cluster does not serve {sorted(strange)}: name a folder with definitions in CRDS"
    )
    return [one for one in given if one["kind"] not in strange]


def pod(workload: Document) -> Document:
    """Its template as a Pod: a Deployment that breaks a namespace's rule is only warned about, a Pod is refused."""
    name = workload["metadata"]["name"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": dict(labels_of(workload))},
        "spec": copy.deepcopy(pod_of(workload)),
    }


def pods(given: Iterable[Document]) -> list[Document]:
    return [pod(one) for one in given if one["kind"] in {"Deployment", "Job"}]


def accounts(given: Iterable[Document]) -> list[Document]:
    return [one for one in given if one["kind"] == "ServiceAccount"]


def mounts_a_token(pod: Document) -> bool:
    sources = [
        source for volume in pod["spec"].get("volumes", []) for source in volume.get("projected", {}).get("sources", [])
    ]
    return any("serviceAccountToken" in source for source in sources)


@pytest.mark.parametrize("name", [*SETS, "everything"])
def test_every_resource_is_taken_strictly(space, name):
    given = known(space.cluster, manifests(name))
    told = space.strictly(given, "-o", "name")
    assert len(told.splitlines()) == len(given)


MISTAKES = {
    "a mistyped field": (lambda one: one["spec"]["template"]["spec"].update(enableServiceLink=False), "unknown field"),
    "a port without a number": (
        lambda one: one["spec"]["template"]["spec"]["containers"][0]["ports"][0].pop("containerPort"), "containerPort"),
    "a selector that misses its pods": (
        lambda one: one["spec"]["selector"]["matchLabels"].update(extra="x"), "selector"),
    "a mount without a volume": (lambda one: one["spec"]["template"]["spec"]["volumes"].clear(), "volumeMounts"),
    "less memory than asked for": (
        lambda one: one["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"].update(memory="1Mi"), "memory"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_refused(space, mistake):
    bend, told = MISTAKES[mistake]
    one = rendered(SETS["standard"]).copy().named("Deployment", "placet-consent-api")
    bend(one)
    with pytest.raises(Refused, match=told):
        space.strictly([one])


@pytest.mark.parametrize("name", [*PROFILES, "everything"])
def test_every_pod_is_let_into_a_restricted_namespace(space, name):
    given = manifests(name)
    space.kubectl("create", given=accounts(given))
    wanted = pods(given)
    taken = documents(space.strictly(wanted, "-o", "yaml"))
    assert len(taken) == len(wanted) >= 16
    # What the API server would add by itself to a pod that does not refuse it.
    assert [name_of(one) for one in taken if mounts_a_token(one)] == []


WEAK = {
    "may become root": lambda one: one["containers"][0]["securityContext"].pop("allowPrivilegeEscalation"),
    "keeps capabilities": lambda one: one["containers"][0]["securityContext"].pop("capabilities"),
    "any system call": lambda one: one["securityContext"].pop("seccompProfile"),
    "the host's network": lambda one: one.update(hostNetwork=True),
    "the host's files": lambda one: one["volumes"].append({"name": "host", "hostPath": {"path": "/"}}),
}


@pytest.mark.parametrize("weakness", WEAK)
def test_a_pod_that_is_weaker_is_refused(space, weakness):
    given = manifests("small")
    space.kubectl("create", given=accounts(given))
    one = pods(given)[0]
    WEAK[weakness](one["spec"])
    with pytest.raises(Refused, match="violates PodSecurity"):
        space.strictly([one])


def test_a_pod_that_does_not_refuse_a_token_gets_one(space: Space):
    """So that the absence above says something."""
    given = manifests("small")
    space.kubectl("create", given=[{**one, "automountServiceAccountToken": True} for one in accounts(given)])
    one = pods(given)[0]
    del one["spec"]["automountServiceAccountToken"]
    (taken,) = documents(space.strictly([one], "-o", "yaml"))
    assert mounts_a_token(taken)
