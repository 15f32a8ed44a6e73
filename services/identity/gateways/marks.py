"""Keyed digests by which what must not be readable can be found and compared: an e-mail, a birthday, a profile."""

from dataclasses import dataclass, field
from datetime import date

from contracts.types import PersonId
from services.chassis.keys.person import blind_index


@dataclass(frozen=True, slots=True)
class Marks:
    """Identity's blind index. Without the secret a mark tells nothing, not even by trying all days of a century."""

    secret: bytes = field(repr=False)

    def email(self, address: str) -> str:
        """The same for every spelling that reaches the same mailbox in practice: case does not count."""
        return blind_index(self.secret, "email", address.strip().casefold())

    def birthday(self, eligible_on: date) -> str:
        """The token of the day on which somebody turns 18."""
        return blind_index(self.secret, "eligible-on", eligible_on.isoformat())

    def profile(self, person_id: PersonId, clear: bytes) -> str:
        """Tells whether a profile has changed, without opening the old one."""
        return blind_index(self.secret, "profile", person_id, clear.decode())
