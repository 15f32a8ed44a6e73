"""What people do at the doors of the model: families, the school, recipients. What they are answered goes into the book."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from contracts.types import Capacity, OrganizationId, PersonId, RequestId, Selection, TranscriptId, TranscriptKind
from services.chassis.decision import Decision, Refusal
from services.chassis.keys.sealing import sha256
from services.chassis.store.work import One
from services.chassis.web.problem import Refused
from services.consent.domain import ApproveForSchool, Open, Opener, Refuse, Request, Revoke, Sign, notice_in
from services.delivery.domain import Delivery
from services.delivery.domain.endpoints import Put
from services.delivery.domain.notice import REDISCLOSURE
from services.delivery.store import DELIVERIES
from services.records.domain import drafting
from services.records.domain.drafting import Import
from services.records.domain.releasing import LiftHold
from services.records.domain.sealing import Withdraw
from services.records.domain.state import Draft, HoldReason, Locked
from services.records.handlers.carrying import carry_out
from services.records.handlers.holds import HoldWish
from services.records.handlers.seals import SealWish
from services.records.store import PEOPLE
from tests.model import cast as people
from tests.model.cast import REGISTRAR, SCHOOL, STUDENT_OF, TRANSCRIPTS
from tests.model.store import Fault

if TYPE_CHECKING:
    from tests.model.world import World

NOTICE = notice_in("en").digest


class Family:
    """Students, guardians and the registrar at consent's door."""

    def __init__(self, world: "World") -> None:
        self.world = world

    async def open_request(
        self,
        student: PersonId,
        recipient: OrganizationId,
        *,
        parts: Sequence[str] = (),
        by: PersonId | None = None,
        fault: Fault | None = None,
    ) -> Request | None:
        opener = Opener(by or student, _capacity(by or student, student))
        request_id = RequestId(self.world.new("req"))

        async def act() -> Decision[Request] | Refusal:
            command = Open(
                request_id=request_id,
                opener=opener,
                transcript_id=TRANSCRIPTS[student],
                recipient_id=recipient,
                selection=Selection(parts=tuple(parts)),
                purpose=people.PURPOSE,
                at=self.world.at,
            )
            return await self.world.consent.handlers.open(command, cause=f"open:{request_id}")

        answer = await self.world.command(self.world.consent, fault, act)
        if not isinstance(answer, Decision):
            return None
        self.world.book.opened(answer.state)
        return answer.state

    async def sign(
        self,
        request_id: str,
        person: PersonId,
        *,
        step_up: str | None = None,
        shown: str | None = None,
        fault: Fault | None = None,
    ) -> Decision[Request] | Refusal | None:
        """As the page does: exactly what is shown is signed, unless `shown` says that somebody was shown other bytes."""
        cause, grant_ids = step_up or self.world.new("stp"), [self.world.new("grt"), self.world.new("grt")]
        found = await self.world.consent.questions.request(RequestId(request_id))
        digest = found.package.digest if found and found.package else sha256(b"nothing")

        async def act() -> Decision[Request] | Refusal:
            command = Sign(
                request_id=RequestId(request_id),
                person_id=person,
                shown=shown or digest,
                notice=NOTICE,
                method="totp",
                grant_id=grant_ids.pop(0),
                at=self.world.at,
            )
            return await self.world.consent.handlers.sign(command, cause=cause)

        first = grant_ids[0]
        answer = await self.world.command(self.world.consent, fault, act)
        if isinstance(answer, Decision) and answer.state.signature is not None:
            self.world.book.signed(answer.state, person, shown or digest, first, self.world.at)
        return answer

    async def approve_for_school(
        self, request_id: str, *, school: OrganizationId = SCHOOL, fault: Fault | None = None
    ) -> None:
        cause, grant_ids = self.world.new("stp"), [self.world.new("grt"), self.world.new("grt")]
        found = await self.world.consent.questions.request(RequestId(request_id))
        digest = found.package.digest if found and found.package else sha256(b"nothing")

        async def act() -> Decision[Request] | Refusal:
            command = ApproveForSchool(
                request_id=RequestId(request_id),
                person_id=REGISTRAR,
                school_id=school,
                shown=digest,
                notice=NOTICE,
                method="passkey",
                grant_id=grant_ids.pop(0),
                at=self.world.at,
            )
            return await self.world.consent.handlers.approve_for_school(command, cause=cause)

        first = grant_ids[0]
        answer = await self.world.command(self.world.consent, fault, act)
        if isinstance(answer, Decision):
            assert school == SCHOOL, "another school approved"
            self.world.book.approved_by_school(answer.state, first, self.world.at)

    async def refuse(self, request_id: str, person: PersonId, *, fault: Fault | None = None) -> None:
        school = SCHOOL if person == REGISTRAR else None
        cause = self.world.new("cmd")
        answer = await self.world.command(
            self.world.consent,
            fault,
            lambda: self.world.consent.handlers.refuse(
                Refuse(request_id=RequestId(request_id), person_id=person, school_id=school, at=self.world.at),
                cause=cause,
            ),
        )
        if isinstance(answer, Decision):
            self.world.book.refused.add(request_id)

    async def revoke(self, request_id: str, person: PersonId, *, fault: Fault | None = None) -> None:
        school = SCHOOL if person == REGISTRAR else None
        cause = self.world.new("stp")
        answer = await self.world.command(
            self.world.consent,
            fault,
            lambda: self.world.consent.handlers.revoke(
                Revoke(request_id=RequestId(request_id), person_id=person, school_id=school, at=self.world.at),
                cause=cause,
            ),
        )
        if isinstance(answer, Decision):
            self.world.book.taken_back(request_id, person, self.world.at)


