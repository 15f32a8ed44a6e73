"""What identity needs beside the chassis's settings: its signing key, its blind index, and the first operator's token."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from services.chassis.keys.person import MASTER_KEY_FILE
from services.chassis.settings import Role
from services.chassis.settings import Settings as ChassisSettings

SESSION_KEY = "identity.private.jwks.json"
PUBLIC_KEYS = "identity.public.jwks.json"
BLIND_INDEX_KEY = "blind-index.key"
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Settings(ChassisSettings):
    """Files are JWK sets and secrets under the keys folder; the private key is readable by this service alone."""

    key_files: ClassVar[Mapping[str, frozenset[Role]]] = {
        SESSION_KEY: frozenset({Role.API}),
        PUBLIC_KEYS: frozenset({Role.API}),
        BLIND_INDEX_KEY: frozenset({Role.API, Role.WORKER}),
        MASTER_KEY_FILE: frozenset({Role.API}),
    }

    operator_token_sha256: str = Field("", validation_alias="PLACET_OPERATOR_TOKEN_SHA256")
    """SHA-256 in hexadecimal of the token that signs the first operator in. Empty: nobody can be that operator."""

    def faults(self, role: Role) -> Iterator[str]:
        yield from super().faults(role)
        if role is Role.API and self.operator_token_sha256 and not _DIGEST.fullmatch(self.operator_token_sha256):
            yield "PLACET_OPERATOR_TOKEN_SHA256 is no SHA-256: give 64 lower-case hexadecimal digits, or leave it out."

    @property
    def session_key(self) -> Path:
        return self.key_file(SESSION_KEY)

    @property
    def public_keys(self) -> Path:
        return self.key_file(PUBLIC_KEYS)

    @property
    def blind_index_key(self) -> Path:
        return self.key_file(BLIND_INDEX_KEY)
