"""What a mastery transcript says: the JSON a registrar imports, checked and frozen.

Pure: no clock, no ids, no I/O, no async. Invariants: a `TranscriptContent` that exists is consistent (every area,
level and evidence it names is there), and it has no place for a letter grade. Not checked here: that evidence files
are there, or that the fonts have every glyph; the packager finds both.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal, Self

import rfc8785
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from contracts.types import TranscriptKind

MAX_BYTES = 2_000_000  # a transcript of 120 credits with long texts is about 400 kB

# Overrides and isolates of writing direction can make a name read as another one (Unicode TR36 §2.1).
_DIRECTION_MARKS = re.compile("[\u202a-\u202e\u2066-\u2069]")
_LETTER_GRADE = re.compile(r"(?:[A-F]\s?[+\-−]?|\d{1,3}\s?%)", re.IGNORECASE)


def _written(text: str) -> str:
    """Compose the text (NFC), and refuse what cannot be printed or would deceive a reader."""
    text = unicodedata.normalize("NFC", text)
    if _DIRECTION_MARKS.search(text):
        raise ValueError("has invisible characters that turn the writing direction; remove them")
    if any(unicodedata.category(letter) in {"Cc", "Cs", "Co", "Cn"} and letter != "\n" for letter in text):
        raise ValueError("has control or private characters that cannot be printed; remove them")
    return text


def _one_line(text: str) -> str:
    if "\n" in text:
        raise ValueError("must be a single line")
    return text


def _not_a_grade(text: str) -> str:
    if _LETTER_GRADE.fullmatch(text):
        raise ValueError("looks like a letter grade or a percentage; name the level in words")
    return text


_KEY = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
_LANGUAGE = r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$"
_URL = r"^https://[^\s@\"<>\\]{3,}$"
_SHA256 = r"^[0-9a-f]{64}$"
_COLOUR = r"^#[0-9a-fA-F]{6}$"
_MEDIA = r"^[a-z]+/[a-z0-9][a-z0-9.+-]{0,80}$"
_MONTH = r"^[12][0-9]{3}-(0[1-9]|1[0-2])$"

_ASKED_FOR = {
    _KEY: "must be an id of letters, digits, dots, hyphens and underscores, at most 64, beginning with a letter or digit",
    _LANGUAGE: "must be a language tag such as en, es-US or zh-Hant",
    _URL: "must be an https address without a user name",
    _SHA256: "must be a SHA-256 of 64 lower-case hexadecimal digits",
    _COLOUR: "must be a colour such as #1c6b88",
    _MEDIA: "must be a media type such as text/csv",
    _MONTH: "must be a month such as 2026-06",
}

_Checked = (AfterValidator(_written),)
Line = Annotated[
    str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True), *_Checked, AfterValidator(_one_line)
]
Word = Annotated[
    str, StringConstraints(min_length=1, max_length=40, strip_whitespace=True), *_Checked, AfterValidator(_one_line)
]
Text = Annotated[str, StringConstraints(min_length=1, max_length=4_000, strip_whitespace=True), *_Checked]
LevelName = Annotated[Word, AfterValidator(_not_a_grade)]
Key = Annotated[str, StringConstraints(pattern=_KEY)]
Language = Annotated[str, StringConstraints(pattern=_LANGUAGE)]
Url = Annotated[str, StringConstraints(pattern=_URL, max_length=600)]
Sha256 = Annotated[str, StringConstraints(pattern=_SHA256)]
Colour = Annotated[str, StringConstraints(pattern=_COLOUR)]
MediaType = Annotated[str, StringConstraints(pattern=_MEDIA)]
Month = Annotated[str, StringConstraints(pattern=_MONTH)]


class _Written(BaseModel):
    """A piece of the content: frozen, and strict about fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class OtherName(_Written):
    """The student's name as it is written in another script; `language` chooses letter forms and direction."""

    text: Line
    language: Language


class Student(_Written):
    """Whom the transcript is about. `graduates` is a month, `YYYY-MM`; `year` is the school's word for it (`12`)."""

    name: Line
    also_written: tuple[OtherName, ...] = Field(default=(), max_length=12)
    student_number: Word
    born: date
    graduates: Month
    year: Word


