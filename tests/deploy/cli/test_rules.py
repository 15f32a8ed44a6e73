"""The closed list of terms, one person, one issuer, dates."""

from datetime import timedelta
from typing import Any

import pytest

from deploy.cli.envelopes import Invalid
from deploy.cli.rules import check, evidence_digests
from tests.deploy.cli.conftest import AT, SEALED

Json = dict[str, Any]


def refused(credential: Json, at=AT) -> str:
    with pytest.raises(Invalid) as why:
        check(credential, at=at)
    return str(why.value)


def test_what_records_writes_keeps_every_rule(credential: Json):
    check(credential, at=AT)


def first(credential: Json) -> Json:
    inner: Json = credential["credentialSubject"]["verifiableCredential"][0]
    return inner


@pytest.mark.parametrize(
    ("where", "place"),
    [
        (lambda c: c, "the top"),
        (lambda c: c["issuer"], "issuer"),
        (lambda c: c["credentialSubject"], "credentialSubject"),
        (lambda c: first(c)["credentialSubject"], "credentialSubject.verifiableCredential[0].credentialSubject"),
    ],
    ids=["top", "issuer", "subject", "inside"],
)
def test_an_undeclared_property_is_never_shown_as_verified(where: Any, place: str, credential: Json):
    where(credential)["rank"] = "first of her year"
    said = refused(credential)
    assert said.startswith(f"at {place} it has the property rank,")
    assert "first of her year" not in said


def test_a_letter_grade_is_no_term(credential: Json):
    first(credential)["credentialSubject"]["result"] = [
        {"type": ["Result"], "resultDescription": "urn:x:1", "grade": "A"}
    ]
    assert "the property grade" in refused(credential)


def test_a_property_named_to_fool_the_terminal_is_spelled_out(credential: Json):
    credential["\x1b[31mvalid"] = 1
    assert "\x1b" not in refused(credential)


def test_a_missing_property_is_named(credential: Json):
    del credential["name"]
    assert refused(credential) == "at the top it lacks name"


def test_a_wrong_value_is_located_and_not_repeated(credential: Json):
    credential["validFrom"] = "Amélie"
    said = refused(credential)
    assert said == "at validFrom it breaks a rule of CLR 2.0 (pattern)"


def test_a_date_that_looks_like_one_and_is_none(credential: Json):
    credential["validFrom"] = "2026-13-41T00:00:00Z"
    assert refused(credential) == "one of its dates is no date"


def test_before_its_time_and_after_its_end(credential: Json):
    assert "is not valid before 2026-06-12 10:30 UTC" in refused(credential, at=SEALED.sealed_at - timedelta(minutes=6))
    check(credential, at=SEALED.sealed_at - timedelta(minutes=4))
    credential["validUntil"] = "2026-06-20T00:00:00Z"
    assert refused(credential) == "it expired on 2026-06-20 00:00 UTC"


def test_another_person_inside_is_noticed(credential: Json):
    first(credential)["credentialSubject"]["id"] = "urn:uuid:someone-else"
    assert "about somebody else" in refused(credential)


def test_another_issuer_inside_has_not_signed(credential: Json):
    first(credential)["issuer"]["id"] = "https://elsewhere.example"
    assert "names another issuer" in refused(credential)


def test_evidence_is_named_by_its_digest(credential: Json):
    assert evidence_digests({"a": [{"id": "ni:///sha-256;AAAA?ct=text/plain"}, {"id": "https://x"}]}) == {"AAAA"}
