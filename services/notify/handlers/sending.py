"""A due message in three beats: claimed, written and handed to the mail server, recorded.

The words and the address exist only inside the second beat. A crash between the second and the third sends the mail
again, under the same Message-ID; nothing else does.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parseaddr
from typing import Any
from urllib.parse import urlsplit

from services.chassis import clock
from services.chassis.decision import Decision
from services.chassis.duty import Duty
from services.chassis.keys.person import Erased, PersonKeys
from services.chassis.observe import telemetry
from services.chassis.store.work import Job, Known, One, Verdict
from services.notify import domain
from services.notify.domain import Ending, Message, MessageClass, Person, Status, class_of
from services.notify.gateways.letters import Letters, Names
from services.notify.gateways.mail import Envelope, nobodys, usable_address, write
from services.notify.gateways.profiles import Profile, open_profiles
from services.notify.gateways.smtp import MailServer, NotTaken, Refused
from services.notify.gateways.tickets import Ticket, write_ticket
from services.notify.store import MESSAGES, PEOPLE, Due, Questions

EVERY = 1.0
TIMEOUT = 25.0
"""Seconds for one message: its own mail takes 10 at the most; longer than that it waits behind a server that hangs."""
AT_ONCE = 32
"""Far more than there are connections: what is claimed and recorded together shares transactions."""
LINGER = 0.1
"""Seconds that a look waits for company: what news of many families asks for is claimed together."""
SOON = timedelta(seconds=10)
"""What notify has not heard of yet, another topic brings in a moment."""
LANGUAGE = "en"

HANDED_OVER = telemetry.histogram(
    "placet_mail_wait_seconds",
    "From the commit of a message to the mail server's yes.",
    buckets=(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0, 14400.0),
)
MAILS = telemetry.counter("placet_mails_total", "Attempts at messages by how they ended.", ["outcome"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What this house may send, and from whom."""

    origin: str
    sender: tuple[str, str]
    test_only: bool
    test_domains: tuple[str, ...]
    retry: timedelta

    @classmethod
    def of(
        cls, *, origin: str, sender: str, test_only: bool, test_domains: tuple[str, ...], retry: timedelta
    ) -> "Rules":
        return cls(
            origin=origin.rstrip("/"),
            sender=parseaddr(sender),
            test_only=test_only,
            test_domains=test_domains,
            retry=retry,
        )


