"""The grant proves an approval, or it proves nothing and says why."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import KeySet, OctKey, OKPKey

from contracts.grant import MAX_LENGTH, TYPE, Grant, GrantInvalid, Grantor, sign, signed_at, verify
from contracts.types import (
    Basis,
    BasisCode,
    Capacity,
    OrganizationId,
    PackageId,
    PersonId,
    Purpose,
    RequestId,
    Selection,
    TranscriptId,
)

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DIGEST = "sha256:" + "ab" * 32


def a_key() -> OKPKey:
    return OKPKey.generate_key("Ed25519", private=True, auto_kid=True)


KEY = a_key()
KEYS = KeySet([KEY])


def a_grant(**changes: Any) -> Grant:
    claims = {
        "jti": "grt_01k9zq8m3nh7vwx2y4t6r8s0da",
        "iat": int(NOW.timestamp()),
        "exp": int((NOW + timedelta(days=30)).timestamp()),
        "sub": PersonId("per_1"),
        "request_id": RequestId("req_1"),
        "school_id": OrganizationId("org_1"),
        "transcript_id": TranscriptId("trn_1"),
        "transcript_version": 2,
        "transcript_digest": DIGEST,
        "selection": Selection(parts=("courses",)),
        "package_id": PackageId("pkg_1"),
        "package_digest": DIGEST,
        "recipient_id": OrganizationId("org_2"),
        "purpose": Purpose.ADMISSION,
        "basis": Basis(code=BasisCode.GUARDIAN_CONSENT, section="34 CFR 99.30", words="A guardian agreed."),
        "grantor": Grantor(person_id=PersonId("per_2"), capacity=Capacity.GUARDIAN, method="totp", at=1),
        **changes,
    }
    return Grant.model_validate(claims)


def test_what_was_signed_is_what_is_read() -> None:
    grant = a_grant()
    assert verify(sign(grant, KEY), KEYS, audience="records", now=NOW) == grant
    assert verify(sign(grant, KEY), KEYS, audience="delivery", now=NOW) == grant


def test_the_same_claims_and_key_give_the_same_bytes() -> None:
    assert sign(a_grant(), KEY) == sign(a_grant(), KEY)


def forged(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"x") -> str:
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


CLAIMS = json.loads(a_grant().model_dump_json())
OWN = {"alg": "Ed25519", "typ": TYPE, "kid": KEY.kid}


def with_header(**changes: Any) -> str:
    header = {**OWN, **changes}
    registry = jws.JWSRegistry(algorithms=["Ed25519", "HS256"])
    key = OctKey.import_key(b"k" * 32) if header["alg"] == "HS256" else KEY
    return jws.serialize_compact(header, json.dumps(CLAIMS), key, registry=registry)


@pytest.mark.parametrize(
    ("token", "why"),
    [
        (sign(a_grant(), a_key()), "not signed by consent"),
        (forged({**OWN, "alg": "none"}, CLAIMS, b""), "not signed by consent"),
        (with_header(alg="HS256"), "not signed by consent"),
        (forged(OWN, CLAIMS), "not signed by consent"),
        (forged({**OWN, "kid": "../../etc/passwd"}, CLAIMS), "not signed by consent"),
        (forged({**OWN, "jwk": KEY.as_dict(private=False), "kid": "own"}, CLAIMS), "not signed by consent"),
        (with_header(typ="JWT"), "another type"),
        ("", "not signed by consent"),
        ("a.b", "not signed by consent"),
        ("ä.ö.ü", "not signed by consent"),
        ("W10.e30.x", "not signed by consent"),
        ("x" * (MAX_LENGTH + 1), "too long"),
        (sign(a_grant(aud=("somebody",)), KEY), "not addressed to records"),
        (sign(a_grant(exp=int(NOW.timestamp())), KEY), "expired"),
        (sign(a_grant(iat=int(NOW.timestamp()) + 61), KEY), "dated in the future"),
    ],
    ids=range(15),
)
def test_a_grant_that_proves_nothing_says_why(token: str, why: str) -> None:
    with pytest.raises(GrantInvalid, match=why):
        verify(token, KEYS, audience="records", now=NOW)


@pytest.mark.parametrize("claim", ["request_id", "package_digest", "recipient_id", "basis", "grantor", "exp"])
def test_a_grant_without_a_claim_proves_nothing(claim: str) -> None:
    claims = {name: value for name, value in CLAIMS.items() if name != claim}
    token = jws.serialize_compact(OWN, json.dumps(claims), KEY, registry=jws.JWSRegistry(algorithms=["Ed25519"]))
    with pytest.raises(GrantInvalid, match="not complete"):
        verify(token, KEYS, audience="records", now=NOW)


def test_a_changed_byte_proves_nothing() -> None:
    head, body, tail = sign(a_grant(), KEY).split(".")
    other = a_grant(recipient_id=OrganizationId("org_9"))
    _, foreign, _ = sign(other, KEY).split(".")
    assert body != foreign
    with pytest.raises(GrantInvalid):
        verify(f"{head}.{foreign}.{tail}", KEYS, audience="records", now=NOW)


@pytest.mark.parametrize("rubbish", ["", "a.b.c", "e30.e30.e30", "é", "x" * 100], ids=lambda text: text[:5] or "empty")
def test_a_token_without_a_time_says_none(rubbish: str) -> None:
    assert signed_at(rubbish) is None


def test_a_grant_says_when_it_was_signed() -> None:
    assert signed_at(sign(a_grant(), KEY)) == datetime.fromtimestamp(a_grant().iat, UTC)
