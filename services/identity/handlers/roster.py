"""Takes a school's roster over: reads it, encrypts what is personal at the door, commits people in chunks, reports.

Invariants: nothing personal reaches a document or an event but as ciphertext under that person's own key; a good row is
kept whatever the others are like; the same file again changes nothing, so an import that broke off is simply repeated.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from zoneinfo import ZoneInfo

from contracts.problem import Reason
from contracts.types import OrganizationId, PersonId, SealedValue
from services.chassis.decision import Decision, Refusal
from services.chassis.keys.person import PersonKeys
from services.chassis.store.work import Job, Known, Need, One, Outcome, Verdict, Work
from services.identity import domain
from services.identity.domain import (
    Birth,
    Import,
    ImportCounts,
    ImportProblem,
    Organization,
    Person,
    RecordPerson,
    Severity,
)
from services.identity.gateways import roster as rostered
from services.identity.gateways.marks import Marks
from services.identity.gateways.oneroster import read_roster
from services.identity.gateways.profiles import Profile
from services.identity.gateways.roster import Roster, RosterUnreadable
from services.identity.handlers.rows import Places, Row, places_in, rows_of
from services.identity.store import IMPORTS, PEOPLE, Questions

CHUNK = 200
"""People in one transaction: beyond this its own length costs more than it saves (chassis.store.work)."""
ERASED = Refusal(Reason.CONFLICT, "the person was erased; an account is not made again by a roster")
BROKEN = Refusal(Reason.NOT_NOW, "the person could not be stored; import again")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRoster:
    """A file, for whom, by whom. `may_import` is None for an operator: every school of the same rosters."""

    import_id: str
    archive: bytes = field(repr=False)
    school: Organization
    may_import: frozenset[OrganizationId] | None
    imported_by: PersonId
    at: datetime


class RosterImport:
    """The command that imports a roster."""

    def __init__(self, work: Work, questions: Questions, keys: PersonKeys, marks: Marks) -> None:
        self._work = work
        self._questions = questions
        self._keys = keys
        self._marks = marks

    async def carry_out(self, command: ImportRoster) -> Import | Refusal:
        """Import. Refuses as a whole only a file that can't be read or doesn't hold the school it was sent for."""
        already = await self._questions.imported(command.import_id)
        if already is not None:
            return already
        today = command.at.astimezone(ZoneInfo(command.school.timezone)).date()
        try:
            # Seconds of work for a district: in a thread, so that others are answered meanwhile.
            roster = await asyncio.to_thread(read_roster, command.archive, today=today)
        except RosterUnreadable as why:
            return Refusal(Reason.INVALID, f"{why.file} {why.reason}")
        source = command.school.source or command.school.organization_id
        schools = await self._questions.schools_of(source)
        places = places_in(roster, schools, may_import=command.may_import)
        if command.school.organization_id not in places.speaks_for:
            return Refusal(
                Reason.INVALID,
                f"orgs.csv names no organization with the key {command.school.sourced_id!r}, "
                "under which this school is known here; send this school's own roster",
            )
        return await self._take_over(command, roster, places, source)

    async def _take_over(self, command: ImportRoster, roster: Roster, places: Places, source: str) -> Import:
        rows = list(rows_of(roster, places, source))
        before = await self._questions.people([row.person_id for row in rows])
        passage = _Passage(command, roster, places, source, before, await self._there(rows, before))
        at_schools = 0 if roster.delta else await self._questions.count_people(source, sorted(places.speaks_for))
        tally = _Tally()
        for chunk in _chunks(rows):
            jobs = await self._jobs(passage, chunk)
            results = await self._work.carry_out_batch([job for job in jobs if isinstance(job, Job)])
            for row, outcome in zip(chunk, _laid_together(jobs, results), strict=True):
                tally.note(outcome, known=row.person_id in before, row=row)
        here = sum(1 for person in before.values() if places.speaks_for.intersection(person.school_ids))
        report = _report(passage, tally, absent=max(0, at_schools - here))
        await self._work.carry_out(_keep(report))
        return report

    async def _there(self, rows: Sequence[Row], before: dict[PersonId, Person]) -> frozenset[PersonId]:
        """Everybody a guardian's link may name: people of this file that have a place, and people known already."""
        named = {one for row in rows for one in row.guardians or ()}
        in_file = {row.person_id for row in rows if row.memberships and not row.removed}
        strangers = sorted(named - in_file - before.keys())
        return frozenset(in_file | before.keys() | (await self._questions.people(strangers)).keys())

    async def _jobs(self, passage: "_Passage", chunk: Sequence[Row]) -> list[Job | Refusal]:
        """One job for each row; a refusal where there is nothing to ask. Only what has changed is encrypted."""
        before = passage.before
        clear = {row.person_id: _profile(row.person).dump() for row in chunk}
        digests = {person_id: self._marks.profile(person_id, text) for person_id, text in clear.items()}
        births = {row.person_id: self._birth(row, passage) for row in chunk}
        kept = [row for row in chunk if not row.removed and (row.memberships or row.person_id in before)]
        await self._keys.create([row.person_id for row in kept if row.person_id not in before])
        profiles = await self._sealed(
            [
                (row.person_id, clear[row.person_id])
                for row in kept
                if _differs(before.get(row.person_id), digests[row.person_id])
            ]
        )
        dates = await self._sealed(
            [
                (row.person_id, row.person.birth_date.isoformat().encode())
                for row in kept
                if row.person.birth_date and _redated(before.get(row.person_id), births[row.person_id])
            ]
        )
        jobs: list[Job | Refusal] = []
        for row in chunk:
            who, birth = row.person_id, births[row.person_id]
            if who in profiles and profiles[who] is None:
                jobs.append(ERASED)
                continue
            profile = domain.Profile(
                digest=digests[who],
                sealed=profiles.get(who),
                email_index=self._marks.email(row.person.email) if row.person.email else None,
            )
            birth = replace(birth, sealed=dates.get(who)) if birth else None
            jobs.append(_job(passage.command, passage.recorded(row, profile, birth)))
        return jobs

    def _birth(self, row: Row, passage: "_Passage") -> Birth | None:
        """The token of the 18th birthday, and whether the day has begun at one of the student's schools."""
        if row.person.birth_date is None:
            return None
        day, at, zones = domain.eligible_on(row.person.birth_date), passage.command.at, passage.places.zones
        near = {zones[place.organization_id] for place in row.memberships} or set(zones.values())
        eligible = any(day <= at.astimezone(ZoneInfo(zone)).date() for zone in near)
        return Birth(birthday=self._marks.birthday(day), sealed=None, eligible=eligible)

    async def _sealed(self, values: Sequence[tuple[PersonId, bytes]]) -> dict[PersonId, SealedValue | None]:
        sealed = await self._keys.seal_many(values)
        return {person_id: value for (person_id, _), value in zip(values, sealed, strict=True)}


