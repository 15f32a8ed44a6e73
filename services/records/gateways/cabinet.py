"""The cabinet: a student's content and evidence as ciphertext in the vault, each behind a lock of the student's key.

Whoever holds the vault sees places without meaning and ciphertext; whoever holds the database sees locks. Erasing the
student's key closes everything. Digests of what lies here stay inside the locks: from one, a mark could be guessed.
"""

import base64
from typing import Annotated

from pydantic import BaseModel, ConfigDict, PlainSerializer, PlainValidator

from contracts.types import PersonId, SealedValue
from services.chassis import ids
from services.chassis.keys.person import PersonKeys
from services.chassis.keys.sealing import (
    address,
    content_key,
    decrypt_package,
    encrypt_package,
    keyed_digest,
    sha256,
)
from services.chassis.keys.vault import Vault
from services.records.domain.state import Locked

_B64 = Annotated[
    bytes,
    PlainValidator(lambda value: base64.b64decode(value, validate=True) if isinstance(value, str) else value),
    PlainSerializer(lambda value: base64.b64encode(value).decode("ascii"), return_type=str),
]


class _Lock(BaseModel):
    """What a lock says when it is opened."""

    model_config = ConfigDict(frozen=True)

    id: str
    key: _B64
    digest: str


class Cabinet:
    """Lays away and fetches. Raises `NotNow` when vault or keys are away, `Erased` when the student's key is gone."""

    def __init__(self, vault: Vault, keys: PersonKeys, secret: bytes) -> None:
        self.vault = vault
        self.keys = keys
        self._secret = secret

    async def lay_away(self, student_id: PersonId, clear: bytes) -> Locked:
        """Encrypt under a fresh key and lay it at a fresh place. Laid twice, it lies twice: a crash leaves a closed file."""
        blob, key, digest = ids.new("blb"), content_key(), sha256(clear)
        lock = _Lock(id=blob, key=key, digest=digest)
        sealed = await self.keys.seal(student_id, lock.__pydantic_serializer__.to_json(lock))
        place = self.place("content", blob)
        await self.vault.lay(place, encrypt_package(key, clear, package_id=blob, digest=digest))
        return Locked(place, sealed)

    async def fetch(self, locked: Locked) -> bytes:
        """The clear bytes. Raises `Missing`, or `Tampered` when the vault or the lock is not what it was."""
        lock = _Lock.model_validate_json(await self.keys.open(locked.lock))
        ciphertext = await self.vault.fetch(locked.place)
        return decrypt_package(lock.key, ciphertext, package_id=lock.id, digest=lock.digest)

    async def fetch_package(self, *, place: str, package_id: str, digest: str, kept_key: SealedValue) -> bytes:
        """The exact bytes of a prepared package; their digest is checked."""
        key = await self.keys.open(kept_key)
        return decrypt_package(key, await self.vault.fetch(place), package_id=package_id, digest=digest)

    def place(self, *parts: object) -> str:
        """A place in the vault that tells nothing."""
        return address(self._secret, *parts)

    def mark(self, label: str, *parts: object) -> str:
        """A keyed digest, by which the same thing is known again without being readable."""
        return keyed_digest(self._secret, f"placet records {label} v1", *parts)
