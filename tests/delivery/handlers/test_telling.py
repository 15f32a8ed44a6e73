"""The three beats against a real server on loopback: told once, the same bytes on every attempt, nobody held up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks import Webhook

from contracts.types import EndpointId, OrganizationId, RequestId
from services.chassis import clock
from services.chassis.duty import Claimed, Duty
from services.chassis.store.work import Job
from services.delivery import consumers
from services.delivery.domain import EndpointState, Notice, NoticeState, Put, Status
from services.delivery.domain.telling import CLAIM
from services.delivery.gateways.pace import WELL_AT_ONCE, Pace
from services.delivery.gateways.signing import EndpointSecrets
from services.delivery.gateways.webhooks import Webhooks
from services.delivery.handlers import Handlers
from services.delivery.handlers.telling import BORN_AT_ONCE, BORN_SECONDS, Telling
from services.delivery.store import DELIVERIES, ENDPOINTS, NOTICES
from tests.delivery.scene import (
    AT,
    COLLEGE,
    KEYS,
    ORIGIN,
    House,
    endpoint,
    grant,
    notice,
    organization_recorded,
    release,
)
from tests.delivery.sealed import own_key

END = EndpointId("end_main")


@dataclass
class Recipient:
    """A recipient's server. It answers what it is told to, in order, and with 204 after that."""

    answers: list[int] = field(default_factory=list)
    seen: list[tuple[str, bytes, dict[str, str]]] = field(default_factory=list)
    url: str = ""

    async def take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.seen.append((headers["webhook-id"], await request.read(), headers))
        return web.Response(status=self.answers.pop(0) if self.answers else 204)


