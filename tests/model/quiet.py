"""When everything was delivered and everything due was done: each approved, unrevoked, unheld request is available or further."""

from datetime import timedelta
from typing import TYPE_CHECKING

from services.chassis.store.shelf import OUTBOX
from services.consent.domain import Request, Stage
from services.consent.domain import Status as RequestStatus
from services.consent.store import REQUESTS
from services.delivery.domain import Answer, Delivery, NoticeState
from services.delivery.domain import Status as DeliveryStatus
from services.delivery.store import NOTICES
from services.records.domain.state import Release, ReleaseStatus
from services.records.store import RELEASES

if TYPE_CHECKING:
    from tests.model.world import World

CLAIMS_OVER = timedelta(minutes=2)
"""Whatever a process had begun when it died is due again by then."""
STAGES = {
    DeliveryStatus.AVAILABLE: {Stage.AVAILABLE},
    DeliveryStatus.ABANDONED: {Stage.UNREACHABLE},
    DeliveryStatus.DELIVERED: {Stage.DELIVERED, Stage.MISMATCHED},
    DeliveryStatus.ACKNOWLEDGED: {Stage.ACKNOWLEDGED},
    DeliveryStatus.CANCELLED: {Stage.CANCELLED},
}


async def settle(world: "World") -> None:
    """The weather clears: nothing stands still, and time enough goes by for what was begun to be begun again."""
    world.frozen = False
    world.at += CLAIMS_OVER
    world.records.knows_new_key = True
    for _ in range(3):
        await world.flow()
        await world.replay_asides()
        await world.chores()
        while await world.notify_recipients(Answer.TAKEN):
            pass
    await world.flow()
    world.check()
    check_quiet(world)


def check_quiet(world: "World") -> None:
    for service in world.services:
        assert not world.broker.waiting(service.name), f"{service.name} has not read everything"
        assert all(row["sent"] for row in service.store.tables.get(OUTBOX.name, {}).values())
    for notice in map(NOTICES.state_in, world.delivery.store.rows(NOTICES).values()):
        assert notice.state is not NoticeState.WAITING or (notice.due_at and notice.due_at > world.at)
    for request_id in world.book.requests:
        _check(world, REQUESTS.state_in(world.consent.store.rows(REQUESTS)[request_id]))


def _check(world: "World", request: Request) -> None:
    row = world.records.store.rows(RELEASES).get(request.request_id)
    release = RELEASES.state_in(row) if row else None
    deliveries = [one for one in world.recipients.deliveries() if one.request_id == request.request_id]
    if request.request_id not in world.book.approvals:
        assert (release is None or release.grant_id is None) and not deliveries, (
            "something came of what nobody approved"
        )
        _check_unapproved(world, request)
        return
    assert release is not None, "an approval was never met"
    if request.request_id in world.book.revoked:
        assert request.status is RequestStatus.REVOKED
        assert release.status is not ReleaseStatus.WAITING, "taken back, and it still waits"
        ended = all(one.status is DeliveryStatus.CANCELLED and not one.sealed_key for one in deliveries)
        assert ended, "taken back, and the delivery stands"
    elif release.status is not ReleaseStatus.RELEASED:
        _check_withheld(world, request, release)
    else:
        [delivery] = deliveries
        _check_delivery(world, request, delivery)


def _check_unapproved(world: "World", request: Request) -> None:
    if request.request_id in world.book.revoked:
        assert request.status is RequestStatus.REVOKED
    elif request.request_id in world.book.refused:
        assert request.status is RequestStatus.REFUSED
    else:
        assert request.status not in {RequestStatus.APPROVED, RequestStatus.REVOKED, RequestStatus.REFUSED}
    assert not request.pending or request.expires_at > world.at
    assert not request.pending or request.package is not None, "a request waits for its package in vain"


def _check_withheld(world: "World", request: Request, release: Release) -> None:
    approval = world.book.approvals[request.request_id]
    if release.status is ReleaseStatus.WAITING:
        assert world.book.holds.get(approval.transcript_id, world.at) > world.at, "it waits for a hold that is none"
        assert request.stage in _shown(world, request, Stage.ON_HOLD)
        return
    assert request.stage in _shown(world, request, Stage.WITHHELD)
    withdrawn = approval.transcript_version <= world.book.withdrawn.get(approval.transcript_id, 0)
    assert withdrawn if release.cause == "withdrawn" else world.at >= approval.until and release.cause == "expired"


def _shown(world: "World", request: Request, stage: Stage) -> set[Stage]:
    """The stage, or what a forger has made consent believe."""
    return {stage, Stage.RELEASED} if request.request_id in world.misled else {stage}


def _check_delivery(world: "World", request: Request, delivery: Delivery) -> None:
    assert request.stage in STAGES[delivery.status], f"the family reads {request.stage}, and it is {delivery.status}"
    if delivery.status is DeliveryStatus.CANCELLED:
        over = world.at >= world.book.approvals[request.request_id].until
        suspended = delivery.recipient_id in world.book.once_refused
        assert over if delivery.cause == "expired" else suspended and delivery.cause == "recipient-not-verified"
