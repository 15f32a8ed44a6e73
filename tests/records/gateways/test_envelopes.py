"""Each signature verifies by its own profile and breaks with one changed letter."""

import hashlib
import json
from typing import Any

import pytest
import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from joserfc import jws
from joserfc.errors import BadSignatureError
from joserfc.jwk import OKPKey

from services.records.domain.content import TranscriptContent
from services.records.domain.selection import select
from services.records.gateways.credential import SealFacts, clr_credential
from services.records.gateways.envelopes import IssuerKeys, base58, one_edtech_jwt, vc_jose_jwt, with_proof


@pytest.fixture
def credential(ximena: TranscriptContent, sealed: SealFacts) -> dict[str, Any]:
    return clr_credential(select(ximena, None), sealed)


def spoiled(token: bytes) -> bytes:
    """One letter of the payload changed; still base64url of the same length."""
    head, payload, signature = token.split(b".")
    at = len(payload) // 2
    return b".".join(
        (head, payload[:at] + (b"A" if payload[at : at + 1] != b"A" else b"B") + payload[at + 1 :], signature)
    )


def test_the_1edtech_profile_is_rs256_with_four_claims(credential: dict[str, Any], keys: IssuerKeys):
    read = jws.deserialize_compact(one_edtech_jwt(credential, keys), keys.rsa, algorithms=["RS256"])
    assert read.headers() == {"alg": "RS256", "typ": "JWT", "kid": keys.rsa.kid}
    claims = json.loads(read.payload)
    assert {name: claims.pop(name) for name in ("iss", "jti", "nbf", "sub")} == {
        "iss": credential["issuer"]["id"],
        "jti": credential["id"],
        "nbf": 1781260200,
        "sub": credential["credentialSubject"]["id"],
    }
    assert claims == credential


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # what VC-JOSE-COSE asks for still
def test_the_vc_jose_profile_is_eddsa_without_a_vc_claim(credential: dict[str, Any], keys: IssuerKeys):
    read = jws.deserialize_compact(vc_jose_jwt(credential, keys), keys.ed25519, algorithms=["EdDSA"])
    assert (read.headers()["alg"], read.headers()["typ"]) == ("EdDSA", "vc+jwt")
    assert json.loads(read.payload) == credential
    assert "vc" not in json.loads(read.payload)


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
def test_one_changed_letter_breaks_either_token(credential: dict[str, Any], keys: IssuerKeys):
    with pytest.raises(BadSignatureError):
        jws.deserialize_compact(spoiled(one_edtech_jwt(credential, keys)), keys.rsa, algorithms=["RS256"])
    with pytest.raises(BadSignatureError):
        jws.deserialize_compact(spoiled(vc_jose_jwt(credential, keys)), keys.ed25519, algorithms=["EdDSA"])


def test_the_embedded_proof_verifies_as_eddsa_jcs_2022(credential: dict[str, Any], keys: IssuerKeys):
    document = with_proof(credential, keys)
    proof = document.pop("proof")
    signature = unbase58(proof.pop("proofValue").removeprefix("z"))
    public = keys.ed25519.public_key
    assert isinstance(public, Ed25519PublicKey)
    public.verify(signature, digest_of(proof) + digest_of(document))
    document["partial"] = not document["partial"]
    with pytest.raises(InvalidSignature):
        public.verify(signature, digest_of(proof) + digest_of(document))


def digest_of(value: dict[str, Any]) -> bytes:
    return hashlib.sha256(rfc8785.dumps(value)).digest()


def unbase58(text: str) -> bytes:
    number = 0
    for letter in text:
        number = number * 58 + "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz".index(letter)
    return number.to_bytes(64, "big")


@pytest.mark.parametrize(
    ("raw", "written"),
    [(b"Hello World!", "2NEpo7TZRRrLZSi2U"), (bytes.fromhex("0000287fb4cd"), "11233QC4"), (b"", "")],
)
def test_base58_writes_the_published_vectors(raw: bytes, written: str):
    assert base58(raw) == written


def test_the_same_credential_is_signed_the_same_way_twice(credential: dict[str, Any], keys: IssuerKeys):
    for sign in (one_edtech_jwt, vc_jose_jwt, with_proof):
        assert sign(credential, keys) == sign(credential, keys)


def test_a_key_without_a_kid_signs_nothing(credential: dict[str, Any], keys: IssuerKeys):
    nameless = IssuerKeys(keys.rsa, OKPKey.generate_key("Ed25519"))
    with pytest.raises(ValueError, match="no kid"):
        vc_jose_jwt(credential, nameless)
