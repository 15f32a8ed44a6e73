"""What the chart must know of the code: each process's variables and key files, topics, Kafka's users, MongoDB's roles.

Pure: read from the settings classes, `contracts.topics` and `deploy.local.principals`, and from nowhere else, so that a
credential that the code no longer asks for is no longer in the chart, and a new one can't be forgotten.
"""

import math
from collections import defaultdict
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from contracts.topics import SERVICES, TOPICS, Topic, heard_by
from deploy.local.principals import (
    BACKUP_DATA,
    BACKUP_KEYS,
    BOOTSTRAP,
    OPERATOR,
    group,
    kafka_acls,
    kafka_users,
    mongo_roles,
    principal,
)
from deploy.mongodb.applying import declared
from services.chassis.keys.person import MASTER_KEY_FILE
from services.chassis.service import DRAIN_SECONDS
from services.chassis.settings import Role, Settings
from services.delivery.gateways.webhooks import TIMEOUT_SECONDS

ROLES = (Role.API, Role.WORKER, Role.RELAY)
PORT = 8080
"""The settings' own default: a pod has its address for itself."""
PRE_STOP_SECONDS = 5
"""Between "no new requests, please" and SIGTERM: what Services and proxies take to hear of it."""
_MARGIN_SECONDS = 5
_DAY_MS = 86_400_000

# Variables that a process reads but can start without, and who has a use for them. "keys": whoever opens a person's values.
OPTIONAL: Mapping[str, tuple[str, ...]] = {
    "PLACET_LOG_LEVEL": ("api", "worker", "relay"),
    "OTEL_EXPORTER_OTLP_ENDPOINT": ("api", "worker", "relay"),
    "OTEL_TRACES_SAMPLER_ARG": ("api", "worker", "relay"),
    "PLACET_KAFKA_CAFILE": ("worker", "relay"),
    "PLACET_KMS_PROVIDERS": ("keys",),
    "PLACET_KMS_MASTER_KEY": ("keys",),
    "PLACET_OPERATOR_TOKEN_SHA256": ("identity-api",),
    "PLACET_WEBHOOK_PORTS": ("delivery-api", "delivery-worker"),
    "PLACET_MAIL_TEST_ONLY": ("notify-worker",),
    "PLACET_MAIL_TEST_DOMAINS": ("notify-worker",),
    "PLACET_MAIL_RETRY_SECONDS": ("notify-worker",),
}
NEVER = frozenset({
    "PLACET_MODE", "PLACET_PORT", "PLACET_TRACES_FILE", "PLACET_CLOCK_FILE", "PLACET_KAFKA_SECURITY",
})  # fmt: skip
"""What the chart leaves alone: production mode and its port are the defaults, the others are for a machine of one's own."""

PUBLIC_KEYS = "public-keys"
"""The ConfigMap of the public JWK sets. Every other key file lies in a Secret of its own."""


def settings_of(service: str) -> type[Settings]:
    """A service's own settings class."""
    found: type[Settings] = import_module(f"services.{service}.settings").Settings
    return found


def required(service: str, role: Role, *, kms: bool = False) -> tuple[str, ...]:
    """The variables without which a process does not start: asked of the settings themselves, with nothing set.

    Each fault begins with the variable that it is about. With `kms`, a key service stands for the local master key.
    """
    nothing = settings_of(service).model_construct(kms_providers={"aws": {}} if kms else None)
    return tuple(dict.fromkeys(fault.split()[0] for fault in nothing.faults(role)))


def key_files(service: str, role: Role, *, kms: bool = False) -> tuple[str, ...]:
    """The files that a process reads below its keys folder; with `kms`, all but the local master key."""
    read = {name for name, roles in settings_of(service).key_files.items() if role in roles}
    return tuple(sorted(read - {MASTER_KEY_FILE} if kms else read))


def variables(service: str, role: Role) -> tuple[str, ...]:
    """Every variable that the chart may give to a process, in order."""
    kinds = {str(role), principal(service, role), *(("keys",) if MASTER_KEY_FILE in key_files(service, role) else ())}
    optional = (name for name, holders in OPTIONAL.items() if kinds.intersection(holders))
    return tuple(sorted({*required(service, role), *optional}))


