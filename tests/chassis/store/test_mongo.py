"""Which errors of the driver's mean that only time, or an operator, can mend it."""

import pytest
from pymongo.errors import OperationFailure

from services.chassis.store.mongo import not_now
from services.chassis.store.work import NotNow


@pytest.mark.parametrize("code", [11, 18], ids=["user gone", "another password"])
def test_a_login_that_is_refused_is_no_fault_of_a_message(code: int):
    with pytest.raises(NotNow, match="our user or its password"), not_now():
        raise OperationFailure("refused", code)


def test_a_right_that_we_lack_is_a_bug_and_stays_one():
    with pytest.raises(OperationFailure), not_now():
        raise OperationFailure("not authorized", 13)
