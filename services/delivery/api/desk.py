"""Where a caller's wish becomes a command: whose delivery, endpoint or ledger it is. API and pages share it."""

from collections.abc import AsyncIterator, Sequence

from contracts.problem import Fault, Reason
from contracts.types import DeliveryId, EndpointId, OrganizationId, PersonId, PersonKind, RightsHolder
from services.chassis import clock, ids
from services.chassis.decision import Decision, Refusal
from services.chassis.web.auth import Caller
from services.chassis.web.problem import Refused, refused
from services.delivery import domain
from services.delivery.domain import (
    Acknowledge,
    Break,
    Chain,
    Delivery,
    Endpoint,
    LedgerRow,
    Notice,
    Open,
    Ping,
    Put,
    Remove,
    Replay,
    Rotate,
    Status,
    Student,
)
from services.delivery.domain.notice import REDISCLOSURE
from services.delivery.gateways.addresses import check_url
from services.delivery.gateways.packages import Document, Packages, member
from services.delivery.gateways.signing import EndpointSecrets
from services.delivery.handlers import Handlers
from services.delivery.store import PAGE, Questions

NO_LEDGER = Refusal(Reason.NOT_FOUND, "there is no such record of disclosures")
VERIFIED_AT_ONCE = 500
"""Rows of a chain that are held in memory while it is verified."""


