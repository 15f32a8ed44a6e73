"""The demo's files are what their makers write, good where they say so, and broken only where they mean to be."""

import zipfile
from collections import Counter
from datetime import date
from functools import cache
from io import BytesIO
from pathlib import Path

import pytest

from deploy.demo import make_rosters
from services.identity.gateways.oneroster import read_roster
from services.identity.gateways.roster import Kind, Roster, RosterUnreadable, Status

DATA = Path(make_rosters.DATA)
TODAY = date(2026, 11, 24)


@cache
def read(name: str) -> Roster:
    return read_roster((DATA / name).read_bytes(), today=TODAY)


@cache
def made() -> dict[str, bytes]:
    return make_rosters.rosters()


@pytest.mark.parametrize("name", sorted(path.name for path in DATA.glob("roster-*.zip")))
def test_a_committed_roster_is_what_the_maker_writes(name: str) -> None:
    committed = (DATA / name).read_bytes()
    if name != "roster-bomb.zip":
        assert committed == made()[name]
        return
    # The only packed one: another zlib packs otherwise, so what is inside is compared.
    ours, theirs = (zipfile.ZipFile(BytesIO(content)) for content in (made()[name], committed))
    assert [(i.filename, i.CRC, i.file_size) for i in ours.infolist()] == [
        (i.filename, i.CRC, i.file_size) for i in theirs.infolist()
    ]
    assert len(committed) < 300_000


def test_the_good_roster_holds_two_schools_and_not_a_single_remark() -> None:
    roster = read("roster-harbor-point.zip")
    assert roster.problems == ()
    assert [s.name for s in roster.schools if s.kind == "school"] == ["Harbor Point Academy", "Mesa Verde High"]
    assert roster.counts.students >= 220
    assert min(roster.counts.registrars, roster.counts.educators, roster.counts.administrators) >= 4
    per_student = Counter(link.student_sourced_id for link in roster.guardianships)
    assert set(per_student.values()) >= {1, 2}
    assert max(Counter(link.guardian_sourced_id for link in roster.guardianships).values()) >= 2  # siblings
    assert len(per_student) == roster.counts.students


def test_some_students_are_of_age_and_others_come_of_age_within_weeks() -> None:
    born = [p.birth_date for p in read("roster-harbor-point.zip").people if p.birth_date]
    assert sum(day <= date(2008, 11, 1) for day in born) >= 15
    assert sum(date(2008, 11, 1) < day <= date(2009, 1, 15) for day in born) >= 8
    assert date(2008, 2, 29) in born


def test_the_good_roster_has_names_in_many_scripts_and_some_people_without_mail() -> None:
    people = read("roster-harbor-point.zip").people
    letters = {c for p in people for c in p.given_name + p.family_name}
    for script in "ÑñễłøКлאنशη王さ서Աณ":
        assert any(script == c or abs(ord(c) - ord(script)) < 40 for c in letters), script
    assert sum(p.email is None for p in people) >= 5
    assert {p.email.partition("@")[2].rpartition(".")[2] for p in people if p.email} == {"org", "test"}
    assert all("example.org" in p.email or p.email.endswith(".test") for p in people if p.email)


def test_a_teacher_who_is_a_parent_at_the_other_school_keeps_the_two_apart() -> None:
    teacher = next(p for p in read("roster-harbor-point.zip").people if p.sourced_id == "hp-ed-03")
    assert [(r.kind, r.school_sourced_id) for r in teacher.roles] == [
        (Kind.EDUCATOR, "org-harbor-point"),
        (Kind.GUARDIAN, "org-mesa-verde"),
    ]


def test_the_older_version_and_the_changes_are_read() -> None:
    older, delta = read("roster-1.1.zip"), read("roster-delta.zip")
    assert (older.version, older.counts.students, older.problems) == ("1.1", 30, ())
    assert {p.sourced_id: p.status for p in delta.people} == {
        "hp-st-900": Status.ACTIVE,
        "hp-gu-002": Status.REMOVED,
    }
    assert delta.delta


def test_the_dirty_roster_keeps_its_good_rows_and_names_each_fault() -> None:
    roster = read("roster-dirty-rows.zip")
    assert roster.counts.students == 41
    assert (roster.counts.errors, roster.counts.warnings) == (16, 17)
    assert len({(p.file, p.column, p.reason) for p in roster.problems}) >= 20
    index = (DATA / "README.md").read_text()
    assert "16 errors and 17 warnings" in index


@pytest.mark.parametrize(
    ("name", "file", "said"),
    [
        ("roster-windows-1252.zip", "users.csv", "Windows-1252"),
        ("roster-truncated.zip", "the archive", "cut short"),
        ("roster-bomb.zip", "users.csv", "200 times"),
    ],
)
def test_a_broken_roster_is_refused_with_its_reason(name: str, file: str, said: str) -> None:
    with pytest.raises(RosterUnreadable, match=said) as caught:
        read(name)
    assert caught.value.file == file


def test_p8_nothing_of_what_must_not_be_imported_is_in_what_was_read() -> None:
    text = repr(read("roster-harbor-point.zip")) + repr(read("roster-1.1.zip")) + repr(read("roster-dirty-rows.zip"))
    raw = zipfile.ZipFile(DATA / "roster-harbor-point.zip").read("users.csv").decode()
    for canary in ("never-import-me", "STATE-ID", "MASTER-0", "555-01", "they/them", "LDAP"):
        assert canary in raw
        assert canary not in text
    for canary in ("Neverimport City", "Port Leaveout", "unspecified"):
        assert canary not in text
