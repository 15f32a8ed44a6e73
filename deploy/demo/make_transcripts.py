"""Writes the demo's transcripts, their files of evidence and the recipients.

`python -m deploy.demo.make_transcripts` writes `deploy/demo/data/transcripts/`, `.../evidence/` and
`.../recipients.json`; the same bytes on every run. Each transcript stands in a wrapper that says whose it is in the
roster. A piece of evidence lies in `evidence/` under its id.
"""

import copy
import hashlib
import json
import random
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from deploy.demo import evidence_files, texts
from deploy.demo.evidence_files import EvidenceFile
from deploy.demo.framework_harbor import HARBOR_POINT
from deploy.demo.framework_mesa import MESA_VERDE
from deploy.demo.frameworks import LEARNING_RECORD, AreaPlan, CreditPlan, FrameworkPlan
from deploy.demo.recipients import RECIPIENTS
from deploy.demo.town import GRADUATION_YEAR, LAST_GRADE, SEED, Resident, residents

DATA = Path(__file__).parent / "data"
STUDENTS_WITH_TRANSCRIPTS = {"hp": 16, "mv": 12}
# How many credits each student of a school has, in turn; never more than the framework holds.
CREDIT_COUNTS = {"hp": (31, 5, 14, 22, 18, 27, 9, 12), "mv": (18, 7, 12, 15, 10)}
Json = dict[str, Any]


@dataclass(slots=True)
class Library:
    """What is written: transcripts by file name, and evidence by file name."""

    transcripts: dict[str, Json] = field(default_factory=dict)
    evidence: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Means:
    """What a transcript is made with: who may verify work, the dice, and where files of evidence are laid."""

    verifiers: list[str]
    draw: random.Random
    evidence: dict[str, bytes]


def library() -> Library:
    """All transcripts, good and bad, with their evidence."""
    made = Library()
    town = residents()
    for campus, wanted in STUDENTS_WITH_TRANSCRIPTS.items():
        verifiers = [
            f"{p.given} {p.family}" for p in town if p.campus.key == campus and p.role in ("teacher", "counselor")
        ]
        for turn, student in enumerate(_chosen(town, campus, wanted)):
            made.transcripts[f"{student.sourced_id}.json"] = {
                "student_sourced_id": student.sourced_id,
                "school_sourced_id": student.campus.sourced_id,
                "content": _content(student, turn, verifiers, made.evidence),
            }
    made.transcripts.update(_bad(made.transcripts))
    return made


def _chosen(town: list[Resident], campus: str, wanted: int) -> list[Resident]:
    """Seniors, one of each language first, so that every script is met; then two juniors among the rest."""
    seniors = [p for p in town if p.campus.key == campus and p.grade == LAST_GRADE]
    juniors = [p for p in town if p.campus.key == campus and p.grade == LAST_GRADE - 1 and p.language == "en"]
    by_language = {student.language: student for student in reversed(seniors)}
    firsts = [student for student in seniors if by_language[student.language] is student]
    rest = [student for student in seniors if student not in firsts and student.language in ("en", "es", "fr", "da")]
    return [*firsts, *juniors[:2], *rest][:wanted]


def _framework(campus: str, turn: int) -> FrameworkPlan:
    if turn % 5 == 4:  # every fifth student carries a Learning Record
        return LEARNING_RECORD
    return HARBOR_POINT if campus == "hp" else MESA_VERDE


def _content(student: Resident, turn: int, verifiers: list[str], evidence: dict[str, bytes]) -> Json:
    # Seeded by the student, so that one transcript stays the same when another is added. Nothing secret comes from it.
    draw = random.Random(f"{SEED} {student.sourced_id}")  # noqa: S311
    means = Means(verifiers, draw, evidence)
    campus = student.campus.key
    framework = _framework(campus, turn)
    spanish = student.language == "es" and campus == "mv"
    counts = CREDIT_COUNTS[campus]
    content: Json = {
        "format": "placet.transcript/1",
        "kind": framework.kind,
        "language": "es" if spanish else "en",
        "student": _student(student),
        "school": dict(texts.SCHOOLS[campus]),
        "framework": _framework_json(framework),
        "credits": _credits(student, framework, counts[turn % len(counts)], means),
        "courses": [{"name": name, "term": term} for name, term in draw.sample(texts.COURSES, draw.randint(5, 9))],
        "activities": [
            {"name": name, "period": period, **({"description": about} if about else {})}
            for name, period, about in draw.sample(texts.ACTIVITIES, draw.randint(2, 5))
        ],
    }
    if spanish:
        content["personal_statement"] = texts.STATEMENT_ES
    elif draw.random() < 0.85:
        parts = (draw.choice(texts.OPENINGS), draw.choice(texts.MIDDLES), draw.choice(texts.CLOSINGS))
        content["personal_statement"] = "\n\n".join(parts)
    if draw.random() < 0.2:
        content["notes"] = draw.choice(texts.NOTES)
    return content


