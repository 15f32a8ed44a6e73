"""A school's export becomes people, schools and guardianships, and nothing more."""

import csv
import io
import unicodedata
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.identity.gateways.oneroster import read_roster
from services.identity.gateways.roster import Guardianship, Kind, Roster, Severity, SourcedId, Status
from services.identity.gateways.roster_rows import ALLOWED
from tests.identity.gateways.conftest import (
    DEMOGRAPHICS_HEADER,
    MANIFEST,
    ORGS,
    ROLES_HEADER,
    TODAY,
    USERS_HEADER,
    Files,
    role,
    small_roster,
    user,
    zip_of,
)

Zipped = Callable[..., bytes]


def sentences(roster: Roster) -> list[tuple[str, int, str | None, Severity]]:
    return [(p.file, p.row, p.column, p.severity) for p in roster.problems]


def test_a_clean_roster_is_read_whole_and_without_remarks(roster: Files, zipped: Zipped, today: date) -> None:
    read = read_roster(zipped(roster), today=today)

    assert read.problems == ()
    assert (read.version, read.delta) == ("1.2", False)
    assert [(s.name, s.kind, s.parent_sourced_id, s.identifier) for s in read.schools] == [
        ("Coast District", "district", None, None),
        ("Harbor School", "school", "d1", "NC-001"),
    ]
    student = next(p for p in read.people if p.sourced_id == "st1")
    assert student.kind is Kind.STUDENT
    assert (student.given_name, student.family_name, student.email) == ("Ada", "Ashby", "ada@students.example.org")
    assert (student.birth_date, student.grade, student.status) == (date(2010, 2, 3), "10", Status.ACTIVE)
    assert student.school_sourced_ids == ("s1",)
    assert read.guardianships == (Guardianship(SourcedId("st1"), SourcedId("gu1")),)
    counts = read.counts
    assert (counts.schools, counts.students, counts.guardians, counts.educators) == (1, 1, 1, 1)
    assert (counts.guardianships, counts.errors, counts.warnings) == (1, 0, 0)


def test_files_in_a_folder_of_the_archive_are_found(roster: Files, zipped: Zipped, today: date) -> None:
    assert read_roster(zipped(roster, folder="Export 2026/"), today=today).counts.students == 1


def test_version_1_1_is_read_from_the_users_file(zipped: Zipped, today: date) -> None:
    read = read_roster(zipped(roster_1_1()), today=today)

    assert read.version == "1.1"
    assert read.problems == ()
    assert {p.sourced_id: p.kind for p in read.people} == {
        "st1": Kind.STUDENT,
        "gu1": Kind.GUARDIAN,
        "ad1": Kind.ADMINISTRATOR,
    }
    assert read.guardianships == (Guardianship(SourcedId("st1"), SourcedId("gu1")),)


def roster_1_1() -> Files:
    header = (
        "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,userIds,givenName,familyName,"
        "middleName,identifier,email,sms,phone,agentSourcedIds,grades,password\n"
    )
    return {
        "manifest.csv": MANIFEST.replace("1.2", "1.1"),
        "orgs.csv": ORGS,
        "users.csv": header
        + "st1,,,true,s1,student,u1,,Ada,Ashby,,,ada@students.example.org,,,gu1,10,\n"
        + 'gu1,,,true,"s1,d1",parent,u2,,Bela,Ashby,,,,,,,,\n'
        + "ad1,,,true,s1,administrator,u3,,Dora,Reyes,,,,,,,,\n",
        "demographics.csv": DEMOGRAPHICS_HEADER + "st1,,,2010-02-03,,,,\n",
    }


def test_without_a_manifest_the_columns_tell_the_version(zipped: Zipped, today: date) -> None:
    for files, version in ((small_roster(), "1.2"), (roster_1_1(), "1.1")):
        del files["manifest.csv"]
        read = read_roster(zipped(files), today=today)
        assert read.version == version
        assert sentences(read) == [("manifest.csv", 1, None, Severity.WARNING)]


