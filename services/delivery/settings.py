"""What delivery needs beside the chassis's settings: its own key, consent's and identity's public ones, and its way out."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from services.chassis.settings import Role
from services.chassis.settings import Settings as ChassisSettings

_BOTH = frozenset({Role.API, Role.WORKER})
_OWN = "delivery.private.jwks.json"
_CONSENT = "consent.public.jwks.json"
_IDENTITY = "identity.public.jwks.json"


class Settings(ChassisSettings):
    """Files are JWK sets under the keys folder; the private one is readable by this service alone."""

    key_files: ClassVar[Mapping[str, frozenset[Role]]] = {
        _OWN: _BOTH,
        _CONSENT: frozenset({Role.WORKER}),
        _IDENTITY: frozenset({Role.API}),
    }
    vault_roles: ClassVar[frozenset[Role]] = frozenset({Role.API})

    webhook_ports: tuple[int, ...] = Field(default=(443,), validation_alias="PLACET_WEBHOOK_PORTS")
    """Ports a recipient's endpoint may listen on, as JSON: `[443, 8443]`. In local mode loopback has any."""

    @property
    def own_key(self) -> Path:
        return self.key_file(_OWN)

    @property
    def consent_keys(self) -> Path:
        return self.key_file(_CONSENT)

    @property
    def session_keys(self) -> Path:
        return self.key_file(_IDENTITY)
