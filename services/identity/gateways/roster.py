"""What a school's roster says once it has been read: plain values, and what was wrong with it.

Invariant: nothing here has room for more than an account needs (name, e-mail, role, school, who stands for
whom, and the birth date that decides at 18 who signs, 34 CFR 99.3 and 99.5). Race, sex, passwords, phone
numbers, state identifiers and birth places have no field to land in.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Literal, NewType

SourcedId = NewType("SourcedId", str)
"""A key of the school's own system: unique inside one school's exports, meaningless elsewhere."""


class Kind(StrEnum):
    """What somebody is to a school, in Placet's words."""

    STUDENT = "student"
    GUARDIAN = "guardian"
    REGISTRAR = "registrar"
    EDUCATOR = "educator"
    ADMINISTRATOR = "administrator"


class Status(StrEnum):
    """Whether a row adds or takes away."""

    ACTIVE = "active"
    INACTIVE = "inactive"  # known to the school, but `enabledUser` is not true: no sign-in
    REMOVED = "removed"  # the row says `tobedeleted`


class Severity(StrEnum):
    """What became of a row that something was said about."""

    ERROR = "error"  # the row was left out
    WARNING = "warning"  # the row was kept, or nothing was lost that belongs here


@dataclass(frozen=True, slots=True)
class School:
    """An organization of the roster; `kind` is OneRoster's own word (school, district, ...)."""

    sourced_id: SourcedId
    name: str
    kind: str
    parent_sourced_id: SourcedId | None
    identifier: str | None
    status: Status


@dataclass(frozen=True, slots=True)
class Role:
    """What one person is at one school. Kept as a pair: a teacher at one school may be a parent at another."""

    kind: Kind
    school_sourced_id: SourcedId
    status: Status


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is to have an account; the main role comes first in `roles`."""

    sourced_id: SourcedId
    roles: tuple[Role, ...]
    given_name: str
    family_name: str
    middle_name: str | None
    preferred_given_name: str | None
    preferred_family_name: str | None
    email: str | None
    birth_date: date | None  # of students only, and of people in a delta that names no role of theirs
    grade: str | None
    status: Status

    @property
    def kind(self) -> Kind | None:
        """The main role, or None where the file names no role that counts (delta files, removed roles)."""
        return next((role.kind for role in self.roles if role.status is Status.ACTIVE), None)

    @property
    def school_sourced_ids(self) -> tuple[SourcedId, ...]:
        """Every school where the person has a role, without repeats."""
        return tuple(dict.fromkeys(r.school_sourced_id for r in self.roles if r.status is Status.ACTIVE))

    def is_a(self, kind: Kind) -> bool:
        """Whether the person holds this role at any school."""
        return any(role.kind is kind and role.status is Status.ACTIVE for role in self.roles)


@dataclass(frozen=True, slots=True)
class Guardianship:
    """The school says that this guardian stands for this student."""

    student_sourced_id: SourcedId
    guardian_sourced_id: SourcedId


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend in the school's file, in a sentence that never repeats what a cell holds.

    `row` counts as a spreadsheet does: the header is row 1, and a quoted line break does not begin a new row.
    """

    file: str
    row: int
    column: str | None
    reason: str
    severity: Severity


@dataclass(frozen=True, slots=True)
class Counts:
    """How much was read; `errors` and `warnings` count also those beyond the ones listed."""

    schools: int
    students: int
    guardians: int
    registrars: int
    educators: int
    administrators: int
    guardianships: int
    errors: int
    warnings: int


@dataclass(frozen=True, slots=True)
class Roster:
    """All that was understood from one archive.

    With `delta` true the file holds changes only: who is not in it is unchanged, and links may name people
    that only the receiver knows. Otherwise it is the whole roster.
    """

    version: Literal["1.1", "1.2"]
    delta: bool
    schools: tuple[School, ...]
    people: tuple[Person, ...]
    guardianships: tuple[Guardianship, ...]
    problems: tuple[Problem, ...]
    counts: Counts


class RosterUnreadable(Exception):
    """The archive or one of its files can't be read at all; nothing of it was taken over."""

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(f"{file}: {reason}")
        self.file = file
        self.reason = reason


class Findings:
    """Collects problems while a roster is read; lists the first `limit`, counts them all."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._problems: list[Problem] = []
        self._totals = {Severity.ERROR: 0, Severity.WARNING: 0}

    def error(self, file: str, row: int, column: str | None, reason: str) -> None:
        """Notes that a row is left out."""
        self._note(Problem(file, row, column, reason, Severity.ERROR))

    def warning(self, file: str, row: int, column: str | None, reason: str) -> None:
        """Notes that a row is kept, but somebody should look at it."""
        self._note(Problem(file, row, column, reason, Severity.WARNING))

    def _note(self, problem: Problem) -> None:
        self._totals[problem.severity] += 1
        if len(self._problems) < self._limit:
            self._problems.append(problem)

    def listed(self) -> tuple[Problem, ...]:
        """The problems in the order of the file, so that a registrar can walk down a spreadsheet."""
        return tuple(sorted(self._problems, key=lambda p: (p.file, p.row, p.severity)))

    def counts(
        self, schools: Iterable[School], people: Iterable[Person], guardianships: Iterable[Guardianship]
    ) -> Counts:
        """The figures of a finished reading."""
        kinds = [person.kind for person in people if person.status is not Status.REMOVED]
        return Counts(
            schools=sum(1 for school in schools if school.kind == "school"),
            students=kinds.count(Kind.STUDENT),
            guardians=kinds.count(Kind.GUARDIAN),
            registrars=kinds.count(Kind.REGISTRAR),
            educators=kinds.count(Kind.EDUCATOR),
            administrators=kinds.count(Kind.ADMINISTRATOR),
            guardianships=sum(1 for _ in guardianships),
            errors=self._totals[Severity.ERROR],
            warnings=self._totals[Severity.WARNING],
        )
