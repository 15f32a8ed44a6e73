"""Looks at what a house stands on and at its services over the wire: facts only, judged in `checks`.

Asks with the operator's rights, reads and changes nothing. What can't be reached is a fact too, as one sentence.
"""

import asyncio
import smtplib
import ssl
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from confluent_kafka.admin import AdminClient
from cryptography import x509
from pymongo import AsyncMongoClient
from pymongo.errors import ExecutionTimeout, OperationFailure, PyMongoError

from contracts.topics import SERVICES, TOPICS, heard_by, written_by
from deploy.cli.access import Access
from deploy.cli.topics import admin_settings
from deploy.local.principals import group
from services.chassis import clock
from services.chassis.kafka.access import KafkaAccess, Trouble, diagnose
from services.chassis.store.aside import AsideState
from services.chassis.store.mongo import UNTRUSTED
from services.chassis.store.shelf import ASIDE, OUTBOX

_PATIENCE = 5.0
_TAKEN_WITHIN = 4.0
# Consumers commit at every poll batch, and wait half a second at the most for one.
_LOOK_AGAIN_AFTER, _LOOKS = 0.5, 6
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ONE_LOOK_MS = 2_000
# MongoDB's error codes.
_NOT_AUTHORIZED = 13
_NO_LOGIN = 18


@dataclass(frozen=True)
class Lag:
    """How many records a service has not handled, and whether it went on while we looked."""

    behind: int
    moving: bool


@dataclass(frozen=True)
class Broker:
    """Kafka as the operator sees it. With `trouble`, only the certificate could be looked at."""

    trouble: Trouble | None
    certificate_ends: datetime | None
    topics: Mapping[str, int]
    lags: Mapping[str, Lag | str]
    """By service; a sentence where it could not be asked."""
    oldest: Mapping[str, datetime | None] = field(default_factory=dict)
    """By topic: when its first record that is still there was sent; None for an empty one."""


@dataclass(frozen=True)
class Desk:
    """What one service's database shows to the operator."""

    oldest_unsent: datetime | None
    set_aside: int
    lease_until: datetime | None
    oldest_sent: Mapping[str, datetime] = field(default_factory=dict)
    """By topic: when the first row that is kept went out, watermarks apart. Without what took too long to find."""


@dataclass(frozen=True)
class Replica:
    """MongoDB as the operator sees it. With `trouble`, all else is empty. `default_w` is empty when it may not be asked."""

    trouble: str
    primary: bool = False
    arbiters: int = 0
    default_w: str = ""
    skew: float = 0.0
    desks: Mapping[str, Desk | str] | None = None


async def look_at_broker(access: Access) -> Broker:
    """Gather the facts about Kafka."""
    kafka = KafkaAccess(access.bootstrap, access.user, access.password, access.cafile, _security(access))
    trouble, ends = await asyncio.gather(diagnose(kafka), asyncio.to_thread(certificate_end, access.bootstrap))
    if trouble is not None:
        return Broker(trouble, ends, {}, {})
    topics = await asyncio.to_thread(_partitions, AdminClient(admin_settings(access)))
    lags, oldest = await _looked_into(kafka, topics)
    return Broker(None, ends, topics, lags, oldest)


def certificate_end(bootstrap: str) -> datetime | None:
    """Return when the certificate of the first broker ends; None when it shows none. Trusts nobody: it only reads."""
    host, _, port = bootstrap.split(",", 1)[0].strip().rpartition(":")
    try:
        shown = ssl.get_server_certificate((host, int(port)), timeout=_PATIENCE)
    except (OSError, ValueError):
        return None
    return x509.load_pem_x509_certificate(shown.encode()).not_valid_after_utc


def _security(access: Access) -> str:
    return "SASL_SSL" if access.user else "SSL" if access.cafile else "PLAINTEXT"


def _partitions(client: AdminClient) -> dict[str, int]:
    return {name: len(topic.partitions) for name, topic in client.list_topics(timeout=_PATIENCE).topics.items()}


async def _looked_into(
    kafka: KafkaAccess, topics: Mapping[str, int]
) -> tuple[dict[str, Lag | str], dict[str, datetime | None]]:
    """How far behind each service is, and since when each topic has what it has.

    With aiokafka: librdkafka 2.x ends the process (SIGSEGV in OffsetFetch) when a coordinator is just starting.
    """
    settings = {**kafka.client_settings(), "request_timeout_ms": int(_PATIENCE * 1000)}
    admin = AIOKafkaAdminClient(**settings)
    reader = AIOKafkaConsumer(**settings, enable_auto_commit=False)
    async with AsyncExitStack() as closing:
        closing.push_async_callback(admin.close)
        closing.push_async_callback(reader.stop)
        await admin.start()
        await reader.start()
        return await _lags(admin, reader, topics), await _oldest(reader, topics)


