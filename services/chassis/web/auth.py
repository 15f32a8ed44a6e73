"""Who is asking, and whether they may: the rights that every route must state, and the checks behind them.

Deny by default: a route without a right does not start (`http.build`). A right opens the door of a route; whose object
it is, is asked again by the query and the domain. Cookies are believed for unsafe methods only with the CSRF token and
from our own pages.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import quote, urlencode, urlsplit

from fastapi import Depends
from joserfc.jwk import KeySet
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from contracts.problem import Reason
from contracts.types import Membership, OrganizationId, PersonId, PersonKind
from services.chassis import clock
from services.chassis.decision import Refusal
from services.chassis.web import tokens
from services.chassis.web.problem import Refused, refused
from services.chassis.web.tokens import (
    ACCESS,
    SESSION,
    SessionClaims,
    StepUp,
    StepUpClaims,
    SubjectKind,
    TokenInvalid,
    make_access,
    make_session,
    make_step_up,
)

COOKIE = "__Host-placet"
STEP_UP_COOKIE = "__Host-placet-step-up"
SIGN_IN, STEP_UP = "/identity/sign-in", "/identity/step-up"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
REMEMBERED = 4_096
"""Verified tokens kept in memory, so that a busy caller costs one Ed25519 check (0.1 ms) and not one a request."""


class PublicKeys(Protocol):
    """Identity's public keys, from configuration, re-read when the file changes (`chassis.keys.sealing.KeyFile`)."""

    def keys(self) -> KeySet: ...


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking. Exactly one of `person_id` and `client_id` is set."""

    person_id: PersonId | None
    client_id: str | None
    memberships: tuple[Membership, ...]
    session_id: str
    csrf: str = ""
    name: str = ""
    language: str = ""
    by_cookie: bool = False
    expires_at: int = 0

    @property
    def id(self) -> str:
        return self.person_id or self.client_id or ""

    @property
    def kinds(self) -> frozenset[PersonKind]:
        return frozenset(membership.kind for membership in self.memberships)

    def belongs(self, kind: PersonKind, organization_id: OrganizationId | str) -> bool:
        """Whether the caller is a `kind` of this very organization."""
        return any(m.kind is kind and m.organization_id == organization_id for m in self.memberships)

    def organizations(self, *kinds: PersonKind) -> tuple[OrganizationId, ...]:
        """The organizations in which the caller is one of `kinds` (any kind, when none is named)."""
        return tuple(m.organization_id for m in self.memberships if not kinds or m.kind in kinds)


class Auth:
    """Tells who sends a request, by cookie or bearer token. One for each app."""

    def __init__(self, keys: PublicKeys, *, public_url: str, now: Callable[[], datetime] = clock.now) -> None:
        self._keys, self._now = keys, now
        self.origin = public_url.rstrip("/")
        self._known: dict[tuple[str, str], Caller] = {}
        self._known_by: KeySet | None = None

    def identify(self, request: Request) -> Caller | None:
        """The caller, or none when nothing was sent. Raises `TokenInvalid` when what was sent proves nothing."""
        authorization = request.headers.get("authorization")
        if authorization is not None:
            scheme, _, token = authorization.partition(" ")
            if scheme.lower() != "bearer":
                raise TokenInvalid("the scheme is not Bearer")
            return self._caller(token.strip(), ACCESS)
        cookie = request.cookies.get(COOKIE)
        return self._caller(cookie, SESSION) if cookie else None

    def step_up(self, request: Request, *, caller: Caller, act: str, on: str, digest: str | None) -> StepUp | Refusal:
        """Whether the request carries a step-up for this act: in the header `x-step-up`, or in identity's cookie."""
        token = request.headers.get("x-step-up") or request.cookies.get(STEP_UP_COOKIE)
        return step_up(token, caller=caller, act=act, on=on, digest=digest, keys=self._keys.keys(), now=self._now())

    def _caller(self, token: str, typ: str) -> Caller:
        keys, now = self._keys.keys(), self._now()
        if keys is not self._known_by:
            self._known, self._known_by = {}, keys
        known = self._known.get((typ, token))
        if known is not None and known.expires_at > now.timestamp():
            return known
        caller = caller_of(tokens.read_session(token, keys, typ=typ, now=now), by_cookie=typ == SESSION)
        if len(self._known) >= REMEMBERED:
            self._known.pop(next(iter(self._known)))
        self._known[typ, token] = caller
        return caller


