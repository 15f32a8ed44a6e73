"""The 18th birthdays of today, school by school: whose day has come gets the rights in the record (34 CFR 99.5(a))."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from contracts.types import OrganizationId
from services.chassis import ids
from services.chassis.decision import Decision
from services.chassis.store.work import Job, Known, Need, One, Verdict
from services.identity import domain
from services.identity.domain import Birthdays, Organization, TransferRights
from services.identity.gateways.marks import Marks
from services.identity.store import BIRTHDAYS, PEOPLE, Questions

LOOKED_BACK = timedelta(days=3)
"""Days looked at again each time: an import that was on its way over midnight is not missed."""
MOST_DAYS = 400
"""Days in one look. A worker that was away for longer takes several."""


@dataclass(frozen=True, slots=True)
class Through:
    """A school's birthdays have been looked through up to and with this day."""

    school_id: OrganizationId
    day: date
    at: datetime


Due = TransferRights | Through


class BirthdaysDue:
    """Finds what the chore has to do, and makes its jobs."""

    def __init__(self, questions: Questions, marks: Marks) -> None:
        self._questions = questions
        self._marks = marks

    async def find(self, now: datetime, limit: int) -> Sequence[Due]:
        """Transfers that are due, at most `limit`; for a school with none left, the day it has reached."""
        due: list[Due] = []
        for school in await self._questions.schools():
            due += await self._at(school, now, limit - len(due))
            if len(due) >= limit:
                break
        return due

    async def _at(self, school: Organization, now: datetime, limit: int) -> Sequence[Due]:
        today = now.astimezone(ZoneInfo(school.timezone)).date()
        known = await self._questions.birthdays(school.organization_id)
        through = date.fromisoformat(known.through) if known else today
        days = domain.days_after(through - LOOKED_BACK, today, most=MOST_DAYS)
        if not days:
            return ()
        tokens = [self._marks.birthday(day) for day in days]
        found = await self._questions.come_of_age(school.organization_id, tokens, limit)
        if found:
            return [
                TransferRights(
                    person_id=person.person_id,
                    school_id=school.organization_id,
                    birthdays=frozenset(tokens),
                    at=now,
                )
                for person in found
            ]
        return (Through(school.organization_id, days[-1], now),) if days[-1] > through else ()

    @staticmethod
    def job(due: Due) -> Job:
        """The job for one finding."""
        return _transfer(due) if isinstance(due, TransferRights) else _advance(due)


def _transfer(command: TransferRights) -> Job:
    def reads(_: Known) -> Iterable[Need]:
        return (One(PEOPLE, command.person_id),)

    def decide(known: Known) -> Verdict:
        return domain.transfer_rights(known.one(PEOPLE, command.person_id), command)

    cause = ids.derived("age", command.person_id, command.at.date().isoformat())
    return Job(cause=cause, at=command.at, reads=reads, decide=decide, correlation=command.person_id)


def _advance(through: Through) -> Job:
    def reads(_: Known) -> Iterable[Need]:
        return (One(BIRTHDAYS, through.school_id),)

    def decide(known: Known) -> Verdict:
        kept = known.one(BIRTHDAYS, through.school_id)
        reached = through.day.isoformat()
        if kept is not None and kept.through >= reached:
            return domain.UNCHANGED
        return Decision(Birthdays(through.school_id, reached))

    cause = f"birthdays:{through.school_id}:{through.day.isoformat()}"
    return Job(cause=cause, at=through.at, reads=reads, decide=decide)
