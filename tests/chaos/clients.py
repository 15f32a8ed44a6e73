"""The families and registrars of a run, in one process: they ask, sign, refuse and take back, and snoop at others'.

`python -m tests.chaos.clients CONFIG`. Each request is one story drawn from the seed; a call that was not answered is tried
again until its end is known or patience ends. Every call is written down.
"""

import asyncio
import json
import random
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

from services.chassis import clock, ids
from tests.chaos.calling import Answer, Line
from tests.chaos.history import Json, Pen
from tests.chaos.passes import Passes

PATIENCE = 150.0
"""Seconds in which an act must come to its end, faults included."""
PLOTS = {"release": 70, "refuse": 8, "take back before": 6, "take back at once": 8, "take back later": 8}
"""What becomes of a request, and how often of a hundred."""
SNOOPS = 0.15
"""Of so many requests somebody of another family tries to read."""
AT_ONCE = 48


@dataclass(frozen=True, slots=True)
class Story:
    """One request that is to be."""

    number: int
    plot: str
    family: dict[str, Json]
    recipient: str
    after: float
    """Seconds from the signature to the change of mind."""
    snoop: dict[str, Json] | None


def plots(config: dict[str, Json]) -> list[Story]:
    """All stories of a run, the same for the same seed."""
    rng = random.Random(f"{config['seed']}-families")
    stories = []
    for number in range(config["requests"]):
        family, other = rng.sample(config["families"], 2)
        [plot] = rng.choices([*PLOTS], [*PLOTS.values()])
        after = rng.uniform(15, 45) if plot == "take back later" else rng.uniform(0, 1.5)
        stories.append(
            Story(
                number=number,
                plot=plot,
                family=family,
                recipient=rng.choice(config["recipients"]),
                after=after,
                snoop=other if rng.random() < SNOOPS and other["signer"] != family["signer"] else None,
            )
        )
    return stories


class Families:
    """Everybody who asks, signs or refuses."""

    def __init__(self, config: dict[str, Any], line: Line, passes: Passes) -> None:
        self._config, self._line, self._passes = config, line, passes

    async def live(self, story: Story) -> None:
        """One request from the wish to where its people leave it."""
        opened = await self._open(story)
        if opened is None:
            return
        request_id, family = opened["request_id"], story.family
        if story.snoop is not None:
            await self._snoop(story.snoop["signer"], request_id)
        if story.plot == "refuse":
            await self._act(request_id, "refuse", family["signer"], "refusal", "refused")
        elif story.plot == "take back before":
            await self._take_back(request_id, family)
        else:
            await self._approve(request_id, opened, family)
            if story.plot.startswith("take back"):
                await asyncio.sleep(story.after)
                await self._take_back(request_id, family)

    async def _open(self, story: Story) -> Json | None:
        family, command_id = story.family, ids.new("cmd")
        body = {
            "transcript_id": family["transcript_id"],
            "recipient_id": story.recipient,
            "purpose": "admission",
        }

        async def once() -> Answer:
            return await self._line.call(
                "POST", "/consent/requests", act="open", about=command_id, who=family["student"],
                token=self._passes.person(family["student"]), body=body, headers={"idempotency-key": command_id},
                judged=_shown,
            )  # fmt: skip

        answer = await insist(once)
        return answer.told if answer.done else None

    async def _approve(self, request_id: str, opened: Json, family: dict[str, Json]) -> None:
        digest = opened["package_digest"]
        body = {"package": digest, "notice": self._config["notice"]}
        await self._act(
            request_id, "sign", family["signer"], "signature", "approved signed", body=body, step_up="consent.sign"
        )
        if opened["school_approves"]:
            await self._act(
                request_id, "approve", family["registrar"], "school-approval", "approved", body=body,
                step_up="consent.approve", token=self._registrar(family),
            )  # fmt: skip

    async def _take_back(self, request_id: str, family: dict[str, Json]) -> None:
        await self._act(
            request_id, "revoke", family["signer"], "revocation", "revoked", step_up="consent.revoke", bound=False
        )

    async def _act(
        self,
        request_id: str,
        act: str,
        who: str,
        path: str,
        wanted: str,
        *,
        body: Json = None,
        step_up: str = "",
        bound: bool = True,
        token: str = "",
    ) -> None:
        """Do it until it is known to be done or refused. A no after no answer may mean that it was done the first time."""
        token = token or self._passes.person(who)
        tried: list[int] = []

        async def once() -> Answer:
            headers = {}
            if step_up:
                digest = body["package"] if bound and body else None
                headers = {"x-step-up": self._passes.step_up(who, step_up, request_id, digest)}
            answer = await self._line.call(
                "POST", f"/consent/requests/{request_id}/{path}", act=act, about=request_id, who=who, token=token,
                body=body, headers=headers, judged=_shown,
            )  # fmt: skip
            tried.append(answer.status)
            if answer.status == 409 and any(status == 0 or status >= 500 for status in tried):
                return await self._seen(request_id, act, who, token, wanted)
            return answer

        await insist(once)

    async def _seen(self, request_id: str, act: str, who: str, token: str, wanted: str) -> Answer:
        """Whether the request is by now what the act would have made it."""
        answer = await self._line.call(
            "GET", f"/consent/requests/{request_id}", act="look", about=request_id, who=who, token=token
        )
        if answer.done and answer.told["status"] in wanted.split():
            said = {"status": answer.told["status"], "seen": True}
            self._line.note(clock.now().timestamp(), act=act, about=request_id, who=who, status=200, said=said)
        return answer

    async def _snoop(self, who: str, request_id: str) -> None:
        await self._line.call(
            "GET", f"/consent/requests/{request_id}", act="probe", about=request_id, who=who,
            token=self._passes.person(who),
        )  # fmt: skip

    def _registrar(self, family: dict[str, Json]) -> str:
        return self._passes.person(family["registrar"], registrar_of=family["school"])


def _shown(answer: Answer) -> dict[str, Json]:
    told = answer.told
    return {"about": told["request_id"]} | {
        name: told[name] for name in ("status", "request_id", "recipient_id", "school_id", "school_approves")
    }


async def insist(once: Any) -> Answer:
    """Try until somebody says yes or no, or patience ends."""
    deadline, pause = clock.seconds() + PATIENCE, 0.3
    while True:
        answer: Answer = await once()
        if not answer.unsure or clock.seconds() > deadline:
            return answer
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 3.0)


async def main(config: dict[str, Any]) -> None:
    """Every story at its moment; ends with the last of them."""
    pen = Pen(Path(config["history"]))
    gate = asyncio.Semaphore(AT_ONCE)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE)) as web:
        families = Families(config, Line(web, config["origin"], pen), Passes(Path(config["keys"])))
        began, pace = clock.seconds(), config["seconds"] / max(config["requests"], 1)

        async def lived(story: Story) -> None:
            await asyncio.sleep(max(0.0, began + story.number * pace - clock.seconds()))
            async with gate:
                await families.live(story)

        await asyncio.gather(*map(lived, plots(config)))
    pen.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(json.loads(Path(sys.argv[1]).read_text())))
