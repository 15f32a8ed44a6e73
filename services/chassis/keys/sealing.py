"""Key files, sealing to a service (HPKE, RFC 9180), sealing a package (AES-256-GCM), and digests with and without a key.

Invariants: keys come from files that configuration names, never from a message; a package's ciphertext is bound to its
id and digest, and the same package under the same key is the same bytes, so that laying it twice is laying it once.
"""

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, KeySet, OKPKey, RSAKey

KeyKind = Literal["Ed25519", "X25519", "RSA", "P-256"]

CONTENT_KEY_BYTES = 32
NONCE_BYTES = 12
"""GCM's own nonce length (NIST SP 800-38D, 5.2.1.1)."""
SHORTEST_SECRET = 32
"""Bytes: an HMAC-SHA256 key is as long as its digest (RFC 2104, 3)."""
_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_PACKAGE_LABEL = b"placet package v1"
_NONCE_LABEL = b"placet package nonce v1"


class KeysUnreadable(Exception):
    """A key file is missing, broken or lacks the key that is needed. Names the file, never its content."""


class Tampered(Exception):
    """The sealed bytes are not what was sealed: changed, cut, under another key or bound to something else."""


@dataclass(slots=True)
class KeyFile:
    """A JWKS file (RFC 7517). It is read again when it changes, so that a key is rotated without a restart.

    A change that can't be read does not take away the keys that were good: `fault` says so, and readiness shows it.
    """

    path: Path
    fault: str | None = None
    _keys: KeySet | None = None
    _stamp: tuple[int, int, int] | None = None

    def keys(self) -> KeySet:
        """All keys of the file. Raises `KeysUnreadable` when there never was a good one."""
        try:
            found = self.path.stat()
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
            if stamp != self._stamp:
                self._keys = _key_set(self.path)
                self._stamp = stamp
            self.fault = None
        except (OSError, KeysUnreadable) as why:
            self.fault = f"the key file {self.path} can't be read: {_cause(why)}"
            if self._keys is None:
                raise KeysUnreadable(self.fault) from None
        if self._keys is None:  # pragma: no cover - read just now
            raise KeysUnreadable(f"the key file {self.path} was never read")
        return self._keys

    def signing_key(self, kind: KeyKind) -> Key:
        """The private key to sign with: the first of its kind. The others only verify, until they are removed."""
        for key in self.keys():
            if key.is_private and _kind(key) == kind:
                return key
        raise KeysUnreadable(f"the key file {self.path} has no private {kind} key")

    def private(self) -> tuple[X25519PrivateKey, ...]:
        """The keys to open with, every one of the file: what was sealed before a rotation still opens."""
        return tuple(key.private_key for key in self.keys() if isinstance(key.private_key, X25519PrivateKey))

    def public(self) -> X25519PublicKey:
        """The key to seal to: the first X25519 key of the file."""
        for key in self.keys():
            if isinstance(key, OKPKey) and isinstance(key.public_key, X25519PublicKey):
                return key.public_key
        raise KeysUnreadable(f"the key file {self.path} has no X25519 key")


def read_secret(path: Path, *, length: int = SHORTEST_SECRET) -> bytes:
    """A secret from its file, base64, at least `length` bytes. Raises `KeysUnreadable`."""
    try:
        secret = base64.b64decode(path.read_bytes().strip(), validate=True)
    except (OSError, binascii.Error) as why:
        raise KeysUnreadable(f"the secret file {path} can't be read: {_cause(why)}") from None
    if len(secret) < length:
        raise KeysUnreadable(f"the secret in {path} has {len(secret)} bytes; it needs {length} random ones, in base64")
    return secret


def seal_to(public: X25519PublicKey, clear: bytes, *, info: bytes) -> str:
    """Seal to the holder of the private key; only the same `info` opens it. Base64 of encapsulated key and ciphertext."""
    return base64.b64encode(_SUITE.encrypt(clear, public, info)).decode("ascii")


