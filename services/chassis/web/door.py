"""The outermost ASGI layer: every request passes here once on its way in and once on its way out.

It gives the request its id, its span, its line in the log and its place in the metrics; it bounds the depth of JSON; it
puts the security headers on every answer; and it is the last to catch what nobody caught. Plain ASGI, no task of its own.
"""

import re
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts.problem import Reason
from services.chassis import clock, ids
from services.chassis.observe import log, telemetry
from services.chassis.web import problem
from services.chassis.web.problem import refused

DEEPEST = 32
"""Levels of nesting in JSON that is sent. A CLR credential has 9; pydantic and json recurse at several hundred."""

KNOWN_ID = re.compile(r"req_[0-9a-z]{26}|http_[0-9a-z]{26}|[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""Request ids taken over from outside: ours, 128 hex digits or a UUID. Nothing in which words would fit."""

HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    # Not no-referrer: under that policy browsers send `Origin: null` with our own forms.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
}
"""On every answer that does not say otherwise itself (OWASP ASVS 5 §3.4)."""

TLS_ONLY = {"strict-transport-security": "max-age=63072000"}

_SECONDS = telemetry.histogram(
    "placet_http_request_seconds",
    "Time from the first byte of a request to the last of its answer",
    ["method", "route", "status"],
)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_JSON = re.compile(r"\s*application/([^;\s]+\+)?json\s*(;|$)", re.IGNORECASE)
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_NO_BRACKETS = re.compile(rb"[^\[\]{}]+")


class Door:
    """Wraps an app. `templates` tells the template of a route by the id of its object."""

    def __init__(self, app: ASGIApp, *, templates: Mapping[int, str], static: str, https: bool) -> None:
        self._app, self._templates, self._static = app, templates, static
        headers = {**HEADERS, **(TLS_ONLY if https else {})}
        self._headers = [(name.encode(), value.encode()) for name, value in headers.items()]
        self._log = log.logger()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        passage = _Passage(scope, receive, send, self._headers, request_id)
        path: str = scope["path"]
        if path.startswith(("/health/", "/metrics", self._static)):
            await self._app(scope, receive, passage.send)
            return
        await self._through(passage, request_id)

    async def _through(self, passage: "_Passage", request_id: str) -> None:
        scope, method = passage.scope, passage.scope["method"] if passage.scope["method"] in _METHODS else "OTHER"
        began = clock.seconds()
        with (
            structlog.contextvars.bound_contextvars(request_id=request_id),
            telemetry.span(method, trace=_traceparent(scope), request_id=request_id, method=method) as span,
        ):
            try:
                await self._app(scope, passage.receive, passage.send)
            except Exception:  # noqa: BLE001  (nobody is above us; the caller learns the id, the log the place)
                self._log.error("http.broken", exc_info=True)
                if not passage.started:
                    await problem.response(problem.broken(instance=request_id))(scope, passage.receive, passage.send)
            route = self._templates.get(id(scope.get("route")), "none")
            took = clock.seconds() - began
            span.update_name(f"{method} {route}")
            telemetry.note(route=route, status=passage.status)
            _SECONDS.record(took, method=method, route=route, status=passage.status)
            self._log.info(
                "http.request", method=method, route=route, status=passage.status, duration_ms=round(took * 1000, 1)
            )


class _Passage:
    """One request and its answer, on the way through the door."""

    __slots__ = ("_chunks", "_headers", "_id", "_json", "_receive", "_replaced", "_send", "scope", "started", "status")

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, headers: list[tuple[bytes, bytes]], request_id: str
    ) -> None:
        self.scope, self._receive, self._send = scope, receive, send
        self._headers, self._id = headers, request_id
        self.status, self.started, self._replaced = 0, False, False
        self._chunks: list[bytes] = []
        # What the framework parses as one JSON text. Lines of JSON are not: each has its own reader.
        self._json = _JSON.match(_header(scope, b"content-type") or "") is not None

    async def receive(self) -> Message:
        message = await self._receive()
        if self._json and message["type"] == "http.request":
            self._chunks.append(message.get("body", b""))
            if not message.get("more_body", False):
                body = b"".join(self._chunks)
                self._chunks.clear()
                if too_deep(body):
                    raise refused(Reason.INVALID, f"the JSON is nested more than {DEEPEST} levels deep")
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.started = message["status"], True
            # The framework says 413 in plain text where a length is declared; ours are problems, all of them.
            if self.status == 413 and _said(message, b"content-type").startswith(b"text/plain"):
                self._replaced = True
                message = _too_large(self._id)
            said = {name.lower() for name, _ in message.get("headers", ())}
            ours = [header for header in self._headers if header[0] not in said]
            message["headers"] = [*message.get("headers", ()), *ours, (b"x-request-id", self._id.encode())]
        elif self._replaced:
            message = {"type": "http.response.body", "body": _too_large_body(self._id)}
        await self._send(message)


def too_deep(body: bytes, deepest: int = DEEPEST) -> bool:
    """Whether JSON is nested deeper than `deepest`. Counts brackets outside strings, without parsing."""
    if body.count(b"{") + body.count(b"[") <= deepest:
        return False
    depth = 0
    for sign in _NO_BRACKETS.sub(b"", _STRINGS.sub(b"", body)):
        depth += 1 if sign in b"{[" else -1
        if depth > deepest:
            return True
    return False


def request_id(request: Request) -> str:
    """The id of this request: in the answer's `x-request-id`, in every problem, in every line of the log."""
    return str(request.state.request_id)


def _request_id(scope: Scope) -> str:
    given = _header(scope, b"x-request-id")
    return given if given and KNOWN_ID.fullmatch(given) else ids.new("http")


def _traceparent(scope: Scope) -> str | None:
    return _header(scope, b"traceparent")


def _header(scope: Scope, name: bytes) -> str | None:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)


def _said(message: Message, name: bytes) -> bytes:
    return next((bytes(value) for key, value in message.get("headers", ()) if key.lower() == name), b"")


def _too_large_body(request_id: str) -> bytes:
    return bytes(
        problem.response(problem.answer(refused(Reason.TOO_LARGE, problem.WORDS[413]), instance=request_id)).body
    )


def _too_large(request_id: str) -> MutableMapping[str, Any]:
    length = str(len(_too_large_body(request_id))).encode()
    headers = [(b"content-type", problem.MEDIA_TYPE.encode()), (b"content-length", length), (b"connection", b"close")]
    return {"type": "http.response.start", "status": 413, "headers": headers}
