"""Who may open, on how fresh a knowledge, and what is written down."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from contracts.delivery.v1 import TranscriptAcknowledged, TranscriptDelivered
from contracts.problem import Reason
from contracts.types import RequestId, Standing
from services.chassis.decision import Decision, Refusal
from services.consent.app import WATERMARK_SECONDS
from services.delivery.domain import (
    BOUND,
    LONGEST_ANSWER,
    NO_SUCH_DELIVERY,
    OLDEST_WATERMARK,
    Acknowledge,
    Delivery,
    LedgerRow,
    Open,
    Status,
    Watermark,
    acknowledge,
    freshness,
    may_disclose,
    may_fetch,
    open_delivery,
)
from services.delivery.domain.state import Chain
from tests.delivery.scene import (
    AT,
    COLLEGE,
    DIGEST,
    NOTICE_VERSION,
    OTHER,
    READER,
    REQUEST,
    SCHOOL,
    delivery,
    opened,
    recipient,
    revocation,
    surroundings,
    watermarks,
)


def opening(**changes: Any) -> Open:
    command = Open(
        delivery_id=delivery().delivery_id,
        recipient_ids=(COLLEGE,),
        opened_by=READER,
        notice_version=NOTICE_VERSION,
        current_notice=NOTICE_VERSION,
        at=AT,
    )
    return replace(command, **changes)


SECOND = timedelta(seconds=1)
REFUSED: dict[str, tuple[Delivery | None, dict[str, Any], dict[str, Any], Reason]] = {
    "there is none": (None, {}, {}, Reason.NOT_FOUND),
    "it is another recipient's": (delivery(), {"recipient_ids": (OTHER,)}, {}, Reason.NOT_FOUND),
    "it was cancelled": (delivery(status=Status.CANCELLED), {}, {}, Reason.EXPIRED),
    "a revocation is known": (delivery(), {}, {"revocation": revocation()}, Reason.EXPIRED),
    "the grant has run out": (delivery(expires_at=AT), {}, {}, Reason.EXPIRED),
    "the recipient is not known": (delivery(), {}, {"recipient": None}, Reason.NOT_ALLOWED),
    "the recipient is suspended": (delivery(), {}, {"recipient": recipient(Standing.SUSPENDED)}, Reason.NOT_ALLOWED),
    "knowledge is stale": (
        delivery(),
        {},
        {"watermarks": watermarks(AT - OLDEST_WATERMARK - SECOND / 1000)},
        Reason.NOT_NOW,
    ),
    "another notice was accepted": (delivery(), {"notice_version": "older"}, {}, Reason.INVALID),
}


@pytest.mark.parametrize(("known", "command", "around", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_nothing_is_disclosed_when(
    known: Delivery | None, command: dict[str, Any], around: dict[str, Any], reason: Reason
) -> None:
    verdict = open_delivery(known, opening(**command), around=surroundings(**around), chain=None)
    assert isinstance(verdict, Refusal)
    assert verdict.reason is reason


def test_p9_a_strangers_delivery_and_a_missing_one_get_the_same_answer() -> None:
    stranger = open_delivery(delivery(), opening(recipient_ids=(OTHER,)), around=surroundings(), chain=None)
    missing = open_delivery(None, opening(), around=surroundings(), chain=None)
    assert stranger == missing == NO_SUCH_DELIVERY


def test_opening_discloses_writes_the_ledger_and_says_so_together() -> None:
    verdict = open_delivery(delivery(), opening(), around=surroundings(), chain=None)
    assert isinstance(verdict, Decision)
    assert verdict.state.status is Status.DELIVERED
    assert verdict.state.version == 2
    (event,) = verdict.events
    row, chain = verdict.also
    assert isinstance(event, TranscriptDelivered)
    assert isinstance(row, LedgerRow)
    assert chain == Chain(school_id=SCHOOL, number=1, hash=row.hash)
    assert (event.ledger_row, event.ledger_hash, event.package_digest) == (1, row.hash, DIGEST)
    assert (verdict.state.ledger_number, verdict.state.ledger_hash) == (1, row.hash)


def test_an_abandoned_delivery_can_still_be_opened() -> None:
    verdict = open_delivery(
        delivery(status=Status.ABANDONED, cause="attempts-exhausted"), opening(), around=surroundings(), chain=None
    )
    assert isinstance(verdict, Decision)
    assert (verdict.state.status, verdict.state.cause) == (Status.DELIVERED, None)


def test_opening_twice_is_one_disclosure() -> None:
    verdict = open_delivery(opened(), opening(), around=surroundings(), chain=None)
    assert isinstance(verdict, Decision)
    assert (verdict.state, list(verdict.events), list(verdict.also)) == (opened(), [], [])


FRESH = {
    "just now": (timedelta(), True),
    "exactly 20 s old": (20 * SECOND, True),
    "a moment older than 20 s": (20 * SECOND + SECOND / 1000, False),
    "a little ahead of us": (-5 * SECOND, True),
    "far ahead of us: the clocks disagree": (-6 * SECOND, False),
}


@pytest.mark.parametrize(("age", "fresh"), FRESH.values(), ids=FRESH.keys())
def test_a_watermark_is_fresh_for_twenty_seconds(age: timedelta, *, fresh: bool) -> None:
    assert (freshness(watermarks(AT - age), AT) is None) is fresh


@pytest.mark.parametrize("behind", [0, 1, 5], ids=lambda seconds: f"our-clock-{seconds}-s-behind")
def test_no_answer_comes_later_than_the_bound_after_a_revocation_that_is_not_heard(behind: int) -> None:
    """Consent's last watermark was written the moment before the revocation was committed; then delivery is cut off."""
    revoked_at = AT
    tenths = (revoked_at + SECOND * tenth / 10 for tenth in range(600))
    still = [at for at in tenths if freshness(watermarks(revoked_at), at - behind * SECOND) is None]
    assert still[-1] + LONGEST_ANSWER - revoked_at <= BOUND == 30 * SECOND


