"""Messages in words: what a letter says to this reader, in their language, as text and as HTML.

Invariants: a subject names no student, no letter names a mark; every name goes through autoescape; a letter asks nobody
to approve in it: its one link leads to a page behind the sign-in.
"""

import json
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from services.chassis.web.pages import date_in
from services.notify.domain import LANGUAGES, Template
from services.notify.gateways.mail import Letter
from services.notify.store import Due

FOLDER = Path(__file__).parent.parent / "templates" / "mail"
WIDTH = 72

FACTS: Mapping[Template, tuple[str, ...]] = {
    Template.SIGN: ("student", "recipient", "purpose", "opener", "expires"),
    Template.OPENED: ("recipient", "purpose", "opener", "expires"),
    Template.SCHOOL_APPROVAL: ("student", "recipient", "purpose", "opener", "expires"),
    Template.APPROVED: ("student", "recipient", "purpose", "basis", "valid"),
    Template.REFUSED: ("student", "recipient", "purpose", "actor", "at"),
    Template.REVOKED: ("student", "recipient", "purpose", "actor", "at"),
    Template.EXPIRED: ("student", "recipient", "purpose", "expires"),
    Template.INVALIDATED: ("student", "recipient", "purpose", "cause"),
    Template.HELD: ("student", "recipient", "hold", "until"),
    Template.WITHDRAWN: ("student", "recipient", "purpose"),
    Template.DELIVERED: ("student", "recipient", "purpose", "at", "basis", "ledger"),
    Template.STOPPED_AFTER_OPENING: ("student", "recipient", "purpose", "cause", "at"),
    Template.NEVER_OPENED: ("student", "recipient", "purpose"),
    Template.UNREACHABLE: ("student", "recipient", "purpose", "cause"),
    Template.MISMATCH: ("student", "recipient", "at"),
    Template.RIGHTS_PASSED: (),
    Template.ANNOUNCEMENT: (),
}
"""The rows of a letter's table. A fact that is not known is left out."""

LINKS: Mapping[Template, str] = {
    Template.UNREACHABLE: "/delivery/",
    Template.MISMATCH: "/delivery/",
    Template.RIGHTS_PASSED: "/consent/",
    Template.ANNOUNCEMENT: "/identity/",
}
"""Where a letter's button leads. All others lead to their request."""


@dataclass(frozen=True, slots=True)
class Names:
    """The names in a letter, opened from ciphertext a moment ago."""

    reader: str
    student: str = ""
    opener: str = ""


