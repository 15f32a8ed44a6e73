"""Which faults strike, when and for how long: drawn from the seed alone, so that a run can be told again."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

SERVICES = ("identity", "consent", "records", "delivery-api", "delivery-worker", "delivery-relay", "notify")
"""The processes of the house's services."""
CLOCKS = ("consent", "records", "delivery", "notify", "everybody")

KINDS: dict[str, tuple[Sequence[str], tuple[float, float]]] = {
    "kill service": (SERVICES, (0.0, 4.0)),
    "pause service": (SERVICES, (5.0, 30.0)),
    "restart service": (SERVICES, (0.0, 0.0)),
    "kill all services": (("power",), (0.0, 2.0)),
    "kill broker": (("leader",), (1.0, 8.0)),
    "pause broker": (("leader",), (5.0, 30.0)),
    "cut off broker": (("leader",), (3.0, 15.0)),
    "kill database": (("primary",), (1.0, 8.0)),
    "pause database": (("primary",), (5.0, 30.0)),
    "cut off database": (("primary",), (3.0, 15.0)),
    "reset connections": (("kafka", "mongod", "recipient"), (0.0, 0.0)),
    "slow wire": (("kafka", "mongod"), (3.0, 8.0)),
    "recipient away": (("0", "1", "2", "3", "4", "5"), (3.0, 20.0)),
    "recipient silent": (("0", "1", "2", "3", "4", "5"), (3.0, 20.0)),
    "disk full": (("primary", "leader", "records", "notify"), (2.0, 10.0)),
    "clock": (CLOCKS, (5.0, 25.0)),
    "mail server down": (("smtp",), (3.0, 20.0)),
    "kill front": (("front",), (0.0, 2.0)),
    "repeat records": (("topics",), (0.0, 0.0)),
    "garbage records": (("topics",), (0.0, 0.0)),
    "forge records": (("topics",), (0.0, 0.0)),
}
"""By kind: what it may befall, and the bounds of its length in seconds."""
JUMP = 600.0
"""Seconds by which a clock is wrong, ahead or behind."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One fault of a run. `at` counts from the first request; `draw` decides what the plan can't know beforehand."""

    number: int
    at: float
    kind: str
    target: str
    seconds: float
    draw: int

    @property
    def told(self) -> str:
        return f"{self.kind} ({self.target}, {self.seconds:.1f} s)"


def planned(seed: int, faults: int, seconds: float) -> list[Planned]:
    """That many faults within that many seconds, every kind once before any comes twice."""
    rng = random.Random(f"{seed}-faults")
    pace = seconds / max(faults, 1)
    found: list[Planned] = []
    deck: list[str] = []
    for number in range(faults):
        if not deck:
            deck = [*KINDS]
            rng.shuffle(deck)
        kind = deck.pop()
        targets, (least, most) = KINDS[kind]
        at = pace * (number + rng.uniform(0.2, 0.8))
        found.append(Planned(number + 1, at, kind, rng.choice(targets), rng.uniform(least, most), rng.getrandbits(32)))
    return found
