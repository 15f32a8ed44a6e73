"""Reads one signed credential as a stranger would: bounded, offline, by the standards' own rules and none of our code.

Invariants: nothing is fetched, neither a context nor a key nor a status list; a key is trusted only if the caller gave it,
never because the document brings or names it; each signature profile is read by its own rules (1EdTech: RS256; VC-JOSE:
EdDSA or ES256; `eddsa-jcs-2022` inside the JSON) and none by another's. `Invalid` says in one sentence what is wrong,
without repeating what stands in the document.
"""

import base64
import binascii
import hashlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from joserfc import jws
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwa import JWSAlgModel
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

Json = dict[str, Any]
Key = RSAKey | OKPKey | ECKey

# A transcript with 60 credits is some 0.5 MB, 20 000 values, 11 deep.
MAX_BYTES = 8 * 2**20
MAX_DEPTH = 32
MAX_NODES = 250_000
_MAX_JWKS = 2**20
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
# An Ed25519 signature is 64 bytes: 88 letters of base 58 at the most.
_MAX_BASE58 = 88
_CLAIMS = ("iss", "jti", "nbf", "sub", "exp")
# Which algorithm a profile allows, and the only kind of key that may be tried with it (else: key confusion).
_PROFILES: Mapping[str, tuple[str, ...]] = {"JWT": ("RS256",), "vc+jwt": ("EdDSA", "ES256")}
_KEY_OF: Mapping[str, tuple[str, str | None]] = {
    "RS256": ("RSA", None),
    "EdDSA": ("OKP", "Ed25519"),
    "ES256": ("EC", "P-256"),
}
_HEADERS = frozenset({"alg", "typ", "cty", "kid", "jwk"})


class Invalid(Exception):
    """The document is not what it claims to be. The text is one sentence and repeats nothing from the document."""


class Trust(StrEnum):
    """Whose signature it is, as far as can be said here."""

    GIVEN = "is by a key that you gave"
    FOREIGN = "is by a key that is not among those you gave"
    CARRIED = "is by a key that it brings along itself, so anybody's"
    UNASKED = "was not checked: no keys were given"


@dataclass(frozen=True)
class Signed:
    """One credential out of its envelope: without registered claims, without proof. `alg` and `kid` as it says them."""

    credential: Json
    alg: str
    kid: str
    trust: Trust


class IssuerKeys:
    """The public keys that the caller vouches for: what the school publishes as its JWKS."""

    def __init__(self, raw: bytes) -> None:
        """Read a JWKS. Raises Invalid when it is none, or holds a private key."""
        listed = parse(raw, limit=_MAX_JWKS).get("keys")
        if not isinstance(listed, list) or not listed:
            raise Invalid("the file of issuer keys is not a JWKS: it has no list called 'keys'")
        self._keys = [_public_key(jwk) for jwk in listed if not (isinstance(jwk, dict) and jwk.get("use") == "enc")]

    def find(self, kid: str) -> Key | None:
        """Return the key of that name: the whole `kid`, or what stands behind its `#`. None when it is not here."""
        names = {kid, kid.rpartition("#")[2]}
        return next((key for key in self._keys if key.kid in names or key.thumbprint() in names), None)


class _Registry(JWSRegistry):
    """Room for a whole transcript, and `EdDSA` without a warning: RFC 9864 deprecates the name, VC-JOSE asks for it."""

    max_payload_length = MAX_BYTES
    max_header_length = 4096

    def get_alg(self, name: str) -> JWSAlgModel:
        return self.algorithms[name] if name == "EdDSA" else super().get_alg(name)


def parse(raw: bytes, *, limit: int = MAX_BYTES) -> Json:
    """Read a JSON object, bounded in size, depth and number of values; a key twice is refused. Raises Invalid."""
    if len(raw) > limit:
        raise Invalid(f"it is larger than {limit:,} bytes: no transcript is")
    try:
        found = json.loads(raw, object_pairs_hook=_once, parse_constant=_no_number)
    except RecursionError:
        raise Invalid(f"it is nested more than {MAX_DEPTH} deep: no transcript is") from None
    except ValueError:
        raise Invalid("it is not JSON") from None
    if not isinstance(found, dict):
        raise Invalid("it is JSON, but not an object")
    _bound(found)
    return found


def read(raw: bytes, keys: IssuerKeys | None) -> Signed:
    """Take a credential out of its envelope, whichever of the three it is, and check the signature. Raises Invalid."""
    if raw.lstrip()[:1] == b"{":
        return read_proof(parse(raw), keys)
    return read_token(raw.strip(), keys)


