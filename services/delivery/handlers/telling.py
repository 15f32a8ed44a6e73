"""Telling recipients in three beats: what is due and has room, the attempt itself, how it ended."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contracts.types import OrganizationId
from services.chassis import clock
from services.chassis.decision import Decision
from services.chassis.duty import Claimed
from services.chassis.observe import telemetry
from services.chassis.store.work import Job
from services.delivery.domain import CATCHING_UP, Answer, Attempted, Delivery, Endpoint, Notice, NoticeState, signing
from services.delivery.gateways.pace import Pace
from services.delivery.gateways.signing import EndpointSecrets
from services.delivery.gateways.webhooks import Said, Webhooks
from services.delivery.handlers.jobs import attempted_job, claim_job
from services.delivery.store import Questions

ENDPOINTS = telemetry.gauge(
    "placet_webhook_endpoints", "Endpoints by class: healthy, failing at this moment, disabled.", ["state"]
)
NOTICES_WAITING = telemetry.gauge(
    "placet_webhook_notices_waiting", "Notices not yet taken, by the class of the endpoint they are for.", ["state"]
)

BORN_AT_ONCE = 200
"""So many notices born claimed may wait for a place. What is born beyond that is due as everything else."""
BORN_SECONDS = 5.0
"""They wait no longer: with the 20 s that an attempt may take, the claim of 30 s is not yet over."""


@dataclass(frozen=True, slots=True)
class Due:
    """A notice due, with the endpoint it goes to (None: it is gone). `claimed`: by the transaction that made it."""

    notice: Notice
    endpoint: Endpoint | None
    claimed: bool = False


class Telling:
    """The duty's hands. It keeps the pace of each endpoint, and for a moment what was just born."""

    def __init__(self, questions: Questions, webhooks: Webhooks, secrets: EndpointSecrets, pace: Pace) -> None:
        self._questions = questions
        self._born: list[tuple[float, Due]] = []
        self._looked = True
        self._webhooks = webhooks
        self._secrets = secrets
        self._pace = pace

    async def find_due(self, now: datetime, limit: int) -> Sequence[Due]:
        """The most urgent notices, to each endpoint no more than it has room for.

        A crowd for one endpoint hides the others for one look: then that endpoint is full, and the next looks past it.
        """
        # Attempts that were begun a moment ago take their room first.
        await asyncio.sleep(0)
        seconds = clock.seconds()
        rooms: dict[str, int] = {}
        born = self._just_born(seconds, limit if self._looked else limit // 2, rooms)
        self._looked = not (born and self._looked)
        if not self._looked:
            # They wait for no look at the database. The next one, at once, asks it and leaves it half of the places.
            return born
        waiting = await self._questions.due(now, limit - len(born), without=self._pace.full(seconds))
        chosen: list[Notice] = []
        for notice in waiting:
            room = rooms.setdefault(notice.endpoint_id, self._pace.room(notice.endpoint_id, seconds))
            if room:
                rooms[notice.endpoint_id] -= 1
                chosen.append(notice)
        endpoints = await self._questions.endpoints(sorted({one.endpoint_id for one in chosen})) if chosen else {}
        return [*born, *(Due(one, endpoints.get(one.endpoint_id)) for one in chosen)]

    def has_room(self) -> bool:
        """Whether what is born now would be begun within a moment."""
        return len(self._born) < BORN_AT_ONCE

    def take(self, notices: Sequence[Notice], endpoints: Sequence[Endpoint]) -> None:
        """Notices born claimed, a moment ago. The duty comes for them with its next look; the commit wakes it."""
        by_id, now = {one.endpoint_id: one for one in endpoints}, clock.seconds()
        self._born += [(now, Due(one, by_id[one.endpoint_id], claimed=True)) for one in notices]

    def _just_born(self, seconds: float, limit: int, rooms: dict[str, int]) -> list[Due]:
        """Those that have room now. Who waited too long for it is let go: it is due again when its claim runs out."""
        chosen: list[Due] = []
        left: list[tuple[float, Due]] = []
        for since, due in self._born:
            endpoint_id = due.notice.endpoint_id
            room = rooms.setdefault(endpoint_id, self._pace.room(endpoint_id, seconds))
            if room and len(chosen) < limit:
                rooms[endpoint_id] -= 1
                chosen.append(due)
            elif seconds - since < BORN_SECONDS:
                left.append((since, due))
        self._born = left
        return chosen

    @staticmethod
    def begin(due: Due) -> Job | Claimed:
        if due.claimed:
            notice = due.notice
            return Claimed(decision=Decision(notice), cause=f"born:{notice.notice_id}", trace=notice.trace)
        return claim_job(due.notice, clock.now())

    async def act(self, due: Due, decision: Decision[Any]) -> Attempted | None:
        """One attempt, if the first beat did not drop the notice."""
        notice: Notice = decision.state
        if notice.state is not NoticeState.WAITING or due.endpoint is None:
            return None
        said = await self._attempt(notice, due.endpoint)
        return Attempted(
            notice_id=notice.notice_id,
            claim=notice.claims,
            answer=said.answer,
            said=said.words,
            retry_after=said.retry_after,
            at=clock.now(),
        )

    @staticmethod
    def record(due: Due, attempted: Attempted | None) -> Job:
        if attempted is not None:
            return attempted_job(due.notice, attempted)
        # The first beat dropped it: the second had nothing to do, and this one finds nothing to say.
        nothing = Attempted(
            notice_id=due.notice.notice_id, claim=-1, answer=Answer.NOT_OURS_TO_SAY, said="dropped", at=clock.now()
        )
        return attempted_job(due.notice, nothing)

    async def _attempt(self, notice: Notice, endpoint: Endpoint) -> Said:
        began, at = clock.seconds(), clock.now()
        said: Said | None = None
        self._pace.begin(endpoint.endpoint_id)
        try:
            secrets = [self._secrets.open(endpoint.endpoint_id, one.sealed) for one in signing(endpoint, at)]
            said = await self._webhooks.post(
                endpoint.url, webhook_id=notice.webhook_id, body=notice.body, secrets=secrets, at=at
            )
        finally:
            now = clock.seconds()
            well = said is not None and said.answer in (Answer.TAKEN, Answer.GONE, Answer.NOT_OURS_TO_SAY)
            self._pace.end(endpoint.endpoint_id, now, well=well, took=now - began)
        return said


@dataclass(frozen=True, slots=True)
class Late:
    """An endpoint that catches up, and one delivery that nobody was told of (None: there is none left)."""

    endpoint: Endpoint
    delivery: Delivery | None


async def find_late(questions: Questions, limit: int, now: datetime | None = None) -> Sequence[Late]:
    """What endpoints made not long ago have missed; and those that have nothing left to catch up, if it is time at `now`."""
    endpoints = await questions.catching_up(limit)
    if not endpoints:
        return []
    untold = await questions.untold(sorted({one.recipient_id for one in endpoints}), limit)
    missed: dict[OrganizationId, list[Delivery]] = {}
    for delivery in untold:
        missed.setdefault(delivery.recipient_id, []).append(delivery)
    found: list[Late] = []
    for endpoint in endpoints:
        late = missed.get(endpoint.recipient_id, ())
        found += [Late(endpoint, delivery) for delivery in late]
        old_enough = now is None or now >= endpoint.made_at + CATCHING_UP
        # While the look was cut short, nobody is said to have caught up.
        if not late and old_enough and len(untold) < limit:
            found.append(Late(endpoint, None))
    return found[:limit]
