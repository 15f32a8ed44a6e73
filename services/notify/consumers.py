"""What notify hears: one function per event. Each reduces an event to news, and asks who is to be told.

Rule for order: topics have none in common. People, organizations and holds each stand on their own version. News of a
request that is heard before its opening is kept with the request and told once the opening is known. A message whose
names are not known yet when it is due waits for them.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from contracts.consent.v1 import (
    ConsentApproved,
    ConsentExpired,
    ConsentInvalidated,
    ConsentOpened,
    ConsentReaddressed,
    ConsentRefused,
    ConsentRevoked,
    ConsentSigned,
)
from contracts.delivery.v1 import DeliveryAbandoned, DeliveryCancelled, TranscriptAcknowledged, TranscriptDelivered
from contracts.envelope import Message
from contracts.identity.v1 import OrganizationRecorded, PersonRecorded, RightsTransferred
from contracts.records.v1 import HoldPlaced, ReleaseWithheld
from contracts.types import MessageId, PersonId
from services.chassis import clock, ids
from services.chassis.kafka.hearing import Answer, Hearing
from services.chassis.store.work import Job, Known, Many, Need, One, Verdict
from services.notify import domain
from services.notify.domain import News, Occasion, RequestView, Template
from services.notify.store import HOLDS, MESSAGES, ORGANIZATIONS, PEOPLE, REQUESTS

LINGER = 0.25
"""Seconds. A mail has ten; so news of many families share a transaction."""
hears = Hearing(linger=LINGER)


@lru_cache(maxsize=4_096)  # asked for each message when it is read for, looked up and decided
def message_id_for(event_id: str, person_id: PersonId, template: Template) -> MessageId:
    """One event, one person, one template: one message, however often the event is heard."""
    return MessageId(ids.derived("msg", event_id, person_id, template))


@hears(PersonRecorded)
async def person_recorded(messages: Sequence[Message[PersonRecorded]]) -> Sequence[Answer]:
    return [_person(message) for message in messages]


def _person(message: Message[PersonRecorded]) -> Job:
    event = message.event

    def decide(known: Known) -> Verdict:
        return domain.know_person(known.one(PEOPLE, event.person_id), event)

    return _job(message, clock.now(), decide, One(PEOPLE, event.person_id))


@hears(RightsTransferred)
async def rights_transferred(messages: Sequence[Message[RightsTransferred]]) -> Sequence[Answer]:
    return [_rights(message) for message in messages]


def _rights(message: Message[RightsTransferred]) -> Job:
    event, at = message.event, clock.now()

    def concerned(known: Known) -> tuple[PersonId, ...]:
        student = known.one(PEOPLE, event.person_id)
        return tuple(dict.fromkeys([event.person_id, *(student.guardians if student else ())]))

    def reads(known: Known) -> Iterable[Need]:
        yield One(PEOPLE, event.person_id)
        for person_id in concerned(known):
            yield One(MESSAGES, message_id_for(message.id, person_id, Template.RIGHTS_PASSED))

    def decide(known: Known) -> Sequence[Verdict]:
        return [
            domain.tell_rights_passed(
                known.one(MESSAGES, message_id := message_id_for(message.id, person_id, Template.RIGHTS_PASSED)),
                person_id,
                event.person_id,
                event.school_id,
                message_id=message_id,
                happened_at=message.at,
                at=at,
            )
            for person_id in concerned(known)
        ]

    return Job(cause=message.id, at=at, reads=reads, decide=decide, trace=message.trace)


@hears(OrganizationRecorded)
async def organization_recorded(messages: Sequence[Message[OrganizationRecorded]]) -> Sequence[Answer]:
    return [_organization(message) for message in messages]


def _organization(message: Message[OrganizationRecorded]) -> Job:
    event = message.event

    def decide(known: Known) -> Verdict:
        return domain.know_organization(known.one(ORGANIZATIONS, event.organization_id), event)

    return _job(message, clock.now(), decide, One(ORGANIZATIONS, event.organization_id))


@hears(HoldPlaced)
async def hold_placed(messages: Sequence[Message[HoldPlaced]]) -> Sequence[Answer]:
    return [_hold(message) for message in messages]


def _hold(message: Message[HoldPlaced]) -> Job:
    event = message.event

    def decide(known: Known) -> Verdict:
        return domain.know_hold(known.one(HOLDS, event.transcript_id), event)

    return _job(message, clock.now(), decide, One(HOLDS, event.transcript_id))


@hears(ConsentOpened)
async def consent_opened(messages: Sequence[Message[ConsentOpened]]) -> Sequence[Answer]:
    return [_opened(message) for message in messages]


def _opened(message: Message[ConsentOpened]) -> Job:
    event, at = message.event, clock.now()
    opening = Occasion(event_id=message.id, news=News.OPENED, at=message.at, trace=message.trace)

    def early(known: Known) -> tuple[Occasion, ...]:
        view = known.one(REQUESTS, event.request_id)
        return view.early if view is not None else ()

    def candidates(known: Known) -> list[MessageId]:
        people = {event.student_id, event.opened_by, *event.signers}
        people |= {one for occasion in early(known) for one in occasion.signers or ()}
        people |= {one.person_id for one in known.many(PEOPLE, "registrar_of", event.school_id)}
        return [
            message_id_for(occasion.event_id, person_id, row.template)
            for occasion in (opening, *early(known))
            for row in domain.TABLE[occasion.news]
            for person_id in sorted(people)
        ]

    def reads(known: Known) -> Iterable[Need]:
        yield One(REQUESTS, event.request_id)
        if any(domain.needs_registrars(one.news) for one in early(known)):
            yield Many(PEOPLE, "registrar_of", event.school_id)
        yield from (One(MESSAGES, one) for one in candidates(known))

    def decide(known: Known) -> Verdict:
        return domain.know_request(
            known.one(REQUESTS, event.request_id),
            event,
            event_id=message.id,
            happened_at=message.at,
            trace=message.trace,
            registrars=domain.registrars_of(event.school_id, known.many(PEOPLE, "registrar_of", event.school_id)),
            messages=[one for one in candidates(known) if known.one(MESSAGES, one) is not None],
            name=message_id_for,
            at=at,
        )

    return Job(cause=message.id, at=at, reads=reads, decide=decide, correlation=event.request_id, trace=message.trace)


@hears(ConsentReaddressed)
async def consent_readdressed(messages: Sequence[Message[ConsentReaddressed]]) -> Sequence[Answer]:
    return [_news(one, News.READDRESSED, signers=one.event.signers) for one in messages]


@hears(ConsentSigned)
async def consent_signed(messages: Sequence[Message[ConsentSigned]]) -> Sequence[Answer]:
    return [_news(one, News.SIGNED) for one in messages]


@hears(ConsentApproved)
async def consent_approved(messages: Sequence[Message[ConsentApproved]]) -> Sequence[Answer]:
    return [
        _news(one, News.APPROVED, valid_until=one.event.valid_until, basis=one.event.basis.code) for one in messages
    ]


@hears(ConsentRefused)
async def consent_refused(messages: Sequence[Message[ConsentRefused]]) -> Sequence[Answer]:
    return [_news(one, News.REFUSED, acted_as=one.event.refused_as) for one in messages]


@hears(ConsentRevoked)
async def consent_revoked(messages: Sequence[Message[ConsentRevoked]]) -> Sequence[Answer]:
    return [_news(one, News.REVOKED, at=one.event.revoked_at, acted_as=one.event.revoked_as) for one in messages]


@hears(ConsentExpired)
async def consent_expired(messages: Sequence[Message[ConsentExpired]]) -> Sequence[Answer]:
    return [_news(one, News.EXPIRED) for one in messages]


@hears(ConsentInvalidated)
async def consent_invalidated(messages: Sequence[Message[ConsentInvalidated]]) -> Sequence[Answer]:
    return [_news(one, News.INVALIDATED, cause=one.event.cause) for one in messages]


@hears(ReleaseWithheld)
async def release_withheld(messages: Sequence[Message[ReleaseWithheld]]) -> Sequence[Answer]:
    """A hold, or a withdrawal after the approval. Of a revocation or an expiry consent itself has told."""
    told = {"hold": News.HELD, "withdrawn": News.WITHDRAWN}
    return [_news(one, told[one.event.cause]) if one.event.cause in told else None for one in messages]


@hears(TranscriptDelivered)
async def transcript_delivered(messages: Sequence[Message[TranscriptDelivered]]) -> Sequence[Answer]:
    return [
        _news(
            one,
            News.DELIVERED,
            at=one.event.delivered_at,
            basis=one.event.basis,
            ledger_row=one.event.ledger_row,
        )
        for one in messages
    ]


@hears(TranscriptAcknowledged)
async def transcript_acknowledged(messages: Sequence[Message[TranscriptAcknowledged]]) -> Sequence[Answer]:
    """Good news stands on the page; a digest that differs needs somebody who looks into it."""
    return [None if one.event.matches else _news(one, News.MISMATCH, at=one.event.acknowledged_at) for one in messages]


@hears(DeliveryAbandoned)
async def delivery_abandoned(messages: Sequence[Message[DeliveryAbandoned]]) -> Sequence[Answer]:
    return [_news(one, News.UNREACHABLE, cause=one.event.cause) for one in messages]


@hears(DeliveryCancelled)
async def delivery_cancelled(messages: Sequence[Message[DeliveryCancelled]]) -> Sequence[Answer]:
    return [_cancelled(one) for one in messages]


def _cancelled(message: Message[DeliveryCancelled]) -> Job | None:
    """What was opened before stays with the recipient: said plainly. Taken back unopened: the revocation has told."""
    event = message.event
    if event.disclosed:
        return _news(message, News.STOPPED_AFTER_OPENING, cause=event.cause)
    return _news(message, News.NEVER_OPENED, cause=event.cause) if event.cause == "expired" else None


def _news(message: Message[Any], news: News, *, at: datetime | None = None, **more: Any) -> Job:
    """The job of one piece of news about a request."""
    event, now = message.event, clock.now()
    occasion = Occasion(event_id=message.id, news=news, at=at or message.at, trace=message.trace, **more)
    registrars_wanted = domain.needs_registrars(news)

    def view_in(known: Known) -> RequestView:
        return known.one(REQUESTS, event.request_id) or RequestView(
            request_id=event.request_id,
            version=0,
            school_id=event.school_id,
            student_id=event.student_id,
            recipient_id=event.recipient_id,
        )

    def candidates(known: Known) -> list[MessageId]:
        view = view_in(known)
        registrars = domain.registrars_of(event.school_id, known.many(PEOPLE, "registrar_of", event.school_id))
        told = domain.whom(view, occasion, registrars=registrars) if view.opened else ()
        return [message_id_for(message.id, person_id, template) for person_id, template in told]

    def reads(known: Known) -> Iterable[Need]:
        yield One(REQUESTS, event.request_id)
        if registrars_wanted:
            yield Many(PEOPLE, "registrar_of", event.school_id)
        yield from (One(MESSAGES, one) for one in candidates(known))

    def decide(known: Known) -> Verdict:
        return domain.tell(
            view_in(known),
            occasion,
            registrars=domain.registrars_of(event.school_id, known.many(PEOPLE, "registrar_of", event.school_id)),
            known=[one for one in candidates(known) if known.one(MESSAGES, one) is not None],
            name=message_id_for,
            at=now,
        )

    return Job(cause=message.id, at=now, reads=reads, decide=decide, correlation=event.request_id, trace=message.trace)


def _job(message: Message[Any], at: datetime, decide: Any, *needs: Need) -> Job:
    return Job(
        cause=message.id,
        at=at,
        reads=lambda _: needs,
        decide=decide,
        correlation=message.correlation,
        trace=message.trace,
    )
