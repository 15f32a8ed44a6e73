"""A toy aggregate for the mechanism's own tests: a counter that can only go up, and a journal of its steps."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from contracts.delivery.v1 import DeliveryAbandoned
from contracts.problem import Reason
from contracts.types import DeliveryId, OrganizationId, PersonId, RequestId
from services.chassis.decision import Decision, Refusal
from services.chassis.store.shelf import Collection, Index, Shelf
from services.chassis.store.work import Job, Known, Many, Need, One, Verdict

AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Counter:
    counter_id: str
    version: int
    value: int
    owner: str = "a"
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    step_id: str
    value: int


COUNTERS = Shelf(
    Counter, Collection("counters", indexes=(Index((("owner", 1),)), Index((("tags", 1),)))), key="counter_id"
)
STEPS = Shelf(Step, Collection("steps", append_only=True), key="step_id")
SHELVES = (COUNTERS, STEPS)


def event(counter: Counter) -> DeliveryAbandoned:
    """Any real event will do: the register of types takes no toys."""
    return DeliveryAbandoned(
        version=counter.version,
        delivery_id=DeliveryId(counter.counter_id),
        request_id=RequestId("req_1"),
        school_id=OrganizationId("org_1"),
        student_id=PersonId("per_1"),
        recipient_id=OrganizationId("org_2"),
        cause="endpoint-gone",
    )


def add(known: Counter | None, counter_id: str, amount: int) -> Decision[Counter] | Refusal:
    if amount <= 0:
        return Refusal(Reason.INVALID, "a counter only goes up")
    now = known or Counter(counter_id, 0, 0)
    counter = replace(now, version=now.version + 1, value=now.value + amount)
    return Decision(counter, [event(counter)], also=[Step(f"{counter_id}:{counter.version}", counter.value)])


def adding(
    counter_id: str, amount: int = 1, *, cause: str, once: bool = True, at: datetime = AT, broken: bool = False
) -> Job:
    def reads(_: Known) -> Iterable[Need]:
        yield One(COUNTERS, counter_id)

    def decide(known: Known) -> Verdict:
        if broken:
            raise LookupError("a bug")
        return add(known.one(COUNTERS, counter_id), counter_id, amount)

    return Job(cause=cause, at=at, reads=reads, decide=decide, once=once)


def adding_to_all_of(owner: str, *, cause: str) -> Job:
    def reads(_: Known) -> Iterable[Need]:
        yield Many(COUNTERS, "owner", owner)

    def decide(known: Known) -> list[Verdict]:
        return [add(counter, counter.counter_id, 1) for counter in known.many(COUNTERS, "owner", owner)]

    return Job(cause=cause, at=AT + timedelta(seconds=1), reads=reads, decide=decide, once=True)
