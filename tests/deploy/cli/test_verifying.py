"""`placet verify` as an admission office types it: three verdicts, three exit codes, no student's name."""

import dataclasses
import hashlib
import io
import json
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from joserfc.jwk import OKPKey
from typer.testing import CliRunner, Result

from deploy.cli import verifying
from deploy.cli.__main__ import app
from services.records.gateways.envelopes import IssuerKeys, one_edtech_jwt, vc_jose_jwt, with_proof
from services.records.gateways.package import Package
from tests.deploy.cli.conftest import School
from tests.deploy.cli.test_packages import members_of, written

VALID, INVALID, UNKNOWN = 0, 1, 2


def verify(*words: object) -> Result:
    return CliRunner().invoke(app, ["verify", *map(str, words)])


def said(result: Result) -> str:
    return " ".join(result.output.split())


@pytest.fixture
def file(package: Package, tmp_path: Path) -> Path:
    path = tmp_path / "package.zip"
    path.write_bytes(package.bytes)
    return path


def test_a_good_package_with_the_schools_keys_is_valid(file: Path, school: School, package: Package):
    result = verify(file, "--issuer-keys", school.jwks)
    assert result.exit_code == VALID
    for words in ("✓ valid", "Mastery Transcript, version 3", "the whole record", "Harbor Point", package.digest):
        assert words in said(result)
    assert "2026-06-12 10:30 UTC" in said(result)
    assert "transcript.pdf is covered by the package's digest only" in said(result)


def test_with_the_digest_the_page_is_covered_too(file: Path, school: School, package: Package):
    result = verify(file, "--issuer-keys", school.jwks, "--digest", package.digest)
    assert result.exit_code == VALID
    assert "transcript.pdf covered by the digest you were told" in said(result)


def test_another_digest_than_the_one_told_is_invalid(file: Path, school: School):
    result = verify(file, "--issuer-keys", school.jwks, "--digest", "sha256:" + "0" * 64)
    assert result.exit_code == INVALID
    assert "not the one you were told" in said(result)


def test_without_keys_the_issuer_is_not_known(file: Path):
    result = verify(file)
    assert result.exit_code == UNKNOWN
    assert "? issuer not known" in said(result)
    assert "--issuer-keys" in said(result)


def test_with_the_keys_of_another_school_the_issuer_is_not_known(file: Path, tmp_path: Path):
    other = tmp_path / "other.jwks.json"
    other.write_text(json.dumps({"keys": [OKPKey.generate_key("Ed25519").as_dict(private=False)]}))
    result = verify(file, "--issuer-keys", other)
    assert result.exit_code == UNKNOWN
    assert "from the school itself" in said(result)


def test_a_part_is_said_to_be_a_part(make: Callable[..., Package], school: School, tmp_path: Path):
    path = tmp_path / "part.zip"
    path.write_bytes(make("credit.A4", "evidence").bytes)
    result = verify(path, "--issuer-keys", school.jwks)
    assert result.exit_code == VALID
    assert "a part: something was left out" in said(result)


def test_no_students_name_is_printed(file: Path, school: School):
    printed = verify(file, "--issuer-keys", school.jwks).output
    assert not {"Amélie", "Østergård", "2026-00417"} & set(printed.replace(",", " ").split())


@pytest.mark.parametrize("name", ["credential.json", "credential.vc.jwt", "credential.1edtech.jwt"])
def test_each_credential_stands_alone(name: str, package: Package, school: School, tmp_path: Path):
    path = tmp_path / name
    path.write_bytes(members_of(package.bytes)[name])
    assert verify(path, "--issuer-keys", school.jwks).exit_code == VALID
    assert verify(path).exit_code == UNKNOWN


def test_a_page_alone_proves_nothing(package: Package, school: School, tmp_path: Path):
    path = tmp_path / "transcript.pdf"
    path.write_bytes(members_of(package.bytes)["transcript.pdf"])
    result = verify(path, "--issuer-keys", school.jwks)
    assert result.exit_code == UNKNOWN
    assert "a PDF alone proves nothing" in said(result)
    told = "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    assert verify(path, "--issuer-keys", school.jwks, "--digest", told).exit_code == VALID


