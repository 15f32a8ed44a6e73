"""The outbox as the relay sees it: who may send, what waits, what has gone.

Invariants: one relay of a service holds the lease at a time, by the database's clock and not by ours; whatever ends or
uses a lease filters on its token, so that a relay that slept too long can't write over a newer one.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from services.chassis import clock, ids
from services.chassis.store.mongo import MongoStore, not_now
from services.chassis.store.shelf import OUTBOX, Document
from services.chassis.store.work import NotNow

LEASE_SECONDS = 5.0
"""How long a relay that died keeps the others away. A restart must be back at work within 10 s (GUARANTEES, 3)."""
RENEW_SECONDS = 2.0
"""A lease older than this is renewed before it is relied on: three seconds are left for what is then done."""
_LEASE = "lease"
_DUPLICATE = 11_000


class LeaseLost(Exception):
    """Another relay holds the lease: what was in hand is theirs to send again, with the same ids."""


class Sending(Protocol):
    """What the relay asks of the outbox. Every method raises `NotNow` when the database can't answer."""

    async def take(self) -> bool:
        """Take the lease, or keep it. False while another relay holds it."""

    async def unsent(self, limit: int, *, without: Sequence[str] = ()) -> list[Document]:
        """Rows in the order they must leave: the ordinary ones, and only behind the last of them the barriers.

        `without` are ids of rows that have left and are not marked yet.
        """

    async def mark(self, row_ids: Sequence[str]) -> None:
        """Note that the broker has them, if the lease is still ours. Raises `LeaseLost`."""

    async def release(self) -> None:
        """Give the lease up, if it is ours."""

    async def oldest(self) -> Document | None:
        """The ordinary row that waits longest."""

    async def watch(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever rows were written, until it can't be watched any longer."""


class MongoSending:
    """The outbox collection, under the relay's credential: find, update and changeStream on it and on nothing else."""

    def __init__(self, store: MongoStore) -> None:
        self._rows = store.collection(OUTBOX)
        self._client = store.client
        self._token: str | None = None
        self._until = 0.0

    async def take(self) -> bool:
        asked = clock.seconds()
        if self._token is not None and asked < self._until - LEASE_SECONDS + RENEW_SECONDS:
            return True
        if self._token is not None and await self._lease({"token": self._token}, self._token):
            self._until = asked + LEASE_SECONDS
            return True
        self._token = None
        fresh = ids.new("rly")
        if not await self._lease({"$expr": {"$lt": ["$until", "$$NOW"]}}, fresh):
            return False
        self._token, self._until = fresh, asked + LEASE_SECONDS
        return True

    async def _lease(self, where: Document, token: str) -> bool:
        with not_now():
            taken = await self._rows.update_one({"_id": _LEASE, **where}, _until_later(token))
        return bool(taken.matched_count)

    async def unsent(self, limit: int, *, without: Sequence[str] = ()) -> list[Document]:
        waiting: Document = {"sent": False, **({"_id": {"$nin": list(without)}} if without else {})}
        with not_now():
            # The partial index lies in just this order.
            found = self._rows.find(waiting, batch_size=limit).sort([("barrier", 1), ("order", 1)]).limit(limit)
            rows: list[Document] = await found.to_list(None)
        return rows

    async def mark(self, row_ids: Sequence[str]) -> None:
        """Lease and rows change in one transaction: there is no moment between the check and the mark."""
        token = self._token
        if token is None:
            raise LeaseLost

        async def body(session: Any) -> bool:
            held = await self._rows.update_one({"_id": _LEASE, "token": token}, _until_later(token), session=session)
            if held.matched_count:
                sent = {"$set": {"sent": True}, "$currentDate": {"sent_at": True}}
                await self._rows.update_many({"_id": {"$in": list(row_ids)}}, sent, session=session)
            return bool(held.matched_count)

        asked = clock.seconds()
        with not_now():
            async with await self._client.start_session() as session:
                # Concerns are the client's: majority, journaled.
                held = await session.with_transaction(body)
        if not held:
            self._token = None
            raise LeaseLost
        self._until = asked + LEASE_SECONDS

    async def release(self) -> None:
        token, self._token = self._token, None
        if token is not None:
            with not_now():
                free = [{"$set": {"token": None, "until": "$$NOW"}}]
                await self._rows.update_one({"_id": _LEASE, "token": token}, free)

    async def oldest(self) -> Document | None:
        with not_now():
            found: Document | None = await self._rows.find_one({"sent": False, "barrier": False}, sort=[("order", 1)])
        return found

    async def watch(self, wake: Callable[[], None]) -> None:
        inserts = [{"$match": {"operationType": "insert"}}, {"$project": {"_id": 1}}]
        with not_now():
            # Shorter than the client's own time limit, which would end the stream.
            async with self._rows.watch(inserts, max_await_time_ms=2_000) as stream:
                while stream.alive:
                    if await stream.try_next() is not None:
                        wake()


def _until_later(token: str) -> list[Document]:
    """An update that keeps the lease for `LEASE_SECONDS` from the database's now."""
    return [{"$set": {"token": token, "until": {"$add": ["$$NOW", int(LEASE_SECONDS * 1000)]}}}]


async def plant_lease(store: MongoStore) -> None:
    """Make the lease that relays pass on. Done by api and worker at their start: a relay may insert nothing."""
    free = {"_id": _LEASE, "token": None, "until": clock.now()}
    rows = store.collection(OUTBOX)
    try:
        with not_now():
            if await rows.find_one({"_id": _LEASE}, {"_id": 1}) is None:
                await rows.insert_one(free)
    except NotNow:
        raise
    except Exception as why:
        if getattr(why, "code", None) != _DUPLICATE:  # another process was first
            raise
