"""One method per command: what it reads, which decision it asks for. Loading and committing is the chassis's."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TypeVar, cast

from contracts import grant
from contracts.types import DeliveryId, EndpointId
from services.chassis.decision import Decision, Refusal
from services.chassis.observe import telemetry
from services.chassis.store.shelf import Shelf
from services.chassis.store.work import AlreadyDone, Job, Known, Many, Need, One, Verdict, Work
from services.delivery import domain
from services.delivery.domain import (
    Acknowledge,
    Delivery,
    Endpoint,
    Notice,
    Open,
    Ping,
    Put,
    Remove,
    Replay,
    Rotate,
    Surroundings,
)
from services.delivery.store import (
    CHAINS,
    DELIVERIES,
    ENDPOINTS,
    NOTICES,
    ORGANIZATIONS,
    PARTITIONS,
    REVOCATIONS,
    WATERMARKS,
)

S = TypeVar("S")

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
DISCLOSED = telemetry.histogram(
    "placet_approval_to_disclosure_seconds",
    "From the last approval of a request to the recipient's first opening.",
    buckets=(1, 2.5, 5, 10, 30, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 4 * HOUR, DAY, 3 * DAY, 7 * DAY, 30 * DAY),
)
"""Fine where only the house itself takes time (an approval reaches an automatic recipient in seconds), coarse where people do."""


class Handlers:
    """Delivery's commands."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def open(self, command: Open, *, cause: str) -> Decision[Delivery] | Refusal:
        """The disclosure. Asked again with the same cause it is decided again: what was taken back meanwhile stays shut."""

        def reads(known: Known) -> Iterable[Need]:
            yield One(DELIVERIES, command.delivery_id)
            yield from surroundings_of(known, command.delivery_id)
            delivery = known.one(DELIVERIES, command.delivery_id)
            if delivery is not None:
                yield One(CHAINS, delivery.school_id)

        def decide(known: Known) -> Verdict:
            delivery = known.one(DELIVERIES, command.delivery_id)
            chain = known.one(CHAINS, delivery.school_id) if delivery else None
            around = around_delivery(known, delivery)
            return domain.open_delivery(delivery, command, around=around, chain=chain)

        job = Job(cause=cause, at=command.at, reads=reads, decide=decide, correlation=command.delivery_id)
        verdict = cast("Decision[Delivery] | Refusal", await self._work.carry_out(job))
        if isinstance(verdict, Decision) and verdict.events:
            _note_disclosure(verdict.state, command.at)
        return verdict

    async def acknowledge(self, command: Acknowledge, *, cause: str) -> Decision[Delivery] | Refusal:
        def decide(known: Known) -> Verdict:
            return domain.acknowledge(known.one(DELIVERIES, command.delivery_id), command)

        needs = [One(DELIVERIES, command.delivery_id)]
        return await self._carry_out(DELIVERIES, command.delivery_id, cause, command.at, needs, decide)

    async def replay(self, command: Replay, *, cause: str) -> Decision[Delivery] | Refusal:
        def reads(known: Known) -> Iterable[Need]:
            yield One(DELIVERIES, command.delivery_id)
            yield Many(NOTICES, "delivery_id", command.delivery_id)
            delivery = known.one(DELIVERIES, command.delivery_id)
            if delivery is not None:
                yield Many(ENDPOINTS, "recipient_id", delivery.recipient_id)

        def decide(known: Known) -> Verdict:
            delivery = known.one(DELIVERIES, command.delivery_id)
            endpoints = known.many(ENDPOINTS, "recipient_id", delivery.recipient_id) if delivery else ()
            notices = known.many(NOTICES, "delivery_id", command.delivery_id)
            return domain.replay(delivery, command, endpoints=endpoints, notices=notices)

        return await self._carry_out(DELIVERIES, command.delivery_id, cause, command.at, reads, decide)

    async def put_endpoint(self, command: Put, *, cause: str) -> Decision[Endpoint] | Refusal:
        def decide(known: Known) -> Verdict:
            siblings = known.many(ENDPOINTS, "recipient_id", command.recipient_id)
            return domain.put(known.one(ENDPOINTS, command.endpoint_id), command, siblings=siblings)

        needs: list[Need] = [One(ENDPOINTS, command.endpoint_id)]
        needs.append(Many(ENDPOINTS, "recipient_id", command.recipient_id))
        return await self._carry_out(ENDPOINTS, command.endpoint_id, cause, command.at, needs, decide)

    async def remove_endpoint(self, command: Remove, *, cause: str) -> Decision[Endpoint] | Refusal:
        return await self._endpoint(command.endpoint_id, cause, command.at, lambda one: domain.remove(one, command))

    async def rotate_endpoint(self, command: Rotate, *, cause: str) -> Decision[Endpoint] | Refusal:
        return await self._endpoint(command.endpoint_id, cause, command.at, lambda one: domain.rotate(one, command))

    async def ping_endpoint(self, command: Ping, *, cause: str) -> Decision[Notice] | Refusal:
        def decide(known: Known) -> Verdict:
            return domain.ping(known.one(ENDPOINTS, command.endpoint_id), command)

        notice_id = f"{command.webhook_id}:{command.endpoint_id}"
        needs = [One(ENDPOINTS, command.endpoint_id)]
        return await self._carry_out(NOTICES, notice_id, cause, command.at, needs, decide)

    async def _endpoint(
        self, endpoint_id: EndpointId, cause: str, at: datetime, decide: Callable[[Endpoint | None], Verdict]
    ) -> Decision[Endpoint] | Refusal:
        def ask(known: Known) -> Verdict:
            return decide(known.one(ENDPOINTS, endpoint_id))

        return await self._carry_out(ENDPOINTS, endpoint_id, cause, at, [One(ENDPOINTS, endpoint_id)], ask)

    async def _carry_out(  # noqa: PLR0917 - what every handler says, in the order in which it is said
        self,
        shelf: Shelf[S],
        id: str,  # noqa: A002 - the word the field uses
        cause: str,
        at: datetime,
        needs: Sequence[Need] | Callable[[Known], Iterable[Need]],
        decide: Callable[[Known], Verdict],
    ) -> Decision[S] | Refusal:
        def fixed(_: Known) -> Iterable[Need]:
            return needs if not callable(needs) else ()

        reads = needs if callable(needs) else fixed
        job = Job(cause=cause, at=at, reads=reads, decide=decide, once=True, correlation=id)
        outcome = await self._work.carry_out(job)
        if isinstance(outcome, AlreadyDone):
            # The same command again: the answer is what it made, as it is now.
            found = await self._work.store.find(shelf, {"_id": id}, limit=1)
            return Decision(found[0]) if found else domain.NO_SUCH_DELIVERY
        return outcome


def _note_disclosure(delivery: Delivery, at: datetime) -> None:
    """The first opening, counted once: its example is the trace that began with the approval."""
    approved = grant.signed_at(delivery.grant)
    if approved is not None:
        DISCLOSED.record(max(0.0, (at - approved).total_seconds()), trace=delivery.trace)


def surroundings_of(known: Known, delivery_id: DeliveryId) -> Iterable[Need]:
    """What a disclosure rests on: the recipient's standing, an end of the request, a watermark of every partition."""
    yield from (One(WATERMARKS, partition) for partition in PARTITIONS)
    delivery = known.one(DELIVERIES, delivery_id)
    if delivery is not None:
        yield One(ORGANIZATIONS, delivery.recipient_id)
        yield One(REVOCATIONS, delivery.request_id)


def around_delivery(known: Known, delivery: Delivery | None) -> Surroundings:
    return Surroundings(
        recipient=known.one(ORGANIZATIONS, delivery.recipient_id) if delivery else None,
        revocation=known.one(REVOCATIONS, delivery.request_id) if delivery else None,
        watermarks=[known.one(WATERMARKS, partition) for partition in PARTITIONS],
    )
