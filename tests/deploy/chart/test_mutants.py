"""Each rule can fail: a fault put into the manifests is seen, every time, and every rule sees one."""

import pytest

from tests.deploy.chart.mutants import MUTANTS
from tests.deploy.chart.rendered import Rendered, rendered
from tests.deploy.chart.rules import RULES, faults
from tests.deploy.chart.sets import EVERYTHING


def caught(name: str) -> dict[str, list[str]]:
    chart = rendered(EVERYTHING).copy()
    bent = MUTANTS[name](chart)
    # Some bend what is there, and some give back another set of documents.
    return faults(bent if isinstance(bent, Rendered) else chart)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_caught(name):
    assert caught(name)


def test_every_rule_catches_one():
    seen = {rule for name in MUTANTS for rule in caught(name)}
    assert {rule.__name__ for rule in RULES} == seen
