"""The small words: one spelling for one choice, moments to the millisecond, vocabularies without a commercial code."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import BaseModel, ValidationError

from contracts.types import Digest, Instant, Part, Purpose, SchoolPolicy, Selection


class Words(BaseModel):
    at: Instant
    digest: Digest = "sha256:" + "0" * 64


def test_no_parts_named_means_the_whole_transcript() -> None:
    assert Selection().whole
    assert Selection().key == "*"
    assert not Selection(parts=("courses",)).whole


def test_one_choice_has_one_key_in_whatever_order_it_was_made() -> None:
    assert Selection(parts=("b", "a", "b")).key == Selection(parts=("a", "b")).key == "a,b"
    assert Selection(parts=("a",)).key != Selection(parts=("a", "b")).key


@pytest.mark.parametrize(
    ("at", "written"),
    [
        (datetime(2026, 11, 24, 22, 26, 57, 123_456, tzinfo=UTC), "2026-11-24T22:26:57.123Z"),
        (datetime(2026, 11, 24, tzinfo=UTC), "2026-11-24T00:00:00.000Z"),
    ],
)
def test_a_moment_is_written_in_utc_to_the_millisecond(at: datetime, written: str) -> None:
    assert json.loads(Words(at=at).model_dump_json())["at"] == written


def test_a_moment_in_another_zone_stays_the_same_moment() -> None:
    at = datetime(2026, 11, 24, 17, 26, tzinfo=timezone(timedelta(hours=-5)))
    assert Words.model_validate_json(Words(at=at).model_dump_json()).at == at


def test_a_moment_without_a_zone_is_none() -> None:
    with pytest.raises(ValidationError):
        Words(at=datetime(2026, 11, 24))  # noqa: DTZ001 - what must be refused


@pytest.mark.parametrize("digest", ["", "sha256:", "sha256:" + "AB" * 32, "sha1:" + "0" * 64, "sha256:" + "0" * 63])
def test_a_digest_has_one_form(digest: str) -> None:
    with pytest.raises(ValidationError):
        Words(at=datetime(2026, 11, 24, tzinfo=UTC), digest=digest)


def test_no_purpose_is_commercial() -> None:
    assert set(Purpose) == {"admission", "scholarship", "financial-aid", "employment"}


def test_a_value_does_not_change_and_reads_past_what_a_later_day_adds() -> None:
    part = Part.model_validate({"part_id": "c1", "kind": "credit", "title": "Credit", "tomorrow": 1})
    with pytest.raises(ValidationError):
        part.title = "Other"  # type: ignore[misc]


@pytest.mark.parametrize("days", [0, 366])
def test_a_school_gives_at_least_a_day_and_at_most_a_year_to_sign(days: int) -> None:
    with pytest.raises(ValidationError):
        SchoolPolicy(request_days=days)
