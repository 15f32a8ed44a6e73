"""Consent, records, delivery and notify in one world: people act at their doors, and a broker that may do anything joins them."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from contracts.consent.v1 import ConsentRevoked
from contracts.envelope import Message, read
from contracts.event import Event
from services.chassis.decision import Decision
from services.chassis.kafka.verdicts import End, Record
from services.chassis.store.work import NotNow
from services.consent.domain import notice_in
from services.consent.handlers import expire_job as request_over_job
from services.delivery.domain import Answer, Attempted, NoticeState, Status
from services.delivery.handlers.jobs import attempted_job, catch_up_job, claim_job, expire_job
from services.delivery.handlers.telling import find_late
from services.records.gateways.packager import Order
from services.records.handlers.holds import hold_over_job, waiting_over_job
from services.records.handlers.packages import claim_job as claim_package_job
from services.records.handlers.packages import prepared_job
from tests.model import cast as people
from tests.model.acts import Family, Recipients, School
from tests.model.book import Book
from tests.model.broker import Broker, Place
from tests.model.cast import RECIPIENTS, SCHOOL, STUDENTS, TRANSCRIPTS
from tests.model.scribe import Scribe
from tests.model.services import Consent, Deliveries, NamingPackager, Notify, Records, Service
from tests.model.store import Fault, ModelStore
from tests.support.person_keys import MemoryPersonKeys

V = TypeVar("V")
START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
NOTICE = notice_in("en").digest
MOST_ROUNDS = 60
"""A world that is not quiet after so many rounds never will be."""


class World:
    """Everything there is. Every act takes a millisecond; time passes otherwise only when it is told to."""

    now: "World"
    """The world whose clock is read at the moment."""

    def __init__(self) -> None:
        self.at = START
        self.book = Book()
        self.broker = Broker()
        self.keys = MemoryPersonKeys(*STUDENTS)
        self.packager = NamingPackager(self.keys)
        self.consent = Consent(ModelStore(), self.broker)
        self.records = Records(ModelStore(), self.broker, self.packager)
        self.delivery = Deliveries(ModelStore(), self.broker)
        self.notify = Notify(ModelStore(), self.broker)
        self.scribe = Scribe()
        self.identity: dict[str, Event] = {}
        self.forged: set[tuple[str, int, int]] = set()
        self.misled: set[str] = set()
        """Requests of which consent may have read a forged release: it shows that stage, and nothing more comes of it."""
        self.asides: list[tuple[Service, Record]] = []
        """Genuine records that were set aside."""
        self.webhooks: dict[str, str] = {}
        """By webhook-id: the body that recipients have seen."""
        self.frozen = False
        """Consent's relay stands still."""
        self.counter = 0
        self.act = ""
        """Names the ids that are drawn, where a world must not remember in which order things were done."""
        self.still = False
        """The clock does not move by itself."""

    @property
    def family(self) -> Family:
        return Family(self)

    @property
    def school(self) -> School:
        return School(self)

    @property
    def recipients(self) -> Recipients:
        return Recipients(self)

    @property
    def services(self) -> tuple[Service, ...]:
        return (self.consent, self.records, self.delivery, self.notify)

    def copy(self) -> "World":
        """Another world that is as this one is, and goes its own way from here."""
        other = World.__new__(World)
        other.at, other.book, other.broker = self.at, self.book.copy(), self.broker.copy()
        other.keys, other.packager = self.keys, NamingPackager(self.keys)
        other.packager.made = dict(self.packager.made)
        other.consent = Consent(ModelStore(self.consent.store.tables), other.broker)
        other.consent.key = self.consent.key
        other.records = Records(ModelStore(self.records.store.tables), other.broker, other.packager)
        other.delivery = Deliveries(ModelStore(self.delivery.store.tables), other.broker)
        other.notify = Notify(ModelStore(self.notify.store.tables), other.broker)
        other.scribe = self.scribe.copy()
        by_name = {service.name: service for service in other.services}
        other.asides = [(by_name[service.name], record) for service, record in self.asides]
        other.records.knows_new_key = self.records.knows_new_key
        other.identity, other.forged, other.misled = dict(self.identity), set(self.forged), set(self.misled)
        other.act, other.still = self.act, self.still
        other.webhooks, other.frozen, other.counter = dict(self.webhooks), self.frozen, self.counter
        return other

    def tick(self) -> datetime:
        if not self.still:
            self.at += timedelta(milliseconds=1)
        return self.at

    def new(self, prefix: str) -> str:
        """An id. Drawn in order, so that a run can be repeated."""
        self.counter += 1
        return f"{prefix}_{self.act}_{self.counter:026d}"

    def check(self) -> None:
        """Hold what was said and written since the last look against the book."""
        self.scribe.read(self)

    async def found(self) -> "World":
        """Identity tells of everybody; both transcripts are sealed; everybody has heard."""
        for organization_id in (SCHOOL, *RECIPIENTS):
            self.tell(people.organization(organization_id, 1))
        for student in STUDENTS:
            self.tell(people.student(student, 1))
        await self.flow()
        for transcript_id in TRANSCRIPTS.values():
            await self.school.seal(transcript_id)
        await self.flow()
        return self

    # Identity

    def tell(self, event: Event) -> None:
        """Identity says something new of somebody."""
        self.identity[event.key] = event
        self.broker.say(Message(self.new("evt"), event, self.tick()))

    # Commands: whoever got no answer asks again with the same cause

    async def command(self, service: Service, fault: Fault | None, act: Callable[[], Awaitable[V]]) -> V | None:
        """`act` at a service whose next transaction meets this fault. None: it died, and nothing was written."""
        self.tick()
        service.store.fault, commits = fault, service.store.commits
        try:
            return await act()
        except NotNow:
            service.restart()
            if service.store.commits == commits:
                return None
            self.tick()
            return await act()
        finally:
            service.store.fault = None

    # The wire

    async def carry(self, service: Service, *, takes: int | None = None, dies: bool = False) -> bool:
        """One look of a service's relay; whether there is more."""
        if service is self.consent and self.frozen:
            return False
        self.tick()
        return await service.look(takes=takes, dies=dies)

    async def poll(self, service: Service, place: Place, most: int = 500, *, fault: Fault | None = None) -> None:
        """One poll of one partition. A service that dies before its offsets are committed reads it again."""
        records = self.broker.next(service.name, place, most)
        if not records:
            return
        self.tick()
        service.store.fault, commits = fault, service.store.commits
        endings = []
        try:
            endings = await service.judge.judge(records)
        except NotNow:
            service.restart()
        finally:
            service.store.fault = None
        for record, ending in zip(records, endings, strict=bool(endings)):
            if ending.end is End.ASIDE and self.scribe.set_aside(self, service.name, record, ending):
                self.asides.append((service, record))
        self.check()
        if endings:
            self.broker.commit(service.name, place, records[-1].offset + 1)
        if endings or service.store.commits > commits:
            for record in records:
                self._note(service.name, record)

    async def replay_asides(self) -> None:
        """`placet aside replay`: the same path, without offsets. What is refused again stays aside."""
        again, self.asides = self.asides, []
        for service, record in again:
            self.tick()
            [ending] = await service.judge.judge([record])
            self.check()
            if ending.end is End.ASIDE and self.scribe.set_aside(self, service.name, record, ending):
                self.asides.append((service, record))

    def _note(self, service: str, record: Record) -> None:
        if (record.topic, record.partition, record.offset) in self.forged:
            return
        message = read(topic=record.topic, key=record.key, value=record.value, headers=record.headers)
        assert message is not None
        self.book.heard(service, message.event)
        if service == "delivery" and isinstance(message.event, ConsentRevoked):
            ended = [one for one in self.recipients.deliveries() if one.request_id == message.event.request_id]
            assert all(one.status is Status.CANCELLED for one in ended), "a delivery outlives the revocation it heard"

    async def flow(self) -> None:
        """Everything that can go goes, in no bad order: relays, polls, packages, a watermark. Frozen stays frozen."""
        if not self.frozen:
            await self.consent.watermark(self.tick())
        for _ in range(MOST_ROUNDS):
            more = [await self.carry(service) for service in self.services]
            for service in self.services:
                for place in self.broker.waiting(service.name):
                    await self.poll(service, place)
                    more.append(True)
            more.append(await self.make_packages())
            if not any(more):
                return
        raise AssertionError(f"not quiet after {MOST_ROUNDS} rounds")

    # What falls due

    async def make_packages(self, *, dies: bool = False) -> bool:
        """The duty of records, beat by beat. `dies`: after the act, before the record."""
        due = await self.records.questions.packages_due(self.tick(), 10)
        for package in due:
            [claimed] = await self.records.work.carry_out_batch([claim_package_job(package, self.at)])
            if not isinstance(claimed, Decision):
                continue
            version = await self.records.questions.version(package.transcript_id, package.transcript_version)
            assert version is not None
            made = await self.packager.make(Order.of_version(version, package, []))
            if not dies:
                await self.records.work.carry_out_batch([prepared_job(package, made, self.tick())])
        return bool(due) and not dies

    async def chores(self) -> None:
        """What runs out: requests, holds, waiting releases, deliveries; and endpoints that catch up."""
        at = self.tick()
        requests = await self.consent.questions.expiring(at, 200)
        await self.consent.work.carry_out_batch([request_over_job(one, at) for one in requests])
        over = await self.records.questions.holds_over(at, 200)
        await self.records.work.carry_out_batch([hold_over_job(one, at) for one in over])
        waiting = await self.records.questions.waiting_over(at, 200)
        await self.records.work.carry_out_batch([waiting_over_job(one, at) for one in waiting])
        expired = await self.delivery.questions.expired(at, 200)
        await self.delivery.work.carry_out_batch([expire_job(one, at) for one in expired])
        late = await find_late(self.delivery.questions, 200)
        await self.delivery.work.carry_out_batch([catch_up_job(one.endpoint, one.delivery, at) for one in late])

    async def notify_recipients(self, answer: Answer, *, dies: bool = False) -> int:
        """The duty that tells, beat by beat. `dies`: after the webhook, before its record."""
        due = await self.delivery.questions.due(self.tick(), 32)
        for notice in due:
            [claimed] = await self.delivery.work.carry_out_batch([claim_job(notice, self.at)])
            if not isinstance(claimed, Decision) or claimed.state.state is not NoticeState.WAITING:
                continue
            body = self.webhooks.setdefault(notice.webhook_id, notice.body)
            assert body == notice.body, "two bodies under one webhook-id"
            if not dies:
                said = Attempted(
                    notice_id=notice.notice_id, claim=claimed.state.claims, answer=answer, said=answer, at=self.tick()
                )
                await self.delivery.work.carry_out_batch([attempted_job(notice, said)])
        return len(due)


loops: list[asyncio.AbstractEventLoop] = []


def run(world: World, act: Awaitable[V]) -> V:
    """Let something happen in a world, by its clock."""
    World.now = world
    return loops[-1].run_until_complete(_as_coroutine(act))


async def _as_coroutine(act: Awaitable[V]) -> V:
    return await act
