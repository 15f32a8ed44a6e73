"""A plan of faults is drawn from its seed alone, and leaves no kind out."""

import json
from pathlib import Path

from tests.chaos.breaking import Breaker
from tests.chaos.clients import PLOTS, plots
from tests.chaos.plan import KINDS, planned
from tests.chaos.run import Size


def test_the_same_seed_plans_the_same_faults() -> None:
    assert planned(7, 40, 300) == planned(7, 40, 300)
    assert planned(7, 40, 300) != planned(8, 40, 300)


def test_every_kind_comes_once_before_any_comes_twice() -> None:
    first = planned(7, 2 * len(KINDS), 300)
    assert {one.kind for one in first[: len(KINDS)]} == {*KINDS}
    assert {one.kind for one in first[len(KINDS) :]} == {*KINDS}


def test_faults_come_in_order_within_the_run_and_have_their_lengths() -> None:
    faults = planned(7, 60, 300)
    assert [one.at for one in faults] == sorted(one.at for one in faults)
    assert all(0 < one.at < 300 for one in faults)
    for one in faults:
        targets, (least, most) = KINDS[one.kind]
        assert one.target in targets
        assert least <= one.seconds <= most


def test_what_is_planned_can_be_carried_out() -> None:
    assert {*Breaker._acts(object.__new__(Breaker))} == {*KINDS}


def test_a_run_without_faults_plans_none() -> None:
    assert planned(7, 0, 300) == []


def test_the_same_seed_tells_the_same_stories() -> None:
    families = [{"signer": f"per_{one}", "student": f"per_{one}"} for one in range(9)]
    config = {"seed": 7, "requests": 300, "families": families, "recipients": ["org_1", "org_2"]}
    stories = plots(config)
    assert stories == plots(json.loads(json.dumps(config)))
    assert {one.plot for one in stories} == {*PLOTS}
    assert all(one.snoop is None or one.snoop["signer"] != one.family["signer"] for one in stories)


def test_who_asks_for_less_is_given_less_time_and_ci_and_the_long_run_have_their_sizes() -> None:
    ci, long = (Size.of(is_long=one, requests=None, faults=None) for one in (False, True))
    assert (ci.requests, ci.faults) == (1_000, 20)
    assert (long.requests, long.faults) == (10_000, 200)
    assert Size.of(is_long=False, requests=100, faults=2).seconds < ci.seconds
    assert Path(__file__).parent.name == "chaos"
