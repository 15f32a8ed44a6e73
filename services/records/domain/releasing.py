"""What an approval does: it releases the package, waits for a hold to end, or ends. Pure: no clock, ids, I/O, async.

There is no other way to a release than `release`, and its command is made from a verified grant alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from contracts.event import Event
from contracts.problem import Reason
from contracts.records.v1 import HoldLifted, HoldPlaced, ReleaseWithheld, TranscriptReleased
from contracts.types import OrganizationId, PackageId, PersonId, ReleaseId, RequestId, SealedValue, TranscriptId
from services.chassis.decision import Decision, Refusal
from services.records.domain.drafting import NO_SUCH_TRANSCRIPT
from services.records.domain.sealing import about
from services.records.domain.state import Hold, HoldReason, Release, ReleaseStatus, Transcript

LONGEST_HOLD = timedelta(days=180)


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """An approval whose grant was verified and found to be about exactly this package."""

    request_id: RequestId
    release_id: ReleaseId
    grant_id: str
    grant: str
    expires_at: datetime
    school_id: OrganizationId
    student_id: PersonId
    recipient_id: OrganizationId
    transcript_id: TranscriptId
    transcript_version: int
    package_id: PackageId
    package_digest: str
    place: str
    size: int
    sealed_key: str
    at: datetime


def release(known: Release | None, command: Approved, *, transcript: Transcript | None) -> Decision[Release] | Refusal:
    """Released, waiting, or ended before it began. One grant, one answer: a second time nothing new happens."""
    if known is not None and known.grant_id is not None:
        return Refusal(Reason.CONFLICT, "this request was met already")
    if transcript is None:
        return NO_SUCH_TRANSCRIPT
    ready = Release(
        request_id=command.request_id,
        version=known.version if known else 0,
        status=ReleaseStatus.WAITING,
        school_id=command.school_id,
        student_id=command.student_id,
        recipient_id=command.recipient_id,
        at=command.at,
        transcript_id=command.transcript_id,
        transcript_version=command.transcript_version,
        package_id=command.package_id,
        package_digest=command.package_digest,
        place=command.place,
        size=command.size,
        sealed_key=command.sealed_key,
        grant_id=command.grant_id,
        grant=command.grant,
        expires_at=command.expires_at,
        release_id=command.release_id,
    )
    if known is not None:
        return _answer(_ended(ready, "revoked", command.at))
    settled = _settle(ready, transcript, command.at)
    # On hold, the transcript is written too: a lifting in another transaction then meets this one and runs again.
    return _answer(settled, also=[transcript] if settled.status is ReleaseStatus.WAITING else [])


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked:
    """Consent says that a request was taken back."""

    request_id: RequestId
    school_id: OrganizationId
    student_id: PersonId
    recipient_id: OrganizationId
    at: datetime


def revoke(known: Release | None, command: Revoked) -> Decision[Release] | Refusal:
    """A waiting release ends; an approval heard later will find it. What was released is delivery's to stop."""
    if known is None:
        return Decision(
            Release(
                request_id=command.request_id,
                version=1,
                status=ReleaseStatus.ENDED,
                cause="revoked",
                school_id=command.school_id,
                student_id=command.student_id,
                recipient_id=command.recipient_id,
                at=command.at,
            )
        )
    if known.status is not ReleaseStatus.WAITING:
        return Refusal(Reason.CONFLICT, "it does not wait")
    return _answer(_ended(known, "revoked", command.at))


def expire_waiting(known: Release | None, *, at: datetime) -> Decision[Release] | Refusal:
    """The grant ran out while the school held the release back."""
    if known is None or known.status is not ReleaseStatus.WAITING or not _is_over(known, at):
        return Refusal(Reason.CONFLICT, "it does not wait, or its grant is still in force")
    return _answer(_ended(known, "expired", at))


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceHold:
    """Hold releases of this transcript back, for this reason, until then at the latest."""

    transcript_id: TranscriptId
    school_id: OrganizationId
    person_id: PersonId
    hold_id: str
    reason: HoldReason
    note: SealedValue | None
    until: datetime
    at: datetime


