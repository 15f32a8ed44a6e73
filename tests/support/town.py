"""A small town whose every personal word is unmistakable, so that one that leaks is found: names, addresses, dates, marks.

Nothing here is drawn by chance: the same town on every run, but for ages, which follow today's date.
"""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from deploy.demo import oneroster_files as write
from deploy.demo.town import DISTRICT, Campus, Resident

ALDER = Campus("al", "org-alder", "Alder Bay School", "AL-1", "alder.example.org", "America/New_York")
"""Allows colleges and scholarships; families alone approve."""
BIRCH = Campus("bi", "org-birch", "Birch Hollow High", "BI-2", "birch.example.org", "America/Denver")
"""Allows employers too; the registrar approves each release after the family."""
CEDAR = Campus("ce", "org-cedar", "Cedar Island School", "CE-3", "cedar.example.org", "Pacific/Pago_Pago")
"""Far in the west, where it is yesterday: what makes a birthday come within a test's time."""
EAST = "Pacific/Kiritimati"
"""25 hours ahead of Cedar: its date is always a later one."""

MINORS = {"al": 54, "bi": 5, "ce": 1}
ADULTS = {"al": 6, "bi": 1, "ce": 0}
REGISTRARS = 4

GIVEN, FAMILY, MAIL = "Zquor", "Vxandel", "kestrelpost.test"
STATEMENT, EVIDENCE, MARK, COURSE, NUMBER = "kelpwhistle", "puffinscript", "Brindlewise", "Gannetology", "QN-7"
NEVER_IMPORTED = (
    "never-import-me", "STATE-ID-", "MASTER-0", "LDAP:cn", "Neverimport City", "Port Leaveout", "+1-555-01", "she/her",
    "they/them", "user0001", "americanIndian",
)  # fmt: skip
"""What the roster's other columns are full of (P8): passwords, numbers, phones, birth places, pronouns."""

_SYLLABLES = [
    "ba",
    "be",
    "bi",
    "bo",
    "bu",
    "da",
    "de",
    "di",
    "do",
    "du",
    "fa",
    "fe",
    "fi",
    "fo",
    "fu",
    "ga",
    "ge",
    "gi",
    "go",
    "gu",
    "ka",
    "ke",
    "ki",
    "ko",
    "ku",
    "la",
    "le",
    "li",
    "lo",
    "lu",
]


@dataclass(frozen=True, slots=True)
class Words:
    """What must not stand anywhere. Found by plain search: a pattern would take minutes over a broker's files."""

    any_case: tuple[bytes, ...] = ()
    exact: tuple[bytes, ...] = ()

    def find(self, data: bytes) -> Iterator[str]:
        """The first place of each word, with what stands around it."""
        folded = data.lower()
        for words, text in ((self.any_case, folded), (self.exact, data)):
            for word in words:
                at = text.find(word)
                if at >= 0:
                    yield repr(data[max(0, at - 24) : at + len(word) + 24])


@dataclass(frozen=True, slots=True)
class Town:
    """Everybody, and whose word for the birth dates."""

    people: tuple[Resident, ...]

    def at(self, campus: Campus) -> list[Resident]:
        return [one for one in self.people if one.campus.key == campus.key]

    def students(self, campus: Campus) -> list[Resident]:
        return [one for one in self.at(campus) if one.role == "student"]

    def birth_dates(self) -> list[date]:
        return [one.born for one in self.people if one.born is not None]


def town(today: date) -> Town:
    """Staff and households of three schools. `today` is the date in Cedar's zone tomorrow: the birthday to come."""
    people: list[Resident] = []
    for campus in (ALDER, BIRCH, CEDAR):
        people += _staff(campus)
        people += _households(campus, today, len(people))
    return Town(tuple(people))


def archive(of: Town, *campuses: Campus) -> bytes:
    """The OneRoster ZIP of some schools, with every column that a real export has."""
    people = [one for campus in campuses for one in of.at(campus)]
    district = {"sourcedId": DISTRICT[0], "name": DISTRICT[1], "type": "district", "identifier": DISTRICT[2]}
    schools = [
        {
            "sourcedId": campus.sourced_id,
            "name": campus.name,
            "type": "school",
            "identifier": campus.identifier,
            "parentSourcedId": DISTRICT[0],
        }
        for campus in campuses
    ]
    return write.archive(
        {
            "manifest.csv": write.manifest("1.2", ("orgs", "users", "roles", "demographics")),
            "orgs.csv": write.table(write.ORGS, [district, *schools]),
            "users.csv": write.users_1_2(people),
            "roles.csv": write.roles(people),
            "demographics.csv": write.demographics(people),
        }
    )


def evidence_of(student: Resident) -> bytes:
    """The student's one file of evidence."""
    return f"Field notes {EVIDENCE} of {student.given}: the tide was low.\n".encode()


