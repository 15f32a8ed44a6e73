"""One bad row is named with its file, row and column, and takes no other row with it."""

from collections.abc import Callable
from datetime import date

import pytest

from services.identity.gateways.oneroster import read_roster
from services.identity.gateways.roster import Severity, Status
from services.identity.gateways.roster_zip import Limits
from tests.identity.gateways.conftest import (
    DEMOGRAPHICS_HEADER,
    USERS_HEADER,
    Files,
    role,
    small_roster,
    user,
)

Zipped = Callable[..., bytes]
E, W = Severity.ERROR, Severity.WARNING
USERS, ORGS, ROLES, DEMOGRAPHICS = "users.csv", "orgs.csv", "roles.csv", "demographics.csv"

# file, the lines added to the small roster, then the problems: row, column, severity, a word of the reason
DIRTY_ROWS = [
    pytest.param(USERS, user(""), [(5, "sourcedId", E, "empty")], id="no key"),
    pytest.param(USERS, user("x" * 256), [(5, "sourcedId", E, "key")], id="a key that is too long"),
    pytest.param(USERS, user("te1", "", ""), [(5, "givenName", E, "needs a name")], id="no name at all"),
    pytest.param(USERS, user("te1", "A" * 201), [(5, "givenName", E, "longer")], id="a name that is too long"),
    pytest.param(
        USERS, user("te1", "Cleo", "Moss", email="cleo@harbor.example.org"), [(5, "sourcedId", W, "same content")],
        id="the same row twice",
    ),
    pytest.param(USERS, user("te1", "Another"), [(5, "sourcedId", E, "other content")], id="one key, two people"),
    pytest.param(USERS, "x1,,,true,u,,Ada\n", [(5, None, E, "7 cells")], id="too few cells"),
    pytest.param(USERS, user("x1").strip() + ",extra\n", [(5, None, E, "23 cells")], id="too many cells"),
    pytest.param(USERS, user("x1", "Ada", "Ashby\0"), [(5, None, E, "NUL")], id="a NUL character"),
    pytest.param(USERS, user("x1", '"Ada'), [(5, None, E, "quotation")], id="a quotation mark never closed"),
    pytest.param(USERS, user("x1"), [(5, "sourcedId", E, "roles.csv")], id="nobody said what the person is"),
    pytest.param(
        USERS, user("st1", "Ada", "Ashby", email="ada@students.example.org", agents="gu1").replace("true", "yes"),
        [(5, "sourcedId", E, "other content"), (5, "enabledUser", W, "true nor false")], id="an unknown true or false",
    ),
    pytest.param(ORGS, "s9,,,,school,,\n", [(4, "name", E, "needs a name")], id="an organization without a name"),
    pytest.param(ORGS, "s9,,,Nine,academy,,\n", [(4, "type", E, "words allowed")], id="an unknown kind of organization"),
    pytest.param(ORGS, "s9,,,Nine,school,,zz\n", [(4, "parentSourcedId", W, "no organization")], id="an unknown parent"),
    pytest.param(ORGS, "s9,,,Nine,school,,s9\n", [(4, "parentSourcedId", W, "circle")], id="its own parent"),
    pytest.param(ROLES, role("te1", "teacher", "zz"), [(5, "orgSourcedId", E, "no organization")], id="an unknown school"),
    pytest.param(ROLES, role("zz", "teacher"), [(5, "userSourcedId", E, "nobody")], id="a role for nobody"),
    pytest.param(ROLES, role("te1", "wizard"), [(5, "role", E, "none of the roles")], id="an unknown role"),
    pytest.param(ROLES, role("te1", "aide"), [(5, "role", W, "no rights here")], id="a role without rights here"),
    pytest.param(ROLES, role("gu1", "relative"), [(5, "role", W, "acts as a parent")], id="a relative"),
    pytest.param(
        ROLES, role("te1", "principal", end="31/08/2027"), [(5, "endDate", E, "not a date")], id="a role's bad date"
    ),
    pytest.param(DEMOGRAPHICS, "zz,,,2010-01-01,,,,\n", [(3, "sourcedId", E, "nobody")], id="a birth date of nobody"),
    pytest.param(DEMOGRAPHICS, "st1,,,2010-02-04,,,,\n", [(3, "sourcedId", E, "other content")], id="two birth dates"),
    pytest.param(DEMOGRAPHICS, "st1,,,2010-02-03,,,,\n", [(3, "sourcedId", W, "same content")], id="a birth date twice"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "added", "expected"), DIRTY_ROWS)