def repacked(package: Package, path: Path, **changes: bytes) -> Path:
    """The package with members exchanged and a manifest that says so: it is signed by nobody."""
    members = members_of(package.bytes) | {name.replace("__", "."): body for name, body in changes.items()}
    manifest = json.loads(members.pop("manifest.json"))
    for each in manifest["members"]:
        body = members[each["name"]]
        each |= {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    return written(path, {**members, "manifest.json": json.dumps(manifest).encode()})


def test_an_exchanged_credential_is_invalid_though_the_manifest_agrees(
    package: Package, make: Callable[..., Package], school: School, tmp_path: Path
):
    other = members_of(make("credit.A4", "evidence").bytes)
    path = repacked(package, tmp_path / "a.zip", credential__vc__jwt=other["credential.vc.jwt"])
    result = verify(path, "--issuer-keys", school.jwks)
    assert (result.exit_code, "do not say the same" in said(result)) == (INVALID, True)


def test_exchanged_evidence_is_invalid_though_the_manifest_agrees(package: Package, school: School, tmp_path: Path):
    name = next(each.name for each in package.members if each.name.startswith("evidence/"))
    path = repacked(package, tmp_path / "a.zip", **{name: b"a better log"})
    result = verify(path, "--issuer-keys", school.jwks)
    assert (result.exit_code, "not exactly those" in said(result)) == (INVALID, True)


def test_an_exchanged_page_with_another_credential_inside_is_invalid(
    package: Package, make: Callable[..., Package], school: School, tmp_path: Path
):
    other = members_of(make("credit.A4", "evidence").bytes)
    path = repacked(package, tmp_path / "a.zip", transcript__pdf=other["transcript.pdf"])
    result = verify(path, "--issuer-keys", school.jwks)
    assert (result.exit_code, "carries another credential" in said(result)) == (INVALID, True)


def test_a_manifest_that_hides_a_part_is_invalid(make: Callable[..., Package], school: School, tmp_path: Path):
    members = members_of(make("credit.A4", "evidence").bytes)
    members["manifest.json"] = members["manifest.json"].replace(b'"partial": true', b'"partial": false')
    result = verify(written(tmp_path / "a.zip", members), "--issuer-keys", school.jwks)
    assert (result.exit_code, "its manifest says something else" in said(result)) == (INVALID, True)


def test_a_whole_package_by_a_forger_is_by_an_issuer_not_known(package: Package, school: School, tmp_path: Path):
    """All of it rebuilt and signed by keys of the forger's own, under names of its own."""
    credential = json.loads(members_of(package.bytes)["credential.json"])
    del credential["proof"]
    forger = IssuerKeys(
        rsa=dataclasses.replace(school.keys).rsa,
        ed25519=OKPKey.generate_key("Ed25519", parameters={"kid": "https://school.example/keys#mine"}),
    )
    path = tmp_path / "credential.json"
    path.write_bytes(orjson.dumps(with_proof(credential, forger)))
    assert verify(path, "--issuer-keys", school.jwks).exit_code == UNKNOWN


def test_an_undeclared_property_on_a_well_signed_document_is_invalid(
    credential: dict[str, object], school: School, tmp_path: Path
):
    credential["classRank"] = "1"
    for name, raw in {
        "a.json": orjson.dumps(with_proof(credential, school.keys)),
        "b.jwt": vc_jose_jwt(credential, school.keys),
        "c.jwt": one_edtech_jwt(credential, school.keys),
    }.items():
        (tmp_path / name).write_bytes(raw)
        result = verify(tmp_path / name, "--issuer-keys", school.jwks)
        assert (result.exit_code, "the property classRank" in said(result)) == (INVALID, True)
        assert "Harbor" not in result.output


def test_an_expired_credential_is_invalid_and_says_since_when(
    credential: dict[str, object], school: School, tmp_path: Path
):
    credential["validUntil"] = "2026-06-20T00:00:00Z"
    path = tmp_path / "a.jwt"
    path.write_bytes(vc_jose_jwt(credential, school.keys))
    result = verify(path, "--issuer-keys", school.jwks)
    assert (result.exit_code, "expired on 2026-06-20" in said(result)) == (INVALID, True)


def test_a_status_list_is_named_as_not_asked(credential: dict[str, object], school: School, tmp_path: Path):
    credential["credentialStatus"] = {
        "id": "https://school.example/status/1#7",
        "type": "BitstringStatusListEntry",
        "statusPurpose": "revocation",
        "statusListIndex": "7",
        "statusListCredential": "https://school.example/status/1",
    }
    path = tmp_path / "a.jwt"
    path.write_bytes(vc_jose_jwt(credential, school.keys))
    result = verify(path, "--issuer-keys", school.jwks)
    assert (result.exit_code, "is not asked: this is offline" in said(result)) == (VALID, True)


def test_texts_of_a_document_cannot_paint_the_terminal(credential: dict[str, object], school: School, tmp_path: Path):
    issuer = credential["issuer"]
    assert isinstance(issuer, dict)
    issuer["name"] = "\x1b[2J\u202eevil[red]\n✓ valid"
    path = tmp_path / "a.jwt"
    path.write_bytes(vc_jose_jwt(credential, school.keys))
    printed = verify(path, "--issuer-keys", school.jwks).output
    assert "\x1b" not in printed
    assert "\u202e" not in printed
    assert "evil[red]" in printed


def test_keys_that_are_none_are_said_to_be_none(file: Path, tmp_path: Path):
    (tmp_path / "k.json").write_text("{}")
    result = verify(file, "--issuer-keys", tmp_path / "k.json")
    assert (result.exit_code, "not a JWKS" in said(result)) == (INVALID, True)


def test_a_file_that_takes_for_ever_is_given_up(file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(verifying, "_PATIENCE", 0.05)
    monkeypatch.setattr(verifying, "open_package", lambda _: time.sleep(5))
    result = verify(file)
    assert (result.exit_code, "is not read within" in said(result)) == (INVALID, True)


def test_a_zip_of_something_else_is_no_package(tmp_path: Path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("readme.txt", b"hello")
    (tmp_path / "a.zip").write_bytes(buffer.getvalue())
    result = verify(tmp_path / "a.zip")
    assert (result.exit_code, "not a package of Placet" in said(result)) == (INVALID, True)


def test_a_file_that_is_not_there_is_a_wrong_use_of_the_command(tmp_path: Path):
    result = verify(tmp_path / "nothing.zip")
    assert (result.exit_code, "there is no file" in said(result)) == (1, True)
