"""Packages: fetched from the vault, opened with three keys one after the other, and handed over only with their digest.

The content key is ciphertext under the student's key, sealed to delivery's: so erasing the student shuts every package.
"""

import base64
import binascii
import hashlib
import io
import mimetypes
import zipfile
from dataclasses import dataclass

from contracts.problem import Reason
from contracts.types import SealedValue
from services.chassis.decision import Refusal
from services.chassis.keys.person import Erased, PersonKeys
from services.chassis.keys.sealing import KeyFile, Tampered, decrypt_package, open_with
from services.chassis.keys.vault import Missing, Vault
from services.delivery.domain import Delivery

ERASED = Refusal(Reason.EXPIRED, "this record was erased: its package can't be opened by anybody any more")
REMOVED = Refusal(Reason.EXPIRED, "this package is no longer kept: ask the school to release it again")
NO_SUCH_MEMBER = Refusal(Reason.NOT_FOUND, "the package has no such file: see the list in manifest.json")
LARGEST_MEMBER = 64 * 1024 * 1024

MEDIA_TYPES = {
    ".jwt": "application/jwt",
    ".json": "application/json",
    ".pdf": "application/pdf",
    ".md": "text/markdown",
}
"""By ending. VC-JOSE's own type is told by its longer ending, first."""


@dataclass(frozen=True, slots=True)
class Document:
    """Exact bytes on their way out."""

    name: str
    media_type: str
    content: bytes

    @property
    def digest_header(self) -> str:
        """The value of `Content-Digest` (RFC 9530)."""
        return f"sha-256=:{base64.b64encode(hashlib.sha256(self.content).digest()).decode('ascii')}:"


class Packages:
    """Opens packages of releases."""

    def __init__(self, vault: Vault, keys: PersonKeys, own: KeyFile) -> None:
        self._vault = vault
        self._keys = keys
        self._own = own

    async def fetch(self, delivery: Delivery) -> Document | Refusal:
        """The whole package, a ZIP. Raises `Tampered` when anything is not what was released, `NotNow` when the vault is away."""
        try:
            ciphertext = await self._vault.fetch(delivery.place)
            wrapped = open_with(self._own.private(), delivery.sealed_key, info=release_binding(delivery))
            sealed = SealedValue(person_id=delivery.student_id, ciphertext=base64.b64encode(wrapped).decode("ascii"))
            key = await self._keys.open(sealed)
        except Erased:
            return ERASED
        except Missing:
            return REMOVED
        clear = decrypt_package(key, ciphertext, package_id=delivery.package_id, digest=delivery.package_digest)
        return Document("transcript.zip", "application/zip", clear)


def release_binding(delivery: Delivery) -> bytes:
    """What a sealed key is bound to (HPKE `info`), as records seals it."""
    return f"placet-release:{delivery.request_id}:{delivery.package_digest}".encode()


def member(package: Document, name: str) -> Document | Refusal:
    """One file of a package, by its exact name. Raises `Tampered` when it is no archive."""
    try:
        with zipfile.ZipFile(io.BytesIO(package.content)) as archive:
            entry = next((one for one in archive.infolist() if one.filename == name and not one.is_dir()), None)
            if entry is None or entry.file_size > LARGEST_MEMBER:
                return NO_SUCH_MEMBER
            return Document(name.rsplit("/", 1)[-1], _media_type(name), archive.read(entry))
    except (zipfile.BadZipFile, binascii.Error, ValueError):
        raise Tampered("the package is no archive that can be read") from None


def _media_type(name: str) -> str:
    if name.endswith(".vc.jwt"):
        return "application/vc+jwt"
    ending = "." + name.rsplit(".", 1)[-1]
    return MEDIA_TYPES.get(ending) or mimetypes.guess_type(name)[0] or "application/octet-stream"
