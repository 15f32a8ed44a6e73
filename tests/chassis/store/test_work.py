"""The unit of work, on memory and on a real MongoDB: the same scenarios, so that the fake stays honest."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from deploy.local.mongo import Mongo
from services.chassis.decision import Decision, Refusal
from services.chassis.store import mongo as mongo_module
from services.chassis.store.shelf import INBOX, OUTBOX
from services.chassis.store.work import AlreadyDone, Failure, Job, Known, Many, NotNow, One, Work
from tests.chassis.store.toy import AT, COUNTERS, SHELVES, STEPS, Counter, add, adding, adding_to_all_of
from tests.support.memory import MemoryStore
from tests.support.mongo import a_database

pytestmark = pytest.mark.connected


class Place:
    """A store of either kind, with a way to look at its raw rows."""

    def __init__(self, store: Any, rows: Any) -> None:
        self.store = store
        self.work = Work(store, SHELVES)
        self._rows = rows

    async def rows(self, name: str) -> list[dict[str, Any]]:
        return await self._rows(name)  # type: ignore[no-any-return]

    async def counter(self, counter_id: str) -> Counter | None:
        return next(iter(await self.store.find(COUNTERS, {"_id": counter_id})), None)


@pytest.fixture
def memory_place() -> Place:
    memory = MemoryStore()

    async def in_memory(name: str) -> list[dict[str, Any]]:
        return list(memory.tables.get(name, {}).values())

    return Place(memory, in_memory)


@pytest.fixture
async def mongo_place(mongo: Mongo) -> AsyncIterator[Place]:
    async with a_database(mongo, [shelf.collection for shelf in SHELVES]) as store:

        async def in_mongo(collection: str) -> list[dict[str, Any]]:
            return [row async for row in store.db[collection].find()]

        yield Place(store, in_mongo)


@pytest.fixture(params=["memory_place", "mongo_place"])
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(request.param)
    return found


async def test_state_journal_outbox_and_inbox_are_written_together(place: Place) -> None:
    verdict = await place.work.carry_out(adding("c1", 3, cause="m1"))

    assert isinstance(verdict, Decision)
    assert await place.counter("c1") == Counter("c1", 1, 3)
    assert [row["_id"] for row in await place.rows("steps")] == ["c1:1"]
    assert [row["key"] for row in await place.rows(OUTBOX.name)] == ["c1"]
    assert [row["_id"] for row in await place.rows(INBOX.name)] == ["m1"]


async def test_the_same_message_again_changes_nothing(place: Place) -> None:
    await place.work.carry_out(adding("c1", cause="m1"))
    assert isinstance(await place.work.carry_out(adding("c1", cause="m1")), AlreadyDone)
    assert await place.counter("c1") == Counter("c1", 1, 1)


async def test_the_same_message_twice_in_one_batch_changes_once(place: Place) -> None:
    outcomes = await place.work.carry_out_batch([adding("c1", cause="m1"), adding("c1", cause="m1")])
    assert isinstance(outcomes[0], Decision)
    assert isinstance(outcomes[1], AlreadyDone)
    assert len(await place.rows(OUTBOX.name)) == 1


async def test_later_jobs_see_what_earlier_ones_of_the_batch_decided(place: Place) -> None:
    await place.work.carry_out_batch([adding("c1", 1, cause=f"m{n}") for n in range(5)])
    assert await place.counter("c1") == Counter("c1", 5, 5)
    assert [row["value"] for row in sorted(await place.rows("steps"), key=lambda row: row["_id"])] == [1, 2, 3, 4, 5]


async def test_a_refusal_writes_no_state_and_is_remembered(place: Place) -> None:
    verdict = await place.work.carry_out(adding("c1", 0, cause="m1"))
    assert isinstance(verdict, Refusal)
    assert await place.counter("c1") is None
    assert [row["_id"] for row in await place.rows(INBOX.name)] == ["m1"]


async def test_one_broken_job_takes_no_other_down(place: Place) -> None:
    jobs = [adding(f"c{n}", cause=f"m{n}", broken=n == 3) for n in range(7)]
    outcomes = await place.work.carry_out_batch(jobs)
    assert [isinstance(outcome, Failure) for outcome in outcomes] == [n == 3 for n in range(7)]
    assert sorted(row["_id"] for row in await place.rows("counters")) == ["c0", "c1", "c2", "c4", "c5", "c6"]
    assert "m3" not in {row["_id"] for row in await place.rows(INBOX.name)}


async def test_a_broken_command_reaches_its_own_caller_only(place: Place) -> None:
    good, bad = await asyncio.gather(
        place.work.carry_out(adding("c1", cause="m1")),
        place.work.carry_out(adding("c2", cause="m2", broken=True)),
        return_exceptions=True,
    )
    assert isinstance(good, Decision)
    assert isinstance(bad, LookupError)


async def test_what_was_decided_is_told_after_its_commit_and_only_then(place: Place) -> None:
    told: list[Any] = []

    def job(name: str, amount: int = 1, *, broken: bool = False) -> Job:
        return replace(adding(name, amount, cause=f"m_{name}", broken=broken), after=told.append)

    outcomes = await place.work.carry_out_batch([job("c1"), job("c2", broken=True), job("c3", 0), job("c1")])
    # The batch fails with c2 and is split: nobody is told twice. A refusal is an answer too; what the inbox knows is none.
    assert told == [outcomes[0], outcomes[2]]
    assert isinstance(outcomes[2], Refusal)


async def test_a_hint_that_fails_changes_nothing_and_nobody_decides_again(place: Place) -> None:
    def fails(_: Any) -> None:
        raise LookupError

    job = replace(adding("c1", cause="m1"), once=False, after=fails)
    outcomes = await place.work.carry_out_batch([job, adding("c2", cause="m2")])
    assert [isinstance(one, Decision) for one in outcomes] == [True, True]
    assert await place.counter("c1") == Counter("c1", 1, 1)


async def test_one_message_may_change_many_aggregates(place: Place) -> None:
    await place.work.carry_out_batch([adding(f"c{n}", cause=f"m{n}") for n in range(3)])
    outcomes = await place.work.carry_out_batch([adding_to_all_of("a", cause="m9")])
    assert isinstance(outcomes[0], list)
    assert [(await place.counter(f"c{n}")) for n in range(3)] == [Counter(f"c{n}", 2, 2) for n in range(3)]
    assert len({row["_id"] for row in await place.rows(OUTBOX.name)}) == 6


async def test_rows_of_one_aggregate_keep_their_order_when_the_clock_goes_back(place: Place) -> None:
    await place.work.carry_out(adding("c1", cause="m1", at=AT))
    await place.work.carry_out(adding("c1", cause="m2", at=AT - timedelta(minutes=10)))
    await place.work.carry_out(adding("c1", cause="m3", at=AT - timedelta(minutes=20)))
    rows = sorted(await place.rows(OUTBOX.name), key=lambda row: row["order"])
    assert [b'"version":%d' % n in bytes(row["body"]) for n, row in enumerate(rows, 1)] == [True, True, True]


async def test_commands_that_arrive_together_lose_nothing(place: Place) -> None:
    verdicts = await asyncio.gather(*(place.work.carry_out(adding("c1", cause=f"m{n}")) for n in range(50)))
    assert all(isinstance(verdict, Decision) for verdict in verdicts)
    assert await place.counter("c1") == Counter("c1", 50, 50)


async def test_two_writers_of_one_new_aggregate_both_count(place: Place) -> None:
    other = Work(place.store, SHELVES)
    await asyncio.gather(
        *(work.carry_out(adding("c1", cause=f"{n}")) for n, work in enumerate([place.work, other] * 4))
    )
    assert await place.counter("c1") == Counter("c1", 8, 8)


async def test_what_a_dead_process_wrote_is_waited_for_and_not_asked_for_in_a_circle(
    mongo_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mongo_module, "TIMEOUT_MS", 3_000)  # some fourteen runs; seven on a slow machine
    await mongo_place.work.carry_out(adding("c1", cause="m1"))
    runs = 0

    def counted(known: Known) -> Refusal | Decision[Counter]:
        nonlocal runs
        runs += 1
        return add(known.one(COUNTERS, "c1"), "c1", 1)

    job = Job(cause="m2", at=AT, reads=lambda _: [One(COUNTERS, "c1")], decide=counted)
    async with await mongo_place.store.client.start_session() as dead:
        dead.start_transaction()
        await mongo_place.store.db[COUNTERS.collection.name].update_one(
            {"_id": "c1"}, {"$inc": {"value": 1}}, session=dead
        )
        with pytest.raises(NotNow, match="another transaction holds"):
            await mongo_place.work.carry_out(job)
        assert 5 < runs < 25
        await dead.abort_transaction()
    assert isinstance(await mongo_place.work.carry_out(job), Decision)
    assert await mongo_place.counter("c1") == Counter("c1", 2, 2)


async def test_a_job_may_follow_an_id_that_it_has_just_learned(place: Place) -> None:
    await place.work.carry_out(adding("next", cause="m1"))
    await place.store.transact(
        lambda unit: unit.write({COUNTERS: [COUNTERS.document(Counter("first", 1, 1, owner="next"), 1)]}, [], [])
    )

    def reads(known: Known) -> list[One | Many]:
        first = known.one(COUNTERS, "first")
        return [One(COUNTERS, "first"), *([One(COUNTERS, first.owner)] if first else [])]

    def decide(known: Known) -> Refusal | Decision[Counter]:
        found = known.one(COUNTERS, "next")
        assert found is not None
        return Decision(found)

    verdict = await place.work.carry_out(Job(cause="m2", at=AT, reads=reads, decide=decide))
    assert isinstance(verdict, Decision)


async def test_a_commit_wakes_whoever_waits_for_work(place: Place) -> None:
    await place.work.carry_out(adding("c1", 0, cause="m0", once=False))
    assert not place.work.changed.is_set()
    await place.work.carry_out(adding("c1", cause="m1"))
    assert place.work.changed.is_set()


async def test_queries_compare_as_the_database_does(place: Place) -> None:
    states = [Counter("c1", 1, 5, "a", ("x", "y")), Counter("c2", 1, 7, "b", ("y",)), Counter("c3", 1, 9, "a")]
    await place.store.transact(
        lambda unit: unit.write({COUNTERS: [COUNTERS.document(state, 1) for state in states]}, [], [])
    )

    async def found(where: dict[str, Any], **options: Any) -> list[str]:
        return [state.counter_id for state in await place.store.find(COUNTERS, where, **options)]

    by_id = {"sort": (("_id", 1),)}
    assert await found({"tags": "y"}, **by_id) == ["c1", "c2"]
    assert await found({"owner": "a", "value": {"$gt": 5}}, **by_id) == ["c3"]
    assert await found({"value": {"$gte": 5, "$lt": 9}}, **by_id) == ["c1", "c2"]
    assert await found({"owner": {"$in": ["b", "z"]}}, **by_id) == ["c2"]
    assert await found({"owner": {"$ne": "b"}}, sort=(("value", -1),), limit=1) == ["c3"]
    assert await found({}, sort=(("value", 1),), limit=2, after=1) == ["c2", "c3"]
    assert await place.store.count(COUNTERS, {"owner": "a"}) == 2


async def test_barriers_stand_behind_and_name_their_partition(place: Place) -> None:
    counter = Counter("c1", 1, 1)
    from tests.chassis.store.toy import event

    await place.work.post_barriers("beat", AT, {0: event(counter), 1: event(counter)})
    rows = await place.rows(OUTBOX.name)
    assert {(row["barrier"], row["partition"]) for row in rows} == {(True, 0), (True, 1)}


async def test_a_crash_before_the_commit_leaves_nothing_behind() -> None:
    memory = MemoryStore()
    memory.crash_before_commit = True
    with pytest.raises(ConnectionError):
        await Work(memory, SHELVES).carry_out(adding("c1", cause="m1"))
    assert memory.tables == {}


async def test_a_job_that_never_stops_asking_is_told_so() -> None:
    def reads(known: Known) -> list[One]:
        depth = sum(1 for n in range(20) if not known.lacks(One(COUNTERS, f"c{n}")))
        return [One(COUNTERS, f"c{n}") for n in range(depth + 1)]

    job = Job(cause="m1", at=AT, reads=reads, decide=lambda _: Decision(Counter("c1", 1, 1)))
    with pytest.raises(RuntimeError, match="rounds"):
        await Work(MemoryStore(), SHELVES).carry_out(job)


def test_a_journal_is_append_only() -> None:
    assert STEPS.collection.append_only
