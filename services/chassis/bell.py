"""Wakes within one process whoever waits for something new in the database: the relay, and duties that may be due."""

import asyncio
from collections.abc import Callable


class Bell:
    """Many commits, one bell; each listener is called and decides for itself when to look."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[], None]] = []

    def tell(self, listener: Callable[[], None]) -> None:
        """From now on `listener` is called at every ring. It must return at once."""
        self._listeners.append(listener)

    def ring(self) -> None:
        for listener in self._listeners:
            listener()

    async def follow(self, changed: asyncio.Event) -> None:
        """Ring whenever `changed` is set; for ever. Nobody else may clear it."""
        while True:
            await changed.wait()
            changed.clear()
            self.ring()