class Letters:
    """Renders letters. `origin` is the address under which people reach the house."""

    def __init__(self, origin: str, folder: Path = FOLDER) -> None:
        self._origin = origin.rstrip("/")
        self._words = {one: _words(folder, one) for one in LANGUAGES}
        environment = Environment(
            loader=FileSystemLoader(folder),
            autoescape=select_autoescape(("html",), disabled_extensions=("txt",)),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._html, self._text = environment.get_template("letter.html"), environment.get_template("letter.txt")

    def write(self, due: Due, names: Names, language: str, *, unsubscribe: str | None = None) -> Letter:
        """The letter of a message. `language` is one of ours, or a tag that begins with one; else it is English."""
        speech = language[:2].lower() if language[:2].lower() in LANGUAGES else LANGUAGES[0]
        mine = due.message.person_id == due.message.student_id
        say = partial(self._say, speech, mine, self._places(due, names, speech))
        template = due.message.template
        values: dict[str, Any] = {
            "language": speech,
            "school": due.school.name if due.school else "",
            "greeting": say("greeting"),
            "title": say(f"{template}.title"),
            "preview": say(f"{template}.preview"),
            "lead": say(f"{template}.lead"),
            "more": say(f"{template}.more"),
            "facts": self._facts(due, names, speech, say),
            "action": say(f"{template}.action"),
            "link": self._origin + (LINKS.get(template) or f"/consent/view/{due.message.request_id}"),
            "promise": say("promise"),
            "why": say(f"why.{self._reader(due)}"),
            "settings": say("settings"),
            "settings_link": f"{self._origin}/notify/",
            "unsubscribe": say("unsubscribe") if unsubscribe else "",
            "unsubscribe_link": unsubscribe or "",
            "reference": due.message.request_id or due.message.message_id,
            "reference_label": say("reference"),
        }
        if due.announcement is not None:
            values["title"] = values["preview"] = due.announcement.subjects[speech]
            values["lead"] = due.announcement.texts[speech]
        subject = due.announcement.subjects[speech] if due.announcement else say(f"{template}.subject")
        return Letter(
            subject=f"{due.school.name}: {subject}" if due.school else subject,
            text=self._text.render(**values, wrap=wrap),
            html=self._html.render(**values),
            language=speech,
        )

    def _say(self, speech: str, mine: bool, places: Mapping[str, str], key: str) -> str:
        """The words under a key; those to the student in person where there are such. Nothing where there are none."""
        words = self._words[speech]
        text = words.get(f"{key}.self", words.get(key, "")) if mine else words.get(key, "")
        return text.format_map(places)

    def _places(self, due: Due, names: Names, speech: str) -> dict[str, str]:
        words, message = self._words[speech], due.message
        return {
            "name": names.reader,
            "student": names.student or words["somebody.student"],
            "school": due.school.name if due.school else words["somebody.school"],
            "recipient": due.recipient.name if due.recipient else words["somebody.recipient"],
            "expires": _day(message.facts.expires_at, due, speech),
            "valid": _day(message.facts.valid_until, due, speech),
            "row": str(message.facts.ledger_row),
        }

    def _facts(self, due: Due, names: Names, speech: str, say: Callable[[str], str]) -> list[tuple[str, str]]:
        facts, mine = due.message.facts, due.message.person_id == due.message.student_id
        hold = due.hold
        known = {
            "student": "" if mine else names.student,
            "recipient": due.recipient.name if due.recipient else "",
            "purpose": say(f"purpose.{facts.purpose}"),
            "opener": _opener(due, names, say),
            "expires": _day(facts.expires_at, due, speech),
            "valid": _day(facts.valid_until, due, speech),
            "actor": say(f"capacity.{facts.acted_as}"),
            "at": _moment(facts.at, due, speech),
            "cause": say(f"cause.{facts.cause}"),
            "basis": say(f"basis.{facts.basis}"),
            "ledger": say("ledger") if facts.ledger_row is not None else "",
            "hold": say(f"hold.{hold.reason}") if hold else "",
            "until": _day(hold.until, due, speech) if hold else "",
        }
        template = due.message.template
        return [(say(f"fact.{name}"), known[name]) for name in FACTS[template] if known[name]]

    @staticmethod
    def _reader(due: Due) -> str:
        """What the reader is to the record: the reason for the letter."""
        if due.message.template is Template.ANNOUNCEMENT:
            return "staff"
        if due.message.person_id == due.message.student_id:
            return "student"
        if due.person is not None and due.message.school_id in due.person.registrar_of:
            return "registrar"
        return "guardian"


def wrap(text: str, indent: str = "") -> str:
    """For readers that show text as it is; a blank line in the words stays one. `indent` stands before all lines but the first."""
    return "\n\n".join(
        textwrap.fill(part, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
        for part in text.split("\n\n")
    )


def _words(folder: Path, language: str) -> dict[str, str]:
    words: dict[str, str] = json.loads((folder / "words" / f"{language}.json").read_text("utf-8"))
    return words


def _opener(due: Due, names: Names, say: Callable[[str], str]) -> str:
    """Who asks: by name where it is known, and as what."""
    capacity = say(f"capacity.{due.message.facts.opened_as}")
    if due.message.facts.opened_by == due.message.person_id:
        return say("you")
    return f"{names.opener} ({capacity})" if names.opener and capacity else names.opener or capacity


def _zone(due: Due) -> ZoneInfo:
    try:
        return ZoneInfo(due.school.timezone if due.school else "UTC")
    except (ValueError, KeyError, OSError):
        return ZoneInfo("UTC")


def _day(at: datetime | None, due: Due, speech: str) -> str:
    """`24 November 2026`, in the calendar of the school: unlike digits, nobody can read it the wrong way round."""
    if at is None:
        return ""
    return date_in(speech, at.replace(tzinfo=at.tzinfo or UTC).astimezone(_zone(due)))


def _moment(at: datetime, due: Due, speech: str) -> str:
    local = at.replace(tzinfo=at.tzinfo or UTC).astimezone(_zone(due))
    return f"{_day(at, due, speech)}, {local:%H:%M} {local.tzname()}"
