"""The invented schools and everybody who belongs to them, the same on every run.

Harbor Point Academy (New York's time) and Mesa Verde High (Denver's) with households of one or two students and one
or two guardians. Some students are 18 already, some turn 18 within weeks, one was born on a 29 February: the
age rules of 34 CFR 99.3 and 99.5 have something to bite on.
"""

import random
from dataclasses import dataclass, field
from datetime import date, timedelta

from deploy.demo.names import TRADITIONS, Tradition, address_word

SEED = 2026
STUDENTS_PER_SCHOOL = {"hp": 128, "mv": 112}
FIRST_GRADE, LAST_GRADE = 9, 12
GRADUATION_YEAR = 2027  # of grade 12 in the school year that began in autumn 2026

# Eighteen on 1 November 2026 or before; the 29 February is on purpose.
ADULTS = tuple(
    date.fromisoformat(day)
    for day in [
        "2007-12-19",
        "2008-01-08",
        "2008-02-03",
        "2008-02-29",
        "2008-03-17",
        "2008-04-22",
        "2008-05-09",
        "2008-05-30",
        "2008-06-14",
        "2008-07-01",
        "2008-07-27",
        "2008-08-11",
        "2008-08-25",
        "2008-09-06",
        "2008-09-19",
        "2008-10-02",
        "2008-10-17",
        "2008-10-31",
    ]
)
SOON_ADULTS = tuple(
    date.fromisoformat(day)
    for day in [
        "2008-11-20",
        "2008-11-24",
        "2008-11-25",
        "2008-11-26",
        "2008-11-28",
        "2008-11-30",
        "2008-12-01",
        "2008-12-05",
        "2008-12-24",
        "2008-12-31",
        "2009-01-01",
        "2009-01-15",
    ]
)


@dataclass(frozen=True, slots=True)
class Campus:
    """A school of the demo. `zone` is the time zone in which birthdays begin there; OneRoster has no place for it."""

    key: str
    sourced_id: str
    name: str
    identifier: str
    domain: str
    zone: str


CAMPUSES = (
    Campus("hp", "org-harbor-point", "Harbor Point Academy", "HP-0417", "harborpoint.example.org", "America/New_York"),
    Campus("mv", "org-mesa-verde", "Mesa Verde High", "MV-2203", "mesaverde.example.org", "America/Denver"),
)
DISTRICT = ("org-two-coasts", "Two Coasts Cooperative", "TC-0001")


@dataclass(slots=True)
class Resident:
    """Somebody of the demo, as the school's own system knows them."""

    sourced_id: str
    campus: Campus
    role: str
    given: str
    family: str
    language: str
    email: str = ""
    middle: str = ""
    preferred: str = ""
    grade: int = 0
    born: date | None = None
    agents: list[str] = field(default_factory=list)
    second_role: tuple[str, str] | None = None  # role, organization


def residents() -> list[Resident]:
    """Everybody, school by school: staff first, then household by household."""
    # The seed makes the files the same on every machine; nothing secret comes from it.
    draw = random.Random(SEED)  # noqa: S311
    everybody: list[Resident] = []
    for campus in CAMPUSES:
        everybody += _staff(campus, draw)
        everybody += _households(campus, draw)
    _set_birth_dates(everybody, draw)
    _set_addresses(everybody, draw)
    # A teacher at one school who is a parent at the other: each right must stay where it belongs.
    teacher = next(r for r in everybody if r.sourced_id == "hp-ed-03")
    child = next(r for r in everybody if r.sourced_id == "mv-st-010")
    teacher.second_role = ("parent", child.campus.sourced_id)
    child.agents.append(teacher.sourced_id)
    return everybody


