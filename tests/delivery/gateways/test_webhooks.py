"""Webhooks against a real server on loopback: signed as the reference verifies, bounded, never redirected."""

import asyncio
import base64
import errno
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from standardwebhooks import Webhook

from services.chassis import clock
from services.delivery.domain import Answer
from services.delivery.gateways.addresses import GuardedResolver
from services.delivery.gateways.webhooks import LARGEST_ANSWER, Said, Webhooks, headers_for, retry_after, unreached
from tests.delivery.gateways.test_addresses import Answering

AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SECRETS = (b"s" * 32, b"t" * 32)
Serve = Callable[[Callable[[web.Request], Awaitable[web.StreamResponse]]], Awaitable[str]]


def test_the_signature_is_that_of_the_standards_own_vector() -> None:
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    at = datetime.fromtimestamp(1614265330, UTC)
    headers = headers_for("msg_p5jXN8AQM9LWM0D4loKWxJek", '{"test": 2432232314}', [secret], at)
    assert headers["webhook-id"] == "msg_p5jXN8AQM9LWM0D4loKWxJek"
    assert headers["webhook-timestamp"] == "1614265330"
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("secret", SECRETS, ids=["the new key", "the old key"])
def test_both_keys_of_a_rotation_verify_with_the_reference(secret: bytes) -> None:
    now = clock.now()
    headers = headers_for("msg_1", '{"a":1}', SECRETS, now)
    assert Webhook(secret).verify('{"a":1}', headers) == {"a": 1}


RETRY_AFTER = {
    None: None,
    "120": timedelta(minutes=2),
    "Tue, 24 Nov 2026 13:00:00 GMT": timedelta(hours=1),
    "Tue, 24 Nov 2026 11:00:00 GMT": None,
    "soon": None,
    "-5": None,
    "9" * 90: timedelta(seconds=10**9),
    "9" * 101: None,
}


