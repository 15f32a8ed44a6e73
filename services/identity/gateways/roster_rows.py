"""Turns one row of a roster file into a value, or says why not.

The rules for single cells and the lists of words that OneRoster allows. No reason repeats what a cell holds: a
shifted column would carry somebody's name or number into a log.
"""

import re
from dataclasses import dataclass, field
from datetime import date

from services.identity.gateways.profiles import NAME_CHARS, is_email, one_line, straight
from services.identity.gateways.roster import Findings, Kind, Role, School, SourcedId, Status
from services.identity.gateways.roster_csv import Row, Sheet

MANIFEST = Sheet("manifest.csv", ("propertyName", "value"))
ORGS = Sheet("orgs.csv", ("sourcedId", "name", "type"), ("status", "identifier", "parentSourcedId"))
USERS = Sheet(
    "users.csv",
    ("sourcedId", "givenName", "familyName"),
    (
        "status",
        "enabledUser",
        "middleName",
        "preferredGivenName",
        "preferredFamilyName",
        "email",
        "agentSourcedIds",
        "grades",
        # These two stand here in OneRoster 1.1 only.
        "role",
        "orgSourcedIds",
    ),
)
ROLES = Sheet(
    "roles.csv", ("sourcedId", "userSourcedId", "role", "orgSourcedId"), ("status", "roleType", "beginDate", "endDate")
)
DEMOGRAPHICS = Sheet("demographics.csv", ("sourcedId", "birthDate"), ("status",))

ALLOWED = (MANIFEST, ORGS, USERS, ROLES, DEMOGRAPHICS)
"""Every column that is ever read (P8). Whatever is not listed here is never turned into a value."""

EARLIEST_BIRTH = date(1900, 1, 1)
ID_CHARS = 255

_ORG_TYPES = frozenset({"department", "school", "district", "local", "state", "national"})
_GRADES = frozenset({"IT", "PR", "PK", "TK", "KG", "PS", "UG", "OTHER", *(f"{grade:02d}" for grade in range(1, 14))})
_KINDS = {
    "student": Kind.STUDENT,
    "guardian": Kind.GUARDIAN,
    "parent": Kind.GUARDIAN,
    "relative": Kind.GUARDIAN,
    "teacher": Kind.EDUCATOR,
    "counselor": Kind.EDUCATOR,
    "administrator": Kind.ADMINISTRATOR,
    "principal": Kind.ADMINISTRATOR,
    "siteadministrator": Kind.ADMINISTRATOR,
    "districtadministrator": Kind.ADMINISTRATOR,
    # OneRoster has no word for a registrar; 1.2 lets a school add one with this prefix.
    "ext:registrar": Kind.REGISTRAR,
    "registrar": Kind.REGISTRAR,
}
_NO_PLACE_HERE = frozenset({"aide", "proctor", "systemadministrator"})
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_FORMULA = ("=", "+", "-", "@")


@dataclass(slots=True)
class Account:
    """A row of users.csv while its roles, links and birth date are still being gathered."""

    row: int
    sourced_id: SourcedId
    status: Status
    given_name: str
    family_name: str
    middle_name: str | None
    preferred_given_name: str | None
    preferred_family_name: str | None
    email: str | None
    grade: str | None
    agents: tuple[SourcedId, ...]
    roles: list[Role] = field(default_factory=list)
    birth_date: date | None = None

    def same_as(self, other: "Account") -> bool:
        """Whether two rows of one person say the same."""
        mine, theirs = (
            (a.status, a.given_name, a.family_name, a.middle_name, a.preferred_given_name, a.preferred_family_name,
             a.email, a.grade, a.agents)
            for a in (self, other)
        )  # fmt: skip
        return mine == theirs


def read_school(row: Row, found: Findings) -> School | None:
    """A row of orgs.csv."""
    sourced_id = _sourced_id(row, "sourcedId", ORGS, found)
    if sourced_id is None:
        return None
    status = _status(row, ORGS, found)
    name = _name(row, "name", ORGS, found)
    kind = row["type"].lower()
    if status is not Status.REMOVED:
        if not name:
            found.error(ORGS.file, row.number, "name", "is empty; every organization needs a name")
            return None
        if kind not in _ORG_TYPES:
            reason = f"is none of the words allowed here ({', '.join(sorted(_ORG_TYPES))})"
            found.error(ORGS.file, row.number, "type", reason)
            return None
    return School(
        sourced_id=sourced_id,
        name=name,
        kind=kind,
        parent_sourced_id=SourcedId(row["parentSourcedId"]) if row["parentSourcedId"] else None,
        identifier=row["identifier"] or None,
        status=status,
    )


def read_account(row: Row, found: Findings) -> Account | None:
    """A row of users.csv, without its roles."""
    sourced_id = _sourced_id(row, "sourcedId", USERS, found)
    if sourced_id is None:
        return None
    given, family = _name(row, "givenName", USERS, found), _name(row, "familyName", USERS, found)
    status = _status(row, USERS, found)
    if status is not Status.REMOVED:
        if len(given) > NAME_CHARS or len(family) > NAME_CHARS:
            reason = f"is longer than {NAME_CHARS} characters; columns may have slipped"
            found.error(USERS.file, row.number, "givenName", reason)
            return None
        if not given and not family:
            reason = "is empty, and so is familyName; an account needs a name"
            found.error(USERS.file, row.number, "givenName", reason)
            return None
        if not given or not family:
            column = "familyName" if given else "givenName"
            found.warning(USERS.file, row.number, column, "is empty; right for a person with one name, else fill it in")
        status = _enabled(row, found)
    return Account(
        row=row.number,
        sourced_id=sourced_id,
        status=status,
        given_name=given,
        family_name=family,
        middle_name=_name(row, "middleName", USERS, found)[:NAME_CHARS] or None,
        preferred_given_name=_name(row, "preferredGivenName", USERS, found)[:NAME_CHARS] or None,
        preferred_family_name=_name(row, "preferredFamilyName", USERS, found)[:NAME_CHARS] or None,
        email=_email(row, found),
        grade=_grade(row, found),
        agents=id_list(row["agentSourcedIds"]),
    )