class Desk:
    """What the routes work with. `local` opens loopback to endpoints; `ports` are those an endpoint may listen on."""

    def __init__(
        self,
        handlers: Handlers,
        questions: Questions,
        packages: Packages,
        secrets: EndpointSecrets,
        *,
        local: bool,
        ports: Sequence[int],
    ) -> None:
        self.handlers = handlers
        self.questions = questions
        self._packages = packages
        self._secrets = secrets
        self._local = local
        self._ports = tuple(ports)

    async def recipients_of(self, caller: Caller) -> tuple[OrganizationId, ...]:
        """The organizations for which the caller may receive: as its program, or as a reader whose account stands."""
        named = caller.organizations(PersonKind.READER)
        if caller.person_id is None or not named:
            return named
        reader = await self.questions.reader(caller.person_id)
        return domain.receives_for(named, reader, await self.questions.organizations(named))

    async def own_recipient(self, caller: Caller, recipient_id: OrganizationId | None) -> OrganizationId:
        """The one meant: named, or the only one. Naming a stranger's is the same as naming none that exists."""
        own = await self.recipients_of(caller)
        if recipient_id is not None:
            if recipient_id not in own:
                raise Refused(domain.NO_SUCH_ENDPOINT)
            return recipient_id
        if len(own) > 1:
            raise refused(Reason.INVALID, "you belong to several organizations: say which one in recipient_id")
        if not own:
            raise Refused(domain.NO_SUCH_ENDPOINT)
        return own[0]

    async def look(self, caller: Caller, delivery_id: DeliveryId) -> Delivery:
        """The caller's own delivery; a stranger's and a missing one get the same answer."""
        found = await self.questions.delivery(delivery_id)
        if found is None or found.recipient_id not in await self.recipients_of(caller):
            raise Refused(domain.NO_SUCH_DELIVERY)
        return found

    async def open(
        self, caller: Caller, delivery_id: DeliveryId, notice_version: str, command_id: str | None
    ) -> Delivery:
        """The disclosure. What took too long is not answered with it: asked again, it is judged afresh."""
        begun = clock.seconds()
        command = Open(
            delivery_id=delivery_id,
            recipient_ids=await self.recipients_of(caller),
            opened_by=caller.id,
            notice_version=notice_version,
            current_notice=REDISCLOSURE.version,
            at=clock.now(),
        )
        verdict = await self.handlers.open(command, cause=_cause(caller, command_id))
        if isinstance(verdict, Refusal):
            raise Refused(verdict)
        if clock.seconds() - begun > domain.LONGEST_ANSWER.total_seconds():
            raise Refused(domain.NOT_NOW)
        return verdict.state

    async def package(self, caller: Caller, delivery_id: DeliveryId) -> Document:
        """The exact bytes. Whose they are is asked before the work; whether they may go, when they are ready to go."""
        found = await self.look(caller, delivery_id)
        if not found.disclosed or found.status is Status.CANCELLED:
            found = await self._may_fetch(caller, delivery_id)  # which says why not
        fetched = await self._packages.fetch(found)
        if isinstance(fetched, Refusal):
            raise Refused(fetched)
        await self._may_fetch(caller, delivery_id)
        return fetched

    async def member(self, caller: Caller, delivery_id: DeliveryId, name: str) -> Document:
        """One file of the package."""
        found = member(await self.package(caller, delivery_id), name)
        if isinstance(found, Refusal):
            raise Refused(found)
        return found

    async def acknowledge(
        self, caller: Caller, delivery_id: DeliveryId, digest: str, command_id: str | None
    ) -> Delivery:
        command = Acknowledge(
            delivery_id=delivery_id, recipient_ids=await self.recipients_of(caller), digest=digest, at=clock.now()
        )
        verdict = await self.handlers.acknowledge(command, cause=_cause(caller, command_id))
        if isinstance(verdict, Refusal):
            raise Refused(verdict)
        return verdict.state

    async def replay(self, caller: Caller, delivery_id: DeliveryId, command_id: str | None) -> Delivery:
        await self.look(caller, delivery_id)
        command = Replay(delivery_id=delivery_id, recipient_ids=await self.recipients_of(caller), at=clock.now())
        verdict = await self.handlers.replay(command, cause=_cause(caller, command_id))
        if isinstance(verdict, Refusal):
            raise Refused(verdict)
        return verdict.state

    async def endpoint(self, caller: Caller, name: str, recipient_id: OrganizationId | None = None) -> Endpoint:
        recipients = (await self.own_recipient(caller, recipient_id),)
        found = await self.questions.endpoint(endpoint_id_for(recipients[0], name), recipients)
        if found is None:
            raise Refused(domain.NO_SUCH_ENDPOINT)
        return found

    async def put_endpoint(
        self, caller: Caller, name: str, *, url: str, description: str, recipient_id: OrganizationId | None
    ) -> tuple[Endpoint, str | None]:
        """The endpoint, and its secret in clear when this call made it: it is never shown again."""
        own = await self.own_recipient(caller, recipient_id)
        fault = check_url(url, local=self._local, ports=self._ports)
        if fault is not None:
            raise refused(
                Reason.INVALID, f"this address can't be called: {fault}", faults=[Fault(where="url", reason=fault)]
            )
        endpoint_id = endpoint_id_for(own, name)
        drawn = self._secrets.draw(endpoint_id)
        command = Put(
            endpoint_id=endpoint_id,
            recipient_id=own,
            name=name,
            url=url,
            description=description,
            sealed_secret=drawn.sealed,
            at=clock.now(),
        )
        made = _made(await self.handlers.put_endpoint(command, cause=ids.new("cmd")))
        is_new = any(one.sealed == drawn.sealed for one in made.secrets)
        return made, drawn.spelled if is_new else None

    async def remove_endpoint(self, caller: Caller, name: str, recipient_id: OrganizationId | None = None) -> None:
        found = await self.endpoint(caller, name, recipient_id)
        command = Remove(endpoint_id=found.endpoint_id, at=clock.now())
        _made(await self.handlers.remove_endpoint(command, cause=ids.new("cmd")))

    async def rotate_endpoint(
        self, caller: Caller, name: str, recipient_id: OrganizationId | None = None
    ) -> tuple[Endpoint, str]:
        """The endpoint with a new secret, shown once."""
        found = await self.endpoint(caller, name, recipient_id)
        drawn = self._secrets.draw(found.endpoint_id)
        command = Rotate(endpoint_id=found.endpoint_id, sealed_secret=drawn.sealed, at=clock.now())
        return _made(await self.handlers.rotate_endpoint(command, cause=ids.new("cmd"))), drawn.spelled

    async def ping_endpoint(self, caller: Caller, name: str, recipient_id: OrganizationId | None = None) -> Notice:
        found = await self.endpoint(caller, name, recipient_id)
        command = Ping(endpoint_id=found.endpoint_id, webhook_id=ids.new("msg"), at=clock.now())
        verdict = await self.handlers.ping_endpoint(command, cause=ids.new("cmd"))
        if isinstance(verdict, Refusal):
            raise Refused(verdict)
        return verdict.state

    async def school_of(self, caller: Caller, school_id: OrganizationId) -> OrganizationId:
        """The school, if the caller is its registrar."""
        if not caller.belongs(PersonKind.REGISTRAR, school_id):
            raise Refused(NO_LEDGER)
        return school_id

    async def rows_about(self, caller: Caller, student_id: PersonId) -> AsyncIterator[LedgerRow]:
        """A student's rows that the caller may read: the family all of them, a registrar those of the own school."""
        student = await self.questions.student(student_id)
        schools = caller.organizations(PersonKind.REGISTRAR)
        family = student is not None and may_read(student, caller)
        if student is None or not (family or set(schools) & set(student.school_ids)):
            raise Refused(NO_LEDGER)
        return self._rows_about(student_id, None if family else schools)

    async def _rows_about(
        self, student_id: PersonId, schools: Sequence[OrganizationId] | None
    ) -> AsyncIterator[LedgerRow]:
        page = 0
        while rows := await self.questions.rows_of(student_id, page=page):
            for row in rows:
                if schools is None or row.school_id in schools:
                    yield row
            page += 1
            if len(rows) < PAGE:
                return

    async def rows_at(self, school_id: OrganizationId) -> AsyncIterator[LedgerRow]:
        """A school's whole chain, in order."""
        after = 0
        while rows := await self.questions.rows_at(school_id, after=after, limit=VERIFIED_AT_ONCE):
            for row in rows:
                yield row
            after = rows[-1].number

    async def verify(self, school_id: OrganizationId) -> tuple[int, Break | None]:
        """How many rows of a school's chain were verified, and the first break. The head must be its last row."""
        head = await self.questions.chain(school_id)
        at: Chain | None = None
        while rows := await self.questions.rows_at(school_id, after=at.number if at else 0, limit=VERIFIED_AT_ONCE):
            broken = domain.verify_chain(rows, after=at)
            if broken is not None:
                return broken.number - 1, broken
            at = Chain(school_id=school_id, number=rows[-1].number, hash=rows[-1].hash)
        count = at.number if at else 0
        # Rows written while we read stand behind the head that was read first: they are no break.
        if head is not None and (at is None or at.number < head.number):
            return count, Break(head.number, f"row {head.number} is missing")
        return count, None

    async def verified(self, rows: Sequence[LedgerRow]) -> set[str]:
        """Ids of those rows whose hash holds, and that follow the row before them."""
        before = await self.questions.rows_before(rows)
        good: set[str] = set()
        for row in rows:
            previous = before.get(f"{row.school_id}:{row.number - 1}")
            after = Chain(school_id=row.school_id, number=previous.number, hash=previous.hash) if previous else None
            if domain.verify_chain([row], after=after) is None:
                good.add(row.row_id)
        return good

    async def students(self, caller: Caller) -> list[Student]:
        """The students whose disclosures the caller may read as family: oneself, and one's wards."""
        if caller.person_id is None:
            return []
        own = await self.questions.student(caller.person_id)
        wards = await self.questions.students_of(caller.person_id)
        return [one for one in ([own] if own else []) + wards if may_read(one, caller)]

    async def _may_fetch(self, caller: Caller, delivery_id: DeliveryId) -> Delivery:
        recipients = await self.recipients_of(caller)
        delivery, around = await self.questions.standing_of(delivery_id)
        verdict = domain.may_fetch(delivery, recipients, around=around, at=clock.now())
        if isinstance(verdict, Refusal):
            raise Refused(verdict)
        return verdict


def endpoint_id_for(recipient_id: OrganizationId, name: str) -> EndpointId:
    """An endpoint's name is the recipient's own: two recipients may use the same, and neither learns of the other's."""
    return EndpointId(ids.derived("end", recipient_id, name))


def may_read(student: Student, caller: Caller) -> bool:
    """The student, and guardians while they hold the rights in the record (34 CFR 99.5)."""
    if caller.person_id == student.person_id:
        return True
    return student.rights_holder is RightsHolder.GUARDIAN and caller.person_id in student.guardians


def _cause(caller: Caller, command_id: str | None) -> str:
    return f"{caller.id}:{command_id}" if command_id else ids.new("cmd")


def _made(verdict: Decision[Endpoint] | Refusal) -> Endpoint:
    if isinstance(verdict, Refusal):
        raise Refused(verdict)
    return verdict.state
