"""`placet topics`: the topics as the registry has them, beside what the broker has."""

import asyncio
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from contracts.topics import SERVICES, TOPICS
from deploy.cli.access import HOME, Access, Folder
from deploy.cli.printing import console, fail, listing


def topics(folder: Folder = HOME) -> None:
    """Show every topic: whose relay writes it, who reads it, its partitions. Fails when the broker differs."""
    access = Access.find(folder)
    there = asyncio.run(asyncio.to_thread(_partitions, access))
    table = listing("topic", "written by", "read by", "key", "parts", "kept", "", folding="read by")
    wrong = 0
    for topic in TOPICS:
        same = there.get(topic.name) == topic.partitions
        wrong += not same
        said = "[green]✓[/]" if same else f"[red]the broker has {there.get(topic.name, 'none')}[/]"
        readers = ", ".join(sorted(topic.readers)) or "–"
        if topic.readers == set(SERVICES) - {topic.owner}:
            readers = "all others"
        table.add_row(
            topic.name,
            topic.owner,
            readers,
            topic.key,
            str(topic.partitions),
            f"{topic.retention_days} d",
            said,
        )
    console.print(table)
    if wrong:
        raise fail(
            f"{wrong} {'topic differs' if wrong == 1 else 'topics differ'} from contracts/topics.py: make them as there"
        )


def _partitions(access: Access) -> dict[str, int]:
    client = AdminClient(admin_settings(access))
    try:
        found = client.list_topics(timeout=10)
    except KafkaException as why:
        raise fail(f"Kafka at {access.bootstrap} does not answer the operator: {why}") from None
    return {name: len(topic.partitions) for name, topic in found.topics.items()}


def admin_settings(access: Access) -> dict[str, Any]:
    """Settings of the operator's admin client."""
    settings: dict[str, Any] = {"bootstrap.servers": access.bootstrap, "log_level": 0}
    if access.user:
        settings |= {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": access.user,
            "sasl.password": access.password,
        }
    if access.cafile:
        settings["ssl.ca.location"] = str(access.cafile)
    return settings
