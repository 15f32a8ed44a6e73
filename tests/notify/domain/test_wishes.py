"""What people want, and what may not be sent to them whatever anybody wants."""

from dataclasses import replace
from typing import Any

import pytest

from contracts.problem import Reason
from contracts.types import MessageId, PersonKind
from services.chassis.decision import Decision, Refusal
from services.notify.domain import (
    Announce,
    Announcement,
    MessageClass,
    Person,
    Prefer,
    Preferences,
    announce,
    may_be_sent,
    mute,
    prefer,
    tell_announcement,
)
from tests.support.notices import AT, MOTHER, OPERATOR, REGISTRAR, sealed

WORDS = {"en": "A workshop", "es": "Un taller"}
COMMAND = Announce(
    announcement_id="ann_1", audience=PersonKind.REGISTRAR, subjects=WORDS, texts=WORDS, made_by=OPERATOR, at=AT
)
STAFF_MEMBER = Person(
    person_id=REGISTRAR, version=1, active=True, profile=sealed(REGISTRAR), kinds=(PersonKind.REGISTRAR,)
)


def made() -> Announcement:
    verdict = announce(None, COMMAND)
    assert isinstance(verdict, Decision)
    return verdict.state


def tell(person: Person | None, **more: Any) -> Decision[Any] | Refusal:
    given = {"known": None, "announcement": made(), **more}
    return tell_announcement(given["known"], given["announcement"], person, message_id=MessageId("msg_1"), at=AT)


def test_a_wish_is_kept_and_the_same_wish_changes_nothing() -> None:
    command = Prefer(person_id=MOTHER, language="es", muted=(MessageClass.INFORMATION,))
    verdict = prefer(None, command)
    assert isinstance(verdict, Decision)
    assert verdict.state == Preferences(person_id=MOTHER, version=1, language="es", muted=(MessageClass.INFORMATION,))
    assert prefer(verdict.state, command) == Decision(verdict.state)


@pytest.mark.parametrize(
    ("language", "muted"),
    [("fr", ()), ("en", (MessageClass.NEEDED,))],
    ids=["a language we don't write", "what one must be told"],
)
def test_what_cannot_be_wished_is_refused(language: str, muted: tuple[MessageClass, ...]) -> None:
    verdict = prefer(None, Prefer(person_id=MOTHER, language=language, muted=muted))
    assert isinstance(verdict, Refusal)
    assert verdict.reason is Reason.INVALID


def test_one_click_adds_to_what_is_switched_off_already() -> None:
    first = mute(None, MOTHER, MessageClass.INFORMATION)
    assert isinstance(first, Decision)
    second = mute(replace(first.state, language="es"), MOTHER, MessageClass.MEMBERSHIP)
    assert isinstance(second, Decision)
    assert second.state.muted == (MessageClass.INFORMATION, MessageClass.MEMBERSHIP)
    assert second.state.language == "es"


@pytest.mark.parametrize("kind", [PersonKind.STUDENT, PersonKind.GUARDIAN], ids=str)
def test_p13_no_membership_message_to_a_student_or_a_guardian_even_if_they_are_staff_too(kind: PersonKind) -> None:
    person = replace(STAFF_MEMBER, kinds=(PersonKind.REGISTRAR, kind))
    assert not may_be_sent(person, MessageClass.MEMBERSHIP)
    assert may_be_sent(person, MessageClass.NEEDED)
    verdict = tell(person)
    assert isinstance(verdict, Refusal)
    assert verdict.reason is Reason.NOT_ALLOWED


@pytest.mark.parametrize("audience", [PersonKind.STUDENT, PersonKind.GUARDIAN], ids=str)
def test_p13_families_are_no_audience(audience: PersonKind) -> None:
    verdict = announce(None, replace(COMMAND, audience=audience))
    assert isinstance(verdict, Refusal)
    assert verdict.reason is Reason.NOT_ALLOWED


@pytest.mark.parametrize(
    "change",
    [{"subjects": {"en": "x"}}, {"texts": {}}, {"subjects": {"en": "x\r\nBcc: all@x.test", "es": "x"}}],
    ids=["a language is missing", "no text", "a subject of two lines"],
)
def test_an_announcement_that_does_not_fit_is_refused(change: dict[str, Any]) -> None:
    assert isinstance(announce(None, replace(COMMAND, **change)), Refusal)


def test_an_announcement_is_made_once() -> None:
    assert announce(made(), replace(COMMAND, subjects={"en": "y", "es": "y"})) == Decision(made())


def test_each_of_the_audience_is_told_once() -> None:
    verdict = tell(STAFF_MEMBER)
    assert isinstance(verdict, Decision)
    assert verdict.state.facts.announcement_id == "ann_1"
    assert tell(STAFF_MEMBER, known=verdict.state) == Decision(verdict.state)


@pytest.mark.parametrize(
    ("person", "more"),
    [
        (None, {}),
        (replace(STAFF_MEMBER, active=False), {}),
        (replace(STAFF_MEMBER, kinds=(PersonKind.EDUCATOR,)), {}),
        (STAFF_MEMBER, {"announcement": None}),
    ],
    ids=["nobody", "closed", "of another kind", "no announcement"],
)
def test_nobody_else_is_told(person: Person | None, more: dict[str, Any]) -> None:
    assert isinstance(tell(person, **more), Refusal)
