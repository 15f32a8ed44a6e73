"""Who may do what: the table of Kafka's access lists and MongoDB's roles, made from the topics and the collections.

Pure data; `deploy.local.authorize` applies it, the chart and the tests read it. The rule of the product is here a fact:
only a service's relay may write its topics, only a worker may read, nobody who faces the web knows Kafka at all.
"""

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from contracts.topics import SERVICES, TOPICS, Topic, heard_by, written_by
from deploy.local.kafka import Login
from deploy.local.tls import write_private
from services.chassis.keys.person import DATABASE, VAULT
from services.chassis.store.shelf import ASIDE, INBOX, OUTBOX, Collection

KAFKA_ROLES = ("worker", "relay")
MONGO_ROLES = ("api", "worker", "relay")
# People at the keyboard: the command line. They look and repair, they write no event and read no person.
OPERATOR = "operator"
# Makes collections and indexes, at installation and upgrade only; it can't read a document.
BOOTSTRAP = "bootstrap"
# Two readers of everything, each of one half: who takes the data home can't take the keys along.
BACKUP_DATA, BACKUP_KEYS = "backup-data", "backup-keys"

KEY_VAULT = (DATABASE, VAULT.name)
# Makes and erases the keys of persons; everybody else may only use them.
KEY_OWNER = "identity"


@dataclass(frozen=True, order=True)
class Acl:
    """One allowed action on Kafka, on a resource named literally, from any host."""

    principal: str
    resource: Literal["topic", "group", "cluster"]
    name: str
    operation: Literal["READ", "WRITE", "DESCRIBE", "DESCRIBE_CONFIGS"]


@dataclass(frozen=True)
class Role:
    """One MongoDB role, held by the user of the same name: actions by database and collection ("" is every one)."""

    name: str
    rights: Mapping[tuple[str, str], tuple[str, ...]]

    def privileges(self) -> list[dict[str, object]]:
        """Return the rights as `createRole` and `updateRole` take them."""
        return [
            {"resource": {"db": database, "collection": collection}, "actions": sorted(actions)}
            for (database, collection), actions in sorted(self.rights.items())
        ]


def principal(service: str, role: str) -> str:
    """Return the user's name of a service in a role, the same at Kafka and MongoDB."""
    return f"{service}-{role}"


def group(service: str) -> str:
    """Return the consumer group of a service."""
    return f"placet-{service}"


def kafka_users() -> tuple[str, ...]:
    """Return every Kafka user that the house makes. There is no `…-api` among them."""
    return (*(principal(service, role) for service in SERVICES for role in KAFKA_ROLES), OPERATOR)


def kafka_acls() -> tuple[Acl, ...]:
    """Return the whole access list. What is not in it is refused."""
    rules: list[Acl] = []
    for service in SERVICES:
        worker, relay = principal(service, "worker"), principal(service, "relay")
        rules += _on_topics(worker, heard_by(service), ("READ", "DESCRIBE"))
        rules += [Acl(worker, "group", group(service), "READ")]
        rules += _on_topics(relay, written_by(service), ("WRITE", "DESCRIBE"))
        rules += [Acl(OPERATOR, "group", group(service), "DESCRIBE")]
    # Events hold ids and digests only, so whoever follows a request may read them.
    rules += _on_topics(OPERATOR, TOPICS, ("READ", "DESCRIBE", "DESCRIBE_CONFIGS"))
    rules += [Acl(OPERATOR, "cluster", "kafka-cluster", "DESCRIBE")]
    return tuple(sorted(rules))


def _on_topics(
    user: str, topics: Iterable[Topic], operations: Sequence[Literal["READ", "WRITE", "DESCRIBE", "DESCRIBE_CONFIGS"]]
) -> list[Acl]:
    return [Acl(user, "topic", topic.name, operation) for topic in topics for operation in operations]


