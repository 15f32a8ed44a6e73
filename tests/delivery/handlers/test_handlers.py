"""Commands on a memory store: the disclosure and its row together, once, or not at all."""

import re
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.problem import Reason
from contracts.types import EndpointId, RequestId
from services.chassis import clock
from services.chassis.decision import Decision, Refusal
from services.chassis.observe import telemetry
from services.delivery.consumers import delivery_id_for
from services.delivery.domain import (
    Acknowledge,
    Answer,
    Attempted,
    Endpoint,
    EndpointState,
    NoticeState,
    Open,
    Ping,
    Put,
    Remove,
    Replay,
    Rotate,
    Status,
    verify_chain,
)
from services.delivery.domain.telling import CLAIM
from services.delivery.handlers import Handlers
from services.delivery.handlers.jobs import attempted_job, catch_up_job, claim_job, expire_job
from services.delivery.handlers.telling import find_late
from services.delivery.store import DELIVERIES, ENDPOINTS, LEDGER, NOTICES
from tests.delivery.scene import (
    AT,
    COLLEGE,
    DIGEST,
    NOTICE_VERSION,
    READER,
    SCHOOL,
    House,
    grant,
    organization_recorded,
    release,
    revoked,
    watermarks_passed,
)

DELIVERY = delivery_id_for(grant().jti)
END = EndpointId("end_main")


@pytest.fixture(autouse=True)
def at_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: AT)


@pytest.fixture
async def house() -> House:
    """A verified recipient, a release, and fresh watermarks."""
    made = House()
    await made.hear(organization_recorded(), release(), *watermarks_passed(AT))
    return made


def opening(at: datetime = AT, **changes: Any) -> Open:
    command = Open(
        delivery_id=DELIVERY,
        recipient_ids=(COLLEGE,),
        opened_by=READER,
        notice_version=NOTICE_VERSION,
        current_notice=NOTICE_VERSION,
        at=at,
    )
    return replace(command, **changes)


def putting(name: str = "main", at: datetime = AT) -> Put:
    return Put(
        endpoint_id=EndpointId(f"end_{name}"),
        recipient_id=COLLEGE,
        name=name,
        url="https://college.example/hooks",
        description="",
        sealed_secret=f"sealed-{name}",
        at=at,
    )


async def test_opening_writes_state_event_and_ledger_row_together(house: House) -> None:
    verdict = await Handlers(house.work).open(opening(), cause="cmd_1")
    assert isinstance(verdict, Decision)
    (row,) = await house.store.find(LEDGER, {})
    assert (row.row_id, row.hash, row.opened_by) == (f"{SCHOOL}:1", verdict.state.ledger_hash, READER)
    assert house.said[-1] == "delivery.transcript.delivered.v1"


async def test_a_crash_before_the_commit_discloses_nothing(house: House) -> None:
    house.store.crash_before_commit = True
    with pytest.raises(ConnectionError):
        await Handlers(house.work).open(opening(), cause="cmd_1")
    assert await house.store.find(LEDGER, {}) == []
    assert "delivery.transcript.delivered.v1" not in house.said


async def test_opening_twice_writes_one_row(house: House) -> None:
    handlers = Handlers(house.work)
    for cause in ("cmd_1", "cmd_1", "cmd_2"):
        assert isinstance(await handlers.open(opening(), cause=cause), Decision)
    assert len(await house.store.find(LEDGER, {})) == 1


async def test_the_first_opening_is_measured_from_the_approval_and_leads_to_a_trace(
    house: House, tmp_path: Path
) -> None:
    telemetry.configure("delivery", "api", traces_file=tmp_path / "traces.jsonl")
    handlers = Handlers(house.work)
    for cause in ("cmd_1", "cmd_2"):
        with telemetry.span("opening"):
            await handlers.open(opening(), cause=cause)
    told = telemetry.exposition("application/openmetrics-text")[0].decode()
    telemetry.shutdown()
    lines = [line for line in told.splitlines() if line.startswith("placet_approval_to_disclosure_seconds")]
    assert [line.rpartition(" ")[2] for line in lines if "_count{" in line] == ["1.0"]
    [example] = [line.partition(" # ")[2] for line in lines if 'le="10.0"' in line]
    assert re.match(r'{trace_id="[0-9a-f]{32}"} 10\.0 ', example)
    assert sum(" # " in line for line in lines) == 1


