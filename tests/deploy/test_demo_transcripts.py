"""The demo's transcripts are those of students in its roster, good where they say so, and each bad one for one reason."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import OKPKey, RSAKey

from contracts.types import OrganizationKind, Purpose, Standing, TranscriptKind
from deploy.demo import make_transcripts
from services.identity.gateways.oneroster import read_roster
from services.identity.gateways.roster import Kind, Person
from services.records.domain.content import ContentRejected, TranscriptContent, read_content
from services.records.gateways.credential import SealFacts
from services.records.gateways.envelopes import IssuerKeys
from services.records.gateways.package import EvidenceMismatch, Package, make_package
from services.records.gateways.renderer import MissingGlyph

DATA = Path(make_transcripts.DATA)
GOOD = sorted(path.name for path in (DATA / "transcripts").glob("*-st-*.json"))
EVIDENCE = {path.stem: path for path in (DATA / "evidence").iterdir()}


def wrapper(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((DATA / "transcripts" / name).read_bytes())
    return loaded


def content(name: str) -> TranscriptContent:
    return read_content(json.dumps(wrapper(name)["content"]))


@pytest.fixture(scope="module")
def students() -> dict[str, Person]:
    roster = read_roster(
        (DATA / "roster-harbor-point.zip").read_bytes(), today=datetime(2026, 11, 24, tzinfo=UTC).date()
    )
    return {p.sourced_id: p for p in roster.people if p.kind is Kind.STUDENT}


@pytest.fixture(scope="module")
def keys() -> IssuerKeys:
    return IssuerKeys(
        rsa=RSAKey.generate_key(2048, parameters={"kid": "https://school.example/keys#rsa"}),
        ed25519=OKPKey.generate_key("Ed25519", parameters={"kid": "https://school.example/keys#ed25519"}),
    )


def packaged(name: str, keys: IssuerKeys) -> Package:
    sealed = SealFacts(
        issuer_id="https://harborpoint.example.org",
        transcript_id="trn_01JDEMO",
        version=1,
        sealed_by="Edith Vance, Registrar",
        sealed_at=datetime(2026, 11, 2, 9, 0, tzinfo=UTC),
        identity_salt="c2FsdA",
    )
    files = {path.stem: path.read_bytes() for path in (DATA / "evidence").iterdir()}
    return make_package(content(name), None, sealed, keys, files)


def test_the_committed_files_are_what_the_maker_writes() -> None:
    made = make_transcripts.library()
    committed = {path.name: path.read_bytes() for path in (DATA / "transcripts").iterdir()}
    assert committed == {name: make_transcripts.as_json(one) for name, one in made.transcripts.items()}
    assert {path.name: path.read_bytes() for path in (DATA / "evidence").iterdir()} == made.evidence
    assert sum(map(len, made.evidence.values())) < 1_500_000


@pytest.mark.parametrize("name", GOOD)
def test_a_good_transcript_belongs_to_a_student_and_has_all_its_evidence(
    name: str, students: dict[str, Person]
) -> None:
    told, read = wrapper(name), content(name)
    student = students[told["student_sourced_id"]]
    assert told["school_sourced_id"] in student.school_sourced_ids
    assert read.student.born == student.birth_date
    native = {student.given_name, student.family_name}
    written = " ".join([read.student.name, *(other.text for other in read.student.also_written)])
    assert all(part in written for part in native)
    for piece in (piece for credit in read.credits for piece in credit.evidence if piece.kind == "file"):
        raw = EVIDENCE[piece.id].read_bytes()
        assert hashlib.sha256(raw).hexdigest() == piece.sha256


def test_there_are_enough_of_them_in_three_frameworks_and_both_kinds() -> None:
    read = [content(name) for name in GOOD]
    assert len(read) >= 24
    assert len({one.framework.id for one in read}) == 3
    assert {one.kind for one in read} == set(TranscriptKind)
    assert (min(len(one.credits) for one in read), max(len(one.credits) for one in read)) == (5, 31)
    assert {one.language for one in read} == {"en", "es"}


@pytest.mark.parametrize(
    "name", ["hp-st-002.json", "hp-st-003.json", "hp-st-064.json", "hp-st-092.json", "mv-st-024.json", "mv-st-064.json"]
)
def test_a_transcript_in_any_of_the_scripts_becomes_a_package(name: str, keys: IssuerKeys) -> None:
    assert len(packaged(name, keys).bytes) > 100_000


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("bad-unknown-level.json", r"credits\[0\]\.competencies\[0\]\.level: is no level"),
        ("bad-letter-grade.json", r"framework\.rubric\[2\]\.name: looks like a letter grade"),
        ("bad-grade-field.json", r"courses\[0\]\.grade: is not a field"),
        ("bad-below-required.json", r"credits\[\d+\]\.competencies\[0\]\.level: is below"),
        ("bad-oversized-evidence.json", r"credits\[0\]\.evidence\[0\]\.url"),
        ("bad-direction-marks.json", r"student\.name: has invisible"),
    ],
)
def test_a_bad_transcript_is_refused_at_its_place(name: str, place: str) -> None:
    with pytest.raises(ContentRejected, match=place):
        content(name)


def test_a_transcript_whose_evidence_is_lost_makes_no_package(keys: IssuerKeys) -> None:
    with pytest.raises(EvidenceMismatch, match=r"credits\[0\]\.evidence\[0\]"):
        packaged("bad-missing-evidence.json", keys)


def test_a_transcript_with_a_character_that_no_font_has_names_the_character(keys: IssuerKeys) -> None:
    with pytest.raises(MissingGlyph, match=r"student\.also_written\[0\].*U\+13000"):
        packaged("bad-missing-glyph.json", keys)


def test_a_transcript_of_nobody_is_well_formed_but_nobodys(students: dict[str, Person]) -> None:
    assert content("bad-unknown-student.json")
    assert wrapper("bad-unknown-student.json")["student_sourced_id"] not in students


def test_the_recipients_speak_the_vocabulary_of_the_contracts() -> None:
    recipients = json.loads((DATA / "recipients.json").read_bytes())
    assert [one["name"] for one in recipients if one["standing"] == Standing.VERIFIED] == [
        "Westmarch College",
        "Lantern Scholars Fund",
        "Orrery Instruments",
    ]
    assert [one["name"] for one in recipients if one["standing"] == Standing.UNVERIFIED] == ["Quickdegree Online"]
    for one in recipients:
        assert OrganizationKind(one["kind"])
        assert all(Purpose(purpose) for purpose in one["purposes"])
        assert one["domain"].endswith((".example.org", ".test"))
