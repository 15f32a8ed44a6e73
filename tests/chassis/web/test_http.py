import json
from collections.abc import AsyncIterator, Callable
from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, UploadFile
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from contracts.problem import Reason
from contracts.types import PersonKind
from services.chassis.decision import Refusal
from services.chassis.store.work import NotNow
from services.chassis.web import http
from services.chassis.web.auth import Auth, Caller, allowed, anyone, signed_in
from services.chassis.web.door import DEEPEST, HEADERS, too_deep
from services.chassis.web.health import Health
from services.chassis.web.problem import Refused
from tests.chassis.web.conftest import ORIGIN

Serve = Callable[..., httpx.AsyncClient]


class Wish(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=5)
    count: int = 1


@pytest.fixture
def router() -> APIRouter:
    router = APIRouter()

    @router.post("/wishes", dependencies=[anyone()])
    async def wish(body: Wish) -> Wish:
        return body

    @router.post("/uploads", dependencies=[anyone()], max_body_size=3 * http.MIB)
    async def upload(file: UploadFile) -> dict[str, int]:
        return {"bytes": len(await file.read())}

    @router.post("/raw", dependencies=[anyone()])
    async def raw(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    @router.get("/things/{thing_id}", dependencies=[anyone()])
    async def thing(thing_id: str) -> dict[str, str]:
        raise Refused(Refusal(Reason.NOT_FOUND, "there is no such thing"))

    @router.get("/broken", dependencies=[anyone()])
    async def broken() -> None:
        raise RuntimeError("Ada Lovelace was born in 1815")

    @router.get("/later", dependencies=[anyone()])
    async def later() -> None:
        raise NotNow("the database does not answer", retry_after=2.2)

    @router.get("/cached", dependencies=[anyone()])
    async def cached() -> Response:
        return Response("list", headers={"cache-control": "public, max-age=60"})

    return router


async def test_every_answer_carries_an_id_and_the_security_headers(serve: Serve, router: APIRouter) -> None:
    answer = await serve(router).post("/toy/wishes", json={"name": "Ada"})
    assert (answer.status_code, answer.json()) == (200, {"name": "Ada", "count": 1})
    assert answer.headers["x-request-id"].startswith("http_")
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert "max-age" in answer.headers["strict-transport-security"]
    assert "script-src" not in HEADERS["content-security-policy"] and "unsafe" not in HEADERS["content-security-policy"]


async def test_an_answer_may_say_itself_how_long_it_may_be_kept(serve: Serve, router: APIRouter) -> None:
    assert (await serve(router).get("/toy/cached")).headers["cache-control"] == "public, max-age=60"


@pytest.mark.parametrize("given", ["req_01k0000000000000000000000a", "0" * 32, "6ba7b810-9dad-11d1-80b4-00c04fd430c8"])
async def test_a_request_id_from_outside_is_kept_when_it_is_one(serve: Serve, router: APIRouter, given: str) -> None:
    answer = await serve(router).post("/toy/wishes", json={"name": "Ada"}, headers={"x-request-id": given})
    assert answer.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["AdaLovelace", "ada@example.org", "a" * 500, "req_x\tevil"])
async def test_anything_else_is_no_request_id(serve: Serve, router: APIRouter, given: str) -> None:
    answer = await serve(router).post("/toy/wishes", json={"name": "Ada"}, headers={"x-request-id": given})
    assert answer.headers["x-request-id"] != given


async def test_a_body_that_does_not_fit_is_told_where_and_why_and_never_what(serve: Serve, router: APIRouter) -> None:
    sent = {"name": "Lovelace", "count": "many", "born": 1815, "<b>": 1}
    answer = await serve(router).post("/toy/wishes", json=sent)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["type"] == "/problems/invalid"
    assert body["instance"] == answer.headers["x-request-id"]
    assert {(fault["where"], fault["reason"]) for fault in body["faults"]} == {
        ("body.name", "is too long"),
        ("body.count", "int parsing"),
        ("body.born", "is not expected here"),
        ("body.?", "is not expected here"),
    }
    assert not any(value in answer.text for value in ("Lovelace", "many", "1815", "<b>"))


async def test_broken_json_is_a_problem(serve: Serve, router: APIRouter) -> None:
    headers = {"content-type": "application/json"}
    answer = await serve(router).post("/toy/wishes", content=b'{"name": "Lovelace', headers=headers)
    assert answer.status_code == 422
    assert answer.json()["faults"] == [{"where": "body.9", "reason": "is not JSON"}]


async def test_a_refusal_becomes_its_problem(serve: Serve, router: APIRouter) -> None:
    answer = await serve(router).get("/toy/things/1")
    assert answer.status_code == 404
    assert answer.json() == {
        "type": "/problems/not-found",
        "title": "not found",
        "status": 404,
        "detail": "there is no such thing",
        "instance": answer.headers["x-request-id"],
    }


async def test_an_address_that_is_not_ours_is_a_problem_too(serve: Serve, router: APIRouter) -> None:
    for answer in (await serve(router).get("/toy/nothing"), await serve(router).get("/")):
        assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")
    answer = await serve(router).delete("/toy/wishes")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_a_bug_tells_the_caller_an_id_and_nothing_else(serve: Serve, router: APIRouter) -> None:
    answer = await serve(router).get("/toy/broken")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["instance"] == answer.headers["x-request-id"]
    assert not any(word in answer.text for word in ("Ada", "1815", "RuntimeError", "Traceback"))