def test_a_manifest_that_is_wrong_about_the_version_is_overruled_by_the_columns(zipped: Zipped, today: date) -> None:
    files = roster_1_1() | {"manifest.csv": MANIFEST}
    read = read_roster(zipped(files), today=today)
    assert read.version == "1.1"
    assert sentences(read) == [("manifest.csv", 1, None, Severity.WARNING)]


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("student", Kind.STUDENT),
        ("guardian", Kind.GUARDIAN),
        ("parent", Kind.GUARDIAN),
        ("relative", Kind.GUARDIAN),
        ("teacher", Kind.EDUCATOR),
        ("counselor", Kind.EDUCATOR),
        ("principal", Kind.ADMINISTRATOR),
        ("siteAdministrator", Kind.ADMINISTRATOR),
        ("districtAdministrator", Kind.ADMINISTRATOR),
        ("ext:registrar", Kind.REGISTRAR),
    ],
)
def test_a_role_of_the_standard_becomes_one_of_ours(
    word: str, kind: Kind, roster: Files, zipped: Zipped, today: date
) -> None:
    roster["users.csv"] += user("x1", "Xi", "Yu")  # type: ignore[operator]
    roster["roles.csv"] += role("x1", word)  # type: ignore[operator]
    read = read_roster(zipped(roster), today=today)
    assert next(p for p in read.people if p.sourced_id == "x1").kind is kind


def test_a_teacher_who_is_a_parent_elsewhere_has_each_right_only_where_it_belongs(zipped: Zipped, today: date) -> None:
    files = small_roster()
    files["orgs.csv"] = ORGS + "s2,,,Mesa School,school,,d1\n"
    files["roles.csv"] = (
        ROLES_HEADER
        + role("st1", "student")
        + role("te1", "teacher")
        + role("gu1", "guardian", kind="secondary")
        + role("gu1", "teacher", "s2")
    )
    read = read_roster(zipped(files), today=today)
    both = next(p for p in read.people if p.sourced_id == "gu1")
    assert [(r.kind, r.school_sourced_id) for r in both.roles] == [(Kind.EDUCATOR, "s2"), (Kind.GUARDIAN, "s1")]
    assert both.kind is Kind.EDUCATOR
    assert len(read.guardianships) == 1


def test_a_guardian_may_name_the_student_instead(zipped: Zipped, today: date) -> None:
    files = small_roster()
    files["users.csv"] = USERS_HEADER + user("st1") + user("gu1", agents="st1") + user("te1")
    read = read_roster(zipped(files), today=today)
    assert read.guardianships == (Guardianship(SourcedId("st1"), SourcedId("gu1")),)


def test_a_link_named_from_both_sides_counts_once(zipped: Zipped, today: date) -> None:
    files = small_roster()
    files["users.csv"] = USERS_HEADER + user("st1", agents="gu1,gu1") + user("gu1", agents="st1") + user("te1")
    assert len(read_roster(zipped(files), today=today).guardianships) == 1


@pytest.mark.parametrize("agent", ["te1", "nobody", "st1"])
def test_nobody_but_a_guardian_is_given_the_right_to_sign(agent: str, zipped: Zipped, today: date) -> None:
    files = small_roster()
    files["users.csv"] = USERS_HEADER + user("st1", agents=f"gu1,{agent}") + user("gu1") + user("te1")
    read = read_roster(zipped(files), today=today)
    assert len(read.guardianships) == 1
    assert sentences(read) == [("users.csv", 2, "agentSourcedIds", Severity.WARNING)]


def test_roles_that_are_over_or_have_not_begun_give_no_account(zipped: Zipped, today: date) -> None:
    files = small_roster()
    files["users.csv"] += user("old") + user("new")  # type: ignore[operator]
    files["roles.csv"] += role("old", "teacher", end="2026-11-23") + role("new", "teacher", begin="2026-11-25")  # type: ignore[operator]
    files["roles.csv"] += role("te1", "principal", begin="2026-11-24", end="2026-11-24")  # type: ignore[operator]
    read = read_roster(zipped(files), today=today)
    assert {p.sourced_id for p in read.people} == {"st1", "gu1", "te1"}
    assert next(p for p in read.people if p.sourced_id == "te1").is_a(Kind.ADMINISTRATOR)
    assert read.problems == ()


def test_an_account_that_the_school_switched_off_is_inactive(zipped: Zipped, today: date) -> None:
    files = small_roster()
    files["users.csv"] = str(files["users.csv"]).replace("te1,,,true", "te1,,,False")
    read = read_roster(zipped(files), today=today)
    assert next(p for p in read.people if p.sourced_id == "te1").status is Status.INACTIVE


