"""The table: every row names people of a request and a template; nobody gets two letters about one event."""

import pytest

from contracts.types import MessageId, PersonId
from services.notify.domain import (
    TABLE,
    MessageClass,
    News,
    Occasion,
    Party,
    Person,
    RequestView,
    Template,
    class_of,
    planned,
    registrars_of,
    whom,
)
from tests.support.notices import AT, COLLEGE, FATHER, MOTHER, REGISTRAR, REQUEST, SCHOOL, STUDENT, sealed

VIEW = RequestView(
    request_id=REQUEST, version=1, school_id=SCHOOL, student_id=STUDENT, recipient_id=COLLEGE, opened=True,
    opened_by=REGISTRAR, signers=(MOTHER, FATHER),
)  # fmt: skip
OFFICE = [
    Person(person_id=REGISTRAR, version=1, active=True, profile=sealed(REGISTRAR), kinds=(), registrar_of=(SCHOOL,))
]

ROWS: dict[News, dict[Template, tuple[Party, ...]]] = {
    News.OPENED: {Template.SIGN: (Party.SIGNERS,), Template.OPENED: (Party.STUDENT,)},
    News.READDRESSED: {Template.SIGN: (Party.NEW_SIGNERS,)},
    News.SIGNED: {Template.SCHOOL_APPROVAL: (Party.REGISTRARS,)},
    News.APPROVED: {Template.APPROVED: (Party.STUDENT, Party.SIGNERS)},
    News.REFUSED: {Template.REFUSED: (Party.OPENER, Party.STUDENT)},
    News.REVOKED: {Template.REVOKED: (Party.STUDENT, Party.SIGNERS, Party.REGISTRARS)},
    News.EXPIRED: {Template.EXPIRED: (Party.OPENER, Party.SIGNERS)},
    News.INVALIDATED: {Template.INVALIDATED: (Party.OPENER, Party.SIGNERS)},
    News.HELD: {Template.HELD: (Party.STUDENT, Party.SIGNERS)},
    News.WITHDRAWN: {Template.WITHDRAWN: (Party.STUDENT, Party.SIGNERS)},
    News.DELIVERED: {Template.DELIVERED: (Party.STUDENT, Party.SIGNERS)},
    News.STOPPED_AFTER_OPENING: {Template.STOPPED_AFTER_OPENING: (Party.STUDENT, Party.SIGNERS)},
    News.NEVER_OPENED: {Template.NEVER_OPENED: (Party.STUDENT, Party.SIGNERS, Party.OPENER)},
    News.UNREACHABLE: {Template.UNREACHABLE: (Party.REGISTRARS,)},
    News.MISMATCH: {Template.MISMATCH: (Party.REGISTRARS,)},
}


@pytest.mark.parametrize("news", list(News), ids=str)
def test_each_news_has_its_row(news: News) -> None:
    assert {row.template: row.to for row in TABLE[news]} == ROWS[news]


@pytest.mark.parametrize("news", list(News), ids=str)
def test_nobody_is_told_twice_and_never_the_recipient(news: News) -> None:
    told = [person for person, _ in whom(VIEW, _occasion(news), registrars=OFFICE)]
    assert len(told) == len(set(told))
    assert set(told) <= {STUDENT, MOTHER, FATHER, REGISTRAR}


def test_a_request_whose_opener_is_not_known_is_still_told_to_the_others() -> None:
    view = RequestView(request_id=REQUEST, version=1, school_id=SCHOOL, student_id=STUDENT, recipient_id=COLLEGE)
    assert whom(view, _occasion(News.REFUSED), registrars=()) == ((STUDENT, Template.REFUSED),)


def test_a_readdressing_without_signers_asks_nobody() -> None:
    assert whom(VIEW, _occasion(News.READDRESSED), registrars=()) == ()


def test_what_is_planned_is_due_at_once_and_named_after_its_event() -> None:
    def name(event: str, person: PersonId, template: Template) -> MessageId:
        return MessageId(f"{event}/{person}/{template}")

    (first, *_) = planned(VIEW, [_occasion(News.APPROVED)], registrars=(), name=name, at=AT)
    assert first.message_id == "evt_1/per_student/approved"
    assert first.due_at == AT


def test_registrars_of_a_school_are_its_own() -> None:
    assert registrars_of(SCHOOL, OFFICE) == tuple(OFFICE)
    assert registrars_of(COLLEGE, OFFICE) == ()


def test_only_news_on_the_way_can_be_switched_off() -> None:
    switchable = {one for one in Template if class_of(one) is MessageClass.INFORMATION}
    assert switchable == {Template.OPENED, Template.APPROVED, Template.HELD, Template.NEVER_OPENED}
    assert class_of(Template.ANNOUNCEMENT) is MessageClass.MEMBERSHIP


def _occasion(news: News) -> Occasion:
    return Occasion(event_id="evt_1", news=news, at=AT)
