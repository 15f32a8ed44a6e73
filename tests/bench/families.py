"""All families of the bench in one process: they open requests and sign them, over HTTP, with credentials of their own.

`python -m tests.bench.families CONFIG OPTIONS` prints JSON: for each request that was signed, the moment before it was
opened and the moment its approval was answered (monotonic clock), and what went wrong.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

from contracts.types import RequestId
from services.chassis import clock
from services.chassis.web.auth import digest_of_many
from services.consent.store import AT_ONCE
from tests.bench.floor import paced
from tests.bench.passes import Passes


@dataclass
class Families:
    """Who asks and signs, and how it went."""

    config: dict[str, Any]
    web: aiohttp.ClientSession
    passes: Passes
    began: dict[str, float] = field(default_factory=dict)
    approved: dict[str, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    numbers: "count[int]" = field(default_factory=count)

    async def ask(self) -> tuple[str, dict[str, Any]]:
        """Open a request for the next student and the next recipient."""
        number = next(self.numbers)
        students, recipients = self.config["students"], self.config["recipients"]
        family = students[number % len(students)]
        recipient = recipients[(number // len(students) + number) % len(recipients)]
        body = {"transcript_id": family["transcript_id"], "recipient_id": recipient, "purpose": "admission"}
        since = clock.seconds()
        made = await self._post("/consent/requests", body, family["student_token"])
        self.began[made["request_id"]] = since
        return made["request_id"], family

    async def sign(self, request_id: str, family: dict[str, Any]) -> None:
        """Approve the very bytes, with a step-up."""
        digest = family["package_digest"]
        step_up = self.passes.step_up(family["signer"], "consent.sign", request_id, digest)
        body = {"package": digest, "notice": self.config["notice"]}
        await self._post(f"/consent/requests/{request_id}/signature", body, family["signer_token"], step_up)
        self.approved[request_id] = clock.seconds()

    async def approve_many(self, signed: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """The registrar approves what families have signed, in one call."""
        config = self.config
        shown = [(RequestId(request_id), family["package_digest"]) for request_id, family in signed]
        step_up = self.passes.step_up(
            config["registrar"], "consent.approve", config["school_id"], digest_of_many(shown)
        )
        wanted = [{"request_id": one, "package": package} for one, package in shown]
        path = f"/consent/schools/{config['school_id']}/approvals"
        body = {"requests": wanted, "notice": config["notice"]}
        told = await self._post(path, body, config["registrar_token"], step_up)
        for one in told:
            if one["status"] == "approved":
                self.approved[one["request_id"]] = clock.seconds()
            else:
                self.failures.append(f"{one['problem']} {one['detail']}"[:200])

    async def whole(self) -> None:
        request_id, family = await self.ask()
        await self.sign(request_id, family)

    async def _post(self, path: str, body: dict[str, Any], token: str, step_up: str = "") -> Any:
        headers = {"authorization": f"Bearer {token}", "accept": "application/json"}
        headers |= {"x-step-up": step_up} if step_up else {}
        async with self.web.post(self.config["consent"] + path, json=body, headers=headers) as answer:
            told = await answer.json()
            if answer.status >= 400:
                self.failures.append(f"{answer.status} {told.get('detail', '')}"[:200])
                answer.raise_for_status()
            return told


async def run(families: Families, options: dict[str, Any]) -> None:
    """One of: `rate` and `seconds` (an open loop); `at_once` and `seconds` (as fast as it goes); `cohort` (opened and
    signed by the families, then approved by the registrar of their school)."""
    if "rate" in options:
        calls = int(options["rate"] * options["seconds"])
        for failed in await paced(options["rate"], [families.whole] * calls):
            if isinstance(failed, aiohttp.ClientConnectionError):  # an answer that was a no is noted already
                families.failures.append(type(failed).__name__)
        return
    gate = asyncio.Semaphore(options["at_once"])

    async def gated(call: Any) -> None:
        async with gate:
            try:
                await call()
            except aiohttp.ClientError as why:
                families.failures.append(type(why).__name__)

    if "cohort" not in options:
        until = clock.seconds() + options["seconds"]

        async def again_and_again() -> None:
            while clock.seconds() < until:
                await gated(families.whole)

        await asyncio.gather(*(again_and_again() for _ in range(options["at_once"])))
        return
    opened: list[tuple[str, dict[str, Any]]] = []

    async def ask() -> None:
        opened.append(await families.ask())

    await asyncio.gather(*(gated(ask) for _ in range(options["cohort"])))
    await asyncio.gather(*(gated(lambda one=one: families.sign(*one)) for one in opened))
    families.approved.clear()  # they have signed; it is approved when the school does so too
    await asyncio.to_thread(Path(options["signed"]).write_text, json.dumps(opened))


async def run_approvals(families: Families, signed: Path) -> None:
    """The registrar's part of a cohort, a call for each thousand."""
    opened = json.loads(await asyncio.to_thread(signed.read_text))
    sys.stdout.write(json.dumps({"approving_from": clock.seconds()}) + "\n")
    for since in range(0, len(opened), AT_ONCE):
        await families.approve_many(opened[since : since + AT_ONCE])


async def main(config: dict[str, Any], options: dict[str, Any]) -> None:
    """Play, then tell."""
    connector = aiohttp.TCPConnector(limit=200)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as web:
        families = Families(config, web, Passes(Path(config["keys"])))
        if "approve" in options:
            await run_approvals(families, Path(options["approve"]))
        else:
            await run(families, options)
    told = {"began": families.began, "approved": families.approved, "failures": families.failures}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(json.loads(Path(sys.argv[1]).read_text()), json.loads(sys.argv[2])))
