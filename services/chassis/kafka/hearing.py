"""What a service does about each event it hears: one function per event class, asked once per poll for all of them."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from contracts.envelope import Message
from contracts.event import Event
from services.chassis.store.work import Job

E = TypeVar("E", bound=Event)


class Unwanted(Exception):
    """A message that must not be handled, and why (a forged grant). It is set aside at once, without another try.

    Returned in place of a job, not raised. The reason is shown to operators: it says what is wrong with the message
    and names no person. `again_at`: what is wrong is only that it comes too early; it is tried again by itself then,
    and meanwhile holds nobody up.
    """

    def __init__(self, reason: str, *, again_at: datetime | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.again_at = again_at


Answer = Job | Unwanted | None
"""What is to be done about one message: a job, nothing (None: done), or that it is unwanted."""

Function = Callable[[Sequence[Message[E]]], Awaitable[Sequence[Answer]]]
"""All messages of one type in this poll, in the order read; one answer for each, in the same order.

Preparation that takes the outside world (verifying, wrapping keys, loading what never changes) happens in here, outside
of any transaction. It may run again for the same messages. The consumer gives every job the message's id as its cause
and has the inbox remember it: a function need not.
"""


@dataclass(frozen=True, slots=True)
class Heard:
    """One registered function."""

    event: type[Event]
    answer: Function[Any]
    barrier: bool = False


class Hearing:
    """The functions of a service, by event type. An event that nobody registered for is done: not meant for us.

    `linger`: seconds that a poll waits for company, where nobody waits for the answer. A transaction for each message
    is then one for all that came meanwhile.
    """

    def __init__(self, *, linger: float = 0.0) -> None:
        self.linger = linger
        self._by_type: dict[str, Heard] = {}

    def on(self, event: type[E], function: Function[E], *, barrier: bool = False) -> None:
        """Register. Refuses a second function for one event: which of them answers would be chance.

        `barrier`: the event says something of every record before it. So its function is asked when all other records of
        the poll have ended and what was set aside of them lies in the database. The inbox does not remember it: what it
        says is a maximum, and hearing it again must change nothing.
        """
        if event.type in self._by_type:
            raise ValueError(f"{event.type} already has a function")
        self._by_type[event.type] = Heard(event, function, barrier)

    def __call__(self, event: type[E]) -> Callable[[Function[E]], Function[E]]:
        """`@hears(ConsentApproved)` on a function."""

        def register(function: Function[E]) -> Function[E]:
            self.on(event, function)
            return function

        return register

    def find(self, kind: str) -> Heard | None:
        return self._by_type.get(kind)

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics of the registered events, sorted: `heard_by` must list every one of them."""
        return tuple(sorted({heard.event.topic for heard in self._by_type.values()}))
