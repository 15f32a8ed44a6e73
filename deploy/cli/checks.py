"""Judges facts: each check is one line, that all is well, what is broken and what to do, or that it could not be asked.

Pure: values in, lines out. The facts are gathered in `machine` and `ground`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from contracts.topics import SERVICES, TOPICS
from deploy.cli.ground import Broker, Desk, Lag, Replica
from deploy.cli.machine import Machine, Place

_GIB = 2**30
# A house with its five services, fresh: 1.1 GB of memory; its oplog and logs grow to 0.6 GB of disk.
NEEDED_MEMORY = 3 * _GIB // 2
NEEDED_DISK = 2 * _GIB
# A house that is up has what it needs: below this the machine begins to kill or to refuse writes.
_SCARCE_MEMORY = _GIB // 4
_SCARCE_DISK = _GIB // 2
MAX_LAG = 1_000
MAX_WAIT = timedelta(seconds=30)
"""An unsent row is normally gone within a tenth of a second."""
MAX_SKEW = 2.0
"""Seconds. Leases and the bound on revocations are counted by clocks."""
CLOCKS_APART = timedelta(minutes=1)
"""A record has its relay's time, and a row MongoDB's."""
CERTIFICATE_LEFT = timedelta(days=14)


class Mark(StrEnum):
    """How a check ended."""

    WELL = "✓"
    BROKEN = "✗"
    UNASKED = "–"


@dataclass(frozen=True)
class Line:
    """One line of the report."""

    mark: Mark
    what: str
    said: str


def well(what: str, said: str) -> Line:
    """All is well."""
    return Line(Mark.WELL, what, said)


def broken(what: str, said: str) -> Line:
    """What is broken and what to do, in one sentence."""
    return Line(Mark.BROKEN, what, said)


def unasked(what: str, why: str) -> Line:
    """It could not, or need not, be asked."""
    return Line(Mark.UNASKED, what, why)


def of_machine(machine: Machine, *, house_up: bool) -> Iterator[Line]:
    """Judge what a house needs of its machine."""
    spelled = ".".join(map(str, machine.python))
    if machine.python[:2] == (3, 11):
        yield well("Python", spelled)
    else:
        yield broken("Python", f"this is {spelled}, Placet needs 3.11: `make env PYTHON=/path/to/python3.11`")
    yield _packages(machine)
    disk, memory = (_SCARCE_DISK, _SCARCE_MEMORY) if house_up else (NEEDED_DISK, NEEDED_MEMORY)
    yield _enough("disk", machine.free_disk, disk, "remove what is not needed, or use --folder on another disk")
    yield _enough("memory", machine.free_memory, memory, "end what is not needed")
    yield _jars(machine)
    yield broken("Java", machine.java_trouble) if machine.java_trouble else well("Java", machine.java)
    yield broken("mongod", machine.mongod_trouble) if machine.mongod_trouble else well("mongod", machine.mongod)


def _packages(machine: Machine) -> Line:
    wrong = [package for package in machine.packages if not package.as_locked]
    if not machine.packages:
        return unasked("packages", "no lock file is here: this is not a clone")
    if not wrong:
        return well("packages", f"{len(machine.packages)}, as locked")
    told = [f"{one.name} is {one.installed or 'missing'}, locked is {one.locked}" for one in wrong[:3]]
    more = f", and {len(wrong) - 3} more" if len(wrong) > 3 else ""
    return broken("packages", f"{'; '.join(told)}{more}: `make env` installs them as locked")


def _enough(what: str, found: int, wanted: int, remedy: str) -> Line:
    said = f"{found / _GIB:.1f} GiB free"
    return well(what, said) if found >= wanted else broken(what, f"{said}, needed are {wanted / _GIB:.1f}: {remedy}")


def _jars(machine: Machine) -> Line:
    jars = machine.jars
    if jars.changed:
        return broken(
            "Kafka's jars",
            f"{_some(jars.changed)} in {jars.place} is not the pinned one: remove it and find out who changed it",
        )
    if jars.missing:
        return broken(
            "Kafka's jars",
            f"{_some(jars.missing)} is missing in {jars.place}: `placet up` fetches it, with a network",
        )
    return well("Kafka's jars", f"{jars.count} in {jars.place}")


def _some(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} (and {len(names) - 1} more)"


def of_place(place: Place) -> Iterator[Line]:
    """Judge a house's folder: whether it is up, its ports, what must be private, its keys."""
    if not place.exists:
        yield unasked("house", f"there is none in {place.path}: `placet up` makes it")
        return
    if place.alive and place.told:
        yield well("house", f"up, in {place.path}")
    elif place.told:
        yield broken("house", "it was up and its process is gone: `placet down`, then `placet up`")
    else:
        yield unasked("house", "it is down: `placet up` starts it")
    yield from _ports(place)
    open_wide = [mode for mode in place.modes if mode.found & ~mode.wanted]
    for mode in open_wide:
        yield broken(
            "secrets",
            f"{mode.path} has mode {mode.found:04o}, others can read it: chmod {mode.wanted:o} {mode.path}",
        )
    if place.modes and not open_wide:
        yield well("secrets", f"{len(place.modes)} files and folders, all private")
    for trouble in place.key_troubles:
        yield broken("keys", trouble)
    if place.key_sets and not place.key_troubles:
        yield well("keys", f"{place.key_sets} sets, public halves match")


