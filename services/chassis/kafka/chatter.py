"""Keeps the Kafka client's own log lines down: while a broker is away it says the same thing thirty times a second."""

import logging

from services.chassis import clock

SECONDS = 10.0
"""One line of a kind in so long is enough to see what is wrong and for how long."""
_TALKERS = (
    "aiokafka.client",
    "aiokafka.conn",
    "aiokafka.cluster",
    "aiokafka.producer.sender",
    "aiokafka.consumer.fetcher",
    "aiokafka.consumer.group_coordinator",
)


class _Seldom(logging.Filter):
    """Lets a line pass when none of its kind passed of late. Its kind is its template, not what was put into it."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now, kind = clock.seconds(), str(record.msg)
        if now - self._last.get(kind, -SECONDS) < SECONDS:
            return False
        self._last[kind] = now
        return True


_seldom = _Seldom()


def hush() -> None:
    """From now on the client speaks seldom. Harmless to call again."""
    for name in _TALKERS:
        # `addFilter` adds the same one only once.
        logging.getLogger(name).addFilter(_seldom)
