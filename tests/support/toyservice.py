"""A service with nothing in it, run as the real ones are: `python -m tests.support.toyservice consent all`.

`consent` says what it is told over HTTP; `delivery` counts what it hears and rings a doorbell for each count.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from services.chassis import clock
from services.chassis.decision import Decision, Refusal
from services.chassis.duty import Duty, Tick
from services.chassis.kafka.hearing import Hearing
from services.chassis.service import Parts, Room, Worker, main
from services.chassis.settings import Settings
from services.chassis.store.work import Job, Known, One
from tests.support.toys import BELLS, COUNTS, Bell, counting, say, watermark

BELL_FILE = os.environ.get("TOY_BELL_FILE", "")


async def api(room: Room) -> ASGIApp:
    async def speak(request: Request) -> Response:
        name, version = request.path_params["name"], int(request.path_params["version"])
        outcome = await room.work.carry_out(say(name, version, at=clock.now()))
        return JSONResponse({"refused": isinstance(outcome, Refusal)})

    async def count(request: Request) -> Response:
        found = await room.store.find(COUNTS, {"_id": request.path_params["name"]})
        return JSONResponse({"versions": list(found[0].versions) if found else []})

    async def bell(request: Request) -> Response:
        found = await room.store.find(BELLS, {"_id": request.path_params["name"]})
        return JSONResponse({"rung": found[0].rung if found else 0})

    routes = [
        Route("/toy/say/{name}/{version}", speak, methods=["POST"]),
        Route("/toy/count/{name}", count),
        Route("/toy/bell/{name}", bell),
    ]
    return Starlette(routes=[*routes, *room.health.routes()])


async def talker(room: Room) -> Worker:
    async def mark(now: datetime) -> None:
        await room.work.post_barriers(
            f"wmk_{now.timestamp()}", now, {number: watermark(number, now) for number in range(4)}
        )

    return Worker(hearing=Hearing(), duties=[Tick("watermark", mark, every=1)])


async def counter(room: Room) -> Worker:
    return Worker(hearing=counting(), duties=[doorbell(room)])


def doorbell(room: Room) -> Duty[Bell, int]:
    """Rings once for each version counted, by a line in a file: the outside world of a toy."""

    async def find_due(now: datetime, limit: int) -> Sequence[Bell]:
        return await room.store.find(BELLS, {"due_at": {"$lte": now}}, sort=[("due_at", 1)], limit=limit)

    def begin(bell: Bell) -> Job:
        at = clock.now()

        def decide(known: Known) -> Decision[Any] | Refusal:
            now = known.one(BELLS, bell.request_id)
            assert now is not None
            return Decision(replace(now, due_at=at + timedelta(seconds=2)))

        return Job(
            cause=f"begin_{bell.request_id}_{at.timestamp()}",
            at=at,
            reads=lambda _: [One(BELLS, bell.request_id)],
            decide=decide,
        )

    async def act(bell: Bell, _decision: Decision[Any]) -> int:
        with Path(BELL_FILE).open("a") as file:  # noqa: ASYNC230 - one line
            file.write(f"{bell.request_id}\n")
        return bell.wanted

    def record(bell: Bell, rung: int) -> Job:
        def decide(known: Known) -> Decision[Any] | Refusal:
            now = known.one(BELLS, bell.request_id)
            assert now is not None
            done = now.wanted == rung
            return Decision(replace(now, rung=rung, due_at=None if done else now.due_at))

        return Job(
            cause=f"record_{bell.request_id}_{rung}",
            at=clock.now(),
            reads=lambda _: [One(BELLS, bell.request_id)],
            decide=decide,
        )

    return Duty("doorbell", find_due=find_due, begin=begin, act=act, record=record, every=0.5, timeout=1)


def parts(name: str) -> Parts:
    worker = talker if name == "consent" else counter
    return Parts(name=name, settings=Settings, shelves=(COUNTS, BELLS), api=api, worker=worker)


if __name__ == "__main__":
    main(parts(sys.argv[1]), sys.argv[2:])
