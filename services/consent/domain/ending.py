"""How a request ends or changes hands: refused, revoked, expired, overtaken by a new version, readdressed."""

from dataclasses import dataclass, replace
from datetime import datetime

from contracts.consent.v1 import ConsentExpired, ConsentInvalidated, ConsentReaddressed, ConsentRefused, ConsentRevoked
from contracts.problem import Reason
from contracts.types import Capacity, OrganizationId, PersonId, RequestId
from services.chassis.decision import Decision, Refusal
from services.consent.domain.basis import signing_capacity, who_signs
from services.consent.domain.state import Request, Stage, Status, Student, about

NO_SUCH_REQUEST = Refusal(Reason.NOT_FOUND, "there is no such request")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Say no. `school_id` is set when a registrar says it for the school."""

    request_id: RequestId
    person_id: PersonId
    school_id: OrganizationId | None = None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoke:
    """Take back, before or after the approval. `school_id` is set when a registrar stops it for the school."""

    request_id: RequestId
    person_id: PersonId
    school_id: OrganizationId | None = None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Expire:
    """Nobody signed in time."""

    request_id: RequestId
    at: datetime


def refuse(request: Request | None, command: Refuse, *, student: Student | None) -> Decision[Request] | Refusal:
    """Whoever would have to sign may refuse; so may the school."""
    capacity = _capacity(request, command.person_id, command.school_id, student)
    if request is None or capacity is None:
        return Refusal(Reason.NOT_FOUND, "there is no such request for you to answer")
    if request.status is Status.REFUSED:
        return Decision(request)
    if not request.pending:
        return Refusal(Reason.CONFLICT, f"the request is already {request.status}")
    refused = _ended(request, Status.REFUSED, command.at, command.person_id, capacity)
    event = ConsentRefused(refused_by=command.person_id, refused_as=capacity, **about(refused))
    return Decision(refused, [event])


def revoke(request: Request | None, command: Revoke, *, student: Student | None) -> Decision[Request] | Refusal:
    """Whoever may sign may take back at any time; whoever opened may while it is pending; the school may stop it."""
    capacity = _capacity(request, command.person_id, command.school_id, student)
    if request is not None and capacity is None and command.person_id == request.opened_by:
        # Whoever got no answer asks again, and is told that it was taken back.
        done = request.status is Status.REVOKED and request.grant is None
        capacity = request.opened_as if request.pending or done else None
    if request is None or capacity is None:
        return Refusal(Reason.NOT_FOUND, "there is no such request for you to take back")
    if request.status is Status.REVOKED:
        return Decision(request)
    if not request.pending and request.status is not Status.APPROVED:
        return Refusal(Reason.CONFLICT, f"the request is already {request.status}")
    revoked = _ended(request, Status.REVOKED, command.at, command.person_id, capacity)
    event = ConsentRevoked(
        revoked_by=command.person_id,
        revoked_as=capacity,
        revoked_at=command.at,
        after_approval=request.status is Status.APPROVED,
        **about(revoked),
    )
    return Decision(revoked, [event])


def expire(request: Request | None, command: Expire) -> Decision[Request] | Refusal:
    """The time to sign is over."""
    if request is None or not request.pending:
        return Refusal(Reason.CONFLICT, "the request has ended already")
    if command.at < request.expires_at:
        return Refusal(Reason.CONFLICT, "the request has time left")
    expired = _ended(request, Status.EXPIRED, command.at)
    return Decision(expired, [ConsentExpired(**about(expired))])


def invalidate(request: Request, *, cause: str, at: datetime) -> Decision[Request] | Refusal:
    """What was to be signed is no longer what it was. An approval given stands: it was for those very bytes."""
    if not request.pending:
        return Refusal(Reason.CONFLICT, "the request has ended or was approved already")
    invalidated = _ended(request, Status.INVALIDATED, at)
    return Decision(invalidated, [ConsentInvalidated(cause=cause, **about(invalidated))])


def readdress(request: Request, *, student: Student, at: datetime) -> Decision[Request] | Refusal:
    """Others must sign than before. A signature that is no longer theirs to give falls away (34 CFR 99.5(a))."""
    signers = who_signs(student)
    if not request.pending or set(signers) == set(request.signers):
        return Refusal(Reason.CONFLICT, "nothing changes for this request")
    kept = request.signature if request.signature and request.signature.person_id in signers else None
    readdressed = replace(
        request,
        version=request.version + 1,
        signers=signers,
        signature=kept,
        # The ground names who agreed: with the signature it falls away.
        basis=request.basis if kept else None,
        status=Status.SIGNED if kept else Status.OPEN,
    ).told(at, "readdressed")
    return Decision(readdressed, [ConsentReaddressed(signers=signers, **about(readdressed))])


def _capacity(
    request: Request | None, person_id: PersonId, school_id: OrganizationId | None, student: Student | None
) -> Capacity | None:
    """In which capacity this person may say no to this request; None for a stranger."""
    if request is None:
        return None
    if school_id is not None:
        return Capacity.REGISTRAR if school_id == request.school_id else None
    if student is not None and person_id in who_signs(student):
        return signing_capacity(student)
    return None


def _ended(
    request: Request, status: Status, at: datetime, by: PersonId | None = None, capacity: Capacity | None = None
) -> Request:
    stage = Stage.CANCELLED if status is Status.REVOKED and request.status is Status.APPROVED else request.stage
    return replace(request, status=status, stage=stage, version=request.version + 1).told(at, str(status), by, capacity)
