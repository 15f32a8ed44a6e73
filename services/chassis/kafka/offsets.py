"""Commits behind what has ended, a moment later and many at once: a commit costs as much as handling thirty messages.

Whatever is not committed when a process dies is read again, and the inbox knows it. So a commit that fails is told and
is no error of any message.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from services.chassis.observe import telemetry
from services.chassis.observe.log import logger

COMMIT_SECONDS = 5.0
"""`commit` waits for ever while the broker is away (measured)."""
LATER_SECONDS = 0.2

FAILED = telemetry.counter(
    "placet_commits_failed_total", "Offset commits that failed. Harmless one by one.", ["reason"]
)

Commit = Callable[[Mapping[TopicPartition, int]], Awaitable[None]]


class Offsets:
    """The offsets of one member: those behind which everything has ended and that the broker does not know yet."""

    def __init__(self, commit: Commit) -> None:
        self._commit = commit
        self._pending: dict[TopicPartition, int] = {}
        self._later: asyncio.Task[None] | None = None
        self._one_at_a_time = asyncio.Lock()

    def ended(self, behind: Mapping[TopicPartition, int]) -> None:
        """Everything before these offsets has ended."""
        self._pending.update(behind)
        if self._later is None or self._later.done():
            self._later = asyncio.create_task(self._flush_later(), name="commit-offsets")

    async def flush(self) -> None:
        """Commit what is pending, now."""
        async with self._one_at_a_time:
            pending, self._pending = self._pending, {}
            if not pending:
                return
            try:
                await asyncio.wait_for(self._commit(pending), COMMIT_SECONDS)
            except (CommitFailedError, IllegalStateError) as why:
                _tell(why, len(pending))  # given to another member, who reads from what was committed
            except (KafkaError, TimeoutError) as why:
                _tell(why, len(pending))
                # The next commit takes them along, unless it is further already.
                self._pending = pending | self._pending

    def forget(self) -> None:
        """The partitions have gone elsewhere."""
        self._pending.clear()

    async def close(self) -> None:
        """Commit and be done."""
        if self._later is not None:
            self._later.cancel()
            await asyncio.gather(self._later, return_exceptions=True)
        await self.flush()

    async def _flush_later(self) -> None:
        """Until nothing is pending: what ends while a commit is under way must not wait for the next record to come."""
        while self._pending:
            await asyncio.sleep(LATER_SECONDS)
            await self.flush()


def _tell(why: BaseException, count: int) -> None:
    FAILED.add(reason=type(why).__name__)
    logger().warning("offsets not committed", error=type(why).__name__, count=count)