@pytest.mark.parametrize(("value", "pause"), RETRY_AFTER.items())
def test_retry_after_is_read_as_seconds_or_a_date(value: str | None, pause: timedelta | None) -> None:
    assert retry_after(value, AT) == pause


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts a server that answers everything with a handler; gives its address."""
    runners: list[web.AppRunner] = []

    async def start(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> str:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        runners.append(runner)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}/hooks"

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
async def webhooks() -> AsyncIterator[Webhooks]:
    made = Webhooks(local=True, ports=(443,), timeout=0.5)
    yield made
    await made.close()


async def post(webhooks: Webhooks, url: str) -> Said:
    return await webhooks.post(url, webhook_id="msg_1", body='{"a":1}', secrets=SECRETS, at=clock.now())


@pytest.mark.connected
async def test_a_webhook_arrives_with_its_exact_bytes_and_verifies(serve: Serve, webhooks: Webhooks) -> None:
    seen: list[tuple[bytes, dict[str, str]]] = []

    async def take(request: web.Request) -> web.Response:
        seen.append((await request.read(), {name.lower(): value for name, value in request.headers.items()}))
        return web.Response(status=204)

    assert (await post(webhooks, await serve(take))) == Said(Answer.TAKEN, "204")
    ((body, headers),) = seen
    assert json.loads(body) == Webhook(SECRETS[0]).verify(body, headers)
    assert "cookie" not in headers


STATUSES = {
    200: Answer.TAKEN,
    299: Answer.TAKEN,
    301: Answer.FAILED,
    302: Answer.FAILED,
    400: Answer.FAILED,
    404: Answer.FAILED,
    410: Answer.GONE,
    429: Answer.THROTTLED,
    500: Answer.FAILED,
    502: Answer.THROTTLED,
    503: Answer.THROTTLED,
    504: Answer.THROTTLED,
}


@pytest.mark.connected
@pytest.mark.parametrize(("status", "answer"), STATUSES.items())
async def test_what_a_status_means(serve: Serve, webhooks: Webhooks, status: int, answer: Answer) -> None:
    async def say(_: web.Request) -> web.Response:
        return web.Response(status=status, headers={"retry-after": "60", "location": "http://127.0.0.1:1/"})

    said = await post(webhooks, await serve(say))
    assert (said.answer, said.words) == (answer, str(status))
    assert said.retry_after == (timedelta(seconds=60) if answer is Answer.THROTTLED else None)


@pytest.mark.connected
async def test_a_redirect_is_not_followed(serve: Serve, webhooks: Webhooks) -> None:
    followed: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        followed.append(request.path)
        return web.Response()

    target = await serve(elsewhere)

    async def redirect(_: web.Request) -> web.Response:
        return web.Response(status=307, headers={"location": target})

    assert (await post(webhooks, await serve(redirect))).answer is Answer.FAILED
    assert followed == []


@pytest.mark.connected
async def test_a_slow_answer_is_cut_at_the_time_limit(serve: Serve, webhooks: Webhooks) -> None:
    async def sleep(_: web.Request) -> web.Response:
        await asyncio.sleep(5)
        return web.Response()

    assert await post(webhooks, await serve(sleep)) == Said(Answer.FAILED, "timeout")


@pytest.mark.connected
async def test_an_endless_answer_is_not_read_to_its_end(serve: Serve, webhooks: Webhooks) -> None:
    written = 0

    async def flood(request: web.Request) -> web.StreamResponse:
        nonlocal written
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(2_000):
            try:
                await response.write(b"x" * 65_536)
            except ConnectionError:
                break
            written += 65_536
        return response

    assert (await post(webhooks, await serve(flood))).answer is Answer.TAKEN
    await asyncio.sleep(0.1)
    assert written < 100 * LARGEST_ANSWER


@pytest.mark.connected
async def test_nobody_listening_is_a_failure(webhooks: Webhooks) -> None:
    assert await post(webhooks, "http://127.0.0.1:1/") == Said(Answer.FAILED, "connection-failed")


@pytest.mark.connected
async def test_a_name_that_turned_into_an_inner_address_is_refused_when_dialled(serve: Serve) -> None:
    """Rebinding: the name was fine when the endpoint was made."""
    called: list[str] = []

    async def take(request: web.Request) -> web.Response:
        called.append(request.path)
        return web.Response()

    await serve(take)
    webhooks = Webhooks(
        local=False, ports=(443,), resolver=GuardedResolver(local=False, inner=Answering("8.8.8.8", "127.0.0.1"))
    )
    assert await post(webhooks, "https://college.example/") == Said(Answer.FAILED, "address-refused")
    await webhooks.close()
    assert called == []


@pytest.mark.connected
async def test_the_last_gate_holds_when_the_resolver_does_not() -> None:
    webhooks = Webhooks(local=False, ports=(443,), resolver=Answering("127.0.0.1"))  # type: ignore[arg-type]
    assert await post(webhooks, "https://college.example/") == Said(Answer.FAILED, "address-refused")
    await webhooks.close()


async def test_an_address_that_is_refused_today_is_not_called_although_it_was_kept(webhooks: Webhooks) -> None:
    assert await post(webhooks, "https://10.0.0.1/") == Said(Answer.FAILED, "address-refused")


async def test_a_body_of_twenty_kilobytes_is_a_bug(webhooks: Webhooks) -> None:
    with pytest.raises(ValueError, match="20 kB"):
        await webhooks.post("http://127.0.0.1/", webhook_id="m", body="x" * 20_000, secrets=SECRETS, at=AT)


UNREACHED = {
    "our name server does not answer": (socket.gaierror(socket.EAI_AGAIN, "x"), Answer.NOT_OURS_TO_SAY),
    "there is no such name": (socket.gaierror(socket.EAI_NONAME, "x"), Answer.FAILED),
    "we have no network": (OSError(errno.ENETUNREACH, "x"), Answer.NOT_OURS_TO_SAY),
    "we have no sockets left": (OSError(errno.EMFILE, "x"), Answer.NOT_OURS_TO_SAY),
    "nobody listens": (OSError(errno.ECONNREFUSED, "x"), Answer.FAILED),
}


@pytest.mark.parametrize(("why", "answer"), UNREACHED.values(), ids=UNREACHED.keys())
def test_our_own_faults_are_told_from_the_recipients(why: OSError, answer: Answer) -> None:
    assert unreached(why).answer is answer


@pytest.mark.connected
async def test_a_server_that_speaks_no_tls_is_a_failure(serve: Serve, webhooks: Webhooks) -> None:
    async def take(_: web.Request) -> web.Response:
        return web.Response()

    address = (await serve(take)).replace("http://", "https://")
    assert (await post(webhooks, address)).answer is Answer.FAILED


@pytest.mark.connected
async def test_an_answer_that_breaks_off_is_a_failure(serve: Serve, webhooks: Webhooks) -> None:
    async def hang_up(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    assert await post(webhooks, await serve(hang_up)) == Said(Answer.FAILED, "connection-failed")
