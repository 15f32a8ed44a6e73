"""When a student turns 18, and with that becomes the one who holds the rights in the record (34 CFR 99.3, 99.5(a))."""

from datetime import date, timedelta

ADULT = 18


def eligible_on(born: date) -> date:
    """The day that begins the 19th year of life, in the calendar of the student's school.

    Born on 29 February: the 1st of March. No 18th year after a leap year is one, so that day never comes; the day after
    the 28th is the first on which 18 full years have passed for certain, and until then the guardian holds the rights.
    """
    year = born.year + ADULT
    try:
        return born.replace(year=year)
    except ValueError:
        return date(year, 3, 1)


def days_after(through: date, today: date, *, most: int) -> tuple[date, ...]:
    """The days after `through` up to and with `today`, at most `most` of them, earliest first."""
    return tuple(through + timedelta(days=step) for step in range(1, min((today - through).days, most) + 1))