def _ports(place: Place) -> Iterator[Line]:
    up = place.alive or place.told
    taken = [port for port in place.ports if port.holder is not None and not port.ours]
    for port in taken:
        by = f"process {port.holder} ({port.command})" if port.holder else "a process of another user"
        yield broken(
            "ports",
            f"{port.number} ({port.name}) is taken by {by}: end it, or `placet down` and `placet up` take another port",
        )
    silent = [port for port in place.ports if port.holder is None] if up else []
    for port in silent:
        yield broken("ports", f"nobody listens on {port.number} ({port.name}): see the logs in {place.path}")
    if place.ports and not taken and not silent:
        yield well("ports", f"{len(place.ports)}, all {'ours' if up else 'free'}")


def of_broker(broker: Broker, *, at: datetime) -> Iterator[Line]:
    """Judge Kafka: whether it lets us in, its certificate, its topics, how far behind the services are."""
    yield from _certificate(broker.certificate_ends, at)
    if broker.trouble is not None:
        yield broken("Kafka", broker.trouble.sentence)
        return
    yield well("Kafka", "answers, and lets the operator in")
    wrong = [topic for topic in TOPICS if broker.topics.get(topic.name) != topic.partitions]
    for topic in wrong:
        there = broker.topics.get(topic.name)
        said = "is missing" if there is None else f"has {there} partitions, not {topic.partitions}"
        yield broken("topics", f"{topic.name} {said}: `placet up` makes what is missing in contracts/topics.py")
    if not wrong:
        yield well("topics", f"{len(TOPICS)}, as in the registry")
    yield from _lags(broker)


def of_news(broker: Broker, replica: Replica) -> Iterator[Line]:
    """Judge whether topics still have what outboxes say they were given: one that was made anew looks well otherwise."""
    sent = {
        topic: at
        for desk in (replica.desks or {}).values()
        if isinstance(desk, Desk)
        for topic, at in desk.oldest_sent.items()
        if topic in broker.oldest
    }
    lost = {topic: broker.oldest[topic] for topic, at in sent.items() if _begins_later(broker.oldest[topic], at)}
    for topic, begins in lost.items():
        owner = next(one.owner for one in TOPICS if one.name == topic)
        has = "is empty" if begins is None else f"begins on {begins:%Y-%m-%d %H:%M} UTC"
        yield broken(
            "news",
            f"{topic} {has}, and {owner} sent to it since {sent[topic]:%Y-%m-%d %H:%M} UTC: it was lost and made anew; stop all "
            f"workers and relays, `placet relay replay --service {owner} --hours 168`, and go on as deploy/runbooks/kafka-lost.md says",
        )
    if sent and not lost:
        yield well("news", f"{len(sent)} topics have all that outboxes keep")


def _begins_later(begins: datetime | None, sent: datetime) -> bool:
    return begins is None or begins - sent > CLOCKS_APART


def _certificate(ends: datetime | None, at: datetime) -> Iterator[Line]:
    if ends is None:
        return
    if ends < at:
        yield broken("certificate", f"Kafka's expired on {ends:%Y-%m-%d}: renew it and restart the brokers")
    elif ends - at < CERTIFICATE_LEFT:
        yield broken("certificate", f"Kafka's expires on {ends:%Y-%m-%d}, in {(ends - at).days} days: renew it now")
    else:
        yield well("certificate", f"Kafka's is good until {ends:%Y-%m-%d}")


