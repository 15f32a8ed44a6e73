"""A package opened by a stranger: what may be wrong with a ZIP, each told apart."""

import io
import json
import zipfile
from pathlib import Path

import pytest

from deploy.cli import packages
from deploy.cli.envelopes import Invalid
from deploy.cli.packages import attached_credential, open_package
from services.records.gateways.package import Package


def members_of(raw: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def written(path: Path, members: dict[str, bytes], *, method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return path


def refused(path: Path) -> str:
    with pytest.raises(Invalid) as why:
        open_package(path)
    return str(why.value)


@pytest.fixture
def members(package: Package) -> dict[str, bytes]:
    return members_of(package.bytes)


def test_a_package_is_read_as_it_was_made(package: Package, tmp_path: Path):
    path = tmp_path / "a.zip"
    path.write_bytes(package.bytes)
    found = open_package(path)
    assert found.digest == package.digest
    assert len(found.digests) == len(package.members) + 1
    assert len(found.evidence) == 4


def test_a_changed_member_is_named(members: dict[str, bytes], tmp_path: Path):
    members["transcript.pdf"] += b" "
    assert refused(written(tmp_path / "a.zip", members)) == (
        "transcript.pdf is not the file that the manifest names: it was changed"
    )


@pytest.mark.parametrize("change", ["added", "renamed"])
def test_a_member_too_many_or_of_another_name_is_noticed(change: str, members: dict[str, bytes], tmp_path: Path):
    if change == "renamed":
        members["evidence/other.txt"] = members.pop(next(name for name in members if name.startswith("evidence/")))
    else:
        members["evidence/more.txt"] = b"me too"
    assert "exactly the members" in refused(written(tmp_path / "a.zip", members))


def test_a_zip_without_a_credential_is_no_package(members: dict[str, bytes], tmp_path: Path):
    del members["credential.json"]
    assert "credential.json is missing" in refused(written(tmp_path / "a.zip", members))


def test_another_format_asks_for_a_newer_verify(members: dict[str, bytes], tmp_path: Path):
    manifest = json.loads(members["manifest.json"]) | {"format": "placet.package/2"}
    members["manifest.json"] = json.dumps(manifest).encode()
    assert "newer Placet" in refused(written(tmp_path / "a.zip", members))


def test_a_bomb_is_refused_before_it_is_read(tmp_path: Path):
    path = written(tmp_path / "a.zip", {"manifest.json": b"0" * 50_000_000}, method=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 100_000
    assert "is compressed" in refused(path)


def test_too_many_members_are_refused_before_they_are_listed(tmp_path: Path):
    path = written(tmp_path / "a.zip", {f"evidence/{number}": b"" for number in range(2_001)})
    assert "lists more than 2,000 members" in refused(path)


def test_a_credential_beyond_the_bound_is_not_read(
    members: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(packages, "MAX_BYTES", 1_000)
    assert "larger than 1,000 bytes" in refused(written(tmp_path / "a.zip", members))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused(members: dict[str, bytes], tmp_path: Path):
    path = written(tmp_path / "a.zip", members)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("manifest.json", b"{}")
    assert "two members of one name" in refused(path)


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "evidence/../../x", "a/b", "evidence/", "C:evil", "a\\b"])
def test_a_name_that_leads_elsewhere_is_refused(name: str, tmp_path: Path):
    assert "not one that a package has" in refused(written(tmp_path / "a.zip", {name: b""}))


@pytest.mark.parametrize("cut", [3, 100, -1, -30])
def test_a_cut_zip_is_damaged(cut: int, package: Package, tmp_path: Path):
    path = tmp_path / "a.zip"
    path.write_bytes(package.bytes[:cut])
    assert "damaged ZIP" in refused(path)


def test_bytes_behind_the_end_are_refused(package: Package, tmp_path: Path):
    path = tmp_path / "a.zip"
    path.write_bytes(package.bytes + b"more")
    assert "damaged ZIP" in refused(path)


def test_a_flipped_bit_in_a_member_is_noticed(package: Package, tmp_path: Path):
    raw = bytearray(package.bytes)
    raw[len(raw) // 2] ^= 1
    path = tmp_path / "a.zip"
    path.write_bytes(raw)
    assert "damaged ZIP" in refused(path)  # ZIP's own checksum


def test_the_page_carries_the_credential(members: dict[str, bytes]):
    assert attached_credential(members["transcript.pdf"]) == members["credential.json"]


@pytest.mark.parametrize("raw", [b"%PDF-1.7\n", b"%PDF-1.7\n" + b"\0" * 1_000, b"%PDF-1.7\nxref\n0 1\ntrailer<<>>"])
def test_a_damaged_page_is_said_to_be_damaged(raw: bytes):
    with pytest.raises(Invalid, match=r"damaged PDF|without a credential"):
        attached_credential(raw)
