"""A file that can't be read as a whole says so once, with the line and the remedy."""

from collections.abc import Callable
from datetime import date

import pytest

from services.identity.gateways.oneroster import read_roster
from services.identity.gateways.roster import RosterUnreadable
from services.identity.gateways.roster_zip import Limits
from tests.identity.gateways.conftest import Files, small_roster, user

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
