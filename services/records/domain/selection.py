"""Which parts of a transcript go out: the outline a family chooses from, and the content that a choice leaves.

Pure: no clock, no ids, no I/O, no async. Invariants: titles carry nothing personal, for they travel in clear; a
selection that leaves anything out says so (`Selected.partial`, and from there CLR 2.0 `partial` and the PDF's band).
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

from contracts.types import Part
from services.records.domain.content import ContentRejected, Credit, Problem, TranscriptContent


def outline(content: TranscriptContent) -> tuple[Part, ...]:
    """The parts a family may choose from, in the order of the document; titles carry nothing personal."""
    parts = [
        Part(part_id=credit_part(credit), kind="credit", title=_title(content, credit)) for credit in content.credits
    ]
    extras = (
        ("courses", "Courses", bool(content.courses)),
        ("activities", "Activities", bool(content.activities)),
        ("personal-statement", "Personal statement", content.personal_statement is not None),
        ("evidence", "Evidence of the credits", any(credit.evidence for credit in content.credits)),
        ("school-profile", "School profile", content.school.profile is not None),
    )
    parts += [Part(part_id=name, kind=name, title=title) for name, title, there in extras if there]
    return tuple(parts)


def credit_part(credit: Credit) -> str:
    """The part id of a credit."""
    return f"credit.{credit.id}"


@dataclass(frozen=True)
class Selected:
    """What is left of a content after choosing parts, and what was left out; `partial` is never false by mistake."""

    content: TranscriptContent
    partial: bool
    left_out: tuple[Part, ...]


def select(content: TranscriptContent, part_ids: Collection[str] | None) -> Selected:
    """Keep the chosen parts, or all of them for None. An id that `outline` does not give is a `ContentRejected`.

    Notes always stay: a statement of disagreement goes wherever the contested record goes (34 CFR 99.21(c)).
    """
    parts = outline(content)
    if part_ids is None:
        return Selected(content, partial=False, left_out=())
    wanted = frozenset(part_ids)
    if unknown := sorted(wanted - {part.part_id for part in parts}):
        raise ContentRejected(tuple(Problem(f"parts.{name}", "is not a part of this transcript") for name in unknown))
    left_out = tuple(part for part in parts if part.part_id not in wanted)
    if not left_out:
        return Selected(content, partial=False, left_out=())
    kept = [credit for credit in content.credits if credit_part(credit) in wanted]
    if "evidence" not in wanted:
        kept = [credit.model_copy(update={"evidence": ()}) for credit in kept]
    school = content.school
    changes = {
        "credits": tuple(kept),
        "courses": content.courses if "courses" in wanted else (),
        "activities": content.activities if "activities" in wanted else (),
        "personal_statement": content.personal_statement if "personal-statement" in wanted else None,
        "school": school if "school-profile" in wanted else school.model_copy(update={"profile": None}),
    }
    return Selected(content.model_copy(update=changes), partial=True, left_out=left_out)


def _title(content: TranscriptContent, credit: Credit) -> str:
    """Code and name of the credit, as the framework has them; but the name stays home if it names the student."""
    names = [content.student.name, *(other.text for other in content.student.also_written)]
    words = {word for name in names for word in re.split(r"\W+", name.casefold()) if len(word) > 2}
    words.add(content.student.student_number.casefold())
    area = next(area for area in content.framework.areas if area.id == credit.area)
    said = set(re.split(r"\W+", credit.name.casefold())) | set(credit.name.casefold().split())
    return f"{credit.code} {area.name if said & words else credit.name}"
