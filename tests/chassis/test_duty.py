"""Three beats: decided once, done once, recorded; whatever fails in between becomes due again."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from contracts.problem import Reason
from services.chassis import clock, duty
from services.chassis.bell import Bell
from services.chassis.decision import Decision, Refusal
from services.chassis.duty import Chore, Claimed, Duty, Tick
from services.chassis.store.shelf import Collection, Shelf
from services.chassis.store.work import Job, Known, NotNow, One, Work
from tests.support.memory import MemoryStore
from tests.support.stage import until


@dataclass(frozen=True, slots=True)
class Parcel:
    parcel_id: str
    due_at: datetime | None
    sent: int = 0
    failed: int = 0


PARCELS = Shelf(Parcel, Collection("parcels"), key="parcel_id")


def change(name: str, decide: Callable[[Parcel], Decision[Parcel] | Refusal], *, cause: str = "cmd") -> Job:
    def on_known(known: Known) -> Decision[Parcel] | Refusal:
        parcel = known.one(PARCELS, name)
        assert parcel is not None
        return decide(parcel)

    return Job(cause=f"{cause}_{name}", at=clock.now(), reads=lambda _: [One(PARCELS, name)], decide=on_known)


class Post:
    """A service that sends parcels into an outside world of this test."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.work = Work(self.store, [PARCELS])
        self.sent: list[str] = []
        self.at_once = 0
        self.most_at_once = 0
        self.take: Callable[[str], Any] = lambda name: asyncio.sleep(0)
        self.claim = 60.0

    async def put(self, *names: str) -> None:
        def job(name: str) -> Job:
            return Job(
                cause=f"put_{name}",
                at=clock.now(),
                reads=lambda _: [],
                decide=lambda _: Decision(Parcel(name, clock.now() - timedelta(seconds=1))),
            )

        await self.work.carry_out_batch([job(name) for name in names])

    async def find_due(self, now: datetime, limit: int) -> Sequence[Parcel]:
        return await self.store.find(PARCELS, {"due_at": {"$lte": now}}, sort=[("due_at", 1)], limit=limit)

    def begin(self, parcel: Parcel) -> Job:
        now = clock.now()

        def decide(known: Parcel) -> Decision[Parcel] | Refusal:
            if known.due_at is None or known.due_at > now:
                return Refusal(Reason.CONFLICT, "somebody else is at it")
            return Decision(replace(known, due_at=now + timedelta(seconds=self.claim)))

        return change(parcel.parcel_id, decide)

    async def act(self, parcel: Parcel, decision: Decision[Any]) -> str:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.take(parcel.parcel_id)
            self.sent.append(parcel.parcel_id)
            return "receipt"
        finally:
            self.at_once -= 1

    def record(self, parcel: Parcel, receipt: str) -> Job:
        return change(parcel.parcel_id, lambda known: Decision(replace(known, due_at=None, sent=known.sent + 1)))

    def failed(self, parcel: Parcel, why: Exception) -> Job:
        return change(parcel.parcel_id, lambda known: Decision(replace(known, due_at=None, failed=known.failed + 1)))

    def duty(self, **changes: Any) -> Duty[Parcel, str]:
        settings: dict[str, Any] = {"failed": self.failed, "every": 0.02, "timeout": 5.0} | changes
        return Duty("post", find_due=self.find_due, begin=self.begin, act=self.act, record=self.record, **settings)

    async def parcel(self, name: str) -> Parcel:
        [found] = await self.store.find(PARCELS, {"_id": name})
        return found

    async def waiting(self) -> int:
        return await self.store.count(PARCELS, {"due_at": {"$exists": True}})

    async def all_settled(self) -> bool:
        return await self.waiting() == 0


@pytest.fixture
def post() -> Post:
    return Post()


@asynccontextmanager
async def on_duty(post: Post, *duties: Any) -> AsyncIterator[None]:
    running = [asyncio.create_task(one.run(post.work)) for one in duties]
    yield
    for one in duties:
        one.stop()
    await asyncio.wait_for(asyncio.gather(*running), 5)


async def test_what_is_due_is_done_once_and_recorded(post: Post) -> None:
    await post.put("a", "b", "c")
    async with on_duty(post, post.duty()):
        await until(post.all_settled)
    assert sorted(post.sent) == ["a", "b", "c"]
    assert [(await post.parcel(name)).sent for name in "abc"] == [1, 1, 1]


