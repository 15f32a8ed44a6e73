"""Reads one CSV file of a roster into rows that hold the allowed columns and nothing else.

Invariants: a cell of a column that is not on the allow-list never leaves this module (P8); one bad row never
takes its neighbours with it; memory is bounded by the longest line, whatever the file is.
"""

import csv
import io
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from services.identity.gateways.roster import Findings, RosterUnreadable
from services.identity.gateways.roster_zip import Limits

LINES_IN_A_RECORD = 20
"""How far an opened quotation mark may reach before it counts as one that was never closed."""

_SHOWN_COLUMNS = 6
_SCRIPT_RUN = 3
_NARROW = 4  # with fewer columns, commas in a text are no sign of a row

_Take = Callable[[], str | None]


@dataclass(frozen=True, slots=True)
class Sheet:
    """One file of the roster and its columns that may be read; all others stay in the file."""

    file: str
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """The allowed cells of one row, trimmed; a column that the file lacks reads as empty."""

    number: int
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")


@dataclass(frozen=True, slots=True)
class Reading:
    """A file whose header has been understood: which allowed columns it has, and its rows, read as one walks."""

    columns: frozenset[str]
    rows: Iterator[Row]


def read_sheet(open_file: Callable[[], BinaryIO], sheet: Sheet, limits: Limits, found: Findings) -> Reading:
    """Reads the header at once and the rows when asked for them.

    Ends in `RosterUnreadable` when the file as a whole is not what it should be: encoding, separators, a missing
    required column. A row that is wrong by itself is noted in `found` and left out.
    """
    records = _records(_lines(open_file, sheet.file, limits), sheet.file, found)
    number, header = next(records, (0, []))
    while number and not any(header):
        number, header = next(records, (0, []))
    if not number:
        raise RosterUnreadable(sheet.file, "is empty; even a file without rows needs its line of column names")
    places = _places(header, sheet)
    return Reading(frozenset(places), _rows(records, len(header), places, sheet.file, found))


def _rows(
    records: Iterator[tuple[int, list[str]]],
    width: int,
    places: dict[str, int],
    file: str,
    found: Findings,
) -> Iterator[Row]:
    wanted = list(places.items())
    for number, cells in records:
        if not any(cells):  # blank lines and lines of commas, as spreadsheets leave them at the end
            continue
        if len(cells) != width:
            reason = (
                f"has {len(cells)} cells where the header has {width}; "
                "a cell that contains a comma must stand in quotation marks"
            )
            found.error(file, number, None, reason)
            continue
        yield Row(number, {column: cells[place].strip() for column, place in wanted})


def _places(header: list[str], sheet: Sheet) -> dict[str, int]:
    """Where each allowed column stands. Spelling counts, capitals and stray spaces do not."""
    if len(header) == 1 and any(mark in header[0] for mark in ";\t"):
        raise RosterUnreadable(sheet.file, "separates its columns by semicolons or tabs; export it with commas")
    allowed = {column.lower(): column for column in sheet.required + sheet.optional}
    places: dict[str, int] = {}
    for place, name in enumerate(header):
        column = allowed.get(name.strip().lower())
        if column is None:
            continue
        if column in places:
            raise RosterUnreadable(sheet.file, f"has the column {column} twice; remove one of them")
        places[column] = place
    missing = [column for column in sheet.required if column not in places]
    if missing:
        names = ", ".join(missing[:_SHOWN_COLUMNS])
        raise RosterUnreadable(sheet.file, f"lacks the column {names} in its first line; export it as OneRoster CSV")
    return places


