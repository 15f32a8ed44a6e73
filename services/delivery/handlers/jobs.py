"""Jobs of what falls due: attempts begun and ended, endpoints that catch up, grants that run out."""

from collections.abc import Callable, Iterable
from datetime import datetime

from services.chassis.store.work import Job, Known, Many, Need, One, Verdict
from services.delivery import domain
from services.delivery.domain import Attempted, Claim, Delivery, Endpoint, Expire, Notice
from services.delivery.store import DELIVERIES, ENDPOINTS, NOTICES


def claim_job(notice: Notice, at: datetime) -> Job:
    """Begin an attempt."""
    command = Claim(notice_id=notice.notice_id, at=at)

    def decide(known: Known) -> Verdict:
        delivery, endpoint, others = _around(known, notice)
        found = known.one(NOTICES, notice.notice_id)
        return domain.claim(found, command, endpoint=endpoint, delivery=delivery, others=others)

    cause = f"claim:{notice.notice_id}:{notice.claims + 1}"
    return Job(cause=cause, at=at, reads=_reads(notice), decide=decide, trace=notice.trace)


def attempted_job(notice: Notice, command: Attempted) -> Job:
    """Write down how it ended."""

    def decide(known: Known) -> Verdict:
        delivery, endpoint, others = _around(known, notice)
        found = known.one(NOTICES, notice.notice_id)
        return domain.attempted(found, command, endpoint=endpoint, delivery=delivery, others=others)

    cause = f"attempted:{notice.notice_id}:{command.claim}"
    return Job(cause=cause, at=command.at, reads=_reads(notice), decide=decide, trace=notice.trace)


def catch_up_job(endpoint: Endpoint, delivery: Delivery | None, at: datetime) -> Job:
    """Tell a new endpoint of one delivery that nobody was told of; or, when there is none, stop looking."""

    def reads(_: Known) -> Iterable[Need]:
        yield One(ENDPOINTS, endpoint.endpoint_id)
        if delivery is not None:
            yield One(DELIVERIES, delivery.delivery_id)
            yield Many(ENDPOINTS, "recipient_id", endpoint.recipient_id)

    def decide(known: Known) -> Verdict:
        found = known.one(ENDPOINTS, endpoint.endpoint_id)
        if delivery is None:
            return domain.caught_up(found, at=at)
        endpoints = known.many(ENDPOINTS, "recipient_id", endpoint.recipient_id)
        return domain.catch_up(known.one(DELIVERIES, delivery.delivery_id), found, endpoints, at=at)

    about = delivery.delivery_id if delivery else "done"
    cause = f"catch-up:{endpoint.endpoint_id}:{endpoint.version}:{about}"
    return Job(cause=cause, at=at, reads=reads, decide=decide, correlation=delivery.delivery_id if delivery else None)


def expire_job(delivery: Delivery, at: datetime) -> Job:
    """The chore's job for one delivery whose grant has run out."""

    def reads(_: Known) -> Iterable[Need]:
        yield One(DELIVERIES, delivery.delivery_id)
        yield Many(NOTICES, "delivery_id", delivery.delivery_id)
        yield Many(ENDPOINTS, "recipient_id", delivery.recipient_id)

    def decide(known: Known) -> Verdict:
        return domain.expire(
            known.one(DELIVERIES, delivery.delivery_id),
            Expire(delivery_id=delivery.delivery_id, at=at),
            notices=known.many(NOTICES, "delivery_id", delivery.delivery_id),
            endpoints=known.many(ENDPOINTS, "recipient_id", delivery.recipient_id),
        )

    cause = f"expire:{delivery.delivery_id}"
    return Job(cause=cause, at=at, reads=reads, decide=decide, correlation=delivery.delivery_id)


def _reads(notice: Notice) -> Callable[[Known], Iterable[Need]]:
    """What both beats of an attempt want to know."""

    def reads(_: Known) -> Iterable[Need]:
        yield One(NOTICES, notice.notice_id)
        yield One(ENDPOINTS, notice.endpoint_id)
        if notice.delivery_id is not None:
            yield One(DELIVERIES, notice.delivery_id)
            yield Many(NOTICES, "delivery_id", notice.delivery_id)

    return reads


def _around(known: Known, notice: Notice) -> tuple[Delivery | None, Endpoint | None, tuple[Notice, ...]]:
    endpoint = known.one(ENDPOINTS, notice.endpoint_id)
    if notice.delivery_id is None:
        return None, endpoint, ()
    return (
        known.one(DELIVERIES, notice.delivery_id),
        endpoint,
        known.many(NOTICES, "delivery_id", notice.delivery_id),
    )
