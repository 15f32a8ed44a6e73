"""Waits until a run has come to rest: nothing on its way, nothing begun, nothing waiting for a person.

What waits for a later hour is not waited for: its hour is made to come, as root in the database, for no rule speaks of the
length of a pause. What was set aside is handed in once more, as an operator does with `placet aside replay`.
"""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any

import aiohttp
from aiokafka.errors import KafkaError
from pymongo.errors import PyMongoError

from contracts.topics import SERVICES
from services.chassis import clock
from services.delivery.domain import telling
from services.notify.domain import sending
from services.records.domain import sealing
from tests.chaos.posting import dismiss, is_event
from tests.chaos.stage import Stage
from tests.faults.wire import Wired, until_heard

CLAIMS = {
    ("records", "packages", "due_at"): sealing.CLAIM,
    ("delivery", "notices", "due_at"): telling.CLAIM,
    ("notify", "messages", "due_at"): sending.CLAIM,
}
"""What falls due, and how long what was begun is nobody else's."""
OPEN: dict[str, dict[str, Any]] = {"delivery": {"state": "waiting"}, "notify": {"status": "waiting"}}
ACTS_TAKE = timedelta(seconds=20)
"""What was begun so long ago and is not recorded was left by a process that died: an attempt takes 15 s at the most."""
LOOK_EVERY = 2.0


class Rest:
    """Looks whether a run has come to rest, and makes hours come."""

    def __init__(self, stage: Stage, injected: set[str]) -> None:
        self._stage, self._injected = stage, injected
        self._documents = stage.world.documents
        self.replayed: list[str] = []
        """What was set aside though a service wrote it, with the reason."""

    async def wait(self, seconds: float) -> list[str]:
        """What still moves when so many seconds have gone by; nothing, as soon as it rests."""
        deadline = clock.seconds() + seconds
        moving = ["it was not looked yet"]
        calm = 0
        while calm < 2 and clock.seconds() < deadline:
            try:
                moving = await self.moving()
                await self._hasten()
                await self._replay_asides()
                await dismiss(self._documents)
            except (PyMongoError, KafkaError, aiohttp.ClientError, TimeoutError) as why:
                moving = [f"it can't be looked: {type(why).__name__}"]
            calm = 0 if moving else calm + 1
            await asyncio.sleep(LOOK_EVERY)
        return moving

    async def moving(self) -> list[str]:
        """Everything that is on its way, in words."""
        found = []
        for service in SERVICES:
            unsent = {"sent": False, "barrier": False}
            if count := await self._documents[service]["outbox"].count_documents(unsent):
                found.append(f"{count} events of {service} were not published")
            if count := await self._documents[service]["aside"].count_documents(await self._asides(service)):
                found.append(f"{count} records are set aside at {service}")
        for service, kind, field in CLAIMS:
            due = {field: {"$gt": _LONG_AGO}, **OPEN.get(service, {})}
            if count := await self._documents[service][kind].count_documents(due):
                found.append(f"{count} {kind} of {service} are due")
        async with self._stage.world.web.get(f"http://127.0.0.1:{self._stage.port}/busy") as answer:
            if busy := await answer.json():
                found.append(f"{busy} fetches of recipients")
        try:
            await until_heard(self._stage.house, seconds=5)
        except (TimeoutError, KafkaError):
            found.append("records that were not heard yet")
        return found

    async def _hasten(self) -> None:
        now = clock.now()
        for (service, kind, field), claim in CLAIMS.items():
            stuck = {field: {"$gt": now, "$lt": now + claim - ACTS_TAKE}}
            later = {field: {"$gt": now + claim}}
            await self._documents[service][kind].update_many({"$or": [stuck, later]}, {"$set": {field: now}})

    async def _replay_asides(self) -> None:
        """As an operator does who has seen the alarm. What a fault forged stays where it is."""
        for service in SERVICES:
            rows = self._documents[service]["aside"]
            async for row in rows.find({**await self._asides(service), "state": "waiting"}):
                self.replayed.append(f"{service}: {row['type']}: {row['reason']}")
                await rows.update_one({"_id": row["_id"], "state": "waiting"}, {"$set": {"state": "replay"}})

    async def _asides(self, service: str) -> dict[str, Any]:
        """Those that are a service's own words."""
        foreign = []
        async for row in self._documents[service]["aside"].find({"state": {"$ne": "done"}}):
            headers = tuple((name, bytes(value)) for name, value in row["headers"])
            record = Wired(row["topic"], row["key"], row["value"], headers, row["partition"], row["offset"])
            event_id = next((value.decode(errors="replace") for name, value in headers if name == "ce_id"), "")
            if not is_event(record) or event_id in self._injected:
                foreign.append(row["_id"])
        return {"state": {"$ne": "done"}, "_id": {"$nin": foreign}}


_LONG_AGO = clock.now() - timedelta(days=3650)


async def until_ended(process: Any, seconds: float) -> bool:
    """Whether a process of the run ended by itself within the time."""
    with suppress(TimeoutError):
        return await process.ended(seconds) is not None
    return False
