"""One run: the house is staged, requests flow and faults strike, all comes to rest, and the history is judged."""

import asyncio
import secrets
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.chassis import clock
from tests.chaos.breaking import Breaker
from tests.chaos.checker import Breach, judge
from tests.chaos.gathering import gather
from tests.chaos.history import Call, Fault, History, Hook, Injected, Mail, Pen, Record, Row, read
from tests.chaos.plan import planned
from tests.chaos.resting import Rest, until_ended
from tests.chaos.stage import ROOT, Say, Stage, families, notice_digest, staged

SHOWN = 5
"""Breaches whose lines are told; all of them are counted."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much, and how long: seconds over which requests and faults are spread, and in which it must come to rest."""

    requests: int
    faults: int
    seconds: float
    rest: float

    @classmethod
    def of(cls, *, is_long: bool, requests: int | None, faults: int | None) -> "Size":
        """CI's size, or the long run's; whoever asks for less is given less time."""
        whole = cls(10_000, 200, 2_700, 420) if is_long else cls(1_000, 20, 220, 150)
        asked = cls(requests or whole.requests, whole.faults if faults is None else faults, 0, whole.rest)
        share = max(asked.requests / whole.requests, asked.faults / whole.faults, 0.1)
        return cls(asked.requests, asked.faults, whole.seconds * share, whole.rest)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to."""

    seed: int
    history: History
    breaches: list[Breach]
    moving: list[str]
    """What never came to rest."""
    replayed: list[str]
    failed: list[str]
    seconds: float

    @property
    def held(self) -> bool:
        return not self.breaches and not self.moving and not self.failed


async def run(size: Size, seed: int | None, folder: Path, say: Say) -> Outcome:
    """Play it. Raises NotStarted when the house does not even come up."""
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    began = clock.seconds()
    say(f"seed {seed}: {size.requests} requests, {size.faults} faults within {size.seconds:.0f} s")
    async with staged(folder, seed, say) as stage:
        pen = Pen(stage.history / "house.jsonl")
        breaker = Breaker(stage, pen, say)
        await _play(stage, breaker, size, say)
        rest = Rest(stage, {one.id for one in read([stage.history / "house.jsonl"]).of(Injected)})
        say("faults are over; waiting for rest")
        moving = await rest.wait(size.rest)
        say(
            f"{'; '.join(moving) or 'at rest'} after {clock.seconds() - began:.0f} s; reading what everybody is left with"
        )
        await gather(stage, pen)
        say(f"all is read after {clock.seconds() - began:.0f} s")
        pen.close()
        paths = sorted(stage.history.glob("*.jsonl"))
    history = await asyncio.to_thread(read, paths)
    breaches = await asyncio.to_thread(judge, history)
    return Outcome(seed, history, breaches, moving, rest.replayed, breaker.failed, clock.seconds() - began)


async def _play(stage: Stage, breaker: Breaker, size: Size, say: Say) -> None:
    """Requests and faults, both to their end; then everything is mended."""
    told: dict[str, Any] = {
        "families": await families(stage),
        "recipients": stage.recipients,
        "notice": await notice_digest(stage),
        "requests": size.requests,
        "seconds": size.seconds,
        "history": str(stage.history / "clients.jsonl"),
    }
    clients = await stage.spawn("clients", {**stage.told(), **told})
    say("number, when, what")
    await breaker.strike(planned(stage.seed, size.faults, size.seconds))
    await breaker.mend()
    if not await until_ended(clients, size.rest + 180):
        breaker.failed.append("the families' process did not come to its end")
    elif clients.exit_code:
        breaker.failed.append(f"the families' process failed: {clients.tail()}")


def told(outcome: Outcome) -> str:
    """The outcome in words: what happened, what was broken, and how to see it again."""
    history = outcome.history
    calls = Counter(f"{call.act} {_class(call.status)}" for call in history.of(Call))
    counted = ((Fault, "faults"), (Call, "calls"), (Hook, "webhooks"), (Mail, "mails"), (Record, "records"))
    seen = [f"{sum(1 for _ in history.of(kind))} {name}" for kind, name in (*counted, (Row, "disclosures"))]
    lines = [f"{', '.join(seen)} in {outcome.seconds:.0f} s"]
    lines.append("calls: " + ", ".join(f"{name} {count}" for name, count in sorted(calls.items())))
    if outcome.replayed:
        lines.append(f"{len(outcome.replayed)} records were set aside and handed in again by the operator:")
        lines += [f"    {count} × {why}" for why, count in Counter(outcome.replayed).most_common(10)]
    lines += [f"not mended: {why}" for why in outcome.failed]
    lines += [f"not at rest: {why}" for why in outcome.moving]
    rules = Counter(breach.rule for breach in outcome.breaches)
    lines += [f"BROKEN: {rule}, {count} times" for rule, count in rules.items()]
    shown: list[Breach] = []
    for rule in rules:
        shown += [breach for breach in outcome.breaches if breach.rule == rule][:SHOWN]
    lines += [breach.told() for breach in sorted(shown, key=lambda one: len(one.lines))]
    verdict = (
        "Everything held." if outcome.held else f"It did not hold. Again: python -m tests.chaos --seed {outcome.seed}"
    )
    return "\n".join([*lines, verdict])


def _class(status: int) -> str:
    return {0: "unanswered", 2: "yes", 4: "no", 5: "not now"}.get(status // 100, str(status))


FOLDER = ROOT / ".local" / "chaos"