def read_token(raw: bytes, keys: IssuerKeys | None) -> Signed:
    """Read a compact JWS of either profile."""
    if len(raw) > MAX_BYTES:
        raise Invalid(f"it is larger than {MAX_BYTES:,} bytes: no transcript is")
    parts = raw.split(b".")
    if len(parts) != 3:  # RFC 7515 §3.1
        raise Invalid("it is neither JSON nor a signed token of three parts")
    header, alg, kid = _header(parts[0])
    payload = parse(_base64(parts[1]))
    trust = Trust.UNASKED
    if "jwk" in header:
        _verify_token(raw, alg, _public_key(header["jwk"]))
        trust = Trust.CARRIED
    if keys is not None:
        key = keys.find(kid)
        if key is not None:
            _verify_token(raw, alg, key)
            trust = Trust.GIVEN
        elif trust is not Trust.CARRIED:
            trust = Trust.FOREIGN
    profile = header.get("typ", "JWT")
    return Signed(_without_claims(payload) if profile == "JWT" else _plain(payload), alg, kid, trust)


def read_proof(document: Json, keys: IssuerKeys | None) -> Signed:
    """Read a credential with one `eddsa-jcs-2022` proof inside."""
    proof = document.pop("proof", None)
    if proof is None:
        raise Invalid("it carries no proof: nothing says who made it")
    if isinstance(proof, list):
        raise Invalid(f"it carries {len(proof)} proofs where one is expected: which of them counts is anybody's guess")
    if not isinstance(proof, dict):
        raise Invalid("its proof is not an object")
    if (proof.get("type"), proof.get("cryptosuite")) != ("DataIntegrityProof", "eddsa-jcs-2022"):
        raise Invalid("its proof is of another kind than DataIntegrityProof with eddsa-jcs-2022")
    if proof.get("proofPurpose") != "assertionMethod":
        raise Invalid("its proof was made for another purpose than assertionMethod")
    context = proof.get("@context")
    mine = document.get("@context")
    if not isinstance(context, list) or not isinstance(mine, list) or mine[: len(context)] != context:
        raise Invalid("its proof was made in another @context than the document's")
    kid = proof.get("verificationMethod")
    if not isinstance(kid, str):
        raise Invalid("its proof names no verificationMethod")
    key = keys.find(kid) if keys is not None else None
    if key is None:
        return Signed(document, "eddsa-jcs-2022", kid, Trust.UNASKED if keys is None else Trust.FOREIGN)
    _verify_proof(document, dict(proof), key)
    return Signed(document, "eddsa-jcs-2022", kid, Trust.GIVEN)


def _header(raw: bytes) -> tuple[Json, str, str]:
    """Read and judge a JOSE header before any key is touched."""
    header = parse(_base64(raw), limit=_Registry.max_header_length)
    if strange := sorted(set(header) - _HEADERS):
        named = ", ".join(ascii(name)[1:-1][:20] for name in strange[:5])
        raise Invalid(
            f"its header says more than a transcript's may ({named}): where keys lie is not the document's say"
        )
    alg, typ, kid = header.get("alg"), header.get("typ", "JWT"), header.get("kid", "")
    if alg == "none":
        raise Invalid("it is not signed (alg: none)")
    if not isinstance(typ, str) or typ not in _PROFILES:
        raise Invalid("its header has a typ that is neither JWT (1EdTech) nor vc+jwt (VC-JOSE)")
    if not isinstance(alg, str) or alg not in _PROFILES[typ]:
        raise Invalid(f"its header asks for an algorithm that the profile {typ} does not allow")
    if not isinstance(kid, str) or not (kid or "jwk" in header):
        raise Invalid("its header names no key (kid)")
    return header, alg, kid


def _verify_token(raw: bytes, alg: str, key: Key) -> None:
    _must_fit(key, alg)
    try:
        jws.deserialize_compact(raw, key, registry=_Registry(algorithms=[alg]))
    except (JoseError, ValueError):
        raise Invalid("its signature does not fit: it was changed after signing, or is not by that key") from None


