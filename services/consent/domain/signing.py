"""Signing: a particular, authenticated person approves exactly these bytes (34 CFR 99.30(d)). Here the grant is made."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from contracts.consent.v1 import ConsentApproved, ConsentSigned
from contracts.grant import Grant, Grantor
from contracts.problem import Reason
from contracts.types import Basis, Capacity, OrganizationId, OrganizationKind, PersonId, RequestId, SchoolPolicy
from services.chassis.decision import Decision, Refusal
from services.consent.domain.basis import basis_for, signing_capacity, who_signs
from services.consent.domain.notice import is_notice
from services.consent.domain.opening import NOT_LISTED, allowance
from services.consent.domain.state import Prepared, Request, Signature, Status, Surroundings, about

SignGrant = Callable[[Grant], str]
"""Consent's key at work. Ed25519 is deterministic: the same claims give the same bytes, so a decision stays pure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """Approve exactly the bytes with the digest `shown`, after having read the notice with the digest `notice`."""

    request_id: RequestId
    person_id: PersonId
    shown: str
    notice: str
    method: str
    grant_id: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproveForSchool:
    """The registrar's own approval, where the school's policy asks for it, of the same bytes."""

    request_id: RequestId
    person_id: PersonId
    school_id: OrganizationId
    shown: str
    notice: str
    method: str
    grant_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class _Ready:
    """What a signature needs beside itself, once nothing stands against it."""

    package: Prepared
    policy: SchoolPolicy
    recipient: OrganizationKind


def sign(
    request: Request | None, command: Sign, *, around: Surroundings, sign_grant: SignGrant
) -> Decision[Request] | Refusal:
    """The family's signature; and the approval itself, unless the school approves too."""
    student = around.student
    # A stranger learns nothing: not yours and not there are the same answer.
    if request is None or student is None or command.person_id not in who_signs(student):
        return Refusal(Reason.NOT_FOUND, "there is no such request for you to sign")
    if request.signature is not None and request.status in {Status.SIGNED, Status.APPROVED}:
        return Decision(request)
    ready = _ready(request, command, around)
    if isinstance(ready, Refusal):
        return ready
    capacity = signing_capacity(student)
    signature = Signature(command.person_id, capacity, command.at, command.method, command.shown, command.notice)
    basis = basis_for(ready.recipient, student.rights_holder)
    signed = replace(request, version=request.version + 1, signature=signature, basis=basis)
    signed = signed.told(command.at, "signed", command.person_id, capacity)
    if request.school_approves or ready.policy.school_approves:
        # A school that has begun to ask for its own approval since the request was opened is asked too (P17).
        waiting = replace(signed, status=Status.SIGNED, school_approves=True)
        return Decision(waiting, [ConsentSigned(signed_by=command.person_id, **about(waiting))])
    return _approved(signed, signature, basis, ready, grant_id=command.grant_id, at=command.at, sign_grant=sign_grant)


def approve_for_school(
    request: Request | None, command: ApproveForSchool, *, around: Surroundings, sign_grant: SignGrant
) -> Decision[Request] | Refusal:
    """The school's approval, after the family's."""
    if request is None or request.school_id != command.school_id:
        return Refusal(Reason.NOT_FOUND, "there is no such request at your school")
    if request.status is Status.APPROVED:
        return Decision(request)
    ready = _ready(request, command, around)
    if isinstance(ready, Refusal):
        return ready
    if request.signature is None or request.basis is None:
        return Refusal(Reason.CONFLICT, "the family has not signed yet; the school approves after it")
    own = Signature(command.person_id, Capacity.REGISTRAR, command.at, command.method, command.shown, command.notice)
    signed = replace(request, version=request.version + 1, school_signature=own)
    signed = signed.told(command.at, "approved by the school", command.person_id, Capacity.REGISTRAR)
    return _approved(
        signed,
        request.signature,
        request.basis,
        ready,
        grant_id=command.grant_id,
        at=command.at,
        sign_grant=sign_grant,
    )


def _ready(request: Request, command: Sign | ApproveForSchool, around: Surroundings) -> _Ready | Refusal:
    """All that is asked again at the moment of a signature, whatever was true when the request was opened."""
    transcript = around.transcript
    if not request.pending:
        return Refusal(Reason.CONFLICT, f"the request is already {request.status}")
    if command.at >= request.expires_at:
        return Refusal(Reason.EXPIRED, "the request has expired; open a new one")
    if request.package is None:
        return Refusal(Reason.NOT_NOW, "what would be sent is still being prepared; look again in a moment")
    if not is_notice(command.notice):
        return Refusal(Reason.CONFLICT, "the notice has another text by now; read it again and sign that")
    if command.shown != request.package.digest:
        return Refusal(Reason.CONFLICT, "what you were shown is not what would be sent; read it again and sign that")
    if transcript is None or transcript.withdrawn or transcript.transcript_version != request.transcript_version:
        return Refusal(Reason.CONFLICT, "the school has a newer version of this transcript; open a new request")
    if around.student is None or not around.student.active:
        return NOT_LISTED
    allowed = allowance(around, request.purpose)
    if isinstance(allowed, Refusal):
        return allowed
    return _Ready(request.package, allowed.policy, allowed.recipient)


def _approved(
    signed: Request,
    signature: Signature,
    basis: Basis,
    ready: _Ready,
    *,
    grant_id: str,
    at: datetime,
    sign_grant: SignGrant,
) -> Decision[Request]:
    """The grant, bound to the exact bytes, and the approval event that carries it."""
    until = at + timedelta(days=ready.policy.grant_days)
    grant = sign_grant(
        Grant(
            jti=grant_id,
            iat=int(at.timestamp()),
            exp=int(until.timestamp()),
            sub=signed.student_id,
            request_id=signed.request_id,
            school_id=signed.school_id,
            transcript_id=signed.transcript_id,
            transcript_version=signed.transcript_version,
            transcript_digest=signed.transcript_digest,
            selection=signed.selection,
            package_id=ready.package.package_id,
            package_digest=ready.package.digest,
            recipient_id=signed.recipient_id,
            purpose=signed.purpose,
            basis=basis,
            grantor=Grantor(
                person_id=signature.person_id,
                capacity=signature.capacity,
                method=signature.method,
                at=int(signature.at.timestamp()),
            ),
        )
    )
    approved = replace(signed, status=Status.APPROVED, grant=grant, valid_until=until).told(at, "approved")
    event = ConsentApproved(
        package_id=ready.package.package_id,
        package_digest=ready.package.digest,
        basis=basis,
        valid_until=until,
        grant=grant,
        **about(approved),
    )
    return Decision(approved, [event])