async def test_opening_again_after_a_revocation_is_refused_even_as_the_same_command(house: House) -> None:
    handlers = Handlers(house.work)
    await handlers.open(opening(), cause="cmd_1")
    await house.hear(revoked())
    verdict = await handlers.open(opening(), cause="cmd_1")
    assert isinstance(verdict, Refusal)
    assert verdict.reason is Reason.EXPIRED


async def test_stale_knowledge_of_revocations_refuses_and_fresh_knowledge_opens(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers, later = Handlers(house.work), AT + timedelta(seconds=31)
    stale = await handlers.open(opening(later), cause="cmd_1")
    assert isinstance(stale, Refusal)
    assert stale.reason is Reason.NOT_NOW
    monkeypatch.setattr(clock, "now", lambda: later)
    await house.hear(*watermarks_passed(later))
    assert isinstance(await handlers.open(opening(later), cause="cmd_1"), Decision)


async def test_disclosures_of_a_school_are_one_chain(house: House) -> None:
    handlers = Handlers(house.work)
    for number in range(2, 6):
        other = grant(jti=f"grt_0123456789abcde{number}", request_id=RequestId(f"req_{number}"))
        await house.hear(release(other))
        verdict = await handlers.open(opening(delivery_id=delivery_id_for(other.jti)), cause=f"cmd_{number}")
        assert isinstance(verdict, Decision)
    rows = await house.questions.rows_at(SCHOOL)
    assert [row.number for row in rows] == [1, 2, 3, 4]
    assert verify_chain(rows) is None


async def test_an_acknowledgement_is_said_once(house: House) -> None:
    handlers = Handlers(house.work)
    await handlers.open(opening(), cause="cmd_1")
    command = Acknowledge(delivery_id=DELIVERY, recipient_ids=(COLLEGE,), digest=DIGEST, at=AT)
    for _ in range(2):
        verdict = await handlers.acknowledge(command, cause="cmd_2")
        assert isinstance(verdict, Decision)
        assert verdict.state.status is Status.ACKNOWLEDGED
    assert house.said.count("delivery.transcript.acknowledged.v1") == 1


async def test_a_new_endpoint_is_told_of_what_waited(house: House) -> None:
    await Handlers(house.work).put_endpoint(putting(), cause="cmd_1")
    (late,) = await find_late(house.questions, 100)
    await house.work.carry_out_batch([catch_up_job(late.endpoint, late.delivery, AT)])
    (notice,) = await house.questions.due(AT, 10)
    assert (notice.delivery_id, notice.endpoint_id) == (DELIVERY, END)
    (rest,) = await find_late(house.questions, 100)
    assert rest.delivery is None
    await house.work.carry_out_batch([catch_up_job(rest.endpoint, None, AT + timedelta(minutes=2))])
    assert await find_late(house.questions, 100) == []


async def told(house: House) -> None:
    """An endpoint, and one more release that it is told of."""
    await Handlers(house.work).put_endpoint(putting(), cause="cmd_1")
    await house.hear(release(grant(jti="grt_another-9876543", request_id=RequestId("req_9"))))


async def test_an_attempt_is_claimed_made_and_recorded(house: House) -> None:
    await told(house)
    (due,) = await house.questions.due(AT, 10)
    (begun,) = await house.work.carry_out_batch([claim_job(due, AT)])
    assert isinstance(begun, Decision)
    assert await house.questions.due(AT + CLAIM - timedelta(seconds=1), 10) == []
    ended = Attempted(notice_id=due.notice_id, claim=1, answer=Answer.TAKEN, said="200", at=AT)
    await house.work.carry_out_batch([attempted_job(due, ended)])
    (sent,) = await house.store.find(NOTICES, {})
    assert (sent.state, sent.last_said) == (NoticeState.SENT, "200")


async def test_after_a_crash_between_the_beats_the_notice_is_due_again_with_the_same_bytes(house: House) -> None:
    await told(house)
    (first,) = await house.questions.due(AT, 10)
    await house.work.carry_out_batch([claim_job(first, AT)])
    (again,) = await house.questions.due(AT + CLAIM, 10)
    assert (again.webhook_id, again.body, again.failures) == (first.webhook_id, first.body, 0)


async def test_a_revocation_between_the_beats_is_met_by_the_last(house: House) -> None:
    await told(house)
    (due,) = await house.questions.due(AT, 10)
    await house.work.carry_out_batch([claim_job(due, AT)])
    await house.hear(revoked(request_id=RequestId("req_9")))
    failed = Attempted(notice_id=due.notice_id, claim=1, answer=Answer.FAILED, said="500", at=AT)
    (outcome,) = await house.work.carry_out_batch([attempted_job(due, failed)])
    assert isinstance(outcome, Refusal)
    kinds = {(str(one.kind), one.state) for one in await house.store.find(NOTICES, {})}
    assert kinds == {
        ("transcript.available", NoticeState.DROPPED),
        ("transcript.revoked", NoticeState.WAITING),
    }


async def test_attempts_run_out_and_the_delivery_is_abandoned_but_opens(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await told(house)
    at, rounds = AT, 0
    while due := await house.questions.due(at, 10):
        (notice,) = due
        await house.work.carry_out_batch([claim_job(notice, at)])
        failed = Attempted(notice_id=notice.notice_id, claim=rounds + 1, answer=Answer.FAILED, said="500", at=at)
        await house.work.carry_out_batch([attempted_job(notice, failed)])
        (kept,) = await house.store.find(NOTICES, {})
        at, rounds = kept.due_at or at, rounds + 1
    assert (rounds, kept.state) == (10, NoticeState.FAILED)
    assert house.said[-1] == "delivery.transcript.abandoned.v1"
    monkeypatch.setattr(clock, "now", lambda: at)
    await house.hear(*watermarks_passed(at))
    other = delivery_id_for("grt_another-9876543")
    assert isinstance(await Handlers(house.work).open(opening(at, delivery_id=other), cause="cmd_2"), Decision)


async def test_what_nobody_opened_runs_out(house: House) -> None:
    over = AT + timedelta(days=181)
    (expired,) = await house.questions.expired(over, 10)
    await house.work.carry_out_batch([expire_job(expired, over)])
    (ended,) = await house.store.find(DELIVERIES, {})
    assert (ended.status, ended.cause) == (Status.CANCELLED, "expired")
    assert await house.questions.expired(over, 10) == []


async def test_an_endpoint_lives_from_making_to_removal(house: House) -> None:
    handlers = Handlers(house.work)
    await handlers.put_endpoint(putting(), cause="cmd_1")
    rotated = await handlers.rotate_endpoint(Rotate(endpoint_id=END, sealed_secret="fresh", at=AT), cause="cmd_2")
    assert isinstance(rotated, Decision)
    assert len(rotated.state.secrets) == 2
    pinged = await handlers.ping_endpoint(Ping(endpoint_id=END, webhook_id="msg_ping", at=AT), cause="cmd_3")
    again = await handlers.ping_endpoint(Ping(endpoint_id=END, webhook_id="msg_ping", at=AT), cause="cmd_3")
    assert isinstance(pinged, Decision)
    assert isinstance(again, Decision)
    await handlers.remove_endpoint(Remove(endpoint_id=END, at=AT), cause="cmd_4")
    (kept,) = await house.store.find(ENDPOINTS, {})
    assert (kept.state, kept.secrets) == (EndpointState.REMOVED, ())
    assert await house.questions.endpoints_of([COLLEGE]) == []


async def test_a_sixth_endpoint_is_refused(house: House) -> None:
    handlers = Handlers(house.work)
    made: list[Decision[Endpoint] | Refusal] = [
        await handlers.put_endpoint(putting(str(number)), cause=f"cmd_{number}") for number in range(6)
    ]
    assert [isinstance(one, Decision) for one in made] == [True] * 5 + [False]


async def test_a_replay_is_due_now(house: House) -> None:
    await told(house)
    (due,) = await house.questions.due(AT, 10)
    await house.work.carry_out_batch([claim_job(due, AT)])
    taken = Attempted(notice_id=due.notice_id, claim=1, answer=Answer.TAKEN, said="200", at=AT)
    await house.work.carry_out_batch([attempted_job(due, taken)])
    assert due.delivery_id is not None
    command = Replay(delivery_id=due.delivery_id, recipient_ids=(COLLEGE,), at=AT)
    assert isinstance(await Handlers(house.work).replay(command, cause="cmd_7"), Decision)
    (again,) = await house.questions.due(AT, 10)
    assert (again.webhook_id, again.body) == (due.webhook_id, due.body)


async def test_a_replay_of_nothing_is_refused(house: House) -> None:
    command = Replay(delivery_id=delivery_id_for("grt_unknown-99999999"), recipient_ids=(COLLEGE,), at=AT)
    assert isinstance(await Handlers(house.work).replay(command, cause="cmd_1"), Refusal)
