"""What one core carries, as deploy/README.md says it, comes from the bench's page and from nowhere else."""

import pytest

from deploy.helm import sizing

PAGE = """| what | how |
|---|---|
| idle CPU of the whole house | consent 1.2, records 1.4 |
| person by person: full releases | 12 of 12 in 1 s; CPU ms each: identity 0.1, consent 5.0, mongod 10.0, front 0, smtp 4.0 |
"""


def test_the_costs_are_those_of_one_full_release_without_what_a_cluster_does_not_have() -> None:
    assert sizing.costs(PAGE) == {"identity": 0.1, "consent": 5.0, "mongod": 10.0}


def test_half_a_core_carries_what_its_cost_leaves_room_for() -> None:
    rows = sizing.table(PAGE).splitlines()
    assert "| consent | 5.0 | 100 | 2 880 000 |" in rows
    assert "| identity | 0.1 | more than all others | |" in rows
    assert rows[-1].startswith("| **together** | 15.1 | 33 |")


def test_a_page_without_them_is_no_reason_to_print_a_table_of_nothing() -> None:
    with pytest.raises(ValueError, match="person by person"):
        sizing.table("| what | how |\n")


def test_the_page_of_today_tells_the_cost_of_every_service() -> None:
    told = sizing.costs(sizing.RESULTS.read_text())
    assert set(told) == {"identity", "consent", "records", "delivery", "notify", "kafka", "mongod"}
    assert told["consent"] > 0
