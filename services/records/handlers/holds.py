"""Placing and lifting holds. What waited goes with the lifting, in the same transaction."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from contracts.problem import Reason
from contracts.types import OrganizationId, PersonId, TranscriptId
from services.chassis import ids
from services.chassis.decision import Decision, Refusal
from services.chassis.keys.person import PersonKeys
from services.chassis.store.work import Job, Known, Many, Need, One, Verdict, Work
from services.records.domain import releasing
from services.records.domain.drafting import NO_SUCH_TRANSCRIPT
from services.records.domain.releasing import LiftHold, PlaceHold
from services.records.domain.state import HoldReason, Release, Transcript
from services.records.handlers.carrying import carry_out
from services.records.store import RELEASES, TRANSCRIPTS, Questions


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldWish:
    """A registrar holds releases back. `note` stays with the school."""

    transcript_id: TranscriptId
    school_id: OrganizationId
    person_id: PersonId
    reason: HoldReason
    note: str | None
    until: datetime
    at: datetime


class Holds:
    """Holds of the registrar."""

    def __init__(self, work: Work, keys: PersonKeys) -> None:
        self._work = work
        self._questions = Questions(work.store)
        self._keys = keys

    async def place(self, wish: HoldWish, *, cause: str) -> Decision[Transcript] | Refusal:
        transcript = await self._questions.transcript(wish.transcript_id)
        if transcript is None or transcript.school_id != wish.school_id:
            return NO_SUCH_TRANSCRIPT
        note = (await self._keys.seal_many([(transcript.student_id, wish.note.encode())]))[0] if wish.note else None
        if wish.note and note is None:
            return Refusal(Reason.EXPIRED, "the student's record was erased")
        command = PlaceHold(
            transcript_id=wish.transcript_id,
            school_id=wish.school_id,
            person_id=wish.person_id,
            hold_id=ids.new("hld"),
            reason=wish.reason,
            note=note,
            until=wish.until,
            at=wish.at,
        )
        return await carry_out(
            self._work,
            wish.transcript_id,
            cause=cause,
            at=wish.at,
            decide=lambda _, now: releasing.place_hold(now, command),
        )

    async def lift(self, command: LiftHold, *, cause: str) -> Decision[Transcript] | Refusal:
        return await carry_out(
            self._work,
            command.transcript_id,
            cause=cause,
            at=command.at,
            needs=(Many(RELEASES, "transcript_id", command.transcript_id),),
            decide=lambda known, now: _lift(known, now, command),
        )


def _lift(known: Known, transcript: Transcript | None, command: LiftHold) -> Verdict:
    releases = known.many(RELEASES, "transcript_id", command.transcript_id)
    return releasing.lift_hold(transcript, command, releases=releases)


def hold_over_job(transcript: Transcript, at: datetime) -> Job:
    """The chore's job for a hold whose time is over."""
    command = LiftHold(transcript_id=transcript.transcript_id, school_id=None, at=at)

    def reads(_: Known) -> Iterable[Need]:
        return (
            One(TRANSCRIPTS, transcript.transcript_id),
            Many(RELEASES, "transcript_id", transcript.transcript_id),
        )

    def decide(known: Known) -> Verdict:
        return _lift(known, known.one(TRANSCRIPTS, transcript.transcript_id), command)

    cause = f"hold-over:{transcript.transcript_id}:{transcript.version}"
    return Job(cause=cause, at=at, reads=reads, decide=decide)


def waiting_over_job(release: Release, at: datetime) -> Job:
    """The chore's job for a release whose grant ran out while it waited."""

    def reads(_: Known) -> Iterable[Need]:
        return (One(RELEASES, release.request_id),)

    def decide(known: Known) -> Verdict:
        return releasing.expire_waiting(known.one(RELEASES, release.request_id), at=at)

    cause = f"grant-over:{release.request_id}:{release.version}"
    return Job(cause=cause, at=at, reads=reads, decide=decide, correlation=release.request_id)
