"""What delivery needs beside the chassis's settings: its own key, consent's and identity's public ones, and its way out."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from services.chassis.keys.person import MASTER_KEY_FILE
from services.chassis.settings import Role
from services.chassis.settings import Settings as ChassisSettings

OWN_KEY = "delivery.private.jwks.json"
"""The key that releases are sealed to, and endpoints' secrets: the api opens the first, the worker the second."""
CONSENT_KEYS = "consent.public.jwks.json"
SESSION_KEYS = "identity.public.jwks.json"


class Settings(ChassisSettings):
    """Delivery's settings."""

    key_files: ClassVar[Mapping[str, frozenset[Role]]] = {
        OWN_KEY: frozenset({Role.API, Role.WORKER}),
        CONSENT_KEYS: frozenset({Role.WORKER}),
        SESSION_KEYS: frozenset({Role.API}),
        MASTER_KEY_FILE: frozenset({Role.API}),
    }
    vault_roles: ClassVar[frozenset[Role]] = frozenset({Role.API})

    webhook_ports: tuple[int, ...] = Field(default=(443,), validation_alias="PLACET_WEBHOOK_PORTS")
    """Ports a recipient's endpoint may listen on, as JSON: `[443, 8443]`. In local mode loopback has any."""
