"""Every letter, in every language, to everybody who may get it: complete, decent, and safe to leave on a desk."""

import json
import re
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from contracts.types import (
    BasisCode,
    Capacity,
    MessageId,
    OrganizationId,
    OrganizationKind,
    PersonId,
    PersonKind,
    Purpose,
)
from services.notify.domain import (
    LANGUAGES,
    Announcement,
    Facts,
    Hold,
    Message,
    MessageClass,
    Organization,
    Person,
    Status,
    Template,
    class_of,
)
from services.notify.gateways.letters import FACTS, FOLDER, Letters, Names
from services.notify.gateways.mail import Letter
from services.notify.store import Due
from tests.support.notices import (
    AT,
    COLLEGE,
    EXPIRES,
    MOTHER,
    NAMES,
    OPERATOR,
    REGISTRAR,
    REQUEST,
    SCHOOL,
    STUDENT,
    TRANSCRIPT,
    sealed,
)

ORIGIN = "https://transcripts.harborpoint.example"
LETTERS = Letters(ORIGIN)
READERS = (MOTHER, STUDENT, REGISTRAR)
ALL = [(template, language, reader) for template in Template for language in LANGUAGES for reader in READERS]
CAUSES = {
    Template.INVALIDATED: "version-superseded",
    Template.UNREACHABLE: "attempts-exhausted",
    Template.STOPPED_AFTER_OPENING: "revoked",
}


def due(template: Template, reader: PersonId = MOTHER, *, college: str = "Lakeside College of Arts & Sciences") -> Due:
    announced = template is Template.ANNOUNCEMENT
    facts = Facts(
        at=AT, recipient_id=COLLEGE, transcript_id=TRANSCRIPT, purpose=Purpose.ADMISSION, opened_by=STUDENT,
        opened_as=Capacity.STUDENT_DIRECTION, expires_at=EXPIRES, valid_until=EXPIRES, basis=BasisCode.GUARDIAN_CONSENT,
        ledger_row=1284, acted_as=Capacity.GUARDIAN, cause=CAUSES.get(template),
    )  # fmt: skip
    message = Message(
        message_id=MessageId("msg_1"), version=1, template=template, status=Status.WAITING, person_id=reader, facts=facts,
        created_at=AT, request_id=None if announced else REQUEST, school_id=None if announced else SCHOOL,
        student_id=None if announced else STUDENT,
    )  # fmt: skip
    return Due(
        message=message,
        person=_person(reader, registrar_of=(SCHOOL,) if reader == REGISTRAR else ()),
        preferences=None,
        student=_person(STUDENT),
        opener=_person(STUDENT),
        school=None if announced else Organization(
            organization_id=SCHOOL, version=1, kind=OrganizationKind.SCHOOL, name="Harbor Point School",
            timezone="America/New_York",
        ),
        recipient=Organization(organization_id=COLLEGE, version=1, kind=OrganizationKind.COLLEGE, name=college),
        hold=Hold(transcript_id=TRANSCRIPT, version=1, reason="fees", until=EXPIRES + timedelta(days=9)),
        announcement=Announcement(
            announcement_id="ann_1", version=1, audience=PersonKind.REGISTRAR, subjects={"en": "A workshop", "es": "Un taller"},
            texts={"en": "First.\n\nSecond.", "es": "Uno.\n\nDos."}, made_by=OPERATOR, made_at=AT,
        ) if announced else None,
    )  # fmt: skip


def _person(person_id: PersonId, registrar_of: tuple[OrganizationId, ...] = ()) -> Person:
    return Person(
        person_id=person_id, version=1, active=True, profile=sealed(person_id), kinds=(), registrar_of=registrar_of
    )


def letter(template: Template, language: str = "en", reader: PersonId = MOTHER, **more: str) -> Letter:
    names = Names(reader=NAMES[reader], student=NAMES[STUDENT], opener=NAMES[STUDENT])
    link = f"{ORIGIN}/notify/unsubscribe/x.y" if class_of(template) is not MessageClass.NEEDED else None
    return LETTERS.write(due(template, reader, **more), names, language, unsubscribe=link)


class _Links(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]


@pytest.mark.parametrize(("template", "language", "reader"), ALL, ids=str)
def test_no_subject_names_a_student(template: Template, language: str, reader: PersonId) -> None:
    subject = letter(template, language, reader).subject
    assert subject
    assert not set(NAMES[STUDENT].split()) & set(re.split(r"\W+", subject))
    assert "Nguy" not in subject


@pytest.mark.parametrize(("template", "language", "reader"), ALL, ids=str)
def test_every_letter_says_the_same_in_text_and_html_and_leaves_no_gap(
    template: Template, language: str, reader: PersonId
) -> None:
    written = letter(template, language, reader)
    for body in (written.text, written.html):
        assert "None" not in body
        assert "{" not in body.partition("</style>")[2] or body is written.text
        assert NAMES[reader].split("-")[0].split("'")[0] in body
    assert "{" not in written.text
    assert not re.search(r"^: |: $", written.text, re.MULTILINE)
    assert max(len(line) for line in written.text.splitlines() if "http" not in line) <= 78
    assert f'lang="{language}"' in written.html


