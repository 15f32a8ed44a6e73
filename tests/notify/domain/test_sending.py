"""A message on its way: claimed by one, tried for four hours, ended once, and never silently."""

from dataclasses import replace
from datetime import timedelta

import pytest

from contracts.notify.v1 import MessageAbandoned, MessageSent
from contracts.problem import Reason
from contracts.types import MessageId
from services.chassis.decision import Decision, Refusal
from services.notify.domain import (
    Bounce,
    Ending,
    Facts,
    Message,
    Person,
    Retry,
    Status,
    Template,
    bounce,
    claim,
    end,
    postpone,
    retry,
)
from services.notify.domain.sending import CLAIM
from tests.support.notices import AT, MOTHER, REQUEST, sealed

ID = MessageId("msg_1")
WAITING = Message(
    message_id=ID, version=1, template=Template.SIGN, status=Status.WAITING, person_id=MOTHER, facts=Facts(at=AT),
    created_at=AT, due_at=AT, request_id=REQUEST,
)  # fmt: skip
CLAIMED = replace(WAITING, version=2, attempts=1, first_tried_at=AT, due_at=AT + CLAIM)
SENT = replace(CLAIMED, version=3, status=Status.SENT, due_at=None, ended_at=AT)
LOST = replace(CLAIMED, version=3, status=Status.ABANDONED, cause="refused", due_at=None, ended_at=AT)
PERSON = Person(person_id=MOTHER, version=1, active=True, profile=sealed(MOTHER), kinds=())
FIVE = timedelta(minutes=5)


def decided(verdict: Decision[Message] | Refusal) -> Decision[Message]:
    assert isinstance(verdict, Decision)
    return verdict


def test_a_due_message_is_claimed_by_the_first_who_asks() -> None:
    claimed = decided(claim(WAITING, at=AT)).state
    assert claimed == CLAIMED
    assert isinstance(claim(claimed, at=AT + CLAIM - timedelta(seconds=1)), Refusal)


def test_a_claim_that_nobody_finished_can_be_taken_up_by_another() -> None:
    again = decided(claim(CLAIMED, at=AT + CLAIM)).state
    assert (again.attempts, again.first_tried_at) == (2, AT)


@pytest.mark.parametrize("message", [None, SENT, replace(WAITING, due_at=None)], ids=["missing", "sent", "no due time"])
def test_what_is_not_due_is_not_claimed(message: Message | None) -> None:
    assert isinstance(claim(message, at=AT), Refusal)


def test_a_sent_message_says_so_and_names_no_word_of_itself() -> None:
    sent = decided(end(CLAIMED, Ending(status=Status.SENT), person=PERSON, at=AT))
    assert sent.state == SENT
    assert list(sent.events) == [
        MessageSent(version=3, message_id=ID, person_id=MOTHER, template="sign", request_id=REQUEST)
    ]
    assert sent.also == []


def test_an_address_that_refuses_is_remembered_and_one_that_works_again_is_forgiven() -> None:
    refused = decided(
        end(CLAIMED, Ending(status=Status.ABANDONED, cause="refused", refuses=True), person=PERSON, at=AT)
    )
    (remembered,) = refused.also
    assert remembered == replace(PERSON, refusing=True)
    assert isinstance(refused.events[0], MessageAbandoned)
    assert refused.events[0].cause == "refused"
    works = decided(end(CLAIMED, Ending(status=Status.SENT), person=replace(PERSON, refusing=True), at=AT))
    assert works.also == [PERSON]


def test_an_ending_that_says_nothing_of_the_address_leaves_it_as_it_is() -> None:
    refusing = replace(PERSON, refusing=True)
    ended = decided(end(CLAIMED, Ending(status=Status.ABANDONED, cause="suppressed"), person=refusing, at=AT))
    assert ended.also == []


def test_a_person_without_address_is_told_to_the_house_with_that_cause() -> None:
    (event,) = decided(end(CLAIMED, Ending(status=Status.NO_ADDRESS), person=None, at=AT)).events
    assert isinstance(event, MessageAbandoned)
    assert event.cause == "no-address"


@pytest.mark.parametrize("message", [None, SENT, LOST], ids=["missing", "sent", "lost"])
def test_what_has_ended_does_not_end_again(message: Message | None) -> None:
    assert isinstance(end(message, Ending(status=Status.SENT), person=None, at=AT), Refusal)
    assert isinstance(postpone(message, attempt=1, cause="not-taken", wait=FIVE, at=AT), Refusal)


def test_a_mail_that_is_not_taken_is_tried_again_every_five_minutes() -> None:
    later = decided(postpone(CLAIMED, attempt=1, cause="not-taken", wait=FIVE, at=AT))
    assert later.state.due_at == AT + FIVE
    assert (later.state.cause, list(later.events)) == ("not-taken", [])


def test_a_late_record_of_an_older_attempt_moves_nothing() -> None:
    assert isinstance(postpone(replace(CLAIMED, attempts=2), attempt=1, cause="x", wait=FIVE, at=AT), Refusal)


def test_after_four_hours_it_is_a_technical_failure_that_is_seen() -> None:
    message, at, tries = WAITING, AT, 0
    while message.status is Status.WAITING:
        message, tries = decided(claim(message, at=at)).state, tries + 1
        postponed = decided(postpone(message, attempt=tries, cause="not-taken", wait=FIVE, at=at))
        message, at = postponed.state, at + FIVE
    assert (message.status, message.cause) == (Status.ABANDONED, "technical-failure")
    assert tries == 4 * 12 + 1
    assert isinstance(postponed.events[0], MessageAbandoned)


def test_what_reached_nobody_can_be_tried_once_more() -> None:
    again = decided(retry(LOST, Retry(message_id=ID, at=AT + FIVE), person=replace(PERSON, refusing=True)))
    assert (again.state.status, again.state.attempts, again.state.due_at) == (Status.WAITING, 0, AT + FIVE)
    assert again.also == [PERSON]
    assert decided(retry(LOST, Retry(message_id=ID, at=AT), person=PERSON)).also == []


def test_what_is_waiting_stays_as_it_is_when_tried_again() -> None:
    assert decided(retry(CLAIMED, Retry(message_id=ID, at=AT), person=None)).state == CLAIMED


@pytest.mark.parametrize(
    ("message", "reason"),
    [(None, Reason.NOT_FOUND), (SENT, Reason.CONFLICT), (replace(SENT, status=Status.UNWANTED), Reason.CONFLICT)],
    ids=["missing", "sent", "not wanted"],
)
def test_what_reached_somebody_or_is_not_wanted_is_not_tried_again(message: Message | None, reason: Reason) -> None:
    refusal = retry(message, Retry(message_id=ID, at=AT), person=None)
    assert isinstance(refusal, Refusal)
    assert refusal.reason is reason


def test_a_mail_that_came_back_reached_nobody_and_its_address_is_remembered() -> None:
    bounced = decided(bounce(SENT, Bounce(message_id=ID, at=AT), person=PERSON))
    assert (bounced.state.status, bounced.state.cause) == (Status.ABANDONED, "bounced")
    assert bounced.also == [replace(PERSON, refusing=True)]
    assert decided(bounce(bounced.state, Bounce(message_id=ID, at=AT), person=None)).events == ()
    assert decided(bounce(SENT, Bounce(message_id=ID, at=AT), person=None)).also == []


@pytest.mark.parametrize("message", [None, WAITING], ids=["missing", "waiting"])
def test_what_was_not_sent_cannot_come_back(message: Message | None) -> None:
    assert isinstance(bounce(message, Bounce(message_id=ID, at=AT), person=None), Refusal)
