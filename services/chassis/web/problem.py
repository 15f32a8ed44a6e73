"""How a *no* leaves the house: a reason becomes problem+json (RFC 9457), or a page when a browser is asking.

Refusals are values in domains; here they become answers. No answer repeats what was sent: faults name place and reason.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from contracts.problem import STATUS, Fault, Problem, Reason, problem
from services.chassis.decision import Refusal

MEDIA_TYPE = "application/problem+json"

REASON_OF = {
    400: Reason.INVALID,
    401: Reason.NOT_ALLOWED,
    403: Reason.NOT_ALLOWED,
    404: Reason.NOT_FOUND,
    405: Reason.INVALID,
    413: Reason.TOO_LARGE,
    415: Reason.INVALID,
    429: Reason.TOO_MANY,
    503: Reason.NOT_NOW,
}
"""What the frameworks' own errors mean in our words."""

WORDS = {
    400: "the request could not be read: send a well-formed body",
    401: "sign in, or send a valid access token",
    403: "you may not do this",
    404: "there is nothing here for you",
    405: "this address does not answer that method",
    413: "what was sent is too large for this address",
    415: "send JSON or a form",
    503: "a part we need does not answer now: try again in a moment",
}
"""Said when the framework refuses before a route does. Its own sentences may quote the request; these do not."""

MOST_FAULTS = 50


class Refused(HTTPException):
    """A refusal on its way out of a route or a dependency. `raise Refused(verdict)` where a handler said no."""

    def __init__(
        self,
        refusal: Refusal,
        *,
        status: int | None = None,
        faults: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status or STATUS[refusal.reason], refusal.detail, headers)
        self.refusal = refusal
        self.faults = tuple(faults)


def refused(reason: Reason, detail: str, *, faults: Sequence[Fault] = (), status: int | None = None) -> Refused:
    """The exception for a refusal that is made at the door itself, not by a domain."""
    return Refused(Refusal(reason, detail), faults=faults, status=status)


def answer(exception: HTTPException, *, instance: str | None) -> Problem:
    """The body for whatever was raised: ours with its own words, the framework's with ours."""
    if isinstance(exception, Refused):
        body = problem(exception.refusal.reason, exception.refusal.detail, instance=instance, faults=exception.faults)
    else:
        reason = REASON_OF.get(exception.status_code, Reason.INVALID)
        body = problem(reason, WORDS.get(exception.status_code, "the request was refused"), instance=instance)
    return body if body.status == exception.status_code else body.model_copy(update={"status": exception.status_code})


def broken(*, instance: str | None) -> Problem:
    """The body of a 500: our fault, and nothing but the id under which we can find it."""
    return Problem(
        type="/problems/broken",
        title="broken",
        status=500,
        detail="something broke on our side; tell us the id in `instance` and we can find out what",
        instance=instance,
    )


def response(body: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """A problem as an HTTP response."""
    content = body.__pydantic_serializer__.to_json(body, exclude_defaults=True)
    return Response(content, status_code=body.status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def faults_of(errors: Iterable[Mapping[str, Any]]) -> tuple[Fault, ...]:
    """Where and why a body did not fit its model. The value and the library's quotation of it stay behind."""
    faults = [Fault(where=place(error["loc"]), reason=_reason(error)) for error in errors]
    return tuple(faults[:MOST_FAULTS])


def place(location: Sequence[str | int]) -> str:
    """`body.parts.3`. Names that the caller invented (extra fields) are cut and stripped of what isn't a name."""
    return ".".join(_step(step) for step in location)


def wants_page(request: Request) -> bool:
    """Whether a browser is asking: it names `text/html` itself. `*/*` is no browser."""
    return "text/html" in request.headers.get("accept", "")


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return str(step)
    return step if step.isascii() and step.replace("_", "").replace("-", "").isalnum() and len(step) <= 40 else "?"


REASONS = {
    "missing": "is missing",
    "extra_forbidden": "is not expected here",
    "json_invalid": "is not JSON",
    "string_too_long": "is too long",
    "string_too_short": "is too short",
    "string_pattern_mismatch": "has another form than asked for",
    "enum": "is none of the words that are possible here",
    "literal_error": "is none of the words that are possible here",
    "too_long": "has too many entries",
    "too_short": "has too few entries",
}
"""Reasons in our words, by the library's type of error. Any other is told by its type, which quotes nothing."""


def _reason(error: Mapping[str, Any]) -> str:
    kind = str(error["type"])
    return REASONS.get(kind, kind.replace("_", " "))
