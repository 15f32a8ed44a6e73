"""One endpoint that fails or is slow takes no place from another."""

from services.delivery.gateways.pace import CLOSED_SECONDS, ILL_AT_ONCE, WELL_AT_ONCE, WINDOW_SECONDS, Pace
from services.delivery.gateways.webhooks import AT_ONCE


def ended(pace: Pace, count: int, *, well: bool, now: float = 0.0, took: float = 0.01) -> None:
    for _ in range(count):
        pace.begin("end")
        pace.end("end", now, well=well, took=took)


def test_an_unknown_endpoint_has_room_but_never_for_all() -> None:
    assert Pace().room("end", 0) == WELL_AT_ONCE < AT_ONCE


def test_what_is_under_way_takes_room() -> None:
    pace = Pace()
    pace.begin("end")
    assert pace.room("end", 0) == WELL_AT_ONCE - 1


def test_a_failing_endpoint_is_tried_one_at_a_time() -> None:
    pace = Pace()
    ended(pace, 1, well=False)
    assert pace.room("end", 0) == ILL_AT_ONCE
    pace.begin("end")
    assert pace.full(0) == ["end"]


def test_a_slow_endpoint_too() -> None:
    pace = Pace()
    ended(pace, 1, well=True, took=4.0)
    assert pace.room("end", 0) == ILL_AT_ONCE


def test_success_gives_the_room_back() -> None:
    pace = Pace()
    ended(pace, 1, well=False)
    ended(pace, 1, well=True)
    assert pace.room("end", 0) == WELL_AT_ONCE


def test_seven_failures_of_ten_close_it_for_thirty_seconds() -> None:
    pace = Pace()
    ended(pace, 3, well=True)
    ended(pace, 6, well=False)
    assert pace.room("end", 0) == ILL_AT_ONCE
    ended(pace, 1, well=False)
    assert (pace.room("end", 0), pace.full(CLOSED_SECONDS - 0.1)) == (0, ["end"])
    assert pace.room("end", CLOSED_SECONDS) == ILL_AT_ONCE


def test_fewer_than_ten_or_fewer_than_seven_of_ten_close_nothing() -> None:
    few, mixed = Pace(), Pace()
    ended(few, 9, well=False)
    ended(mixed, 4, well=True)
    ended(mixed, 6, well=False)
    assert (few.room("end", 0), mixed.room("end", 0)) == (ILL_AT_ONCE, ILL_AT_ONCE)


def test_failures_older_than_five_minutes_count_no_more() -> None:
    pace = Pace()
    ended(pace, 9, well=False, now=0)
    ended(pace, 1, well=False, now=WINDOW_SECONDS + 1)
    assert pace.room("end", WINDOW_SECONDS + 1) == ILL_AT_ONCE
