"""The stateful machine: people do what they may and may not, the broker and the processes do their worst, in any order."""

from collections.abc import Coroutine, Sequence
from datetime import timedelta
from typing import Any, ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from contracts.types import PersonId, RightsHolder, SchoolPolicy, Standing
from services.consent.domain import Request
from services.consent.store import REQUESTS
from services.delivery.domain import Answer, Delivery
from tests.model import cast as people
from tests.model import forger
from tests.model.broker import with_id
from tests.model.cast import OTHER_PARENT, OTHER_SCHOOL, PARENT, RECIPIENTS, REGISTRAR, SCHOOL, TRANSCRIPTS
from tests.model.quiet import settle
from tests.model.services import GRANT_KEYS
from tests.model.store import Fault
from tests.model.world import World, run

T = TypeVar("T")

ANY = st.integers(0, 7)
STUDENT = st.sampled_from(people.STUDENTS)
RECIPIENT = st.sampled_from(RECIPIENTS)
TRANSCRIPT = st.sampled_from(sorted(TRANSCRIPTS.values()))
PERSON = st.sampled_from((*people.PEOPLE, REGISTRAR))
PARTS = st.sampled_from([(), (), ("c1",), ("c1", "c2")])
FAULT = st.sampled_from([None, None, None, None, Fault.CONFLICT, Fault.BEFORE_COMMIT, Fault.AFTER_COMMIT])
SERVICE = st.integers(0, 3)
SECONDS = st.sampled_from([1, 4, 12, 31, 31, 600, 86_400, 31 * 86_400, 181 * 86_400])
MEANWHILE = st.sampled_from(["nothing", "half a minute", "the revocation is heard", "everything flows"])


def pick(of: Sequence[T], number: int) -> T:
    """One of the newest."""
    return of[-1 - number % min(len(of), 8)]


