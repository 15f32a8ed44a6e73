"""What delivery hears: one function per event. Each says which state it is about and which decision is asked for.

Rules for order: topics have none in common. A revocation heard before its release is kept, and the release then makes a
cancelled delivery; a recipient not heard of yet is asked for again at every opening. An approval alone moves nothing here.
A watermark speaks for every record before it, also for those that could not be read: see `Watermarks`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from joserfc.jwk import KeySet

from contracts.consent.v1 import ConsentExpired, ConsentRevoked, WatermarkPassed
from contracts.envelope import Message
from contracts.grant import Grant, GrantInvalid, GrantNotYet, verify
from contracts.identity.v1 import OrganizationRecorded, PersonRecorded
from contracts.records.v1 import TranscriptReleased
from contracts.types import DeliveryId, PersonKind, RequestId
from services.chassis import clock, ids
from services.chassis.decision import Decision
from services.chassis.kafka.hearing import Answer, Hearing, Unwanted
from services.chassis.observe import telemetry
from services.chassis.observe.census import Numbers
from services.chassis.observe.log import logger
from services.chassis.store.work import Job, Known, Many, Need, One, Verdict
from services.delivery import domain
from services.delivery.domain import Cancel, Endpoint, Notice, Receive
from services.delivery.store import (
    DELIVERIES,
    ENDPOINTS,
    EPOCH,
    NOTICES,
    ORGANIZATIONS,
    READERS,
    REVOCATIONS,
    STUDENTS,
    WATERMARKS,
    Questions,
)

BREATH = 32
"""Releases between two pauses for other tasks: some ten milliseconds of verifying, while webhooks wait to be sent."""
LONGEST_WAIT = timedelta(hours=1)
"""So far ahead a grant may be dated and is still waited for. One of a later day is no clock that runs ahead a little."""
UNREAD = telemetry.gauge(
    "placet_unread_consent_records", "Consent's records set aside here: what they are about is not disclosed."
)
WATERMARK_AGE = telemetry.gauge(
    "placet_watermark_age_seconds",
    "Age of the oldest of the watermarks that are believed: above 20 nothing is disclosed. Since 1970 before the first.",
)
MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
AVAILABLE = telemetry.histogram(
    "placet_approval_to_available_seconds",
    "From the last approval of a request until its recipient may open it; a school's hold is part of it.",
    buckets=(1, 2.5, 5, 10, 30, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 4 * HOUR, DAY, 7 * DAY),
)
"""Grants are signed in whole seconds, so nothing is finer than one."""
Verify = Callable[[str, datetime], Grant]
"""Reads a grant that consent signed for delivery, in force at that time. Raises `GrantInvalid`."""


def verifier(keys: Callable[[], KeySet]) -> Verify:
    """With consent's public keys, from configuration, as they are at each call."""
    return lambda token, now: verify(token, keys(), audience="delivery", now=now)


class Teller(Protocol):
    """Tells recipients, in this very process."""

    def has_room(self) -> bool:
        """Whether it can begin with something new within a moment."""

    def take(self, notices: Sequence[Notice], endpoints: Sequence[Endpoint]) -> None:
        """Begin with notices that were born claimed and are committed."""


def hearing(verify_grant: Verify, questions: Questions, *, origin: str, teller: Teller | None = None) -> Hearing:
    """Everything delivery hears. `origin` is the address under which recipients reach the house."""
    hears = Hearing()
    hears.on(OrganizationRecorded, organization_recorded)
    hears.on(PersonRecorded, person_recorded)
    hears.on(ConsentRevoked, consent_revoked)
    hears.on(ConsentExpired, consent_expired)
    hears.on(WatermarkPassed, Watermarks(questions), barrier=True)

    @hears(TranscriptReleased)
    async def transcript_released(messages: Sequence[Message[TranscriptReleased]]) -> Sequence[Answer]:
        answers: list[Answer] = []
        for number, message in enumerate(messages, start=1):
            answers.append(_released(message, verify_grant, origin, teller))
            if number % BREATH == 0:
                await asyncio.sleep(0)
        return answers

    return hears