def key_source(name: str) -> str:
    """Where a key file lies in the cluster: the ConfigMap of public keys, or the Secret of this file alone."""
    if ".public." in name:
        return PUBLIC_KEYS
    return "keys-" + name.removesuffix(".key").removesuffix(".jwks.json").removesuffix(".pem").replace(".", "-")


def processes() -> dict[str, dict[str, Any]]:
    """Each Deployment by its name: what it runs, is told and may hold."""
    return {
        principal(service, role): {
            "service": service,
            "role": str(role),
            "environment": list(variables(service, role)),
            "keys": [{"file": name, "source": key_source(name)} for name in key_files(service, role)],
            "hears": [topic.name for topic in heard_by(service)] if role is Role.WORKER else [],
            # More members of a group than a topic has partitions would stand idle.
            "useful": max([topic.partitions for topic in heard_by(service)], default=1) if role is Role.WORKER else 0,
            "group": group(service) if role is Role.WORKER else "",
        }
        for service in SERVICES
        for role in ROLES
    }


def topics() -> list[dict[str, Any]]:
    """The topics, as a KafkaTopic wants them."""
    return [
        {
            "name": topic.name,
            "partitions": topic.partitions,
            "retentionMs": topic.retention_days * _DAY_MS,
            "about": _about(topic),
        }
        for topic in TOPICS
    ]


def _about(topic: Topic) -> str:
    return f"{topic.about} Written by {topic.owner}'s relay alone; key: {topic.key}."


_RESOURCES = {"topic": "topic", "group": "group", "cluster": "cluster"}
_OPERATIONS = {"READ": "Read", "WRITE": "Write", "DESCRIBE": "Describe", "DESCRIBE_CONFIGS": "DescribeConfigs"}


def users() -> list[dict[str, Any]]:
    """Kafka's users with their access lists, as a KafkaUser wants them: one rule a resource, its operations together."""
    rules: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for acl in kafka_acls():
        rules[acl.principal, acl.resource, acl.name].append(_OPERATIONS[acl.operation])
    return [
        {
            "name": user,
            "acls": [
                {"resource": _resource(kind, name), "operations": sorted(operations), "host": "*"}
                for (owner, kind, name), operations in sorted(rules.items())
                if owner == user
            ],
        }
        for user in kafka_users()
    ]


def _resource(kind: str, name: str) -> dict[str, str]:
    # There is one cluster, so Strimzi wants no name for it.
    return (
        {"type": "cluster"} if kind == "cluster" else {"type": _RESOURCES[kind], "name": name, "patternType": "literal"}
    )


def roles() -> list[dict[str, Any]]:
    """MongoDB's roles with their privileges, as `createRole` takes them. The user of each has the same name."""
    return [{"name": role.name, "privileges": role.privileges()} for role in mongo_roles(declared())]


def house() -> dict[str, Any]:
    """Everything that the templates read."""
    return {
        "port": PORT,
        "seconds": {
            "preStop": PRE_STOP_SECONDS,
            # In hand at SIGTERM may be a webhook that has just been sent, and then the drain.
            "grace": math.ceil(PRE_STOP_SECONDS + TIMEOUT_SECONDS + DRAIN_SECONDS + _MARGIN_SECONDS),
        },
        "services": list(SERVICES),
        "processes": processes(),
        "keySecrets": sorted({
            (key["source"], key["file"])
            for process in processes().values()
            for key in process["keys"]
            if key["source"] != PUBLIC_KEYS
        }),
        "publicKeys": sorted({
            key["file"] for process in processes().values() for key in process["keys"] if key["source"] == PUBLIC_KEYS
        }),
        "databaseUsers": [role["name"] for role in roles()],
        "bootstrapUser": BOOTSTRAP,
        "operatorUser": OPERATOR,
        # Packages lie in the vault, and no user of MongoDB's is needed for them.
        "backupUsers": {"data": BACKUP_DATA, "keys": BACKUP_KEYS, "packages": ""},
        "topics": topics(),
        "kafkaUsers": users(),
    }  # fmt: skip
