"""Whatever the bytes are, reading ends in a message, in None for a later day's type, or in Unreadable with a reason."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import generate
from contracts.envelope import MAX_BODY, Headers, Message, Unreadable, read, write_headers
from contracts.event import Event

generate.load_all()
NAME = "consent.request.refused.v1"
SAMPLE = generate.sample(NAME)
TOPIC = "consent.requests"


def headers(**changes: str | None) -> Headers:
    words = {**SAMPLE["headers"], **changes}
    return tuple((name, value.encode()) for name, value in words.items() if value is not None)


def reading(
    *, topic: str = TOPIC, key: bytes | None = None, value: bytes | None = None, words: Headers | None = None
) -> object:
    return read(
        topic=topic,
        key=SAMPLE["key"].encode() if key is None else key,
        value=json.dumps(SAMPLE["value"]).encode() if value is None else value,
        headers=headers() if words is None else words,
    )


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"words": headers(ce_type=None)}, "ce_type is missing"),
        ({"words": headers(ce_type="nonsense")}, "not the name of an event type"),
        ({"words": headers(ce_type="records.transcript.released.v1")}, "does not belong to the owner"),
        ({"words": headers(ce_specversion="0.3")}, "not 1.0"),
        ({"words": headers(ce_id="x" * 300)}, "too long"),
        ({"words": headers(ce_time="yesterday")}, "not a time"),
        ({"words": headers(ce_time="2026-11-24T12:00:00")}, "no zone"),
        ({"words": (("ce_type", b"\xff\xfe"),)}, "not UTF-8"),
        ({"topic": "unknown"}, "does not belong to the owner"),
        ({"value": b"\x00\xff"}, "see body"),
        ({"value": b"{}"}, "request_id"),
        ({"value": b""}, "empty"),
        ({"value": b"x" * (MAX_BODY + 1)}, "larger than"),
        ({"key": b"req_other"}, "key is not the id"),
    ],
)
def test_a_record_that_is_not_ours_says_why(changes: dict[str, object], why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        reading(**changes)  # type: ignore[arg-type]


def test_a_type_on_the_wrong_topic_of_the_same_owner_is_refused() -> None:
    sample = generate.sample("records.transcript.released.v1")
    with pytest.raises(Unreadable, match=r"belongs on records\.releases"):
        read(
            topic="records.transcripts",
            key=sample["key"].encode(),
            value=b"{}",
            headers=tuple((name, value.encode()) for name, value in sample["headers"].items()),
        )


def test_a_missing_key_is_refused() -> None:
    with pytest.raises(Unreadable, match="key"):
        read(topic=TOPIC, key=None, value=json.dumps(SAMPLE["value"]).encode(), headers=headers())


def test_a_type_of_a_later_day_is_none_of_our_business() -> None:
    assert reading(words=headers(ce_type="consent.request.pondered.v1")) is None
    assert reading(words=headers(ce_type="consent.request.refused.v2")) is None


def test_a_reason_carries_no_byte_of_the_record() -> None:
    body = json.dumps({**SAMPLE["value"], "refused_as": "Amélie Canary"}).encode()
    with pytest.raises(Unreadable) as refused:
        reading(value=body)
    assert "Canary" not in str(refused.value)


@given(
    key=st.none() | st.binary(max_size=40),
    value=st.none() | st.binary(max_size=200),
    words=st.lists(st.tuples(st.sampled_from([*SAMPLE["headers"], "x"]), st.binary(max_size=40)), max_size=10),
)
def test_no_bytes_break_the_reader(key: bytes | None, value: bytes | None, words: list[tuple[str, bytes]]) -> None:
    with pytest.raises(Unreadable):
        read(topic=TOPIC, key=key, value=value, headers=tuple(words))


@pytest.mark.parametrize("optional", [{}, {"cause": "cmd_1", "correlation": "req_1", "trace": "00-ab-cd-01"}], ids=str)
def test_what_is_written_is_what_is_read(optional: dict[str, str]) -> None:
    event = generate.load_all()[NAME].model_validate(SAMPLE["value"])
    message: Message[Event] = Message("evt_1", event, datetime(2026, 11, 24, 22, 26, 57, 123_000, UTC), **optional)
    words = write_headers(message)
    assert reading(words=words, value=event.dump()) == message
    assert dict(words)["ce_time"] == b"2026-11-24T22:26:57.123Z"
    assert dict(words)["ce_source"] == b"/consent"
    assert ("traceparent" in dict(words)) is bool(optional)


def test_a_header_without_a_value_is_empty_and_so_refused() -> None:
    with pytest.raises(Unreadable, match="ce_type is missing, empty"):
        reading(words=(("ce_type", None),))  # type: ignore[arg-type]