def place_hold(transcript: Transcript | None, command: PlaceHold) -> Decision[Transcript] | Refusal:
    """The hold is in force. One that is there already is changed and keeps its id."""
    if transcript is None or transcript.school_id != command.school_id:
        return NO_SUCH_TRANSCRIPT
    if not command.at < command.until <= command.at + LONGEST_HOLD:
        return Refusal(Reason.INVALID, f"a hold ends after now and within {LONGEST_HOLD.days} days")
    hold = Hold(
        hold_id=transcript.hold.hold_id if transcript.hold else command.hold_id,
        reason=command.reason,
        note=command.note,
        placed_by=command.person_id,
        placed_at=command.at,
        until=command.until,
    )
    held = replace(transcript, version=transcript.version + 1, hold=hold, changed_at=command.at)
    event = HoldPlaced(
        hold_id=hold.hold_id, reason=hold.reason, placed_by=hold.placed_by, until=hold.until, **about(held)
    )
    return Decision(held, [event])


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftHold:
    """End the hold: the registrar says so, or (`school_id` None) its time is over."""

    transcript_id: TranscriptId
    school_id: OrganizationId | None
    at: datetime


def lift_hold(
    transcript: Transcript | None, command: LiftHold, *, releases: Sequence[Release]
) -> Decision[Transcript] | Refusal:
    """The hold ends, and what waited for it goes, if nothing else stands against it by now."""
    if transcript is None or command.school_id not in (None, transcript.school_id):
        return NO_SUCH_TRANSCRIPT
    if transcript.hold is None:
        return Refusal(Reason.CONFLICT, "there is no hold on this transcript")
    if command.school_id is None and transcript.held(command.at):
        return Refusal(Reason.CONFLICT, "the hold's time is not over yet")
    free = replace(transcript, version=transcript.version + 1, hold=None, changed_at=command.at)
    waiting = [one for one in releases if one.status is ReleaseStatus.WAITING]
    settled = [_settle(one, free, command.at) for one in waiting]
    events: list[Event] = [HoldLifted(hold_id=transcript.hold.hold_id, **about(free))]
    events += [_event(one) for one in settled]
    return Decision(free, events, also=settled)


def _settle(ready: Release, transcript: Transcript, at: datetime) -> Release:
    """What becomes of an approved, unrevoked release at this moment."""
    if ready.transcript_version <= transcript.withdrawn_through:
        return _ended(ready, "withdrawn", at)
    if _is_over(ready, at):
        return _ended(ready, "expired", at)
    if transcript.held(at):
        return replace(ready, version=ready.version + 1, status=ReleaseStatus.WAITING, cause="hold", at=at)
    return replace(ready, version=ready.version + 1, status=ReleaseStatus.RELEASED, cause="", at=at)


def _is_over(ready: Release, at: datetime) -> bool:
    return ready.expires_at is None or at >= ready.expires_at


def _ended(ready: Release, cause: str, at: datetime) -> Release:
    return replace(ready, version=ready.version + 1, status=ReleaseStatus.ENDED, cause=cause, sealed_key="", at=at)


def _answer(settled: Release, also: Sequence[object] = ()) -> Decision[Release]:
    return Decision(settled, [_event(settled)], also=also)


def _event(settled: Release) -> TranscriptReleased | ReleaseWithheld:
    if settled.status is not ReleaseStatus.RELEASED:
        return ReleaseWithheld(
            version=settled.version,
            request_id=settled.request_id,
            school_id=settled.school_id,
            student_id=settled.student_id,
            recipient_id=settled.recipient_id,
            cause=settled.cause,
        )
    assert settled.release_id and settled.package_id
    return TranscriptReleased(
        version=settled.version,
        request_id=settled.request_id,
        school_id=settled.school_id,
        student_id=settled.student_id,
        recipient_id=settled.recipient_id,
        release_id=settled.release_id,
        package_id=settled.package_id,
        package_digest=settled.package_digest,
        place=settled.place,
        size=settled.size,
        sealed_key=settled.sealed_key,
        grant=settled.grant,
        released_at=settled.at,
    )
