"""A stranger's reading of one credential: what a forger tries, and the sentence that each attempt gets."""

import base64
import hashlib
import json
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc.jwk import ECKey, OctKey, OKPKey

from deploy.cli.envelopes import Invalid, IssuerKeys, Signed, Trust, parse, read
from services.records.gateways.envelopes import one_edtech_jwt, vc_jose_jwt, with_proof
from tests.deploy.cli.conftest import School

Json = dict[str, Any]


@pytest.fixture
def keys(school: School) -> IssuerKeys:
    return IssuerKeys(school.jwks.read_bytes())


def refused(raw: bytes, keys: IssuerKeys | None) -> str:
    with pytest.raises(Invalid) as why:
        read(raw, keys)
    return str(why.value)


@pytest.mark.parametrize("sign", [one_edtech_jwt, vc_jose_jwt, lambda one, by: orjson.dumps(with_proof(one, by))])
def test_each_of_the_three_envelopes_gives_the_credential_and_nothing_else(
    sign: Any, credential: Json, school: School, keys: IssuerKeys
):
    signed = read(sign(credential, school.keys), keys)
    assert signed.credential == credential
    assert signed.trust is Trust.GIVEN


def test_without_keys_nothing_is_claimed_about_the_signature(credential: Json, school: School):
    assert read(vc_jose_jwt(credential, school.keys), None).trust is Trust.UNASKED
    assert read(orjson.dumps(with_proof(credential, school.keys)), None).trust is Trust.UNASKED


def test_a_key_of_somebody_else_is_foreign(credential: Json, school: School, keys: IssuerKeys):
    other = OKPKey.generate_key("Ed25519")
    token = school.token(credential, key=other, kid="https://elsewhere.example/keys#1")
    assert read(token, keys).trust is Trust.FOREIGN


def test_a_signature_by_another_key_under_the_schools_kid_does_not_fit(
    credential: Json, school: School, keys: IssuerKeys
):
    assert "signature does not fit" in refused(school.token(credential, key=OKPKey.generate_key("Ed25519")), keys)


def test_one_changed_letter_does_not_fit(credential: Json, school: School, keys: IssuerKeys):
    head, _, signature = vc_jose_jwt(credential, school.keys).split(b".")
    other = school.token({**credential, "partial": True}).split(b".")[1]
    assert "signature does not fit" in refused(b".".join((head, other, signature)), keys)
    proved = with_proof(credential, school.keys)
    assert "proof does not fit" in refused(orjson.dumps({**proved, "partial": not proved["partial"]}), keys)


def test_alg_none_is_not_signed(credential: Json, school: School, keys: IssuerKeys):
    token = school.token(credential, key=OctKey.generate_key(256), alg="HS256")
    head = orjson.dumps({"alg": "none", "typ": "vc+jwt", "kid": school.keys.ed25519.kid})
    assert "alg: none" in refused(b".".join((base64url(head), token.split(b".")[1], b"")), keys)


def test_a_public_key_used_as_a_shared_secret_opens_nothing(credential: Json, school: School, keys: IssuerKeys):
    secret = OctKey.import_key(base64url(school.keys.rsa.as_pem(private=False)).decode())
    for typ in ("JWT", "vc+jwt"):
        token = school.token(credential, key=secret, alg="HS256", typ=typ, kid=school.keys.rsa.kid)
        assert "does not allow" in refused(token, keys)


def test_a_profile_takes_only_its_own_algorithms(credential: Json, school: School, keys: IssuerKeys):
    token = school.token(credential, key=school.keys.rsa, alg="RS256", typ="vc+jwt", kid=school.keys.rsa.kid)
    assert "does not allow" in refused(token, keys)
    assert "neither JWT" in refused(school.token(credential, typ="at+jwt"), keys)


def test_an_ec_key_signs_as_es256_and_is_not_confused_with_another_kind(
    credential: Json, school: School, ec_key: ECKey
):
    keys = IssuerKeys(json.dumps({"keys": [{**ec_key.as_dict(private=False), "kid": "ec"}]}).encode())
    assert read(school.token(credential, key=ec_key, alg="ES256", kid="ec"), keys).trust is Trust.GIVEN
    assert "is not one for EdDSA" in refused(school.token(credential, kid="ec"), keys)


@pytest.mark.parametrize("name", ["jku", "x5u", "x5c", "crit", "b64"])
def test_where_keys_lie_is_not_the_documents_say(name: str, credential: Json, school: School, keys: IssuerKeys):
    # Written by hand: no library signs such headers.
    head = orjson.dumps({"alg": "EdDSA", "typ": "vc+jwt", "kid": school.keys.ed25519.kid, name: "https://evil.example"})
    _, payload, signature = school.token(credential).split(b".")
    assert "its header says more" in refused(b".".join((base64url(head), payload, signature)), keys)


def test_a_key_that_the_document_brings_along_is_anybodys(credential: Json, school: School, keys: IssuerKeys):
    forger = OKPKey.generate_key("Ed25519")
    token = school.token(credential, key=forger, kid=None, jwk=forger.as_dict(private=False))
    assert read(token, keys).trust is Trust.CARRIED
    assert read(token, None).trust is Trust.CARRIED
    borrowed = school.token(credential, key=forger, jwk=forger.as_dict(private=False))  # under the school's kid
    assert "signature does not fit" in refused(borrowed, keys)


