"""The span of one message on its way through a service. It continues the trace that the event carries.

A batch holds many messages of many traces, so every span lives in a context of its own: none becomes a child of its
neighbour in the batch.
"""

from contextvars import copy_context

from contracts.envelope import Message
from contracts.event import Event
from services.chassis.observe import telemetry


class Hop:
    """Open from reading to the verdict. `trace` goes into whatever the message makes true."""

    def __init__(self, message: Message[Event]) -> None:
        self._context = copy_context()
        self._span = telemetry.span(
            message.event.type, trace=message.trace, id=message.event.key, cause=message.id, operation="hear"
        )
        self._context.run(self._span.__enter__)
        self.trace = self._context.run(telemetry.traceparent) or message.trace

    def close(self, outcome: str) -> None:
        self._context.run(telemetry.note, outcome=outcome)
        self._context.run(self._span.__exit__, None, None, None)
