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
from services.consent.domain.basis import PURPOSES, is_guardian_of, who_signs
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
    sign_by: datetime | None = None
    """A deadline sooner than the school's own; later ones are cut to it."""
    at: datetime


def open_request(command: Open, *, already: Request | None, around: Surroundings) -> Decision[Request] | Refusal:
    """The request, addressed to those who must sign; or why it can't be opened."""
    if already is not None:
        return Decision(already) if _is_the_same(already, command) else OTHER_REQUEST
    transcript, student = around.transcript, around.student
    if transcript is None or student is None or not _may_open(command.opener, student):
        return Refusal(Reason.NOT_FOUND, "there is no such transcript")
    if transcript.withdrawn:
        return Refusal(Reason.CONFLICT, "the school has withdrawn this transcript")
    if not student.active:
        return NOT_LISTED
    allowed = allowance(around, command.purpose)
    if isinstance(allowed, Refusal):
        return allowed
    refusal = _what_stands_against(command, transcript, student)
    if refusal:
        return refusal
    latest = command.at + timedelta(days=allowed.policy.request_days)
    if command.sign_by is not None and command.sign_by <= command.at:
        return Refusal(Reason.INVALID, "the deadline for signing has passed already")
    selection = _one_spelling(command.selection, transcript)
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
        selection=selection,
        purpose=command.purpose,
        opened_by=command.opener.person_id,
        opened_as=command.opener.capacity,
        opened_at=command.at,
        expires_at=min(latest, command.sign_by or latest),
        signers=who_signs(student),
        school_approves=allowed.policy.school_approves,
        package=transcript.package_for(selection),
        story=(Happening(command.at, "opened", command.opener.person_id, command.opener.capacity),),
    )
    return Decision(request, [_opened(request)])


OTHER_REQUEST = Refusal(
    Reason.CONFLICT, "this idempotency key was used for another request; use a new one for each request"
)
NOT_LISTED = Refusal(
    Reason.CONFLICT,
    "the school no longer lists this student, so nobody can sign here; ask the school to list them again",
)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What the school allows here: its policy, and the kind of recipient it is about."""

    policy: SchoolPolicy
    recipient: OrganizationKind


def allowance(around: Surroundings, purpose: Purpose) -> Allowance | Refusal:
    """The school's policy, if it may release to this recipient for this purpose (P3, P17). Asked at opening and at signing."""
    school, recipient = around.school, around.recipient
    if school is None or school.standing is not Standing.VERIFIED or school.policy is None:
        return Refusal(Reason.CONFLICT, "the school can't release transcripts at the moment")
    if recipient is None or recipient.standing is not Standing.VERIFIED:
        return Refusal(Reason.CONFLICT, "the recipient is not a verified organization, so nothing can be sent to it")
    if recipient.kind not in school.policy.recipient_kinds:
        return Refusal(Reason.NOT_ALLOWED, f"the school allows no release to this kind of recipient: {recipient.kind}")
    if purpose not in PURPOSES.get(recipient.kind, ()):
        return Refusal(Reason.INVALID, f"this kind of recipient is not sent a transcript for {purpose}")
    return Allowance(school.policy, recipient.kind)


def _may_open(opener: Opener, student: Student) -> bool:
    """A student's click is direction and opens; so does a guardian's or the school's. A stranger learns nothing."""
    if opener.capacity is Capacity.REGISTRAR:
        return True  # the door has checked that the registrar belongs to the transcript's school
    if opener.capacity is Capacity.GUARDIAN:
        return is_guardian_of(opener.person_id, student)
    return opener.person_id == student.person_id


def _is_the_same(already: Request, command: Open) -> bool:
    """Whether a command repeats the one that opened this request. All parts, named one by one, count as the whole."""
    return (
        already.opened_by == command.opener.person_id
        and already.transcript_id == command.transcript_id
        and already.recipient_id == command.recipient_id
        and already.purpose is command.purpose
        and (already.selection.whole or already.selection.key == command.selection.key)
    )


def _one_spelling(selection: Selection, transcript: Transcript) -> Selection:
    """Sorted, without repeats; and all parts of a transcript are the whole of it, as records sees it too."""
    parts = tuple(sorted(set(selection.parts)))
    return Selection() if set(parts) == {part.part_id for part in transcript.outline} else Selection(parts=parts)


def _what_stands_against(command: Open, transcript: Transcript, student: Student) -> Refusal | None:
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
