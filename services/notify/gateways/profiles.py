"""What a person's profile is inside its ciphertext, as identity writes it."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from services.chassis.keys.person import PersonKeys
from services.notify.domain import Person


class Profile(BaseModel):
    """Name, address and language. Lives for the time of one letter or one page."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    email: str | None = None
    language: str = "en"


async def open_profiles(keys: PersonKeys, people: Sequence[Person]) -> list[Profile | None]:
    """The profiles of these people, in their order; None for the erased. Raises `Tampered`, `NotNow`."""
    opened = await keys.open_many([person.profile for person in people])
    return [Profile.model_validate_json(clear) if clear is not None else None for clear in opened]