def _student(student: Resident) -> Json:
    native = f"{student.given} {student.family}"
    latin = texts.LATIN.get(native)
    name = latin or native
    other: list[Json] = []
    if latin is not None:
        gap = "" if student.language in texts.UNSPACED else " "
        first, last = student.given, student.family
        written = f"{last}{gap}{first}" if student.language in texts.FAMILY_FIRST else native
        other = [{"text": written, "language": student.language}]
    elif student.language in texts.FAMILY_FIRST:
        name = f"{student.family} {student.given}"
    born = student.born
    assert born is not None
    return {
        "name": name,
        **({"also_written": other} if other else {}),
        "student_number": f"{student.campus.key.upper()}-26-{student.sourced_id[-3:]}",
        "born": born.isoformat(),
        "graduates": f"{GRADUATION_YEAR + LAST_GRADE - student.grade}-06",
        "year": str(student.grade),
    }


def _framework_json(framework: FrameworkPlan) -> Json:
    out: Json = {
        "id": framework.id,
        "name": framework.name,
        "publisher": framework.publisher,
        "rubric": [{"id": key, "name": name, "description": about} for key, name, about in framework.levels],
        "areas": [
            {"id": area.id, "code": area.code, "name": area.name, **({"colour": area.colour} if area.colour else {})}
            for area in framework.areas
        ],
    }
    if framework.required_level:
        out["required_level"] = framework.required_level
    return out


