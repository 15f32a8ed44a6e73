"""Webhooks as Standard Webhooks 1.0 has them: signed by every secret in force, posted once, the answer never kept.

Invariants: HTTPS only (plain HTTP only to loopback in local mode), no redirects, no cookies, no proxies, no
decompression; 15 s from start to end; at most 128 KiB of an answer are read, and thrown away.
"""

import errno
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp
from standardwebhooks import Webhook

from services.delivery.domain import Answer
from services.delivery.gateways.addresses import AddressRefused, GuardedResolver, GuardedSockets, check_url

TIMEOUT_SECONDS: Final = 15.0
LARGEST_ANSWER: Final = 128 * 1024
LARGEST_BODY: Final = 20_000
"""Bytes; Standard Webhooks asks for less than 20 kB. Ours have about 400."""
AT_ONCE: Final = 32
THROTTLES = frozenset({429, 502, 503, 504})
_OURS = frozenset({errno.ENETUNREACH, errno.ENETDOWN, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.EADDRNOTAVAIL})
"""Faults of our own side of the wire: never charged to the recipient."""


@dataclass(frozen=True, slots=True)
class Said:
    """What an attempt came to. `words`: an HTTP status or one of ours."""

    answer: Answer
    words: str
    retry_after: timedelta | None = None


def headers_for(webhook_id: str, body: str, secrets: Sequence[bytes], at: datetime) -> dict[str, str]:
    """The headers of one attempt. Two secrets sign during a rotation."""
    moment = at.astimezone(UTC)
    return {
        "content-type": "application/json",
        "user-agent": "placet-webhooks/1",
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(webhook_id, moment, body) for secret in secrets),
    }


class Webhooks:
    """Posts to recipients. One for each process; `close` when it ends."""

    def __init__(
        self,
        *,
        local: bool,
        ports: Sequence[int],
        resolver: GuardedResolver | None = None,
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        self._local = local
        self._ports = tuple(ports)
        self._resolver = resolver
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, *, webhook_id: str, body: str, secrets: Sequence[bytes], at: datetime) -> Said:
        """One attempt. It never raises for what the other side does."""
        # Kept addresses are judged again: rules may have changed since they were written down.
        if check_url(url, local=self._local, ports=self._ports) is not None:
            return Said(Answer.FAILED, "address-refused")
        content = body.encode()
        if len(content) >= LARGEST_BODY:
            raise ValueError("a webhook's body has less than 20 kB")
        headers = headers_for(webhook_id, body, secrets, at)
        try:
            async with self._client().post(url, data=content, headers=headers, allow_redirects=False) as response:
                return await _said(response, at)
        except AddressRefused:
            return Said(Answer.FAILED, "address-refused")
        except TimeoutError:
            return Said(Answer.FAILED, "timeout")
        except aiohttp.ClientConnectorError as why:
            return unreached(why.os_error)
        except aiohttp.ClientSSLError:
            return Said(Answer.FAILED, "tls-failed")
        except aiohttp.ClientError:
            return Said(Answer.FAILED, "connection-failed")

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _client(self) -> aiohttp.ClientSession:
        """Made on the first post: a session belongs to the loop that runs it."""
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=AT_ONCE,
                ttl_dns_cache=10,
                resolver=self._resolver or GuardedResolver(local=self._local),
                socket_factory=GuardedSockets(local=self._local),
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        return self._session


async def _said(response: aiohttp.ClientResponse, at: datetime) -> Said:
    read = 0
    while read <= LARGEST_ANSWER and (chunk := await response.content.readany()):
        read += len(chunk)
    if read > LARGEST_ANSWER:
        response.close()
    words = str(response.status)
    if 200 <= response.status < 300:
        return Said(Answer.TAKEN, words)
    if response.status == 410:
        return Said(Answer.GONE, words)
    if response.status in THROTTLES:
        return Said(Answer.THROTTLED, words, retry_after(response.headers.get("retry-after"), at))
    return Said(Answer.FAILED, words)


def retry_after(value: str | None, at: datetime) -> timedelta | None:
    """The pause that a recipient asks for (RFC 9110 §10.2.3): seconds or a date. None for none, nonsense or the past."""
    if value is None or len(value) > 100:
        return None
    if value.strip().isascii() and value.strip().isdigit():
        return timedelta(seconds=min(int(value), 10**9))
    try:
        then = parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return None
    pause = (then if then.tzinfo else then.replace(tzinfo=UTC)) - at
    return pause if pause > timedelta(0) else None


def unreached(why: OSError) -> Said:
    """What a connection that did not come about means: theirs, or ours and then charged to nobody."""
    if isinstance(why, socket.gaierror):
        # A name server that does not answer is ours; a name that does not exist is theirs.
        ours = why.errno == socket.EAI_AGAIN
        return Said(Answer.NOT_OURS_TO_SAY if ours else Answer.FAILED, "name-not-found")
    if why.errno in _OURS:
        return Said(Answer.NOT_OURS_TO_SAY, "no-way-out")
    return Said(Answer.FAILED, "connection-failed")
