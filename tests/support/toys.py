"""Two toy services: consent opens requests, delivery counts what it hears of each. Real contracts, real chassis."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from contracts.consent.v1 import ConsentExpired, WatermarkPassed
from contracts.envelope import Message
from contracts.problem import Reason
from contracts.types import OrganizationId, PersonId, RequestId
from services.chassis.decision import Decision, Refusal
from services.chassis.kafka.hearing import Answer, Hearing
from services.chassis.store.shelf import Collection, Index, Shelf
from services.chassis.store.work import Job, Known, One

AT = datetime(2026, 11, 24, 22, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Counted:
    request_id: str
    times: int
    versions: tuple[int, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Bell:
    request_id: str
    wanted: int
    rung: int = 0
    due_at: datetime | None = None


BELLS = Shelf(Bell, Collection("bells", indexes=(Index((("due_at", 1),)),)), key="request_id")
COUNTS = Shelf(Counted, Collection("counts"), key="request_id")


def expired(request: str, version: int = 1) -> ConsentExpired:
    return ConsentExpired(
        request_id=RequestId(request),
        version=version,
        school_id=OrganizationId("org_school"),
        student_id=PersonId("per_student"),
        recipient_id=OrganizationId("org_college"),
    )


def say(request: str, version: int = 1, *, cause: str | None = None, at: datetime = AT) -> Job:
    """A command of the toy consent: the count goes up and an event says so."""

    def decide(known: Known) -> Decision[Counted]:
        before = known.one(COUNTS, request) or Counted(request, 0)
        state = Counted(request, before.times + 1, (*before.versions, version))
        return Decision(state, events=[expired(request, version)])

    return Job(cause=cause or f"cmd_{request}_{version}", at=at, reads=lambda _: [One(COUNTS, request)], decide=decide)


def hear(message: Message[ConsentExpired]) -> Job:
    """What the toy delivery does about one event."""
    event = message.event

    def decide(known: Known) -> Decision[Counted] | Refusal:
        before = known.one(COUNTS, event.request_id) or Counted(event.request_id, 0)
        if event.version in before.versions:
            return Refusal(Reason.CONFLICT, "this version was counted before")
        after = replace(before, times=before.times + 1, versions=(*before.versions, event.version))
        bell = known.one(BELLS, event.request_id) or Bell(event.request_id, 0)
        return Decision(after, also=[replace(bell, wanted=after.times, due_at=message.at)])

    needs = [One(COUNTS, event.request_id), One(BELLS, event.request_id)]
    return Job(cause=message.id, at=message.at, reads=lambda _: needs, decide=decide)


def watermark(partition: int, at: datetime) -> WatermarkPassed:
    return WatermarkPassed(watermark_id=f"wmk_{partition}", version=1, partition=partition, at=at)


def counting() -> Hearing:
    hearing = Hearing()

    @hearing(ConsentExpired)
    async def expired_(messages: Sequence[Message[ConsentExpired]]) -> Sequence[Answer]:
        return [hear(message) for message in messages]

    return hearing