@pytest.fixture
async def recipient() -> AsyncIterator[Recipient]:
    made, app = Recipient(), web.Application()
    app.router.add_post("/hooks", made.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hooks"
    yield made
    await runner.cleanup()


@dataclass
class Bench:
    """A worker's duty over a memory store."""

    house: House
    telling: Telling
    secret: str

    async def run(self, until: int, recipient: Recipient) -> None:
        duty = Duty(
            "delivery.tell",
            find_due=self.telling.find_due,
            begin=self.telling.begin,
            act=self.telling.act,
            record=self.telling.record,
            every=0.02,
        )
        running = asyncio.create_task(duty.run(self.house.work))
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                while len(recipient.seen) < until:
                    await asyncio.sleep(0.01)
        duty.stop()
        await running

    async def notices(self) -> list[Notice]:
        return await self.house.store.find(NOTICES, {})

    async def due_now(self) -> None:
        """Let time pass: what waits is due."""
        for row in self.house.store.tables[NOTICES.collection.name].values():
            if row["due_at"] is not None:
                row["due_at"] = AT


@pytest.fixture
async def bench(tmp_path: Path, recipient: Recipient) -> AsyncIterator[Bench]:
    house, secrets = House(), EndpointSecrets(own_key(tmp_path))
    webhooks = Webhooks(local=True, ports=(443,))
    drawn = secrets.draw(END)
    command = Put(
        endpoint_id=END,
        recipient_id=COLLEGE,
        name="main",
        url=recipient.url,
        description="",
        sealed_secret=drawn.sealed,
        at=AT,
    )
    await Handlers(house.work).put_endpoint(command, cause="cmd_put")
    now = clock.now()
    await house.hear(organization_recorded(), release(grant(now)), at=now)
    yield Bench(house, Telling(house.questions, webhooks, secrets, Pace()), drawn.spelled)
    await webhooks.close()


@pytest.mark.connected
async def test_a_release_is_told_once_and_verifies(bench: Bench, recipient: Recipient) -> None:
    await bench.run(1, recipient)
    ((webhook_id, body, headers),) = recipient.seen
    told = Webhook(bench.secret).verify(body, headers)
    assert told["type"] == "transcript.available"
    (sent,) = await bench.notices()
    assert (sent.webhook_id, sent.state, sent.last_said) == (webhook_id, NoticeState.SENT, "204")


@pytest.mark.connected
async def test_every_attempt_has_the_same_id_and_the_same_bytes(bench: Bench, recipient: Recipient) -> None:
    recipient.answers = [500, 503]
    for attempt in (1, 2, 3):
        await bench.run(attempt, recipient)
        await bench.due_now()
    assert len({webhook_id for webhook_id, _, _ in recipient.seen}) == 1
    assert len({body for _, body, _ in recipient.seen}) == 1
    assert len(recipient.seen) == 3
    (sent,) = await bench.notices()
    assert (sent.state, sent.failures) == (NoticeState.SENT, 2)


@pytest.mark.connected
async def test_410_disables_the_endpoint_and_nothing_more_is_sent(bench: Bench, recipient: Recipient) -> None:
    recipient.answers = [410]
    await bench.run(1, recipient)
    another = grant(clock.now(), jti="grt_another-9876543", request_id=RequestId("req_9"))
    await bench.house.hear(release(another), at=clock.now())
    await bench.run(2, recipient)
    (kept,) = await bench.house.store.find(ENDPOINTS, {})
    assert (kept.state, kept.why, len(recipient.seen)) == (EndpointState.DISABLED, "gone", 1)
    statuses = {one.status for one in await bench.house.store.find(DELIVERIES, {})}
    assert statuses == {Status.ABANDONED, Status.AVAILABLE}


@pytest.mark.connected
async def test_an_endpoint_removed_between_finding_and_beginning_is_not_called(
    bench: Bench, recipient: Recipient
) -> None:
    (due,) = await bench.telling.find_due(clock.now(), 10)
    for row in bench.house.store.tables[ENDPOINTS.collection.name].values():
        row["state"] = "removed"
    claim = bench.telling.begin(due)
    assert isinstance(claim, Job)
    (begun,) = await bench.house.work.carry_out_batch([claim])
    attempted = await bench.telling.act(due, begun)  # type: ignore[arg-type]
    assert attempted is None
    await bench.house.work.carry_out_batch([bench.telling.record(due, attempted)])
    (dropped,) = await bench.notices()
    assert (dropped.state, recipient.seen) == (NoticeState.DROPPED, [])


async def crowd(house: House, count: int) -> None:
    """Many notices due for one endpoint, and behind them one for another."""
    other = EndpointId("end_other")
    notices = [notice(notice_id=f"n_{number}:end_main", endpoint_id=END) for number in range(count)]
    last = notice(notice_id="n_last:end_other", endpoint_id=other, recipient_id=OrganizationId("org_other"))
    documents = [NOTICES.document(one, 1) for one in (*notices, last)]
    ends = [ENDPOINTS.document(endpoint("other", endpoint_id=other), 1)]
    await house.store.transact(lambda unit: unit.write({NOTICES: documents, ENDPOINTS: ends}, [], []))


async def test_a_crowd_for_one_endpoint_leaves_room_for_another(tmp_path: Path) -> None:
    house = House()
    await crowd(house, 100)
    secrets = EndpointSecrets(own_key(tmp_path))
    pace = Pace()
    telling = Telling(house.questions, Webhooks(local=True, ports=()), secrets, pace)
    first = [due.notice.endpoint_id for due in await telling.find_due(AT, 32)]
    assert first == [END] * WELL_AT_ONCE
    for endpoint_id in first:
        pace.begin(endpoint_id)
    assert [due.notice.endpoint_id for due in await telling.find_due(AT, 16)] == ["end_other"]


async def test_an_endpoint_that_fails_is_looked_past(tmp_path: Path) -> None:
    house, pace = House(), Pace()
    await crowd(house, 300)
    for _ in range(10):
        pace.begin(END)
        pace.end(END, clock.seconds(), well=False, took=0.1)
    telling = Telling(house.questions, Webhooks(local=True, ports=()), EndpointSecrets(own_key(tmp_path)), pace)
    assert [due.notice.endpoint_id for due in await telling.find_due(AT, 32)] == ["end_other"]


@pytest.mark.connected
async def test_a_release_heard_by_who_tells_is_told_without_another_beat(bench: Bench, recipient: Recipient) -> None:
    house = bench.house
    house.hearing = consumers.hearing(
        consumers.verifier(lambda: KEYS), house.questions, origin=ORIGIN, teller=bench.telling
    )
    now = clock.now()
    other = grant(now, request_id=RequestId("req_2"), jti="grt_born-0123456789")
    await bench.run(1, recipient)
    await house.hear(release(other), at=now)
    (born,) = [one for one in await bench.notices() if one.claims == 1 and one.state is NoticeState.WAITING]
    await bench.run(2, recipient)
    told = next(one for one in await bench.notices() if one.notice_id == born.notice_id)
    assert (told.state, told.claims) == (NoticeState.SENT, 1)
    assert recipient.seen[-1][0] == born.webhook_id


def born(count: int, **changes: Any) -> list[Notice]:
    return [
        notice(notice_id=f"b_{number}:end_main", endpoint_id=END, claims=1, due_at=AT + CLAIM, **changes)
        for number in range(count)
    ]


async def test_what_was_due_before_is_found_however_much_is_born(tmp_path: Path) -> None:
    house = House()
    await crowd(house, 1)
    telling = Telling(house.questions, Webhooks(local=True, ports=()), EndpointSecrets(own_key(tmp_path)), Pace())
    looks: list[list[bool]] = []
    for _ in range(4):
        telling.take(born(1), [endpoint("main", endpoint_id=END)])
        looks.append([due.claimed for due in await telling.find_due(AT, 32)])
    assert looks == [[True], [True, False, False]] * 2


async def test_what_is_born_claimed_waits_for_room_a_moment_and_is_let_go_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, pace, seconds = House(), Pace(), clock.seconds()
    monkeypatch.setattr(clock, "seconds", lambda: seconds)
    telling = Telling(house.questions, Webhooks(local=True, ports=()), EndpointSecrets(own_key(tmp_path)), pace)
    telling.take(born(BORN_AT_ONCE), [endpoint("main", endpoint_id=END)])
    assert not telling.has_room()
    first = await telling.find_due(AT, 32)
    assert [one.claimed for one in first] == [True] * WELL_AT_ONCE
    assert isinstance(telling.begin(first[0]), Claimed)
    assert telling.has_room()
    for _ in first:
        pace.begin(END)
    assert await telling.find_due(AT, 32) == []
    seconds += BORN_SECONDS
    assert await telling.find_due(AT, 32) == []
    for _ in first:
        pace.end(END, seconds, well=True, took=0.1)
    assert await telling.find_due(AT, 32) == []
