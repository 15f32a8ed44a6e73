"""A mail server that catches: it takes every mail, keeps it, shows it on a page, and passes none on.

For people at the demo and for tests: `GET /messages?to=…` and `DELETE /messages`; `POST /down` and `POST /up` make it
answer 421 and recover; a recipient whose local part is `bounce` (or `bounce+…`) is refused for good with 550.
"""

import argparse
import asyncio
import signal
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, cast

from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session

from deploy.local.page import render, stylesheet
from services.chassis import clock

# The newest mails are held in memory (some 5 kB each); all of them stay on disk.
_KEPT = 20_000
_LISTED = 500
_BIGGEST = 10 * 1024 * 1024
_DOWN = "421 4.3.2 the catcher was told to be down"
_NO_SUCH_USER = "550 5.1.1 this address bounces on purpose"


@dataclass(frozen=True)
class Caught:
    """One mail as it came in; parsed only when somebody looks."""

    id: int
    at: datetime
    sender: str
    to: tuple[str, ...]
    content: bytes


@dataclass(frozen=True)
class Mail:
    """One mail as it is shown, and as `/messages` tells it."""

    id: int
    at: datetime
    sender: str
    to: tuple[str, ...]
    subject: str
    headers: tuple[tuple[str, str], ...]
    text: str
    html: str
    attachments: tuple[str, ...]


def read(caught: Caught) -> Mail:
    """Parse a mail."""
    message = message_from_bytes(caught.content, policy=policy.default)
    return Mail(
        id=caught.id,
        at=caught.at,
        sender=caught.sender,
        to=caught.to,
        subject=str(message.get("subject", "")),
        headers=tuple((name, str(value)) for name, value in message.items()),
        text=_body(message, "plain"),
        html=_body(message, "html"),
        attachments=tuple(part.get_filename() or part.get_content_type() for part in message.iter_attachments()),
    )


def _body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return str(part.get_content()) if part is not None else ""


class Mailbox:
    """What was caught. Also the handler that aiosmtpd asks at each command."""

    def __init__(self, folder: Path) -> None:
        """Keep each mail as `folder/000001.eml` too, numbering on after those that are there."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._caught: deque[Caught] = deque(maxlen=_KEPT)
        self.total = max((int(path.stem) for path in folder.glob("*.eml")), default=0)
        self.down = False

    def newest(self, limit: int = _KEPT, *, to: str | None = None) -> list[Caught]:
        """Return mails, newest first, to one address or to all."""
        found = (mail for mail in reversed(self._caught) if to is None or to in mail.to)
        return [mail for mail, _ in zip(found, range(limit), strict=False)]

    def find(self, number: int) -> Caught | None:
        """Return one mail that is still in memory."""
        return next((mail for mail in self._caught if mail.id == number), None)

    def clear(self) -> None:
        """Forget all mails, on disk too."""
        self._caught.clear()
        for path in self._folder.glob("*.eml"):
            path.unlink()

    async def handle_EHLO(  # noqa: N802 - aiosmtpd finds it by this name
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Greet, or play dead."""
        session.host_name = hostname
        return [_DOWN] if self.down else responses

    async def handle_MAIL(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take the sender, or play dead on a connection that was open before."""
        if self.down:
            return _DOWN
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a recipient, unless its address bounces by convention."""
        if address.partition("@")[0].partition("+")[0] == "bounce":
            return _NO_SUCH_USER
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep the mail, on disk before it is acknowledged."""
        content = cast("bytes", envelope.content)
        self.total += 1
        caught = Caught(self.total, clock.now(), str(envelope.mail_from), tuple(envelope.rcpt_tos), content)
        (self._folder / f"{caught.id:06}.eml").write_bytes(content)
        self._caught.append(caught)
        return "250 2.0.0 caught"


def pages(box: Mailbox) -> web.Application:
    """Build the pages for people and the JSON for tests."""
    app = web.Application()
    app.router.add_get("/", _with(box, _list))
    app.router.add_get("/mail/{id:[0-9]+}", _with(box, _show))
    app.router.add_get("/mail/{id:[0-9]+}/html", _with(box, _html))
    app.router.add_get("/mail/{id:[0-9]+}/source", _with(box, _source))
    app.router.add_get("/messages", _with(box, _messages))
    app.router.add_delete("/messages", _with(box, _clear))
    app.router.add_post("/down", _with(box, _down))
    app.router.add_post("/up", _with(box, _up))
    app.router.add_get("/house.css", stylesheet)
    return app


Page = Callable[[Mailbox, web.Request], web.Response]


def _with(box: Mailbox, page: Page) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        return page(box, request)

    return answer


def _list(box: Mailbox, _request: web.Request) -> web.Response:
    mails = [read(mail) for mail in box.newest(_LISTED)]
    return render("mails.html", mails=mails, total=box.total, down=box.down)


def _one(box: Mailbox, request: web.Request) -> Caught:
    found = box.find(int(request.match_info["id"]))
    if found is None:
        raise web.HTTPNotFound(text="there is no such mail (any more)")
    return found


def _show(box: Mailbox, request: web.Request) -> web.Response:
    return render("mail.html", mail=read(_one(box, request)))


def _html(box: Mailbox, request: web.Request) -> web.Response:
    """The mail's own HTML: no script, no form, nothing loaded; a link opens beside it."""
    body = '<base target="_blank">' + read(_one(box, request)).html
    sandbox = "sandbox allow-popups allow-popups-to-escape-sandbox"
    headers = {"Content-Security-Policy": f"{sandbox}; default-src 'none'; style-src 'unsafe-inline'; img-src data:"}
    return web.Response(text=body, content_type="text/html", headers=headers)


def _source(box: Mailbox, request: web.Request) -> web.Response:
    return web.Response(body=_one(box, request).content, content_type="text/plain", charset="utf-8")


def _messages(box: Mailbox, request: web.Request) -> web.Response:
    mails = [_json(read(mail)) for mail in box.newest(to=request.query.get("to"))]
    return web.json_response({"total": box.total, "messages": mails})


def _json(mail: Mail) -> dict[str, Any]:
    return {**asdict(mail), "at": mail.at.isoformat()}


def _clear(box: Mailbox, _request: web.Request) -> web.Response:
    box.clear()
    return web.Response(status=204)


def _down(box: Mailbox, _request: web.Request) -> web.Response:
    box.down = True
    return web.Response(status=204)


def _up(box: Mailbox, _request: web.Request) -> web.Response:
    box.down = False
    return web.Response(status=204)


async def serve(*, smtp_port: int, http_port: int, folder: Path) -> None:
    """Catch mails and show them until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    box = Mailbox(folder)
    server = await loop.create_server(
        lambda: SMTP(box, hostname="localhost", data_size_limit=_BIGGEST, loop=loop, enable_SMTPUTF8=True),
        "127.0.0.1",
        smtp_port,
    )
    runner = web.AppRunner(pages(box), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", http_port).start()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    await ended.wait()
    server.close()
    await runner.cleanup()


def main() -> None:
    """Run from the command line: `python -m deploy.local.smtp --smtp-port 2525 --http-port 2580 --folder F`."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local.smtp", description="Catch mails and show them.")
    parser.add_argument("--smtp-port", type=int, required=True)
    parser.add_argument("--http-port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True, help="where each mail is kept as a file")
    given = parser.parse_args()
    asyncio.run(serve(smtp_port=given.smtp_port, http_port=given.http_port, folder=given.folder))


if __name__ == "__main__":
    main()
