import asyncio

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from deploy.local import front
from deploy.local.front import Door

pytestmark = pytest.mark.connected
GO_ON = web.AppKey("go on", asyncio.Event)


async def echo(request):
    body = await request.read()
    told = {"path": request.raw_path, "headers": dict(request.headers), "size": len(body), "method": request.method}
    answer = web.json_response(told)
    answer.headers["Connection"] = "close, x-secret-hop"
    answer.headers["X-Secret-Hop"] = "1"
    answer.headers.add("Set-Cookie", "a=1")
    answer.headers.add("Set-Cookie", "b=2")
    return answer


async def drip(request):
    answer = web.StreamResponse()
    await answer.prepare(request)
    await answer.write(b"first")
    await request.app[GO_ON].wait()
    await answer.write(b"second")
    return answer


async def away(_request):
    raise web.HTTPFound("/consent/there")


@pytest.fixture
async def service():
    app = web.Application(client_max_size=10**9)
    app[GO_ON] = asyncio.Event()
    app.router.add_get("/consent/drip", drip)
    app.router.add_get("/consent/away", away)
    app.router.add_route("*", "/consent/{rest:.*}", echo)
    async with TestServer(app) as server:
        yield server


@pytest.fixture
async def door(service, tmp_path):
    app = Door({"consent": service.port, "notify": 1}, start_file=tmp_path / "start.json").application()
    async with TestServer(app) as server, aiohttp.ClientSession(server.make_url("/")) as client:
        yield client


async def test_a_path_reaches_its_service_untouched(door):
    told = await (await door.get("/consent/a%2Fb?x=1&x=2")).json()
    assert told["path"] == "/consent/a%2Fb?x=1&x=2"


async def test_headers_of_the_hop_stay_on_the_hop(door):
    answer = await door.get(
        "/consent/x", headers={"Connection": "x-mine", "X-Mine": "1", "X-Forwarded-For": "1.2.3.4", "Cookie": "s=1"}
    )
    told = {name.lower(): value for name, value in (await answer.json())["headers"].items()}
    assert "x-mine" not in told
    assert told["cookie"] == "s=1"
    assert told["x-forwarded-for"] == "127.0.0.1"
    assert "X-Secret-Hop" not in answer.headers
    assert answer.headers.getall("Set-Cookie") == ["a=1", "b=2"]


async def test_an_answer_flows_before_it_is_complete(door, service):
    async with door.get("/consent/drip") as answer:
        assert await answer.content.readany() == b"first"
        service.app[GO_ON].set()
        assert await answer.content.read() == b"second"


async def test_a_redirect_is_the_clients_business(door):
    answer = await door.get("/consent/away", allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (302, "/consent/there")


async def test_a_body_flows_and_is_bounded(door, monkeypatch):
    async def body():
        for _ in range(3):
            yield b"x" * 1000

    assert (await (await door.post("/consent/x", data=body())).json())["size"] == 3000
    monkeypatch.setattr(front, "_BIGGEST_BODY", 2000)
    assert (await door.post("/consent/x", data=body())).status == 413
    assert (await door.post("/consent/x", data=b"x" * 3000)).status == 413


async def test_a_service_that_is_away_is_a_problem_with_a_hint(door):
    answer = await door.get("/notify/x")
    assert answer.status == 503
    assert answer.headers["Retry-After"] == "1"
    assert answer.content_type == "application/problem+json"
    assert "notify" in (await answer.json())["detail"]


async def test_nothing_else_is_there(door):
    assert (await door.get("/admin/x")).status == 404


async def test_the_start_page_says_who_can_sign_in(door, tmp_path):
    assert "Placet on this machine" in await (await door.get("/")).text()
    (tmp_path / "start.json").write_text(
        '{"people": [{"name": "Ada <i>", "role": "student", "sign_in": ["ada", "pw"], "note": "", "href": "/consent/"}]}'
    )
    page = await (await door.get("/")).text()
    assert "Ada &lt;i&gt;" in page
    assert (await door.get("/house.css")).content_type == "text/css"
