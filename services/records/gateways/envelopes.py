"""The three signatures of a credential, each by its own profile and never mixed.

- 1EdTech (OB 3.0 / CLR 2.0 "JSON Web Token Proof Format"): RS256, `typ` JWT, `kid`, claims iss, jti, nbf, sub.
- VC-JOSE-COSE: EdDSA, `typ` vc+jwt, the credential itself as payload, no `vc` claim.
- Data Integrity `eddsa-jcs-2022`: a proof inside the JSON, over RFC 8785 bytes.

All three are deterministic: the same credential and keys give the same bytes. Not checked here: what the credential says.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import orjson
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jws
from joserfc.jwa import JWSAlgModel
from joserfc.jwk import OKPKey, RSAKey
from joserfc.jws import JWSRegistry

Json = dict[str, Any]

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


@dataclass(frozen=True)
class IssuerKeys:
    """The school's two signing keys, parsed, each with a `kid` that a verifier resolves.

    The Ed25519 `kid` is a full URL (`https://…#key`): it is the `verificationMethod` of the proof as well.
    """

    rsa: RSAKey
    ed25519: OKPKey


class _VcJoseRegistry(JWSRegistry):
    """Takes `EdDSA` without a warning: RFC 9864 deprecates the name, VC-JOSE-COSE still asks for it."""

    def get_alg(self, name: str) -> JWSAlgModel:
        return self.algorithms[name] if name == "EdDSA" else super().get_alg(name)


def one_edtech_jwt(credential: Mapping[str, Any], keys: IssuerKeys) -> bytes:
    """The compact JWS of the 1EdTech profile."""
    claims = {
        **credential,
        "iss": credential["issuer"]["id"],
        "jti": credential["id"],
        "nbf": int(datetime.fromisoformat(credential["validFrom"]).timestamp()),
        "sub": credential["credentialSubject"]["id"],
    }
    header = {"alg": "RS256", "typ": "JWT", "kid": _kid(keys.rsa)}
    return jws.serialize_compact(header, orjson.dumps(claims), keys.rsa, algorithms=["RS256"]).encode()


def vc_jose_jwt(credential: Mapping[str, Any], keys: IssuerKeys) -> bytes:
    """The compact JWS of VC-JOSE-COSE, media type `application/vc+jwt`."""
    header = {"alg": "EdDSA", "typ": "vc+jwt", "cty": "vc", "kid": _kid(keys.ed25519)}
    registry = _VcJoseRegistry(algorithms=["EdDSA"])
    return jws.serialize_compact(header, orjson.dumps(dict(credential)), keys.ed25519, registry=registry).encode()


def with_proof(credential: Mapping[str, Any], keys: IssuerKeys) -> Json:
    """The credential with an `eddsa-jcs-2022` proof, created at its `validFrom`."""
    options = {
        "type": "DataIntegrityProof",
        "cryptosuite": "eddsa-jcs-2022",
        "created": credential["validFrom"],
        "verificationMethod": _kid(keys.ed25519),
        "proofPurpose": "assertionMethod",
        "@context": credential["@context"],
    }
    signed = hashlib.sha256(rfc8785.dumps(options)).digest() + hashlib.sha256(rfc8785.dumps(dict(credential))).digest()
    private = cast("Ed25519PrivateKey", keys.ed25519.private_key)
    return {**credential, "proof": {**options, "proofValue": "z" + base58(private.sign(signed))}}


def base58(raw: bytes) -> str:
    """Base 58 in Bitcoin's alphabet, as multibase `z` wants it; leading zero bytes become leading `1`."""
    number, letters = int.from_bytes(raw, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        letters = _BASE58[digit] + letters
    return "1" * (len(raw) - len(raw.lstrip(b"\0"))) + letters


def _kid(key: RSAKey | OKPKey) -> str:
    if not key.kid:
        raise ValueError(f"the {key.key_type} signing key has no kid; a verifier could not find it")
    return key.kid
