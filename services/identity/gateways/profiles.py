"""What a profile and a birth date are inside their ciphertext, and how they get there and back."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from services.chassis.keys.person import PersonKeys
from services.chassis.keys.sealing import Tampered
from services.identity.domain import Person

NAME_CHARS = 200
EMAIL_CHARS = 254  # RFC 5321 §4.5.3.1.3, less the angle brackets
_EMAIL = re.compile(r"[^\s@<>,;:\"()\[\]\\]{1,64}@[^\s@<>,;:\"()\[\]\\]+\.[^\s@<>,;:\"()\[\]\\.]{2,}")
_DIRECTION_OVERRIDES = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])


def straight(text: str) -> str:
    """Without the invisible marks that turn the direction of text."""
    return text.translate(_DIRECTION_OVERRIDES)


def one_line(text: str) -> str:
    """One line in NFC. Joiners inside words stay: Persian and Indian names need them."""
    visible = "".join(c if unicodedata.category(c) != "Cc" else " " for c in straight(text))
    return unicodedata.normalize("NFC", " ".join(visible.split()))


def is_email(text: str) -> bool:
    """Whether this has the form of an e-mail address; whether it reaches anybody, nobody can tell from it."""
    return len(text) <= EMAIL_CHARS and ".." not in text and text.isprintable() and bool(_EMAIL.fullmatch(text))


class Profile(BaseModel):
    """Name, e-mail and language. `name` is what a page and a letter say."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    given_name: str = ""
    family_name: str = ""
    email: str | None = None
    language: str = "en"

    def dump(self) -> bytes:
        """The clear bytes, the same for the same profile."""
        return self.__pydantic_serializer__.to_json(self)


@dataclass(frozen=True, slots=True)
class Opened:
    """A person with the profile opened; none when the person was erased."""

    person: Person
    profile: Profile | None


async def open_profiles(keys: PersonKeys, people: Sequence[Person]) -> list[Opened]:
    """The profiles of these people, in their order."""
    cleared = await keys.open_many([person.profile for person in people])
    return [
        Opened(person, Profile.model_validate_json(clear) if clear is not None else None)
        for person, clear in zip(people, cleared, strict=True)
    ]


async def open_profile(keys: PersonKeys, person: Person) -> Profile | None:
    """The profile of one person; none when erased or not to be opened: signing in must not depend on a name."""
    try:
        (opened,) = await open_profiles(keys, [person])
    except Tampered:
        return None
    return opened.profile