class School(_Written):
    """Who publishes the transcript. `code` is the admission code (CEEB, in the United States)."""

    name: Line
    address: Line
    phone: Word | None = None
    code: Word | None = None
    accreditation: Line | None = None
    profile: Text | None = None


class Level(_Written):
    """One level of the rubric, never a letter or a percentage."""

    id: Key
    name: LevelName
    description: Text


class Area(_Written):
    """A group of credits; its colour on the wheel, or none to take one from the house's palette."""

    id: Key
    code: Word
    name: Line
    colour: Colour | None = None


class Framework(_Written):
    """The school's competency framework: the rubric from the lowest level to the highest, and the areas in order.

    `required_level`, where it is given, is the level that every competency of an earned credit has reached.
    """

    id: Key
    name: Line
    publisher: Line
    rubric: tuple[Level, ...] = Field(min_length=2, max_length=8)
    required_level: Key | None = None
    areas: tuple[Area, ...] = Field(min_length=1, max_length=16)


class Alignment(_Written):
    """A published standard that a credit answers to (OB 3.0 `Alignment`)."""

    name: Line
    url: Url
    code: Word | None = None
    framework: Line | None = None


class Competency(_Written):
    """What was looked at within a credit; `level` is the id of the level reached, or null when not yet looked at."""

    id: Key
    name: Line
    standard: Text
    level: Key | None = None


class Evidence(_Written):
    """A piece of work: a file, bound by its SHA-256, or a link. `verified_by` is the educator who looked at it."""

    id: Key
    name: Line
    kind: Literal["file", "link"]
    media_type: MediaType | None = None
    sha256: Sha256 | None = None
    url: Url | None = None
    description: Text | None = None
    verified_by: Line | None = None


class Credit(_Written):
    """A mastery credit with its competencies and evidence. An earned one has the day on which it was awarded."""

    id: Key
    area: Key
    code: Word
    name: Line
    kind: Literal["foundational", "advanced"]
    status: Literal["earned", "in-progress"]
    description: Text
    criteria: Text
    alignments: tuple[Alignment, ...] = Field(default=(), max_length=12)
    competencies: tuple[Competency, ...] = Field(min_length=1, max_length=12)
    evidence: tuple[Evidence, ...] = Field(default=(), max_length=20)
    credits_earned: Annotated[float, Field(ge=0, le=20, multiple_of=0.05)] | None = None
    awarded_on: date | None = None


class Course(_Written):
    """A course taken; there is no field for a grade."""

    name: Line
    term: Word | None = None
    description: Text | None = None


class Activity(_Written):
    """Something done beside the courses."""

    name: Line
    period: Word | None = None
    description: Text | None = None


class TranscriptContent(_Written):
    """The whole content of one transcript; the digest over its JSON is what a seal and an approval bind."""

    format: Literal["placet.transcript/1"] = "placet.transcript/1"
    kind: TranscriptKind
    language: Language
    student: Student
    school: School
    framework: Framework
    credits: tuple[Credit, ...] = Field(default=(), max_length=120)
    courses: tuple[Course, ...] = Field(default=(), max_length=80)
    activities: tuple[Activity, ...] = Field(default=(), max_length=60)
    personal_statement: Text | None = None
    notes: Text | None = None

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        if wrong := tuple(_inconsistencies(self)):
            raise _Inconsistent(wrong)
        return self


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a content file: the place, as a path into the JSON, and what to do about it."""

    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.place else self.message


class ContentRejected(ValueError):
    """The content cannot be taken; `problems` names every place. The values found there are not repeated."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class _Inconsistent(ContentRejected):
    """Carries the cross-checks through pydantic, which would keep only their text."""


def read_content(raw: bytes | str) -> TranscriptContent:
    """Read and check a registrar's JSON; `ContentRejected` tells every place that is wrong, not only the first."""
    size = len(raw if isinstance(raw, bytes) else raw.encode())
    if size > MAX_BYTES:
        raise ContentRejected((Problem("", f"the file has {size:,} bytes; at most {MAX_BYTES:,} are read"),))
    try:
        return TranscriptContent.model_validate_json(raw, strict=True)
    except ValidationError as why:
        raise ContentRejected(tuple(_told(why))) from None