async def _oldest(reader: Any, topics: Mapping[str, int]) -> dict[str, datetime | None]:
    """When the first record of each topic of ours was sent. A topic that can't be asked is left out."""
    found: dict[str, datetime | None] = {}
    for topic in TOPICS:
        places = [TopicPartition(topic.name, number) for number in range(topics.get(topic.name, 0))]
        with suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                firsts = await reader.offsets_for_times(dict.fromkeys(places, 0)) if places else {}
            sent = [first.timestamp for first in firsts.values() if first is not None]
            if places:
                found[topic.name] = datetime.fromtimestamp(min(sent) / 1000, UTC) if sent else None
    return found


async def _lags(admin: Any, reader: Any, topics: Mapping[str, int]) -> dict[str, Lag | str]:
    """Look again where somebody is behind: behind and going on is not behind and stuck."""
    first = {service: await _behind(admin, reader, service, topics) for service in SERVICES}
    late = {service: seen[1] for service, seen in first.items() if not isinstance(seen, str) and seen[0]}
    found: dict[str, Lag | str] = {
        service: seen if isinstance(seen, str) else Lag(0, moving=True) for service, seen in first.items()
    }
    for _ in range(_LOOKS if late else 0):
        await asyncio.sleep(_LOOK_AGAIN_AFTER)
        for service, before in late.items():
            then = await _behind(admin, reader, service, topics)
            found[service] = then if isinstance(then, str) else Lag(then[0], moving=not then[0] or then[1] > before)
        if not any(isinstance(lag, Lag) and not lag.moving for lag in found.values()):
            break
    return found


async def _behind(admin: Any, reader: Any, service: str, topics: Mapping[str, int]) -> tuple[int, int] | str:
    """Return how many records wait for a group, and the sum of where it stands; or why not."""
    places = [
        TopicPartition(topic.name, number) for topic in heard_by(service) for number in range(topics.get(topic.name, 0))
    ]
    if not places:
        return 0, 0
    try:
        async with asyncio.timeout(_PATIENCE):
            stands = await admin.list_consumer_group_offsets(group(service), partitions=places)
            begin, end = await reader.beginning_offsets(places), await reader.end_offsets(places)
    except (KafkaError, TimeoutError) as why:
        return f"its group {group(service)} can't be asked ({type(why).__name__})"
    # A group that has never committed stands at the beginning (consumers start with `earliest`).
    at = {place: max(stands[place].offset if place in stands else -1, begin[place]) for place in places}
    return sum(end[place] - at[place] for place in places), sum(at.values())