@pytest.mark.parametrize(("template", "language", "reader"), ALL, ids=str)
def test_a_letter_loads_nothing_and_leads_only_to_pages_of_the_house(
    template: Template, language: str, reader: PersonId
) -> None:
    found = _Links(letter(template, language, reader).html)
    assert all(link.startswith(f"{ORIGIN}/") for link in found.links)
    assert not {"img", "script", "form", "input", "link", "iframe"} & set(found.tags)
    # Approving takes a step-up on a page: no link in a mail approves, signs or refuses.
    assert not [link for link in found.links if re.search(r"/(sign|approve|refuse|revoke)\b", link)]


@pytest.mark.parametrize("template", list(Template), ids=str)
def test_no_letter_names_a_mark_or_a_level(template: Template) -> None:
    words = letter(template).text.lower()
    assert not re.search(r"\b(grade|gpa|credit|level|score|mark)s?\b", words)


@pytest.mark.parametrize("template", list(Template), ids=str)
def test_only_what_may_be_switched_off_offers_to(template: Template) -> None:
    offers = "/notify/unsubscribe/" in letter(template).text
    assert offers is (class_of(template) is not MessageClass.NEEDED)


def test_a_name_that_is_markup_stays_a_name() -> None:
    evil = "<script>alert(1)</script>"
    written = letter(Template.SIGN, college=f'{evil} & "Sons"')
    assert "<script>" not in written.html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp;" in written.html
    assert f'{evil} & "Sons"' in " ".join(written.text.split())


def test_a_name_with_braces_is_no_place_for_another_value() -> None:
    assert "{student}" in letter(Template.SIGN, college="The {student} College").text


def test_whoever_must_sign_reads_who_asks_to_whom_why_and_until_when() -> None:
    text = letter(Template.SIGN).text
    assert "Asked for by: Amélie Nguyễn-Østergård (the student)" in text
    assert "Recipient: Lakeside College of Arts & Sciences" in text
    assert "Purpose: Admission" in text
    assert "To be signed by: 24 December 2026" in text
    assert f"{ORIGIN}/consent/view/{REQUEST}" in text


def test_the_student_is_spoken_to_in_person() -> None:
    text = letter(Template.DELIVERED, reader=STUDENT).text
    assert "your transcript" in text
    assert "Student:" not in text
    assert "about your own record" in text


def test_a_delivery_is_told_with_time_of_the_school_basis_in_words_and_ledger_row() -> None:
    text = letter(Template.DELIVERED).text
    assert "When: 24 November 2026, 17:26 EST" in text
    assert "under 18 (34 CFR 99.30)" in " ".join(text.split())
    assert "Disclosure record: Row 1284" in text


def test_a_hold_is_told_with_its_reason_and_its_end() -> None:
    text = letter(Template.HELD, "es").text
    assert "Motivo de la retención: Pagos pendientes" in text
    assert "2 de enero de 2027" in text


def test_a_language_we_do_not_write_is_answered_in_english_and_a_region_is_no_other_language() -> None:
    assert letter(Template.SIGN, "fr").language == "en"
    assert letter(Template.SIGN, "es-MX").language == "es"


def test_a_zone_that_does_not_exist_is_told_in_utc() -> None:
    lost = due(Template.DELIVERED)
    school = Organization(
        organization_id=SCHOOL, version=1, kind=OrganizationKind.SCHOOL, name="S", timezone="Mars/Base"
    )
    written = LETTERS.write(
        Due(**{**{name: getattr(lost, name) for name in Due.__slots__}, "school": school}), Names("A"), "en"
    )
    assert "22:26 UTC" in written.text


@pytest.mark.parametrize("folder", [FOLDER / "words", FOLDER.parent / "words"], ids=["letters", "pages"])
def test_spanish_is_complete_and_has_the_same_places(folder: Path) -> None:
    english, spanish = (json.loads((folder / f"{one}.json").read_text("utf-8")) for one in ("en", "es"))
    assert english.keys() == spanish.keys()
    for key, words in english.items():
        assert spanish[key], key
        assert set(re.findall(r"\{\w+\}", words)) == set(re.findall(r"\{\w+\}", spanish[key])), key


@pytest.mark.parametrize("template", [one for one in Template if one is not Template.ANNOUNCEMENT], ids=str)
def test_every_template_has_its_words(template: Template) -> None:
    words = json.loads((FOLDER / "words" / "en.json").read_text("utf-8"))
    assert all(words[f"{template}.{part}"] for part in ("subject", "title", "preview", "lead", "more", "action"))
    assert all(f"fact.{name}" in words for name in FACTS[template])
