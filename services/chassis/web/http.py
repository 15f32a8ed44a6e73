"""Builds a service's HTTP app: its routers under its own path, with every right checked before it starts.

`app = http.build("consent", routers=[api.router, pages.router], health=health, auth=auth, public_url=…)`.
A route that takes more than 1 MiB says so: `@router.post("/roster", max_body_size=64 * MIB)`.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from contracts.problem import Problem, Reason
from services.chassis.store.work import NotNow
from services.chassis.web import problem
from services.chassis.web.auth import SAFE, Auth, Right, SignInFirst, to_sign_in
from services.chassis.web.door import Door, request_id
from services.chassis.web.health import Health
from services.chassis.web.pages import Pages
from services.chassis.web.problem import Refused, refused, wants_page

MIB = 1024 * 1024
BODY_LIMIT = MIB
"""Bytes a request may have where its route says nothing else: ten times the largest bulk command of ids."""


class RouteWithoutRight(Exception):
    """A route does not say who may use it, so the service does not start. `routes` names all of them."""

    def __init__(self, routes: Sequence[str]) -> None:
        super().__init__(
            "these routes state no right; give each anyone(), signed_in() or allowed(…): " + ", ".join(routes)
        )
        self.routes = tuple(routes)


class App(FastAPI):
    """FastAPI behind our door: whatever it answers, the door has seen."""

    door: Door | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.door is None or scope.get("placet.door") is self.door:
            await super().__call__(scope, receive, send)
            return
        scope["placet.door"] = self.door
        await self.door(scope, receive, send)


def build(
    service: str, *, routers: Sequence[APIRouter], health: Health, auth: Auth, public_url: str, **app_options: Any
) -> App:
    """The app of a service. Raises `RouteWithoutRight`. `app_options` go to FastAPI (its `lifespan`)."""
    app = App(
        title=f"Placet {service}",
        version="1",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        max_body_size=BODY_LIMIT,
        # The framework's own telemetry writes paths, queries, addresses and messages; the door's writes templates.
        telemetry={
            "tracing": False,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
        },
        servers=[{"url": public_url}],
        redirect_slashes=False,
        **app_options,
    )
    app.state.auth, app.state.health, app.state.pages = auth, health, Pages(service)
    for router in routers:
        app.include_router(router, prefix=f"/{service}", responses=_PROBLEMS)
    contexts = list(iter_route_contexts(app.routes))
    without = [f"{_methods(route)} {route.path}" for route in contexts if right_of(route) is None]
    if without:
        raise RouteWithoutRight(without)
    templates = {id(route.original_route): route.path_format or route.path or "none" for route in contexts}
    app.router.routes.extend(health.routes())
    app.router.routes.append(app.state.pages.static_route())
    app.add_exception_handler(HTTPException, _refuse)
    app.add_exception_handler(RequestValidationError, _refuse_faults)
    app.add_exception_handler(NotNow, _not_now)
    app.add_exception_handler(Exception, _broke)
    app.door = Door(app, templates=templates, static=f"/{service}/static/", https=public_url.startswith("https:"))
    return app


def rights(app: FastAPI) -> dict[str, str]:
    """`POST /consent/requests` → `registrar or student`: the right of every route, for tests and documents."""
    return {
        f"{_methods(route)} {route.path}": str(right)
        for route in iter_route_contexts(app.routes)
        if (right := right_of(route)) is not None
    }


def right_of(route: RouteContext) -> Right | None:
    """The right a route states, in its own dependencies or in those of a router around it."""
    dependant: Dependant | None = (
        getattr(route, "dependant", None) if isinstance(route.original_route, APIRoute) else None
    )
    return next(_rights(dependant), None) if dependant is not None else None


def openapi(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI 3.1 document, with the two ways to sign in and `x-right` on each operation."""
    document = app.openapi()
    schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
    schemes["session"] = {"type": "apiKey", "in": "cookie", "name": "__Host-placet"}
    schemes["access"] = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    for route in iter_route_contexts(app.routes):
        right = right_of(route)
        for method in route.methods or ():
            operation = document.get("paths", {}).get(route.path_format, {}).get(method.lower())
            if operation is None or right is None:
                continue
            operation["x-right"] = str(right)
            _as_problems(operation["responses"])
            operation["security"] = [] if right.kinds is None else [{"session": []}, {"access": []}]
    return document


_PROBLEMS: dict[int | str, dict[str, Any]] = {
    422: {"model": Problem, "description": "What was sent does not fit; `faults` says where"},
    "default": {"model": Problem, "description": "A problem (RFC 9457)"},
}


def _as_problems(responses: dict[str, Any]) -> None:
    """The framework writes every model as application/json; problems have a media type of their own."""
    for code in map(str, _PROBLEMS):
        content = responses.get(code, {}).get("content", {})
        if "application/json" in content:
            content[problem.MEDIA_TYPE] = content.pop("application/json")


def _rights(dependant: Dependant) -> Iterator[Right]:
    for child in dependant.dependencies:
        if isinstance(child.call, Right):
            yield child.call
        yield from _rights(child)


def _methods(route: RouteContext) -> str:
    return ",".join(sorted(route.methods or ())) or "?"


async def _refuse(request: Request, exception: Exception) -> Response:
    assert isinstance(exception, HTTPException)
    if wants_page(request):
        if isinstance(exception, SignInFirst) and request.method in SAFE:
            return to_sign_in(request)
        detail = exception.detail if isinstance(exception, Refused) else ""
        return _page(request, exception.status_code, detail=detail, headers=exception.headers)
    body = problem.answer(exception, instance=request_id(request))
    return problem.response(body, exception.headers)


async def _refuse_faults(request: Request, exception: Exception) -> Response:
    assert isinstance(exception, RequestValidationError)
    faults = problem.faults_of(exception.errors())
    return await _refuse(request, refused(Reason.INVALID, "what was sent does not fit: see the faults", faults=faults))


async def _not_now(request: Request, exception: Exception) -> Response:
    assert isinstance(exception, NotNow)
    headers = {"Retry-After": str(max(1, math.ceil(exception.retry_after)))}
    if wants_page(request):
        return _page(request, 503, headers=headers)
    body = problem.answer(refused(Reason.NOT_NOW, problem.WORDS[503]), instance=request_id(request))
    return problem.response(body, headers)


async def _broke(request: Request, _exception: Exception) -> Response:
    if wants_page(request):
        return _page(request, 500)
    return problem.response(problem.broken(instance=request_id(request)))


def _page(request: Request, status: int, *, detail: str = "", headers: Any = None) -> Response:
    pages: Pages = request.app.state.pages
    return pages.error(request, status, detail=detail, headers=headers)