_READ_WRITE = ("find", "insert", "update", "remove")
_APPEND = ("find", "insert")
# The mechanism's collections. What was said and what was heard are facts: who said them can't take them back, only
# time removes them (TTL). Rows are marked as sent by the relay, which can't write one; set-asides are the worker's.
_MECHANISM: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "api": {OUTBOX.name: _APPEND, INBOX.name: _APPEND},
    "worker": {OUTBOX.name: _APPEND, INBOX.name: _APPEND, ASIDE.name: ("find", "insert", "update")},
    "relay": {OUTBOX.name: ("find", "update", "changeStream")},
}
_MAKE = ("createCollection", "createIndex", "dropIndex", "collMod", "listCollections", "listIndexes")


def mongo_roles(collections: Mapping[str, Sequence[Collection]]) -> tuple[Role, ...]:
    """Return every MongoDB role, from each service's declared collections. What is not in it is refused."""
    roles = [role for service, own in collections.items() for role in _service_roles(service, own)]
    return (*roles, _operator(collections), _bootstrap(collections), *_backups(collections))


def _service_roles(service: str, own: Sequence[Collection]) -> list[Role]:
    rights: dict[tuple[str, str], tuple[str, ...]] = {}
    for collection in own:
        allowed = _APPEND if collection.append_only else _READ_WRITE
        rights[service, collection.name] = (*allowed, "changeStream") if collection.watched else allowed
    rights[KEY_VAULT] = _READ_WRITE if service == KEY_OWNER else ("find",)
    return [
        Role(principal(service, role), {**(rights if role != "relay" else {}), **_mechanism(service, role)})
        for role in MONGO_ROLES
    ]


def _mechanism(service: str, role: str) -> dict[tuple[str, str], tuple[str, ...]]:
    return {(service, name): actions for name, actions in _MECHANISM[role].items()}


def _operator(services: Iterable[str]) -> Role:
    """What goes wrong is seen and put right here: unsent rows, set-aside messages; and the vault's keys re-wrapped."""
    rights: dict[tuple[str, str], tuple[str, ...]] = {}
    for service in services:
        rights |= {(service, OUTBOX.name): ("find", "update"), (service, ASIDE.name): ("find", "update")}
        rights[service, INBOX.name] = ("find",)
    return Role(OPERATOR, {**rights, KEY_VAULT: ("find", "update")})


def _bootstrap(services: Iterable[str]) -> Role:
    databases = (*services, KEY_VAULT[0])
    return Role(BOOTSTRAP, {(database, ""): _MAKE for database in databases})


def _backups(services: Iterable[str]) -> tuple[Role, Role]:
    """Whole databases, as they are at one moment; no collection of theirs is forgotten when a new one comes."""
    read = ("find", "listCollections")
    return (
        Role(BACKUP_DATA, {(database, ""): read for database in services}),
        Role(BACKUP_KEYS, {(KEY_VAULT[0], ""): read}),
    )


@dataclass(frozen=True)
class Credentials:
    """The passwords of one house, by user. `str` and `repr` never show one."""

    kafka: Mapping[str, str] = field(repr=False)
    mongodb: Mapping[str, str] = field(repr=False)

    def kafka_login(self, user: str) -> Login:
        """Return a Kafka user with its password. A KeyError means that there is no such user: `…-api` never is."""
        return Login(user, self.kafka[user])


def keep_credentials(path: Path, mongo_users: Iterable[str]) -> Credentials:
    """Read the passwords from `path` (mode 0600), drawing one for each user that has none yet."""
    kept: dict[str, dict[str, str]] = json.loads(path.read_text()) if path.exists() else {}
    wanted = {"kafka": kafka_users(), "mongodb": tuple(mongo_users)}
    full = {
        system: {user: kept.get(system, {}).get(user) or secrets.token_urlsafe(24) for user in users}
        for system, users in wanted.items()
    }
    if full != kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_private(path, json.dumps(full, indent=1).encode())
    return Credentials(kafka=full["kafka"], mongodb=full["mongodb"])
