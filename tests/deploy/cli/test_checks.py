"""Facts in, one sentence out: what is broken and what to do."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.topics import SERVICES, TOPICS
from deploy.cli import checks
from deploy.cli.checks import Line, Mark
from deploy.cli.ground import Broker, Desk, Lag, Replica
from deploy.cli.machine import Jars, Machine, Mode, Package, Place, Port
from services.chassis.kafka.access import Cause, Trouble

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
GIB = 2**30
MACHINE = Machine(
    python=(3, 11, 9),
    packages=(Package("rich", "15.0.0", "15.0.0"), Package("fontpkg-inter", "2.7", "2.007")),
    free_disk=50 * GIB,
    free_memory=8 * GIB,
    jars=Jars(Path("/cache"), 46, (), ()),
    java="25.0.2",
    java_trouble="",
    mongod="/usr/bin/mongod",
    mongod_trouble="",
)
PLACE = Place(
    path=Path("/house"),
    exists=True,
    alive=True,
    told=True,
    ports=(Port("front", 20_001, 77, "python3", ours=True),),
    modes=(Mode(Path("/house/keys"), 0o700, 0o700), Mode(Path("/house/keys/a.key"), 0o600, 0o600)),
    key_sets=4,
    key_troubles=(),
)
BROKER = Broker(
    trouble=None,
    certificate_ends=NOW + timedelta(days=400),
    topics={topic.name: topic.partitions for topic in TOPICS},
    lags=dict.fromkeys(SERVICES, Lag(0, moving=True)),
)
SENT = NOW - timedelta(days=3)
DESK = Desk(oldest_unsent=None, set_aside=0, lease_until=NOW + timedelta(seconds=5))
REPLICA = Replica("", primary=True, default_w="majority", skew=0.01, desks=dict.fromkeys(SERVICES, DESK))


def marks(lines: list[Line]) -> set[Mark]:
    return {line.mark for line in lines}


def the_broken(lines: list[Line]) -> str:
    (only,) = [line for line in lines if line.mark is Mark.BROKEN]
    return f"{only.what}: {only.said}"


def test_all_well_is_all_well():
    lines = [
        *checks.of_machine(MACHINE, house_up=True),
        *checks.of_place(PLACE),
        *checks.of_broker(BROKER, at=NOW),
        *checks.of_replica(REPLICA, at=NOW),
        *checks.of_services(dict.fromkeys(SERVICES, "")),
    ]
    assert marks(lines) == {Mark.WELL}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"python": (3, 12, 1)}, "Python: this is 3.12.1, Placet needs 3.11: `make env PYTHON=/path/to/python3.11`"),
        ({"packages": (Package("rich", "15.0.0", "14.1"),)}, "packages: rich is 14.1, locked is 15.0.0: `make env`"),
        ({"packages": (Package("rich", "15.0.0", None),)}, "packages: rich is missing, locked is 15.0.0"),
        ({"free_disk": GIB}, "disk: 1.0 GiB free, needed are 2.0: remove what is not needed"),
        ({"free_memory": GIB}, "memory: 1.0 GiB free, needed are 1.5: end what is not needed"),
        (
            {"jars": Jars(Path("/c"), 2, ("a.jar", "b.jar"), ())},
            "a.jar (and 1 more) is missing in /c: `placet up` fetches",
        ),
        ({"jars": Jars(Path("/c"), 2, (), ("a.jar",))}, "a.jar in /c is not the pinned one: remove it and find out"),
        ({"java_trouble": "no Java 17 or newer was found"}, "Java: no Java 17 or newer was found"),
        ({"mongod_trouble": "it needs libcurl.so.4"}, "mongod: it needs libcurl.so.4"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_of_a_machine_one_thing_is_broken(change: dict[str, Any], said: str):
    assert said in the_broken(list(checks.of_machine(replace(MACHINE, **change), house_up=False)))


def test_a_house_that_is_up_needs_no_room_to_start():
    small = replace(MACHINE, free_memory=GIB // 2, free_disk=GIB)
    assert marks(list(checks.of_machine(small, house_up=True))) == {Mark.WELL}


def test_no_lock_file_is_no_fault():
    assert Mark.BROKEN not in marks(list(checks.of_machine(replace(MACHINE, packages=()), house_up=True)))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"alive": False}, "house: it was up and its process is gone: `placet down`, then `placet up`"),
        (
            {"ports": (Port("front", 20_001, 4242, "nc", ours=False),)},
            "ports: 20001 (front) is taken by process 4242 (nc): end it",
        ),
        ({"ports": (Port("mail", 20_002, 0, "", ours=False),)}, "taken by a process of another user"),
        ({"ports": (Port("mail", 20_002, None, "", ours=False),)}, "ports: nobody listens on 20002 (mail)"),
        (
            {"modes": (Mode(Path("/house/keys/a.key"), 0o644, 0o600),)},
            "secrets: /house/keys/a.key has mode 0644, others can read it: chmod 600 /house/keys/a.key",
        ),
        ({"key_troubles": ("x is not the public half",)}, "keys: x is not the public half"),
    ],
    ids=["killed", "taken", "unseen", "silent", "mode", "keys"],
)
def test_of_a_house_one_thing_is_broken(change: dict[str, Any], said: str):
    assert said in the_broken(list(checks.of_place(replace(PLACE, **change))))


def test_a_house_that_is_down_or_was_never_made_is_no_fault():
    free = (Port("front", 20_001, None, "", ours=False),)
    down = list(checks.of_place(replace(PLACE, alive=False, told=False, ports=free)))
    assert Mark.BROKEN not in marks(down)
    assert any(line.said == "1, all free" for line in down)
    assert marks(list(checks.of_place(replace(PLACE, exists=False)))) == {Mark.UNASKED}


def test_a_stricter_mode_is_no_fault():
    strict = replace(PLACE, modes=(Mode(Path("/house/keys/a.key"), 0o400, 0o600),))
    assert marks(list(checks.of_place(strict))) == {Mark.WELL}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"trouble": Trouble(Cause.LOGIN, "Kafka does not let us in")}, "Kafka: Kafka does not let us in"),
        ({"certificate_ends": NOW - timedelta(days=1)}, "certificate: Kafka's expired on 2026-06-30: renew it"),
        ({"certificate_ends": NOW + timedelta(days=13)}, "certificate: Kafka's expires on 2026-07-14, in 13 days"),
        ({"topics": {**BROKER.topics, "consent.requests": 2}}, "topics: consent.requests has 2 partitions, not 4"),
        ({"lags": {"records": Lag(1_001, moving=True)}}, "lag: records is 1001 records behind, but going on"),
        ({"lags": {"records": Lag(3, moving=False)}}, "lag: records has 3 unread and does not go on"),
    ],
    ids=["login", "expired", "expires", "partitions", "behind", "stuck"],
)
def test_of_kafka_one_thing_is_broken(change: dict[str, Any], said: str):
    assert said in the_broken(list(checks.of_broker(replace(BROKER, **change), at=NOW)))


def test_a_missing_topic_is_named():
    there = {name: count for name, count in BROKER.topics.items() if name != "records.releases"}
    assert "topics: records.releases is missing" in the_broken(
        list(checks.of_broker(replace(BROKER, topics=there), at=NOW))
    )


@pytest.mark.parametrize(
    ("begins", "said"),
    [
        (None, "consent.requests is empty, and consent sent to it since 2026-06-28 "),
        (NOW - timedelta(days=1), "consent.requests begins on 2026-06-30 "),
        (SENT + timedelta(seconds=61), "consent.requests begins on 2026-06-28 "),
    ],
    ids=["empty", "anew", "a moment later"],
)
def test_a_topic_that_has_not_what_it_was_given_was_made_anew(begins: datetime | None, said: str):
    replica = replace(REPLICA, desks={"consent": replace(DESK, oldest_sent={"consent.requests": SENT})})
    found = the_broken(list(checks.of_news(replace(BROKER, oldest={"consent.requests": begins}), replica)))
    assert f"news: {said}" in found
    assert "`placet relay replay --service consent --hours 168`" in found


@pytest.mark.parametrize("begins", [SENT - timedelta(days=20), SENT, SENT + timedelta(seconds=59)])
def test_a_topic_that_begins_before_what_is_kept_has_all_of_it(begins: datetime):
    replica = replace(
        REPLICA, desks={"consent": replace(DESK, oldest_sent={"consent.requests": SENT}), "notify": "closed"}
    )
    (only,) = checks.of_news(replace(BROKER, oldest={"consent.requests": begins}), replica)
    assert only == Line(Mark.WELL, "news", "1 topics have all that outboxes keep")


def test_where_nothing_was_sent_or_a_topic_is_missing_nothing_is_said_of_news():
    assert [*checks.of_news(BROKER, REPLICA)] == []
    assert [
        *checks.of_news(
            BROKER, replace(REPLICA, desks={"consent": replace(DESK, oldest_sent={"consent.requests": SENT})})
        )
    ] == []


def test_a_group_that_may_not_be_asked_is_said_so():
    lines = list(checks.of_broker(replace(BROKER, lags={"notify": "its group can't be asked"}), at=NOW))
    assert [line.said for line in lines if line.mark is Mark.UNASKED] == ["notify: its group can't be asked"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"trouble": "MongoDB is down"}, "MongoDB: MongoDB is down"),
        ({"primary": False}, "MongoDB: the set has no writable primary"),
        ({"arbiters": 1}, "replica set: it has an arbiter"),
        ({"default_w": "1"}, "replica set: its default write concern is w: 1: setDefaultRWConcern with w: majority"),
        ({"skew": 2.5}, "clock: 2.5 s beside the database's: set both machines' clocks"),
        ({"desks": {"consent": "the operator may not look"}}, "databases: consent: the operator may not look"),
        (
            {"desks": {"consent": replace(DESK, oldest_unsent=NOW - timedelta(seconds=40))}},
            "outboxes: consent's oldest row waits for 40 s: is its relay up?",
        ),
        ({"desks": {"consent": replace(DESK, set_aside=2)}}, "set aside: 2 at consent: `placet aside list` says why"),
        ({"desks": {"consent": replace(DESK, lease_until=None)}}, "relays: nobody holds the lease of consent's relay"),
        ({"desks": {"consent": replace(DESK, lease_until=NOW - timedelta(seconds=1))}}, "relays: nobody holds"),
    ],
    ids=["down", "primary", "arbiter", "default", "clock", "rights", "outbox", "aside", "free", "ran-out"],
)
def test_of_mongodb_one_thing_is_broken(change: dict[str, Any], said: str):
    assert said in the_broken(list(checks.of_replica(replace(REPLICA, **change), at=NOW)))


def test_a_default_that_may_not_be_asked_is_no_fault():
    assert marks(list(checks.of_replica(replace(REPLICA, default_w=""), at=NOW))) == {Mark.WELL, Mark.UNASKED}


def test_a_service_says_what_keeps_it():
    assert the_broken(list(checks.of_services({"consent": "kafka: no answer in 2 s", "records": ""}))) == (
        "services: consent is not ready: kafka: no answer in 2 s"
    )


@pytest.mark.parametrize(
    ("trouble", "mark", "said"),
    [
        ("", Mark.WELL, "http://x"),
        (None, Mark.UNASKED, "it is not on this machine"),
        ("nobody answers", Mark.BROKEN, "nobody answers: look"),
    ],
)
def test_of_the_rest_each_answers_or_does_not(trouble: str | None, mark: Mark, said: str):
    assert checks.of_rest("front door", trouble, fine="http://x", remedy="look") == Line(mark, "front door", said)
