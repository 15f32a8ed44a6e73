"""Tests of the test: services that are wrong in one place, and the machine finds each within the steps it makes in CI."""

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import ReleasePath
from tests.model.mutants import MUTANTS


@pytest.mark.parametrize("name", MUTANTS)
def test_the_machine_finds_that(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    MUTANTS[name](monkeypatch)
    as_in_ci = settings(settings.get_profile("ci"), phases=[Phase.generate])
    with pytest.raises(AssertionError):
        run_state_machine_as_test(ReleasePath, settings=as_in_ci)