async def test_not_now_says_when_to_come_back(serve: Serve, router: APIRouter) -> None:
    answer = await serve(router).get("/toy/later")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")
    assert answer.json()["type"] == "/problems/not-now"
    assert "database" not in answer.text


@pytest.mark.parametrize("path", ["/toy/wishes", "/toy/raw"])
async def test_a_body_over_the_limit_is_refused_with_a_problem(serve: Serve, router: APIRouter, path: str) -> None:
    answer = await serve(router).post(
        path, content=b" " * (http.BODY_LIMIT + 1), headers={"content-type": "application/json"}
    )
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")
    assert answer.json()["type"] == "/problems/too-large"
    assert answer.headers["cache-control"] == "no-store"


async def test_a_body_that_does_not_say_its_length_is_counted_while_it_streams(serve: Serve, router: APIRouter) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(10_000):
            sent += 1
            yield b" " * 65_536

    answer = await serve(router).post("/toy/raw", content=endless())
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/too-large")
    assert sent < 40


async def test_a_route_may_take_more_when_it_says_so(serve: Serve, router: APIRouter) -> None:
    client = serve(router)
    answer = await client.post("/toy/uploads", files={"file": ("roster.csv", b"x" * (2 * http.MIB))})
    assert answer.json() == {"bytes": 2 * http.MIB}
    answer = await client.post("/toy/uploads", files={"file": ("roster.csv", b"x" * (4 * http.MIB))})
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/too-large")


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=utf-8", "application/ld+json"])
async def test_json_that_is_nested_too_deep_is_refused_before_it_is_parsed(
    serve: Serve, router: APIRouter, kind: str
) -> None:
    deep = "[" * 5000 + "]" * 5000
    answer = await serve(router).post("/toy/wishes", content=deep, headers={"content-type": kind})
    assert answer.status_code == 422
    assert "nested" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "deep"),
    [
        (json.dumps({"a": ["[" * 100] * 100}), False),
        (json.dumps([["x"]] * 500), False),
        ('["' + '\\"[' * 200 + '"]', False),
        ("[" * DEEPEST + "]" * DEEPEST, False),
        ("[" * (DEEPEST + 1), True),
        ('{"a":' * (DEEPEST + 1) + "1", True),
        ('"' + "[" * 100, False),
        ("[" * 20 + '"' + '\\\\"' + "[" * 20, True),
    ],
)
def test_depth_counts_brackets_outside_strings(body: str, deep: bool) -> None:
    assert too_deep(body.encode()) is deep


def test_a_route_without_a_right_does_not_start(auth: Auth, health: Health) -> None:
    router, inner = APIRouter(), APIRouter()

    @router.get("/open", dependencies=[anyone()])
    async def ok() -> None: ...

    @router.get("/forgotten")
    async def forgotten() -> None: ...

    @inner.post("/also")
    async def also() -> None: ...

    async def plain(_request: Request) -> Response:
        return Response()

    router.include_router(inner, prefix="/inner")
    router.add_route("/plain", plain)
    with pytest.raises(http.RouteWithoutRight) as refusal:
        http.build("toy", routers=[router], health=health, auth=auth, public_url=ORIGIN)
    assert refusal.value.routes == ("GET /toy/forgotten", "POST /toy/inner/also", "GET,HEAD /toy/plain")


def test_the_right_of_every_route_can_be_listed(auth: Auth, health: Health) -> None:
    router = APIRouter()
    inner = APIRouter(dependencies=[allowed(PersonKind.REGISTRAR, PersonKind.EDUCATOR)])

    @router.get("/a", dependencies=[anyone()])
    async def a() -> None: ...

    @router.get("/b")
    async def b(caller: Annotated[Caller, signed_in()]) -> None: ...

    @inner.get("/c")
    async def c() -> None: ...

    router.include_router(inner)
    app = http.build("toy", routers=[router], health=health, auth=auth, public_url=ORIGIN)
    assert http.rights(app) == {
        "GET /toy/a": "anyone",
        "GET /toy/b": "signed in",
        "GET /toy/c": "educator or registrar",
    }


def test_the_document_of_the_api_is_openapi_3_1_and_names_rights_and_problems(
    auth: Auth, health: Health, router: APIRouter
) -> None:
    document = http.openapi(http.build("toy", routers=[router], health=health, auth=auth, public_url=ORIGIN))
    assert document["openapi"].startswith("3.1")
    operation = document["paths"]["/toy/wishes"]["post"]
    assert (operation["x-right"], operation["security"]) == ("anyone", [])
    assert operation["responses"]["422"]["content"]["application/problem+json"]["schema"] == {
        "$ref": "#/components/schemas/Problem"
    }
    assert "HTTPValidationError" not in document["components"]["schemas"]
    assert not any(path.startswith(("/health", "/metrics")) for path in document["paths"])


async def test_nothing_shows_the_document_or_a_docs_page(serve: Serve, router: APIRouter) -> None:
    client = serve(router)
    for path in ("/docs", "/redoc", "/openapi.json", "/toy/docs", "/toy/openapi.json"):
        assert (await client.get(path)).status_code == 404