class ReleasePath(RuleBasedStateMachine):
    """One run. Every rule is one step; what must hold is asked after each."""

    begun: ClassVar[list[World]] = []
    """The world at its beginning, made once and copied."""
    steps: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        if not self.begun:
            world = World()
            run(world, world.found())
            self.begun.append(world)
        self.world = self.begun[0].copy()

    def do(self, act: Coroutine[Any, Any, T]) -> T:
        return run(self.world, act)

    def requests(self) -> list[Request]:
        rows = self.world.consent.store.rows(REQUESTS)
        return [REQUESTS.state_in(rows[one]) for one in self.world.book.requests]

    def has_requests(self) -> bool:
        return bool(self.world.book.requests)

    def has_approvals(self) -> bool:
        return bool(self.world.book.approvals)

    def deliveries(self) -> list[Delivery]:
        return self.world.recipients.deliveries()

    def has_deliveries(self) -> bool:
        return bool(self.world.recipients.deliveries())

    def signer(self, request: Request) -> PersonId:
        student = self.world.book.people["consent", request.student_id]
        return student.person_id if student.rights_holder is RightsHolder.STUDENT else student.guardians[0]

    # Families and the school at consent's door

    @rule(student=STUDENT, recipient=RECIPIENT, parts=PARTS, by=PERSON, fault=FAULT)
    def somebody_asks(self, student: Any, recipient: Any, parts: Any, by: Any, fault: Any) -> None:
        self.do(self.world.family.open_request(student, recipient, parts=parts, by=by, fault=fault))

    @rule(student=STUDENT, recipient=RECIPIENT, parts=PARTS, lie=st.sampled_from(["", "", *forger.LIES]))
    def a_request_goes_all_the_way(self, student: Any, recipient: Any, parts: Any, lie: str) -> None:
        """To its delivery, if nothing is in the way; a forger may be faster than records."""
        self.do(self._all_the_way(student, recipient, parts, lie))

    async def _all_the_way(self, student: Any, recipient: Any, parts: Any, lie: str) -> None:
        opened = await self.world.family.open_request(student, recipient, parts=parts)
        if opened is None:
            return
        await self.world.flow()
        await self.world.family.sign(opened.request_id, self.signer(opened))
        await self.world.family.approve_for_school(opened.request_id)
        if lie:
            forger.release(self.world, self.requests()[-1], lie)
        await self.world.flow()

    @precondition(has_requests)
    @rule(number=ANY, fault=FAULT)
    def whoever_may_signs(self, number: int, fault: Any) -> None:
        request = pick(self.requests(), number)
        self.do(self.world.family.sign(request.request_id, self.signer(request), fault=fault))

    @precondition(has_requests)
    @rule(number=ANY, person=PERSON, shown=st.sampled_from([None, None, people.OTHER_BYTES]), twice=st.booleans())
    def anybody_signs(self, number: int, person: Any, shown: Any, twice: bool) -> None:
        request, step_up = pick(self.requests(), number), self.world.new("stp")
        for _ in range(1 + twice):
            self.do(self.world.family.sign(request.request_id, person, step_up=step_up, shown=shown))

    @precondition(has_requests)
    @rule(number=ANY, school=st.sampled_from([SCHOOL, SCHOOL, OTHER_SCHOOL]), fault=FAULT)
    def a_registrar_approves(self, number: int, school: Any, fault: Any) -> None:
        request = pick(self.requests(), number)
        self.do(self.world.family.approve_for_school(request.request_id, school=school, fault=fault))

    @precondition(has_requests)
    @rule(number=ANY, person=PERSON, fault=FAULT)
    def somebody_refuses(self, number: int, person: Any, fault: Any) -> None:
        self.do(self.world.family.refuse(pick(self.requests(), number).request_id, person, fault=fault))

    @precondition(has_requests)
    @rule(number=ANY, person=PERSON, fault=FAULT)
    def somebody_takes_back(self, number: int, person: Any, fault: Any) -> None:
        self.do(self.world.family.revoke(pick(self.requests(), number).request_id, person, fault=fault))

    @precondition(has_approvals)
    @rule(number=ANY, seconds=SECONDS)
    def an_approval_is_taken_back_and_nobody_hears_of_it(self, number: int, seconds: int) -> None:
        request_id = pick(list(self.world.book.approvals), number)
        self.do(self.world.family.revoke(request_id, REGISTRAR))
        self.world.at += timedelta(seconds=seconds)

    # The school at records' door, and identity

    @rule(transcript=TRANSCRIPT, fault=FAULT)
    def a_new_version_is_sealed(self, transcript: Any, fault: Any) -> None:
        self.do(self.world.school.seal(transcript, fault=fault))

    @rule(transcript=TRANSCRIPT, fault=FAULT)
    def a_transcript_is_withdrawn(self, transcript: Any, fault: Any) -> None:
        self.do(self.world.school.withdraw(transcript, fault=fault))

    @rule(transcript=TRANSCRIPT, days=st.sampled_from([1, 30, 179]), fault=FAULT)
    def a_hold_is_placed(self, transcript: Any, days: int, fault: Any) -> None:
        self.do(self.world.school.hold(transcript, timedelta(days=days), fault=fault))

    @rule(transcript=TRANSCRIPT, fault=FAULT)
    def a_hold_is_lifted(self, transcript: Any, fault: Any) -> None:
        self.do(self.world.school.lift(transcript, fault=fault))

    @rule(
        student=STUDENT,
        holder=st.sampled_from(RightsHolder),
        guardians=st.sampled_from([(PARENT,), (OTHER_PARENT,), (PARENT, OTHER_PARENT)]),
    )
    def rights_change_hands(self, student: Any, holder: Any, guardians: Any) -> None:
        version = self.world.identity[student].version + 1
        self.world.tell(people.student(student, version, rights_holder=holder, guardians=guardians))

    @rule(recipient=RECIPIENT, standing=st.sampled_from([Standing.VERIFIED, Standing.SUSPENDED]))
    def a_recipient_is_judged(self, recipient: Any, standing: Standing) -> None:
        self.world.tell(people.organization(recipient, self.world.identity[recipient].version + 1, standing))

    @rule(school_approves=st.booleans())
    def the_school_changes_its_policy(self, school_approves: bool) -> None:
        policy = SchoolPolicy(school_approves=school_approves)
        self.world.tell(people.organization(SCHOOL, self.world.identity[SCHOOL].version + 1, policy=policy))

    @rule(number=st.sampled_from([0, 1]))
    def consent_signs_with_another_key(self, number: int) -> None:
        self.world.consent.key = GRANT_KEYS[number]

    # Recipients at delivery's door

    @precondition(has_deliveries)
    @rule()
    def recipients_open_and_fetch_whatever_they_can(self) -> None:
        for delivery in self.deliveries():
            self.do(self.world.recipients.open_delivery(delivery))
            self.do(self.world.recipients.fetch(delivery))

    @precondition(has_deliveries)
    @rule(number=ANY, by=RECIPIENT, notice=st.booleans(), fault=FAULT)
    def anybody_opens(self, number: int, by: Any, notice: bool, fault: Any) -> None:
        delivery = pick(self.deliveries(), number)
        self.do(self.world.recipients.open_delivery(delivery, by=by, notice=notice, fault=fault))
        self.do(self.world.recipients.fetch(delivery, by=by))

    @precondition(has_deliveries)
    @rule(number=ANY, taken_back=st.booleans(), meanwhile=MEANWHILE)
    def a_package_is_fetched_slowly(self, number: int, taken_back: bool, meanwhile: str) -> None:
        delivery = pick(self.deliveries(), number)
        self.do(self.world.recipients.open_delivery(delivery))

        async def go_on() -> None:
            if taken_back:
                await self.world.family.revoke(delivery.request_id, REGISTRAR)
            if meanwhile == "half a minute":
                self.world.at += timedelta(seconds=31)
            elif meanwhile == "the revocation is heard":
                await self.world.carry(self.world.consent)
                for place in self.world.broker.waiting("delivery"):
                    await self.world.poll(self.world.delivery, place)
            elif meanwhile == "everything flows":
                await self.world.flow()

        self.do(self.world.recipients.fetch(delivery, meanwhile=go_on))

    @precondition(has_deliveries)
    @rule(number=ANY, right=st.booleans(), fault=FAULT)
    def a_package_is_acknowledged(self, number: int, right: bool, fault: Any) -> None:
        self.do(self.world.recipients.acknowledge(pick(self.deliveries(), number), right=right, fault=fault))

    @rule(recipient=RECIPIENT, fault=FAULT)
    def an_endpoint_is_made(self, recipient: Any, fault: Any) -> None:
        self.do(self.world.recipients.put_endpoint(recipient, fault=fault))

    @rule(answer=st.sampled_from([Answer.TAKEN, Answer.TAKEN, Answer.FAILED, Answer.GONE]), dies=st.booleans())
    def recipients_are_told(self, answer: Answer, dies: bool) -> None:
        self.do(self.world.notify_recipients(answer, dies=dies))

    # The wire, the processes and time

    @rule()
    def everything_flows(self) -> None:
        self.do(self.world.flow())

    @rule(number=SERVICE, takes=st.sampled_from([None, None, 0, 1, 3]), dies=st.booleans())
    def a_relay_looks(self, number: int, takes: Any, dies: bool) -> None:
        self.do(self.world.carry(self.world.services[number], takes=takes, dies=dies))

    @rule(number=SERVICE, place=ANY, most=st.sampled_from([1, 2, 500]), fault=FAULT)
    def a_partition_is_read(self, number: int, place: int, most: int, fault: Any) -> None:
        service = self.world.services[number]
        waiting = self.world.broker.waiting(service.name)
        if waiting:
            self.do(self.world.poll(service, waiting[place % len(waiting)], most, fault=fault))

    @rule(number=SERVICE, place=ANY, back=st.sampled_from([1, 3, 500]))
    def a_partition_is_read_once_more(self, number: int, place: int, back: int) -> None:
        name = self.world.services[number].name
        read = [(where, behind) for where, behind in self.world.broker.read.get(name, {}).items() if behind]
        if read:
            where, behind = read[place % len(read)]
            self.world.broker.commit(name, where, max(0, behind - back))

    @rule(place=ANY, number=st.integers(0, 200), forget=st.booleans())
    def a_record_comes_again(self, place: int, number: int, forget: bool) -> None:
        """The same bytes at the end of the log; or under another id, as if every inbox had forgotten it."""
        logs = [log for where, log in self.world.broker.logs.items() if log and where[0] != "identity.people"]
        log = logs[(place * 3 + number) % len(logs)]
        record = log[number % len(log)]
        if (record.topic, record.partition, record.offset) in self.world.forged:
            return
        if forget and not record.topic.startswith("consent.requests"):
            return
        if forget:
            self.world.broker.append(**with_id(record, self.world.new("evt")), partition=record.partition)
        else:
            self.world.broker.again(record)

    @precondition(has_requests)
    @rule(number=ANY)
    def an_approval_is_forged(self, number: int) -> None:
        forger.approve(self.world, pick(self.requests(), number))

    @precondition(has_approvals)
    @rule(number=ANY, lie=st.sampled_from(forger.LIES))
    def a_release_is_forged(self, number: int, lie: str) -> None:
        forger.release(self.world, pick(self.requests(), number), lie)

    @rule(frozen=st.booleans())
    def the_relay_of_consent_stands_still_or_goes_on(self, frozen: bool) -> None:
        self.world.frozen = frozen

    @rule(number=SERVICE)
    def a_service_is_restarted(self, number: int) -> None:
        self.world.services[number].restart()

    @rule(dies=st.booleans())
    def packages_are_made(self, dies: bool) -> None:
        self.do(self.world.make_packages(dies=dies))

    @rule()
    def what_runs_out_runs_out(self) -> None:
        self.do(self.world.chores())

    @rule()
    def a_watermark_is_written(self) -> None:
        self.do(self.world.consent.watermark(self.world.tick()))

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: int) -> None:
        self.world.at += timedelta(seconds=seconds)

    @rule()
    def the_weather_clears(self) -> None:
        self.do(settle(self.world))

    @invariant()
    def all_of_it_holds(self) -> None:
        type(self).steps += 1
        self.world.check()
