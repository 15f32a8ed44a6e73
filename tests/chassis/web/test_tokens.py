import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import Key, KeySet, OctKey, OKPKey, RSAKey
from joserfc.util import urlsafe_b64encode

from contracts.problem import Reason
from services.chassis.decision import Refusal
from services.chassis.web.auth import Caller, caller_of, step_up
from services.chassis.web.tokens import (
    ACCESS,
    SESSION,
    STEP_UP_SECONDS,
    SessionClaims,
    StepUp,
    StepUpClaims,
    TokenInvalid,
    make_access,
    make_session,
    make_step_up,
    read_session,
)
from tests.chassis.web.conftest import NOW, SECONDS, make_key
from tests.support.public_keys import PublicKeys

DIGEST = "sha256:" + "a" * 64


def test_a_session_is_read_back_as_it_was_made(key: OKPKey, claims: SessionClaims) -> None:
    assert read_session(make_session(claims, key), PublicKeys(key).set, typ=SESSION, now=NOW) == claims


def test_an_access_token_names_nobody(key: OKPKey, claims: SessionClaims) -> None:
    read = read_session(make_access(claims, key), PublicKeys(key).set, typ=ACCESS, now=NOW)
    assert (read.name, read.csrf, read.sub) == ("", "", claims.sub)


def forged(claims: SessionClaims, header: dict[str, str], key: Key) -> str:
    return jws.serialize_compact(header, claims.model_dump_json(), key, algorithms=[header["alg"]])


def test_what_is_not_signed_by_a_configured_key_proves_nothing(key: OKPKey, claims: SessionClaims) -> None:
    stranger = make_key()
    public = json.dumps(key.as_dict(private=False)).encode()
    good = make_session(claims, key)
    head, body, signature = good.split(".")
    none = urlsafe_b64encode(json.dumps({"alg": "none", "typ": SESSION, "kid": key.kid}).encode()).decode()
    rsa = RSAKey.generate_key(2048, auto_kid=True)
    wrong = {
        "a stranger's key": make_session(claims, stranger),
        "a stranger's key under our kid": forged(
            claims, {"alg": "Ed25519", "typ": SESSION, "kid": key.kid or ""}, stranger
        ),
        "no algorithm": f"{none}.{body}.",
        "our public key as a shared secret": forged(
            claims, {"alg": "HS256", "typ": SESSION, "kid": key.kid or ""}, OctKey.import_key(public)
        ),
        "another algorithm": forged(claims, {"alg": "RS256", "typ": SESSION, "kid": rsa.kid or ""}, rsa),
        "a changed body": f"{head}.{body[:-4]}AAAA.{signature}",
        "no signature": f"{head}.{body}.",
        "four parts": f"{good}.x",
        "rubbish": "rubbish",
        "empty": "",
        "not ascii": "é.é.é",
        "a header that is a list": urlsafe_b64encode(b"[]").decode() + f".{body}.{signature}",
        "too long": good + "A" * 4000,
    }
    keys = PublicKeys(key).set
    for what, token in wrong.items():
        with pytest.raises(TokenInvalid) as why:
            read_session(token, keys, typ=SESSION, now=NOW)
        assert not token or token not in str(why.value), what


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "somebody-else"},
        {"aud": "another-house"},
        {"exp": SECONDS},
        {"exp": SECONDS - 1},
        {"iat": SECONDS + 120},
        {"sub": ""},
        {"jti": "short"},
    ],
    ids=str,
)
def test_issuer_audience_and_time_are_checked(key: OKPKey, claims: SessionClaims, change: dict[str, object]) -> None:
    token = make_session(claims.model_copy(update=change), key)
    with pytest.raises(TokenInvalid):
        read_session(token, PublicKeys(key).set, typ=SESSION, now=NOW)


def test_a_token_of_one_type_is_no_token_of_another(key: OKPKey, claims: SessionClaims) -> None:
    keys = PublicKeys(key).set
    with pytest.raises(TokenInvalid):
        read_session(make_session(claims, key), keys, typ=ACCESS, now=NOW)
    with pytest.raises(TokenInvalid):
        read_session(make_access(claims, key), keys, typ=SESSION, now=NOW)
    with pytest.raises(TokenInvalid):
        read_session(make_step_up(confirmed(), key), keys, typ=SESSION, now=NOW)


def test_without_keys_nobody_is_signed_in(key: OKPKey, claims: SessionClaims) -> None:
    with pytest.raises(TokenInvalid):
        read_session(make_session(claims, key), KeySet([]), typ=SESSION, now=NOW)


def test_a_token_that_no_cookie_can_hold_is_not_made(key: OKPKey, claims: SessionClaims) -> None:
    with pytest.raises(ValueError, match="too long"):
        make_session(claims.model_copy(update={"memberships": claims.memberships * 60}), key)


def confirmed(**change: object) -> StepUpClaims:
    made = StepUpClaims(
        sub="per_01k0000000000000000000000a",
        iat=SECONDS - 10,
        exp=SECONDS + 200,
        jti="stp_01k0000000000000000000000a",
        act="consent.approve",
        on="req_1",
        digest=DIGEST,
        method="totp",
    )
    return made.model_copy(update=change)


def check(key: OKPKey, token: str | None, caller: Caller, **change: Any) -> StepUp | Refusal:
    asked: dict[str, Any] = {"act": "consent.approve", "on": "req_1", "digest": DIGEST, "now": NOW, **change}
    return step_up(token, caller=caller, keys=PublicKeys(key).set, **asked)


def test_a_step_up_holds_for_its_person_act_object_and_bytes(key: OKPKey, claims: SessionClaims) -> None:
    caller = caller_of(claims, by_cookie=True)
    found = check(key, make_step_up(confirmed(), key), caller)
    assert found == StepUp(person_id=claims.sub, method="totp", at=SECONDS - 10, jti="stp_01k0000000000000000000000a")


def test_a_step_up_for_anything_else_is_asked_for_again_in_the_same_words(key: OKPKey, claims: SessionClaims) -> None:
    caller = caller_of(claims, by_cookie=True)
    token = make_step_up(confirmed(), key)
    too_long = confirmed(exp=SECONDS + 3000)
    header = {"alg": "Ed25519", "typ": "placet-step-up+jwt", "kid": key.kid or ""}
    eternal = jws.serialize_compact(header, too_long.model_dump_json(), key, algorithms=["Ed25519"])
    answers = [
        check(key, None, caller),
        check(key, "rubbish", caller),
        check(key, token, replace(caller, person_id="per_other")),  # type: ignore[arg-type]
        check(key, token, replace(caller, person_id=None, client_id="cli_1")),
        check(key, token, caller, act="consent.revoke"),
        check(key, token, caller, on="req_2"),
        check(key, token, caller, digest="sha256:" + "b" * 64),
        check(key, token, caller, digest=None),
        check(key, token, caller, now=NOW + timedelta(seconds=STEP_UP_SECONDS)),
        check(key, make_step_up(confirmed(), make_key()), caller),
        check(key, make_session(claims, key), caller),
        check(key, eternal, caller),
    ]
    for answer in answers:
        assert isinstance(answer, Refusal)
        assert answer.reason is Reason.STEP_UP
    assert len({answer.detail for answer in answers if "revoke" not in answer.detail}) == 1  # type: ignore[union-attr]


def test_a_step_up_that_lives_longer_than_five_minutes_is_not_made(key: OKPKey) -> None:
    with pytest.raises(ValueError, match="300"):
        make_step_up(confirmed(exp=SECONDS + 400), key)
