"""The mail server, over a few connections that stay open. What it says becomes one of three answers: taken, later, never.

Invariants: a connection that is not certain to be clean is closed, not used again; a mail takes `SECONDS` at the most;
no address and no sentence of the server is in what this raises: a server's words quote the address.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote, urlsplit

import aiosmtplib

from services.chassis import clock

SECONDS = 10.0
CONNECTIONS = 4
IDLE_SECONDS = 30.0
"""Servers hang up after a minute or a few. A connection that rested longer is not trusted."""
FRESH_SECONDS = 1.0
"""A connection that rested longer is asked whether it still hears, before it is told of a mail."""
_PORTS = {"smtp": 25, "smtps": 465, "smtp+starttls": 587}


class NotTaken(Exception):
    """The server can't be reached, or says "later". Try again."""


class Refused(Exception):
    """The server will never take it. `address`: it is the recipient that it refuses, not this mail."""

    def __init__(self, code: int, *, address: bool) -> None:
        super().__init__(f"the mail server refused for good with {code}")
        self.code = code
        self.address = address


class MailServer(Protocol):
    """Takes mails. Does not check that an address is one that may be mailed."""

    async def send(self, sender: str, recipient: str, mail: bytes) -> None:
        """Hand over one mail. Raises `NotTaken` or `Refused`."""


@dataclass(slots=True)
class _Open:
    """A connection at rest."""

    client: aiosmtplib.SMTP
    since: float


class SmtpServer:
    """A mail server by its URL: `smtp://`, `smtps://` or `smtp+starttls://`, with login if the URL has one."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or _PORTS[parts.scheme]
        self._scheme = parts.scheme
        self._login = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
        self._places = asyncio.Semaphore(CONNECTIONS)
        self._resting: list[_Open] = []

    async def send(self, sender: str, recipient: str, mail: bytes) -> None:
        async with self._places:
            try:
                async with asyncio.timeout(SECONDS):
                    await self._send(sender, recipient, mail)
            except (TimeoutError, OSError, aiosmtplib.SMTPException) as why:
                raise _verdict(why) from None

    async def close(self) -> None:
        """Say goodbye on all connections."""
        while self._resting:
            with suppress(OSError, TimeoutError, aiosmtplib.SMTPException):
                await self._resting.pop().client.quit(timeout=1)

    async def _send(self, sender: str, recipient: str, mail: bytes) -> None:
        resting = await self._take()
        if resting is not None:
            try:
                await self._hand_over(resting, sender, recipient, mail)
            except aiosmtplib.SMTPSenderRefused:
                # Nothing was handed over yet: a server about to restart says so here. A fresh connection tells the truth.
                pass
            else:
                return
        await self._hand_over(await self._connect(), sender, recipient, mail)

    async def _hand_over(self, client: aiosmtplib.SMTP, sender: str, recipient: str, mail: bytes) -> None:
        clean = False
        try:
            await client.sendmail(sender, [recipient], mail)
            clean = True
        except aiosmtplib.SMTPRecipientsRefused:
            # aiosmtplib resets the transaction behind a refusal, so the connection is as good as new.
            clean = client.is_connected
            raise
        finally:
            if clean:
                self._resting.append(_Open(client, clock.seconds()))
            else:
                client.close()

    async def _take(self) -> aiosmtplib.SMTP | None:
        while self._resting:
            resting = self._resting.pop()
            rested = clock.seconds() - resting.since
            if (
                resting.client.is_connected
                and rested < IDLE_SECONDS
                and (rested < FRESH_SECONDS or await _hears(resting.client))
            ):
                return resting.client
            resting.client.close()
        return None

    async def _connect(self) -> aiosmtplib.SMTP:
        user, password = self._login or (None, None)
        client = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            username=user,
            password=password,
            use_tls=self._scheme == "smtps",
            start_tls=self._scheme == "smtp+starttls",
            timeout=SECONDS,
        )
        try:
            await client.connect()
        except BaseException:
            client.close()
            raise
        return client


async def _hears(client: aiosmtplib.SMTP) -> bool:
    try:
        await client.noop(timeout=2)
    except (TimeoutError, OSError, aiosmtplib.SMTPException):
        return False
    return True


def _verdict(why: Exception) -> NotTaken | Refused:
    """What the server's answer means. Refusing us (login, sender) is ours to mend: the mail waits meanwhile."""
    if isinstance(why, aiosmtplib.SMTPRecipientsRefused):
        code = max((one.code for one in why.recipients), default=0)
        return Refused(code, address=True) if code >= 500 else NotTaken(f"the recipient is deferred with {code}")
    if isinstance(why, aiosmtplib.SMTPDataError) and why.code >= 500:
        return Refused(why.code, address=False)
    if isinstance(why, aiosmtplib.SMTPResponseException):
        return NotTaken(f"{type(why).__name__} with {why.code}")
    return NotTaken(type(why).__name__)
