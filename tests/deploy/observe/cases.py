"""The form of a case: series of a house in trouble, or of one that is nearly in trouble, and what its alert does.

Values are written as promtool takes them: `a+bxn` begins at a and grows by b, n times. Every pod of ours is in the namespace `placet`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Series = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Fired:
    """An alert, as whoever is called reads it."""

    severity: str
    says: str
    labels: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One alert at one time. With `fires` empty it keeps quiet."""

    alert: str
    about: str
    series: Series
    at: str = "30m"
    every: str = "1m"
    fires: Sequence[Fired] = ()


def of(name: str, *, pod: str = "a", **labels: str) -> str:
    """A series of ours. A label may be called `le` or `type`; none is called `pod`."""
    said = {"namespace": "placet", "pod": pod, **labels}
    return name + "{" + ",".join(f'{label}="{value}"' for label, value in said.items()) + "}"


def here(**labels: str) -> dict[str, str]:
    return {"namespace": "placet", **labels}


def page(says: str, **labels: str) -> Fired:
    return Fired(severity="page", says=says, labels=here(**labels))


def ticket(says: str, **labels: str) -> Fired:
    return Fired(severity="ticket", says=says, labels=here(**labels))
