"""What a domain function answers: this changes and these facts are now true, or no, because.

Values only. A decision is made inside a transaction whose body the database may run more than once, so whoever makes
one reads no clock, draws no ids and does no I/O.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from contracts.event import Event
from contracts.problem import Reason

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Decision(Generic[S]):
    """The new state, the facts, and whatever else is written with it (other aggregates, rows of a journal)."""

    state: S
    events: Sequence[Event] = ()
    also: Sequence[object] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """An expected *no*. `detail` says what happened and what to do; it never names a person."""

    reason: Reason
    detail: str