@dataclass(frozen=True, slots=True)
class _Passage:
    """One file on its way in, with what is known of the people in it."""

    command: ImportRoster
    roster: Roster
    places: Places
    source: str
    before: dict[PersonId, Person]
    there: frozenset[PersonId]

    def recorded(self, row: Row, profile: domain.Profile, birth: Birth | None) -> RecordPerson:
        """The domain's command for a row."""
        return RecordPerson(
            person_id=row.person_id,
            source=self.source,
            speaks_for=self.places.speaks_for,
            whole=not self.roster.delta,
            memberships=row.memberships,
            gone=row.gone,
            removed=row.removed,
            enabled=row.person.status is rostered.Status.ACTIVE,
            profile=profile,
            birth=birth,
            guardians=tuple(sorted(self.there.intersection(row.guardians))) if row.guardians is not None else None,
            at=self.command.at,
        )


@dataclass(slots=True)
class _Tally:
    """What became of the rows. People are counted and not named: a report is not encrypted."""

    outcomes: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)

    def note(self, outcome: Outcome, *, known: bool, row: Row) -> None:
        if isinstance(outcome, Decision):
            self.outcomes["changed" if known else "created"] += 1
        # To take away somebody who is not there is done already.
        elif outcome == domain.UNCHANGED or (outcome == domain.UNKNOWN and row.removed):
            self.outcomes["unchanged"] += 1
        else:
            refusal = outcome if isinstance(outcome, Refusal) else BROKEN
            refusal = row.why_left_out or refusal if refusal == domain.UNKNOWN else refusal
            self.outcomes["left out"] += 1
            self.refusals[refusal.detail] += 1

    def problems(self, absent: int) -> list[ImportProblem]:
        found = [
            ImportProblem("users.csv", 1, None, f"people left out: {count}; {detail}", Severity.ERROR)
            for detail, count in sorted(self.refusals.items())
        ]
        if absent:
            reason = (
                f"people known at these schools and not in this file: {absent}; they stay as they are; "
                "mark those who left as tobedeleted to remove them"
            )
            found.append(ImportProblem("users.csv", 1, None, reason, Severity.WARNING))
        return found


