"""Importing a draft, and laying evidence beside it. Nothing here can be released. Pure: no clock, ids, I/O, async."""

from dataclasses import dataclass, replace
from datetime import datetime

from contracts.problem import Reason
from contracts.types import OrganizationId, PersonId, TranscriptId, TranscriptKind
from services.chassis.decision import Decision, Refusal
from services.records.domain.state import Draft, Evidence, Locked, Person, Transcript

NO_SUCH_TRANSCRIPT = Refusal(Reason.NOT_FOUND, "there is no such transcript")
NO_SUCH_STUDENT = Refusal(
    Reason.NOT_FOUND, "your school has no such student; import the roster first (a fresh one takes a moment to arrive)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """Take this content, encrypted at the door, as the draft of this student's transcript."""

    transcript_id: TranscriptId
    school_id: OrganizationId
    student_id: PersonId
    kind: TranscriptKind
    draft: Draft
    at: datetime


def import_draft(
    known: Transcript | None, command: Import, *, student: Person | None
) -> Decision[Transcript] | Refusal:
    """The transcript with its new draft. The same content again changes nothing, so an import can be repeated."""
    if not is_student_at(student, command.school_id):
        return NO_SUCH_STUDENT
    if known is None:
        known = Transcript(
            transcript_id=command.transcript_id,
            version=0,
            school_id=command.school_id,
            student_id=command.student_id,
            kind=command.kind,
            changed_at=command.at,
        )
    if is_known(known, command.draft.mark):
        return Decision(known)
    return Decision(replace(known, version=known.version + 1, draft=command.draft, sealing=None, changed_at=command.at))


def is_student_at(student: Person | None, school_id: OrganizationId) -> bool:
    """Whether identity told of this person as a student of this school who is still there."""
    return student is not None and student.active and school_id in student.student_at


def is_known(known: Transcript, mark: str) -> bool:
    """Whether this very content is the draft already; or the newest version, with nothing drafted after it."""
    if known.draft is not None:
        return known.draft.mark == mark
    return known.mark == mark and not known.withdrawn


@dataclass(frozen=True, slots=True, kw_only=True)
class LayEvidence:
    """Keep this file, which the draft names by its digest."""

    transcript_id: TranscriptId
    school_id: OrganizationId
    draft_digest: str
    """The draft whose words were checked at the door."""
    evidence_id: str
    mark: str
    size: int
    content: Locked


def lay_evidence(
    known: Evidence | None, command: LayEvidence, *, transcript: Transcript | None
) -> Decision[Evidence] | Refusal:
    """The file is kept, once for each content."""
    if transcript is None or transcript.school_id != command.school_id:
        return NO_SUCH_TRANSCRIPT
    if known is not None:
        return Decision(known)
    if transcript.draft is None or transcript.draft.digest != command.draft_digest:
        return Refusal(Reason.CONFLICT, "the draft was changed in the meantime; upload the file again")
    return Decision(
        Evidence(
            evidence_key=evidence_key(command.transcript_id, command.evidence_id, command.mark),
            transcript_id=command.transcript_id,
            evidence_id=command.evidence_id,
            mark=command.mark,
            size=command.size,
            content=command.content,
        )
    )


def evidence_key(transcript_id: str, evidence_id: str, mark: str) -> str:
    """The key of a file of evidence: 128 bits of its mark tell two contents apart."""
    return f"{transcript_id}:{evidence_id}:{mark[:32]}"