@pytest.mark.parametrize("apart", [-5, 0, 5], ids=lambda seconds: f"clocks-{seconds}-s-apart")
def test_a_healthy_house_is_refused_nothing_though_two_watermarks_get_lost(apart: int) -> None:
    oldest = 3 * WATERMARK_SECONDS * SECOND
    newest = SECOND / 10
    assert all(freshness(watermarks(AT - age - apart * SECOND), AT) is None for age in (newest, oldest))


def test_a_request_of_which_something_could_not_be_read_is_not_disclosed_and_others_are() -> None:
    doubtful = [*watermarks()[:3], Watermark(partition="3", at=AT, doubted=(REQUEST,))]
    verdict = may_disclose(delivery(), (COLLEGE,), around=surroundings(watermarks=doubtful), at=AT)
    assert isinstance(verdict, Refusal)
    assert verdict.reason is Reason.NOT_NOW
    other = replace(delivery(), request_id=RequestId("req_another"))
    assert may_disclose(other, (COLLEGE,), around=surroundings(watermarks=doubtful), at=AT) == other


def test_one_stale_partition_is_enough_to_refuse() -> None:
    stale = Watermark(partition="2", at=AT - 21 * SECOND)
    assert freshness([*watermarks()[:2], stale, watermarks()[3]], AT) is not None


@pytest.mark.parametrize("known", [[], [*watermarks()[:3], None]], ids=["none at all", "one partition missing"])
def test_without_a_watermark_from_every_partition_nothing_is_disclosed(known: list[Watermark | None]) -> None:
    assert freshness(known, AT) is not None


def test_what_was_not_opened_is_not_fetched() -> None:
    verdict = may_fetch(delivery(), (COLLEGE,), around=surroundings(), at=AT)
    assert isinstance(verdict, Refusal)
    assert verdict.reason is Reason.CONFLICT


def test_what_was_opened_is_fetched_while_it_stands() -> None:
    assert may_fetch(opened(), (COLLEGE,), around=surroundings(), at=AT) == opened()


def test_what_was_opened_and_then_taken_back_is_fetched_no_more() -> None:
    verdict = may_fetch(opened(), (COLLEGE,), around=surroundings(revocation=revocation()), at=AT)
    assert isinstance(verdict, Refusal)
    assert verdict.reason is Reason.EXPIRED


def echo(digest: str = DIGEST, recipient_id: Any = COLLEGE) -> Acknowledge:
    return Acknowledge(delivery_id=delivery().delivery_id, recipient_ids=(recipient_id,), digest=digest, at=AT)


UNACKNOWLEDGED = {
    "there is none": (None, echo(), Reason.NOT_FOUND),
    "it is another recipient's": (opened(), echo(recipient_id=OTHER), Reason.NOT_FOUND),
    "it was cancelled": (opened(status=Status.CANCELLED), echo(), Reason.EXPIRED),
    "it was not opened": (delivery(), echo(), Reason.CONFLICT),
}


@pytest.mark.parametrize(("known", "command", "reason"), UNACKNOWLEDGED.values(), ids=UNACKNOWLEDGED.keys())
def test_nothing_is_acknowledged_when(known: Delivery | None, command: Acknowledge, reason: Reason) -> None:
    verdict = acknowledge(known, command)
    assert isinstance(verdict, Refusal)
    assert verdict.reason is reason


def test_the_same_digest_acknowledges() -> None:
    verdict = acknowledge(opened(), echo())
    assert isinstance(verdict, Decision)
    (event,) = verdict.events
    assert isinstance(event, TranscriptAcknowledged)
    assert (verdict.state.status, event.matches, event.version) == (Status.ACKNOWLEDGED, True, 3)


def test_another_digest_is_told_and_can_still_be_put_right() -> None:
    wrong = acknowledge(opened(), echo("sha256:" + "0" * 64))
    assert isinstance(wrong, Decision)
    (event,) = wrong.events
    assert isinstance(event, TranscriptAcknowledged)
    assert (wrong.state.status, event.matches) == (Status.DELIVERED, False)
    right = acknowledge(wrong.state, echo())
    assert isinstance(right, Decision)
    assert right.state.status is Status.ACKNOWLEDGED


@pytest.mark.parametrize("digest", [DIGEST, "sha256:" + "0" * 64], ids=["right", "wrong"])
def test_acknowledging_twice_says_nothing_new(digest: str) -> None:
    first = acknowledge(opened(), echo(digest))
    assert isinstance(first, Decision)
    again = acknowledge(first.state, echo(digest))
    assert isinstance(again, Decision)
    assert (again.state, list(again.events)) == (first.state, [])
