"""What the printed page shows, worked out before the template draws it: words, counts, colours, order.

Pure. Invariants: on a partial record no number looks like a total; every word on the wheel is repeated in straight
text; every printed colour of text has a contrast of at least 4.5 to 1 on white (WCAG 2.2, 1.4.3).
"""

from typing import Any

from services.records.domain.content import Credit, Framework, TranscriptContent
from services.records.domain.selection import Selected
from services.records.gateways.credential import NOTICE, SealFacts, credential_id
from services.records.gateways.words import Words, words

Json = dict[str, Any]

# Told apart by readers who see colours differently too, for neighbours differ in lightness (after Okabe and Ito).
_PALETTE = (
    "#1c6b88",
    "#b8432f",
    "#54569b",
    "#94660a",
    "#21785a",
    "#93346f",
    "#3d5f99",
    "#7d4f2a",
    "#4b626e",
    "#5d6f1d",
    "#a03a56",
    "#2b6f74",
)
_RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ur", "ps", "yi", "ckb", "ug", "sd", "dv"})
_LEGIBLE = 4.5


def page(selected: Selected, sealed: SealFacts) -> Json:
    """Everything the template needs, as JSON values; text is never interpreted as markup there."""
    content = selected.content
    spoken, said = words(content.language)
    areas = _areas(content, said)
    return {
        "lang": spoken,
        "text_lang": _language(content.language),
        "words": said,
        "title": said[content.kind.value],
        "date": sealed.sealed_at.date().isoformat(),
        "partial": _left_out(selected, said),
        "school": _school(content, said),
        "student": _student(content, said),
        "areas": areas,
        "legend": legend_columns([len(area["credits"]) + 2 for area in areas]),
        "centre": _centre(selected, said),
        "alt": _alt(content, said),
        "how": _how(content.framework, said),
        "levels": [level.name for level in content.framework.rubric],
        "rubric": [{"name": level.name, "description": level.description} for level in content.framework.rubric],
        "framework": said["framework-line"].format(name=content.framework.name, publisher=content.framework.publisher),
        "courses": [_entry(each.name, each.term, each.description) for each in content.courses],
        "activities": [_entry(each.name, each.period, each.description) for each in content.activities],
        "statement": _paragraphs(content.personal_statement),
        "notes": _paragraphs(content.notes),
        "profile": _paragraphs(content.school.profile),
        "notice": NOTICE,
        "sealed": said["sealed"].format(
            version=sealed.version, by=sealed.sealed_by, date=sealed.sealed_at.date().isoformat()
        ),
        "credential_id": credential_id(selected, sealed),
    }


def _language(tag: str) -> Json:
    """How typst wants a language: primary tag, region (it chooses Chinese letter forms), and direction."""
    primary, *rest = tag.split("-")
    region = next((part for part in rest if len(part) == 2 and part.isalpha()), None)
    if primary == "zh" and region is None:
        region = "TW" if "Hant" in rest else "CN"
    return {"lang": primary, "region": region, "rtl": primary in _RIGHT_TO_LEFT}


def _left_out(selected: Selected, said: Words) -> str | None:
    if not selected.partial:
        return None
    kinds = dict.fromkeys(part.kind for part in selected.left_out)
    return f"{said['left-out']} {', '.join(said[kind] for kind in kinds)}."


def _school(content: TranscriptContent, said: Words) -> Json:
    school = content.school
    line = [school.address, school.phone, school.code and f"{said['ceeb']} {school.code}"]
    line.append(school.accreditation and f"{said['accredited']} {school.accreditation}")
    initials = "".join(word[0] for word in school.name.split() if word[0].isupper())[:2]
    return {"name": school.name, "line": " · ".join(filter(None, line)), "mark": initials or school.name[0]}


def _student(content: TranscriptContent, said: Words) -> Json:
    student = content.student
    year, month = student.graduates.split("-")
    graduates = said["month-of"].format(month=said["months"].split()[int(month) - 1], year=year)
    own = {"text": student.name, **_language(content.language)}
    own["rtl"] = _reads_right_to_left(student.name)
    return {
        "name": own,
        "also": [{"text": other.text, **_language(other.language)} for other in student.also_written],
        "facts": [
            [said["student-number"], student.student_number],
            [said["born"], student.born.isoformat()],
            [said["year"], student.year],
            [said["graduates"], graduates],
        ],
    }


def _reads_right_to_left(text: str) -> bool:
    return any("\u0590" <= letter <= "\u08ff" for letter in text)


def _areas(content: TranscriptContent, said: Words) -> list[Json]:
    shown = []
    for number, area in enumerate(content.framework.areas):
        credits_here = [credit for credit in content.credits if credit.area == area.id]
        if not credits_here and content.credits:
            continue
        colour = area.colour or _PALETTE[number % len(_PALETTE)]
        shown.append(
            {
                "code": area.code,
                "name": area.name,
                "colour": colour,
                "ink": legible(colour),
                "credits": [_credit(content.framework, credit, said) for credit in credits_here],
            }
        )
    return shown


