"""State and event together, each command once, and nothing left behind by a crash."""

import json
from typing import Any

import pytest

from contracts.problem import Reason
from contracts.types import PersonId, Purpose
from services.chassis.decision import Decision, Refusal
from services.chassis.store.outbox import event_id
from services.chassis.store.work import AlreadyDone, Work
from services.consent.domain import Request, Status
from services.consent.handlers import USED_UP, Handlers, expire_job
from services.consent.store import REQUESTS, SHELVES, Questions
from tests.consent.build import (
    AT,
    COLLEGE,
    FUND,
    GUARDIAN,
    LATER,
    PACKAGE_DIGEST,
    REGISTRAR,
    REQUEST,
    SCHOOL,
    STRANGER,
    STUDENT,
    TRANSCRIPT,
    a_request,
    a_signed_request,
    a_store,
    an_approved_request,
    grant_in,
    sign_grant,
    the_house,
    to_approve,
    to_open,
    to_refuse,
    to_revoke,
    to_sign,
)
from tests.support.memory import MemoryStore


class House:
    """Consent's handlers over a store that holds these states."""

    def __init__(self, *states: Any) -> None:
        self.store: MemoryStore = a_store(*the_house(*states))
        self.work = Work(self.store, SHELVES)
        self.handlers = Handlers(self.work, sign_grant)

    async def request(self) -> Request | None:
        return await Questions(self.store).request(REQUEST)

    @property
    def said(self) -> list[str]:
        return [row["type"] for row in self.store.outbox]

    @property
    def last(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.store.outbox[-1]["body"])
        return body


def state(verdict: Decision[Request] | Refusal) -> Request:
    assert isinstance(verdict, Decision), verdict
    return verdict.state


async def test_opening_writes_the_request_and_says_so() -> None:
    house = House()
    opened = state(await house.handlers.open(to_open(), cause="cmd_1"))
    assert await house.request() == opened
    assert house.said == ["consent.request.opened.v1"]
    assert house.last["signers"] == [GUARDIAN]
    assert house.store.inbox == ["cmd_1"]
    assert house.store.outbox[0]["correlation"] == REQUEST


async def test_an_opening_that_is_refused_writes_nothing() -> None:
    house = House()
    verdict = await house.handlers.open(to_open(transcript_id="trn_none"), cause="cmd_1")
    assert isinstance(verdict, Refusal)
    assert await house.request() is None
    assert house.said == []


async def test_the_same_opening_again_opens_no_second_one() -> None:
    house = House()
    first = state(await house.handlers.open(to_open(), cause="cmd_1"))
    assert state(await house.handlers.open(to_open(at=LATER), cause="cmd_1")) == first
    assert house.said == ["consent.request.opened.v1"]


async def test_one_key_opens_no_two_different_requests() -> None:
    house = House()
    await house.handlers.open(to_open(), cause="cmd_1")
    verdict = await house.handlers.open(to_open(recipient_id=FUND, purpose=Purpose.SCHOLARSHIP), cause="cmd_1")
    assert isinstance(verdict, Refusal)
    assert "idempotency key" in verdict.detail


async def test_the_approval_carries_the_grant_over_exactly_what_was_approved() -> None:
    house = House(a_request())
    approved = state(await house.handlers.sign(to_sign(), cause="stp_1"))
    assert house.said == ["consent.request.approved.v1"]
    assert house.last["grant"] == approved.grant
    grant = grant_in(house.last["grant"], audience="delivery")
    assert (grant.package_digest, grant.recipient_id) == (PACKAGE_DIGEST, COLLEGE)
    assert (grant.selection, grant.purpose) == (approved.selection, approved.purpose)
    assert (grant.transcript_id, grant.sub, grant.school_id) == (TRANSCRIPT, STUDENT, SCHOOL)
    assert house.last["package_digest"] == PACKAGE_DIGEST
    assert await house.request() == approved


async def test_the_event_of_an_approval_always_has_the_same_id() -> None:
    house = House(a_request())
    await house.handlers.sign(to_sign(), cause="stp_1")
    (row,) = house.store.outbox
    from contracts.consent.v1 import ConsentApproved

    assert row["_id"] == event_id("stp_1", ConsentApproved.model_validate_json(row["body"]))


async def test_a_second_signature_with_the_same_step_up_gives_the_same_answer() -> None:
    house = House(a_request())
    first = state(await house.handlers.sign(to_sign(), cause="stp_1"))
    second = state(await house.handlers.sign(to_sign(grant_id="grt_" + "9" * 26), cause="stp_1"))
    assert second == first
    assert len(house.said) == 1