def test_a_delta_says_who_is_to_be_removed_and_leaves_the_rest_alone(zipped: Zipped, today: date) -> None:
    files: Files = {
        "manifest.csv": MANIFEST.replace("bulk", "delta"),
        "users.csv": USERS_HEADER
        + "gu9,tobedeleted,2026-11-01T00:00:00Z,,,,,,,,,,,,,,,,,,,\n"
        + user("st9", agents="gu-known-already"),
        "roles.csv": ROLES_HEADER + role("st9", "student", "school-known-already"),
    }
    read = read_roster(zipped(files), today=today)
    assert read.delta
    assert {p.sourced_id: p.status for p in read.people} == {"gu9": Status.REMOVED, "st9": Status.ACTIVE}
    assert read.guardianships == (Guardianship(SourcedId("st9"), SourcedId("gu-known-already")),)
    assert read.counts.errors == 0


def test_a_removed_guardian_stands_for_nobody(zipped: Zipped, today: date) -> None:
    files = small_roster()
    files["users.csv"] = str(files["users.csv"]).replace("gu1,,", "gu1,tobedeleted,")
    assert read_roster(zipped(files), today=today).guardianships == ()


def test_a_birth_date_is_kept_of_students_only(zipped: Zipped, today: date) -> None:
    files = small_roster()
    files["demographics.csv"] += "te1,,,1980-01-01,,,,\ngu1,,,1982-01-01,,,,\n"  # type: ignore[operator]
    read = read_roster(zipped(files), today=today)
    assert {p.sourced_id for p in read.people if p.birth_date} == {"st1"}


def test_an_eighteen_year_old_without_a_guardian_is_no_problem(zipped: Zipped, today: date) -> None:
    files = small_roster()
    files["users.csv"] = USERS_HEADER + user("st1") + user("gu1") + user("te1")
    for born, warned in (("2008-11-24", False), ("2008-11-25", True)):
        files["demographics.csv"] = DEMOGRAPHICS_HEADER + f"st1,,,{born},,,,\n"
        read = read_roster(zipped(files), today=today)
        assert bool(read.problems) is warned, born


def test_without_birth_dates_one_remark_says_that_all_are_minors(zipped: Zipped, today: date) -> None:
    files = small_roster()
    del files["demographics.csv"]
    read = read_roster(zipped(files), today=today)
    assert sentences(read) == [("demographics.csv", 1, None, Severity.WARNING)]


# ── nothing beyond the list (P8) ─────────────────────────────────────────────────────────────────────────────


def test_p8_a_roster_full_of_other_personal_data_leaves_nothing_beyond_the_list(zipped: Zipped, today: date) -> None:
    files, canaries = roster_of_canaries()
    read = read_roster(zipped(files), today=today)

    seen = "\n".join(walk(read))
    assert "Kept Given" in seen
    assert "2010-02-03" in seen
    assert [c for c in canaries if c in seen] == []


def test_p8_the_allow_list_names_no_column_that_an_account_does_not_need() -> None:
    columns = {c.lower() for sheet in ALLOWED for c in sheet.required + sheet.optional}
    refused = {
        "password", "sms", "phone", "username", "userids", "usermasteridentifier", "pronouns", "sex", "asian", "white",
        "americanindianoralaskanative", "blackorafricanamerican", "nativehawaiianorotherpacificislander",
        "demographicracetwoormoreraces", "hispanicorlatinoethnicity", "countryofbirthcode", "stateofbirthabbreviation",
        "cityofbirth", "publicschoolresidencestatus",
    }  # fmt: skip
    assert columns & refused == set()


