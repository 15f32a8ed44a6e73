"""Applies the tables of `deploy.local.principals` to a running Kafka; `deploy.mongodb.applying` does so to a MongoDB.

Idempotent in both directions: what is missing is made, and a right that is no longer in the table is taken away.
"""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialUpsertion,
)

from contracts.topics import TOPICS, Topic
from deploy.local.principals import Acl

# Seconds for one request to the broker, which is next door.
_TIMEOUT = 20.0
# Kafka's least and its default; the passwords are random and long, so more rounds would only cost time.
_SCRAM_ROUNDS = 4096
_DAY_MS = 86_400_000

Settings = Mapping[str, str | int | float | bool]


async def authorize_kafka(
    settings: Settings, *, users: Mapping[str, str], acls: Sequence[Acl], topics: Sequence[Topic] = TOPICS
) -> None:
    """Make topics, users and access lists with a super user's client settings (blocking calls, in a thread)."""
    await asyncio.to_thread(_authorize_kafka, AdminClient(dict(settings)), users, acls, topics)


def _authorize_kafka(
    admin: AdminClient, users: Mapping[str, str], acls: Sequence[Acl], topics: Sequence[Topic]
) -> None:
    # All are asked for at once and awaited together: each alone costs a round trip through the metadata log.
    waiting: list[Future[Any]] = [*_ask_for_users(admin, users).values()]
    made = _ask_for_topics(admin, topics)
    known = admin.describe_acls(_any_acl()).result(_TIMEOUT)
    wanted = {_binding(acl) for acl in acls}
    missing, surplus = wanted - set(known), set(known) - wanted
    if missing:
        waiting += admin.create_acls(list(missing), request_timeout=_TIMEOUT).values()
    if surplus:
        waiting += admin.delete_acls([_exactly(acl) for acl in surplus], request_timeout=_TIMEOUT).values()
    for future in waiting:
        future.result(_TIMEOUT)
    _settle_topics(admin, made, topics)


def _ask_for_users(admin: AdminClient, users: Mapping[str, str]) -> dict[str, "Future[Any]"]:
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, _SCRAM_ROUNDS)
    changes: list[UserScramCredentialAlteration] = [
        UserScramCredentialUpsertion(user, info, password.encode()) for user, password in users.items()
    ]
    asked: dict[str, Future[Any]] = admin.alter_user_scram_credentials(changes, request_timeout=_TIMEOUT)
    return asked


def _ask_for_topics(admin: AdminClient, topics: Sequence[Topic]) -> dict[str, "Future[Any]"]:
    wanted = [
        # -1: as many copies as the broker's default says.
        NewTopic(topic.name, topic.partitions, -1, config={"retention.ms": _retention(topic)})
        for topic in topics
    ]
    asked: dict[str, Future[Any]] = admin.create_topics(wanted, request_timeout=_TIMEOUT)
    return asked


def _settle_topics(admin: AdminClient, made: Mapping[str, "Future[Any]"], topics: Sequence[Topic]) -> None:
    """Wait for new topics; those that were there already get today's retention. Partitions are never changed."""
    there: list[Topic] = []
    for topic in topics:
        try:
            made[topic.name].result(_TIMEOUT)
        except KafkaException as why:
            if why.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
            there.append(topic)
    if not there:
        return
    resources = [
        ConfigResource(
            ConfigResource.Type.TOPIC,
            topic.name,
            incremental_configs=[
                ConfigEntry("retention.ms", _retention(topic), incremental_operation=AlterConfigOpType.SET)
            ],
        )
        for topic in there
    ]
    for future in admin.incremental_alter_configs(resources, request_timeout=_TIMEOUT).values():
        future.result(_TIMEOUT)


def _retention(topic: Topic) -> str:
    return str(topic.retention_days * _DAY_MS)


def _any_acl() -> AclBindingFilter:
    # None is "any", which the library's own types don't know.
    anything: Any = None
    return AclBindingFilter(
        ResourceType.ANY,
        anything,
        ResourcePatternType.ANY,
        anything,
        anything,
        AclOperation.ANY,
        AclPermissionType.ANY,
    )


_RESOURCES = {"topic": ResourceType.TOPIC, "group": ResourceType.GROUP, "cluster": ResourceType.BROKER}


def _binding(acl: Acl) -> AclBinding:
    return AclBinding(
        _RESOURCES[acl.resource],
        acl.name,
        ResourcePatternType.LITERAL,
        f"User:{acl.principal}",
        "*",
        AclOperation[acl.operation],
        AclPermissionType.ALLOW,
    )


def _exactly(acl: AclBinding) -> AclBindingFilter:
    return AclBindingFilter(
        acl.restype,
        acl.name,
        acl.resource_pattern_type,
        acl.principal,
        acl.host,
        acl.operation,
        acl.permission_type,
    )