async def test_two_workers_never_act_on_one_thing(post: Post) -> None:
    await post.put(*(f"p{number}" for number in range(40)))
    async with on_duty(post, post.duty(concurrency=4), post.duty(concurrency=4)):
        await until(post.all_settled)
    assert len(post.sent) == len(set(post.sent)) == 40


async def test_a_slow_act_holds_up_no_other(post: Post) -> None:
    stuck = asyncio.Event()
    post.take = lambda name: stuck.wait() if name == "slow" else asyncio.sleep(0)
    await post.put("slow", *(f"p{number}" for number in range(20)))
    async with on_duty(post, post.duty(concurrency=3)):
        await until(lambda: len(post.sent) == 20)
        assert post.most_at_once <= 3
        stuck.set()


async def test_acts_that_end_apart_are_recorded_together(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duty, "RECORDS_TOGETHER", 0.3)
    carried: list[int] = []
    carry_out_batch = post.work.carry_out_batch

    async def noted(jobs: Sequence[Job]) -> Any:
        carried.append(len(jobs))
        return await carry_out_batch(jobs)

    names = [f"p{number}" for number in range(8)]
    post.take = lambda name: asyncio.sleep(int(name[1:]) * 0.005)
    await post.put(*names)
    monkeypatch.setattr(post.work, "carry_out_batch", noted)
    async with on_duty(post, post.duty(concurrency=8)):
        await until(post.all_settled)
    assert carried[0] == 8
    assert len(carried) <= 3, "two beats at the most"


async def test_an_act_that_waits_for_its_record_holds_up_no_place(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duty, "RECORDS_TOGETHER", 60.0)
    await post.put(*(f"p{number}" for number in range(5)))
    one = post.duty(concurrency=1)
    running = asyncio.create_task(one.run(post.work))
    await until(lambda: len(post.sent) == 5, seconds=5)
    one.stop()
    await asyncio.wait_for(running, 5)
    assert await post.all_settled(), "at the end nobody waits for the beat"


async def test_an_act_that_fails_is_recorded_as_failed(post: Post) -> None:
    async def refuse(name: str) -> None:
        raise ConnectionError("no route")

    post.take = refuse
    await post.put("a")
    async with on_duty(post, post.duty()):
        await until(post.all_settled)
    assert (await post.parcel("a")).failed == 1


async def test_an_act_without_end_runs_out_of_time(post: Post) -> None:
    post.take = lambda name: asyncio.Event().wait()
    await post.put("a")
    async with on_duty(post, post.duty(timeout=0.05)):
        await until(post.all_settled)
    assert (await post.parcel("a")).failed == 1


async def test_without_a_record_of_failure_it_becomes_due_again(post: Post) -> None:
    tries: list[str] = []

    async def fail_once(name: str) -> None:
        tries.append(name)
        if len(tries) == 1:
            raise ConnectionError("no route")

    post.take, post.claim = fail_once, 0.1
    await post.put("a")
    async with on_duty(post, post.duty(failed=None)):
        await until(post.all_settled)
    assert len(tries) == 2
    assert post.sent == ["a"]


async def test_a_record_waits_until_the_database_is_back(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duty, "SHORTEST", 0.02)
    carry_out, left = post.work.carry_out, [2]

    async def away(job: Job) -> Any:
        if left[0]:
            left[0] -= 1
            raise NotNow("away")
        return await carry_out(job)

    post.work.carry_out = away  # type: ignore[method-assign]
    await post.put("a")
    async with on_duty(post, post.duty()):
        await until(post.all_settled)
    assert post.sent == ["a"]
    assert (await post.parcel("a")).sent == 1


async def test_one_thing_that_cannot_be_begun_stops_no_other(post: Post) -> None:
    begin = post.begin

    def stumble(parcel: Parcel) -> Job:
        if parcel.parcel_id == "bad":
            raise KeyError("a bug")
        return begin(parcel)

    post.begin = stumble  # type: ignore[method-assign]
    await post.put("bad", "good")
    async with on_duty(post, post.duty()):
        await until(lambda: "good" in post.sent)
    assert "bad" not in post.sent