class School:
    """The registrar at records' door."""

    def __init__(self, world: "World") -> None:
        self.world = world

    async def seal(self, transcript_id: TranscriptId, *, fault: Fault | None = None) -> None:
        """A new content is imported and sealed."""
        draft = self._draft(transcript_id)
        imported = await self._import(transcript_id, draft)
        if not isinstance(imported, Decision):
            return
        cause = self.world.new("stp")
        await self.world.command(
            self.world.records,
            fault,
            lambda: self.world.records.seals.seal(
                SealWish(
                    transcript_id=transcript_id,
                    school_id=SCHOOL,
                    person_id=REGISTRAR,
                    shown=draft.digest,
                    cause=cause,
                    at=self.world.at,
                )
            ),
        )

    def _draft(self, transcript_id: TranscriptId) -> Draft:
        name = self.world.new("cnt")
        lock = people.student(STUDENT_OF[transcript_id], 1).profile
        return Draft(
            digest=sha256(name.encode()),
            mark=name,
            content=Locked(f"vault/{name}", lock),
            imported_by=REGISTRAR,
            imported_at=self.world.at,
        )

    async def _import(self, transcript_id: TranscriptId, draft: Draft) -> Decision[Any] | Refusal | None:
        student = STUDENT_OF[transcript_id]
        command = Import(
            transcript_id=transcript_id,
            school_id=SCHOOL,
            student_id=student,
            kind=TranscriptKind.MASTERY_TRANSCRIPT,
            draft=draft,
            at=self.world.tick(),
        )
        return await carry_out(
            self.world.records.work,
            transcript_id,
            cause=self.world.new("cmd"),
            at=self.world.at,
            needs=(One(PEOPLE, student),),
            decide=lambda known, before: drafting.import_draft(before, command, student=known.one(PEOPLE, student)),
        )

    async def withdraw(self, transcript_id: TranscriptId, *, fault: Fault | None = None) -> None:
        cause = self.world.new("cmd")
        answer = await self.world.command(
            self.world.records,
            fault,
            lambda: self.world.records.seals.withdraw(
                Withdraw(transcript_id=transcript_id, school_id=SCHOOL, at=self.world.at), cause=cause
            ),
        )
        if isinstance(answer, Decision):
            self.world.book.withdrawn[transcript_id] = answer.state.number

    async def hold(self, transcript_id: TranscriptId, length: timedelta, *, fault: Fault | None = None) -> None:
        cause, until = self.world.new("cmd"), self.world.at + length
        answer = await self.world.command(
            self.world.records,
            fault,
            lambda: self.world.records.holds.place(
                HoldWish(
                    transcript_id=transcript_id,
                    school_id=SCHOOL,
                    person_id=REGISTRAR,
                    reason=HoldReason.FEES,
                    note=None,
                    until=until,
                    at=self.world.at,
                ),
                cause=cause,
            ),
        )
        if isinstance(answer, Decision):
            self.world.book.holds[transcript_id] = until

    async def lift(self, transcript_id: TranscriptId, *, fault: Fault | None = None) -> None:
        cause = self.world.new("cmd")
        answer = await self.world.command(
            self.world.records,
            fault,
            lambda: self.world.records.holds.lift(
                LiftHold(transcript_id=transcript_id, school_id=SCHOOL, at=self.world.at), cause=cause
            ),
        )
        if isinstance(answer, Decision):
            self.world.book.holds.pop(transcript_id, None)


