"""P14: no transcript leaves without a matching approval, whatever people, processes and the broker do, in whatever order.

`PLACET_MODEL=long` runs 100 000 steps.
"""

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import ReleasePath


def test_p14_nothing_is_disclosed_without_a_live_approval_of_just_this(profile: settings) -> None:
    ReleasePath.steps = 0
    run_state_machine_as_test(ReleasePath, settings=profile)
    print(f"{ReleasePath.steps} steps")
    assert ReleasePath.steps >= 40 * profile.max_examples * 0.9
