"""A recipient in the test's own process: it keeps every webhook that reached it, verifies, fetches and acknowledges."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from standardwebhooks import Webhook

from deploy.demo.cast import Caller, Json
from deploy.demo.recipient import Recipient
from deploy.local.process import free_port
from services.chassis import clock

ANSWERS = {"broken": 500, "gone": 410}
"""Moods beside the program's own: how the endpoint answers."""


@dataclass(frozen=True, slots=True)
class Hook:
    """One webhook as it came in."""

    id: str
    headers: dict[str, str]
    body: str
    at: float
    mood: str


class Receiver(Recipient):
    """The demo's program with an ear of its own. `organization_id` is who it is at Placet."""

    def __init__(self, config: dict[str, Any], client: aiohttp.ClientSession, organization_id: str) -> None:
        super().__init__(config, client)
        self.organization_id = organization_id
        self.hooks: list[Hook] = []
        self.notes: list[Json] = []
        self._runner: web.AppRunner | None = None

    @property
    def folder(self) -> Path:
        return Path(self.config["record"]).parent

    def learn(self, secret: str) -> None:
        """The secret that its endpoint's webhooks are signed with."""
        self.webhook = Webhook(secret)

    def note(self, what: str, **facts: Any) -> None:
        self.notes.append({"what": what, **facts})

    async def take(self, request: web.Request) -> web.Response:
        body = await request.text()
        self.hooks.append(Hook(request.headers["webhook-id"], dict(request.headers), body, clock.seconds(), self.mood))
        if self.mood in ANSWERS:
            self.note("turned away", status=ANSWERS[self.mood])
            return web.Response(status=ANSWERS[self.mood])
        return await super().take(request)

    async def listen(self) -> None:
        app = web.Application()
        app.router.add_post("/hook", self.take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.config["port"]).start()

    async def close(self) -> None:
        """Gone from the network: a connection to it is refused."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def program(self) -> Caller:
        """Its program, signed in afresh."""
        await self.caller.come_in(self.config["client_id"], self.config["client_secret"])
        return self.caller

    async def delivery_of(self, request_id: str) -> Json | None:
        program = await self.program()
        found = await program.get("/delivery/deliveries")
        return next((one for one in found if one["request_id"] == request_id), None)

    def told_of(self, request_id: str) -> list[Hook]:
        """Every webhook about a request, repeats included."""
        return [hook for hook in self.hooks if request_id in hook.body]

    async def received(self, delivery_id: str) -> bytes:
        """The package as the program has laid it down."""
        path = self.folder / "received" / f"{delivery_id}.zip"
        for _ in range(200):
            if path.exists():
                return path.read_bytes()
            await asyncio.sleep(0.05)
        raise AssertionError(f"{delivery_id} never arrived; the program noted {self.notes[-3:]}")


def config_of(origin: str, folder: Path, client: Json) -> dict[str, Any]:
    """What a program is told before it has named its endpoint."""
    return {
        "port": free_port(),
        "origin": origin,
        "client_id": client["client_id"],
        "client_secret": client["client_secret"],
        "webhook_secret": "whsec_" + "A" * 32,  # replaced by the endpoint's own as soon as there is one
        "issuer_keys": str(folder / "issuer.jwks.json"),
        "record": str(folder / client["client_id"] / "record.jsonl"),
    }