def step_up(
    token: str | None, *, caller: Caller, act: str, on: str, digest: str | None, keys: KeySet, now: datetime
) -> StepUp | Refusal:
    """Whether `token` shows that the caller just proved presence for `act` on the object `on` with these bytes."""
    return tokens.check_step_up(token, person_id=caller.person_id, act=act, on=on, digest=digest, keys=keys, now=now)


def digest_of_many(shown: Iterable[tuple[str, str]]) -> str:
    """What a step-up for one act on many things binds: SHA-256 over the lines `id digest`, sorted."""
    lines = "\n".join(sorted(f"{one} {digest}" for one, digest in shown))
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"


def to_step_up(act: str, on: str, following: str, *, digest: str | None = None) -> str:
    """The address of identity's step-up page for just this act; from there the way leads on to `following`."""
    words = {"act": act, "on": on, "next": following} | ({"digest": digest} if digest else {})
    return f"{STEP_UP}?{urlencode(words)}"


def caller_of(claims: SessionClaims, *, by_cookie: bool) -> Caller:
    """The caller that these claims speak for."""
    person = claims.kind is SubjectKind.PERSON
    return Caller(
        person_id=PersonId(claims.sub) if person else None,
        client_id=None if person else claims.sub,
        memberships=claims.memberships,
        session_id=claims.jti,
        csrf=claims.csrf,
        name=claims.name,
        language=claims.language,
        by_cookie=by_cookie,
        expires_at=claims.exp,
    )


@dataclass(frozen=True)
class Right:
    """What a route asks of its caller. As a dependency it answers with the caller, or refuses."""

    kinds: frozenset[PersonKind] | None
    """Any of these; none named: whoever is signed in; None: anyone at all."""
    people_only: bool = False

    def __str__(self) -> str:
        if self.kinds is None:
            return "anyone"
        return " or ".join(sorted(self.kinds)) or "signed in"

    async def __call__(self, request: Request) -> Caller | None:
        auth: Auth = request.app.state.auth
        try:
            caller = auth.identify(request)
        except TokenInvalid as why:
            # An old cookie must not keep anyone from the pages that are open to all, the sign-in page first of all.
            if self.kinds is None:
                caller = None
            else:
                raise _sign_in(str(why)) from None
        if request.method not in SAFE:
            await _came_from_our_pages(request, caller, auth.origin)
        request.state.caller = caller
        if self.kinds is None:
            return caller
        if caller is None:
            raise _sign_in("")
        if (self.kinds and not self.kinds & caller.kinds) or (self.people_only and caller.person_id is None):
            raise refused(Reason.NOT_ALLOWED, f"this asks for the role {self}")
        return caller


class SignInFirst(Refused):
    """Nobody is signed in: a browser is sent to sign in, a program gets a 401."""


def anyone() -> Any:
    """The right of a route that is open to all. The dependency's value is the caller, or None."""
    return Depends(Right(None))


def signed_in(*, people_only: bool = False) -> Any:
    """The right of a route for whoever is signed in.

    In a signature it names the caller as well: `caller: Annotated[Caller, signed_in()]`.
    """
    return Depends(Right(frozenset(), people_only))


def allowed(*kinds: PersonKind, people_only: bool = False) -> Any:
    """The right of a route for these kinds of person. `dependencies=[allowed(PersonKind.REGISTRAR)]`."""
    if not kinds:
        raise ValueError("allowed() needs a kind; signed_in() is for all who are signed in")
    return Depends(Right(frozenset(kinds), people_only))


