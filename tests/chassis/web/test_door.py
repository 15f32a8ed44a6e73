import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from fastapi import APIRouter

from services.chassis.observe import telemetry
from services.chassis.web.auth import anyone

Serve = Callable[..., httpx.AsyncClient]
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def client(serve: Serve) -> httpx.AsyncClient:
    router = APIRouter()
    inner = APIRouter()

    @inner.get("/{thing_id}", dependencies=[anyone()])
    async def thing(thing_id: str) -> dict[str, str | None]:
        return {"trace": telemetry.traceparent(), "bound": structlog.contextvars.get_contextvars().get("request_id")}

    @router.get("/broken", dependencies=[anyone()])
    async def broken() -> None:
        raise RuntimeError("Ada Lovelace")

    router.include_router(inner, prefix="/things")
    return serve(router)


async def test_a_request_is_one_line_with_its_template_and_never_its_path(client: httpx.AsyncClient) -> None:
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        answer = await client.get("/toy/things/Lovelace?name=Ada")
    [line] = lines
    assert line.pop("duration_ms") >= 0
    assert line == {
        "event": "http.request",
        "log_level": "info",
        "method": "GET",
        "route": "/toy/things/{thing_id}",
        "status": 200,
        "request_id": answer.headers["x-request-id"],
    }


async def test_a_bug_is_a_line_with_its_place_and_the_id_the_caller_was_told(client: httpx.AsyncClient) -> None:
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        answer = await client.get("/toy/broken")
    assert [line["event"] for line in lines] == ["http.broken", "http.request"]
    assert lines[0]["exc_info"] is True
    assert {line["request_id"] for line in lines} == {answer.json()["instance"]}


async def test_probes_and_style_sheets_are_not_worth_a_line(client: httpx.AsyncClient) -> None:
    with structlog.testing.capture_logs() as lines:
        for path in ("/health/live", "/metrics", "/toy/static/x/placet.css"):
            await client.get(path)
    assert lines == []


async def test_a_trace_from_outside_goes_on_inside(client: httpx.AsyncClient, tmp_path: Path) -> None:
    telemetry.configure("toy", "api", traces_file=tmp_path / "traces.jsonl")
    answer = await client.get("/toy/things/Lovelace?name=Ada", headers={"traceparent": PARENT})
    telemetry.shutdown()
    [span] = [json.loads(line) for line in (tmp_path / "traces.jsonl").read_text().splitlines()]
    assert (span["trace_id"], span["parent"], span["name"]) == (
        PARENT[3:35],
        PARENT[36:52],
        "GET /toy/things/{thing_id}",
    )
    assert span["attributes"] == {
        "request_id": answer.headers["x-request-id"],
        "method": "GET",
        "route": "/toy/things/{thing_id}",
        "status": 200,
    }
    assert answer.json()["trace"] == f"00-{span['trace_id']}-{span['span_id']}-01"
    assert answer.json()["bound"] == answer.headers["x-request-id"]


async def test_a_method_nobody_knows_is_no_new_series(client: httpx.AsyncClient) -> None:
    with structlog.testing.capture_logs() as lines:
        await client.request("ADA", "/toy/things/1")
    assert lines[0]["method"] == "OTHER"


async def test_an_answer_that_breaks_off_is_not_answered_twice(serve: Serve) -> None:
    from starlette.responses import StreamingResponse

    router = APIRouter()

    @router.get("/half", dependencies=[anyone()])
    async def half() -> Any:
        async def chunks() -> Any:
            yield b"half"
            raise RuntimeError("the disk went away")

        return StreamingResponse(chunks())

    sent: list[Any] = []

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    app = serve(router)._transport.app  # type: ignore[attr-defined]
    scope = {"type": "http", "method": "GET", "path": "/toy/half", "headers": [], "query_string": b"", "scheme": "http"}
    with structlog.testing.capture_logs() as lines:
        await app({**scope, "server": ("placet.example", 443), "root_path": "", "http_version": "1.1"}, receive, send)
    # The answer stays incomplete, so the server cuts the connection and the caller sees that it is not whole.
    assert [message.get("body", message.get("status")) for message in sent] == [200, b"half"]
    assert lines[0]["event"] == "http.broken"
