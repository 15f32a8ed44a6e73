"""Reads a grant as a stranger would: consent's signature first, then its claims, then whether they allow this very row."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import ValidationError

from contracts.grant import ALGORITHM, AUDIENCE, SKEW_SECONDS, TYPE, Grant
from contracts.types import BasisCode, Capacity, Purpose
from deploy.cli.audit.keys import decode
from deploy.cli.audit.reading import Malformed, Row, parse

Fault = tuple[str, str]
"""Which field of the row, and what is wrong with it."""

_GROUNDS: Mapping[BasisCode, tuple[str, Capacity, str]] = {
    BasisCode.GUARDIAN_CONSENT: (
        "34 CFR 99.30",
        Capacity.GUARDIAN,
        r"The student is under 18, so a parent or guardian holds the rights in this record and agreed in writing that it goes to (.*)\.",
    ),
    BasisCode.STUDENT_CONSENT: (
        "34 CFR 99.30, 99.5(a)",
        Capacity.ELIGIBLE_STUDENT,
        r"The student is 18 or older and holds the rights in this record. The student agreed in writing that it goes to (.*)\.",
    ),
}
"""For each ground its section, who gives it, and the words the family read. Wordings are added, never edited."""
_PURPOSES: Mapping[str, tuple[Purpose, ...]] = {
    "a college the student applies to": (Purpose.ADMISSION, Purpose.SCHOLARSHIP, Purpose.FINANCIAL_AID),
    "a scholarship or aid body": (Purpose.SCHOLARSHIP, Purpose.FINANCIAL_AID),
    "an employer": (Purpose.EMPLOYMENT,),
}
"""For each kind of recipient, as the signed words name it, what it may be sent a record for."""


class Forged(Exception):
    """The grant proves nothing, and why."""


class UnknownKey(Forged):
    """The grant names a key that is not among consent's."""


def open_grant(token: str, keys: Mapping[str, Ed25519PublicKey]) -> Grant:
    """The claims under consent's signature (RFC 7515, RFC 8037). Raises Forged, UnknownKey."""
    try:
        head, body, signature = token.split(".")
        header, payload, signed = parse(decode(head)), decode(body), decode(signature)
    except (ValueError, Malformed):
        raise Forged("is not a signed token of three parts") from None
    if (header.get("alg"), header.get("typ")) != (ALGORITHM, TYPE):
        raise Forged("is a token of another kind than a grant")
    key = keys.get(str(header.get("kid")))
    if key is None:
        raise UnknownKey("is signed with a key that is not consent's")
    try:
        key.verify(signed, f"{head}.{body}".encode())
    except InvalidSignature:
        raise Forged("has a signature that does not fit: it was changed, or consent never signed it") from None
    try:
        parse(payload)
        return Grant.model_validate_json(payload)
    except (Malformed, ValidationError):
        raise Forged("lacks claims that every grant has") from None


def differences(row: Row, grant: Grant) -> Iterator[Fault]:
    """Fields in which the row is not what consent signed."""
    pairs: tuple[tuple[str, Any, Any], ...] = (
        ("school_id", row.school_id, grant.school_id),
        ("request_id", row.request_id, grant.request_id),
        ("student_id", row.student_id, grant.sub),
        ("recipient_id", row.recipient_id, grant.recipient_id),
        ("transcript_id", row.transcript_id, grant.transcript_id),
        ("transcript_version", row.transcript_version, grant.transcript_version),
        ("package_digest", row.package_digest, grant.package_digest),
        ("grant_jti", row.grant_jti, grant.jti),
        ("basis", row.basis, grant.basis),
        ("purpose", row.purpose, grant.purpose),
    )
    for name, said, signed in pairs:
        if said != signed:
            yield name, "is not what the grant allows"


def misuses(row: Row, grant: Grant) -> Iterator[Fault]:
    """Why a genuine grant does not carry this disclosure: audience, time, ground."""
    at = row.disclosed_at.timestamp()
    if missing := [name for name in AUDIENCE if name not in grant.aud]:
        yield "grant", f"is not addressed to {' and '.join(missing)}"
    if at >= grant.exp:
        yield "disclosed_at", "is after the grant had run out"
    if at < grant.iat - SKEW_SECONDS:
        yield "disclosed_at", "is before the grant was made"
    if grant.iat < grant.grantor.at - SKEW_SECONDS or grant.exp <= grant.iat:
        yield "grant", "has times that contradict one another"
    yield from _ground(grant)


def _ground(grant: Grant) -> Iterator[Fault]:
    """Whether the legal basis is one there is, given by whom it asks for, for a purpose of the recipient's kind."""
    section, capacity, words = _GROUNDS[grant.basis.code]
    told = re.fullmatch(words, grant.basis.words)
    if grant.basis.section != section or told is None or told[1] not in _PURPOSES:
        yield "basis", "is in other words than any ground for a release has"
    elif grant.purpose not in _PURPOSES[told[1]]:
        yield "purpose", "is none for which this kind of recipient may be sent a record"
    if grant.grantor.capacity is not capacity:
        yield "basis", "asks for another capacity than the one in which somebody signed"
    if (grant.grantor.person_id == grant.sub) != (capacity is Capacity.ELIGIBLE_STUDENT):
        yield "basis", "is not one that the person who signed can give for this student"
