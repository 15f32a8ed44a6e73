"""A real mail server in the test's own process: aiosmtpd, and what it is told to answer."""

import asyncio
from dataclasses import dataclass, field

from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass
class MailHouse:
    """aiosmtpd, and what it is told to answer."""

    at_mail: str = "250 OK"
    at_rcpt: str = "250 OK"
    at_data: str = "250 OK"
    pause: float = 0
    mails: list[bytes] = field(default_factory=list)
    connections: int = 0
    most_at_once: int = 0
    transports: list[asyncio.Transport] = field(default_factory=list)
    server: asyncio.Server | None = None
    port: int = 0
    _open: int = 0

    async def handle_MAIL(  # noqa: N802 - aiosmtpd finds it by this name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.at_mail.startswith("250"):
            envelope.mail_from = address
        return self.at_mail

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.at_rcpt.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.at_rcpt

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        self._open += 1
        self.most_at_once = max(self.most_at_once, self._open)
        await asyncio.sleep(self.pause)
        self._open -= 1
        assert isinstance(envelope.content, bytes)
        if self.at_data.startswith("250"):
            self.mails.append(envelope.content)
        return self.at_data

    async def start(self) -> None:
        house = self

        class Counted(SMTP):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                house.connections += 1
                assert isinstance(transport, asyncio.Transport)
                house.transports.append(transport)
                super().connection_made(transport)

        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(
            lambda: Counted(self, hostname="house", loop=loop), "127.0.0.1", self.port
        )
        self.port = self.server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self.server is not None:
            self.server.close()
            self.server = None
        self.hang_up()
        await asyncio.sleep(0.05)

    def hang_up(self) -> None:
        while self.transports:
            self.transports.pop().abort()
