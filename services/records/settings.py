"""What records needs beside the chassis's settings: its own keys, the vault, and the public keys of its neighbours."""

from collections.abc import Mapping
from typing import ClassVar

from services.chassis.keys.person import MASTER_KEY_FILE
from services.chassis.settings import Role
from services.chassis.settings import Settings as ChassisSettings

ISSUER_KEYS = "records.private.jwks.json"
"""The school's signatures under credentials. Where a package is made: at a seal (api), for a request (worker)."""
PUBLIC_KEYS = "records.public.jwks.json"
ADDRESS_KEY = "package-address.key"
SESSION_KEYS = "identity.public.jwks.json"
CONSENT_KEYS = "consent.public.jwks.json"
DELIVERY_KEYS = "delivery.public.jwks.json"

_BOTH = frozenset({Role.API, Role.WORKER})


class Settings(ChassisSettings):
    """Records' settings."""

    key_files: ClassVar[Mapping[str, frozenset[Role]]] = {
        ISSUER_KEYS: _BOTH,
        ADDRESS_KEY: _BOTH,
        MASTER_KEY_FILE: _BOTH,
        PUBLIC_KEYS: frozenset({Role.API}),
        SESSION_KEYS: frozenset({Role.API}),
        CONSENT_KEYS: frozenset({Role.WORKER}),
        DELIVERY_KEYS: frozenset({Role.WORKER}),
    }
    vault_roles: ClassVar[frozenset[Role]] = _BOTH
