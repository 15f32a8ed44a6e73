"""Endpoints' signing secrets: drawn here, shown once, kept sealed to delivery's own key (HPKE), opened only to sign."""

import base64
import secrets
from dataclasses import dataclass

from contracts.types import EndpointId
from services.chassis.keys.sealing import KeyFile, open_with, seal_to

SECRET_BYTES = 32
"""Standard Webhooks asks for 24 to 64."""
REMEMBERED = 4_096


@dataclass(frozen=True, slots=True)
class Drawn:
    """A fresh secret: the spelling that is shown once, and the sealed one that is kept."""

    spelled: str
    sealed: str


class EndpointSecrets:
    """Seals and opens with delivery's own key file."""

    def __init__(self, own: KeyFile) -> None:
        self._own = own
        self._opened: dict[tuple[EndpointId, str], bytes] = {}

    def draw(self, endpoint_id: EndpointId) -> Drawn:
        secret = secrets.token_bytes(SECRET_BYTES)
        spelled = f"whsec_{base64.b64encode(secret).decode('ascii')}"
        return Drawn(spelled, seal_to(self._own.public(), secret, info=_bound(endpoint_id)))

    def open(self, endpoint_id: EndpointId, sealed: str) -> bytes:
        """Raises `Tampered` for a secret of another endpoint or one that was changed."""
        known = self._opened.get((endpoint_id, sealed))
        if known is None:
            known = open_with(self._own.private(), sealed, info=_bound(endpoint_id))
            if len(self._opened) >= REMEMBERED:
                self._opened.pop(next(iter(self._opened)))
            self._opened[endpoint_id, sealed] = known
        return known


def _bound(endpoint_id: EndpointId) -> bytes:
    return f"placet-endpoint:{endpoint_id}".encode()
