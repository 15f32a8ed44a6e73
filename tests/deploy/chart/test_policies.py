"""Every set of values makes manifests in which every rule holds."""

import pytest

from tests.deploy.chart.rendered import rendered
from tests.deploy.chart.rules import faults
from tests.deploy.chart.sets import EVERYTHING, SETS


@pytest.mark.parametrize("name", SETS)
def test_every_rule_holds_for(name):
    assert faults(rendered(SETS[name])) == {}


def test_every_rule_holds_with_all_flags_at_once():
    assert faults(rendered(EVERYTHING)) == {}
