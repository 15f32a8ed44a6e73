"""What can be chosen, and what a choice leaves."""

import json
from pathlib import Path

import pytest

from services.records.domain.content import ContentRejected, TranscriptContent, read_content
from services.records.domain.selection import outline, select

SAMPLES = Path(__file__).parents[3] / "deploy" / "demo" / "transcripts"


@pytest.fixture
def content() -> TranscriptContent:
    return read_content((SAMPLES / "amelie-nguyen-ostergard.json").read_bytes())


def everything(content: TranscriptContent) -> set[str]:
    return {part.part_id for part in outline(content)}


def test_the_outline_has_each_credit_and_each_chapter(content: TranscriptContent):
    assert [part.part_id for part in outline(content)][28:] == [
        "credit.G2",
        "credit.G3",
        "credit.G4",
        "courses",
        "activities",
        "personal-statement",
        "evidence",
        "school-profile",
    ]


def test_a_title_does_not_carry_the_name_that_a_credit_was_given():
    raw = json.loads((SAMPLES / "amelie-nguyen-ostergard.json").read_bytes())
    raw["credits"][0]["name"] = "Amélie’s capstone"
    raw["credits"][1]["name"] = "Capstone of 2026-00417"
    titles = [part.title for part in outline(read_content(json.dumps(raw)))]
    assert titles[:2] == ["A1 Inquiry & Analysis", "A2 Inquiry & Analysis"]


def test_no_title_has_a_word_of_the_student(content: TranscriptContent):
    said = json.dumps([part.model_dump() for part in outline(content)], ensure_ascii=False)
    for private in ("Amélie", "Østergård", "2026-00417", "2008-11-04", "estuary", "Петрова"):
        assert private not in said


def test_no_choice_is_the_whole(content: TranscriptContent):
    whole = select(content, None)
    assert (whole.content, whole.partial, whole.left_out) == (content, False, ())


def test_choosing_everything_is_the_whole_too(content: TranscriptContent):
    assert select(content, everything(content)) == select(content, None)


def test_leaving_out_any_single_part_is_partial(content: TranscriptContent):
    for part in outline(content):
        chosen = select(content, everything(content) - {part.part_id})
        assert chosen.partial
        assert chosen.left_out == (part,)
        assert part not in outline(chosen.content)


def test_what_is_left_out_is_gone_from_every_field(content: TranscriptContent):
    chosen = select(content, {"credit.A4"}).content
    said = chosen.model_dump_json()
    assert [credit.id for credit in chosen.credits] == ["A4"]
    for gone in ("estuary", "Rhetoric", "Debate captain", "public day school", "Evaluates sources"):
        assert gone not in said


def test_notes_go_wherever_the_record_goes(content: TranscriptContent):
    contested = content.model_copy(update={"notes": "The student contests C5."})
    assert select(contested, {"courses"}).content.notes == "The student contests C5."


def test_a_part_that_is_not_there_is_refused_by_name(content: TranscriptContent):
    with pytest.raises(ContentRejected, match=r"parts\.credit\.Z9: is not a part of this transcript"):
        select(content, {"credit.A1", "credit.Z9"})