def canonical_json(content: TranscriptContent) -> bytes:
    """The content as RFC 8785 JSON, without absent fields, so that a new optional field leaves old digests alone."""
    return rfc8785.dumps(content.model_dump(mode="json", exclude_none=True))


def content_digest(content: TranscriptContent) -> str:
    """`sha256:` and the hex digest over the canonical JSON: two contents that say the same have the same digest."""
    return "sha256:" + hashlib.sha256(canonical_json(content)).hexdigest()


def _inconsistencies(content: TranscriptContent) -> Iterator[Problem]:
    """What each field cannot see alone: ids that point nowhere or are taken twice, credits that claim too much."""
    framework = content.framework
    levels = [level.id for level in framework.rubric]
    yield from _taken_twice("framework.rubric", levels)
    yield from _taken_twice("framework.areas", [area.id for area in framework.areas])
    yield from _taken_twice("credits", [credit.id for credit in content.credits])
    if framework.required_level is not None and framework.required_level not in levels:
        yield Problem("framework.required_level", f"is no level of the rubric ({', '.join(levels)})")
        return
    floor = levels.index(framework.required_level) if framework.required_level else 0
    areas = [area.id for area in framework.areas]
    seen: set[str] = set()
    for number, credit in enumerate(content.credits):
        place = f"credits[{number}]"
        if credit.area not in areas:
            yield Problem(f"{place}.area", f"is no area of the framework ({', '.join(areas)})")
        if (credit.awarded_on is not None) != (credit.status == "earned"):
            yield Problem(f"{place}.awarded_on", "belongs to an earned credit, and only to one")
        yield from _taken_twice(f"{place}.competencies", [each.id for each in credit.competencies])
        yield from _competency_problems(place, credit, levels, floor)
        yield from _evidence_problems(place, credit, seen)


def _competency_problems(place: str, credit: Credit, levels: list[str], floor: int) -> Iterator[Problem]:
    for number, competency in enumerate(credit.competencies):
        here = f"{place}.competencies[{number}].level"
        if competency.level is not None and competency.level not in levels:
            yield Problem(here, f"is no level of the rubric ({', '.join(levels)})")
        elif credit.status == "earned" and competency.level is None:
            yield Problem(here, "is missing, but the credit is earned")
        elif credit.status == "earned" and competency.level and levels.index(competency.level) < floor:
            yield Problem(here, f"is below {levels[floor]}, which an earned credit requires")


def _evidence_problems(place: str, credit: Credit, seen: set[str]) -> Iterator[Problem]:
    for number, piece in enumerate(credit.evidence):
        here = f"{place}.evidence[{number}]"
        if piece.id in seen:
            yield Problem(f"{here}.id", "is taken by other evidence; ids are unique in the whole transcript")
        seen.add(piece.id)
        if piece.kind == "file" and (piece.sha256 is None or piece.media_type is None or piece.url is not None):
            yield Problem(here, "a file needs sha256 and media_type, and no url")
        if piece.kind == "link" and (piece.url is None or piece.sha256 is not None):
            yield Problem(here, "a link needs an https url, and no sha256")


def _taken_twice(place: str, ids: Iterable[str]) -> Iterator[Problem]:
    seen: set[str] = set()
    for number, name in enumerate(ids):
        if name in seen:
            yield Problem(f"{place}[{number}].id", "is taken already; ids are unique here")
        seen.add(name)


_PLAIN_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "is not a field of this format; remove it (there is none for grades, on purpose)",
    "json_invalid": "this is not JSON",
}


def _told(why: ValidationError) -> Iterator[Problem]:
    """Pydantic's findings in the registrar's terms, without the values that were found."""
    for error in why.errors(include_url=False, include_input=False):
        nested = error.get("ctx", {}).get("error")
        if isinstance(nested, _Inconsistent):
            yield from nested.problems
            continue
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error["loc"]).removeprefix(".")
        message = error["msg"].removeprefix("Value error, ")
        message = _ASKED_FOR.get(error.get("ctx", {}).get("pattern", ""), message)
        yield Problem(place, _PLAIN_WORDS.get(error["type"], message))