def test_two_proofs_are_one_too_many(credential: Json, school: School, keys: IssuerKeys):
    proof = with_proof(credential, school.keys)["proof"]
    assert "carries 2 proofs" in refused(orjson.dumps({**credential, "proof": [proof, proof]}), keys)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"proofPurpose": "authentication"}, "another purpose"),
        ({"cryptosuite": "eddsa-rdfc-2022"}, "another kind"),
        ({"@context": ["https://elsewhere.example"]}, "another @context"),
        ({"verificationMethod": None}, "no verificationMethod"),
        ({"proofValue": "z0OIl"}, "base 58"),
        ({"proofValue": "z" + "1" * 5_000}, "base 58"),
        ({"created": "2020-01-01T00:00:00Z"}, "proof does not fit"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_bent_proof_is_told_apart(change: Json, said: str, credential: Json, school: School, keys: IssuerKeys):
    proved = with_proof(credential, school.keys)
    assert said in refused(orjson.dumps({**proved, "proof": {**proved["proof"], **change}}), keys)


def test_no_proof_no_maker(credential: Json, keys: IssuerKeys):
    assert "carries no proof" in refused(orjson.dumps(credential), keys)


@pytest.mark.parametrize("claim", ["iss", "jti", "nbf", "sub"])
def test_a_claim_that_says_something_else_is_refused(claim: str, credential: Json, school: School, keys: IssuerKeys):
    payload = json.loads(base64url_read(one_edtech_jwt(credential, school.keys).split(b".")[1]))
    token = school.token(
        {**payload, claim: "other"}, key=school.keys.rsa, alg="RS256", typ="JWT", kid=school.keys.rsa.kid
    )
    assert f"its claim {claim} says something else" in refused(token, keys)


def test_profiles_are_not_mixed(credential: Json, school: School, keys: IssuerKeys):
    assert "mixes two profiles" in refused(school.token({**credential, "vc": {}}), keys)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "neither JSON nor"),
        (b"hello", "neither JSON nor"),
        (b"a.b.c", "base64url"),
        (b"YQ.YQ.YQ", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe{}", "neither JSON nor"),
        (b"{" + b'"a":{' * 40 + b"}" * 41, "nested more than"),
        (b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}", "nested more than"),
        (b'{"a":[' + b"0," * 300_000 + b"0]}", "holds more than"),
        (b'{"a":1,"a":2}', "says one name twice"),
        (b'{"a":NaN}', "not JSON"),
        (b'{"a":"' + b"x" * 9_000_000 + b'"}', "larger than"),
    ],
    ids=["empty", "words", "dots", "tokens", "open", "bytes", "deep", "deeper", "wide", "twice", "nan", "long"],
)
def test_rubbish_and_bombs_get_one_sentence(raw: bytes, said: str, keys: IssuerKeys):
    assert said in refused(raw, keys)


def test_a_private_key_given_as_public_is_refused(school: School):
    private = {"keys": [school.keys.ed25519.as_dict(private=True)]}
    with pytest.raises(Invalid, match="private key lies"):
        IssuerKeys(orjson.dumps(private))


@pytest.mark.parametrize(
    ("raw", "said"),
    [(b"{}", "not a JWKS"), (b'{"keys":[1]}', "not a JSON object"), (b'{"keys":[{"kty":"x"}]}', "read as a JWK")],
)
def test_a_file_that_is_no_jwks_is_said_to_be_none(raw: bytes, said: str):
    with pytest.raises(Invalid, match=said):
        IssuerKeys(raw)


def test_a_short_rsa_key_counts_for_nothing():
    numbers = rsa.generate_private_key(65537, 1024).public_key().public_numbers()
    jwk = {
        "kty": "RSA",
        **{name: base64url(one.to_bytes(128).lstrip(b"\0")).decode() for name, one in vars_of(numbers)},
    }
    with pytest.raises(Invalid, match="shorter than 2048"):
        IssuerKeys(orjson.dumps({"keys": [jwk]}))


def test_what_was_signed_in_1edtech_form_is_digested_as_it_was(credential: Json, school: School, keys: IssuerKeys):
    """The same credential out of all three envelopes, so that they can be compared."""
    proved: Signed = read(orjson.dumps(with_proof(credential, school.keys)), keys)
    token = read(one_edtech_jwt(credential, school.keys), keys)
    assert (
        hashlib.sha256(orjson.dumps(proved.credential)).digest()
        == hashlib.sha256(orjson.dumps(token.credential)).digest()
    )


def test_parse_wants_an_object():
    with pytest.raises(Invalid, match="not an object"):
        parse(b"[]")


def vars_of(numbers: rsa.RSAPublicNumbers) -> list[tuple[str, int]]:
    return [("n", numbers.n), ("e", numbers.e)]


def base64url(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def base64url_read(raw: bytes) -> bytes:
    return base64.urlsafe_b64decode(raw + b"=" * (-len(raw) % 4))
