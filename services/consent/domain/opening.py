"""Opening a request. Nothing leaves by it: it says what is asked, and who must sign."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from contracts.consent.v1 import ConsentOpened
from contracts.problem import Reason
from contracts.types import (
    Capacity,
    OrganizationId,
    OrganizationKind,
    Purpose,
    RequestId,
    SchoolPolicy,
    Selection,
    Standing,
    TranscriptId,
)
from services.chassis.decision import Decision, Refusal
from services.consent.domain.basis import PURPOSES, who_signs
from services.consent.domain.state import Happening, Opener, Request, Status, Student, Surroundings, Transcript


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """Ask that these parts go to that recipient for this purpose."""

    request_id: RequestId
    opener: Opener
    transcript_id: TranscriptId
    recipient_id: OrganizationId
    selection: Selection
    purpose: Purpose
    at: datetime


def open_request(command: Open, *, already: Request | None, around: Surroundings) -> Decision[Request] | Refusal:
    """The request, addressed to those who must sign; or why it can't be opened."""
    if already is not None:
        return Decision(already)
    transcript, student = around.transcript, around.student
    if transcript is None or student is None or not _may_open(command.opener, student):
        return Refusal(Reason.NOT_FOUND, "there is no such transcript")
    if transcript.withdrawn or not student.active:
        return Refusal(Reason.CONFLICT, "the school has withdrawn this transcript")
    allowed = allowance(around)
    if isinstance(allowed, Refusal):
        return allowed
    refusal = _what_stands_against(command, transcript, student, allowed.recipient)
    if refusal:
        return refusal
    request = Request(
        request_id=command.request_id,
        version=1,
        status=Status.OPEN,
        school_id=transcript.school_id,
        student_id=transcript.student_id,
        recipient_id=command.recipient_id,
        transcript_id=transcript.transcript_id,
        transcript_version=transcript.transcript_version,
        transcript_digest=transcript.digest,
        selection=command.selection,
        purpose=command.purpose,
        opened_by=command.opener.person_id,
        opened_as=command.opener.capacity,
        opened_at=command.at,
        expires_at=command.at + timedelta(days=allowed.policy.request_days),
        signers=who_signs(student),
        school_approves=allowed.policy.school_approves,
        package=transcript.package_for(command.selection),
        story=(Happening(command.at, "opened", command.opener.person_id, command.opener.capacity),),
    )
    return Decision(request, [_opened(request)])


@dataclass(frozen=True, slots=True)
class Allowance:
    """What the school allows here: its policy, and the kind of recipient it is about."""

    policy: SchoolPolicy
    recipient: OrganizationKind


def allowance(around: Surroundings) -> Allowance | Refusal:
    """The school's policy, if it may release anything to this recipient at all (P17). Asked at opening and at signing."""
    school, recipient = around.school, around.recipient
    if school is None or school.standing is not Standing.VERIFIED or school.policy is None:
        return Refusal(Reason.CONFLICT, "the school can't release transcripts at the moment")
    if recipient is None or recipient.standing is not Standing.VERIFIED:
        return Refusal(Reason.CONFLICT, "the recipient is not a verified organization, so nothing can be sent to it")
    if recipient.kind not in school.policy.recipient_kinds:
        return Refusal(Reason.NOT_ALLOWED, f"the school allows no release to this kind of recipient: {recipient.kind}")
    return Allowance(school.policy, recipient.kind)


def _may_open(opener: Opener, student: Student) -> bool:
    """A student's click is direction and opens; so does a guardian's or the school's. A stranger learns nothing."""
    if opener.capacity is Capacity.REGISTRAR:
        return True  # the door has checked that the registrar belongs to the transcript's school
    if opener.capacity is Capacity.GUARDIAN:
        return opener.person_id in student.guardians
    return opener.person_id == student.person_id


def _what_stands_against(
    command: Open, transcript: Transcript, student: Student, recipient: OrganizationKind
) -> Refusal | None:
    if command.purpose not in PURPOSES.get(recipient, ()):
        return Refusal(Reason.INVALID, f"this kind of recipient is not sent a transcript for {command.purpose}")
    unknown = sorted(set(command.selection.parts) - {part.part_id for part in transcript.outline})
    if unknown:
        return Refusal(Reason.INVALID, f"this version of the transcript has no part {unknown[0]}")
    if not who_signs(student):
        words = "the student is under 18 and has no guardian on record; the school adds one first"
        return Refusal(Reason.CONFLICT, words)
    return None


def _opened(request: Request) -> ConsentOpened:
    return ConsentOpened(
        version=request.version,
        request_id=request.request_id,
        school_id=request.school_id,
        student_id=request.student_id,
        recipient_id=request.recipient_id,
        transcript_id=request.transcript_id,
        transcript_version=request.transcript_version,
        transcript_digest=request.transcript_digest,
        selection=request.selection,
        purpose=request.purpose,
        opened_by=request.opened_by,
        opened_as=request.opened_as,
        signers=request.signers,
        school_approves=request.school_approves,
        expires_at=request.expires_at,
        package_id=request.package.package_id if request.package else None,
        package_digest=request.package.digest if request.package else None,
    )