def test_a_dirty_row_is_named_and_the_others_are_kept(
    file: str, added: str, expected: list[tuple[int, str | None, Severity, str]], zipped: Zipped, today: date
) -> None:
    files = small_roster()
    clean = read_roster(zipped(files), today=today)
    files[file] += added  # type: ignore[operator]

    read = read_roster(zipped(files), today=today)

    assert [(p.file, p.row, p.column, p.severity) for p in read.problems] == [(file, *e[:3]) for e in expected]
    assert all(word in p.reason for p, (*_, word) in zip(read.problems, expected, strict=True))
    assert {p.sourced_id for p in read.people} == {p.sourced_id for p in clean.people}
    assert read.guardianships == clean.guardianships


@pytest.mark.parametrize(
    "born", ["03.02.2010", "2010-2-3", "2010-02-30", "2026-11-25", "1899-12-31", "٢٠١٠-٠٢-٠٣", "x"]
)
def test_a_bad_birth_date_makes_the_student_a_minor(born: str, zipped: Zipped, today: date) -> None:
    files = small_roster()
    files[DEMOGRAPHICS] = DEMOGRAPHICS_HEADER + f"st1,,,{born},,,,\n"
    read = read_roster(zipped(files), today=today)
    assert [(p.row, p.column, p.severity) for p in read.problems] == [(2, "birthDate", E)]
    assert born not in read.problems[0].reason
    assert all(p.birth_date is None for p in read.people)


def test_a_student_whose_birth_date_is_missing_is_taken_as_a_minor(zipped: Zipped, today: date) -> None:
    files = small_roster()
    files[DEMOGRAPHICS] = DEMOGRAPHICS_HEADER
    (problem,) = read_roster(zipped(files), today=today).problems
    assert (problem.file, problem.row, problem.severity) == (USERS, 2, W)
    assert "under 18" in problem.reason


@pytest.mark.parametrize(
    "address", ["ada", "ada@", "@x.org", "ada@localhost", "a da@x.org", "ada@x..org", "a@b@c.org", "<ada@x.org>"]
)
def test_what_is_no_address_is_dropped_and_not_repeated(address: str, zipped: Zipped, today: date) -> None:
    files = small_roster()
    files[USERS] = USERS_HEADER + user("st1", email=address, agents="gu1") + user("gu1") + user("te1")
    read = read_roster(zipped(files), today=today)
    (problem,) = read.problems
    assert (problem.row, problem.column, problem.severity) == (2, "email", W)
    assert address not in problem.reason.replace("e-mail address", "")
    assert next(p for p in read.people if p.sourced_id == "st1").email is None


@pytest.mark.parametrize("address", ["o'neil+x@school.k12.example.org", "josé@exämple.org", "a_b.c-d@x.museum"])
def test_unusual_addresses_are_addresses(address: str, zipped: Zipped, today: date) -> None:
    files = small_roster()
    files[USERS] = USERS_HEADER + user("st1", email=address, agents="gu1") + user("gu1") + user("te1")
    assert read_roster(zipped(files), today=today).people[0].email == address


def test_one_address_for_two_people_is_remarked(zipped: Zipped, today: date) -> None:
    files = small_roster()
    files[USERS] = str(files[USERS]).replace("bela@home", "ADA@students")
    (problem,) = read_roster(zipped(files), today=today).problems
    assert (problem.row, problem.column, problem.severity) == (3, "email", W)


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1", "@SUM(A1)", "-2"])
def test_a_name_like_a_formula_is_kept_as_text(name: str, zipped: Zipped, today: date) -> None:
    files = small_roster()
    files[USERS] = USERS_HEADER + user("st1", name, agents="gu1") + user("gu1") + user("te1")
    read = read_roster(zipped(files), today=today)
    assert read.people[0].given_name == name
    assert [(p.row, p.column, p.severity) for p in read.problems] == [(2, "givenName", W)]


