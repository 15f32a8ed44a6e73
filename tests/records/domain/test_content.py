"""The content of a transcript: what is taken, what is refused and where, and what a selection leaves."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.records.domain.content import ContentRejected, canonical_json, content_digest, read_content

SAMPLES = Path(__file__).parents[3] / "deploy" / "demo" / "transcripts"
AMELIE = (SAMPLES / "amelie-nguyen-ostergard.json").read_bytes()

Change = Callable[[dict[str, Any]], object]


def changed(change: Change) -> bytes:
    raw = json.loads(AMELIE)
    change(raw)
    return json.dumps(raw).encode()


def put(path: str, value: object) -> Change:
    """Set one place of the JSON; `credits.0.area` reads as in the messages, without brackets."""
    *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]

    def change(raw: Any) -> None:
        for step in way:
            raw = raw[step]
        raw[last] = value

    return change


def problems(raw: bytes) -> dict[str, str]:
    with pytest.raises(ContentRejected) as caught:
        read_content(raw)
    return {problem.place: problem.message for problem in caught.value.problems}


@pytest.mark.parametrize("name", sorted(path.name for path in SAMPLES.glob("*.json")))
def test_every_demonstration_transcript_is_taken_and_survives_a_round_trip(name: str):
    content = read_content((SAMPLES / name).read_bytes())
    assert read_content(canonical_json(content)) == content


@pytest.mark.parametrize(
    ("change", "place", "message"),
    [
        pytest.param(put("credits.3.grade", "A-"), "credits[3].grade", "none for grades", id="a grade beside a credit"),
        pytest.param(
            put("framework.rubric.3.name", "B+"), "framework.rubric[3].name", "letter grade", id="a letter as a level"
        ),
        pytest.param(
            put("framework.rubric.3.name", "95 %"),
            "framework.rubric[3].name",
            "percentage",
            id="a percentage as a level",
        ),
        pytest.param(
            put("credits.3.competencies.1.level", "expert"),
            "credits[3].competencies[1].level",
            "no level of the rubric (emerging, developing, proficient, exemplary)",
            id="a level the rubric does not have",
        ),
        pytest.param(
            put("credits.3.competencies.1.level", "emerging"),
            "credits[3].competencies[1].level",
            "below developing",
            id="an earned credit below what is required",
        ),
        pytest.param(
            put("credits.3.competencies.1.level", None),
            "credits[3].competencies[1].level",
            "the credit is earned",
            id="an earned credit not wholly looked at",
        ),
        pytest.param(put("credits.0.area", "music"), "credits[0].area", "no area", id="an area that is not there"),
        pytest.param(put("credits.1.id", "A1"), "credits[1].id", "taken already", id="two credits with one id"),
        pytest.param(
            put("credits.9.awarded_on", "2025-05-01"), "credits[9].awarded_on", "earned", id="awarded too early"
        ),
        pytest.param(
            put("credits.3.evidence.0.id", "estuary-model"),
            "credits[3].evidence[1].id",
            "unique",
            id="evidence id twice",
        ),
        pytest.param(
            put("credits.3.evidence.0.sha256", None), "credits[3].evidence[0]", "sha256", id="a file without a digest"
        ),
        pytest.param(
            put("credits.4.evidence.0.url", "javascript:alert(1)"),
            "credits[4].evidence[0].url",
            "https address",
            id="a script",
        ),
        pytest.param(
            put("credits.0.id", "../../etc"), "credits[0].id", "must be an id", id="an id that climbs folders"
        ),
        pytest.param(
            put("student.name", "Amy\u202eeiL"), "student.name", "direction", id="a name that reads backwards"
        ),
        pytest.param(put("student.name", "Amy\nLee"), "student.name", "single line", id="a name of two lines"),
        pytest.param(put("student.name", "Amy\u0007"), "student.name", "control", id="a bell in a name"),
        pytest.param(put("student.name", "  "), "student.name", "at least 1", id="no name"),
        pytest.param(put("student.born", "4.11.2008"), "student.born", "date", id="a date in another order"),
        pytest.param(
            put("student.graduates", "2026-13"), "student.graduates", "a month such as", id="a thirteenth month"
        ),
        pytest.param(put("school.name", "x" * 201), "school.name", "at most 200", id="a name too long"),
        pytest.param(put("kind", "report-card"), "kind", "mastery-transcript", id="another kind of document"),
        pytest.param(put("format", "placet.transcript/2"), "format", "placet.transcript/1", id="another format"),
        pytest.param(
            put("framework.required_level", "top"), "framework.required_level", "rubric", id="requires nothing known"
        ),
        pytest.param(lambda raw: raw["student"].pop("born"), "student.born", "is missing", id="no birth date"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(change: Change, place: str, message: str):
    assert message in problems(changed(change))[place]


def test_every_wrong_place_is_named_at_once():
    def spoil(raw: dict[str, Any]) -> None:
        raw["credits"][0]["area"] = "music"
        raw["credits"][5]["competencies"][2]["level"] = "expert"

    assert set(problems(changed(spoil))) == {"credits[0].area", "credits[5].competencies[2].level"}


def test_a_refusal_does_not_repeat_what_was_written():
    refused = problems(changed(put("student.born", "secret birthday")))
    assert "secret" not in str(refused)


def test_a_file_beyond_two_megabytes_is_not_read():
    assert "2,000,000" in problems(b" " * 2_000_001)[""]


def test_what_is_not_json_is_called_so():
    assert problems(b"{") == {"": "this is not JSON"}


def test_letters_are_composed_so_that_one_name_has_one_digest():
    decomposed = changed(put("student.name", "Ame\u0301lie"))
    composed = changed(put("student.name", "Am\u00e9lie"))
    assert content_digest(read_content(decomposed)) == content_digest(read_content(composed))


def test_the_digest_of_a_sealed_content_never_changes():
    """Golden: whoever breaks this makes every sealed transcript unverifiable."""
    golden = "sha256:d0280c19cb09030150ade5084b479aee3019e4eade5dbeda903b9dc3033fefbb"
    assert content_digest(read_content(AMELIE)) == golden


def test_the_order_of_the_fields_does_not_change_the_digest():
    shuffled = json.dumps(dict(reversed(json.loads(AMELIE).items())))
    assert content_digest(read_content(shuffled)) == content_digest(read_content(AMELIE))


def test_a_link_without_an_address_is_refused():
    def change(raw: dict[str, Any]) -> None:
        raw["credits"][0]["evidence"] = [{"id": "page", "name": "A page", "kind": "link"}]

    assert problems(changed(change)) == {"credits[0].evidence[0]": "a link needs an https url, and no sha256"}
