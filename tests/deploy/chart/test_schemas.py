"""Kubernetes' own schemas know every field, in the oldest version that the chart takes and in the newest.

Custom resources are checked against the definitions of their projects where `CRDS` names a folder with them.
"""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from deploy.helm.generate import EXAMPLES, documents
from deploy.helm.tools import SCHEMA_VERSIONS, schemas
from tests.deploy.chart.rendered import name_of, rendered
from tests.deploy.chart.sets import EVERYTHING, SETS

CUSTOM = {"KafkaTopic", "KafkaUser", "ScaledObject", "TriggerAuthentication", "HTTPRoute", "Certificate", "ExternalSecret", "ServiceMonitor", "PrometheusRule"}  # fmt: skip
CRDS = os.environ.get("CRDS", "")


@cache
def _definitions(version: str) -> str:
    return (schemas(version) / "_definitions.json").read_text()


@cache
def _judge(version: str, api: str, kind: str) -> jsonschema_rs.Validator:
    group, _, number = api.rpartition("/")
    of = f"{kind.lower()}-{group.split('.')[0]}-{number}" if group else f"{kind.lower()}-{number}"
    schema = json.loads((schemas(version) / f"{of}.json").read_text())
    # The schema's own definitions are at a path of a server that is not there: they are laid into it.
    whole = json.loads(json.dumps(schema).replace("/api/_definitions.json#", "#"))
    return jsonschema_rs.validator_for({**whole, "$defs": json.loads(_definitions(version).replace("/api/_definitions.json#", "#"))["$defs"]})  # fmt: skip


@pytest.mark.parametrize("version", SCHEMA_VERSIONS)
def test_kubernetes_knows_every_field(version):
    for one in rendered(EVERYTHING).documents:
        if one["kind"] not in CUSTOM:
            judge = _judge(version, one["apiVersion"], one["kind"])
            assert [error.message for error in judge.iter_errors(one)] == [], name_of(one)


def test_a_field_that_nobody_knows_is_seen():
    one = rendered(EVERYTHING).copy().named("Deployment", "placet-consent-api")
    one["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    assert not _judge("1.37.0", "apps/v1", "Deployment").is_valid(one)


@pytest.mark.skipif(not CRDS, reason="CRDS names no folder with the definitions of custom resources")
@pytest.mark.parametrize("name", [*SETS, "everything"])
def test_the_projects_know_every_field_of_their_resources(name):
    custom = {(one["spec"]["group"], one["spec"]["names"]["kind"]): one for one in _crds()}
    files = SETS.get(name, EVERYTHING)
    for one in rendered(files).documents:
        group, _, version = one["apiVersion"].rpartition("/")
        if (group, one["kind"]) in custom:
            assert _faults(custom[group, one["kind"]], version, one) == [], name_of(one)


@pytest.mark.skipif(not CRDS, reason="CRDS names no folder with the definitions of custom resources")
def test_strimzi_knows_the_example_cluster():
    (crd,) = [one for one in _crds() if one["spec"]["names"]["kind"] == "Kafka"]
    (kafka,) = [
        one for one in documents((EXAMPLES / "resources" / "strimzi.yaml").read_text()) if one["kind"] == "Kafka"
    ]
    assert _faults(crd, "v1", kafka) == []


@cache
def _crds() -> tuple[dict[str, Any], ...]:
    found = (yaml.load_all(path.read_text(), yaml.CSafeLoader) for path in sorted(Path(CRDS).glob("*.yaml")))
    return tuple(one for documents_ in found for one in documents_ if one)


def _faults(crd: dict[str, Any], version: str, one: dict[str, Any]) -> list[str]:
    (schema,) = [each["schema"]["openAPIV3Schema"] for each in crd["spec"]["versions"] if each["name"] == version]
    own = {name: _closed(part) for name, part in schema["properties"].items() if name not in {"metadata", "status"}}
    judge = jsonschema_rs.validator_for({"type": "object", "properties": own})
    return [error.message for error in judge.iter_errors(one)]


def _closed(schema: Any) -> Any:
    """As an API server prunes: what the schema does not name is a fault."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(one) for name, one in schema.items() if name != "format"}
    open_ = closed.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in closed
    if isinstance(closed.get("properties"), dict) and not open_ and closed.get("type") == "object":
        closed["additionalProperties"] = False
    return closed
