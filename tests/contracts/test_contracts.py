"""What is published stays: names, samples, shapes. Samples are added, never edited."""

import json
import re
from typing import Any

import pytest

from contracts import generate
from contracts.compatibility import breaks
from contracts.envelope import read
from contracts.event import Event, published
from contracts.topics import BY_NAME, SERVICES, TOPICS, heard_by, written_by

EVENTS = generate.load_all()


@pytest.mark.parametrize("name", EVENTS)
def test_every_golden_message_is_read_by_todays_code(name: str) -> None:
    sample = generate.sample(name)
    message = read(
        topic=EVENTS[name].topic,
        key=sample["key"].encode(),
        value=json.dumps(sample["value"]).encode(),
        headers=tuple((word, value.encode()) for word, value in sample["headers"].items()),
    )
    assert message is not None
    assert type(message.event) is EVENTS[name]
    assert json.loads(message.event.dump()) == sample["value"]
    assert message.id == sample["headers"]["ce_id"]


def test_every_type_has_a_sample_and_every_sample_a_type() -> None:
    assert {path.stem for path in generate.SAMPLES.glob("*.json")} == set(EVENTS)


@pytest.mark.parametrize("name", EVENTS)
def test_name_module_topic_and_key_of_an_event_agree(name: str) -> None:
    event = EVENTS[name]
    service, subject, participle, major = name.split(".")
    assert event.__module__ == f"contracts.{service}.{major}"
    assert BY_NAME[event.topic].owner == service
    assert event.__name__.lower().endswith(participle.replace("-", ""))
    assert event.key_field in event.model_fields
    assert subject


def test_a_reader_ignores_fields_of_a_later_day() -> None:
    sample = generate.sample("consent.request.refused.v1")
    event = EVENTS["consent.request.refused.v1"]
    assert event.model_validate({**sample["value"], "tomorrow": 1}) == event.model_validate(sample["value"])


def test_what_is_generated_is_fresh() -> None:
    assert generate.stale() == []
    assert generate.main(["--check"]) == 0


def test_no_published_shape_was_broken() -> None:
    assert generate.breaking() == []


def test_a_type_is_taken_once_for_ever() -> None:
    with pytest.raises(ValueError, match="already taken"):

        @published(name="consent.request.approved.v1", topic="consent.requests", key="version")
        class Again(Event):
            pass


@pytest.mark.parametrize(
    ("name", "key", "why"), [("Consent.approved", "version", "is not"), ("a.b.c.v1", "nothing", "does not have")]
)
def test_a_misspelt_type_or_an_unknown_key_refuses_to_import(name: str, key: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):

        @published(name=name, topic="consent.requests", key=key)
        class Wrong(Event):
            pass


BASE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "pattern": "^a"},
        "kind": {"$ref": "#/$defs/Kind"},
        "rows": {"type": "array", "items": {"type": "integer"}},
        "at": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    },
    "required": ["id", "kind"],
    "$defs": {"Kind": {"type": "string", "enum": ["x", "y"]}},
}


def changed(**changes: Any) -> dict[str, Any]:
    return {**BASE, "properties": {**BASE["properties"], **changes}}


@pytest.mark.parametrize(
    ("new", "why"),
    [
        ({**BASE, "properties": {"id": BASE["properties"]["id"]}}, "kind is gone"),
        ({**BASE, "required": ["id", "kind", "rows"]}, "rows is required now"),
        ({**BASE, "required": ["id"]}, "kind is no longer always there"),
        (changed(id={"type": "integer"}), "id changes its type"),
        (changed(id={"type": "string", "pattern": "^b"}), "id changes pattern"),
        (changed(id={"type": "string", "pattern": "^a", "maxLength": 3}), "id changes maxLength"),
        (changed(rows={"type": "array", "items": {"type": "string"}}), r"rows\[\] changes its type"),
        (changed(at={"anyOf": [{"type": "null"}]}), "at no longer takes"),
        ({**BASE, "$defs": {"Kind": {"type": "string", "enum": ["x"]}}}, "no longer knows the word y"),
    ],
)
def test_a_breaking_change_is_named_with_its_place(new: dict[str, Any], why: str) -> None:
    found = breaks(BASE, new)

    assert re.search(why, "\n".join(found))


def test_an_optional_field_and_a_new_word_may_be_added() -> None:
    wider = changed(extra={"type": "string"})
    wider["$defs"] = {"Kind": {"type": "string", "enum": ["x", "y", "z"]}}
    assert breaks(BASE, wider) == []


def test_every_topic_has_one_owner_and_known_readers() -> None:
    for topic in TOPICS:
        assert topic.owner in SERVICES
        assert topic.readers <= set(SERVICES) - {topic.owner}
        assert topic.retention_days <= 30
    assert [topic.name for topic in written_by("consent")] == ["consent.requests"]
    assert "consent.requests" not in {topic.name for topic in heard_by("identity")}
