"""One request, two recipients, a few things that are done: every order of doing and hearing them, every state looked at."""

import pytest

from tests.model import scope
from tests.model.cast import COLLEGE, MINOR
from tests.model.scope import Search
from tests.model.world import World, run

COMMON = {"sign": scope.sign, "revoke": scope.revoke}
SCOPES = {
    "time and a watermark": {"half a minute": scope.half_a_minute, "watermark": scope.watermark},
    "a second version": {"seal": scope.seal_again},
    "a withdrawal": {"withdraw": scope.withdraw},
    "a hold": {"hold": scope.hold, "lift": scope.lift},
    "a suspension": {"suspend": scope.suspend},
    "repeats": {"approval again": scope.approval_again, "release again": scope.release_again},
}
MOST = 6_000


def opened() -> World:
    """The request is opened, its package is there, and nobody has been told."""
    world = World()
    run(world, world.found())
    run(world, world.family.open_request(MINOR, COLLEGE))
    world.still = True
    return world


@pytest.mark.parametrize("name", SCOPES)
def test_every_order_of(name: str) -> None:
    search = Search({**COMMON, **SCOPES[name]}, MOST)
    search.go(opened())
    print(f"{name}: {search.states} states, depth {search.depth}, {search.ends} ends")
    assert search.complete
    assert search.ends and search.disclosed