def _lags(broker: Broker) -> Iterator[Line]:
    fine = 0
    for service, lag in broker.lags.items():
        if isinstance(lag, str):
            yield unasked("lag", f"{service}: {lag}")
        elif not lag.moving:
            yield broken(
                "lag", f"{service} has {lag.behind} unread and does not go on: see its log, restart its worker"
            )
        elif lag.behind > MAX_LAG:
            yield broken("lag", f"{service} is {lag.behind} records behind, but going on: give it time or more workers")
        else:
            fine += 1
    if fine == len(broker.lags):
        most = max((lag.behind for lag in broker.lags.values() if isinstance(lag, Lag)), default=0)
        yield well("lag", f"{most} records at the most")


def of_replica(replica: Replica, *, at: datetime) -> Iterator[Line]:
    """Judge MongoDB: the set, its default, the clock; then outboxes, set-asides and leases of the services."""
    if replica.trouble:
        yield broken("MongoDB", replica.trouble)
        return
    if replica.primary:
        yield well("MongoDB", "answers as a writable primary, and lets the operator in")
    else:
        yield broken("MongoDB", "the set has no writable primary we can reach: see the logs of its members")
    yield from _set(replica)
    if replica.skew < MAX_SKEW:
        yield well("clock", f"{replica.skew:.1f} s beside the database's")
    else:
        yield broken("clock", f"{replica.skew:.1f} s beside the database's: set both machines' clocks (NTP)")
    yield from _desks(replica, at)


def _set(replica: Replica) -> Iterator[Line]:
    if replica.arbiters:
        yield broken("replica set", "it has an arbiter, so a majority may lose data: replace it by a member with data")
    elif not replica.default_w:
        yield unasked("replica set", "no arbiter; the default write concern is not the operator's to see")
    elif replica.default_w != "majority":
        yield broken(
            "replica set",
            f"its default write concern is w: {replica.default_w}: setDefaultRWConcern with w: majority",
        )
    else:
        yield well("replica set", "no arbiter, majority is the default")


def _desks(replica: Replica, at: datetime) -> Iterator[Line]:
    desks = {service: desk for service, desk in (replica.desks or {}).items() if isinstance(desk, Desk)}
    for service, desk in (replica.desks or {}).items():
        if isinstance(desk, str):
            yield broken("databases", f"{service}: {desk}")
    late = {
        service: at - desk.oldest_unsent
        for service, desk in desks.items()
        if desk.oldest_unsent and at - desk.oldest_unsent > MAX_WAIT
    }
    for service, age in late.items():
        yield broken(
            "outboxes",
            f"{service}'s oldest row waits for {age.total_seconds():.0f} s: is its relay up? see `placet relay status`",
        )
    waiting = {service: desk.set_aside for service, desk in desks.items() if desk.set_aside}
    for service, count in waiting.items():
        yield broken(
            "set aside", f"{count} at {service}: `placet aside list` says why, `placet aside replay` tries again"
        )
    free = [service for service, desk in desks.items() if desk.lease_until is None or desk.lease_until < at]
    for service in free:
        yield broken(
            "relays", f"nobody holds the lease of {service}'s relay: nothing it says leaves; restart {service}"
        )
    if desks and not late:
        yield well("outboxes", "nothing waits longer than 30 s")
    if desks and not waiting:
        yield well("set aside", "nothing")
    if desks and not free:
        yield well("relays", f"{len(desks)} leases held")


def of_services(ready: dict[str, str]) -> Iterator[Line]:
    """Judge what each service says of itself."""
    for name, why in ready.items():
        if why:
            yield broken("services", f"{name} is not ready: {why}")
    missing = [service for service in SERVICES if not any(name.partition("-")[0] == service for name in ready)]
    if missing:
        yield unasked("services", f"not part of this house: {', '.join(missing)}")
    if ready and not any(ready.values()):
        yield well("services", f"{', '.join(ready)}: ready")


def of_rest(what: str, trouble: str | None, *, fine: str, remedy: str) -> Line:
    """Judge what either answers or does not: mail, vault, front door."""
    if trouble is None:
        return unasked(what, "it is not on this machine")
    return broken(what, f"{trouble}: {remedy}") if trouble else well(what, fine)
