"""What a release becomes: one grant, one delivery."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from contracts.delivery.v1 import DeliveryCancelled, TranscriptAvailable
from contracts.problem import Reason
from contracts.types import DeliveryId, Standing
from services.chassis.decision import Decision, Refusal
from services.delivery.domain import Delivery, Notice, NoticeState, Receive, Status, mismatch, receive
from services.delivery.domain.state import EndpointState
from services.delivery.domain.telling import CLAIM
from tests.delivery.scene import AT, COLLEGE, DIGEST, ORIGIN, delivery, endpoint, grant, recipient, release, revocation

COMMAND = Receive(
    delivery_id=DeliveryId("dlv_1"),
    release=release(),
    grant=grant(),
    expires_at=AT + timedelta(days=180),
    link=f"{ORIGIN}/delivery/deliveries/dlv_1",
    at=AT,
)
AROUND: dict[str, Any] = {
    "already": None,
    "siblings": (),
    "revocation": None,
    "recipient": recipient(),
    "endpoints": (endpoint(),),
}


def decided(**changes: Any) -> Decision[Delivery]:
    verdict = receive(COMMAND, **(AROUND | changes))
    assert isinstance(verdict, Decision)
    return verdict


DIFFERENT = {
    "request_id": "req_2",
    "school_id": "org_other",
    "student_id": "per_other",
    "recipient_id": "org_other",
    "package_id": "pkg_2",
    "package_digest": "sha256:" + "0" * 64,
}


@pytest.mark.parametrize(("field", "value"), DIFFERENT.items(), ids=DIFFERENT.keys())
def test_a_release_must_be_just_what_its_grant_allows(field: str, value: str) -> None:
    assert mismatch(release().model_copy(update={field: value}), grant()) == field


def test_a_release_that_is_just_that_has_no_mismatch() -> None:
    assert mismatch(release(), grant()) is None


def test_a_release_becomes_available_and_a_notice_is_due_now() -> None:
    verdict = decided()
    (told,) = verdict.also
    (event,) = verdict.events
    assert isinstance(told, Notice)
    assert isinstance(event, TranscriptAvailable)
    assert (verdict.state.status, verdict.state.untold) == (Status.AVAILABLE, False)
    assert (told.due_at, told.endpoint_id) == (AT, endpoint().endpoint_id)
    assert (verdict.state.package_digest, verdict.state.basis, verdict.state.transcript_version) == (
        DIGEST,
        grant().basis,
        3,
    )


def test_a_notice_that_is_told_at_once_is_born_claimed_and_becomes_due_again_by_itself() -> None:
    verdict = receive(replace(COMMAND, claimed=True), **AROUND)
    assert isinstance(verdict, Decision)
    (told,) = verdict.also
    assert isinstance(told, Notice)
    assert (told.claims, told.due_at, told.state) == (1, AT + CLAIM, NoticeState.WAITING)


def test_every_active_endpoint_is_told_the_same_bytes_under_the_same_id() -> None:
    off = endpoint("off", state=EndpointState.DISABLED)
    first, second = decided(endpoints=(endpoint("b"), endpoint("a"), off)).also
    assert isinstance(first, Notice)
    assert isinstance(second, Notice)
    assert (first.endpoint_id, second.endpoint_id) == ("end_a", "end_b")
    assert (first.webhook_id, first.body) == (second.webhook_id, second.body)


def test_without_an_endpoint_it_waits_untold() -> None:
    verdict = decided(endpoints=())
    assert (verdict.state.untold, list(verdict.also)) == (True, [])


def test_a_recipient_not_heard_of_yet_is_no_reason_to_lose_a_release() -> None:
    assert decided(recipient=None).state.status is Status.AVAILABLE


@pytest.mark.parametrize("standing", [Standing.UNVERIFIED, Standing.SUSPENDED])
def test_a_recipient_that_is_not_verified_gets_nothing_and_it_is_said(standing: Standing) -> None:
    verdict = decided(recipient=recipient(standing))
    (event,) = verdict.events
    assert isinstance(event, DeliveryCancelled)
    assert (event.cause, event.disclosed, list(verdict.also)) == ("recipient-not-verified", False, [])


def test_a_revocation_heard_before_the_release_cancels_it_from_the_start() -> None:
    verdict = decided(revocation=revocation())
    (event,) = verdict.events
    assert isinstance(event, DeliveryCancelled)
    assert (verdict.state.status, verdict.state.sealed_key, event.cause) == (Status.CANCELLED, "", "revoked")
    assert list(verdict.also) == []


TWICE = {
    "the same grant again": {"already": delivery()},
    "the same grant under another request": {"already": delivery(request_id="req_2")},
    "another grant for the same request": {"siblings": (delivery(delivery_id="dlv_2"),)},
}


@pytest.mark.parametrize("around", TWICE.values(), ids=TWICE.keys())
def test_one_grant_makes_one_delivery(around: dict[str, Any]) -> None:
    verdict = receive(COMMAND, **(AROUND | around))
    assert isinstance(verdict, Refusal)
    assert verdict.reason is Reason.CONFLICT


def test_another_requests_delivery_is_no_hindrance() -> None:
    other = replace(delivery(request_id="req_2"), recipient_id=COLLEGE)
    assert decided(siblings=(other,)).state.status is Status.AVAILABLE


def test_a_release_heard_after_its_grant_ran_out_is_cancelled_and_said_so() -> None:
    verdict = receive(replace(COMMAND, at=COMMAND.expires_at), **AROUND)
    assert isinstance(verdict, Decision)
    assert (verdict.state.status, verdict.state.cause) == (Status.CANCELLED, "expired")
    assert [type(event) for event in verdict.events] == [DeliveryCancelled]
    assert not any(isinstance(one, Notice) for one in verdict.also)
