"""One form for every *no* over HTTP, the same in every deployment."""

import pytest

from contracts.problem import STATUS, Fault, Reason, problem


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_type_a_title_and_a_status(reason: Reason) -> None:
    body = problem(reason, "it is so")
    assert body.type == f"/problems/{reason}"
    assert body.title == reason.replace("-", " ")
    assert body.status == STATUS[reason]
    assert (body.detail, body.instance, body.faults) == ("it is so", None, ())


def test_an_expected_no_is_never_our_fault() -> None:
    assert {reason for reason, status in STATUS.items() if status >= 500} == {Reason.NOT_NOW}


def test_a_problem_may_name_places_and_the_request() -> None:
    faults = (Fault(where="body.parts.3", reason="is too long"),)
    body = problem(Reason.INVALID, "see the faults", instance="http_1", faults=faults)
    assert (body.instance, body.faults) == ("http_1", faults)
