"""The topics as somebody sees them who holds credentials: everything read, anything written."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from contracts.envelope import Headers, Message, read, write_headers
from contracts.event import Event
from contracts.topics import BY_NAME, SERVICES, TOPICS, heard_by
from deploy.local.house import House
from services.chassis import clock
from services.chassis.kafka.access import KafkaAccess

RELAY_OF = {topic.name: f"{topic.owner}-relay" for topic in TOPICS}
"""The one user that may write a topic."""


@dataclass(frozen=True, slots=True)
class Wired:
    """One record, as it lies on a topic or is about to."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    partition: int | None = None
    offset: int = -1

    @property
    def kind(self) -> str:
        return next((value.decode(errors="replace") for name, value in self.headers if name == "ce_type"), "")

    def message(self) -> Message[Event] | None:
        return read(topic=self.topic, key=self.key, value=self.value, headers=self.headers)


def wired(event: Event, *, message_id: str) -> Wired:
    """The record of an event, as the owner's relay would write it."""
    headers = write_headers(Message(id=message_id, event=event, at=clock.now()))
    return Wired(event.topic, event.key.encode(), event.dump(), headers)


def access(house: House, user: str) -> KafkaAccess:
    login = house.kafka.admin if user == "admin" else house.credentials.kafka_login(user)
    return KafkaAccess(house.kafka.bootstrap, login.user, login.password, house.kafka.cafile)


async def read_all(house: House) -> list[Wired]:
    """Every record that lies on any topic now, in the order of its partition."""
    places = [TopicPartition(topic.name, number) for topic in TOPICS for number in range(topic.partitions)]
    reader = AIOKafkaConsumer(**access(house, "admin").client_settings(), enable_auto_commit=False)
    await reader.start()
    try:
        ends = await reader.end_offsets(places)
        reader.assign(places)
        await reader.seek_to_beginning(*places)
        found: list[Wired] = []
        while any([await reader.position(place) < ends[place] for place in places]):
            for records in (await reader.getmany(timeout_ms=500)).values():
                found += [
                    Wired(one.topic, one.key, one.value, tuple(one.headers), one.partition, one.offset)
                    for one in records
                ]
    finally:
        await reader.stop()
    return found


async def write(house: House, records: Iterable[Wired], *, user: str | None = None) -> list[Wired]:
    """Put records on their topics with the credentials of each owner's relay; answers with where each of them lies."""
    by_user: dict[str, list[Wired]] = {}
    for record in records:
        by_user.setdefault(user or RELAY_OF[record.topic], []).append(record)
    written: list[Wired] = []
    for name, mine in by_user.items():
        settings = access(house, name).client_settings()
        async with AIOKafkaProducer(**settings, acks="all", max_request_size=2 * 1024 * 1024) as producer:
            for record in mine:
                at = await producer.send_and_wait(
                    record.topic, record.value, key=record.key, partition=record.partition, headers=list(record.headers)
                )
                written.append(replace(record, partition=at.partition, offset=at.offset))
    return written


async def until_heard(house: House, *, seconds: float = 60) -> None:
    """Wait until every service has dealt with all that lies on its topics at this moment."""
    admin = AIOKafkaAdminClient(**access(house, "admin").client_settings())
    reader = AIOKafkaConsumer(**access(house, "admin").client_settings())
    await asyncio.gather(admin.start(), reader.start())
    try:
        places = [TopicPartition(topic.name, number) for topic in TOPICS for number in range(topic.partitions)]
        ends = await reader.end_offsets(places)
        async with asyncio.timeout(seconds):
            for service in SERVICES:
                heard = {topic.name for topic in heard_by(service)}
                wanted = {place: end for place, end in ends.items() if place.topic in heard and end}
                while not await _has_heard(admin, service, wanted):
                    await asyncio.sleep(0.2)
    finally:
        await asyncio.gather(admin.close(), reader.stop())


async def _has_heard(admin: AIOKafkaAdminClient, service: str, wanted: dict[TopicPartition, int]) -> bool:
    if not wanted:
        return True
    told = await admin.list_consumer_group_offsets(f"placet-{service}", partitions=[*wanted])
    return all(told[place].offset >= end for place, end in wanted.items())


def about(records: Sequence[Wired], request_id: str) -> list[Wired]:
    """Those that speak of a request, in any topic."""
    return [record for record in records if record.value and request_id.encode() in record.value]


def partitions(topic: str) -> int:
    return BY_NAME[topic].partitions
