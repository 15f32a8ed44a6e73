"""A small scope, searched through: every order in which a few things can be done and heard, each state looked at once."""

from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from contracts.types import Standing
from services.chassis.kafka.verdicts import Record
from services.chassis.store.shelf import INBOX, Document
from tests.model import scenes
from tests.model.broker import with_id
from tests.model.cast import COLLEGE, MINOR, PARENT, REGISTRAR, TRANSCRIPTS
from tests.model.quiet import settle
from tests.model.world import World, run

Act = Callable[[World], Coroutine[Any, Any, None]]
NAMELESS = frozenset({"order", "sealed_key", "kept_key", "words", "body", "headers"})
"""Random, or told by an id beside it: no part of what makes two states the same."""
TRANSCRIPT = TRANSCRIPTS[MINOR]


async def sign(world: World) -> None:
    await world.family.sign(the_request(world), PARENT)


async def revoke(world: World) -> None:
    await world.family.revoke(the_request(world), REGISTRAR)


async def seal_again(world: World) -> None:
    await world.school.seal(TRANSCRIPT)


async def withdraw(world: World) -> None:
    await world.school.withdraw(TRANSCRIPT)


async def hold(world: World) -> None:
    await world.school.hold(TRANSCRIPT, timedelta(days=1))


async def lift(world: World) -> None:
    await world.school.lift(TRANSCRIPT)


async def suspend(world: World) -> None:
    world.tell(scenes.organization(world, COLLEGE, Standing.SUSPENDED))


async def watermark(world: World) -> None:
    await world.consent.watermark(world.tick())


async def half_a_minute(world: World) -> None:
    world.at += timedelta(seconds=31)


async def approval_again(world: World) -> None:
    _again(world, "consent.requests", b"consent.request.approved.v1")


async def release_again(world: World) -> None:
    _again(world, "records.releases", b"records.transcript.released.v1")


def _again(world: World, topic: str, kind: bytes) -> None:
    """Once more under another id: no inbox knows it."""
    found = [one for one in world.broker.genuine(topic, set()) if dict(one.headers).get("ce_type") == kind]
    for record in found[:1]:
        world.broker.append(**with_id(record, world.new("evt")), partition=record.partition)


def the_request(world: World) -> str:
    return next(iter(world.book.requests))


@dataclass
class Search:
    """Breadth first from one world. `acts` are done once each, in any order; what was said is heard in any order."""

    acts: dict[str, Act]
    most: int
    """States after which the search ends, complete or not."""
    states: int = 0
    depth: int = 0
    ends: int = 0
    disclosed: int = 0
    complete: bool = False
    _seen: set[int] = field(default_factory=set)
    _hashes: dict[int, tuple[Document, int]] = field(default_factory=dict)

    def go(self, begin: World) -> None:
        waiting = deque([(begin, frozenset(self.acts), 0)])
        self._seen.add(self._key(begin, frozenset(self.acts)))
        while waiting and self.states < self.most:
            world, left, self.depth = waiting.popleft()
            self.states += 1
            steps = list(self._steps(world, left))
            for name, step in steps:
                after = world.copy()
                after.act, after.counter = name, 0
                run(after, self._done(after, step))
                rest = left - {name}
                key = self._key(after, rest)
                if key not in self._seen:
                    self._seen.add(key)
                    waiting.append((after, rest, self.depth + 1))
            if all(name == "open" for name, _ in steps):
                self.ends += 1
                self.disclosed += bool(world.book.disclosed)
                end = world.copy()
                end.still = False
                run(end, settle(end))
        self.complete = not waiting

    async def _done(self, world: World, step: Act) -> None:
        await step(world)
        await _carry(world)
        world.check()

    def _steps(self, world: World, left: frozenset[str]) -> Iterator[tuple[str, Act]]:
        for name in sorted(left):
            yield name, self.acts[name]
        if world.recipients.deliveries():
            yield "open", scenes.open_all
        for service in world.services[:3]:
            for place in world.broker.waiting(service.name):
                if (service.name, place[0]) not in UNINTERESTING:
                    yield f"{service.name} {place}", _poll(service.name, place)

    def _key(self, world: World, left: frozenset[str]) -> int:
        tables = [
            (service.name, name, frozenset(map(self._hash, rows.values())))
            for service in world.services[:3]
            for name, rows in service.store.tables.items()
            if name != INBOX.name
        ]
        logs = [(place, tuple(map(_id_of, log))) for place, log in world.broker.logs.items() if log]
        read = [(group, frozenset(places.items())) for group, places in sorted(world.broker.read.items())]
        return hash((left, world.at, frozenset(tables), frozenset(logs), tuple(read)))

    def _hash(self, row: Document) -> int:
        known = self._hashes.get(id(row))
        if known is None:
            known = self._hashes[id(row)] = (row, hash(repr(_named(row))))
        return known[1]


UNINTERESTING = {
    ("consent", "records.releases"),
    ("consent", "delivery.deliveries"),
    ("records", "delivery.deliveries"),
}
"""What is heard there opens and shuts nothing: it is heard at once."""


def _poll(name: str, place: tuple[str, int]) -> Act:
    async def poll(world: World) -> None:
        service = next(one for one in world.services if one.name == name)
        await world.poll(service, place, 1)

    return poll


async def _carry(world: World) -> None:
    """Relays carry at once: a record that nobody has read is as good as one that nobody has carried."""
    for service in world.services[:3]:
        while await world.carry(service):
            pass
    for service in world.services[:3]:
        for place in world.broker.waiting(service.name):
            log = world.broker.logs[place][world.broker.read[service.name].get(place, 0) :]
            if (service.name, place[0]) in UNINTERESTING or _only_watermarks(world, place, log):
                await world.poll(service, place)


def _only_watermarks(world: World, place: tuple[str, int], log: list[Record]) -> bool:
    """Partitions in which the request does not lie: their watermarks are heard at once."""
    return place[0] == "consent.requests" and not any(
        (record.key or b"").decode() == the_request(world) for record in world.broker.logs[place]
    )


def _id_of(record: Record) -> str:
    return dict(record.headers)["ce_id"].decode()


def _named(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _named(one) for name, one in value.items() if name not in NAMELESS}
    return value
