"""The real settings classes start, in production mode, with exactly what the chart gives to each process."""

import base64
import os
from pathlib import Path
from unittest.mock import patch

import pytest

from contracts.topics import SERVICES
from deploy.helm.facts import NEVER, OPTIONAL, ROLES, required, settings_of, variables
from deploy.helm.secrets import manifest, public_values, secrets
from services.chassis.settings import Mode, Role
from services.notify.settings import Settings as NotifySettings
from tests.deploy.chart.rendered import Rendered, containers_of, pod_of, rendered
from tests.deploy.chart.sets import EVERYTHING, SETS

ADMIN = {
    "MONGODB_URI": "mongodb://admin:Yw8-kX2qL0vN7tRz@a.example:27017,b.example:27017/?replicaSet=rs0&tls=true",
    "VAULT_URL": "s3://harbor-vault/placet",
    "BACKUP_DATA_URL": "s3://harbor-backup/placet",
    "BACKUP_KEYS_URL": "s3://harbor-keys/placet",
    "BACKUP_PACKAGES_URL": "s3://harbor-packages/placet",
    "SMTP_URL": "smtps://harbor:Qm5_xT9dJ3hV6pWs@mail.example",
}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> tuple[Path, dict[str, dict[str, str]]]:
    """The Secrets of an installation, drawn as an operator draws them."""
    folder = tmp_path_factory.mktemp("secrets")
    made = secrets(folder, ADMIN, with_kafka=True)
    return folder, made | {"placet-kms": {"providers": '{"aws": {"accessKeyId": "a", "secretAccessKey": "b"}}'}}


def test_all_secrets_that_pods_name_are_drawn(drawn):
    _, made = drawn
    for name in ("small", "standard"):
        for one in rendered(SETS[name]).workloads():
            for container in containers_of(one):
                for variable in container["env"]:
                    asked = variable.get("valueFrom", {}).get("secretKeyRef")
                    # Strimzi's Secrets are named like its users.
                    if asked and not (variable["name"].startswith("PLACET_KAFKA_") and name == "standard"):
                        assert asked["key"] in made[asked["name"]]


@pytest.mark.parametrize("name", ["small", "key service"])
@pytest.mark.parametrize("process", [f"{service}-{role}" for service in SERVICES for role in ROLES])
def test_a_process_starts_with_what_it_is_given(process, name, drawn, tmp_path):
    folder, made = drawn
    chart = rendered(SETS[name])
    deployment = chart.named("Deployment", f"placet-{process}")
    service, _, role = process.partition("-")
    environment = _environment(chart, process, made)
    if "PLACET_KEYS_FOLDER" in environment:
        _lay(deployment, tmp_path, made, public_values(folder)["keys"]["public"])
        environment["PLACET_KEYS_FOLDER"] = str(tmp_path)
    with patch.dict(os.environ, environment, clear=True):
        settings = settings_of(service).read(Role(role))
    assert settings.mode is Mode.PRODUCTION
    assert settings.port == next(containers_of(deployment))["ports"][0]["containerPort"]


def _environment(chart: Rendered, process: str, made: dict[str, dict[str, str]]) -> dict[str, str]:
    (container,) = containers_of(chart.named("Deployment", f"placet-{process}"))
    told = {}
    for variable in container["env"]:
        asked = variable.get("valueFrom", {}).get("secretKeyRef")
        told[variable["name"]] = made[asked["name"]][asked["key"]] if asked else variable["value"]
    return told


def _lay(deployment, folder: Path, made: dict[str, dict[str, str]], public: dict[str, str]) -> None:
    """What the kubelet does with a projected volume."""
    for volume in pod_of(deployment)["volumes"]:
        for source in volume.get("projected", {}).get("sources", []):
            content = public if "configMap" in source else made[source["secret"]["name"]]
            for item in source.get("configMap", source.get("secret"))["items"]:
                (folder / item["path"]).write_text(content[item["key"]])


def test_every_variable_that_a_settings_class_reads_has_its_place():
    for service in SERVICES:
        read = {str(field.validation_alias) for field in settings_of(service).model_fields.values()}
        given = {name for role in ROLES for name in variables(service, role)}
        own = {name for name, holders in OPTIONAL.items() if not {"api", "worker", "relay", "keys"} & set(holders)}
        # A setting that nobody placed fails here: say in deploy.helm.facts who gets it, or that the chart leaves it alone.
        unplaced = read - given - NEVER - _of_other_roles(service) - own
        assert unplaced == set(), service
        assert given <= read, service


def _of_other_roles(service: str) -> set[str]:
    """Stores that every settings class can name, and this service has no role for."""
    settings = settings_of(service)
    return ({"VAULT_URL"} if not settings.vault_roles else set()) | ({"SMTP_URL"} if not settings.smtp_roles else set())


def test_what_a_process_needs_is_asked_of_the_settings_themselves():
    assert required("consent", Role.API) == ("PLACET_PUBLIC_URL", "PLACET_MONGODB_API_URI", "PLACET_KEYS_FOLDER")
    assert "KAFKA_BOOTSTRAP_SERVERS" not in required("records", Role.API)
    assert "SMTP_URL" in required("notify", Role.WORKER)


def test_values_of_the_environment_are_read_as_they_were_meant():
    chart = rendered(EVERYTHING)
    (container,) = containers_of(chart.named("Deployment", "placet-records-worker"))
    told = {one["name"]: one.get("value") for one in container["env"]}
    nothing = {"PLACET_PUBLIC_URL": told["PLACET_PUBLIC_URL"], "PLACET_KMS_MASTER_KEY": told["PLACET_KMS_MASTER_KEY"]}
    with patch.dict(os.environ, nothing, clear=True):
        settings = settings_of("records")()
    assert settings.kms_master_key == chart.values["kms"]["masterKey"]


def test_a_trial_mails_reserved_domains_only():
    chart = rendered(SETS["a trial that mails nobody"])
    (container,) = containers_of(chart.named("Deployment", "placet-notify-worker"))
    told = {one["name"]: one["value"] for one in container["env"] if "value" in one}
    with patch.dict(os.environ, told, clear=True):
        settings = NotifySettings()
    assert settings.test_only
    assert settings.mail_test_domains == ("test.example.edu",)


def test_a_secret_is_written_as_kubectl_takes_it(drawn):
    _, made = drawn
    one = manifest("placet-vault", made["placet-vault"], "schools")
    assert base64.b64decode(one["data"]["url"]).decode() == ADMIN["VAULT_URL"]
    assert one["metadata"]["namespace"] == "schools"