def _verify_proof(document: Json, options: Json, key: Key) -> None:
    """Check the signature over both digests (Data Integrity EdDSA Cryptosuites §3.3)."""
    _must_fit(key, "EdDSA")
    signature = _unbase58(options.pop("proofValue", None))
    try:
        signed = b"".join(hashlib.sha256(rfc8785.dumps(each)).digest() for each in (options, document))
        public = key.public_key
        assert isinstance(public, Ed25519PublicKey)
        public.verify(signature, signed)
    except (InvalidSignature, rfc8785.CanonicalizationError, ValueError):
        raise Invalid("its proof does not fit: it was changed after signing, or is not by that key") from None


def _must_fit(key: Key, alg: str) -> None:
    kind, curve = _KEY_OF[alg]
    fits = key.key_type == kind and (curve is None or key.as_dict(private=False).get("crv") == curve)
    if not fits or key.get("alg") not in {None, alg, "Ed25519"}:
        raise Invalid(f"the key it names is not one for {alg}")


def _without_claims(payload: Json) -> Json:
    """Take off the registered claims of the 1EdTech profile, which must say what the credential says."""
    credential = {name: value for name, value in payload.items() if name not in _CLAIMS}
    subject, issuer = credential.get("credentialSubject"), credential.get("issuer")
    wanted = {
        "iss": issuer.get("id") if isinstance(issuer, dict) else issuer,
        "jti": credential.get("id"),
        "nbf": _seconds(credential.get("validFrom")),
        "sub": subject.get("id") if isinstance(subject, dict) else None,
    }
    if "validUntil" in credential or "exp" in payload:
        wanted["exp"] = _seconds(credential.get("validUntil"))
    for claim, value in wanted.items():
        if value is None or payload.get(claim) != value:
            raise Invalid(f"its claim {claim} says something else than the credential")
    return credential


def _plain(payload: Json) -> Json:
    """VC-JOSE-COSE §3: the payload is the credential; the claims of VC 1.1 must not appear."""
    if "vc" in payload or "vp" in payload:
        raise Invalid("it mixes two profiles: a vc+jwt token has no claim called vc or vp")
    return payload


def moment(text: object) -> datetime | None:
    """Read a date and time with a zone; None when it is none."""
    if not isinstance(text, str) or len(text) > 40:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo is not None else None


def _seconds(text: object) -> int | None:
    found = moment(text)
    return None if found is None else int(found.timestamp())


def _public_key(jwk: object) -> Key:
    if not isinstance(jwk, dict):
        raise Invalid("a key is not a JSON object")
    if "d" in jwk or "k" in jwk:
        raise Invalid(
            "a private key lies where a public one belongs: give the issuer's public JWKS, and guard that file"
        )
    try:
        with warnings.catch_warnings(action="error", category=SecurityWarning):
            key = JWKRegistry.import_key(jwk)
    except SecurityWarning:  # RFC 7518 §3.3
        raise Invalid("an RSA key is shorter than 2048 bits") from None
    except (JoseError, ValueError, TypeError, KeyError):
        raise Invalid("a key can't be read as a JWK") from None
    if not isinstance(key, (RSAKey, OKPKey, ECKey)):
        raise Invalid("a key is of a kind that signs no transcripts")
    return key


def _base64(part: bytes) -> bytes:
    try:
        return base64.b64decode(part + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("a part of the token is not base64url") from None


def _unbase58(text: object) -> bytes:
    if not isinstance(text, str) or not text.startswith("z") or len(text) > 1 + _MAX_BASE58:
        raise Invalid("its proofValue is not a signature in base 58")
    number = 0
    for letter in text[1:]:
        at = _BASE58.find(letter)
        if at < 0:
            raise Invalid("its proofValue is not a signature in base 58")
        number = number * 58 + at
    zeros = len(text) - 1 - len(text[1:].lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8)


def _once(pairs: list[tuple[str, Any]]) -> Json:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Invalid("it says one name twice in one place: readers would differ on which counts")
    return found


def _no_number(_: str) -> Any:
    raise ValueError


def _bound(found: Json) -> None:
    """Count values and depth without recursion."""
    level: list[Any] = [found]
    seen = 0
    for _ in range(MAX_DEPTH):
        seen += len(level)
        if seen > MAX_NODES:
            raise Invalid(f"it holds more than {MAX_NODES:,} values: no transcript does")
        inner: list[Any] = []
        for node in level:
            if isinstance(node, dict):
                inner.extend(node.values())
            elif isinstance(node, list):
                inner.extend(node)
        if not inner:
            return
        level = inner
    raise Invalid(f"it is nested more than {MAX_DEPTH} deep: no transcript is")
