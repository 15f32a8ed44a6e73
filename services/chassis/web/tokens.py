"""The tokens that say who is asking: made by identity, checked by every service with identity's public keys.

Pure over values: keys and the moment come from outside. Checked are the signature (one algorithm, a configured key), type,
issuer, audience and time. Not checked: whether the session was ended early (it is short) and whether a step-up was used
before; using its `jti` once is the service's work, in the transaction that does the deed.
"""

import json
from datetime import datetime
from enum import StrEnum
from typing import Literal, TypeVar

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey
from joserfc.util import urlsafe_b64decode
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contracts.problem import Reason
from contracts.types import Digest, Membership
from services.chassis.decision import Refusal

ALGORITHM = "Ed25519"
ISSUER: Literal["placet-identity"] = "placet-identity"
AUDIENCE: Literal["placet"] = "placet"
SESSION = "placet-session+jwt"
ACCESS = "placet-access+jwt"
STEP_UP = "placet-step-up+jwt"

MAX_LENGTH = 3_800
"""Characters. A cookie may have 4 096 bytes with its name and attributes (RFC 6265 §6.1)."""
SKEW_SECONDS = 60
"""How far ahead of ours identity's clock may run (`iat` in the future)."""
STEP_UP_SECONDS = 300
"""The longest life of a step-up: long enough to read once more and press the button."""

_REGISTRY = jws.JWSRegistry(algorithms=[ALGORITHM])


class TokenInvalid(Exception):
    """The token proves nothing, and why. Never carries the token."""


class SubjectKind(StrEnum):
    """Who a session speaks for: a person, or a recipient's own program."""

    PERSON = "person"
    CLIENT = "client"


class _Claims(BaseModel):
    # Readers ignore what they don't know, so identity can be deployed first.
    model_config = ConfigDict(frozen=True, extra="ignore")

    iss: Literal["placet-identity"] = ISSUER
    aud: Literal["placet"] = AUDIENCE
    sub: str = Field(min_length=1)
    iat: int
    exp: int
    jti: str = Field(min_length=16)


class SessionClaims(_Claims):
    """Claims of a session cookie or an access token. Times are whole seconds since 1970 (RFC 7519 NumericDate)."""

    kind: SubjectKind = SubjectKind.PERSON
    memberships: tuple[Membership, ...] = ()
    csrf: str = Field(default="", max_length=64)
    name: str = Field(default="", max_length=120)
    """How the page greets its owner. In the owner's own cookie only, never in an access token."""
    language: str = Field(default="", max_length=12)
    """The language of the profile; empty: what the browser asks for."""


class StepUpClaims(_Claims):
    """Claims of a step-up: this person, just now, by this method, for this very act on these very bytes."""

    act: str = Field(min_length=1, max_length=64)
    on: str = Field(min_length=1, max_length=64)
    digest: Digest | None = None
    method: Literal["totp", "passkey"]


class StepUp(BaseModel):
    """A step-up that holds. `jti` must be used once: put it into the inbox of the transaction that does the deed."""

    model_config = ConfigDict(frozen=True)

    person_id: str
    method: Literal["totp", "passkey"]
    at: int
    jti: str


def make_session(claims: SessionClaims, key: OKPKey) -> str:
    """The token for the session cookie."""
    return _sign(claims, key, SESSION)


def make_access(claims: SessionClaims, key: OKPKey) -> str:
    """The token that a program sends as `Authorization: Bearer`. It names nobody."""
    return _sign(claims.model_copy(update={"name": "", "csrf": ""}), key, ACCESS)


def make_step_up(claims: StepUpClaims, key: OKPKey) -> str:
    """The token that stands for a step-up. It may not live longer than `STEP_UP_SECONDS`."""
    if claims.exp - claims.iat > STEP_UP_SECONDS:
        raise ValueError(f"a step-up lives {STEP_UP_SECONDS} s at most")
    return _sign(claims, key, STEP_UP)


def read_session(token: str, keys: KeySet, *, typ: str, now: datetime) -> SessionClaims:
    """The claims of a session (`typ` SESSION) or access (ACCESS) token in force at `now`. Raises `TokenInvalid`."""
    return _read(token, keys, typ=typ, model=SessionClaims, now=now)


def check_step_up(
    token: str | None, *, person_id: str | None, act: str, on: str, digest: str | None, keys: KeySet, now: datetime
) -> StepUp | Refusal:
    """Whether `token` shows that `person_id` just proved presence for `act` on the object `on` with these bytes.

    Every failure is one and the same refusal, so that a stolen token can't be probed for what it was made for.
    """
    again = Refusal(Reason.STEP_UP, f"confirm with your authenticator for this act ({act}) and try again")
    if token is None:
        return again
    try:
        claims = _read(token, keys, typ=STEP_UP, model=StepUpClaims, now=now)
    except TokenInvalid:
        return again
    meant = (claims.sub, claims.act, claims.on, claims.digest) == (person_id, act, on, digest)
    if not meant or claims.exp - claims.iat > STEP_UP_SECONDS:
        return again
    return StepUp(person_id=claims.sub, method=claims.method, at=claims.iat, jti=claims.jti)


C = TypeVar("C", bound=_Claims)


def _sign(claims: _Claims, key: OKPKey, typ: str) -> str:
    header = {"alg": ALGORITHM, "typ": typ, "kid": key.kid}
    token = jws.serialize_compact(header, claims.__pydantic_serializer__.to_json(claims), key, registry=_REGISTRY)
    if len(token) > MAX_LENGTH:
        raise ValueError("the token would be too long for a cookie: fewer memberships, or split the account")
    return token


def _read(token: str, keys: KeySet, *, typ: str, model: type[C], now: datetime) -> C:
    if len(token) > MAX_LENGTH:
        raise TokenInvalid("the token is too long")
    try:
        signed = jws.deserialize_compact(token.encode("ascii"), _key_for(token, keys), registry=_REGISTRY)
    except (JoseError, ValueError, KeyError, TypeError, AttributeError):
        raise TokenInvalid("the token is not signed by identity") from None
    if signed.headers().get("typ") != typ:
        raise TokenInvalid("the token is of another type")
    try:
        claims = model.model_validate_json(signed.payload)
    except ValidationError:
        raise TokenInvalid("the token's claims are not complete or not for us") from None
    seconds = int(now.timestamp())
    if seconds >= claims.exp:
        raise TokenInvalid("the token has expired")
    if claims.iat > seconds + SKEW_SECONDS:
        raise TokenInvalid("the token is dated in the future")
    return claims


def _key_for(token: str, keys: KeySet) -> OKPKey:
    """The configured key that the header's `kid` names; `jku`, `jwk` and `x5u` are never followed."""
    header = json.loads(urlsafe_b64decode(token.split(".", 1)[0].encode("ascii")))
    for key in keys.keys:
        if isinstance(key, OKPKey) and key.kid and key.kid == header.get("kid"):
            return key
    raise KeyError("unknown kid")