def delivery_id_for(jti: str) -> DeliveryId:
    """One grant, one delivery: its id is drawn from the grant's."""
    return DeliveryId(ids.derived("dlv", jti))


def _released(
    message: Message[TranscriptReleased], verify_grant: Verify, origin: str, teller: Teller | None
) -> Job | Unwanted:
    """The grant is verified here again, on our own, and must allow just this release."""
    release, at = message.event, clock.now()
    try:
        # In force when it was said; one that has run out since is decided with the rest, and told to the family.
        grant = _begun(release.grant, verify_grant, message.at, at)
    except GrantNotYet as why:
        return Unwanted(str(why), again_at=why.at if why.at - at <= LONGEST_WAIT else None)
    except GrantInvalid as why:
        return Unwanted(str(why))
    wrong = domain.mismatch(release, grant)
    if wrong is not None:
        return Unwanted(f"the release is not what its grant allows: {wrong} differs")
    delivery_id = delivery_id_for(grant.jti)
    command = Receive(
        delivery_id=delivery_id,
        release=release,
        grant=grant,
        expires_at=datetime.fromtimestamp(grant.exp, UTC),
        link=f"{origin.rstrip('/')}/delivery/deliveries/{delivery_id}",
        trace=message.trace,
        claimed=teller is not None and teller.has_room(),
        at=at,
    )
    endpoints: tuple[Endpoint, ...] = ()

    def decide(known: Known) -> Verdict:
        nonlocal endpoints
        endpoints = known.many(ENDPOINTS, "recipient_id", release.recipient_id)
        return domain.receive(
            command,
            already=known.one(DELIVERIES, delivery_id),
            siblings=known.many(DELIVERIES, "request_id", release.request_id),
            revocation=known.one(REVOCATIONS, release.request_id),
            recipient=known.one(ORGANIZATIONS, release.recipient_id),
            endpoints=endpoints,
        )

    def told(verdict: Verdict | Sequence[Verdict]) -> None:
        if not isinstance(verdict, Decision):
            return
        if verdict.events and verdict.state.status is domain.Status.AVAILABLE:
            AVAILABLE.record(max(0.0, clock.now().timestamp() - grant.iat), trace=message.trace)
        if teller is not None and command.claimed:
            teller.take([one for one in verdict.also if isinstance(one, Notice)], endpoints)

    job = _job(
        message,
        decide,
        One(DELIVERIES, delivery_id),
        Many(DELIVERIES, "request_id", release.request_id),
        One(REVOCATIONS, release.request_id),
        One(ORGANIZATIONS, release.recipient_id),
        Many(ENDPOINTS, "recipient_id", release.recipient_id),
    )
    return replace(job, after=told)


def _begun(token: str, verify_grant: Verify, said: datetime, now: datetime) -> Grant:
    """The grant. One that consent's clock dated ahead of records' is waited for, then good from its beginning on."""
    try:
        return verify_grant(token, said)
    except GrantNotYet as early:
        if early.at > now:
            raise
        return verify_grant(token, early.at)


async def consent_revoked(messages: Sequence[Message[ConsentRevoked]]) -> Sequence[Answer]:
    return [_ended(message, message.event.request_id, "revoked") for message in messages]


async def consent_expired(messages: Sequence[Message[ConsentExpired]]) -> Sequence[Answer]:
    return [_ended(message, message.event.request_id, "expired") for message in messages]


def _ended(message: Message[Any], request_id: RequestId, cause: str) -> Job:
    command = Cancel(request_id=request_id, cause=cause, at=clock.now())

    def reads(known: Known) -> Iterable[Need]:
        yield One(REVOCATIONS, request_id)
        yield Many(DELIVERIES, "request_id", request_id)
        for delivery in known.many(DELIVERIES, "request_id", request_id):
            yield Many(NOTICES, "delivery_id", delivery.delivery_id)
            yield Many(ENDPOINTS, "recipient_id", delivery.recipient_id)

    def decide(known: Known) -> Sequence[Verdict]:
        deliveries = known.many(DELIVERIES, "request_id", request_id)
        return domain.cancel(
            command,
            known=known.one(REVOCATIONS, request_id),
            deliveries=deliveries,
            notices=[n for one in deliveries for n in known.many(NOTICES, "delivery_id", one.delivery_id)],
            endpoints=[e for one in deliveries for e in known.many(ENDPOINTS, "recipient_id", one.recipient_id)],
        )

    return Job(cause=message.id, at=command.at, reads=reads, decide=decide, correlation=message.correlation)