@pytest.mark.parametrize(
    ("written", "kept", "remarks"),
    [
        ("  Ada  ", "Ada", 0),
        ("Ada  Maria", "Ada Maria", 0),
        ('"Ada\nMaria"', "Ada Maria", 1),
        ('"Ada, the ""first"""', 'Ada, the "first"', 0),
        ("Ame\u0301lie", "Amélie", 0),
        ("Ada\u202egpj", "Adagpj", 1),
        ("می\u200cنا", "می\u200cنا", 0),
        ("Ада", "Ада", 0),
    ],
)
def test_names_are_tidied_and_not_changed(written: str, kept: str, remarks: int, zipped: Zipped, today: date) -> None:
    files = small_roster()
    files[USERS] = USERS_HEADER + user("st1", written, agents="gu1") + user("gu1") + user("te1")
    read = read_roster(zipped(files), today=today)
    assert (read.people[0].given_name, len(read.problems)) == (kept, remarks)


def test_somebody_with_one_name_only_is_kept(zipped: Zipped, today: date) -> None:
    files = small_roster()
    files[USERS] = USERS_HEADER + user("st1", "Suharto", "", agents="gu1") + user("gu1") + user("te1")
    read = read_roster(zipped(files), today=today)
    assert [(p.row, p.column, p.severity) for p in read.problems] == [(2, "familyName", W)]
    assert len(read.people) == 3


@pytest.mark.parametrize(("cell", "grade"), [("9", "09"), ("12", "12"), ("kg", "KG"), ("14", None), ("tenth", None)])
def test_grades_are_codes(cell: str, grade: str | None, zipped: Zipped, today: date) -> None:
    files = small_roster()
    files[USERS] = str(files[USERS]).replace(",gu1,10,", f",gu1,{cell},")
    read = read_roster(zipped(files), today=today)
    assert read.people[0].grade == grade
    assert bool(read.problems) is (grade is None)


def test_rows_count_as_in_a_spreadsheet(zipped: Zipped, today: date) -> None:
    files = small_roster()
    files[USERS] = (
        USERS_HEADER
        + user("st1", '"Ada\nMaria\nLuisa"', agents="gu1")  # three lines, one row: 2
        + "\n"  # 3
        + user("gu1")  # 4
        + user("te1")  # 5
        + user("", "Nameless")  # 6
    )
    read = read_roster(zipped(files), today=today)
    assert [(p.row, p.column) for p in read.problems] == [(2, "givenName"), (6, "sourcedId")]


def test_an_open_quotation_mark_costs_its_own_row_only(zipped: Zipped, today: date) -> None:
    files: Files = small_roster()
    many = [user(f"te{i}", "Cleo") for i in range(2, 60)]
    many[10] = user("te12", '"Cleo')
    many[13] = user("te15", 'Cleo"')
    many[57] = user("te59", '"Cleo')
    files[USERS] += "".join(many)  # type: ignore[operator]
    files[ROLES] += "".join(role(f"te{i}", "teacher") for i in range(2, 60) if i not in (12, 15, 59))  # type: ignore[operator]
    read = read_roster(zipped(files), today=today)
    assert [p.row for p in read.problems] == [15, 18, 62]
    assert len(read.people) == 3 + 58 - 3


def test_all_problems_are_counted_and_the_first_are_listed(zipped: Zipped, today: date) -> None:
    files = small_roster()
    files[USERS] += user("") * 50  # type: ignore[operator]
    read = read_roster(zipped(files), today=today, limits=Limits(problems=20))
    assert (len(read.problems), read.counts.errors) == (20, 50)


def test_a_status_of_its_own_word_is_remarked(zipped: Zipped, today: date) -> None:
    files = small_roster()
    files[USERS] = str(files[USERS]).replace("te1,,", "te1,current,")
    read = read_roster(zipped(files), today=today)
    assert [(p.row, p.column, p.severity) for p in read.problems] == [(4, "status", W)]
    assert all(p.status is Status.ACTIVE for p in read.people)
