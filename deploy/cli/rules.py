"""What a signed transcript must keep beside its signature: the closed list of terms, one person, one issuer, its dates."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

from deploy.cli.envelopes import Invalid, Json, moment

SCHEMA = Path(__file__).with_name("clr.schema.json")
_SKEW = timedelta(minutes=5)
"""So far two clocks may stand apart before a document is called early or late."""
_EVIDENCE = "ni:///sha-256;"


def check(credential: Json, *, at: datetime) -> None:
    """Raise Invalid for the first rule that is broken; `at` is now, with a zone."""
    for error in _terms().iter_errors(credential):
        raise Invalid(_said(error))
    _check_one_person(credential)
    begins, ends = moment(credential["validFrom"]), moment(credential.get("validUntil"))
    if begins is None or (ends is None and "validUntil" in credential):
        raise Invalid("one of its dates is no date")
    if begins > at + _SKEW:
        raise Invalid(f"it is not valid before {begins:%Y-%m-%d %H:%M} UTC: check this machine's clock")
    if ends is not None and ends < at - _SKEW:
        raise Invalid(f"it expired on {ends:%Y-%m-%d %H:%M} UTC")


def evidence_digests(credential: Json) -> set[str]:
    """Return the SHA-256 digests, in base64url without padding, of the files that the signed credential names (RFC 6920)."""
    return {
        address.removeprefix(_EVIDENCE).partition("?")[0]
        for address in _ids(credential)
        if address.startswith(_EVIDENCE)
    }


@cache
def _terms() -> "jsonschema_rs.Validator":
    return jsonschema_rs.validator_for(json.loads(SCHEMA.read_text(encoding="utf-8")))


def _said(error: jsonschema_rs.ValidationError) -> str:
    """Say where and which rule, never the value: it is somebody's record."""
    place = _place(error.instance_path)
    match error.kind:
        case jsonschema_rs.ValidationErrorKind.AdditionalProperties(unexpected):
            unknown = ", ".join(ascii(name)[1:-1][:40] for name in sorted(unexpected)[:3])
            return (
                f"at {place} it has the property {unknown}, which is not among the declared terms: "
                "no reader knows what it means, so nothing that rides along with it is believed"
            )
        case jsonschema_rs.ValidationErrorKind.Required(name):
            return f"at {place} it lacks {name}"
        case kind:
            return f"at {place} it breaks a rule of CLR 2.0 ({kind.name})"


def _place(path: list[str | int]) -> str:
    said = "".join(f"[{step}]" if isinstance(step, int) else f".{ascii(step)[1:-1][:40]}" for step in path[:12])
    return said.lstrip(".") or "the top"


def _check_one_person(credential: Json) -> None:
    """CLR 2.0: all is about one person. What is contained carries no signature of its own, so it must be the issuer's."""
    subject, issuer = credential["credentialSubject"], credential["issuer"]["id"]
    for number, inner in enumerate(subject["verifiableCredential"]):
        place = f"credentialSubject.verifiableCredential[{number}]"
        if inner["credentialSubject"]["id"] != subject["id"]:
            raise Invalid(f"{place} is about somebody else than the transcript")
        if inner["issuer"]["id"] != issuer:
            raise Invalid(f"{place} names another issuer, whose signature is not there")


def _ids(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        identity = node.get("id")
        if isinstance(identity, str):
            yield identity
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _ids(inner)
