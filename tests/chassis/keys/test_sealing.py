import base64
import json
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from joserfc.jwk import KeySet, OctKey, OKPKey, RSAKey

from services.chassis.keys import sealing
from services.chassis.keys.sealing import KeyFile, KeysUnreadable, Tampered, sha256

SECRET = bytes(range(32))
CLEAR = b"a package with a name in it: Am\xc3\xa9lie"


def write(path: Path, *keys: OKPKey | RSAKey | OctKey, private: bool = True) -> None:
    path.write_text(json.dumps(KeySet(list(keys)).as_dict(private=private)))
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 1))


# Key files


def test_a_key_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    old, new = OKPKey.generate_key("Ed25519"), OKPKey.generate_key("Ed25519")
    path = tmp_path / "keys.json"
    write(path, old)
    file = KeyFile(path)
    assert [key.kid for key in file.keys().keys] == [old.thumbprint()]
    assert file.keys() is file.keys()
    write(path, new, old)
    assert [key.kid for key in file.keys().keys] == [new.thumbprint(), old.thumbprint()]
    assert file.signing_key("Ed25519").kid == new.thumbprint()


@pytest.mark.parametrize("content", ["{", "[]", '{"keys": []}', '{"keys": [{"kty": "OKP", "d": "c2VjcmV0"}]}'])
def test_a_change_that_can_not_be_read_leaves_the_good_keys_and_says_so(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys.json"
    write(path, OKPKey.generate_key("Ed25519"))
    file = KeyFile(path)
    good = file.keys()
    path.write_text(content)
    assert file.keys() is good
    assert file.fault is not None
    assert "keys.json can't be read" in file.fault
    assert "c2VjcmV0" not in file.fault
    path.unlink()
    assert file.keys() is good
    write(path, OKPKey.generate_key("Ed25519"))
    assert file.keys() is not good
    assert file.fault is None


def test_a_key_file_that_never_was_good_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(KeysUnreadable, match=r"keys\.json can't be read: No such file"):
        KeyFile(tmp_path / "keys.json").keys()


def test_a_key_is_found_by_its_kind(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    rsa = RSAKey.generate_key(2048)
    write(path, OctKey.generate_key(256), OKPKey.generate_key("X25519"), rsa)
    file = KeyFile(path)
    assert file.signing_key("RSA").kid == rsa.thumbprint()
    with pytest.raises(KeysUnreadable, match="no private Ed25519 key"):
        file.signing_key("Ed25519")


def test_a_public_file_signs_and_opens_nothing(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    write(path, OKPKey.generate_key("Ed25519"), private=False)
    with pytest.raises(KeysUnreadable, match="no private"):
        KeyFile(path).signing_key("Ed25519")
    with pytest.raises(KeysUnreadable, match="no X25519 key"):
        KeyFile(path).public()
    assert KeyFile(path).private() == ()


@pytest.mark.parametrize("content", [b"", b"not base64!", base64.b64encode(bytes(31))])
def test_a_secret_that_is_short_or_no_secret_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "blind-index.key"
    path.write_bytes(content)
    with pytest.raises(KeysUnreadable, match=r"blind-index\.key"):
        sealing.read_secret(path)


def test_a_secret_is_read_from_base64(tmp_path: Path) -> None:
    path = tmp_path / "blind-index.key"
    path.write_bytes(base64.b64encode(SECRET) + b"\n")
    assert sealing.read_secret(path) == SECRET
    path.write_text(json.dumps(OctKey.generate_key(256).as_dict()))
    with pytest.raises(KeysUnreadable):
        sealing.read_secret(path)


# Sealing to a service


def test_what_is_sealed_to_a_key_opens_with_it_alone() -> None:
    private, other = X25519PrivateKey.generate(), X25519PrivateKey.generate()
    sealed = sealing.seal_to(private.public_key(), CLEAR, info=b"release rel_1")
    assert sealing.open_with(private, sealed, info=b"release rel_1") == CLEAR
    with pytest.raises(Tampered):
        sealing.open_with(other, sealed, info=b"release rel_1")


def test_what_is_sealed_for_one_thing_does_not_open_for_another() -> None:
    private = X25519PrivateKey.generate()
    sealed = sealing.seal_to(private.public_key(), CLEAR, info=b"release rel_1")
    with pytest.raises(Tampered):
        sealing.open_with(private, sealed, info=b"release rel_2")


def test_what_was_sealed_before_a_rotation_still_opens(tmp_path: Path) -> None:
    old, new = OKPKey.generate_key("X25519"), OKPKey.generate_key("X25519")
    write(tmp_path / "private.json", old)
    write(tmp_path / "public.json", old, private=False)
    private, public = KeyFile(tmp_path / "private.json"), KeyFile(tmp_path / "public.json")
    before = sealing.seal_to(public.public(), CLEAR, info=b"i")
    write(tmp_path / "private.json", new, old)
    write(tmp_path / "public.json", new, private=False)
    after = sealing.seal_to(public.public(), CLEAR, info=b"i")
    assert [sealing.open_with(private.private(), sealed, info=b"i") for sealed in (before, after)] == [CLEAR, CLEAR]


@pytest.mark.parametrize("sealed", ["", "AAAA", "not base64!", "ünïcode", base64.b64encode(bytes(100)).decode()])
def test_rubbish_is_tampered(sealed: str) -> None:
    with pytest.raises(Tampered):
        sealing.open_with(X25519PrivateKey.generate(), sealed, info=b"i")


# Packages


def test_a_package_comes_back_byte_for_byte() -> None:
    key = sealing.content_key()
    sealed = sealing.encrypt_package(key, CLEAR, package_id="pkg_1", digest=sha256(CLEAR))
    assert CLEAR not in sealed
    assert sealing.decrypt_package(key, sealed, package_id="pkg_1", digest=sha256(CLEAR)) == CLEAR


def test_the_same_package_under_the_same_key_is_the_same_bytes() -> None:
    key = sealing.content_key()
    first, second = (sealing.encrypt_package(key, CLEAR, package_id="pkg_1", digest=sha256(CLEAR)) for _ in range(2))
    assert first == second


def test_no_nonce_serves_for_two_contents_or_two_packages() -> None:
    key = sealing.content_key()
    made = [
        sealing.encrypt_package(key, clear, package_id=package_id, digest=sha256(clear))[: sealing.NONCE_BYTES]
        for clear in (b"", b"a", b"b")
        for package_id in ("pkg_1", "pkg_2")
    ]
    assert len(set(made)) == 6


def test_every_changed_byte_is_seen() -> None:
    key = sealing.content_key()
    sealed = sealing.encrypt_package(key, CLEAR, package_id="pkg_1", digest=sha256(CLEAR))
    for at in range(len(sealed)):
        changed = bytearray(sealed)
        changed[at] ^= 1
        with pytest.raises(Tampered):
            sealing.decrypt_package(key, bytes(changed), package_id="pkg_1", digest=sha256(CLEAR))


@pytest.mark.parametrize("length", [0, 5, 12, 20, 30])
def test_a_cut_package_is_tampered(length: int) -> None:
    key = sealing.content_key()
    sealed = sealing.encrypt_package(key, CLEAR, package_id="pkg_1", digest=sha256(CLEAR))
    with pytest.raises(Tampered, match="pkg_1"):
        sealing.decrypt_package(key, sealed[:length], package_id="pkg_1", digest=sha256(CLEAR))


def test_a_package_does_not_open_under_another_id_digest_or_key() -> None:
    key = sealing.content_key()
    sealed = sealing.encrypt_package(key, CLEAR, package_id="pkg_1", digest=sha256(CLEAR))
    for other_key, package_id, digest in (
        (sealing.content_key(), "pkg_1", sha256(CLEAR)),
        (key, "pkg_2", sha256(CLEAR)),
        (key, "pkg_1", sha256(b"other")),
    ):
        with pytest.raises(Tampered):
            sealing.decrypt_package(other_key, sealed, package_id=package_id, digest=digest)


def test_a_package_is_not_sealed_under_a_digest_that_is_not_its_own() -> None:
    with pytest.raises(ValueError, match="digest"):
        sealing.encrypt_package(sealing.content_key(), CLEAR, package_id="pkg_1", digest=sha256(b"other"))


# Digests


def test_a_digest_is_written_as_contracts_write_it() -> None:
    assert sha256(b"abc") == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_an_address_is_a_place_that_only_the_secret_makes() -> None:
    place = sealing.address(SECRET, "trn_1", 3, "*")
    assert place == sealing.address(SECRET, "trn_1", 3, "*")
    assert place[2] == "/"
    assert len(place) == 65
    assert place != sealing.address(bytes(32), "trn_1", 3, "*")


def test_no_two_lists_of_parts_have_one_address() -> None:
    lists = [("a", "b"), ("ab",), ("a", "", "b"), ("", "ab"), ("ab", ""), ("b", "a")]
    assert len({sealing.address(SECRET, *parts) for parts in lists}) == len(lists)


def test_a_short_secret_makes_no_digest() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        sealing.address(b"short", "trn_1")