@dataclass(frozen=True, slots=True)
class Later:
    """Only time may help: a cause, and how long to wait."""

    cause: str
    wait: timedelta


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of an attempt."""

    number: int
    outcome: Ending | Later


class Post:
    """Sends what is due."""

    def __init__(
        self, questions: Questions, keys: PersonKeys, letters: Letters, server: MailServer, rules: Rules
    ) -> None:
        self._questions = questions
        self._keys = keys
        self._letters = letters
        self._server = server
        self._rules = rules
        self._host = urlsplit(rules.origin).hostname or "placet.invalid"

    def duty(self) -> Duty[Due, Attempt]:
        return Duty(
            "notify.send",
            find_due=self._questions.due,
            begin=lambda due: claim_job(due, clock.now()),
            act=self.act,
            record=lambda due, attempt: record_job(due, attempt, clock.now()),
            failed=lambda due, _: record_job(
                due, Attempt(due.message.attempts + 1, Later("failed", self._rules.retry)), clock.now()
            ),
            every=EVERY,
            concurrency=AT_ONCE,
            timeout=TIMEOUT,
            linger=LINGER,
        )

    async def act(self, due: Due, claimed: Decision[Any]) -> Attempt:
        """The second beat. What is expected comes back as a value; anything else is tried again later."""
        message: Message = claimed.state
        outcome = await self._outcome(due, message)
        MAILS.add(outcome=str(outcome.status) if isinstance(outcome, Ending) else "later")
        return Attempt(message.attempts, outcome)

    async def _outcome(self, due: Due, message: Message) -> Ending | Later:
        person = due.person
        if person is None or not _heard_of_all(due):
            return Later("not-known-yet", min(SOON, self._rules.retry))
        unsendable = _unsendable(due, person)
        if unsendable is not None:
            return unsendable
        people = [person, due.student or person, due.opener or person]
        reader, student, opener = await open_profiles(self._keys, people)
        if reader is None or student is None:
            return Ending(status=Status.ABANDONED, cause="erased")
        if not reader.email:
            return Ending(status=Status.NO_ADDRESS)
        address = usable_address(reader.email)
        if address is None:
            return Ending(status=Status.ABANDONED, cause="address-unusable")
        if self._rules.test_only and not nobodys(address, self._rules.test_domains):
            return Ending(status=Status.HELD_BACK)
        names = Names(
            reader=reader.name,
            student=student.name if due.student else "",
            opener=opener.name if due.opener and opener else "",
        )
        try:
            mail = await self._written(due, message, reader, names, address)
        except Erased:
            return Ending(status=Status.ABANDONED, cause="erased")
        return await self._handed_over(message, address, mail)

    async def _written(self, due: Due, message: Message, reader: Profile, names: Names, address: str) -> bytes:
        kind = class_of(message.template)
        unsubscribe = None
        if kind is not MessageClass.NEEDED:
            ticket = await write_ticket(self._keys, Ticket(message.person_id, kind))
            unsubscribe = f"{self._rules.origin}/notify/unsubscribe/{ticket}"
        language = (due.preferences.language if due.preferences else None) or reader.language or LANGUAGE
        letter = self._letters.write(due, names, language, unsubscribe=unsubscribe)
        envelope = Envelope(
            message_id=f"{message.message_id}@{self._host}",
            sender=self._rules.sender,
            recipient=(reader.name, address),
            at=clock.now(),
            unsubscribe=unsubscribe,
        )
        return write(letter, envelope)

    async def _handed_over(self, message: Message, address: str, mail: bytes) -> Ending | Later:
        try:
            await self._server.send(self._rules.sender[1], address, mail)
        except NotTaken:
            return Later("not-taken", self._rules.retry)
        except Refused as why:
            return Ending(status=Status.ABANDONED, cause="refused" if why.address else "rejected", refuses=why.address)
        HANDED_OVER.record((clock.now() - message.created_at).total_seconds())
        return Ending(status=Status.SENT)


def claim_job(due: Due, at: datetime) -> Job:
    """The first beat."""
    message = due.message

    def decide(known: Known) -> Verdict:
        return domain.claim(known.one(MESSAGES, message.message_id), at=at)

    return _job(f"claim:{message.message_id}:{message.version}", at, message, decide)


def record_job(due: Due, attempt: Attempt, at: datetime) -> Job:
    """The third beat. It decides afresh: a message that has ended meanwhile stays as it is."""
    message = due.message

    def decide(known: Known) -> Verdict:
        now, person = known.one(MESSAGES, message.message_id), known.one(PEOPLE, message.person_id)
        if isinstance(attempt.outcome, Later):
            later = attempt.outcome
            return domain.postpone(now, attempt=attempt.number, cause=later.cause, wait=later.wait, at=at)
        return domain.end(now, attempt.outcome, person=person, at=at)

    return _job(f"record:{message.message_id}:{attempt.number}", at, message, decide)


def _job(cause: str, at: datetime, message: Message, decide: Any) -> Job:
    needs = [One(MESSAGES, message.message_id), One(PEOPLE, message.person_id)]
    return Job(
        cause=cause,
        at=at,
        reads=lambda _: needs,
        decide=decide,
        correlation=message.request_id or message.message_id,
        trace=message.trace,
    )


def _heard_of_all(due: Due) -> bool:
    """Whether everything that the letter speaks of has been heard of. The opener may stay unnamed."""
    message = due.message
    wanted = (
        (message.school_id, due.school),
        (message.student_id, due.student),
        (message.facts.recipient_id, due.recipient),
        (message.facts.announcement_id, due.announcement),
    )
    return all(found is not None for id_, found in wanted if id_ is not None)


def _unsendable(due: Due, person: Person) -> Ending | None:
    """What stands against sending, as far as it can be told without opening a profile."""
    kind = class_of(due.message.template)
    if not person.active:
        return Ending(status=Status.ABANDONED, cause="inactive")
    if not domain.may_be_sent(person, kind):
        return Ending(status=Status.ABANDONED, cause="not-allowed")
    if due.preferences is not None and kind in due.preferences.muted:
        return Ending(status=Status.UNWANTED)
    if person.refusing:
        return Ending(status=Status.ABANDONED, cause="suppressed")
    return None
