"""What may be opened, signed, refused and taken back, and on which legal ground. Pure: no clock, no ids, no I/O, no async."""

from services.consent.domain.basis import PURPOSES, basis_for, is_guardian_of, who_signs
from services.consent.domain.ending import (
    NO_SUCH_REQUEST,
    Expire,
    Refuse,
    Revoke,
    expire,
    invalidate,
    readdress,
    refuse,
    revoke,
)
from services.consent.domain.following import (
    follow,
    know_organization,
    know_package,
    know_student,
    know_transcript,
    know_withdrawal,
)
from services.consent.domain.notice import Notice, notice_in
from services.consent.domain.opening import Open, open_request
from services.consent.domain.signing import ApproveForSchool, Sign, approve_for_school, sign
from services.consent.domain.state import (
    Happening,
    Opener,
    Organization,
    Prepared,
    Request,
    Signature,
    Stage,
    Status,
    Student,
    Surroundings,
    Transcript,
)

__all__ = [
    "NO_SUCH_REQUEST",
    "PURPOSES",
    "ApproveForSchool",
    "Expire",
    "Happening",
    "Notice",
    "Open",
    "Opener",
    "Organization",
    "Prepared",
    "Refuse",
    "Request",
    "Revoke",
    "Sign",
    "Signature",
    "Stage",
    "Status",
    "Student",
    "Surroundings",
    "Transcript",
    "approve_for_school",
    "basis_for",
    "expire",
    "follow",
    "invalidate",
    "is_guardian_of",
    "know_organization",
    "know_package",
    "know_student",
    "know_transcript",
    "know_withdrawal",
    "notice_in",
    "open_request",
    "readdress",
    "refuse",
    "revoke",
    "sign",
    "who_signs",
]
