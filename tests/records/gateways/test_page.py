"""The words, counts and colours that the page is drawn from."""

import re
from pathlib import Path

import pytest

from services.records.domain.content import TranscriptContent
from services.records.domain.selection import outline, select
from services.records.gateways import words as spoken
from services.records.gateways.credential import SealFacts
from services.records.gateways.page import legend_columns, legible, page


def test_a_whole_record_counts_what_was_earned_of_how_many(amelie: TranscriptContent, sealed: SealFacts):
    centre = page(select(amelie, None), sealed)["centre"]
    assert centre == {"number": "26", "lines": ["credits earned of 31", "19 foundational", "7 advanced"]}


def test_a_partial_record_has_no_number_that_looks_like_a_total(amelie: TranscriptContent, sealed: SealFacts):
    shown = page(select(amelie, {"credit.A1", "credit.A4"}), sealed)
    assert shown["centre"] == {"number": "2", "lines": ["earned credits shown", "partial record, not a total"]}
    assert "31" not in str(shown)
    assert "26" not in str(shown["centre"])


def test_the_band_names_the_kinds_that_were_left_out(amelie: TranscriptContent, sealed: SealFacts):
    everything = {part.part_id for part in outline(amelie)}
    shown = page(select(amelie, everything - {"credit.A1", "evidence"}), sealed)
    assert shown["partial"].endswith("for this release: credits, the evidence of the credits.")
    assert page(select(amelie, everything), sealed)["partial"] is None


def test_a_record_in_spanish_is_labelled_in_spanish(ximena: TranscriptContent, sealed: SealFacts):
    shown = page(select(ximena, None), sealed)
    assert shown["title"] == "Registro de aprendizaje"
    assert shown["student"]["facts"][3] == ["Graduación", "junio de 2027"]


def test_a_record_in_another_language_is_labelled_in_english(amelie: TranscriptContent, sealed: SealFacts):
    shown = page(select(amelie.model_copy(update={"language": "ar"}), None), sealed)
    assert (shown["lang"], shown["text_lang"]["lang"], shown["text_lang"]["rtl"]) == ("en", "ar", True)


def test_both_languages_have_the_same_words_and_the_same_gaps():
    _, english = spoken.words("en")
    _, spanish = spoken.words("es-MX")
    gaps = re.compile(r"\{\w+\}")
    assert {key: gaps.findall(text) for key, text in english.items()} == {
        key: gaps.findall(text) for key, text in spanish.items()
    }


def test_every_word_the_template_asks_for_is_there():
    folder = Path(spoken.__file__).parent / "template"
    asked = set(re.findall(r"\bw\.([a-z][a-z-]*[a-z])", (folder / "transcript.typ").read_text()))
    assert asked <= set(spoken.words("en")[1])


@pytest.mark.parametrize("colour", ["#ffd400", "#ffffff", "#1c6b88", "#00ff00"])
def test_text_in_any_colour_can_be_read_on_white(colour: str):
    ink = legible(colour)
    channels = [int(ink[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    assert 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05) >= 4.5


def test_a_colour_that_can_be_read_stays_as_the_school_chose_it():
    assert legible("#1c6b88") == "#1c6b88"


@pytest.mark.parametrize(
    ("heights", "columns"),
    [([], [[]]), ([5], [[0]]), ([5, 5, 5, 5], [[0], [1], [2], [3]]), ([9, 3, 3, 3, 9], [[0], [1, 2, 3], [4]])],
)
def test_areas_are_dealt_to_columns_in_order_and_evenly(heights: list[int], columns: list[list[int]]):
    assert legend_columns(heights) == columns
