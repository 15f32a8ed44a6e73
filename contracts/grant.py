"""The grant: consent's signature over what was approved. Verified by records and again by delivery, each on its own.

A JWS (compact, Ed25519, RFC 8037 and RFC 9864) whose claims bind request, exact bytes, recipient, purpose, legal basis
and grantor. Keys come from configuration only: `jku`, `jwk`, `x5u` in a header are never followed.
"""

import json
from datetime import UTC, datetime
from typing import Literal

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey
from joserfc.util import urlsafe_b64decode
from pydantic import Field, ValidationError

from contracts.types import (
    Basis,
    Capacity,
    Digest,
    OrganizationId,
    PackageId,
    PersonId,
    Purpose,
    RequestId,
    Selection,
    TranscriptId,
    Value,
)

ALGORITHM = "Ed25519"
TYPE = "placet-grant+jwt"
ISSUER: Literal["placet-consent"] = "placet-consent"
AUDIENCE: tuple[str, ...] = ("records", "delivery")
MAX_LENGTH = 16_384
"""Characters. A grant over 200 chosen parts has about 9 000."""
SKEW_SECONDS = 60
"""How far ahead of ours consent's clock may run (`iat` in the future)."""

_REGISTRY = jws.JWSRegistry(algorithms=[ALGORITHM])


class GrantInvalid(Exception):
    """The grant proves nothing, and why. Never carries the grant."""


class GrantNotYet(GrantInvalid):
    """Signed and ours, but dated further ahead than clocks may differ. Consent's clock is ahead of ours, or was."""

    def __init__(self, at: datetime) -> None:
        super().__init__("the grant is dated in the future")
        self.at = at
        """From this moment on it is in force by our clock."""


class Grantor(Value):
    """Who approved, in which capacity, how surely known and when (34 CFR 99.30(d))."""

    person_id: PersonId
    capacity: Capacity
    method: str
    at: int


class Grant(Value):
    """The claims. Times are whole seconds since 1970 (RFC 7519 NumericDate)."""

    iss: Literal["placet-consent"] = ISSUER
    aud: tuple[str, ...] = AUDIENCE
    jti: str = Field(min_length=16)
    iat: int
    exp: int
    sub: PersonId
    request_id: RequestId
    school_id: OrganizationId
    transcript_id: TranscriptId
    transcript_version: int
    transcript_digest: Digest
    selection: Selection
    package_id: PackageId
    package_digest: Digest
    recipient_id: OrganizationId
    purpose: Purpose
    basis: Basis
    grantor: Grantor


def sign(grant: Grant, key: OKPKey) -> str:
    """The compact JWS. Deterministic: the same claims and key give the same bytes."""
    header = {"alg": ALGORITHM, "typ": TYPE, "kid": key.kid}
    return jws.serialize_compact(header, grant.__pydantic_serializer__.to_json(grant), key, registry=_REGISTRY)


def signed_at(token: str) -> datetime | None:
    """When a grant was signed, in whole seconds; None when it doesn't say. Proves nothing: it was verified when it came."""
    try:
        claims = json.loads(jws.extract_compact(token.encode(), registry=_REGISTRY).payload)
        return datetime.fromtimestamp(claims["iat"], UTC)
    except (JoseError, ValueError, KeyError, TypeError):
        return None


def verify(token: str, keys: KeySet, *, audience: str, now: datetime) -> Grant:
    """The claims of a grant that is signed by a known key, ours to read and in force at `now`. Raises `GrantInvalid`."""
    if len(token) > MAX_LENGTH:
        raise GrantInvalid("the grant is too long")
    try:
        signed = jws.deserialize_compact(token.encode("ascii"), _key_for(token, keys), registry=_REGISTRY)
    except (JoseError, ValueError, KeyError, TypeError):
        raise GrantInvalid("the grant is not signed by consent") from None
    if signed.headers().get("typ") != TYPE:
        raise GrantInvalid("the token is of another type than a grant")
    try:
        grant = Grant.model_validate_json(signed.payload)
    except ValidationError:
        raise GrantInvalid("the grant's claims are not complete") from None
    seconds = int(now.astimezone(UTC).timestamp())
    if audience not in grant.aud:
        raise GrantInvalid(f"the grant is not addressed to {audience}")
    if seconds >= grant.exp:
        raise GrantInvalid("the grant has expired")
    if grant.iat > seconds + SKEW_SECONDS:
        raise GrantNotYet(datetime.fromtimestamp(grant.iat - SKEW_SECONDS, UTC))
    return grant


def _key_for(token: str, keys: KeySet) -> OKPKey:
    """The configured key that the header's `kid` names; everything else in the header is ignored."""
    header = json.loads(urlsafe_b64decode(token.split(".", 1)[0].encode("ascii")))
    if not isinstance(header, dict):
        raise TypeError("the header is no object")
    for key in keys.keys:
        if isinstance(key, OKPKey) and key.kid and key.kid == header.get("kid"):
            return key
    raise KeyError("unknown kid")
