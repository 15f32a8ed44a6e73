"""What consent needs beside the chassis's settings: its own signing key, and identity's public keys."""

from collections.abc import Mapping
from typing import ClassVar

from services.chassis.keys.person import MASTER_KEY_FILE
from services.chassis.settings import Role
from services.chassis.settings import Settings as ChassisSettings

GRANT_KEY = "consent.private.jwks.json"
"""The key under every approval. Only consent's api reads it: approvals are made where people sign."""
PUBLIC_KEYS = "consent.public.jwks.json"
"""What grants are verified with. A key that signs no more stays here as long as rows of the ledger cite its grants."""
SESSION_KEYS = "identity.public.jwks.json"


class Settings(ChassisSettings):
    """Consent's settings."""

    key_files: ClassVar[Mapping[str, frozenset[Role]]] = {
        GRANT_KEY: frozenset({Role.API}),
        PUBLIC_KEYS: frozenset({Role.API}),
        SESSION_KEYS: frozenset({Role.API}),
        MASTER_KEY_FILE: frozenset({Role.API}),
    }