class Recipients:
    """Programs of recipients at delivery's door."""

    def __init__(self, world: "World") -> None:
        self.world = world

    def deliveries(self) -> list[Delivery]:
        return [DELIVERIES.state_in(row) for row in self.world.delivery.store.rows(DELIVERIES).values()]

    async def open_delivery(
        self, delivery: Delivery, *, by: OrganizationId | None = None, notice: bool = True, fault: Fault | None = None
    ) -> bool:
        """The disclosure; whether it was made (or had been made before and still stands)."""
        caller, version = people.reader(by or delivery.recipient_id), REDISCLOSURE.version if notice else "none"

        async def act() -> bool:
            try:
                await self.world.delivery.desk.open(caller, delivery.delivery_id, version, None)
            except Refused:
                return False
            return True

        opened = bool(await self.world.command(self.world.delivery, fault, act))
        self.world.check()
        return opened

    async def fetch(
        self,
        delivery: Delivery,
        *,
        by: OrganizationId | None = None,
        meanwhile: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """The bytes. If they are handed out, it must be right at the moment when they go."""
        caller = people.reader(by or delivery.recipient_id)
        self.world.tick()
        self.world.delivery.vault.meanwhile = meanwhile
        try:
            document = await self.world.delivery.desk.package(caller, delivery.delivery_id)
        except Refused:
            return
        finally:
            self.world.delivery.vault.meanwhile = None
        self.world.check()
        assert delivery.request_id in self.world.book.disclosed, "bytes went out, and the ledger knows nothing of it"
        recipient = caller.memberships[0].organization_id
        self.world.book.may_go(delivery.request_id, recipient, document.content.decode(), self.world.at)

    async def acknowledge(self, delivery: Delivery, *, right: bool = True, fault: Fault | None = None) -> None:
        digest = delivery.package_digest if right else sha256(b"other bytes")
        caller, key = people.reader(delivery.recipient_id), self.world.new("cmd")

        async def act() -> bool:
            try:
                await self.world.delivery.desk.acknowledge(caller, delivery.delivery_id, digest, key)
            except Refused:
                return False
            return True

        await self.world.command(self.world.delivery, fault, act)

    async def put_endpoint(self, recipient: OrganizationId, *, fault: Fault | None = None) -> None:
        put, cause = people.endpoint(recipient), self.world.new("cmd")

        async def act() -> Any:
            return await self.world.delivery.handlers.put_endpoint(Put(**put, at=self.world.at), cause=cause)

        await self.world.command(self.world.delivery, fault, act)


def _capacity(person: PersonId, student: PersonId) -> Capacity:
    if person == student:
        return Capacity.STUDENT_DIRECTION
    return Capacity.REGISTRAR if person == REGISTRAR else Capacity.GUARDIAN