def read_kind(row: Row, sheet: Sheet, found: Findings) -> Kind | None:
    """What a `role` cell means here; None with a note when it gives nobody any right."""
    word = row["role"].lower()
    kind = _KINDS.get(word)
    if kind is None:
        if word in _NO_PLACE_HERE:
            reason = "is a role that has no rights here (aide, proctor, system administrator); it is left out"
            found.warning(sheet.file, row.number, "role", reason)
        else:
            reason = (
                "is none of the roles known here (student, parent, guardian, relative, teacher, counselor, "
                "principal, administrator, siteAdministrator, districtAdministrator, ext:registrar)"
            )
            found.error(sheet.file, row.number, "role", reason)
    elif word == "relative":
        # 34 CFR 99.3: a parent is also "an individual acting as a parent"; a relative as such is not.
        reason = "says relative; make sure that this person acts as a parent, else take the row out"
        found.warning(sheet.file, row.number, "role", reason)
    return kind


def read_birth_date(row: Row, *, today: date, found: Findings) -> date | None:
    """The `birthDate` of a demographics row, or None with a note."""
    text = row["birthDate"]
    if not text:
        return None
    born = read_date(text)
    if born is None:
        reason = "is not a date like 2009-05-31; the birth date is taken as unknown"
    elif born > today:
        reason = "lies in the future; the birth date is taken as unknown"
    elif born < EARLIEST_BIRTH:
        reason = f"lies before {EARLIEST_BIRTH.year}; the birth date is taken as unknown"
    else:
        return born
    found.error(DEMOGRAPHICS.file, row.number, "birthDate", reason)
    return None


def read_date(text: str) -> date | None:
    """A calendar day in the only form that OneRoster allows."""
    if not _DATE.fullmatch(text) or not text.isascii():
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def id_list(text: str) -> tuple[SourcedId, ...]:
    """A cell that lists several keys, separated by commas; some exporters use semicolons or bars."""
    return tuple(dict.fromkeys(SourcedId(part) for part in re.split(r"[\s,;|]+", text) if part))


def is_removed(row: Row) -> bool:
    """Whether the row takes something away."""
    return row["status"].lower() == "tobedeleted"


def _sourced_id(row: Row, column: str, sheet: Sheet, found: Findings) -> SourcedId | None:
    text = row[column]
    if not text:
        found.error(sheet.file, row.number, column, "is empty; every row needs its key")
    elif len(text) > ID_CHARS or not text.isprintable():
        reason = f"is no usable key: longer than {ID_CHARS} characters, or with characters that can't be seen"
        found.error(sheet.file, row.number, column, reason)
    else:
        return SourcedId(text)
    return None


def _status(row: Row, sheet: Sheet, found: Findings) -> Status:
    if is_removed(row):
        return Status.REMOVED
    if row["status"].lower() not in ("", "active"):
        reason = "is neither empty, active nor tobedeleted; the row is taken as active"
        found.warning(sheet.file, row.number, "status", reason)
    return Status.ACTIVE


def _enabled(row: Row, found: Findings) -> Status:
    word = row["enabledUser"].lower()
    if word == "true" or "enabledUser" not in row.cells:
        return Status.ACTIVE
    if word != "false":
        reason = "is neither true nor false; the account is taken as not enabled"
        found.warning(USERS.file, row.number, "enabledUser", reason)
    return Status.INACTIVE


def _name(row: Row, column: str, sheet: Sheet, found: Findings) -> str:
    text = row[column]
    if not text:
        return ""
    if text.isascii() and text.isprintable():
        tidy = text if "  " not in text else " ".join(text.split())
    else:
        tidy = _tidy(row, column, text, sheet, found)
    if tidy.startswith(_FORMULA):
        reason = "begins like a spreadsheet formula; it is kept as plain text, please look at it"
        found.warning(sheet.file, row.number, column, reason)
    return tidy


def _tidy(row: Row, column: str, text: str, sheet: Sheet, found: Findings) -> str:
    """One line in NFC. Joiners inside words stay: Persian and Indian names need them."""
    if "\n" in text or "\r" in text:
        found.warning(sheet.file, row.number, column, "contains a line break; it is kept as a space")
    if straight(text) != text:
        reason = "contains invisible marks that turn the direction of text; they are taken out"
        found.warning(sheet.file, row.number, column, reason)
    return one_line(text)


def _email(row: Row, found: Findings) -> str | None:
    text = row["email"]
    if not text:
        return None
    if not is_email(text):
        reason = "is not an e-mail address; the person is kept without one"
        found.warning(USERS.file, row.number, "email", reason)
        return None
    return text


def _grade(row: Row, found: Findings) -> str | None:
    listed = id_list(row["grades"])
    if not listed:
        return None
    code = listed[0].upper()
    code = code.zfill(2) if code.isdigit() else code
    if code not in _GRADES:
        found.warning(USERS.file, row.number, "grades", "is no grade code (such as 09 or KG); the grade is left empty")
        return None
    return "Other" if code == "OTHER" else code
