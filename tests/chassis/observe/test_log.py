import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from services.chassis.observe import log


class Lines(io.BytesIO):
    """What was logged, line by line."""

    def all(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]

    def last(self) -> dict[str, Any]:
        return self.all()[-1]


@pytest.fixture
def lines() -> Iterator[Lines]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    sink = Lines()
    log.configure("toy", "worker", "INFO", to=sink)
    yield sink
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def test_a_line_says_when_who_and_what(lines: Lines) -> None:
    log.logger().info("consent.request.approved.v1", id="req_1", count=3)
    line = lines.last()
    assert line.pop("at").endswith("+00:00")
    assert line == {
        "event": "consent.request.approved.v1",
        "level": "info",
        "service": "toy",
        "role": "worker",
        "id": "req_1",
        "count": 3,
    }


def test_a_field_that_is_not_on_the_list_loses_its_value(lines: Lines) -> None:
    log.logger().info("signed in", name="Ada Lovelace", mail="ada@example.org", id="per_1")
    assert (lines.last()["name"], lines.last()["mail"], lines.last()["id"]) == ("-", "-", "per_1")
    assert b"Ada" not in lines.getvalue()


def test_a_value_is_a_word_and_no_document(lines: Lines) -> None:
    log.logger().info("x", reason="a" * 1000, cause={"name": "Ada"}, where=["a", "b"], type=b"bytes")
    line = lines.last()
    assert len(line["reason"]) == log.LONGEST + 1
    assert (line["cause"], line["where"], line["type"]) == ("-", ["a", "b"], "-")


@pytest.mark.parametrize(
    "odd", ["\udcff\udcfe", 2**70, float("nan"), {"b", "a"}, object()], ids=lambda odd: type(odd).__name__
)
def test_no_value_keeps_a_line_from_being_written(lines: Lines, odd: object) -> None:
    log.logger().info("x", reason=odd)
    assert lines.last()["event"] == "x"


def test_an_exception_is_told_by_class_and_place_and_never_by_its_words(lines: Lines) -> None:
    def read(text: str) -> None:
        try:
            int(text)
        except ValueError as why:
            raise LookupError(f"{text} has no number") from why

    try:
        read("Ada Lovelace")
    except LookupError:
        log.logger().error("reading failed", exc_info=True)
    line = lines.last()
    assert line["error"] == "LookupError < ValueError"
    assert line["where"].endswith(" read")
    assert "test_log.py:" in line["where"]
    assert b"Ada" not in lines.getvalue()


def test_the_standard_librarys_loggers_write_the_same_lines(lines: Lines) -> None:
    logging.getLogger("some.library").warning("could not read %s", "Ada Lovelace")
    line = lines.last()
    assert (line["event"], line["logger"], line["level"]) == ("could not read %s", "some.library", "warning")
    logging.getLogger("some.library").warning("a sentence that somebody put Ada into")
    assert lines.last()["event"] == "some.library"
    assert b"Ada" not in lines.getvalue()


def test_a_librarys_exception_loses_its_words_too(lines: Lines) -> None:
    try:
        int("Ada Lovelace")
    except ValueError:
        logging.getLogger("uvicorn.error").exception("failed for Ada")
    assert (lines.last()["error"], b"Ada" in lines.getvalue()) == ("ValueError", False)


def test_sockets_and_groups_may_speak_for_themselves(lines: Lines) -> None:
    logging.getLogger("aiokafka.conn").error("Connect attempt to %s failed", "127.0.0.1:9092")
    assert lines.last()["event"] == "Connect attempt to 127.0.0.1:9092 failed"


def test_foreign_loggers_below_warning_and_the_access_log_of_the_server_are_silent(lines: Lines) -> None:
    logging.getLogger("some.library").info("%s", "chatter")
    logging.getLogger("uvicorn.access").error('"GET /consent/requests?name=Ada"')
    assert lines.all() == []


def test_below_the_chosen_level_nothing_is_written(lines: Lines) -> None:
    log.logger().debug("detail")
    assert lines.all() == []


def test_what_is_bound_to_the_request_is_on_every_line_of_it(lines: Lines) -> None:
    with structlog.contextvars.bound_contextvars(request_id="http_1"):
        log.logger().info("x")
    log.logger().info("y")
    assert [line.get("request_id") for line in lines.all()] == ["http_1", None]
