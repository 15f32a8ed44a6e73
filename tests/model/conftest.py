"""The model's clock and ids, and how long its machine runs."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

from services.chassis import clock, ids
from services.chassis.kafka import relay
from tests.model import world
from tests.model.world import World

_QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
settings.register_profile(
    "ci",
    max_examples=80,
    stateful_step_count=50,
    derandomize=True,
    database=None,
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=_QUIET,
    phases=[Phase.generate, Phase.shrink],
)
settings.register_profile("long", settings.get_profile("ci"), max_examples=2_700, derandomize=False)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A hundred thousand decisions are not watched line by line: that takes six times as long, and tells no more."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.no_cover)


@pytest.fixture
def profile() -> settings:
    """4 000 steps, the same in every run; with `PLACET_MODEL=long` 100 000 that nobody has run before."""
    return settings.get_profile(os.environ.get("PLACET_MODEL", "ci"))


def _new(prefix: str) -> str:
    return World.now.new(prefix)


@pytest.fixture(autouse=True)
def model_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Clock and ids are those of the world in which something happens; and it happens in a loop of its own."""
    monkeypatch.setattr(clock, "now", lambda: World.now.at)
    monkeypatch.setattr(ids, "new", _new)
    # The relay gathers marks for a moment before it writes them: here nothing is gained by that.
    monkeypatch.setattr(relay, "MARK_SECONDS", 0.0, raising=False)
    loop = asyncio.new_event_loop()
    world.loops.append(loop)
    yield
    world.loops.remove(loop)
    loop.close()
