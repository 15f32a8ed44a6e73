"""No record without an ending, whatever its bytes are and whatever our own code does."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from contracts.consent.v1 import ConsentExpired, WatermarkPassed
from contracts.envelope import Message, write_headers
from contracts.event import Event
from services.chassis.decision import Decision
from services.chassis.kafka.hearing import Answer, Hearing, Unwanted
from services.chassis.kafka.verdicts import End, Ending, Judge, Record
from services.chassis.observe import telemetry
from services.chassis.store.work import Job, NotNow, Work
from tests.support.memory import MemoryStore
from tests.support.toys import AT, BELLS, COUNTS, Counted, counting, expired, hear, say, watermark


def record(name: str = "req_1", version: int = 1, *, offset: int = 0, **changes: Any) -> Record:
    message: Message[Event] = Message(f"evt_{name}_{version}", expired(name, version), AT)
    written = Record("consent.requests", 0, offset, name.encode(), message.event.dump(), write_headers(message))
    return replace(written, **changes)


def header(name: str, value: bytes) -> dict[str, Any]:
    kept = tuple(pair for pair in record().headers if pair[0] != name)
    return {"headers": (*kept, (name, value))}


class Bench:
    """A judge on a database in memory."""

    def __init__(self, hearing: Hearing | None = None) -> None:
        self.store = MemoryStore()
        self.judge = Judge(hearing or counting(), Work(self.store, [COUNTS, BELLS]), pause=0)

    async def ends(self, *records: Record) -> list[End]:
        return [ending.end for ending in await self.judge.judge(records)]

    async def counted(self, name: str = "req_1") -> tuple[int, ...]:
        found: list[Counted] = await self.store.find(COUNTS, {"_id": name})
        return found[0].versions if found else ()


async def test_all_records_of_a_poll_share_one_transaction() -> None:
    bench = Bench()
    ends = await bench.ends(record("req_1", 1), record("req_2", 1), record("req_1", 2))
    assert ends == [End.HANDLED] * 3
    assert bench.store.transactions == 1
    assert await bench.counted() == (1, 2)


async def test_what_was_handled_before_is_known() -> None:
    bench = Bench()
    await bench.ends(record())
    assert await bench.ends(record(), record()) == [End.KNOWN, End.KNOWN]
    assert await bench.counted() == (1,)


async def test_a_refusal_is_done_and_says_why() -> None:
    bench = Bench()
    await bench.ends(record())
    again = replace(record(), headers=header("ce_id", b"evt_other")["headers"])
    [ending] = await bench.judge.judge([again])
    assert ending.end is End.REFUSED
    assert ending.reason == "conflict: this version was counted before"


BROKEN = {
    "no-body": {"value": None},
    "not-json": {"value": b"\xff{"},
    "another-shape": {"value": b'{"version": 1}'},
    "no-headers": {"headers": ()},
    "header-not-utf8": header("ce_id", b"\xff\xfe"),
    "null-header": {"headers": (("ce_id", None),)},
    "no-key": {"key": None},
    "another-key": {"key": b"req_9"},
    "another-topics-event": {"topic": "records.releases"},
    "unknown-topic": {"topic": "somewhere.else"},
    "not-a-type": header("ce_type", b"hello"),
    "no-time": header("ce_time", b"yesterday"),
}


@pytest.mark.parametrize("changes", BROKEN.values(), ids=BROKEN)
async def test_rubbish_is_set_aside_and_its_neighbours_are_handled(changes: dict[str, Any]) -> None:
    bench = Bench()
    ends = await bench.ends(record("req_1"), record("req_2", **changes), record("req_3"))
    assert ends == [End.HANDLED, End.ASIDE, End.HANDLED]


async def test_a_type_of_a_later_day_is_passed() -> None:
    assert await Bench().ends(record(**header("ce_type", b"consent.request.framed.v9"))) == [End.PASSED]


async def test_an_event_that_nobody_registered_for_is_passed() -> None:
    assert await Bench(Hearing()).ends(record()) == [End.PASSED]


async def test_a_function_may_have_nothing_to_do_or_want_no_such_message() -> None:
    hearing = Hearing()

    @hearing(ConsentExpired)
    async def choose(messages: Sequence[Message[ConsentExpired]]) -> Sequence[Answer]:
        answers: dict[str, Answer] = {"req_none": None, "req_forged": Unwanted("the grant is not consent's")}
        return [answers.get(message.event.request_id, hear(message)) for message in messages]

    endings = await Bench(hearing).judge.judge([record("req_none"), record("req_forged"), record("req_good")])
    assert [ending.end for ending in endings] == [End.PASSED, End.ASIDE, End.HANDLED]
    assert endings[1].reason == "the grant is not consent's"
    assert not endings[1].failed


def stumbling(*, over: str, times: int, in_decision: bool = False, error: type[Exception] = KeyError) -> Hearing:
    """A service with a bug that shows at one request, so many times."""
    hearing, left = Hearing(), [times]

    def stumble(name: str) -> None:
        if name == over and left[0] > 0:
            left[0] -= 1
            raise error("Amélie")

    @hearing(ConsentExpired)
    async def handle(messages: Sequence[Message[ConsentExpired]]) -> Sequence[Answer]:
        jobs: list[Answer] = []
        for message in messages:
            job, name = hear(message), message.event.request_id

            def decide(known: Any, job: Job = job, name: str = name) -> Any:
                stumble(name)
                return job.decide(known)

            if not in_decision:
                stumble(name)
            jobs.append(replace(job, decide=decide) if in_decision else job)
        return jobs

    return hearing


@pytest.mark.parametrize("in_decision", [False, True], ids=["preparing", "deciding"])
async def test_a_bug_takes_no_neighbour_down_and_is_set_aside_after_three_tries(*, in_decision: bool) -> None:
    bench = Bench(stumbling(over="req_2", times=99, in_decision=in_decision))
    endings = await bench.judge.judge([record("req_1"), record("req_2"), record("req_3")])
    assert [ending.end for ending in endings] == [End.HANDLED, End.ASIDE, End.HANDLED]
    assert endings[1].failed
    assert (endings[1].reason or "").startswith("tried 3 times: KeyError at ")
    assert "Amélie" not in (endings[1].reason or "")


@pytest.mark.parametrize("in_decision", [False, True], ids=["preparing", "deciding"])
async def test_a_bug_that_goes_away_costs_nothing(*, in_decision: bool) -> None:
    bench = Bench(stumbling(over="req_2", times=2, in_decision=in_decision))
    assert await bench.ends(record("req_1"), record("req_2")) == [End.HANDLED, End.HANDLED]


async def test_not_now_says_nothing_about_any_record() -> None:
    bench = Bench(stumbling(over="req_2", times=1, error=NotNow))
    with pytest.raises(NotNow):
        await bench.judge.judge([record("req_1"), record("req_2")])
    assert await bench.ends(record("req_1"), record("req_2")) == [End.HANDLED, End.HANDLED]
    assert await bench.counted() == (1,)


async def test_answers_that_do_not_match_the_messages_are_a_bug() -> None:
    hearing = Hearing()

    @hearing(ConsentExpired)
    async def forget(messages: Sequence[Message[ConsentExpired]]) -> Sequence[Answer]:
        return []

    [ending] = await Bench(hearing).judge.judge([record()])
    assert ending.end is End.ASIDE
    assert "TypeError" in (ending.reason or "")


async def test_a_second_function_for_one_event_is_refused() -> None:
    hearing = counting()
    with pytest.raises(ValueError, match=r"consent\.request\.expired\.v1 already has a function"):
        hearing.on(ConsentExpired, lambda messages: None)  # type: ignore[arg-type, return-value]


def marking(trail: list[str], *, until: int = 0) -> Hearing:
    """Counts, and hears watermarks as barriers. Both leave a trail. What is counted raises the first `until` times."""
    hearing, left = Hearing(), [until]

    async def count(messages: Sequence[Message[ConsentExpired]]) -> Sequence[Answer]:
        if left[0] > 0:
            left[0] -= 1
            raise KeyError("a bug")
        trail.append("counted")
        return [hear(message) for message in messages]

    async def mark(messages: Sequence[Message[WatermarkPassed]]) -> Sequence[Answer]:
        trail.append("marked")
        return [replace(say("mark"), decide=lambda _: Decision(Counted("mark", 1))) for _ in messages]

    hearing.on(ConsentExpired, count)
    hearing.on(WatermarkPassed, mark, barrier=True)
    return hearing


def barrier() -> Record:
    message: Message[Event] = Message("evt_mark", watermark(0, AT), AT)
    key = message.event.key.encode()
    return Record("consent.requests", 0, 9, key, message.event.dump(), write_headers(message))


@pytest.mark.parametrize("bugs", [0, 2, 9], ids=["nothing-wrong", "tried-again", "set-aside"])
async def test_a_barrier_comes_when_all_else_of_the_poll_has_ended_and_lies_aside(bugs: int) -> None:
    trail: list[str] = []

    async def keep(aside: Mapping[int, Ending]) -> None:
        trail.extend(f"aside {place}" for place in aside)

    judge = Bench(marking(trail, until=bugs)).judge
    endings = await judge.judge([barrier(), record("req_1", value=b"?"), record("req_2")], keep)
    assert [one.end for one in endings] == [End.HANDLED, End.ASIDE, End.HANDLED if bugs < 9 else End.ASIDE]
    assert trail[-1] == "marked"
    assert trail[:-1] == (["aside 1", "aside 2"] if bugs == 9 else ["counted", "aside 1"])


async def test_a_barrier_is_not_carried_out_while_what_is_aside_cannot_be_written_down() -> None:
    trail: list[str] = []

    async def keep(aside: Mapping[int, Ending]) -> None:
        raise NotNow("the database is away")

    with pytest.raises(NotNow):
        await Bench(marking(trail)).judge.judge([record("req_1", value=b"?"), barrier()], keep)
    assert "marked" not in trail


async def test_the_inbox_remembers_no_barrier() -> None:
    bench = Bench(marking([]))
    assert await bench.ends(barrier()) == [End.HANDLED]
    assert await bench.ends(barrier(), record("req_1")) == [End.HANDLED, End.HANDLED]
    assert list(bench.store.tables["inbox"]) == ["evt_req_1_1"]


async def test_each_message_goes_on_in_its_own_trace(tmp_path: Any) -> None:
    telemetry.configure("toy", "worker", traces_file=tmp_path / "spans.jsonl")
    traces: list[str | None] = []
    hearing = Hearing()

    @hearing(ConsentExpired)
    async def keep(messages: Sequence[Message[ConsentExpired]]) -> Sequence[Answer]:
        return [replace(hear(message), trace="overwritten") for message in messages]

    bench = Bench(hearing)
    told = [f"00-{number:032x}-{number:016x}-01" for number in (7, 8)]
    first, second, third = (record(f"req_{number}") for number in (1, 2, 3))
    first = replace(first, headers=(*first.headers, ("traceparent", told[0].encode())))
    third = replace(third, headers=(*third.headers, ("traceparent", told[1].encode())))
    work, carry_out_batch = bench.judge._work, bench.judge._work.carry_out_batch

    async def noting(jobs: Sequence[Job]) -> Any:
        traces.extend(job.trace for job in jobs)
        return await carry_out_batch(jobs)

    work.carry_out_batch = noting  # type: ignore[method-assign]
    assert await bench.ends(first, second, third) == [End.HANDLED] * 3
    went_on = [str(trace).split("-")[1] for trace in traces]
    assert (went_on[0], went_on[2]) == (f"{7:032x}", f"{8:032x}")
    assert went_on[1] not in {went_on[0], went_on[2]}
    telemetry.shutdown()
    assert (tmp_path / "spans.jsonl").read_text().count('"consent.request.expired.v1"') == 3