class Watermarks:
    """Hears watermarks, when every record of the poll before them was handled or lies aside.

    What lies aside is looked up once for all of them. It may be read outside of the transaction: a record before a
    watermark lies there already, and one that is handled meanwhile is only doubted until the next.
    """

    def __init__(self, questions: Questions) -> None:
        self._questions = questions
        self._told = 0

    async def __call__(self, messages: Sequence[Message[WatermarkPassed]]) -> Sequence[Answer]:
        unread = await self._questions.unread()
        self._tell(sum(len(records) for records in unread.values()))
        return [_watermark(message, unread.get(str(message.event.partition), ())) for message in messages]

    def _tell(self, count: int) -> None:
        UNREAD.set(count)
        if count > self._told:
            logger().error("consent's records can't be read: what they are about is not disclosed", count=count)
        elif self._told and not count:
            logger().info("consent's records are all read again")
        self._told = count


def _watermark(message: Message[WatermarkPassed], unread: Sequence[RequestId | None]) -> Job:
    partition, now = str(message.event.partition), clock.now()

    def decide(known: Known) -> Verdict:
        return domain.pass_watermark(
            known.one(WATERMARKS, partition), partition=partition, at=message.event.at, now=now, unread=unread
        )

    return _job(message, decide, One(WATERMARKS, partition))


def age_of_watermarks(questions: Questions) -> Callable[[], Awaitable[Numbers]]:
    """For the census: how old the knowledge of revocations is on which a disclosure would rest now."""

    async def age() -> Numbers:
        # Before the first of each partition it is told as since 1970: a number that is not told alarms nobody.
        oldest = await questions.oldest_watermark() or EPOCH
        return {(): (clock.now() - oldest).total_seconds()}

    return age


async def organization_recorded(messages: Sequence[Message[OrganizationRecorded]]) -> Sequence[Answer]:
    return [_organization(message) for message in messages]


def _organization(message: Message[OrganizationRecorded]) -> Job:
    event = message.event

    def decide(known: Known) -> Verdict:
        return domain.know_organization(known.one(ORGANIZATIONS, event.organization_id), event)

    return _job(message, decide, One(ORGANIZATIONS, event.organization_id))


async def person_recorded(messages: Sequence[Message[PersonRecorded]]) -> Sequence[Answer]:
    return [_person(message) for message in messages]


def _person(message: Message[PersonRecorded]) -> Job | None:
    """Only students are of interest, with who may read for them, and readers. Who was one and left is still known."""
    event = message.event
    kinds = {one.kind for one in event.memberships}
    # A student who leaves loses the place and keeps the rights; a reader whose account ends keeps the place.
    student, reader = event.rights_holder is not None or PersonKind.STUDENT in kinds, PersonKind.READER in kinds
    if not student and not reader:
        return None

    def decide(known: Known) -> Sequence[Verdict]:
        return [
            *([domain.know_student(known.one(STUDENTS, event.person_id), event)] if student else []),
            *([domain.know_reader(known.one(READERS, event.person_id), event)] if reader else []),
        ]

    return _job(message, decide, One(STUDENTS, event.person_id), One(READERS, event.person_id))


def _job(message: Message[Any], decide: Callable[[Known], Verdict | Sequence[Verdict]], *needs: Need) -> Job:
    def reads(_: Known) -> Iterable[Need]:
        return needs

    return Job(cause=message.id, at=clock.now(), reads=reads, decide=decide, correlation=message.correlation)
