"""Rights pass to the student on the 18th birthday, in the school's own calendar."""

from datetime import UTC, datetime, timedelta

import pytest

from contracts.types import RightsHolder
from services.chassis.store.work import Work
from services.identity.domain import Birthdays
from services.identity.handlers.birthdays import MOST_DAYS, Through
from services.identity.store import BIRTHDAYS
from tests.identity.conftest import HARBOR, NOW, District
from tests.identity.gateways.conftest import DEMOGRAPHICS_HEADER, Files, small_roster


def born(day: str) -> Files:
    files = small_roster()
    files["demographics.csv"] = DEMOGRAPHICS_HEADER + f"st1,,,{day},,,,\n"
    return files


async def round_of(district: District, at: datetime, *, limit: int = 200) -> int:
    """What the worker's chore does at this moment."""
    due = await district.birthdays.find(at, limit)
    work: Work = district.work
    await work.carry_out_batch([district.birthdays.job(one) for one in due])
    return len(due)


async def holder(district: District) -> RightsHolder | None:
    (student,) = [one for one in await district.everybody() if one.birthday]
    return student.rights_holder


@pytest.mark.parametrize(
    ("birth", "zone", "before", "after"),
    [
        pytest.param(
            "2008-11-25",
            "America/New_York",
            "2026-11-25T04:59:59+00:00",
            "2026-11-25T05:00:00+00:00",
            id="midnight in New York",
        ),
        pytest.param(
            "2008-11-25",
            "America/Denver",
            "2026-11-25T06:59:59+00:00",
            "2026-11-25T07:00:00+00:00",
            id="midnight in Denver",
        ),
        pytest.param(
            "2008-11-26",
            "Pacific/Kiritimati",
            "2026-11-25T09:59:59+00:00",
            "2026-11-25T10:00:00+00:00",
            id="where days begin first",
        ),
        pytest.param(
            "2009-03-08",
            "America/New_York",
            "2027-03-08T04:59:59+00:00",
            "2027-03-08T05:00:00+00:00",
            id="a week before the clocks change",
        ),
        pytest.param(
            "2009-03-15",
            "America/New_York",
            "2027-03-15T03:59:59+00:00",
            "2027-03-15T04:00:00+00:00",
            id="the day after they changed",
        ),
        pytest.param(
            "2012-02-29",
            "America/New_York",
            "2030-03-01T04:59:59+00:00",
            "2030-03-01T05:00:00+00:00",
            id="born on 29 February",
        ),
    ],
)
async def test_rights_pass_when_the_day_begins_at_the_school(
    district: District, birth: str, zone: str, before: str, after: str
) -> None:
    school = await district.school(timezone=zone)
    await district.imports(school, born(birth))
    # Long absences of the worker are caught up in several rounds.
    for _ in range(5):
        await round_of(district, datetime.fromisoformat(before))
    assert await holder(district) is RightsHolder.GUARDIAN
    await round_of(district, datetime.fromisoformat(after))
    assert await holder(district) is RightsHolder.STUDENT
    assert district.types_said()[-2:] == ["identity.rights.transferred.v1", "identity.person.recorded.v1"]


async def test_rights_pass_once(district: District) -> None:
    school = await district.school()
    await district.imports(school, born("2008-11-25"))
    for hours in (24, 25, 48, 72):
        await round_of(district, NOW + timedelta(hours=hours))
    assert district.types_said().count("identity.rights.transferred.v1") == 1


async def test_a_worker_that_was_away_for_weeks_catches_up(district: District) -> None:
    school = await district.school()
    await district.imports(school, born("2008-12-01"))
    await round_of(district, NOW + timedelta(days=60))
    assert await holder(district) is RightsHolder.STUDENT


async def test_a_day_is_done_only_when_nobody_is_left(district: District) -> None:
    school = await district.school()
    await district.imports(school, born("2008-11-25"))
    tomorrow = NOW + timedelta(days=1)
    (due,) = await district.birthdays.find(tomorrow, 10)
    assert not isinstance(due, Through)
    await round_of(district, tomorrow)
    (due,) = await district.birthdays.find(tomorrow, 10)
    assert isinstance(due, Through)
    await round_of(district, tomorrow)
    kept = await district.questions.birthdays(HARBOR)
    assert kept == Birthdays(HARBOR, "2026-11-25")
    assert await district.birthdays.find(tomorrow, 10) == []


async def test_an_older_worker_does_not_turn_the_calendar_back(district: District) -> None:
    await district.school()
    await district.put(Birthdays(HARBOR, "2026-12-01"))
    await district.work.carry_out_batch([district.birthdays.job(Through(HARBOR, NOW.date(), NOW))])
    assert await district.questions.birthdays(HARBOR) == Birthdays(HARBOR, "2026-12-01")


async def test_years_of_absence_take_several_rounds(district: District) -> None:
    school = await district.school()
    await district.imports(school, born("2010-02-03"))
    later = datetime(2029, 1, 1, 12, tzinfo=UTC)
    rounds = 0
    while await round_of(district, later):
        rounds += 1
    assert rounds >= (later - NOW).days // MOST_DAYS
    assert await holder(district) is RightsHolder.STUDENT


async def test_one_round_takes_no_more_than_it_was_told(district: District) -> None:
    for number in range(3):
        await district.school(f"org_{number}", f"s{number}")
    assert len(await district.birthdays.find(NOW + timedelta(days=1), 2)) == 2
    assert await district.store.count(BIRTHDAYS, {}) == 3
