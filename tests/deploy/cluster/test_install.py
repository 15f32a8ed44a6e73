"""Helm installs the chart: hooks run in their order, every process comes up, and an uninstall leaves what must stay."""

import pytest

from deploy.helm.generate import CHART, PROFILES, documents
from tests.deploy.chart.rendered import name_of, rendered
from tests.deploy.chart.sets import SETS
from tests.deploy.cluster.installing import OURS, comes_up, places, processes, values
from tests.deploy.cluster.test_admission import UNDEFINED, known, manifests, mounts_a_token

PROCESSES = 15


def without_keda(space) -> list[str]:
    """High availability has triggers, which only a cluster with KEDA can take."""
    served = {kind for _, kind in space.cluster.serves()}
    return [] if served >= UNDEFINED else ["--set", "keda.enabled=false"]


@pytest.mark.parametrize("major", [4, 3])
@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_comes_up(town, profile, major):
    told = town.install(CHART, *values(profile), *without_keda(town), major=major)
    assert "STATUS: deployed" in told
    assert len(processes(town)) == PROCESSES
    assert comes_up(town)
    assert town.names("jobs") == set(), "a hook's Job goes when it is done"


def test_all_that_helm_was_given_is_there(space):
    space.install(CHART, *values("standard"))
    wanted = {name_of(one) for one in rendered(SETS["standard"]).documents if "annotations" not in one["metadata"]}
    kinds = ",".join(sorted({name.partition("/")[0].lower() for name in wanted}))
    there = {name_of(one) for one in space.items(kinds)}
    assert wanted <= there


def test_three_zones_have_a_copy_each(town):
    town.install(CHART, *values("high-availability"), "--set", "keda.enabled=false")
    for process in ("consent-api", "delivery-worker", "consent-relay"):
        assert sorted(places(town, process).values()) == [1, 1, 1]


def test_a_job_of_a_hook_has_no_token_and_waits_for_its_accounts(town):
    """As Helm lays it, but left standing, so that its pod can be looked at."""
    hooks = [one for one in known(town.cluster, manifests("standard")) if one["kind"] in {"Job", "ServiceAccount"}]
    town.kubectl("create", given=hooks)
    jobs = [one["metadata"]["name"] for one in hooks if one["kind"] == "Job"]
    assert len(jobs) == 3
    for job in jobs:
        # On a fake node a Job's pod completes by itself; what it would do runs in tests/deploy/mongodb and selftest.
        town.kubectl("wait", f"job/{job}", "--for=condition=Complete", "--timeout=60s")
        (pod,) = town.items("pods", "-l", f"batch.kubernetes.io/job-name={job}")
        assert not mounts_a_token(pod)
        assert pod["spec"]["serviceAccountName"] != "default"
    assert town.items("secrets") == [], "no account has a lasting token either"


def test_a_job_that_fails_keeps_the_house_as_it_was(town):
    town.install(CHART, *values("standard"))
    before = {name: one["metadata"]["generation"] for name, one in processes(town).items()}
    # No node that it could stand on: the Job never completes, as with a MongoDB that is away.
    words = ["--set", "nodeSelector.nobody=here", "--set", "logLevel=DEBUG", "--timeout", "5s"]
    with pytest.raises(Exception, match="pre-upgrade hooks failed"):
        town.install(CHART, *values("standard"), *words, verb="upgrade")
    assert {name: one["metadata"]["generation"] for name, one in processes(town).items()} == before
    assert comes_up(town)


def test_an_uninstall_leaves_topics_and_secrets(space):
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "placet-keys-master"},
        "stringData": {"master.key": "x"},
    }
    space.kubectl("create", given=[secret])
    space.install(CHART, *values("standard"))
    topics = space.names("kafkatopics")
    assert topics
    space.helm("uninstall", "placet")
    assert space.names("kafkatopics") == topics
    assert "placet-keys-master" in space.names("secrets")
    assert space.cluster.comes(lambda: not space.names("pods", "-l", OURS))
    gone = "deployments,services,networkpolicies,poddisruptionbudgets,kafkausers,ingresses,jobs"
    assert space.items(gone, "-l", OURS) == []


def test_what_was_left_is_taken_up_again(space):
    """Topics stay when Helm takes the house away; the next installation may not stumble over them."""
    space.install(CHART, *values("standard"))
    space.helm("uninstall", "placet")
    assert "STATUS: deployed" in space.install(CHART, *values("standard"))


def test_the_manifests_come_up_without_helm(town):
    """As deploy/README.md says: the Jobs first, then the rest."""
    given = documents((CHART.parents[1] / "manifests" / "small.yaml").read_text())
    accounts = [one for one in given if one["kind"] == "ServiceAccount"]
    jobs = [one for one in given if one["kind"] == "Job" and "self-test" not in one["metadata"]["name"]]
    town.kubectl("apply", given=[*accounts, *jobs])
    town.kubectl("wait", "jobs", "--all", "--for=condition=Complete", "--timeout=60s")
    town.kubectl("apply", given=given)
    assert comes_up(town)