def legend_columns(heights: list[int], columns: int = 4) -> list[list[int]]:
    """Deal areas of these heights (in lines) to columns, in order and as evenly as can be: indices by column."""
    for limit in range(max(heights, default=0), sum(heights) + 1):
        dealt: list[list[int]] = [[]]
        room = limit
        for number, height in enumerate(heights):
            if height > room:
                dealt.append([])
                room = limit
            dealt[-1].append(number)
            room -= height
        if len(dealt) <= columns:
            return dealt
    return [list(range(len(heights)))]


def _credit(framework: Framework, credit: Credit, said: Words) -> Json:
    order = [level.id for level in framework.rubric]
    marks = [said["advanced"] if credit.kind == "advanced" else said["foundational"]]
    if credit.awarded_on is not None:
        marks.append(said["earned-on"].format(date=credit.awarded_on.isoformat()))
    else:
        marks.append(said["in-progress"])
    if credit.credits_earned is not None:
        worth = credit.credits_earned
        marks.append(said["worth-one"] if worth == 1 else said["worth"].format(count=f"{worth:g}"))
    return {
        "code": credit.code,
        "name": credit.name,
        "advanced": credit.kind == "advanced",
        "earned": credit.status == "earned",
        "marks": " · ".join(marks),
        "description": _paragraphs(credit.description),
        "criteria": credit.criteria,
        "competencies": [
            {
                "name": each.name,
                "standard": each.standard,
                "reached": 0 if each.level is None else order.index(each.level) + 1,
            }
            for each in credit.competencies
        ],
        "evidence": [
            {
                "name": piece.name,
                "about": " · ".join(
                    filter(
                        None,
                        [
                            said[piece.kind],
                            piece.media_type,
                            piece.url,
                            said["verified"].format(name=piece.verified_by)
                            if piece.verified_by
                            else said["unverified"],
                        ],
                    )
                ),
                "description": piece.description,
            }
            for piece in credit.evidence
        ],
        "aligned": "; ".join(
            " ".join(filter(None, [each.framework, each.code, each.name])) for each in credit.alignments
        ),
    }


def _centre(selected: Selected, said: Words) -> Json:
    """The number in the middle. Of a partial record it counts what is shown, and says that it is not a total."""
    shown = selected.content.credits
    earned = [credit for credit in shown if credit.status == "earned"]
    if not shown:
        return {"number": "0", "lines": [said["none-shown"] if selected.partial else said["none"]]}
    if selected.partial:
        return {"number": str(len(earned)), "lines": [said["earned-shown"], said["partial-count"]]}
    advanced = sum(credit.kind == "advanced" for credit in earned)
    lines = [
        said["earned-of"].format(total=len(shown)),
        said["foundational-count"].format(count=len(earned) - advanced),
        said["advanced-count"].format(count=advanced),
    ]
    return {"number": str(len(earned)), "lines": lines}


def _alt(content: TranscriptContent, said: Words) -> str:
    """The wheel in words, for those who hear the page."""
    sentences = [said["alt"]]
    for area in content.framework.areas:
        heard = [
            f"{credit.code} {credit.name} ({said[credit.kind]}"
            + (f", {said['in-progress']})" if credit.status == "in-progress" else ")")
            for credit in content.credits
            if credit.area == area.id
        ]
        if heard:
            sentences.append(f"{area.name}: {', '.join(heard)}.")
    return " ".join(sentences)


def _how(framework: Framework, said: Words) -> str:
    names = [level.name for level in framework.rubric]
    sentences = [said["how-wheel"], said["how-rings"].format(count=len(names), levels=", ".join(names))]
    sentences += [
        said["how-required"].format(level=level.name)
        for level in framework.rubric
        if level.id == framework.required_level
    ]
    return " ".join([*sentences, said["how-grades"]])


def _entry(name: str, when: str | None, description: str | None) -> Json:
    return {"name": name, "when": when, "description": description}


def _paragraphs(text: str | None) -> list[str]:
    return [line.strip() for line in (text or "").split("\n") if line.strip()]


def legible(colour: str) -> str:
    """The colour, darkened until text in it can be read on white."""
    channels = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    while 1.05 / (_luminance(channels) + 0.05) < _LEGIBLE:
        channels = [int(channel * 0.94) for channel in channels]
    return "#" + "".join(f"{channel:02x}" for channel in channels)


def _luminance(channels: list[int]) -> float:
    """WCAG 2.2 relative luminance of an sRGB colour."""
    parts = [channel / 255 for channel in channels]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
