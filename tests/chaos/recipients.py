"""The recipients of a run, in one process: told by webhook they open, fetch and acknowledge; some come back; some snoop.

`python -m tests.chaos.recipients CONFIG`. `/hook/{place}` is a recipient's endpoint. `GET /busy` answers with the number of
fetches under way. A webhook is believed only when the reference library verifies it. Every webhook and call is written down.
"""

import asyncio
import hashlib
import json
import random
import signal
import sys
from pathlib import Path
from typing import Any

import aiohttp
import uvloop
from aiohttp import web
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from services.chassis import clock
from tests.chaos.calling import Answer, Line
from tests.chaos.history import Hook, Json, Pen
from tests.chaos.passes import Passes

PATIENCE = 420.0
"""Seconds that a recipient goes on trying to have what it was told of."""
COMES_BACK = 0.25
"""Of so many packages a recipient fetches it again a while later, taken back or not."""
SNOOPS = 0.15
"""Of so many deliveries another recipient tries to read."""
AFTER_THE_BOUND = 33.0
"""Seconds after hearing of a revocation at which a recipient tries to fetch all the same."""
AT_ONCE = 32


class Recipients:
    """What they know, and what they have under way."""

    def __init__(self, config: dict[str, Any], line: Line, passes: Passes, pen: Pen) -> None:
        self._line, self._passes, self._pen = line, passes, pen
        self._who: list[str] = [one["organization_id"] for one in config["recipients"]]
        self._webhooks = [Webhook(one["secret"]) for one in config["recipients"]]
        self._notice: str = config["redisclosure_notice"]
        self._rng = random.Random(f"{config['seed']}-recipients")
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._begun: set[tuple[str, str]] = set()
        self._going: set[asyncio.Task[None]] = set()
        self.pending = 0

    async def take(self, request: web.Request) -> web.Response:
        """A webhook."""
        place, body = int(request.match_info["place"]), await request.text()
        try:
            told = self._webhooks[place].verify(body, dict(request.headers))
        except WebhookVerificationError:
            self._write(request, place, body, verified=False, answered=400)
            return web.Response(status=400)
        self._write(request, place, body, verified=True, answered=204)
        self._begin(place, told)
        return web.Response(status=204)

    def _write(self, request: web.Request, place: int, body: str, *, verified: bool, answered: int) -> None:
        self._pen.note(
            Hook(
                at=clock.now().timestamp(),
                recipient=self._who[place],
                webhook_id=request.headers.get("webhook-id", ""),
                body=body,
                verified=verified,
                answered=answered,
            )
        )

    def _begin(self, place: int, told: Json) -> None:
        kind, about = told["type"], told["data"]
        if (kind, about.get("delivery_id", "")) in self._begun:
            return  # told again of what is under way
        self._begun.add((kind, about.get("delivery_id", "")))
        if kind == "transcript.available":
            self._go(self._receive(place, about["delivery_id"], about["request_id"]))
        elif kind == "transcript.revoked":
            self._go(self._try_after_the_bound(place, about["delivery_id"], about["request_id"]))

    def _go(self, act: Any) -> None:
        task = asyncio.create_task(act)
        self._going.add(task)
        task.add_done_callback(self._going.discard)

    async def _receive(self, place: int, delivery_id: str, request_id: str) -> None:
        """Open, fetch, check, acknowledge: until it is done, or a no is certain."""
        self.pending += 1
        try:
            if self._rng.random() < SNOOPS:
                await self._snoop(place, delivery_id)
            if not await self._insist(lambda: self._open(place, delivery_id, request_id)):
                return
            digest: list[str] = []
            if not await self._insist(lambda: self._fetch(place, delivery_id, request_id, digest)):
                return
            await self._insist(lambda: self._acknowledge(place, delivery_id, request_id, digest[-1]))
        finally:
            self.pending -= 1
        if self._rng.random() < COMES_BACK:
            await asyncio.sleep(self._rng.uniform(2, 60))
            await self._fetch(place, delivery_id, request_id, [])

    async def _try_after_the_bound(self, place: int, delivery_id: str, request_id: str) -> None:
        for pause in (0.5, AFTER_THE_BOUND):
            await asyncio.sleep(pause)
            await self._open(place, delivery_id, request_id)
            await self._fetch(place, delivery_id, request_id, [])

    async def _open(self, place: int, delivery_id: str, request_id: str) -> Answer:
        body = {"redisclosure_notice": self._notice}
        return await self._call(place, "POST", f"{delivery_id}/open", "disclose", request_id, body=body)

    async def _fetch(self, place: int, delivery_id: str, request_id: str, found: list[str]) -> Answer:
        def judged(answer: Answer) -> dict[str, Json]:
            found.append("sha256:" + hashlib.sha256(answer.content).hexdigest())
            return {"request_id": request_id, "digest": found[-1]}

        return await self._call(place, "GET", f"{delivery_id}/content", "fetch", request_id, judged=judged)

    async def _acknowledge(self, place: int, delivery_id: str, request_id: str, digest: str) -> Answer:
        return await self._call(
            place, "POST", f"{delivery_id}/acknowledge", "acknowledge", request_id, body={"digest": digest}
        )

    async def _snoop(self, place: int, delivery_id: str) -> None:
        stranger = (place + 1) % len(self._who)
        for act in ("", "/content"):
            await self._call(stranger, "GET", delivery_id + act, "probe", delivery_id)

    async def _call(
        self, place: int, method: str, path: str, act: str, request_id: str, *, body: Json = None, judged: Any = None
    ) -> Answer:
        who = self._who[place]
        async with self._gate:
            return await self._line.call(
                method, f"/delivery/deliveries/{path}", act=act, about=path.partition("/")[0], who=who,
                token=self._passes.program(who), body=body, judged=judged or (lambda _: {"request_id": request_id}),
            )  # fmt: skip

    async def _insist(self, once: Any) -> bool:
        """True when it was done, false when it was refused for good or patience ended."""
        deadline, pause = clock.seconds() + PATIENCE, 0.5
        while True:
            answer: Answer = await once()
            if not answer.unsure or clock.seconds() > deadline:
                return answer.done
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 4.0)


async def main(config: dict[str, Any]) -> None:
    """Serve until SIGTERM."""
    ended, pen = asyncio.Event(), Pen(Path(config["history"]))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE)) as client:
        recipients = Recipients(config, Line(client, config["origin"], pen), Passes(Path(config["keys"])), pen)
        app = web.Application()

        async def busy(_: web.Request) -> web.Response:
            return web.json_response(recipients.pending)

        app.router.add_post("/hook/{place}", recipients.take)
        app.router.add_get("/busy", busy)
        site = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await site.setup()
        await web.TCPSite(site, "127.0.0.1", config["port"]).start()
        await ended.wait()
        await site.cleanup()
    pen.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(json.loads(Path(sys.argv[1]).read_text())))
