"""Reads the public keys of an export: a key is the one its `kid` says, by its thumbprint (RFC 7638), or it is none."""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from deploy.cli.audit.problems import EXPORT, Problems
from deploy.cli.audit.reading import Malformed, canonical, parse

_MEMBERS: Mapping[str, tuple[str, ...]] = {"OKP": ("crv", "kty", "x"), "RSA": ("e", "kty", "n")}
"""What a thumbprint is over, for each kind of key."""
_PRIVATE = frozenset({"d", "k", "p", "q", "dp", "dq", "qi", "oth"})


def decode(text: str) -> bytes:
    """Base64url without padding (RFC 7515 §2), in its one spelling. Raises ValueError for any other."""
    raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != text:
        raise ValueError
    return raw


def thumbprint(key: Mapping[str, Any]) -> str:
    """RFC 7638 of a key whose members were checked."""
    members = {name: key[name] for name in _MEMBERS[key["kty"]]}
    return base64.urlsafe_b64encode(hashlib.sha256(canonical(members)).digest()).rstrip(b"=").decode()


def read_keys(raw: bytes, file: str, problems: Problems) -> dict[str, Ed25519PublicKey]:
    """The Ed25519 keys of a JWKS (RFC 7517) by their `kid`. What is wrong with a key is noted, and the key left out."""
    try:
        listed = parse(raw).get("keys")
    except Malformed as why:
        for place, what in why.faults:
            problems.note(file, 0, place, what, EXPORT)
        return {}
    if not isinstance(listed, list) or not listed:
        problems.note(file, 0, "keys", "is not a list of keys", EXPORT)
        return {}
    found: dict[str, Ed25519PublicKey] = {}
    for number, key in enumerate(listed, start=1):
        place, what = _fault(key, found)
        if what:
            problems.note(file, 0, f"keys[{number}]{place}", what, EXPORT)
        elif key["kty"] == "OKP":
            found[key["kid"]] = Ed25519PublicKey.from_public_bytes(decode(key["x"]))
    return found


def _fault(key: Any, already: Mapping[str, object]) -> tuple[str, str]:
    """Where and how a key is none; two empty texts when it is one."""
    if not isinstance(key, dict) or not all(isinstance(value, str) for name, value in key.items() if name != "key_ops"):
        return "", "is not a key"
    if _PRIVATE & set(key):
        return "", "is a private key: it must never lie here, and must be replaced"
    members = _MEMBERS.get(key.get("kty", ""))
    if members is None:
        return ".kty", "is a kind of key that signs nothing here"
    for name in (*members, "kid"):
        if name not in key:
            return f".{name}", "is not there"
    try:
        sizes = {name: len(decode(key[name])) for name in members if name in {"x", "n", "e"}}
    except ValueError:
        return "", "has a number that is not base64url"
    if key["kty"] == "OKP" and (key["crv"], sizes["x"]) != ("Ed25519", 32):
        return ".crv", "is not an Ed25519 key"
    if key["kid"].rpartition("#")[2] != thumbprint(key):
        return ".kid", "is not the thumbprint of this key: one of the two was changed"
    if key["kid"] in already:
        return ".kid", "stands here twice"
    return "", ""
