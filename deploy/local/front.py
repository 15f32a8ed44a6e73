"""The front door of a house: one origin for the pages of all services, as an Ingress is on a cluster.

`/<service>/…` goes to that service, `/` is a start page. Bodies stream both ways and are bounded; hop-by-hop headers
stay on their hop; the door adds no right and checks none: each service does that itself.
"""

import argparse
import asyncio
import json
import signal
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from contracts.problem import Reason, problem
from deploy.local.page import render, stylesheet

# Above every service's own limit (evidence uploads are the largest), so that a service's answer is the one heard.
_BIGGEST_BODY = 64 * 1024 * 1024
_CHUNK = 64 * 1024
# RFC 9110 §7.6.1, with the older names that proxies still meet.
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_ABOUT = {
    "identity": "People, schools, recipients; signing in",
    "consent": "Requests, signatures, approvals, revocation",
    "records": "Transcripts, evidence, sealing",
    "delivery": "Deliveries to recipients, the disclosure ledger",
    "notify": "Messages and preferences",
}
_TOO_LARGE = web.RequestKey("too-large", bool)
_EMPTY_START: Mapping[str, Any] = {"title": "", "intro": "", "people": [], "links": []}


class Door:
    """Forwards to the services and renders the start page."""

    def __init__(self, routes: Mapping[str, int], *, start_file: Path | None = None, mail_url: str = "") -> None:
        """`routes` maps a service to its loopback port; `start_file` is the JSON of the start page, read each time."""
        self._routes = routes
        self._start_file = start_file
        self._mail_url = mail_url
        self._client: aiohttp.ClientSession | None = None

    def application(self) -> web.Application:
        """Build the door as an aiohttp application."""
        app = web.Application()
        app.router.add_get("/", self._start)
        app.router.add_get("/house.css", stylesheet)
        app.router.add_route("*", "/{service}", self._forward)
        app.router.add_route("*", "/{service}/{rest:.*}", self._forward)
        app.cleanup_ctx.append(self._with_client)
        return app

    async def _with_client(self, _app: web.Application) -> AsyncIterator[None]:
        # No total time: a download may be long. Idle is bounded.
        patience = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=60)
        async with aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(), timeout=patience, auto_decompress=False
        ) as client:
            self._client = client
            yield
        self._client = None

    async def _start(self, _request: web.Request) -> web.Response:
        start = dict(_EMPTY_START)
        if self._start_file is not None and self._start_file.exists():
            start |= json.loads(self._start_file.read_text())
        return render("start.html", start=start, services=[*self._routes], about=_ABOUT, mail_url=self._mail_url)

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        service = request.match_info["service"]
        port = self._routes.get(service)
        if port is None:
            return _no(Reason.NOT_FOUND, "there is nothing at this address")
        if (request.content_length or 0) > _BIGGEST_BODY:
            return _no(Reason.TOO_LARGE, f"a body may have {_BIGGEST_BODY} bytes at most")
        assert self._client is not None
        try:
            async with self._client.request(
                request.method,
                URL(f"http://127.0.0.1:{port}{request.raw_path}", encoded=True),
                headers=_onward(request),
                data=_bounded(request) if request.body_exists else None,
                allow_redirects=False,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            ) as answer:
                return await _back(request, answer)
        except (aiohttp.ClientError, TimeoutError):
            if request.get(_TOO_LARGE):
                return _no(Reason.TOO_LARGE, f"a body may have {_BIGGEST_BODY} bytes at most")
            return _no(Reason.NOT_NOW, f"the {service} service does not answer now; try again in a moment")


async def _bounded(request: web.Request) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in request.content.iter_chunked(_CHUNK):
        size += len(chunk)
        if size > _BIGGEST_BODY:
            # The client library hides what its body raises, so the request itself remembers why.
            request[_TOO_LARGE] = True
            raise aiohttp.ClientPayloadError
        yield chunk


def _end_to_end(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """Return the headers that travel on: all but the hop's own and those that `Connection` names."""
    named = {word.strip().lower() for word in headers.get("Connection", "").split(",")}
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in _HOP_BY_HOP | named)


def _onward(request: web.Request) -> CIMultiDict[str]:
    headers = _end_to_end(request.headers)
    # What a client claims about the way it came is replaced by what the door saw.
    headers["X-Forwarded-For"] = request.remote or "127.0.0.1"
    headers["X-Forwarded-Host"] = request.host
    headers["X-Forwarded-Proto"] = "http"
    headers.popall("Forwarded", None)
    return headers


async def _back(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    """Stream a service's answer to the client. An answer cut short is cut short for the client too."""
    response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=_end_to_end(answer.headers))
    await response.prepare(request)
    try:
        async for chunk in answer.content.iter_chunked(_CHUNK):
            await response.write(chunk)
    except (aiohttp.ClientError, TimeoutError):
        if request.transport is not None:
            request.transport.abort()
        return response
    await response.write_eof()
    return response


def _no(reason: Reason, detail: str) -> web.Response:
    """Say no as the services do (RFC 9457)."""
    said = problem(reason, detail)
    headers = {"Retry-After": "1"} if reason is Reason.NOT_NOW else {}
    return web.Response(
        text=said.model_dump_json(exclude_none=True),
        status=said.status,
        content_type="application/problem+json",
        headers=headers,
    )


async def serve(door: Door, port: int) -> None:
    """Keep the door open until SIGTERM or SIGINT."""
    runner = web.AppRunner(door.application(), access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await ended.wait()
    await runner.cleanup()


def main() -> None:
    """Run from the command line: `python -m deploy.local.front --port 8080 --route identity=8081 …`."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local.front", description="One origin for all services.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--route", action="append", default=[], metavar="SERVICE=PORT")
    parser.add_argument("--start-file", type=Path, help="JSON of the start page: title, intro, people, links")
    parser.add_argument("--mail-url", default="", help="where the caught mails are shown")
    given = parser.parse_args()
    routes = {name: int(port) for name, _, port in (route.partition("=") for route in given.route)}
    asyncio.run(serve(Door(routes, start_file=given.start_file, mail_url=given.mail_url), given.port))


if __name__ == "__main__":
    main()
