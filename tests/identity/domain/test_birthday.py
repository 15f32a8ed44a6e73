"""When somebody turns 18, and which days have begun."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.identity.domain import days_after, eligible_on


@pytest.mark.parametrize(
    ("born", "eligible"),
    [
        pytest.param("2008-11-24", "2026-11-24", id="an ordinary day"),
        pytest.param("2008-02-29", "2026-03-01", id="29 February: the 1st of March"),
        pytest.param("2008-02-28", "2026-02-28", id="the day before it"),
        pytest.param("2008-03-01", "2026-03-01", id="the day after it"),
        pytest.param("2008-12-31", "2026-12-31", id="the last day of a year"),
        pytest.param("1882-02-28", "1900-02-28", id="a century that is no leap year"),
        pytest.param("1904-02-29", "1922-03-01", id="29 February of another century"),
    ],
)
def test_the_18th_birthday(born: str, eligible: str) -> None:
    assert eligible_on(date.fromisoformat(born)) == date.fromisoformat(eligible)


@given(st.dates(min_value=date(1900, 1, 1), max_value=date(2100, 1, 1)))
def test_nobody_is_of_age_before_18_full_years(born: date) -> None:
    day = eligible_on(born)
    assert (day.year - born.year) == 18
    assert (day.month, day.day) >= (born.month, born.day)


def test_the_days_since_are_looked_through_from_the_earliest_on() -> None:
    through, today = date(2026, 11, 21), date(2026, 11, 24)
    assert days_after(through, today, most=10) == (date(2026, 11, 22), date(2026, 11, 23), today)
    assert days_after(through, today, most=2) == (date(2026, 11, 22), date(2026, 11, 23))


def test_a_day_that_has_been_looked_through_is_not_due_again() -> None:
    assert days_after(date(2026, 11, 24), date(2026, 11, 24), most=10) == ()
    assert days_after(date(2026, 11, 25), date(2026, 11, 24), most=10) == ()
