"""A recipient's program, as a college would write it: told by webhook, it fetches, verifies and acknowledges.

`python -m deploy.demo.recipient CONFIG.json` with `{port, origin, client_id, client_secret, webhook_secret, issuer_keys,
record, accept}`. It verifies each webhook with the reference `standardwebhooks` library, opens and fetches the package with
its own credentials, checks credential and digest, and echoes the digest. What it saw it writes to `record`, a line of
JSON each. `POST /moods/{mood}` changes how it answers: `well`, `busy` (503 with Retry-After) or `idle` (takes webhooks and
fetches nothing). `POST /fetch/{delivery_id}` fetches one by hand.
"""

import asyncio
import hashlib
import io
import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from joserfc import jws
from joserfc.jwk import KeySet
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from deploy.demo.cast import Caller, Refused

LARGEST_CREDENTIAL = 4 * 1024 * 1024
"""Bytes. A credential of 31 credits has about 200 000; the library's own bound is below that."""


class Recipient:
    """One recipient: its ways of reading, and what it has seen."""

    def __init__(self, config: dict[str, Any], client: aiohttp.ClientSession) -> None:
        self.config = config
        self.mood = "well"
        self.caller = Caller(client, config["origin"], "recipient")
        self.webhook = Webhook(config["webhook_secret"])
        self.issuers = KeySet.import_key_set(json.loads(Path(config["issuer_keys"]).read_text()))
        self._fetching: set[asyncio.Task[None]] = set()

    async def take(self, request: web.Request) -> web.Response:
        """A webhook. Believed only when its signature holds."""
        body = await request.text()
        try:
            notice = self.webhook.verify(body, dict(request.headers))
        except WebhookVerificationError as why:
            self.note("refused-webhook", why=str(why))
            return web.Response(status=400)
        self.note("webhook", id=request.headers["webhook-id"], type=notice["type"], mood=self.mood, bytes=body)
        if self.mood == "busy":
            return web.Response(status=503, headers={"retry-after": "1"})
        if notice["type"] == "transcript.available" and self.mood == "well":
            task = asyncio.create_task(self.fetch(notice["data"]["delivery_id"]))
            self._fetching.add(task)
            task.add_done_callback(self._fetching.discard)
        return web.Response(status=204)

    async def fetch(self, delivery_id: str) -> None:
        """Open, fetch, verify, acknowledge."""
        try:
            await self.caller.come_in(self.config["client_id"], self.config["client_secret"])
            shown = await self.caller.get(f"/delivery/deliveries/{delivery_id}")
            notice = {"redisclosure_notice": shown["redisclosure_notice"]["version"]}
            opened = await self.caller.post(f"/delivery/deliveries/{delivery_id}/open", notice)
            package = await self.caller.get(opened["links"]["package"])
            digest = "sha256:" + hashlib.sha256(package).hexdigest()
            verified = self.verify(package)
            answer = await self.caller.post(f"/delivery/deliveries/{delivery_id}/acknowledge", {"digest": digest})
        except Refused as no:
            self.note("no", delivery_id=delivery_id, status=no.status, detail=no.detail)
            return
        self.note("received", delivery_id=delivery_id, digest=digest, matches=answer["matches"], **verified)
        folder = Path(self.config["record"]).parent / "received"
        folder.mkdir(exist_ok=True)
        (folder / f"{delivery_id}.zip").write_bytes(package)

    def verify(self, package: bytes) -> dict[str, Any]:
        """The credential's signature by a key of the issuer's, and what it says."""
        with zipfile.ZipFile(io.BytesIO(package)) as archive:
            token = archive.read("credential.1edtech.jwt")
            manifest = json.loads(archive.read("manifest.json"))
            for name, member in _members(manifest):
                content = archive.read(name)
                if "sha256:" + hashlib.sha256(content).hexdigest() != _spelled(member["sha256"]):
                    raise ValueError(f"{name} is not what the manifest says")
        registry = jws.JWSRegistry(algorithms=["RS256"])
        registry.max_payload_length = LARGEST_CREDENTIAL
        claims = json.loads(jws.deserialize_compact(token, self.issuers, registry=registry).payload)
        credential = claims.get("vc", claims)
        return {"partial": bool(credential.get("partial")), "name": credential["name"]}

    def note(self, what: str, **facts: Any) -> None:
        with Path(self.config["record"]).open("a") as record:
            record.write(json.dumps({"what": what, **facts}) + "\n")


def _members(manifest: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    found = manifest["members"]
    return list(found.items()) if isinstance(found, dict) else [(one["name"], one) for one in found]


def _spelled(digest: str) -> str:
    return digest if digest.startswith("sha256:") else f"sha256:{digest}"


def application(config: dict[str, Any]) -> web.Application:
    """The program as a web application."""
    app = web.Application()

    async def running(_: web.Application) -> Any:
        async with aiohttp.ClientSession() as client:
            recipient = Recipient(config, client)
            app["act"] = recipient
            yield

    app.cleanup_ctx.append(running)
    act: Callable[[], Recipient] = lambda: app["act"]  # noqa: E731

    async def hook(request: web.Request) -> web.Response:
        return await act().take(request)

    async def mood(request: web.Request) -> web.Response:
        act().mood = request.match_info["mood"]
        return web.Response(status=204)

    async def fetch(request: web.Request) -> web.Response:
        await act().fetch(request.match_info["delivery_id"])
        return web.Response(status=204)

    app.router.add_post("/hook", hook)
    app.router.add_post("/moods/{mood}", mood)
    app.router.add_post("/fetch/{delivery_id}", fetch)
    return app


def main() -> None:
    """Read the configuration and serve until SIGTERM."""
    config = json.loads(Path(sys.argv[1]).read_text())
    web.run_app(application(config), host="127.0.0.1", port=config["port"], print=None)


if __name__ == "__main__":
    main()
