"""What consent hears: one function per event. Each says which state it is about and which decision is asked for.

Rule for order: topics of different services have none in common. What consent knows of a student, an organization and a
transcript each stands on its own version; a stage of a request is only ever replaced by a later one.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from contracts.delivery.v1 import (
    DeliveryAbandoned,
    DeliveryCancelled,
    TranscriptAcknowledged,
    TranscriptAvailable,
    TranscriptDelivered,
)
from contracts.envelope import Message
from contracts.identity.v1 import OrganizationRecorded, PersonRecorded
from contracts.records.v1 import (
    PackagePrepared,
    ReleaseWithheld,
    TranscriptReleased,
    TranscriptSealed,
    TranscriptWithdrawn,
)
from services.chassis import clock
from services.chassis.kafka.hearing import Answer, Hearing
from services.chassis.store.work import Job, Known, Many, Need, One, Verdict
from services.consent import domain
from services.consent.domain import Stage
from services.consent.store import ORGANIZATIONS, REQUESTS, STUDENTS, TRANSCRIPTS

LINGER = 0.15
"""Seconds. No release waits for what consent hears, so what comes close together shares a transaction."""
hears = Hearing(linger=LINGER)


@hears(PersonRecorded)
async def person_recorded(messages: Sequence[Message[PersonRecorded]]) -> Sequence[Answer]:
    return [_student(message) for message in messages]


def _student(message: Message[PersonRecorded]) -> Job:
    """Of everybody: whoever is no student (any more) may have been one, and only the database knows."""
    event, at = message.event, clock.now()

    def decide(known: Known) -> Verdict:
        requests = known.many(REQUESTS, "student_id", event.person_id)
        return domain.know_student(known.one(STUDENTS, event.person_id), event, requests=requests, at=at)

    return _job(message, decide, One(STUDENTS, event.person_id), Many(REQUESTS, "student_id", event.person_id))


@hears(OrganizationRecorded)
async def organization_recorded(messages: Sequence[Message[OrganizationRecorded]]) -> Sequence[Answer]:
    return [_organization(message) for message in messages]


def _organization(message: Message[OrganizationRecorded]) -> Job:
    event = message.event

    def decide(known: Known) -> Verdict:
        return domain.know_organization(known.one(ORGANIZATIONS, event.organization_id), event)

    return _job(message, decide, One(ORGANIZATIONS, event.organization_id))


@hears(TranscriptSealed)
async def transcript_sealed(messages: Sequence[Message[TranscriptSealed]]) -> Sequence[Answer]:
    return [_sealed(message) for message in messages]


def _sealed(message: Message[TranscriptSealed]) -> Job:
    event, at = message.event, clock.now()

    def decide(known: Known) -> Verdict:
        requests = known.many(REQUESTS, "transcript_id", event.transcript_id)
        return domain.know_transcript(known.one(TRANSCRIPTS, event.transcript_id), event, requests=requests, at=at)

    return _about_transcript(message, decide)


@hears(TranscriptWithdrawn)
async def transcript_withdrawn(messages: Sequence[Message[TranscriptWithdrawn]]) -> Sequence[Answer]:
    return [_withdrawn(message) for message in messages]


def _withdrawn(message: Message[TranscriptWithdrawn]) -> Job:
    event, at = message.event, clock.now()

    def decide(known: Known) -> Verdict:
        requests = known.many(REQUESTS, "transcript_id", event.transcript_id)
        return domain.know_withdrawal(known.one(TRANSCRIPTS, event.transcript_id), event, requests=requests, at=at)

    return _about_transcript(message, decide)


@hears(PackagePrepared)
async def package_prepared(messages: Sequence[Message[PackagePrepared]]) -> Sequence[Answer]:
    return [_prepared(message) for message in messages]


def _prepared(message: Message[PackagePrepared]) -> Job:
    event, at = message.event, clock.now()

    def decide(known: Known) -> Verdict:
        waiting = known.many(REQUESTS, "transcript_id", event.transcript_id)
        return domain.know_package(known.one(TRANSCRIPTS, event.transcript_id), event, waiting=waiting, at=at)

    return _about_transcript(message, decide)


@hears(ReleaseWithheld)
async def release_withheld(messages: Sequence[Message[ReleaseWithheld]]) -> Sequence[Answer]:
    return [_follow(one, Stage.ON_HOLD if one.event.cause == "hold" else Stage.WITHHELD) for one in messages]


@hears(TranscriptReleased)
async def transcript_released(messages: Sequence[Message[TranscriptReleased]]) -> Sequence[Answer]:
    return [_follow(message, Stage.RELEASED) for message in messages]


@hears(TranscriptAvailable)
async def transcript_available(messages: Sequence[Message[TranscriptAvailable]]) -> Sequence[Answer]:
    return [_follow(message, Stage.AVAILABLE) for message in messages]


@hears(TranscriptDelivered)
async def transcript_delivered(messages: Sequence[Message[TranscriptDelivered]]) -> Sequence[Answer]:
    return [_follow(message, Stage.DELIVERED) for message in messages]


@hears(TranscriptAcknowledged)
async def transcript_acknowledged(messages: Sequence[Message[TranscriptAcknowledged]]) -> Sequence[Answer]:
    return [_follow(one, Stage.ACKNOWLEDGED if one.event.matches else Stage.MISMATCHED) for one in messages]


@hears(DeliveryAbandoned)
async def delivery_abandoned(messages: Sequence[Message[DeliveryAbandoned]]) -> Sequence[Answer]:
    return [_follow(message, Stage.UNREACHABLE) for message in messages]


@hears(DeliveryCancelled)
async def delivery_cancelled(messages: Sequence[Message[DeliveryCancelled]]) -> Sequence[Answer]:
    return [_follow(message, Stage.CANCELLED) for message in messages]


def _follow(message: Message[Any], stage: Stage) -> Job:
    request_id = message.event.request_id

    def decide(known: Known) -> Verdict:
        return domain.follow(known.one(REQUESTS, request_id), stage, at=message.at)

    return _job(message, decide, One(REQUESTS, request_id))


def _about_transcript(
    message: Message[TranscriptSealed] | Message[TranscriptWithdrawn] | Message[PackagePrepared],
    decide: Callable[[Known], Verdict],
) -> Job:
    transcript_id = message.event.transcript_id
    return _job(message, decide, One(TRANSCRIPTS, transcript_id), Many(REQUESTS, "transcript_id", transcript_id))


def _job(message: Message[Any], decide: Callable[[Known], Verdict], *needs: Need) -> Job:
    def reads(_: Known) -> Iterable[Need]:
        return needs

    return Job(cause=message.id, at=clock.now(), reads=reads, decide=decide, correlation=message.correlation)
