import base64
import json
import stat

import pytest
from cryptography import x509
from joserfc.jwk import OKPKey, RSAKey

from contracts.topics import SERVICES
from deploy.local.keys import HOLDERS, make_keys, service_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("keys")
    make_keys(made)
    return made


def keys(path):
    return json.loads(path.read_text())["keys"]


def test_a_private_key_lies_in_its_services_folder_alone(folder):
    for service in SERVICES:
        held = {path.name for path in service_folder(folder, service).iterdir()}
        assert held == {name for name, holders in HOLDERS.items() if service in holders}
        assert not [name for name in held if ".private." in name and not name.startswith(f"{service}.")]


def test_every_file_is_private(folder):
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()} == {0o600}


def test_a_kid_is_the_thumbprint(folder):
    for name in ("identity", "consent", "records", "delivery"):
        for jwk in keys(folder / f"{name}.public.jwks.json"):
            kind = RSAKey if jwk["kty"] == "RSA" else OKPKey
            assert jwk["kid"] == kind.import_key(jwk).thumbprint()


def test_public_files_hold_no_private_member(folder):
    for path in folder.glob("*.public.jwks.json"):
        assert all(set(jwk) <= {"kty", "crv", "x", "n", "e", "kid", "use", "alg"} for jwk in keys(path))


def test_kinds_are_those_the_standards_want(folder):
    assert [jwk["crv"] for jwk in keys(folder / "delivery.private.jwks.json")] == ["X25519"]
    ed25519, rsa = keys(folder / "records.private.jwks.json")
    assert (ed25519["crv"], rsa["alg"]) == ("Ed25519", "RS256")
    assert len(base64.urlsafe_b64decode(rsa["n"] + "==")) == 256
    assert len(base64.b64decode((folder / "master.key").read_text())) == 96


def test_the_seals_certificate_may_sign_documents(folder):
    certificate = x509.load_pem_x509_certificate((folder / "records.pdf.pem").read_bytes())
    assert certificate.extensions.get_extension_for_class(x509.KeyUsage).value.content_commitment


def test_another_start_replaces_nothing(folder):
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}
    make_keys(folder)
    assert before == {
        path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()
    }


def test_what_a_service_may_no_longer_hold_is_taken_away(folder):
    stray = service_folder(folder, "notify") / "consent.private.jwks.json"
    stray.write_text("{}")
    make_keys(folder)
    assert not stray.exists()