async def look_at_replica(access: Access, root_uri: str | None) -> Replica:
    """Gather the facts about MongoDB. `root_uri`, where this machine knows one, sees the default write concern."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        access.mongodb_uri, tz_aware=True, serverSelectionTimeoutMS=int(_PATIENCE * 1000)
    )
    host = urlsplit(access.mongodb_uri).netloc.rpartition("@")[2]
    try:
        await client.admin.command("ping")  # so that no connection is made while the clocks are compared
        asked = clock.now()
        hello = await client.admin.command("hello")
        answered = clock.now()
        await client[SERVICES[0]][OUTBOX.name].find_one({"_id": "doctor"})
        skew = abs((hello["localTime"].replace(tzinfo=UTC) - asked - (answered - asked) / 2).total_seconds())
        looked = await asyncio.gather(*(_desk(service, client[service]) for service in SERVICES))
        desks = dict(zip(SERVICES, looked, strict=True))
    except OperationFailure as why:
        if why.code in {_NOT_AUTHORIZED, _NO_LOGIN}:
            return Replica(
                f"MongoDB at {host} answers but does not let the operator in ({why.details and why.details.get('codeName')}): "
                "the user or its password is wrong; `placet up` makes the house's users again"
            )
        return Replica(f"MongoDB at {host} answers with an error ({why.code}): see its log")
    except PyMongoError as why:
        if UNTRUSTED in str(why):
            return Replica(
                f"MongoDB at {host} answers, but its certificate is not signed by an authority that this machine trusts, or "
                "names another host: check tlsCAFile in its address; a house makes its own at `placet up`"
            )
        return Replica(
            f"MongoDB is down: nobody answers at {host} ({type(why).__name__}); start it, or check the address"
        )
    finally:
        await client.close()
    return Replica(
        "",
        primary=bool(hello.get("isWritablePrimary")),
        arbiters=len(hello.get("arbiters", ())),
        default_w=await _default_w(root_uri or access.mongodb_uri),
        skew=skew,
        desks=desks,
    )


async def _desk(service: str, database: Any) -> Desk | str:
    try:
        outbox, aside = database[OUTBOX.name], database[ASIDE.name]
        oldest = await outbox.find_one({"sent": False, "barrier": False}, sort=[("order", 1)])
        return Desk(
            oldest_unsent=oldest["at"] if oldest else None,
            set_aside=await aside.count_documents({"state": {"$ne": AsideState.DONE}}),
            lease_until=await _lease_until(outbox),
            oldest_sent=await _oldest_sent(outbox, [topic.name for topic in written_by(service)]),
        )
    except OperationFailure as why:
        return f"the operator may not look into its database ({why.code}); `placet up` makes the house's users again"


async def _oldest_sent(outbox: Any, topics: Iterable[str]) -> dict[str, datetime]:
    """When the first kept row of each topic went out. Watermarks are never said again, so they prove nothing."""
    found: dict[str, datetime] = {}
    for topic in topics:
        # From the old end of the index by which rows are dropped, to the first of this topic.
        asked = {"sent_at": {"$gt": EPOCH}, "sent": True, "barrier": False, "topic": topic}
        with suppress(ExecutionTimeout):
            row = await outbox.find_one(asked, {"sent_at": 1}, sort=[("sent_at", 1)], max_time_ms=_ONE_LOOK_MS)
            if row is not None:
                found[topic] = row["sent_at"]
    return found


async def _lease_until(outbox: Any) -> datetime | None:
    """Until when a relay leads. A free lease is looked at again: one that has just started takes it within a second or two."""
    until = clock.seconds() + _TAKEN_WITHIN
    while True:
        lease = await outbox.find_one({"_id": "lease"})
        held: datetime | None = lease["until"] if lease and lease.get("token") else None
        if (held is not None and held > clock.now()) or clock.seconds() > until:
            return held
        await asyncio.sleep(0.3)


async def _default_w(uri: str) -> str:
    """Return the set's default write concern, or nothing when this user may not ask."""
    async with AsyncMongoClient[dict[str, Any]](uri, serverSelectionTimeoutMS=int(_PATIENCE * 1000)) as client:
        try:
            said = await client.admin.command("getDefaultRWConcern")
        except PyMongoError:
            return ""
    return str(said.get("defaultWriteConcern", {}).get("w", ""))


async def look_at_services(addresses: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Ask each service whether it is ready: nothing when it is, else what it says, else that nobody answers."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_PATIENCE)) as client:
        asked = {name: _ready(client, addresses[name]) for name in names}
        return dict(zip(asked, await asyncio.gather(*asked.values()), strict=True))


async def _ready(client: aiohttp.ClientSession, address: str) -> str:
    try:
        async with client.get(f"{address}/health/ready") as answer:
            if answer.ok:
                return ""
            said = await answer.json(content_type=None)
            because = said.get("because") if isinstance(said, dict) else None
            if isinstance(because, dict):
                return ", ".join(f"{check}: {why}" for check, why in because.items())
            return f"it answers {answer.status}"
    except (aiohttp.ClientError, TimeoutError, ValueError) as why:
        return f"nobody answers at {address} ({type(why).__name__})"


async def look_at_front(address: str) -> str:
    """Return nothing when the front door answers, else why not."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_PATIENCE)) as client:
        try:
            async with client.get(address, allow_redirects=False) as answer:
                return "" if answer.status < 500 else f"the front door at {address} answers {answer.status}"
        except (aiohttp.ClientError, TimeoutError) as why:
            return f"nobody answers at the front door {address} ({type(why).__name__})"


def look_at_mail(url: str) -> str:
    """Return nothing when the mail server greets us, else why not."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 25
    try:
        with smtplib.SMTP(host, port, timeout=_PATIENCE) as server:
            code, _ = server.ehlo()
    except (OSError, smtplib.SMTPException) as why:
        return f"no mail server answers at {host}:{port} ({type(why).__name__})"
    return "" if code == 250 else f"the mail server at {host}:{port} answers EHLO with {code}"


def look_at_vault(url: str) -> str | None:
    """Return nothing when packages can be laid there, else why not; None for a vault that is not a folder."""
    parts = urlsplit(url)
    if parts.scheme != "file":
        return None
    try:
        with tempfile.NamedTemporaryFile(dir=Path(parts.path), prefix=".doctor-"):
            return ""
    except OSError as why:
        return f"nothing can be laid into the vault {parts.path} ({why.strerror})"
