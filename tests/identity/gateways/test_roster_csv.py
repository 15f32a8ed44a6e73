"""A file that can't be read as a whole says so once, with the line and the remedy."""

from collections.abc import Callable
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.identity.gateways.oneroster import read_roster
from services.identity.gateways.roster import RosterUnreadable
from services.identity.gateways.roster_zip import Limits
from tests.identity.gateways.conftest import TODAY, Files, small_roster, user, zip_of

Zipped = Callable[..., bytes]


def refused(files: Files, zipped: Zipped, today: date, limits: Limits | None = None) -> RosterUnreadable:
    with pytest.raises(RosterUnreadable) as caught:
        read_roster(zipped(files), today=today, limits=limits or Limits())
    return caught.value


def users_with(name: str) -> str:
    return str(small_roster()["users.csv"]) + user("x1", name)


@pytest.mark.parametrize(
    ("encoding", "name", "said"),
    [
        ("cp1252", "Zoë “Zo”", "Windows-1252 (what"),
        ("latin-1", "Zoë", "Windows-1252 or Latin-1"),
        ("cp1251", "Наталья", "non-Latin"),
        ("mac-roman", "Zoè\u0141".replace("\u0141", "ê"), "older encoding"),
        ("utf-16", "Zoë", "UTF-16"),
        ("utf-16-le", "Zoë", "UTF-16"),
        ("utf-16-be", "Zoë", "UTF-16"),
    ],
)
def test_an_encoding_other_than_utf8_is_named(encoding: str, name: str, said: str, zipped: Zipped, today: date) -> None:
    files = small_roster() | {"users.csv": users_with(name).encode(encoding)}
    error = refused(files, zipped, today)
    assert error.file == "users.csv"
    assert said in error.reason
    assert "UTF-8" in error.reason
    assert ("line 1" if "16" in encoding else "line 5") in error.reason
    assert "Zo" not in error.reason


def test_a_file_cut_in_the_middle_of_a_character_says_so(zipped: Zipped, today: date) -> None:
    files = small_roster() | {"users.csv": users_with("Zoë").encode().partition("ë".encode())[0] + b"\xc3"}
    assert "line 5" in refused(files, zipped, today).reason


def test_a_byte_order_mark_and_any_line_end_are_fine(zipped: Zipped, today: date) -> None:
    clean = read_roster(zipped(small_roster()), today=today)
    for end in ("\n", "\r\n", "\r"):
        files: Files = {name: str(text).replace("\n", end).encode("utf-8-sig") for name, text in small_roster().items()}
        assert read_roster(zipped(files), today=today) == clean


def test_column_names_count_whatever_their_capitals_and_order(zipped: Zipped, today: date) -> None:
    files = small_roster()
    files["orgs.csv"] = "TYPE , Name,SourcedID,extra\nschool,Harbor,s1,x\n"
    assert read_roster(zipped(files), today=today).schools[0].name == "Harbor"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "empty"),
        ("\n\n", "empty"),
        ("sourcedId;name;type\ns1;Harbor;school\n", "semicolons"),
        ("sourcedId\tname\ttype\n", "tabs"),
        ("sourcedId,name\ns1,Harbor\n", "type"),
        ("sourcedId,name,type,Name\n", "twice"),
        ("sourcedId,name,type\n" + "x" * 70_000 + "\n", "line 2"),
    ],
)
def test_a_file_that_is_no_sheet_is_refused_with_its_remedy(
    content: str, said: str, zipped: Zipped, today: date
) -> None:
    error = refused(small_roster() | {"orgs.csv": content}, zipped, today)
    assert error.file == "orgs.csv"
    assert said in error.reason


def test_more_rows_than_allowed_are_refused(zipped: Zipped, today: date) -> None:
    assert "more than 3 lines" in refused(small_roster(), zipped, today, Limits(rows=3)).reason


@settings(deadline=None)  # the machine may be busy
@given(
    st.sampled_from(["orgs.csv", "users.csv", "roles.csv", "demographics.csv", "manifest.csv"]), st.binary(max_size=400)
)
def test_rubbish_after_good_rows_ends_in_a_roster_or_a_sentence(file: str, rubbish: bytes) -> None:
    files = small_roster()
    files[file] = str(files[file]).encode() + rubbish
    try:
        read_roster(zip_of(files), today=TODAY)
    except RosterUnreadable as error:
        assert error.file == file  # noqa: PT017 - either outcome is right


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.text('ab",\n\r=\0é', max_size=30), max_size=12))
def test_rubbish_of_quotes_and_commas_never_costs_the_good_rows_before_it(lines: list[str]) -> None:
    files = small_roster()
    files["users.csv"] = str(files["users.csv"]) + "".join(f"{line}\n" for line in lines)
    read = read_roster(zip_of(files), today=TODAY)
    assert {p.sourced_id for p in read.people} == {"st1", "gu1", "te1"}
