"""One line of JSON for each thing worth knowing, and no way for personal data to get into one.

Invariant: a line holds only the fields of `FIELDS`; the value of any other key is replaced by `-`. Exceptions appear as
class and place in the code, never with their message: a foreign message may quote what it choked on.
"""

import logging
import sys
import traceback
from collections.abc import Iterable
from itertools import islice
from types import TracebackType
from typing import Any, BinaryIO

import orjson
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from services.chassis import clock

FIELDS = frozenset({
    "at", "level", "event", "logger", "service", "role",
    "request_id", "cause", "trace_id", "type", "id", "version",
    "topic", "partition", "offset", "group", "attempt", "count", "lag", "age_ms", "duration_ms", "retry_after",
    "method", "route", "status", "reason", "outcome", "check", "channel", "operation",
    "error", "where", "port", "mode", "signal", "setting",
})  # fmt: skip
"""The fields a log line and a span may hold. They name mechanism and random ids; none is a place for words of people."""

HIDDEN = "-"
LONGEST = 300
"""Characters of one value. Longer ones are cut: a field is a word, not a document."""

TRUSTED = ("uvicorn.error", "aiokafka", "asyncio")
"""Foreign loggers whose sentences are kept whole: they speak of sockets, groups and tasks, never of bodies.

Of all others only the template is kept, not what was put into it."""

LEVELS = logging.getLevelNamesMapping()


def logger() -> FilteringBoundLogger:
    """The logger of whoever asks. Its events are literal names (`consent.request.approved.v1`, `relay started`)."""
    return structlog.get_logger()  # type: ignore[no-any-return]


def configure(service: str, role: str, level: str = "INFO", *, to: BinaryIO | None = None) -> None:
    """Sends structlog and the standard library's logging to `to` (standard output) as JSON lines, from `level` up."""
    sink = to or sys.stdout.buffer
    least = LEVELS[level.upper()]
    chain: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _Stamp(service, role),
        tell_exception_without_its_message,
        keep_only_known_fields,
    ]
    structlog.configure(
        processors=[*chain, _render],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.BytesLoggerFactory(file=sink),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers = [_Foreign(sink, chain)]
    root.setLevel(max(least, logging.WARNING))
    # uvicorn brings handlers of its own and an access log with full paths and query strings: ours has route templates.
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        theirs = logging.getLogger(name)
        theirs.handlers, theirs.propagate = [], name != "uvicorn.access"
    logging.getLogger("uvicorn.access").disabled = True


def keep_only_known_fields(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replaces the value of every unknown field, and every value that is not a plain one, by `-`."""
    return {key: _plain(value) if key in FIELDS else HIDDEN for key, value in event.items()}


def tell_exception_without_its_message(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Turns `exc_info` into `error` (class, with the classes behind it) and `where` (the last places in the code)."""
    given = event.pop("exc_info", None)
    event.pop("stack_info", None)
    if given is True:
        given = sys.exc_info()[1]
    elif isinstance(given, tuple):
        given = given[1]
    if isinstance(given, BaseException):
        event.setdefault("error", name_of(given))
        event["where"] = place_of(given.__traceback__)
    return event


def name_of(exception: BaseException) -> str:
    """`ValueError < OSError`: the class of an exception and of those that caused it, without a word they said."""
    names: list[str] = []
    seen: BaseException | None = exception
    while seen is not None and len(names) < 4:
        names.append(type(seen).__qualname__)
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return " < ".join(names)


def place_of(trace: TracebackType | None) -> str:
    """The four innermost places, `handlers.py:41 open < store.py:7 load`, outermost first."""
    frames = traceback.extract_tb(trace)
    return " < ".join(
        f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}"
        for frame in islice(frames, max(0, len(frames) - 4), None)
    )


def _plain(value: object) -> object:
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        # JSON's readers have 64 bits, orjson too.
        return value if abs(value) < 2**63 else str(value)
    if isinstance(value, str):
        # A header may bring half a surrogate pair, which UTF-8 does not have.
        value = value if value.isascii() else value.encode("utf-8", "replace").decode()
        return value if len(value) <= LONGEST else value[:LONGEST] + "…"
    if isinstance(value, tuple | list | frozenset | set):
        return [_plain(part) for part in islice(_in_order(value), 20)]
    return HIDDEN


def _in_order(values: Iterable[object]) -> Iterable[object]:
    return sorted(values, key=str) if isinstance(values, frozenset | set) else values


def _render(_logger: WrappedLogger, _method: str, event: EventDict) -> bytes:
    return orjson.dumps(event)


class _Stamp:
    """Puts the time, the service and the role into each line."""

    def __init__(self, service: str, role: str) -> None:
        self._who = {"service": service, "role": role}

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {"at": clock.now().isoformat(timespec="milliseconds"), **event, **self._who}


class _Foreign(logging.Handler):
    """Takes what libraries log through the standard library, by the same rules as our own lines."""

    def __init__(self, sink: BinaryIO, chain: list[Any]) -> None:
        super().__init__()
        self._sink, self._chain = sink, chain

    def emit(self, record: logging.LogRecord) -> None:
        event: EventDict = {"event": self._sentence(record), "logger": record.name, "exc_info": record.exc_info}
        for processor in self._chain:
            event = processor(None, record.levelname.lower(), event)
        self._sink.write(orjson.dumps(event) + b"\n")
        self._sink.flush()

    @staticmethod
    def _sentence(record: logging.LogRecord) -> str:
        if record.name.startswith(TRUSTED) and not record.exc_info:
            return record.getMessage()
        return record.msg if isinstance(record.msg, str) and record.args else record.name