def roster_of_canaries() -> tuple[Files, list[str]]:
    """Every column that is not on the list carries a value found nowhere else; so do whole files and a bad row."""
    allowed = {sheet.file: {*sheet.required, *sheet.optional} for sheet in ALLOWED}
    canaries: list[str] = []

    def canary(what: str) -> str:
        canaries.append(f"CANARY-{what}-{len(canaries)}")
        return canaries[-1]

    def line(file: str, header: str, kept: dict[str, str]) -> str:
        names = header.strip().split(",")
        return ",".join(kept.get(n, "") if n in allowed[file] else canary(n) for n in names) + "\n"

    users, demographics = USERS_HEADER.strip() + ",ssn,metadata.religion\n", DEMOGRAPHICS_HEADER
    orgs = ORGS.splitlines(keepends=True)[0].strip() + ",metadata.note\n"
    files: Files = {
        "manifest.csv": MANIFEST.replace("Test System", canary("system")),
        "orgs.csv": orgs + line("orgs.csv", orgs, {"sourcedId": "s1", "name": "Harbor", "type": "school"}),
        "users.csv": users
        + line("users.csv", users, {"sourcedId": "st1", "enabledUser": "true", "givenName": "Kept Given",
                                    "familyName": "Kept Family", "email": canary("not-an-email"),
                                    "grades": canary("grade"), "agentSourcedIds": canary("agent")})
        + "short," + canary("cell-of-a-short-row") + "\n"
        + line("users.csv", users, {"sourcedId": "", "givenName": canary("given-of-a-bad-row")}),
        "roles.csv": ROLES_HEADER
        + line("roles.csv", ROLES_HEADER, {"sourcedId": "r1", "userSourcedId": "st1", "role": "student",
                                           "orgSourcedId": "s1"})
        + line("roles.csv", ROLES_HEADER, {"sourcedId": "r2", "userSourcedId": "st1", "role": canary("role"),
                                           "orgSourcedId": canary("org")}),
        "demographics.csv": demographics
        + line("demographics.csv", demographics, {"sourcedId": "st1", "birthDate": "2010-02-03"})
        + line("demographics.csv", demographics, {"sourcedId": canary("stranger"), "birthDate": canary("date")}),
        "results.csv": "sourcedId,score\n1," + canary("score") + "\n",
        "userProfiles.csv": "sourcedId,password\n1," + canary("profile") + "\n",
    }  # fmt: skip
    return files, canaries


def walk(value: object) -> list[str]:
    """Every leaf of a value as text."""
    if is_dataclass(value) and not isinstance(value, type):
        return [leaf for f in fields(value) for leaf in walk(getattr(value, f.name))]
    if isinstance(value, tuple | list | set | frozenset):
        return [leaf for item in value for leaf in walk(item)]
    if isinstance(value, dict):
        return [leaf for pair in value.items() for leaf in walk(pair)]
    return [str(value)]


# ── any text survives the way ────────────────────────────────────────────────────────────────────────────────

NAMES = st.text(
    st.characters(blacklist_categories=("Cc", "Cs", "Cf", "Zl", "Zp", "Zs", "Cn", "Co"), max_codepoint=0xFFFF),
    min_size=1,
    max_size=20,
).filter(lambda name: name[0] not in "=+-@")


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.tuples(NAMES, NAMES), max_size=8))
def test_any_name_in_any_script_comes_out_as_it_went_in(names: list[tuple[str, str]]) -> None:
    out = io.StringIO(newline="")
    out.write(USERS_HEADER)
    writer = csv.writer(out)
    for at, (first, last) in enumerate(names):
        writer.writerow([f"p{at}", "", "", "true", "", "", first, last, *[""] * 14])
    files = small_roster() | {
        "users.csv": out.getvalue(),
        "roles.csv": ROLES_HEADER + "".join(role(f"p{at}", "teacher") for at in range(len(names))),
        "demographics.csv": DEMOGRAPHICS_HEADER,
    }
    read = read_roster(zip_of(files), today=TODAY)
    assert [(p.given_name, p.family_name) for p in read.people] == [
        (unicodedata.normalize("NFC", a), unicodedata.normalize("NFC", b)) for a, b in names
    ]
    assert read.problems == ()


@pytest.mark.no_cover
def test_a_district_of_fifty_thousand_students_is_read_whole(zipped: Zipped, today: date) -> None:
    n = 50_000
    files = small_roster() | {
        "users.csv": USERS_HEADER
        + "".join(
            user(f"s{i}", f"Ada{i}", "Ashby", email=f"s{i}@example.org", agents=f"g{i}")
            + user(f"g{i}", f"Bela{i}", '"Ashby, Sr."', email=f"g{i}@example.org")
            for i in range(n)
        ),
        "roles.csv": ROLES_HEADER + "".join(role(f"s{i}", "student") + role(f"g{i}", "guardian") for i in range(n)),
        "demographics.csv": DEMOGRAPHICS_HEADER + "".join(f"s{i},,,2010-02-03,,,,\n" for i in range(n)),
    }
    read = read_roster(zipped(files), today=today)
    assert (read.counts.students, read.counts.guardianships, read.counts.errors) == (n, n, 0)
