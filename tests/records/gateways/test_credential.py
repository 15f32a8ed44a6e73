"""The credential keeps the rules of CLR 2.0 and OB 3.0, and says no more and no less than the content."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import jsonschema_rs
import pytest

from services.records.domain.content import TranscriptContent
from services.records.domain.selection import select
from services.records.gateways.credential import NOTICE, SealFacts, clr_credential, identity_hash
from tests.records.gateways.clr import CLR

RULES = jsonschema_rs.validator_for(CLR)


@pytest.fixture
def credential(amelie: TranscriptContent, sealed: SealFacts) -> dict[str, Any]:
    return clr_credential(select(amelie, None), sealed)


def contained(credential: dict[str, Any], code: str) -> dict[str, Any]:
    inside = credential["credentialSubject"]["verifiableCredential"]
    return next(each for each in inside if each["credentialSubject"]["achievement"].get("humanCode") == code)


def values(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from values(inner)


@pytest.mark.parametrize("parts", [None, {"credit.A4", "evidence"}, {"courses"}, {"personal-statement"}, set()])
def test_every_selection_keeps_the_rules(amelie: TranscriptContent, sealed: SealFacts, parts: set[str] | None):
    errors = [
        f"{error.instance_path}: {error.message}"
        for error in RULES.iter_errors(clr_credential(select(amelie, parts), sealed))
    ]
    assert errors == []


def test_an_undeclared_term_would_be_noticed(credential: dict[str, Any]):
    contained(credential, "A4")["credentialSubject"]["rank"] = "1"
    assert not RULES.is_valid(credential)


def test_a_transcript_with_nothing_on_it_says_only_that_the_student_is_enrolled(
    amelie: TranscriptContent, sealed: SealFacts
):
    bare = amelie.model_copy(update={"credits": (), "courses": (), "activities": ()})
    credential = clr_credential(select(bare, None), sealed)
    assert RULES.is_valid(credential)
    (only,) = credential["credentialSubject"]["verifiableCredential"]
    assert only["credentialSubject"]["result"][0]["status"] == "Enrolled"


def test_every_level_points_at_a_level_of_its_own_description(credential: dict[str, Any]):
    for each in credential["credentialSubject"]["verifiableCredential"]:
        subject = each["credentialSubject"]
        described = {d["id"]: d for d in subject["achievement"].get("resultDescription", [])}
        for result in subject.get("result", []):
            description = described[result["resultDescription"]]
            if description["resultType"] == "RubricCriterionLevel":
                assert result["achievedLevel"] in [level["id"] for level in description["rubricCriterionLevel"]]
                assert "value" not in result


def test_the_level_reached_is_the_one_in_the_content(credential: dict[str, Any], amelie: TranscriptContent):
    subject = contained(credential, "A4")["credentialSubject"]
    reached = [result["achievedLevel"] for result in subject["result"] if "achievedLevel" in result]
    assert [level.rsplit(".", 1)[1] for level in reached] == ["exemplary", "proficient", "exemplary"]


def test_a_credit_in_progress_is_not_awarded(credential: dict[str, Any]):
    started = contained(credential, "C5")
    assert started["credentialSubject"]["result"][0]["status"] == "InProgress"
    assert "awardedDate" not in started
    assert "creditsEarned" not in started["credentialSubject"]
    assert len(started["credentialSubject"]["result"]) == 3  # the status, and two of three competencies looked at


def test_partial_is_true_as_soon_as_anything_is_left_out(amelie: TranscriptContent, sealed: SealFacts):
    assert clr_credential(select(amelie, None), sealed)["partial"] is False
    assert clr_credential(select(amelie, {"credit.A1"}), sealed)["partial"] is True


def test_a_correction_has_the_same_id_and_a_later_date(amelie: TranscriptContent, sealed: SealFacts):
    later = replace(sealed, version=4, sealed_at=sealed.sealed_at + timedelta(days=30))
    first, second = (clr_credential(select(amelie, None), facts) for facts in (sealed, later))
    assert first["id"] == second["id"]
    assert first["validFrom"] < second["validFrom"]


def test_another_selection_or_transcript_has_another_id(amelie: TranscriptContent, sealed: SealFacts):
    other = replace(sealed, transcript_id="trn_other")
    made = [(None, sealed), ({"credit.A1"}, sealed), ({"credit.A2"}, sealed), (None, other)]
    assert len({clr_credential(select(amelie, parts), facts)["id"] for parts, facts in made}) == 4


def test_the_same_credit_of_another_student_is_the_same_achievement(amelie: TranscriptContent, sealed: SealFacts):
    other = replace(sealed, transcript_id="trn_other")
    ids = [
        contained(clr_credential(select(amelie, None), facts), "B2")["credentialSubject"]["achievement"]["id"]
        for facts in (sealed, other)
    ]
    assert ids[0] == ids[1]


def test_name_and_number_are_there_only_as_salted_hashes(credential: dict[str, Any], sealed: SealFacts):
    assert "Østergård" not in str(credential)
    assert "2026-00417" not in str(credential)
    hashes = [each["identityHash"] for each in credential["credentialSubject"]["identifier"]]
    assert hashes[1] == identity_hash("2026-00417", sealed.identity_salt)


def test_the_redisclosure_notice_rides_in_the_terms_of_use(credential: dict[str, Any]):
    (terms,) = credential["termsOfUse"]
    assert unquote(terms["id"].split(",", 1)[1]) == NOTICE
    assert "99.33" in NOTICE


def test_there_is_no_letter_grade_anywhere(credential: dict[str, Any]):
    for node in values(credential):
        assert node.get("resultType") not in {"LetterGrade", "GradePointAverage", "Percent"}
        assert not re.fullmatch(r"[A-F][+-]?", str(node.get("value", "")))


def test_all_contained_credentials_are_about_the_same_person(credential: dict[str, Any]):
    subject = credential["credentialSubject"]
    assert {each["credentialSubject"]["id"] for each in subject["verifiableCredential"]} == {subject["id"]}


def test_associations_join_only_what_is_there(credential: dict[str, Any]):
    known = {node["id"] for node in values(credential) if "Achievement" in node.get("type", ())}
    for link in credential["credentialSubject"]["association"]:
        assert {link["sourceId"], link["targetId"]} <= known


def test_a_status_entry_is_taken_over(amelie: TranscriptContent, sealed: SealFacts):
    entry = {"type": "BitstringStatusListEntry", "statusPurpose": "revocation", "statusListIndex": "7"}
    assert clr_credential(select(amelie, None), sealed, status=entry)["credentialStatus"] == entry


def test_an_issuer_that_is_no_address_is_refused(sealed: SealFacts):
    with pytest.raises(ValueError, match="https or urn:uuid"):
        replace(sealed, issuer_id="org_1")