def _records(lines: Iterator[str], file: str, found: Findings) -> Iterator[tuple[int, list[str]]]:
    """Numbered records. A quotation mark that is never closed costs its own line and no other."""
    waiting: deque[str] = deque()

    def take() -> str | None:
        return waiting.popleft() if waiting else next(lines, None)

    number = 0
    width = 0
    while (line := take()) is not None:
        number += 1
        if "\0" in line:
            found.error(file, number, None, "contains a NUL character; the export is damaged in this row")
            continue
        if '"' not in line:
            cells = line.rstrip("\r\n").split(",")
        else:
            quoted = _quoted_record(line, take, waiting, width)
            if quoted is None:
                reason = 'has a quotation mark (") without its partner; write it twice, or close it'
                found.error(file, number, None, reason)
                continue
            cells = quoted
        width = width or len(cells)
        yield number, cells


def _quoted_record(line: str, take: _Take, waiting: deque[str], width: int) -> list[str] | None:
    """The cells of a record that begins in `line` and may reach over several; None gives the further lines back."""
    taken = [line]
    marks = line.count('"')
    while marks % 2 and len(taken) <= LINES_IN_A_RECORD:
        further = take()
        if further is None:
            break
        taken.append(further)
        marks += further.count('"')
    if marks % 2 == 0:
        cells = _parsed("".join(taken))
        if cells is not None and (len(taken) == 1 or _is_one_record(taken, cells, width)):
            return cells
    waiting.extendleft(reversed(taken[1:]))
    return None


def _is_one_record(taken: list[str], cells: list[str], width: int) -> bool:
    """Whether lines joined by quotation marks are one row, and not several rows with two strays that paired up."""
    if not width:
        return True
    whole_rows = sum(1 for line in taken if line.count(",") >= width - 1)
    return len(cells) == width and (whole_rows <= 1 or width < _NARROW)


def _parsed(record: str) -> list[str] | None:
    try:
        rows = list(csv.reader(io.StringIO(record, newline=""), strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None


def _lines(open_file: Callable[[], BinaryIO], file: str, limits: Limits) -> Iterator[str]:
    # newline="" keeps line ends as they are: LF, CRLF and the lone CR of old exports all count.
    text = io.TextIOWrapper(open_file(), encoding="utf-8-sig", errors="strict", newline="")
    number = 0
    try:
        while line := text.readline(limits.line_chars + 1):
            number += 1
            if number > limits.rows:
                raise RosterUnreadable(file, f"has more than {limits.rows:,} lines; split the roster by school")
            if len(line) > limits.line_chars:
                raise RosterUnreadable(file, f"has a line {number} of more than {limits.line_chars:,} characters")
            if number == 1 and "\0" in line:
                raise RosterUnreadable(file, "looks like UTF-16 in its line 1; save it as CSV UTF-8")
            yield line
    except UnicodeDecodeError:
        # Not chained: the codec's error carries the bytes of the file, names and all.
        raise RosterUnreadable(file, _why_not_utf8(open_file())) from None


def _why_not_utf8(raw: BinaryIO) -> str:
    """Names the first line that is not UTF-8 and the encoding that it looks like."""
    number = 0
    for number, line in enumerate(raw, start=1):
        if number == 1 and (line.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in line):
            return "is written in UTF-16 (what some programs call Unicode), seen in line 1; save it as CSV UTF-8"
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as why:
            if why.reason == "unexpected end of data" and not raw.read(1):
                return f"ends in the middle of a character in line {number}; the export was cut short"
            return f"is not UTF-8 from line {number} on: it looks like {_looks_like(line)}; save it as CSV UTF-8"
    return f"is not UTF-8 near line {number}; save it as CSV UTF-8"


def _looks_like(line: bytes) -> str:
    high = [byte > 0x7F for byte in line]
    if any(all(high[at : at + _SCRIPT_RUN]) for at in range(len(high) - _SCRIPT_RUN + 1)):
        # Western names carry single accents; whole words of high bytes are another script.
        return "an older encoding of a non-Latin script (such as Windows-1251)"
    try:
        line.decode("cp1252")
    except UnicodeDecodeError:
        return "Mac Roman or another older encoding"
    if any(0x80 <= byte <= 0x9F for byte in line):
        return "Windows-1252 (what spreadsheets save as plain CSV)"
    return "Windows-1252 or Latin-1 (what spreadsheets save as plain CSV)"
