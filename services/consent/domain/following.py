"""What consent learns from the others: who exists, what can be sent, what became of it. Newer news wins, old is ignored."""

from dataclasses import replace
from datetime import datetime

from contracts.identity.v1 import OrganizationRecorded, PersonRecorded
from contracts.problem import Reason
from contracts.records.v1 import PackagePrepared, TranscriptSealed, TranscriptWithdrawn
from contracts.types import OrganizationId, PersonKind, RightsHolder
from services.chassis.decision import Decision, Refusal
from services.consent.domain.ending import invalidate, readdress
from services.consent.domain.state import Organization, Prepared, Request, Stage, Student, Transcript

OLD_NEWS = Refusal(Reason.CONFLICT, "newer news is known already")

_LATER = {
    Stage.NOT_RELEASED: 0,
    Stage.ON_HOLD: 1,
    Stage.WITHHELD: 2,
    Stage.RELEASED: 2,
    Stage.AVAILABLE: 3,
    Stage.UNREACHABLE: 4,
    Stage.DELIVERED: 5,
    Stage.MISMATCHED: 6,
    Stage.ACKNOWLEDGED: 7,
    Stage.CANCELLED: 8,
}
"""Topics of different services have no common order: a stage is only ever replaced by a later one."""
_DISCLOSED = (Stage.DELIVERED, Stage.MISMATCHED, Stage.ACKNOWLEDGED)


def know_student(
    known: Student | None, event: PersonRecorded, *, requests: tuple[Request, ...], at: datetime
) -> Decision[Student] | Refusal:
    """A student as identity tells of them. Where others must sign than before, pending requests are readdressed."""
    schools = tuple(one.organization_id for one in event.memberships if one.kind is PersonKind.STUDENT)
    if known is None and not schools:
        return Refusal(Reason.CONFLICT, "not a student")
    if known is not None and known.version >= event.version:
        return OLD_NEWS
    student = _left(known, event) if known is not None and not schools else _student(event, schools)
    verdicts = [readdress(request, student=student, at=at) for request in requests]
    moved = [verdict for verdict in verdicts if isinstance(verdict, Decision)]
    events = [event for verdict in moved for event in verdict.events]
    return Decision(student, events, also=[verdict.state for verdict in moved])


def _student(event: PersonRecorded, schools: tuple[OrganizationId, ...]) -> Student:
    return Student(
        person_id=event.person_id,
        version=event.version,
        school_ids=schools,
        active=event.active,
        rights_holder=event.rights_holder or RightsHolder.GUARDIAN,
        guardians=event.guardians,
        profile=event.profile,
    )


def _left(known: Student, event: PersonRecorded) -> Student:
    """A student whom no school lists any more. Who may take back an approval stays as it was; nothing new is signed."""
    return replace(known, version=event.version, school_ids=(), active=False, profile=event.profile)


def know_organization(known: Organization | None, event: OrganizationRecorded) -> Decision[Organization] | Refusal:
    """A school or a recipient as identity tells of it."""
    if known is not None and known.version >= event.version:
        return OLD_NEWS
    organization = Organization(
        organization_id=event.organization_id,
        version=event.version,
        kind=event.kind,
        name=event.name,
        standing=event.standing,
        policy=event.policy,
    )
    return Decision(organization)


def know_transcript(
    known: Transcript | None, event: TranscriptSealed, *, requests: tuple[Request, ...], at: datetime
) -> Decision[Transcript] | Refusal:
    """A newly sealed version takes the place of the one before. What was pending on the old one ends: nobody signs it."""
    if known is not None and known.version >= event.version:
        return OLD_NEWS
    transcript = Transcript(
        transcript_id=event.transcript_id,
        version=event.version,
        school_id=event.school_id,
        student_id=event.student_id,
        transcript_version=event.transcript_version,
        digest=event.digest,
        kind=event.kind,
        outline=event.outline,
    )
    return _overtaken(transcript, requests, cause="version-superseded", at=at)


def know_withdrawal(
    known: Transcript | None, event: TranscriptWithdrawn, *, requests: tuple[Request, ...], at: datetime
) -> Decision[Transcript] | Refusal:
    """The school took the transcript back: nothing pending on it can be signed any more."""
    if known is None or known.version >= event.version:
        return OLD_NEWS
    withdrawn = replace(known, version=event.version, withdrawn=True)
    return _overtaken(withdrawn, requests, cause="transcript-withdrawn", at=at)


def _overtaken(
    transcript: Transcript, requests: tuple[Request, ...], *, cause: str, at: datetime
) -> Decision[Transcript]:
    """The transcript as it is now, with the end of each request that was pending on what it was."""
    verdicts = [invalidate(request, cause=cause, at=at) for request in requests]
    ended = [verdict for verdict in verdicts if isinstance(verdict, Decision)]
    events = [event for verdict in ended for event in verdict.events]
    return Decision(transcript, events, also=[verdict.state for verdict in ended])


def know_package(
    known: Transcript | None, event: PackagePrepared, *, waiting: tuple[Request, ...], at: datetime
) -> Decision[Transcript] | Refusal:
    """A package can be signed for from now on; requests that waited for it are told."""
    if known is None or known.transcript_version != event.transcript_version:
        return OLD_NEWS
    package = Prepared(
        package_id=event.package_id,
        digest=event.digest,
        selection=event.selection,
        partial=event.partial,
        size=event.size,
    )
    if known.package_for(event.selection) is not None:
        return OLD_NEWS
    served = [
        replace(request, package=package).told(at, "prepared")
        for request in waiting
        if request.pending
        and request.package is None
        and request.transcript_version == event.transcript_version
        and request.selection.key == event.selection.key
    ]
    transcript = replace(known, version=max(known.version, event.version), packages=(*known.packages, package))
    return Decision(transcript, also=served)


def follow(request: Request | None, stage: Stage, *, at: datetime) -> Decision[Request] | Refusal:
    """What records and delivery tell of an approved request. A stage is only ever replaced by a later one."""
    if request is None or request.grant is None:
        return Refusal(Reason.CONFLICT, "no approved request by this id")
    if _LATER[stage] > _LATER[request.stage]:
        return Decision(replace(request, stage=stage).told(at, str(stage)))
    if stage in _DISCLOSED and all(one.what != stage for one in request.story):
        # Taken back a moment before this was heard: that it was opened is told all the same.
        return Decision(request.told(at, str(stage)))
    return OLD_NEWS
