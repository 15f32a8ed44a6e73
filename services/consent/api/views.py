"""What consent shows of its state over HTTP. A grant is for records and delivery: it is not shown."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel

from contracts.problem import Reason
from contracts.types import (
    Basis,
    Capacity,
    OrganizationId,
    Part,
    PersonId,
    Purpose,
    RequestId,
    TranscriptId,
    TranscriptKind,
)
from services.consent.domain import Notice, Request, Stage, Status, Transcript


class HappeningView(BaseModel):
    """One line of a request's story."""

    at: datetime
    what: str
    by: PersonId | None
    capacity: Capacity | None


class RequestView(BaseModel):
    """A request as the people concerned see it."""

    request_id: RequestId
    status: Status
    stage: Stage
    school_id: OrganizationId
    student_id: PersonId
    recipient_id: OrganizationId
    transcript_id: TranscriptId
    transcript_version: int
    parts: tuple[str, ...]
    purpose: Purpose
    opened_by: PersonId
    opened_as: Capacity
    opened_at: datetime
    expires_at: datetime
    signers: tuple[PersonId, ...]
    school_approves: bool
    package_id: str | None
    package_digest: str | None
    partial: bool | None
    basis: Basis | None
    valid_until: datetime | None
    story: tuple[HappeningView, ...]

    @classmethod
    def of(cls, request: Request) -> Self:
        package = request.package
        return cls(
            request_id=request.request_id,
            status=request.status,
            stage=request.stage,
            school_id=request.school_id,
            student_id=request.student_id,
            recipient_id=request.recipient_id,
            transcript_id=request.transcript_id,
            transcript_version=request.transcript_version,
            parts=request.selection.parts,
            purpose=request.purpose,
            opened_by=request.opened_by,
            opened_as=request.opened_as,
            opened_at=request.opened_at,
            expires_at=request.expires_at,
            signers=request.signers,
            school_approves=request.school_approves,
            package_id=package.package_id if package else None,
            package_digest=package.digest if package else None,
            partial=package.partial if package else None,
            basis=request.basis,
            valid_until=request.valid_until,
            story=tuple(
                HappeningView(at=one.at, what=one.what, by=one.by, capacity=one.capacity) for one in request.story
            ),
        )


class TranscriptView(BaseModel):
    """A sealed transcript that can be asked for: its outline, and nothing in it."""

    transcript_id: TranscriptId
    student_id: PersonId
    school_id: OrganizationId
    transcript_version: int
    digest: str
    kind: TranscriptKind
    withdrawn: bool
    outline: tuple[Part, ...]

    @classmethod
    def of(cls, transcript: Transcript) -> Self:
        return cls(
            transcript_id=transcript.transcript_id,
            student_id=transcript.student_id,
            school_id=transcript.school_id,
            transcript_version=transcript.transcript_version,
            digest=transcript.digest,
            kind=transcript.kind,
            withdrawn=transcript.withdrawn,
            outline=transcript.outline,
        )


class NoticeView(BaseModel):
    """The notice, and the digest that a signature cites."""

    notice_id: str
    language: str
    text: str
    digest: str

    @classmethod
    def of(cls, notice: Notice) -> Self:
        return cls(notice_id=notice.notice_id, language=notice.language, text=notice.text, digest=notice.digest)


class WaitingView(BaseModel):
    """What waits for a school, and the digest that a step-up for approving all of it binds."""

    requests: tuple[RequestView, ...]
    digest: str


class ApprovalView(BaseModel):
    """What became of one of many: its status now, or why the school's approval was not taken."""

    request_id: RequestId
    status: Status | None = None
    problem: Reason | None = None
    detail: str | None = None
