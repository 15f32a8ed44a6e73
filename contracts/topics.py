"""The topics: who owns (and alone writes) each, its key, partitions, retention and readers.

Access lists of the broker, the chart's Kafka users and the catalogue are made from this page. Owner means: the owner's
relay, and no other principal, may write.
"""

from dataclasses import dataclass
from types import MappingProxyType

SERVICES = ("identity", "consent", "records", "delivery", "notify")


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic, one kind of aggregate. `retention_days` is bounded: MongoDB keeps the truth, topics carry news."""

    name: str
    owner: str
    key: str
    partitions: int
    retention_days: int
    readers: frozenset[str]
    about: str


TOPICS = (
    Topic(
        name="identity.people",
        owner="identity",
        key="person_id",
        partitions=4,
        retention_days=30,
        readers=frozenset({"consent", "records", "delivery", "notify"}),
        about="Who exists, who may act for whom, whose rights passed to the student. Names travel as ciphertext.",
    ),
    Topic(
        name="identity.organizations",
        owner="identity",
        key="organization_id",
        partitions=1,
        retention_days=30,
        readers=frozenset({"consent", "records", "delivery", "notify"}),
        about="Schools with their policy, recipients with their standing.",
    ),
    Topic(
        name="consent.requests",
        owner="consent",
        key="request_id",
        partitions=4,
        retention_days=30,
        readers=frozenset({"records", "delivery", "notify"}),
        about="Requests from opened to their end. The approval event, the only thing that lets a transcript leave.",
    ),
    Topic(
        name="records.transcripts",
        owner="records",
        key="transcript_id",
        partitions=4,
        retention_days=30,
        readers=frozenset({"consent", "notify"}),
        about="The catalogue: sealed versions, prepared packages, holds. Ids, digests and outlines, no content.",
    ),
    Topic(
        name="records.releases",
        owner="records",
        key="request_id",
        partitions=4,
        retention_days=30,
        readers=frozenset({"consent", "delivery", "notify"}),
        about="Packages released for delivery: place, digest, the key sealed to delivery, the grant.",
    ),
    Topic(
        name="delivery.deliveries",
        owner="delivery",
        key="delivery_id",
        partitions=4,
        retention_days=30,
        readers=frozenset({"consent", "records", "notify"}),
        about="What recipients were told, fetched and acknowledged.",
    ),
    Topic(
        name="notify.messages",
        owner="notify",
        key="message_id",
        partitions=1,
        retention_days=30,
        readers=frozenset(),
        about="Messages sent, bounced or given up. For operators; no service reads it.",
    ),
)

BY_NAME = MappingProxyType({topic.name: topic for topic in TOPICS})


def heard_by(service: str) -> tuple[Topic, ...]:
    """The topics that a service reads, in the order of this page."""
    return tuple(topic for topic in TOPICS if service in topic.readers)


def written_by(service: str) -> tuple[Topic, ...]:
    """The topics that a service's relay writes."""
    return tuple(topic for topic in TOPICS if topic.owner == service)
