"""What every event is, and the register of all that were ever published. A type is taken once, for ever."""

import re
from collections.abc import Callable
from typing import ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field

TYPE_PATTERN = re.compile(r"^[a-z]+\.[a-z-]+\.[a-z-]+\.v[1-9][0-9]*$")


class Event(BaseModel):
    """A fact that is now true. Frozen; readers ignore fields they don't know; only optional fields are ever added.

    `version` is the version of the aggregate after this fact: readers drop what they have already seen.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: ClassVar[str]
    topic: ClassVar[str]
    key_field: ClassVar[str]

    version: int = Field(ge=1)

    @property
    def key(self) -> str:
        """The id of the aggregate it is about: order holds per key."""
        return str(getattr(self, self.key_field))

    @property
    def correlation(self) -> str | None:
        """The request it belongs to, by which people follow it; None for what belongs to none."""
        found: str | None = getattr(self, "request_id", None)
        return found

    def dump(self) -> bytes:
        """The JSON body, made once."""
        return self.__pydantic_serializer__.to_json(self)


E = TypeVar("E", bound=Event)

_published: dict[str, type[Event]] = {}


def published(*, name: str, topic: str, key: str) -> Callable[[type[E]], type[E]]:
    """Take the type `name` for a class. Refuses to import when the type is taken, misspelt, or keyed by an unknown field."""

    def register(cls: type[E]) -> type[E]:
        if not TYPE_PATTERN.match(name):
            raise ValueError(f"{name!r} is not {{service}}.{{subject}}.{{past participle}}.v{{major}}")
        if name in _published:
            raise ValueError(f"{name} is already taken by {_published[name].__qualname__}")
        if key not in cls.model_fields:
            raise ValueError(f"{name} is keyed by {key!r}, which it does not have")
        cls.type, cls.topic, cls.key_field = name, topic, key
        _published[name] = cls
        return cls

    return register


def known_types() -> dict[str, type[Event]]:
    """Every event type that has been imported, by name."""
    return dict(sorted(_published.items()))


def find_type(name: str) -> type[Event] | None:
    return _published.get(name)