def transcript_of(student: Resident) -> dict[str, Any]:
    """A transcript of three credits, in which every personal word is one of ours."""
    assert student.born is not None
    teacher = f"{GIVEN}teacher {FAMILY}mark"
    return {
        "format": "placet.transcript/1",
        "kind": "mastery-transcript",
        "language": "en",
        "student": {
            "name": f"{student.given} {student.family}",
            "student_number": f"{NUMBER}{student.sourced_id[-3:]}",
            "born": student.born.isoformat(),
            "graduates": "2029-06",
            "year": "12",
        },
        "school": {"name": student.campus.name, "address": "1 Shore Road, Port Ellis"},
        "framework": _framework(student.campus),
        "credits": [
            _credit("S1", "science", "Reads a river", evidence=_evidence(student, teacher)),
            _credit("S2", "science", "Keeps a record"),
            _credit("W1", "words", "Writes for strangers"),
        ],
        "courses": [{"name": f"{COURSE} {student.given}", "term": "Fall"}],
        "personal_statement": f"I am {student.given}; the {STATEMENT} taught me patience.",
    }


def _framework(campus: Campus) -> dict[str, Any]:
    rubric = [
        {"id": "begins", "name": "Begins", "description": "With somebody at hand."},
        {"id": "masters", "name": MARK, "description": "Alone, in what was not rehearsed."},
    ]
    areas = [{"id": "science", "code": "S", "name": "Science"}, {"id": "words", "code": "W", "name": "Words"}]
    return {
        "id": f"{campus.key}-frame",
        "name": "What we do",
        "publisher": campus.name,
        "rubric": rubric,
        "areas": areas,
    }


def _credit(code: str, area: str, name: str, *, evidence: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {
        "id": code,
        "area": area,
        "code": code,
        "name": name,
        "kind": "foundational",
        "status": "earned",
        "description": f"{name}, in the field and on paper.",
        "criteria": "Two pieces of work, read by two educators.",
        "competencies": [{"id": "one", "name": "Care", "standard": "Works with care.", "level": "masters"}],
        "evidence": evidence or [],
        "credits_earned": 0.5,
        "awarded_on": "2025-10-13",
    }


def _evidence(student: Resident, teacher: str) -> list[dict[str, Any]]:
    return [
        {
            "id": f"{student.sourced_id}-S1-1",
            "name": "Field notes",
            "kind": "file",
            "media_type": "text/plain",
            "sha256": hashlib.sha256(evidence_of(student)).hexdigest(),
            "description": f"What {student.given} saw.",
            "verified_by": teacher,
        }
    ]


def canaries(of: Town) -> Words:
    """Every personal word in any case and in base64 at each of its three places; birth dates as text and as moments."""
    words = [GIVEN, FAMILY, MAIL, STATEMENT, EVIDENCE, MARK, COURSE, NUMBER]
    # Nothing else in a house is dated in the months of these births.
    months = sorted({born.isoformat()[:8] for born in of.birth_dates()})
    exact = [spelled for word in words for spelled in _in_base64(word)]
    return Words(any_case=tuple(word.lower().encode() for word in (*words, *months)), exact=(*exact, b"\x09born\x00"))


def _in_base64(word: str) -> list[bytes]:
    """What is left of a word in base64 wherever it stands: without the letters that depend on its neighbours."""
    found = []
    for shift in range(3):
        spelled = base64.b64encode(b"\0" * shift + word.encode())
        found.append(spelled[(0, 2, 3)[shift] : (8 * (shift + len(word))) // 6])
    return found


def _staff(campus: Campus) -> list[Resident]:
    roles = [("rg", "ext:registrar")] * REGISTRARS + [("ad", "principal"), ("ed", "teacher")]
    return [
        _resident(campus, f"{campus.key}-{code}-{number:02d}", role, f"staff{number}")
        for number, (code, role) in enumerate(roles, start=1)
    ]


def _households(campus: Campus, today: date, before: int) -> list[Resident]:
    people = []
    for number in range(MINORS[campus.key] + ADULTS[campus.key]):
        student = _resident(campus, f"{campus.key}-st-{number:03d}", "student", "")
        guardian = _resident(campus, f"{campus.key}-gu-{number:03d}", "parent", "kin")
        student.agents, student.grade = [guardian.sourced_id], 12
        # Ages apart by days, so that each birth date is told from all others.
        days = timedelta(days=before + number)
        student.born = (_years_before(today, 15) if number < MINORS[campus.key] else _years_before(today, 19)) - days
        people += [student, guardian]
    if campus is CEDAR and (today.month, today.day) != (2, 29):  # on a leap day nobody turns 18
        people[0].born = today.replace(year=today.year - 18)
    return people


def _years_before(today: date, years: int) -> date:
    return today.replace(year=today.year - years, day=min(today.day, 28))


def _resident(campus: Campus, sourced_id: str, role: str, mark: str) -> Resident:
    _, _, number = sourced_id.split("-")
    sound = _SYLLABLES[int(number) // len(_SYLLABLES)] + _SYLLABLES[int(number) % len(_SYLLABLES)]
    given, family = f"{GIVEN}{campus.key}{sound}{mark}", f"{FAMILY}{campus.key}{sound}"
    return Resident(sourced_id, campus, role, given, family, "en", email=f"{sourced_id}@{MAIL}")