async def test_stopping_finishes_what_was_begun(post: Post) -> None:
    go = asyncio.Event()
    post.take = lambda name: go.wait()
    await post.put("a")
    one = post.duty()
    running = asyncio.create_task(one.run(post.work))
    await until(lambda: post.at_once == 1)
    one.stop()
    await asyncio.sleep(0.05)
    assert not running.done()
    go.set()
    await asyncio.wait_for(running, 5)
    assert (await post.parcel("a")).sent == 1


async def test_a_commit_wakes_a_duty_at_once(post: Post) -> None:
    one, bell = post.duty(every=30), Bell()
    bell.tell(one.wake)
    following = asyncio.create_task(bell.follow(post.work.changed))
    async with on_duty(post, one):
        await asyncio.sleep(0.05)
        await post.put("a")
        await until(post.all_settled, seconds=2)
    following.cancel()


async def test_a_database_that_is_away_ends_no_duty(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duty, "SHORTEST", 0.02)
    find_due, left = post.find_due, [3]

    async def away(now: datetime, limit: int) -> Sequence[Parcel]:
        if left[0]:
            left[0] -= 1
            raise NotNow("away") if left[0] else RuntimeError("a bug")
        return await find_due(now, limit)

    post.find_due = away  # type: ignore[method-assign]
    await post.put("a")
    async with on_duty(post, post.duty()):
        await until(post.all_settled)
    assert post.sent == ["a"]


async def test_a_chore_settles_by_one_decision_batch_after_batch(post: Post) -> None:
    def expire(parcel: Parcel) -> Job:
        return change(parcel.parcel_id, lambda known: Decision(replace(known, due_at=None)))

    await post.put(*(f"p{number}" for number in range(25)))
    chore = Chore("expire", find_due=post.find_due, begin=expire, every=30, batch=10)
    async with on_duty(post, chore):
        await until(post.all_settled)


async def test_a_chore_whose_things_are_all_refused_does_not_spin(post: Post) -> None:
    looks: list[int] = []

    async def find_due(now: datetime, limit: int) -> Sequence[Parcel]:
        looks.append(limit)
        return await post.find_due(now, limit)

    def refuse(parcel: Parcel) -> Job:
        return change(parcel.parcel_id, lambda known: Refusal(Reason.CONFLICT, "no"))

    await post.put("a")
    async with on_duty(post, Chore("expire", find_due=find_due, begin=refuse, every=30, batch=1)):
        await asyncio.sleep(0.1)
    assert len(looks) == 1


async def test_a_tick_comes_again_also_after_it_failed(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duty, "SHORTEST", 0.02)
    ticks: list[datetime] = []

    async def do(now: datetime) -> None:
        ticks.append(now)
        if len(ticks) == 1:
            raise NotNow("away")

    async with on_duty(post, Tick("watermark", do, every=0.02)):
        await until(lambda: len(ticks) >= 3)


async def test_what_its_maker_claimed_is_acted_on_at_once_though_nothing_else_can_be_begun(post: Post) -> None:
    """The first beat of others waits for the database; this one was decided before."""
    await post.put("a", "b")
    claimed = await post.work.carry_out(post.begin(await post.parcel("b")))
    assert isinstance(claimed, Decision)
    born, answers = [await post.parcel("b")], asyncio.Event()

    class Slow(Work):
        async def carry_out_batch(self, jobs: Sequence[Job]) -> list[Any]:
            if any(job.cause == "cmd_a" for job in jobs):
                await answers.wait()
            return await super().carry_out_batch(jobs)

    async def find_due(now: datetime, limit: int) -> Sequence[Parcel]:
        return [*(born.pop() for _ in range(len(born))), *await post.find_due(now, limit)]

    def begin(parcel: Parcel) -> Job | Claimed:
        if parcel.parcel_id == "b":
            return Claimed(decision=claimed, cause="born_b", trace=None)
        return post.begin(parcel)

    duty: Duty[Parcel, str] = Duty(
        "post", find_due=find_due, begin=begin, act=post.act, record=post.record, every=0.02
    )  # fmt: skip
    running = asyncio.create_task(duty.run(Slow(post.store, [PARCELS])))
    while not post.sent:
        await asyncio.sleep(0.01)
    assert post.sent == ["b"]
    answers.set()
    await until(post.all_settled)
    assert post.sent == ["b", "a"]
    duty.stop()
    await asyncio.wait_for(running, 5)
