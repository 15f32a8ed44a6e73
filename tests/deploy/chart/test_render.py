"""Helm takes the chart, in both its versions; and refuses values that would not make a house, saying which."""

import json
import subprocess

import pytest

from deploy.helm.generate import CHART, EXAMPLES, render
from deploy.helm.tools import helm
from tests.deploy.chart.rendered import rendered
from tests.deploy.chart.sets import EVERYTHING, SETS

ALL = {**SETS, "everything": EVERYTHING}
BASE = (EXAMPLES / "house.yaml", EXAMPLES / "managed.yaml")


@pytest.mark.parametrize("major", [4, 3])
@pytest.mark.parametrize("name", ALL)
def test_helm_lints_strictly(name, major):
    files = [word for path in ALL[name] for word in ("--values", path)]
    words = [helm(major), "lint", CHART, "--strict", "--quiet", "--namespace", "placet", *files]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ALL)
def test_both_versions_of_helm_make_the_same(name):
    assert rendered(ALL[name], 3).documents == rendered(ALL[name], 4).documents


REFUSED = {
    "no digest": ('image.digest=""', "digest"),
    "a digest that is none": ('image.digest="sha256:abc"', "digest"),
    "a tag beside": ('image.tag="latest"', "tag"),
    "an address in clear": ('publicUrl="http://transcripts.example.org"', "publicUrl"),
    "an address with a path": ('publicUrl="https://example.org/placet"', "publicUrl"),
    "an unknown value": ("replicas=3", "replicas"),
    "an unknown value deep inside": ("kafka.strimzi.replica=3", "replica"),
    "a process that there is not": ('processes={"consent-web":{"replicas":2}}', "consent-web"),
    "no copies": ("roles.api.replicas=0", "replicas"),
    "no limit of memory": ('roles.api.resources={"requests":{"cpu":1,"memory":"1Gi"},"limits":null}', "limits"),
    "a broker without a port": ('kafka.bootstrapServers="kafka"', "bootstrapServers"),
    "Strimzi without a cluster": ("kafka.strimzi.enabled=true", "cluster"),
    "a store without a name": ("externalSecrets.enabled=true", "store"),
    "a Gateway without a parent": ("gateway.enabled=true", "parents"),
    "a secret as a plain variable": ('vault.environment={"AWS_SECRET_ACCESS_KEY":"x"}', "vault"),
    "a variable of ours for the store": ('vault.environment={"PLACET_MODE":"local"}', "vault"),
    "the whole internet as the database": (
        'networkPolicy.mongodb.peers=[{"ipBlock":{"cidr":"0.0.0.0/0"}}]', "networkPolicy"),
    "a database that is nowhere": ("networkPolicy.mongodb.peers=[]", "networkPolicy.mongodb.peers is missing"),
    "a door for nobody": ("networkPolicy.front=[]", "networkPolicy.front is missing"),
    "roles without an administrator": ("mongodb.roles.enabled=true", "mongodb.roles.adminSecret is missing"),
    "a private key among public ones": (
        "keys.public=" + json.dumps({"consent.public.jwks.json": json.dumps({"keys": [{"kty": "OKP", "d": "x"}]})}),
        "holds a private key"),
    "some public keys": (
        "keys.public=" + json.dumps({"consent.public.jwks.json": json.dumps({"keys": []})}), "keys.public lacks"),
    "an operator's token instead of its digest": ('firstOperator.tokenSha256="secret"', "tokenSha256"),
    "a mail server hammered": ("mail.retrySeconds=1", "retrySeconds"),
    "no sender": ('mail.from=""', "mail"),
    "a backup to nowhere": ("backup.enabled=true,networkPolicy.backup.data.peers=[]", "networkPolicy.backup.data.peers is missing"),
    "one login for data and for keys": (
        'backup={"enabled":true,"data":{"credentials":{"secret":"s3"}},"keys":{"credentials":{"secret":"s3"}}}',
        "have one login"),
    "a backup now and then": ('backup.data.schedule="@daily"', "schedule"),
    "a secret as a plain variable of a backup": (
        'backup.keys.environment={"AWS_SECRET_ACCESS_KEY":"x"}', "environment"),
    "one worker under KEDA": ("keda.minReplicas=1", "minReplicas"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_values_are_refused(name):
    told, reason = REFUSED[name]
    with pytest.raises(subprocess.CalledProcessError) as refused:
        render(BASE, sets=[told])
    assert reason in refused.value.stderr


def test_an_old_cluster_is_refused():
    words = [helm(4), "template", "placet", CHART, "--kube-version", "1.29.0", *_values()]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert "kubeVersion" in done.stderr


def _values():
    return [word for path in BASE for word in ("--values", path)]


def test_a_release_of_another_name_takes_it_into_its_own():
    words = [helm(4), "template", "harbor", CHART, *_values()]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "name: harbor-placet-consent-api\n" in done.stdout
    assert "name: harbor-placet-keys-master\n" in done.stdout