def _report(passage: _Passage, tally: _Tally, *, absent: int) -> Import:
    command, roster, outcomes = passage.command, passage.roster, tally.outcomes
    own = [*passage.places.problems, *tally.problems(absent)]
    errors = sum(1 for problem in own if problem.severity is Severity.ERROR)
    counts = ImportCounts(
        read=sum(outcomes.values()),
        created=outcomes["created"],
        changed=outcomes["changed"],
        unchanged=outcomes["unchanged"],
        left_out=outcomes["left out"],
        absent=absent,
        errors=roster.counts.errors + errors,
        warnings=roster.counts.warnings + len(own) - errors,
    )
    return Import(
        import_id=command.import_id,
        school_id=command.school.organization_id,
        school_ids=tuple(sorted(passage.places.speaks_for)),
        imported_by=command.imported_by,
        at=command.at,
        roster_version=roster.version,
        delta=roster.delta,
        counts=counts,
        problems=(*own, *(_problem(problem) for problem in roster.problems)),
    )


def _keep(report: Import) -> Job:
    def reads(_: Known) -> Iterable[Need]:
        return (One(IMPORTS, report.import_id),)

    return Job(cause=report.import_id, at=report.at, reads=reads, decide=lambda _: Decision(report), once=True)


def _job(command: ImportRoster, recorded: RecordPerson) -> Job:
    def reads(_: Known) -> Iterable[Need]:
        return (One(PEOPLE, recorded.person_id),)

    def decide(known: Known) -> Verdict:
        return domain.record_person(known.one(PEOPLE, recorded.person_id), recorded)

    return Job(cause=f"{command.import_id}:{recorded.person_id}", at=command.at, reads=reads, decide=decide)


def _profile(person: rostered.Person) -> Profile:
    """The name that pages say is the preferred one; middle names are part of nothing here."""
    given = person.preferred_given_name or person.given_name
    family = person.preferred_family_name or person.family_name
    return Profile(
        name=" ".join(part for part in (given, family) if part),
        given_name=person.given_name,
        family_name=person.family_name,
        email=person.email,
    )


def _differs(known: Person | None, digest: str) -> bool:
    return known is None or known.profile_digest != digest


def _redated(known: Person | None, birth: Birth | None) -> bool:
    return birth is not None and (known is None or known.birthday != birth.birthday)


def _laid_together(jobs: Sequence[Job | Refusal], outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Each row's outcome: the decided ones in between those that were refused at the door."""
    decided = iter(outcomes)
    return [job if isinstance(job, Refusal) else next(decided) for job in jobs]


def _problem(problem: rostered.Problem) -> ImportProblem:
    return ImportProblem(problem.file, problem.row, problem.column, problem.reason, Severity(problem.severity.value))


def _chunks(rows: Sequence[Row]) -> Iterable[list[Row]]:
    remaining = iter(rows)
    while chunk := list(islice(remaining, CHUNK)):
        yield chunk
