"""The stateful machine: people do what they may and may not, the broker and the processes do their worst, in any order."""

from collections.abc import Coroutine, Sequence
from datetime import timedelta
from typing import Any, ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from contracts.topics import TOPICS
from contracts.types import OrganizationId, RightsHolder, SchoolPolicy, Standing, TranscriptId
from services.delivery.domain import Answer, Delivery
from tests.model import cast as people
from tests.model import forger, scenes
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
SHOWN = st.sampled_from([None, None, people.OTHER_BYTES])
STANDING = st.sampled_from([Standing.VERIFIED, Standing.SUSPENDED])
TOPIC = st.sampled_from([topic.name for topic in TOPICS if topic.name != "notify.messages"])
SECONDS = st.sampled_from([1, 4, 12, 31, 31, 600, 86_400, 31 * 86_400, 181 * 86_400])
MEANWHILE = st.sampled_from(["nothing", "half a minute", "the revocation is heard", "everything flows"])
SCHOOL_ACTS = st.sampled_from(["seal", "withdraw", "withdraw and seal", "hold", "hold for long", "lift"])
HOUSEKEEPING = ("freeze", "thaw", "other key", "first key", "learn late", "learn", "replay asides", "packages",
                "packages, dying", "chores", "watermark", "restart")  # fmt: skip


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

    def has_requests(self) -> bool:
        return bool(self.world.book.requests)

    def has_approvals(self) -> bool:
        return bool(self.world.book.approvals)

    def has_deliveries(self) -> bool:
        return bool(self.world.recipients.deliveries())

    def request(self, number: int) -> Any:
        return pick(scenes.requests(self.world), number)

    def delivery(self, number: int) -> Delivery:
        return pick(self.world.recipients.deliveries(), number)

    @initialize(begin=st.lists(st.sampled_from(scenes.SCENES), min_size=1, max_size=3, unique=True))
    def it_begins(self, begin: list[str]) -> None:
        for scene in begin:
            self.do(scenes.begin(self.world, scene))

    # Families and the school at consent's door

    @rule(student=STUDENT, recipient=RECIPIENT, parts=PARTS, by=PERSON, fault=FAULT)
    def somebody_asks(self, student: Any, recipient: Any, parts: Any, by: Any, fault: Any) -> None:
        self.do(self.world.family.open_request(student, recipient, parts=parts, by=by, fault=fault))

    @rule(student=STUDENT, recipient=RECIPIENT, parts=PARTS, between=st.sampled_from(scenes.BETWEEN))
    def a_request_goes_its_way(self, student: Any, recipient: Any, parts: Any, between: str) -> None:
        self.do(scenes.all_the_way(self.world, student, recipient, parts, between))

    @rule(student=STUDENT, recipient=RECIPIENT, parts=PARTS, between=st.sampled_from(scenes.BETWEEN))
    def a_request_is_helped_on_its_way_and_opened(self, student: Any, recipient: Any, parts: Any, between: str) -> None:
        self.do(scenes.mend(self.world, student, recipient))
        self.do(scenes.all_the_way(self.world, student, recipient, parts, between))
        self.do(scenes.open_all(self.world))

    @precondition(has_requests)
    @rule(number=ANY, anybody=st.one_of(st.none(), PERSON), shown=SHOWN, twice=st.booleans(), fault=FAULT)
    def somebody_signs(self, number: int, anybody: Any, shown: Any, twice: bool, fault: Any) -> None:
        request, step_up = self.request(number), self.world.new("stp")
        person = anybody or scenes.signer(self.world, request)
        for _ in range(1 + twice):
            self.do(self.world.family.sign(request.request_id, person, step_up=step_up, shown=shown, fault=fault))

    @precondition(has_requests)
    @rule(number=ANY, school=st.sampled_from([SCHOOL, SCHOOL, OTHER_SCHOOL]), fault=FAULT)
    def a_registrar_approves(self, number: int, school: OrganizationId, fault: Any) -> None:
        self.do(self.world.family.approve_for_school(self.request(number).request_id, school=school, fault=fault))

    @precondition(has_requests)
    @rule(number=ANY, person=PERSON, refuses=st.booleans(), fault=FAULT)
    def somebody_refuses_or_takes_back(self, number: int, person: Any, refuses: bool, fault: Any) -> None:
        act = self.world.family.refuse if refuses else self.world.family.revoke
        self.do(act(self.request(number).request_id, person, fault=fault))

    @precondition(has_approvals)
    @rule(number=ANY, seconds=SECONDS)
    def an_approval_is_taken_back_and_nobody_hears_of_it(self, number: int, seconds: int) -> None:
        self.do(self.world.family.revoke(pick(list(self.world.book.approvals), number), REGISTRAR))
        self.world.at += timedelta(seconds=seconds)
        self.do(scenes.open_all(self.world))

    # The school at records' door, and identity

    @rule(transcript=TRANSCRIPT, what=SCHOOL_ACTS, fault=FAULT)
    def the_school_acts(self, transcript: TranscriptId, what: str, fault: Any) -> None:
        school = self.world.school
        if what.startswith("withdraw"):
            self.do(school.withdraw(transcript, fault=fault))
        if what.endswith("seal"):
            self.do(school.seal(transcript, fault=fault))
        if what.startswith("hold"):
            self.do(school.hold(transcript, timedelta(days=179 if "long" in what else 1), fault=fault))
        if what == "lift":
            self.do(school.lift(transcript, fault=fault))

    @rule(
        student=STUDENT,
        holder=st.sampled_from(RightsHolder),
        guardians=st.sampled_from([(PARENT,), (OTHER_PARENT,), (PARENT, OTHER_PARENT)]),
        flows=st.booleans(),
    )
    def rights_change_hands(self, student: Any, holder: Any, guardians: Any, flows: bool) -> None:
        self.world.tell(scenes.student(self.world, student, holder, guardians))
        self._flow(flows)

    @rule(recipient=RECIPIENT, standing=STANDING, flows=st.booleans())
    def a_recipient_is_judged(self, recipient: Any, standing: Standing, flows: bool) -> None:
        self.world.tell(scenes.organization(self.world, recipient, standing))
        self._flow(flows)
        self.do(scenes.open_all(self.world))

    @rule(school_approves=st.booleans(), flows=st.booleans())
    def the_school_changes_its_policy(self, school_approves: bool, flows: bool) -> None:
        policy = SchoolPolicy(school_approves=school_approves)
        self.world.tell(scenes.organization(self.world, SCHOOL, Standing.VERIFIED, policy))
        self._flow(flows)

    # Recipients at delivery's door

    @precondition(has_deliveries)
    @rule(flows=st.booleans())
    def recipients_open_and_fetch_whatever_they_can(self, flows: bool) -> None:
        self._flow(flows)
        self.do(scenes.open_all(self.world))

    @precondition(has_deliveries)
    @rule(number=ANY, notice=st.booleans(), fault=FAULT)
    def a_recipient_opens(self, number: int, notice: bool, fault: Any) -> None:
        self.do(self.world.flow())
        self.do(self.world.recipients.open_delivery(self.delivery(number), notice=notice, fault=fault))
        self.do(self.world.recipients.fetch(self.delivery(number)))

    @precondition(has_deliveries)
    @rule(number=ANY, taken_back=st.booleans(), meanwhile=MEANWHILE)
    def a_package_is_fetched_slowly(self, number: int, taken_back: bool, meanwhile: str) -> None:
        self.do(self.world.flow())
        delivery = self.delivery(number)
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
        self.do(self.world.recipients.acknowledge(self.delivery(number), right=right, fault=fault))

    @rule(
        new=st.one_of(st.none(), RECIPIENT),
        answer=st.sampled_from([Answer.TAKEN, Answer.TAKEN, Answer.FAILED, Answer.GONE]),
        dies=st.booleans(),
    )
    def recipients_are_told(self, new: Any, answer: Answer, dies: bool) -> None:
        if new is not None:
            self.do(self.world.recipients.put_endpoint(new))
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

    @rule(topic=TOPIC, number=st.one_of(st.none(), ANY), forgotten=st.booleans(), flows=st.booleans())
    def records_come_again(self, topic: str, number: int | None, forgotten: bool, flows: bool) -> None:
        """One or all of a topic, byte for byte; or under other ids, as if every inbox had forgotten them."""
        records = self.world.broker.genuine(topic, self.world.forged)
        chosen = [pick(records, number)] if records and number is not None else records
        for record in chosen:
            if forgotten:
                self.world.broker.append(**with_id(record, self.world.new("evt")), partition=record.partition)
            else:
                self.world.broker.again(record)
        self._flow(flows)

    @precondition(has_requests)
    @rule(number=ANY, lie=st.sampled_from(["approval", "approval", *forger.LIES]), flows=st.booleans())
    def a_record_is_forged(self, number: int, lie: str, flows: bool) -> None:
        if lie == "approval":
            forger.approve(self.world, self.request(number))
        else:
            forger.release(self.world, self.request(number), lie)
        self._flow(flows)

    @rule(what=st.sampled_from(HOUSEKEEPING), number=SERVICE)
    def the_house_is_kept(self, what: str, number: int) -> None:
        world = self.world
        if what in {"freeze", "thaw"}:
            world.frozen = what == "freeze"
        elif what.endswith("key"):
            world.consent.key = GRANT_KEYS[what == "other key"]
        elif what.startswith("learn"):
            world.records.knows_new_key = what == "learn"
        elif what == "replay asides":
            self.do(world.replay_asides())
        elif what.startswith("packages"):
            self.do(world.make_packages(dies="dying" in what))
        elif what == "chores":
            self.do(world.chores())
        elif what == "watermark":
            self.do(world.consent.watermark(world.tick()))
        elif what == "restart":
            world.services[number].restart()

    @rule(seconds=SECONDS, opens=st.booleans())
    def time_passes(self, seconds: int, opens: bool) -> None:
        self.world.at += timedelta(seconds=seconds)
        if opens:
            self.do(self.world.flow())
            self.do(scenes.open_all(self.world))

    @rule()
    def the_weather_clears(self) -> None:
        self.do(settle(self.world))

    @invariant()
    def all_of_it_holds(self) -> None:
        type(self).steps += 1
        self.world.check()

    def _flow(self, flows: bool) -> None:
        """`flows`: everybody hears of it before anything else happens."""
        if flows:
            self.do(self.world.flow())
