import asyncio
from collections.abc import Callable

import httpx
import pytest
from fastapi import APIRouter

from services.chassis import clock
from services.chassis.observe import telemetry
from services.chassis.web.health import Health

Serve = Callable[..., httpx.AsyncClient]


@pytest.fixture
def client(serve: Serve) -> httpx.AsyncClient:
    return serve(APIRouter())


async def fine() -> None: ...


async def broken() -> None:
    raise ConnectionError("mongodb://ada:secret@db")


async def asleep() -> None:
    await asyncio.sleep(60)


async def test_before_everything_is_built_it_is_alive_but_neither_started_nor_ready(client: httpx.AsyncClient) -> None:
    codes = [(await client.get(f"/health/{question}")).status_code for question in ("live", "started", "ready")]
    assert codes == [200, 503, 503]


async def test_ready_when_all_it_stands_on_answers(client: httpx.AsyncClient, health: Health) -> None:
    health.check("database", fine)
    health.started()
    answer = await client.get("/health/ready")
    assert (answer.status_code, answer.json()) == (200, {"status": "yes"})
    assert (await client.get("/health/started")).status_code == 200


async def test_what_does_not_answer_is_named_without_its_words(client: httpx.AsyncClient, health: Health) -> None:
    health.check("database", broken)
    health.check("broker", asleep, timeout=0.01)
    health.check("vault", fine)
    health.started()
    answer = await client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["because"] == {"database": "ConnectionError", "broker": "no answer in 0.01 s"}
    assert "secret" not in answer.text


async def test_liveness_does_not_care_what_others_do(client: httpx.AsyncClient, health: Health) -> None:
    health.check("database", broken)
    health.started()
    assert (await client.get("/health/live")).status_code == 200


async def test_a_loop_that_stopped_is_not_alive(client: httpx.AsyncClient, health: Health) -> None:
    health.watch("consumer", lambda: False)
    answer = await client.get("/health/live")
    assert (answer.status_code, answer.json()["because"]) == (503, {"consumer": "stopped"})


async def test_while_draining_nothing_new_is_wanted(client: httpx.AsyncClient, health: Health) -> None:
    health.started()
    health.draining()
    assert (await client.get("/health/ready")).status_code == 503
    assert (await client.get("/health/live")).status_code == 200


async def test_many_questions_in_a_moment_ask_the_database_once(
    client: httpx.AsyncClient, health: Health, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, moment = 0, 100.0

    async def ask() -> None:
        nonlocal asked
        asked += 1

    monkeypatch.setattr(clock, "seconds", lambda: moment)
    health.check("database", ask)
    health.started()
    for _ in range(20):
        await client.get("/health/ready")
    assert asked == 1
    moment += 1
    await client.get("/health/ready")
    assert asked == 2


async def test_metrics_are_told_with_templates_and_without_ids(serve: Serve) -> None:
    telemetry.configure("toy", "api")
    client = serve(APIRouter())
    await client.get("/toy/things/req_secret?name=Ada")
    text = (await client.get("/metrics")).text
    assert (
        'placet_http_request_seconds_count{method="GET",role="api",route="none",service="toy",status="404"} 1.0' in text
    )
    assert "req_secret" not in text
    assert "Ada" not in text


async def test_openmetrics_is_told_to_who_asks_for_it(client: httpx.AsyncClient) -> None:
    telemetry.configure("toy", "api")
    await client.get("/toy/nothing")
    answer = await client.get("/metrics", headers={"accept": "application/openmetrics-text;version=1.0.0,*/*;q=0.1"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.text.endswith("# EOF\n")
    assert (await client.get("/metrics")).headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
