"""A twin of the key vault in memory, for unit tests of handlers. The suite of `PersonKeys` runs on both."""

import base64
import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from contracts.types import PersonId, SealedValue
from services.chassis.keys.person import Erased
from services.chassis.keys.sealing import Tampered
from services.chassis.store.work import NotNow

_NONCE = 12
_TAG = 16


class MemoryPersonKeys:
    """Real encryption (AES-GCM), keys in a dictionary. `down = True` is a vault that can't be reached."""

    def __init__(self, *person_ids: str) -> None:
        self.down = False
        self._keys = {PersonId(person_id): AESGCM.generate_key(256) for person_id in person_ids}

    async def create(self, person_ids: Sequence[PersonId]) -> None:
        self._answer()
        for person_id in person_ids:
            self._keys.setdefault(person_id, AESGCM.generate_key(256))

    async def seal(self, person_id: PersonId, clear: bytes) -> SealedValue:
        (sealed,) = await self.seal_many([(person_id, clear)])
        if sealed is None:
            raise Erased(person_id)
        return sealed

    async def seal_many(self, values: Sequence[tuple[PersonId, bytes]]) -> list[SealedValue | None]:
        self._answer()
        return [self._seal(person_id, clear) if person_id in self._keys else None for person_id, clear in values]

    async def open(self, sealed: SealedValue) -> bytes:
        (clear,) = await self.open_many([sealed])
        if clear is None:
            raise Erased(sealed.person_id)
        return clear

    async def open_many(self, sealed: Sequence[SealedValue]) -> list[bytes | None]:
        self._answer()
        return [self._open(value) for value in sealed]

    async def erase(self, person_id: PersonId) -> None:
        self._answer()
        self._keys.pop(person_id, None)

    async def check(self) -> None:
        self._answer()

    def _answer(self) -> None:
        if self.down:
            raise NotNow("the key vault can't be reached")

    def _seal(self, person_id: PersonId, clear: bytes) -> SealedValue:
        key, nonce = self._keys[person_id], secrets.token_bytes(_NONCE)
        ciphertext = self._mark(key) + nonce + AESGCM(key).encrypt(nonce, clear, None)
        return SealedValue(person_id=person_id, ciphertext=base64.b64encode(ciphertext).decode())

    def _open(self, value: SealedValue) -> bytes | None:
        try:
            ciphertext = base64.b64decode(value.ciphertext, validate=True)
        except ValueError:
            raise Tampered(f"a sealed value of {value.person_id} is not base64") from None
        if len(ciphertext) < 2 * _TAG + _NONCE:
            raise Tampered(f"a sealed value of {value.person_id} was cut")
        key = self._keys.get(value.person_id)
        # As the real one: an older key of this person, or another person's value, is as good as erased.
        if key is None or ciphertext[1:17] != self._mark(key)[1:]:
            return None
        try:
            return AESGCM(key).decrypt(ciphertext[17 : 17 + _NONCE], ciphertext[17 + _NONCE :], None)
        except InvalidTag:
            raise Tampered(f"a sealed value of {value.person_id} was changed") from None

    @staticmethod
    def _mark(key: bytes) -> bytes:
        """A kind and a key's id, where libmongocrypt has them."""
        return b"\x02" + AESGCM(key).encrypt(bytes(_NONCE), b"", None)
