"""All recipients of the bench in one fast process: they verify, fetch, verify again and acknowledge, and note when.

`POST /hook/{place}` is a recipient's endpoint (signed), `POST /plain` one that takes anything. `POST /mood/{idle|well}`
says whether webhooks are only taken or acted upon. `GET /seen/{kind}/{from}` answers with what was noted from there on:
`[moment, what it is about, webhook-id]`, moments of the machine's monotonic clock. `python -m tests.bench.recipients CONFIG`.
"""

import asyncio
import hashlib
import json
import signal
import sys
from pathlib import Path
from typing import Any

import aiohttp
import httptools
import uvloop
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from services.chassis import clock

AT_ONCE = 64
"""Fetches that the recipients have under way together."""


class Recipients:
    """What they know and what they have seen."""

    def __init__(self, config: dict[str, Any], web: aiohttp.ClientSession) -> None:
        self.origin = config["delivery"]
        self.webhooks = [Webhook(one["secret"]) for one in config["recipients"]]
        self.tokens = [one["token"] for one in config["recipients"]]
        self.mood = "idle"
        self.seen: dict[str, list[tuple[float, str, str]]] = {"hook": [], "plain": [], "acknowledged": [], "odd": []}
        self._web = web
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    def note(self, kind: str, about: str, name: str = "") -> None:
        self.seen[kind].append((clock.seconds(), about, name))

    def hook(self, place: int, headers: dict[str, str], body: bytes) -> int:
        """A webhook: believed only when its signature holds."""
        try:
            notice = self.webhooks[place].verify(body.decode(), headers)
        except WebhookVerificationError as why:
            self.note("odd", str(why))
            return 400
        about = notice["data"]
        self.note("hook", about.get("request_id", ""), f"{place} {headers['webhook-id']}")
        if self.mood == "well" and notice["type"] == "transcript.available":
            task = asyncio.create_task(self._receive(place, about["delivery_id"], about["request_id"]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return 204

    async def _receive(self, place: int, delivery_id: str, request_id: str) -> None:
        """Open, fetch, check the digest, acknowledge."""
        headers = {"authorization": f"Bearer {self.tokens[place]}", "accept": "application/json"}
        path = f"{self.origin}/delivery/deliveries/{delivery_id}"
        async with self._gate:
            try:
                opening = {"redisclosure_notice": NOTICE["version"] or await self._notice(path, headers)}
                async with self._web.post(f"{path}/open", json=opening, headers=headers) as answer:
                    shown = await answer.json()
                    answer.raise_for_status()
                async with self._web.get(self.origin + shown["links"]["package"], headers=headers) as answer:
                    package = await answer.read()
                    answer.raise_for_status()
                digest = "sha256:" + hashlib.sha256(package).hexdigest()
                async with self._web.post(f"{path}/acknowledge", json={"digest": digest}, headers=headers) as answer:
                    told = await answer.json()
                    answer.raise_for_status()
            except (aiohttp.ClientError, KeyError) as why:
                self.note("odd", f"{type(why).__name__}: {why}"[:200])
                return
        self.note("acknowledged" if told["matches"] else "odd", request_id)

    async def _notice(self, path: str, headers: dict[str, str]) -> str:
        """The notice that a recipient accepts, read once."""
        async with self._web.get(path, headers=headers) as answer:
            NOTICE["version"] = (await answer.json())["redisclosure_notice"]["version"]
        return NOTICE["version"]


NOTICE = {"version": ""}


class Ear(asyncio.Protocol):
    """HTTP/1.1 with as little around it as there can be: the recipients' cost is not what is measured."""

    def __init__(self, recipients: Recipients) -> None:
        self._act = recipients
        self._transport: Any = None
        self._parser = httptools.HttpRequestParser(self)
        self._headers: dict[str, str] = {}
        self._path, self._body = "", b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._headers, self._path, self._body = {}, "", b""

    def on_url(self, url: bytes) -> None:
        self._path += url.decode()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode().lower()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        status, body = self._answer()
        self._transport.write(
            f"HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode()
            + body
            if status != 204
            else b"HTTP/1.1 204 x\r\n\r\n"
        )

    def _answer(self) -> tuple[int, bytes]:
        _, kind, *rest = self._path.split("/")
        if kind == "hook":
            return self._act.hook(int(rest[0]), self._headers, self._body), b""
        if kind == "plain":
            self._act.note("plain", self._body.decode())
            return 204, b""
        if kind == "mood":
            self._act.mood = rest[0]
            return 204, b""
        return 200, json.dumps(self._act.seen[rest[0]][int(rest[1]) :]).encode()


async def main(config: dict[str, Any]) -> None:
    """Serve until SIGTERM."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE)) as web:
        recipients = Recipients(config, web)
        server = await loop.create_server(lambda: Ear(recipients), "127.0.0.1", config["port"])
        await ended.wait()
        server.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(json.loads(Path(sys.argv[1]).read_text())))