def open_with(private: X25519PrivateKey | Iterable[X25519PrivateKey], sealed: str, *, info: bytes) -> bytes:
    """Open what was sealed to one of these keys. Raises `Tampered`."""
    try:
        ciphertext = base64.b64decode(sealed, validate=True)
    except (binascii.Error, ValueError):
        raise Tampered("the sealed value is not base64") from None
    for key in (private,) if isinstance(private, X25519PrivateKey) else private:
        try:
            return _SUITE.decrypt(ciphertext, key, info)
        except (InvalidTag, ValueError):
            continue
    raise Tampered("the sealed value was changed, is bound to something else or was sealed to another key")


def content_key() -> bytes:
    """A fresh key for one package, 256 random bits."""
    return secrets.token_bytes(CONTENT_KEY_BYTES)


def encrypt_package(key: bytes, clear: bytes, *, package_id: str, digest: str) -> bytes:
    """A package's ciphertext: nonce, ciphertext and tag. `digest` must be that of `clear`; id and digest are bound in.

    The nonce is drawn from the key and the digest, not at random: a key seals one package, and a second laying after a
    crash must bring the same bytes. Other clear bytes have another digest, so no nonce serves twice.
    """
    if sha256(clear) != digest:
        raise ValueError("the digest is not that of the package")
    bound = _bound(package_id, digest)
    nonce = hmac.digest(key, _NONCE_LABEL + bound, "sha256")[:NONCE_BYTES]
    return nonce + AESGCM(key).encrypt(nonce, clear, bound)


def decrypt_package(key: bytes, ciphertext: bytes, *, package_id: str, digest: str) -> bytes:
    """The package's exact bytes. Raises `Tampered` unless key, id, digest and every byte are the ones it was made with."""
    nonce, sealed = ciphertext[:NONCE_BYTES], ciphertext[NONCE_BYTES:]
    try:
        clear = AESGCM(key).decrypt(nonce, sealed, _bound(package_id, digest))
    except (InvalidTag, ValueError):
        raise Tampered(
            f"the package {package_id} was changed in the vault, or its key or digest is another's"
        ) from None
    # Whoever holds the key could seal other bytes under this digest.
    if not hmac.compare_digest(sha256(clear), digest):
        raise Tampered(f"the package {package_id} does not have its digest")
    return clear


def address(secret: bytes, *parts: object) -> str:
    """A package's place in the vault, `ab/cdef…`: a keyed digest, so that a place tells nothing to who can't make it."""
    name = keyed_digest(secret, "placet vault address v1", *parts)
    return f"{name[:2]}/{name[2:]}"


def keyed_digest(secret: bytes, label: str, *parts: object) -> str:
    """HMAC-SHA256 in hexadecimal over a label and parts. Each part has its length before it: no two lists look alike."""
    if len(secret) < SHORTEST_SECRET:
        raise ValueError(f"the secret of a keyed digest has at least {SHORTEST_SECRET} bytes")
    spelt = [str(part).encode() for part in (label, *parts)]
    return hmac.digest(secret, b"".join(len(part).to_bytes(4, "big") + part for part in spelt), "sha256").hex()


def sha256(content: bytes) -> str:
    """The digest of exact bytes, as contracts write it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _bound(package_id: str, digest: str) -> bytes:
    return b"\x00".join((_PACKAGE_LABEL, package_id.encode(), digest.encode()))


def _key_set(path: Path) -> KeySet:
    try:
        return KeySet.import_key_set(json.loads(path.read_bytes()))
    except (ValueError, KeyError, TypeError, JoseError):
        # The causes quote what they read, and this file may hold private keys.
        raise KeysUnreadable("it is not a JSON Web Key Set with at least one key that is known here") from None


def _kind(key: Key) -> str:
    if isinstance(key, OKPKey | ECKey):
        return key.curve_name
    return "RSA" if isinstance(key, RSAKey) else "another"


def _cause(why: Exception) -> str:
    return why.strerror or "the system says no" if isinstance(why, OSError) else str(why)
