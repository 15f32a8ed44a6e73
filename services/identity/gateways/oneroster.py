"""Reads a school's OneRoster CSV export, version 1.2 or 1.1, into the few values that accounts are made of.

Pure: bytes and today's date in, a `Roster` out. One bad row never stops the rest; an archive that can't be
trusted as a whole ends in `RosterUnreadable`, and then nothing of it counts. Only name, e-mail, role, school,
grade, birth date of students and the links to guardians are read (P8); `roster_rows.ALLOWED` is the whole list.
It does not know who is in Placet already, and it does not check that an e-mail reaches anybody.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Literal

from services.identity.gateways import roster_rows as rules
from services.identity.gateways.roster import (
    Findings,
    Guardianship,
    Kind,
    Person,
    Role,
    Roster,
    RosterUnreadable,
    School,
    SourcedId,
    Status,
)
from services.identity.gateways.roster_csv import Reading, Row, Sheet, read_sheet
from services.identity.gateways.roster_rows import DEMOGRAPHICS, MANIFEST, ORGS, ROLES, USERS, Account
from services.identity.gateways.roster_zip import ARCHIVE, Archive, Limits

__all__ = ["Limits", "Roster", "RosterUnreadable", "read_roster"]

Version = Literal["1.1", "1.2"]
ADULT = 18  # 34 CFR 99.3, "eligible student"
_DEFAULT_LIMITS = Limits()


def read_roster(zip_bytes: bytes, *, today: date, limits: Limits = _DEFAULT_LIMITS) -> Roster:
    """What the archive says, with a list of what is wrong in it.

    `today` decides which roles have begun or ended, which birth dates lie in the future and which students are
    under 18. Raises `RosterUnreadable`, with the file and what to do, when the archive can't be used at all.
    """
    archive = Archive(zip_bytes, limits)
    work = _Reader(archive, limits, today)
    version = work.read_all()
    schools, people = tuple(work.schools.values()), tuple(work.people())
    links = tuple(work.guardianships())
    work.warn_about_minors(links)
    return Roster(
        version=version,
        delta=work.delta,
        schools=schools,
        people=people,
        guardianships=links,
        problems=work.found.listed(),
        counts=work.found.counts(schools, people, links),
    )


class _Reader:
    """The state of one reading: what each file has given so far."""

    def __init__(self, archive: Archive, limits: Limits, today: date) -> None:
        self._archive = archive
        self._limits = limits
        self._today = today
        self.found = Findings(limits.problems)
        self.delta = False
        self.schools: dict[SourcedId, School] = {}
        self._accounts: dict[SourcedId, Account] = {}
        self._role_rows: set[SourcedId] = set()  # people with any row in roles.csv, whatever became of it
        self._birth_dates_told: set[SourcedId] = set()  # a bad birth date was noted: no second note
        self._knows_birth_dates = False

    def read_all(self) -> Version:
        """Reads the files in the order in which they name one another."""
        declared = self._read_manifest()
        if self._archive.holds(ORGS.file) or not self.delta:
            self._read_orgs()
        users = self._sheet(USERS)
        version = self._version(declared, users)
        self._read_users(users, version)
        if version == "1.2" and (self._archive.holds(ROLES.file) or not self.delta):
            self._read_roles()
        if self._archive.holds(DEMOGRAPHICS.file):
            self._read_demographics()
        return version

    def _sheet(self, sheet: Sheet) -> Reading:
        if not self._archive.holds(sheet.file):
            raise RosterUnreadable(sheet.file, "is missing from the archive; export the roster with it")
        return read_sheet(lambda: self._archive.open(sheet.file), sheet, self._limits, self.found)

    def _read_manifest(self) -> Version | None:
        if not self._archive.holds(MANIFEST.file):
            if not self._archive.holds(USERS.file):
                raise RosterUnreadable(ARCHIVE, "holds no users.csv; choose the ZIP of a OneRoster CSV export")
            self.found.warning(MANIFEST.file, 1, None, "is missing; the version was told by the columns")
            return None
        told: dict[str, str] = {}
        for row in self._sheet(MANIFEST).rows:
            name, value = row["propertyName"].lower(), row["value"].lower()
            told[name] = value
            file = f"{name.removeprefix('file.')}.csv"
            if name.startswith("file.") and value == "absent" and self._archive.holds(file):
                self.found.warning(MANIFEST.file, row.number, "value", f"says absent, but {file} is there; it was read")
        self.delta = "delta" in (told.get(f"file.{name}") for name in ("orgs", "users", "roles", "demographics"))
        version = told.get("oneroster.version", "").removeprefix("v").replace("p", ".")
        if version.startswith("1.1"):
            return "1.1"
        if version.startswith("1.2"):
            return "1.2"
        if version:
            reason = "names a version other than 1.1 and 1.2; choose one of these in the export's settings"
            raise RosterUnreadable(MANIFEST.file, reason)
        self.found.warning(MANIFEST.file, 1, None, "says no oneroster.version; it was told by the columns")
        return None

    def _version(self, declared: Version | None, users: Reading) -> Version:
        """What the file really is: roles stand in users.csv in 1.1, and in a file of their own in 1.2."""
        inline = {"role", "orgSourcedIds"} <= users.columns
        actual = declared or ("1.1" if inline and not self._archive.holds(ROLES.file) else "1.2")
        if actual == "1.2" and inline and not self._archive.holds(ROLES.file) and not self.delta:
            self.found.warning(MANIFEST.file, 1, None, "says 1.2, but the roles stand in users.csv; it was read as 1.1")
            return "1.1"
        if actual == "1.1" and not inline:
            if not self._archive.holds(ROLES.file):
                raise RosterUnreadable(USERS.file, "lacks the columns role and orgSourcedIds, which 1.1 needs")
            self.found.warning(MANIFEST.file, 1, None, "says 1.1, but the roles stand in roles.csv; it was read as 1.2")
            return "1.2"
        return actual

    def _read_orgs(self) -> None:
        numbers: dict[SourcedId, int] = {}
        for row in self._sheet(ORGS).rows:
            school = rules.read_school(row, self.found)
            if school is None or self._repeated(self.schools.get(school.sourced_id), school, row, ORGS):
                continue
            self.schools[school.sourced_id] = school
            numbers[school.sourced_id] = row.number
        for school in list(self.schools.values()):
            parent = school.parent_sourced_id
            if parent is None or (parent in self.schools and not self._circular(school)):
                continue
            if parent in self.schools or not self.delta:
                reason = "names no organization of this file, or goes round in a circle; it is left empty"
                self.found.warning(ORGS.file, numbers[school.sourced_id], "parentSourcedId", reason)
                self.schools[school.sourced_id] = replace(school, parent_sourced_id=None)

    def _circular(self, school: School) -> bool:
        seen = {school.sourced_id}
        above = school.parent_sourced_id
        while above is not None and above in self.schools:
            if above in seen:
                return True
            seen.add(above)
            above = self.schools[above].parent_sourced_id
        return False

    def _repeated(self, known: object | None, again: object, row: Row, sheet: Sheet) -> bool:
        if known is None:
            return False
        same = known.same_as(again) if isinstance(known, Account) and isinstance(again, Account) else known == again
        if same:
            self.found.warning(sheet.file, row.number, "sourcedId", "is there twice with the same content; remove one")
        else:
            reason = "is there already with other content; the first row counts, give this one a key of its own"
            self.found.error(sheet.file, row.number, "sourcedId", reason)
        return True

    def _read_users(self, users: Reading, version: Version) -> None:
        addresses: dict[str, int] = {}
        for row in users.rows:
            account = rules.read_account(row, self.found)
            if account is None:
                continue
            if version == "1.1" and account.status is not Status.REMOVED and not self._inline_roles(row, account):
                continue
            if self._repeated(self._accounts.get(account.sourced_id), account, row, USERS):
                continue
            self._accounts[account.sourced_id] = account
            if account.email is not None:
                first = addresses.setdefault(account.email.lower(), row.number)
                if first != row.number:
                    reason = f"is the same address as in row {first}; each person should have their own"
                    self.found.warning(USERS.file, row.number, "email", reason)

    def _inline_roles(self, row: Row, account: Account) -> bool:
        """Puts the roles of a 1.1 row into the account; False leaves the row out."""
        kind = rules.read_kind(row, USERS, self.found)
        if kind is None:
            return False
        named = rules.id_list(row["orgSourcedIds"])
        known = [org for org in named if self._is_known_org(org)]
        if not known:
            reason = "names no organization of orgs.csv; correct the key or add the organization"
            self.found.error(USERS.file, row.number, "orgSourcedIds", reason)
            return False
        if len(known) < len(named):
            reason = "names an organization that is not in orgs.csv; the others count"
            self.found.warning(USERS.file, row.number, "orgSourcedIds", reason)
        account.roles = [Role(kind, org, Status.ACTIVE) for org in known]
        return True

    def _is_known_org(self, org: SourcedId) -> bool:
        school = self.schools.get(org)
        # In a delta the organization may be one that the receiver knows already.
        return self.delta if school is None else school.status is not Status.REMOVED

    def _read_roles(self) -> None:
        secondary: list[tuple[Account, Role]] = []
        for row in self._sheet(ROLES).rows:
            person = SourcedId(row["userSourcedId"])
            self._role_rows.add(person)
            account = self._accounts.get(person)
            if account is None:
                reason = "names nobody of users.csv; correct the key or add the person's row"
                self.found.error(ROLES.file, row.number, "userSourcedId", reason)
                continue
            role = self._role(row)
            if role is None or role in account.roles:
                continue
            if row["roleType"].lower() == "secondary":
                secondary.append((account, role))
            else:
                account.roles.append(role)
        for account, role in secondary:
            if role not in account.roles:
                account.roles.append(role)

    def _role(self, row: Row) -> Role | None:
        kind = rules.read_kind(row, ROLES, self.found)
        if kind is None:
            return None
        org = SourcedId(row["orgSourcedId"])
        if not org or not self._is_known_org(org):
            reason = "names no organization of orgs.csv; correct the key or add the organization"
            self.found.error(ROLES.file, row.number, "orgSourcedId", reason)
            return None
        for column in ("beginDate", "endDate"):
            day = rules.read_date(row[column]) if row[column] else None
            if row[column] and day is None:
                self.found.error(ROLES.file, row.number, column, "is not a date like 2026-08-31; correct it")
                return None
            if day and (day > self._today if column == "beginDate" else day < self._today):
                return None  # not begun, or over: the file is right, there is only nothing to do
        return Role(kind, org, Status.REMOVED if rules.is_removed(row) else Status.ACTIVE)

    def _read_demographics(self) -> None:
        self._knows_birth_dates = True
        seen: dict[SourcedId, str] = {}
        for row in self._sheet(DEMOGRAPHICS).rows:
            person = SourcedId(row["sourcedId"])
            account = self._accounts.get(person)
            if account is None:
                reason = "names nobody of users.csv; correct the key or add the person's row"
                self.found.error(DEMOGRAPHICS.file, row.number, "sourcedId", reason)
                continue
            if self._repeated(seen.get(person), row["birthDate"], row, DEMOGRAPHICS):
                continue
            seen[person] = row["birthDate"]
            # Nobody but a student has a birth date here: nothing is decided by anybody else's age. (A delta may
            # leave out roles that have not changed; the receiver, who knows them, must drop the date then.)
            if rules.is_removed(row) or not (_is(account, Kind.STUDENT) or (self.delta and not account.roles)):
                continue
            account.birth_date = rules.read_birth_date(row, today=self._today, found=self.found)
            if row["birthDate"] and account.birth_date is None:
                self._birth_dates_told.add(person)

    def people(self) -> Iterator[Person]:
        """Every account that has a role, or is there only to be removed or changed."""
        for account in list(self._accounts.values()):
            if not account.roles and account.status is not Status.REMOVED and not self.delta:
                if account.sourced_id not in self._role_rows:
                    reason = "has no row in roles.csv; without a role there is no account"
                    self.found.error(USERS.file, account.row, "sourcedId", reason)
                del self._accounts[account.sourced_id]
                continue
            yield Person(
                sourced_id=account.sourced_id,
                roles=tuple(account.roles),
                given_name=account.given_name,
                family_name=account.family_name,
                middle_name=account.middle_name,
                preferred_given_name=account.preferred_given_name,
                preferred_family_name=account.preferred_family_name,
                email=account.email,
                birth_date=account.birth_date,
                grade=account.grade,
                status=account.status,
            )

    def guardianships(self) -> Iterator[Guardianship]:
        """The links between students and guardians, whichever of the two rows names the other, each once."""
        told: set[Guardianship] = set()
        for account in self._accounts.values():
            if account.status is Status.REMOVED:
                continue
            for agent in account.agents:
                link = self._link(account, agent)
                if link is not None and link not in told:
                    told.add(link)
                    yield link

    def _link(self, account: Account, agent: SourcedId) -> Guardianship | None:
        other = self._accounts.get(agent)
        if agent == account.sourced_id:
            reason = "names the person's own key; the link is left out"
        elif other is None and self.delta and _is(account, Kind.STUDENT):
            return Guardianship(account.sourced_id, agent)
        elif other is None:
            reason = "names somebody who is not among the people read; the link is left out"
        elif other.status is Status.REMOVED:
            return None
        elif _is(account, Kind.STUDENT) and _is(other, Kind.GUARDIAN):
            return Guardianship(account.sourced_id, agent)
        elif _is(account, Kind.GUARDIAN) and _is(other, Kind.STUDENT):
            return Guardianship(agent, account.sourced_id)
        else:
            # OneRoster's agents may be anybody; only a parent or guardian may act for a student here.
            reason = "links two people who are not a student and a guardian; the link is left out"
        self.found.warning(USERS.file, account.row, "agentSourcedIds", reason)
        return None

    def warn_about_minors(self, links: tuple[Guardianship, ...]) -> None:
        """Students for whom nobody could sign, and those whose age is not known."""
        stood_for = {link.student_sourced_id for link in links}
        if not self._knows_birth_dates and not self.delta:
            reason = "is not in the archive; without birth dates every student is taken as under 18"
            self.found.warning(DEMOGRAPHICS.file, 1, None, reason)
        for account in self._accounts.values():
            if account.status is Status.REMOVED or not _is(account, Kind.STUDENT):
                continue
            born = account.birth_date
            if born is None and self._knows_birth_dates and account.sourced_id not in self._birth_dates_told:
                reason = "has no birth date in demographics.csv; the student is taken as under 18"
                self.found.warning(USERS.file, account.row, "sourcedId", reason)
            if account.sourced_id not in stood_for and (born is None or _age(born, self._today) < ADULT):
                reason = "names no guardian of a student under 18; until one is added nobody can sign for them"
                self.found.warning(USERS.file, account.row, "agentSourcedIds", reason)


def _is(account: Account, kind: Kind) -> bool:
    return any(role.kind is kind and role.status is Status.ACTIVE for role in account.roles)


def _age(born: date, today: date) -> int:
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))