async def test_a_stranger_with_the_same_step_up_twice_learns_nothing() -> None:
    # The first answer is remembered as handled; the second one must not hand out the request.
    house = House(a_request())
    for _ in range(2):
        verdict = await house.handlers.sign(to_sign(person_id=STRANGER), cause="stp_1")
        assert isinstance(verdict, Refusal)
        assert verdict.reason is Reason.NOT_FOUND


async def test_a_step_up_whose_signature_was_refused_does_not_sign_later() -> None:
    house = House(a_request(package=None))
    first = await house.handlers.sign(to_sign(), cause="stp_1")
    assert isinstance(first, Refusal)
    assert first.reason is Reason.NOT_NOW
    house.store.tables["requests"][REQUEST] = REQUESTS.document(a_request(), 2)
    assert await house.handlers.sign(to_sign(), cause="stp_1") is USED_UP
    assert house.said == []
    assert state(await house.handlers.sign(to_sign(), cause="stp_2")).status is Status.APPROVED


async def test_two_signatures_at_once_make_one_approval() -> None:
    house = House(a_request())
    import asyncio

    answers = await asyncio.gather(*(house.handlers.sign(to_sign(), cause=f"stp_{n}") for n in range(2)))
    assert state(answers[0]) == state(answers[1])
    assert house.said == ["consent.request.approved.v1"]


async def test_the_school_approves_after_the_family() -> None:
    house = House(a_request(school_approves=True))
    assert state(await house.handlers.sign(to_sign(), cause="stp_1")).status is Status.SIGNED
    assert state(await house.handlers.approve_for_school(to_approve(), cause="stp_2")).status is Status.APPROVED
    assert house.said == ["consent.request.signed.v1", "consent.request.approved.v1"]
    assert grant_in(house.last["grant"]).grantor.person_id == GUARDIAN


async def test_refusing_and_taking_back_are_said() -> None:
    house = House(a_request())
    assert state(await house.handlers.refuse(to_refuse(), cause="cmd_1")).status is Status.REFUSED
    assert house.last["refused_by"] == GUARDIAN
    house = House(an_approved_request())
    revoked = state(await house.handlers.revoke(to_revoke(), cause="stp_1"))
    assert revoked.status is Status.REVOKED
    assert (house.said, house.last["after_approval"]) == (["consent.request.revoked.v1"], True)


async def test_the_school_may_refuse_and_stop() -> None:
    by_school = {"person_id": REGISTRAR, "school_id": SCHOOL}
    house = House(a_signed_request())
    assert state(await house.handlers.refuse(to_refuse(**by_school), cause="cmd_1")).status is Status.REFUSED
    house = House(an_approved_request())
    assert state(await house.handlers.revoke(to_revoke(**by_school), cause="stp_1")).status is Status.REVOKED


@pytest.mark.parametrize("person", [STRANGER, STUDENT], ids=["a stranger", "the student under 18"])
async def test_nobody_else_ends_what_was_approved(person: PersonId) -> None:
    house = House(an_approved_request())
    for verdict in (
        await house.handlers.refuse(to_refuse(person_id=person), cause="cmd_1"),
        await house.handlers.revoke(to_revoke(person_id=person), cause="stp_1"),
    ):
        assert isinstance(verdict, Refusal)
        assert verdict.reason is Reason.NOT_FOUND
    assert house.said == []


async def test_a_request_that_is_not_there_is_answered_like_a_strangers() -> None:
    house = House()
    answers = [
        await house.handlers.sign(to_sign(), cause="1"),
        await house.handlers.approve_for_school(to_approve(), cause="2"),
        await house.handlers.refuse(to_refuse(), cause="3"),
        await house.handlers.revoke(to_revoke(), cause="4"),
    ]
    assert {answer.reason for answer in answers if isinstance(answer, Refusal)} == {Reason.NOT_FOUND}


async def test_a_crash_before_the_commit_leaves_nothing_behind() -> None:
    house = House(a_request())
    house.store.crash_before_commit = True
    with pytest.raises(ConnectionError):
        await house.handlers.sign(to_sign(), cause="stp_1")
    assert await house.request() == a_request()
    assert (house.said, house.store.inbox) == ([], [])
    # And the same step-up signs when the house is up again: nothing was said about it.
    house.store.crash_before_commit = False
    assert state(await house.handlers.sign(to_sign(), cause="stp_1")).status is Status.APPROVED


async def test_the_chore_ends_what_nobody_signed_in_time() -> None:
    house = House(a_request())
    (outcome,) = await house.work.carry_out_batch([expire_job(a_request(), AT)])
    assert isinstance(outcome, Refusal)
    over = a_request().expires_at
    (outcome,) = await house.work.carry_out_batch([expire_job(a_request(), over)])
    assert isinstance(outcome, Decision)
    assert house.said == ["consent.request.expired.v1"]
    assert not isinstance(outcome, AlreadyDone)
