"""An archive is believed in nothing: every trick ends in one clear sentence, within bounds."""

import io
import stat
import struct
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.identity.gateways.oneroster import read_roster
from services.identity.gateways.roster import RosterUnreadable
from services.identity.gateways.roster_zip import Limits
from tests.identity.gateways.conftest import TODAY, small_roster, zip_of

Zipped = Callable[..., bytes]


def refused(archive: bytes, limits: Limits | None = None) -> RosterUnreadable:
    with pytest.raises(RosterUnreadable) as caught:
        read_roster(archive, today=TODAY, limits=limits or Limits())
    return caught.value


@pytest.mark.parametrize(
    ("archive", "said"),
    [
        (b"", "empty"),
        (b"sourcedId,name\n", "not a ZIP"),
        (b"%PDF-1.7", "PDF"),
        (b"\x1f\x8b\x08\x00", "not as a ZIP"),
        (b"PK\x03\x04 and nothing more", "cut short"),
    ],
)
def test_what_is_no_zip_is_told_apart(archive: bytes, said: str) -> None:
    error = refused(archive)
    assert error.file == "the archive"
    assert said in error.reason


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.95, 0.999])
def test_a_truncated_archive_is_refused(keep: float) -> None:
    whole = zip_of(small_roster())
    assert "cut short" in refused(whole[: int(len(whole) * keep)]).reason


def test_a_wrong_check_sum_is_refused() -> None:
    whole = bytearray(zip_of({**small_roster()}))
    at = whole.rindex(b"PK\x01\x02", 0, whole.rindex(b"users.csv"))
    whole[at + 16 : at + 20] = b"\0\0\0\0"
    error = refused(bytes(whole))
    assert (error.file, "damaged" in error.reason) == ("users.csv", True)


@settings(deadline=None)  # the machine may be busy
@given(st.data())
def test_damage_anywhere_never_ends_in_anything_but_a_roster_or_a_sentence(data: st.DataObject) -> None:
    whole = bytearray(zip_of(small_roster()))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        read_roster(bytes(whole), today=TODAY)
    except RosterUnreadable as error:
        assert error.reason  # noqa: PT017 - either outcome is right


def test_an_encrypted_archive_is_refused() -> None:
    whole = bytearray(zip_of(small_roster()))
    at = -1
    while (at := whole.find(b"PK\x01\x02", at + 1)) >= 0:
        whole[at + 8] |= 1
    assert "password" in refused(bytes(whole)).reason


def test_an_unusual_packing_is_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_LZMA) as archive:
        for name, content in small_roster().items():
            archive.writestr(name, content)
    assert "unusual method" in refused(out.getvalue()).reason


@pytest.mark.parametrize(
    "name", ["../users.csv", "/etc/users.csv", "a/../../users.csv", "..\\users.csv", "C:\\users.csv"]
)
def test_a_path_out_of_the_archive_is_refused(name: str) -> None:
    assert "outside" in refused(zip_of({**small_roster(), name: "x"})).reason


def test_a_deep_path_is_refused() -> None:
    assert "deeper" in refused(zip_of({**small_roster(), "a/b/c/d/e/notes.txt": "x"})).reason


def test_a_link_is_refused() -> None:
    out = io.BytesIO(zip_of(small_roster()))
    with zipfile.ZipFile(out, "a") as archive:
        link = zipfile.ZipInfo("passwords.csv")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    assert "link" in refused(out.getvalue()).reason


@pytest.mark.parametrize("again", ["users.csv", "USERS.csv", "old/users.csv"])
def test_a_file_that_is_there_twice_is_refused(again: str) -> None:
    out = io.BytesIO(zip_of(small_roster()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile's own remark on the double name that this test is about
        with zipfile.ZipFile(out, "a") as archive:
            archive.writestr(again, "sourcedId\n")
    assert "twice" in refused(out.getvalue()).reason


def test_shadows_of_other_systems_are_no_files(zipped: Zipped, today: date) -> None:
    files = {**small_roster(), "__MACOSX/._users.csv": b"\x00", ".DS_Store": b"\x00"}
    assert read_roster(zipped(files), today=today).counts.students == 1


def test_a_zip_in_a_zip_says_which_to_send() -> None:
    assert "inner ZIP" in refused(zip_of({"export.zip": zip_of(small_roster())})).reason


def test_an_archive_of_something_else_is_refused() -> None:
    assert "users.csv" in refused(zip_of({"photo.jpg": b"\xff\xd8"})).reason


@pytest.mark.parametrize("file", ["users.csv", "orgs.csv", "roles.csv"])
def test_a_missing_file_is_named(file: str) -> None:
    files = small_roster()
    del files[file]
    error = refused(zip_of(files))
    assert (error.file, "missing" in error.reason) == (file, True)


def test_another_version_is_refused() -> None:
    files = small_roster()
    files["manifest.csv"] = str(files["manifest.csv"]).replace("version,1.2", "version,1.0")
    assert "1.1 and 1.2" in refused(zip_of(files)).reason


def test_a_bomb_is_noticed_by_its_ratio_before_it_unpacks() -> None:
    files = small_roster()
    bomb = zip_of({**files, "users.csv": b"sourcedId,givenName,familyName\n" + b"x,Ada,Ashby\n" * 8_000_000})
    tracemalloc.start()
    error = refused(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (error.file, "200 times" in error.reason) == ("users.csv", True)
    assert peak < 1_000_000


def test_sizes_that_the_archive_claims_are_not_believed() -> None:
    whole = bytearray(zip_of({**small_roster(), "users.csv": b"a,b\n" * 2_000_000}))
    at = whole.rindex(b"PK\x01\x02", 0, whole.rindex(b"users.csv"))
    struct.pack_into("<I", whole, at + 24, 100)  # "100 bytes when unpacked"
    refused(bytes(whole))


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (Limits(archive_bytes=100), "larger than 100 bytes"),
        (Limits(members=3), "more than 3 files"),
        (Limits(member_bytes=200), "users.csv: is larger than 200"),
        (Limits(total_bytes=300), "larger than 300 bytes"),
    ],
)
def test_each_limit_is_told_with_its_number(limits: Limits, said: str) -> None:
    assert said in str(refused(zip_of(small_roster()), limits))


def test_a_directory_of_a_million_entries_is_refused_before_it_is_read() -> None:
    entry = zip_of({"a": ""})
    central = entry[entry.index(b"PK\x01\x02") : entry.index(b"PK\x05\x06")]
    assert "more than 200 files" in refused(entry[: entry.index(b"PK\x01\x02")] + central * 100_000).reason