def _credits(
    student: Resident,
    framework: FrameworkPlan,
    wanted: int,
    means: Means,
) -> list[Json]:
    draw = means.draw
    plans = [(area, at) for area in framework.areas for at in range(len(area.credits))]
    kept = sorted(draw.sample(range(len(plans)), min(wanted, len(plans))))
    in_progress = set(draw.sample(kept, min(len(kept) // 6, 4)))
    return [_credit(framework, plans[place], place in in_progress, student, means) for place in kept]


def _credit(
    framework: FrameworkPlan,
    place: tuple[AreaPlan, int],
    in_progress: bool,
    student: Resident,
    means: Means,
) -> Json:
    draw = means.draw
    area, at = place
    plan = area.credits[at]
    advanced = at >= len(area.credits) - len(area.credits) // 2
    code = f"{area.code}{at + 1}"
    credit: Json = {
        "id": code,
        "area": area.id,
        "code": code,
        "name": plan.name,
        "kind": "advanced" if advanced else "foundational",
        "status": "in-progress" if in_progress else "earned",
        "description": plan.description,
        "criteria": _criteria(plan, framework, advanced),
        "competencies": _competencies(plan, framework, in_progress, draw),
    }
    if draw.random() < 0.25:
        credit["alignments"] = [
            {
                "name": plan.name,
                "url": f"https://standards.example.org/{framework.id}/{code}",
                "code": code,
                "framework": framework.name,
            }
        ]
    if not in_progress:
        credit["credits_earned"] = 1.0 if advanced else 0.5
        # From the first autumn at the school to October 2026.
        day = date(2023 + LAST_GRADE - student.grade, 10, 2)
        day += timedelta(days=draw.randrange(0, 1110 - 365 * (LAST_GRADE - student.grade)))
        credit["awarded_on"] = (day - timedelta(days=max(day.weekday() - 4, 0))).isoformat()
        pieces = _evidence(f"{student.sourced_id}-{code}", area, plan, means)
        if pieces:
            credit["evidence"] = pieces
    return credit


def _criteria(plan: CreditPlan, framework: FrameworkPlan, advanced: bool) -> str:
    names = [competency.split(": ", 1)[0] for competency in plan.competencies]
    listed = ", ".join(names[:-1]) + f" and {names[-1]}"
    level = next((name for key, name, _ in framework.levels if key == framework.required_level), None)
    floor = f" at the level {level} or above" if level else ""
    if advanced:
        return f"One large work shown in public and questioned by a panel, with {listed}{floor}; read by two educators."
    return f"At least two pieces of work on different subjects, showing {listed}{floor}."


def _competencies(plan: CreditPlan, framework: FrameworkPlan, in_progress: bool, draw: random.Random) -> list[Json]:
    levels = [key for key, _, _ in framework.levels]
    floor = levels.index(framework.required_level) if framework.required_level else 1
    rows = []
    for competency in plan.competencies:
        name, standard = competency.split(": ", 1)
        level = draw.choice([None, *levels[: floor + 1]]) if in_progress else draw.choice(levels[floor:])
        row: Json = {
            "id": "-".join(name.lower().split()),
            "name": name,
            "standard": f"{standard[0].upper()}{standard[1:]}.",
            "level": level,
        }
        rows.append(row)
    return rows


def _evidence(prefix: str, area: AreaPlan, plan: CreditPlan, means: Means) -> list[Json]:
    draw = means.draw
    pieces: list[Json] = []
    for number in range(1, draw.choices((0, 1, 2), weights=(72, 20, 8))[0] + 1):
        name, form, about = draw.choice(texts.EVIDENCE)
        made = _file(form, f"{plan.name}: {name}", area, draw)
        key = f"{prefix}-{number}"
        means.evidence[f"{key}{made.ending}"] = made.content
        pieces.append(
            {
                "id": key,
                "name": name,
                "kind": "file",
                "media_type": made.media_type,
                "sha256": hashlib.sha256(made.content).hexdigest(),
                "description": about,
                "verified_by": draw.choice(means.verifiers),
            }
        )
    if draw.random() < 0.15:
        pieces.append(
            {
                "id": f"{prefix}-9",
                "name": "Public showing",
                "kind": "link",
                "url": f"https://showings.example.org/{prefix.lower()}",
                "description": "A recording of the showing; the school keeps it for a year.",
                "verified_by": draw.choice(means.verifiers),
            }
        )
    return pieces


def _file(form: str, title: str, area: AreaPlan, draw: random.Random) -> EvidenceFile:
    lines = draw.sample(texts.EVIDENCE_LINES, 5)
    if form == "chart":
        return evidence_files.chart([draw.randint(12, 78) for _ in range(9)], area.colour or "#444444")
    return evidence_files.page(title, lines) if form == "page" else evidence_files.text(title, lines)


def _bad(good: dict[str, Json]) -> dict[str, Json]:
    """Transcripts with one fault each. The last two are well formed: what is wrong shows only beside the files."""
    full = copy.deepcopy(good["hp-st-003.json"])

    def spoiled() -> tuple[Json, Json]:
        wrapper = copy.deepcopy(full)
        return wrapper, wrapper["content"]

    bad: dict[str, Json] = {}
    bad["bad-unknown-level.json"], content = spoiled()
    content["credits"][0]["competencies"][0]["level"] = "superb"
    bad["bad-letter-grade.json"], content = spoiled()
    content["framework"]["rubric"][2]["name"] = "B+"
    bad["bad-grade-field.json"], content = spoiled()
    content["courses"][0]["grade"] = "A-"
    bad["bad-below-required.json"], content = spoiled()
    earned = next(credit for credit in content["credits"] if credit["status"] == "earned")
    earned["competencies"][0]["level"] = content["framework"]["rubric"][0]["id"]
    bad["bad-oversized-evidence.json"], content = spoiled()
    content["credits"][0]["evidence"] = [
        {"id": f"huge-{at}", "name": "Showing", "kind": "link", "url": "https://showings.example.org/" + "x" * 700}
        for at in range(21)
    ]
    bad["bad-direction-marks.json"], content = spoiled()
    content["student"]["name"] = "Ada \N{RIGHT-TO-LEFT OVERRIDE}drawkcaB"
    bad["bad-unknown-student.json"], content = spoiled()
    bad["bad-unknown-student.json"]["student_sourced_id"] = "hp-st-999"
    bad["bad-missing-evidence.json"], content = spoiled()
    content["credits"][0]["evidence"] = [
        {"id": "lost", "name": "Lost file", "kind": "file", "media_type": "text/plain", "sha256": "0" * 64}
    ]
    bad["bad-missing-glyph.json"], content = spoiled()
    content["student"]["also_written"] = [{"text": "𓀀𓂀", "language": "egy"}]
    return bad


def main() -> None:
    """Writes the files."""
    made = library()
    for folder, files in (("transcripts", made.transcripts), ("evidence", made.evidence)):
        (DATA / folder).mkdir(parents=True, exist_ok=True)
        for stale in (DATA / folder).iterdir():
            if stale.name not in files:
                stale.unlink()
    for name, wrapper in made.transcripts.items():
        (DATA / "transcripts" / name).write_bytes(as_json(wrapper))
    for name, content in made.evidence.items():
        (DATA / "evidence" / name).write_bytes(content)
    (DATA / "recipients.json").write_bytes(as_json(RECIPIENTS))
    print(f"{len(made.transcripts)} transcripts, {len(made.evidence)} files of evidence, {len(RECIPIENTS)} recipients")


def as_json(value: object) -> bytes:
    """JSON as it is committed: readable, in UTF-8."""
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()


if __name__ == "__main__":
    main()