def _staff(campus: Campus, draw: random.Random) -> list[Resident]:
    posts = (
        [("rg", "ext:registrar")] * 2
        + [("ed", "teacher")] * 9
        + [("ed", "counselor")]
        + [("ad", "principal"), ("ad", "siteAdministrator")]
    )
    numbers = {"rg": 0, "ed": 0, "ad": 0}
    staff = []
    for code, role in posts:
        numbers[code] += 1
        tradition = _tradition(draw, latin=True)
        given, family = draw.choice(tradition.given), draw.choice(tradition.family)
        sourced_id = f"{campus.key}-{code}-{numbers[code]:02d}"
        staff.append(Resident(sourced_id, campus, role, given, family, tradition.language))
    if campus.key == "hp":
        head = Resident("tc-ad-01", campus, "districtAdministrator", "Rosalind", "Okonjo-Beck", "en")
        staff.append(head)
    return staff


def _households(campus: Campus, draw: random.Random) -> list[Resident]:
    people: list[Resident] = []
    students = guardians = 0
    while students < STUDENTS_PER_SCHOOL[campus.key]:
        tradition = _tradition(draw)
        family = draw.choice(tradition.family)
        parents = []
        for _ in range(draw.choices((1, 2), weights=(35, 65))[0]):
            guardians += 1
            # One in four households has parents of two names.
            name = family if draw.random() < 0.75 else draw.choice(tradition.family)
            role = draw.choices(("parent", "guardian"), weights=(85, 15))[0]
            sourced_id = f"{campus.key}-gu-{guardians:03d}"
            given = draw.choice(tradition.given)
            parents.append(Resident(sourced_id, campus, role, given, name, tradition.language))
        children = min(draw.choices((1, 2, 3), weights=(76, 21, 3))[0], STUDENTS_PER_SCHOOL[campus.key] - students)
        grades = draw.sample(range(FIRST_GRADE, LAST_GRADE + 1), children)
        for given, grade in zip(draw.sample(tradition.given, children), grades, strict=True):
            students += 1
            sourced_id = f"{campus.key}-st-{students:03d}"
            student = Resident(sourced_id, campus, "student", given, family, tradition.language)
            student.grade = grade
            student.agents = [parent.sourced_id for parent in parents]
            if tradition.language == "en" and draw.random() < 0.4:
                student.middle = draw.choice(tradition.given)
            if draw.random() < 0.08:
                student.preferred = draw.choice(("Sam", "Alex", "Kit", "Remy", "Jo", "Max"))
            people.append(student)
        people += parents
    return people


def _tradition(draw: random.Random, *, latin: bool = False) -> Tradition:
    choices = [t for t in TRADITIONS if t.latin or not latin]
    return draw.choices(choices, weights=[t.weight for t in choices])[0]


def _set_birth_dates(everybody: list[Resident], draw: random.Random) -> None:
    for student in everybody:
        if student.grade:
            first = date(2017 - student.grade + 3, 9, 1)  # grade 12 was born from September 2008 on
            student.born = first + timedelta(days=draw.randrange(150, 364))
    seniors = [r for r in everybody if r.grade == LAST_GRADE]
    for student, born in zip(draw.sample(seniors, len(ADULTS + SOON_ADULTS)), ADULTS + SOON_ADULTS, strict=True):
        student.born = born


def _set_addresses(everybody: list[Resident], draw: random.Random) -> None:
    taken: set[str] = set()
    for person in everybody:
        is_guardian = "-gu-" in person.sourced_id
        # Some families have no e-mail: they are reached on paper, through the school.
        if is_guardian and draw.random() < 0.06:
            continue
        words = [w for w in (address_word(person.given), address_word(person.family.split()[0])) if w]
        local = ".".join(words) if len(words) > 1 else person.sourced_id.replace("-", "")
        domain = {"student": f"students.{person.campus.domain}"}.get(person.role, person.campus.domain)
        if is_guardian:
            domain = draw.choice(("home.example.org", "post.example.org", "families.test"))
        number = 1
        address = f"{local}@{domain}"
        while address in taken:
            number += 1
            address = f"{local}{number}@{domain}"
        taken.add(address)
        person.email = address