def caller(request: Request) -> Caller:
    """The caller that the route's right has found."""
    found: Caller | None = getattr(request.state, "caller", None)
    if found is None:
        raise refused(Reason.NOT_ALLOWED, "sign in, or send a valid access token", status=401)
    return found


def set_session(response: Response, token: str, *, seconds: int) -> None:
    """Puts a session into identity's answer. Only over TLS and to this very host; no script can read it."""
    response.set_cookie(COOKIE, token, max_age=seconds, path="/", secure=True, httponly=True, samesite="lax")


def set_step_up(response: Response, token: str) -> None:
    """Puts a step-up into identity's answer."""
    response.set_cookie(
        STEP_UP_COOKIE, token, max_age=tokens.STEP_UP_SECONDS, path="/", secure=True, httponly=True, samesite="strict"
    )


def end_session(response: Response) -> None:
    """Takes session and step-up out of the browser."""
    for name in (COOKIE, STEP_UP_COOKIE):
        response.delete_cookie(name, path="/", secure=True, httponly=True, samesite="lax")


def local_path(wanted: str | None, *, otherwise: str = "/") -> str:
    """`wanted` when it is a path of this very site, else `otherwise`: a redirect never leaves the house."""
    if not wanted or len(wanted) > 2_000 or not wanted.startswith("/") or wanted.startswith("//"):
        return otherwise
    # Browsers read a backslash as a slash and drop control characters: `/\evil.example` would leave.
    if "\\" in wanted or any(ord(sign) < 33 or ord(sign) == 127 for sign in wanted):
        return otherwise
    parts = urlsplit(wanted)
    return otherwise if parts.scheme or parts.netloc else wanted


def to_sign_in(request: Request) -> Response:
    """The way of a browser to the sign-in page and back to where it was going."""
    wanted = local_path(request.url.path + (f"?{request.url.query}" if request.url.query else ""))
    return RedirectResponse(f"{SIGN_IN}?next={quote(wanted, safe='/')}", status_code=303)


def _sign_in(why: str) -> SignInFirst:
    detail = "sign in, or send a valid access token"
    headers = {
        "WWW-Authenticate": 'Bearer realm="placet"'
        + (f', error="invalid_token", error_description="{why}"' if why else "")
    }
    return SignInFirst(Refusal(Reason.NOT_ALLOWED, detail), status=401, headers=headers)


async def _came_from_our_pages(request: Request, caller: Caller | None, origin: str) -> None:
    """Refuses an unsafe request that another site made a browser send (CSRF). Programs send neither header nor cookie."""
    site, sent_from = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    # Every browser of today says where a request comes from, and no page can forge it; Origin speaks for older ones.
    ours = site in ("same-origin", "none") if site is not None else sent_from in (None, origin)
    if not ours:
        raise refused(Reason.NOT_ALLOWED, "this must be sent from one of our own pages")
    if caller is None or not caller.by_cookie:
        return
    token = request.headers.get("x-csrf")
    if token is None and request.headers.get("content-type", "").startswith(FORMS):
        field = (await request.form()).get("csrf")
        token = field if isinstance(field, str) else None
    if not caller.csrf or token is None or not hmac.compare_digest(token.encode(), caller.csrf.encode()):
        raise refused(Reason.NOT_ALLOWED, "the form is out of date: load the page again and send it once more")


__all__ = [
    "ACCESS", "Auth", "Caller", "PublicKeys", "Right", "SessionClaims", "SignInFirst", "StepUp", "StepUpClaims", "SubjectKind",
    "allowed", "anyone", "caller", "digest_of_many", "end_session", "local_path", "make_access", "make_session", "make_step_up", "set_session",
    "set_step_up", "signed_in", "step_up", "to_sign_in", "to_step_up",
]  # fmt: skip
