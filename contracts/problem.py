"""The closed list of reasons for an expected *no*, and how one looks over HTTP (RFC 9457)."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Reason(StrEnum):
    """Why something was refused. Callers may rely on these; 5xx always means us, never them."""

    NOT_FOUND = "not-found"
    """Not there, or not yours: a stranger gets the same answer for both."""
    NOT_ALLOWED = "not-allowed"
    CONFLICT = "conflict"
    EXPIRED = "expired"
    INVALID = "invalid"
    STEP_UP = "step-up-needed"
    TOO_LARGE = "too-large"
    TOO_MANY = "too-many"
    NOT_NOW = "not-now"


STATUS = {
    Reason.NOT_FOUND: 404,
    Reason.NOT_ALLOWED: 403,
    Reason.CONFLICT: 409,
    Reason.EXPIRED: 410,
    Reason.INVALID: 422,
    Reason.STEP_UP: 401,
    Reason.TOO_LARGE: 413,
    Reason.TOO_MANY: 429,
    Reason.NOT_NOW: 503,
}


class Fault(BaseModel):
    """One place in what was sent that was not as it should be."""

    model_config = ConfigDict(frozen=True)

    where: str
    reason: str


class Problem(BaseModel):
    """An `application/problem+json` body. `detail` says what happened and what to do, and never names a person."""

    model_config = ConfigDict(frozen=True)

    type: str
    title: str
    status: int
    detail: str
    instance: str | None = None
    faults: tuple[Fault, ...] = ()


def problem(reason: Reason, detail: str, *, instance: str | None = None, faults: tuple[Fault, ...] = ()) -> Problem:
    """The body for a reason. `type` is a relative URI reference, the same for every deployment."""
    return Problem(
        type=f"/problems/{reason}",
        title=reason.replace("-", " "),
        status=STATUS[reason],
        detail=detail,
        instance=instance,
        faults=faults,
    )
