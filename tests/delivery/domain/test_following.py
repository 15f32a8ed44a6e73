"""What is learned from the others: newer news wins."""

from datetime import timedelta

from contracts.identity.v1 import PersonRecorded
from contracts.types import Membership, PersonId, PersonKind, RequestId, RightsHolder, SealedValue, Standing
from services.chassis.decision import Decision, Refusal
from services.delivery.domain import (
    Reader,
    Watermark,
    freshness,
    know_organization,
    know_reader,
    know_student,
    pass_watermark,
    receives_for,
)
from tests.delivery.scene import (
    AT,
    COLLEGE,
    GUARDIAN,
    OTHER,
    SCHOOL,
    organization_recorded,
    person_recorded,
    recipient,
    student,
)


def test_a_recipient_is_known_as_identity_tells_of_it() -> None:
    verdict = know_organization(None, organization_recorded())
    assert isinstance(verdict, Decision)
    assert verdict.state == recipient()


def test_old_news_of_an_organization_is_refused() -> None:
    assert isinstance(know_organization(recipient(version=2), organization_recorded(version=2)), Refusal)
    assert isinstance(know_organization(recipient(version=1), organization_recorded(version=2)), Decision)


def test_a_student_is_known_with_who_may_read_for_them() -> None:
    verdict = know_student(None, person_recorded())
    assert isinstance(verdict, Decision)
    assert (verdict.state.guardians, verdict.state.school_ids) == ((GUARDIAN,), (SCHOOL,))


def test_a_student_whose_rights_holder_is_not_told_is_a_guardians() -> None:
    verdict = know_student(None, person_recorded(rights_holder=None))
    assert isinstance(verdict, Decision)
    assert verdict.state.rights_holder is RightsHolder.GUARDIAN


def test_old_news_of_a_student_is_refused() -> None:
    assert isinstance(know_student(student(version=1), person_recorded(version=1)), Refusal)


NORA = PersonRecorded(
    version=1,
    person_id=PersonId("per_nora"),
    memberships=(Membership(kind=PersonKind.READER, organization_id=COLLEGE),),
    active=True,
    profile=SealedValue(person_id=PersonId("per_nora"), ciphertext=""),
)
ENDED = NORA.model_copy(update={"version": 2, "active": False})


def heard(event: PersonRecorded, known: Reader | None = None) -> Reader:
    verdict = know_reader(known, event)
    assert isinstance(verdict, Decision)
    return verdict.state


def test_a_reader_looks_at_what_was_sent_to_their_own_recipient_until_the_account_ends() -> None:
    reader = heard(NORA)
    assert receives_for([COLLEGE], reader, {}) == (COLLEGE,)
    assert receives_for([OTHER], reader, {}) == (), "whatever a session says"
    assert receives_for([COLLEGE], heard(ENDED, reader), {}) == ()


def test_old_news_does_not_open_an_account_that_ended() -> None:
    assert isinstance(know_reader(heard(ENDED), NORA), Refusal)
    assert isinstance(know_reader(heard(ENDED), ENDED), Refusal)


def test_a_reader_whom_delivery_has_not_heard_of_yet_is_believed_by_their_session() -> None:
    assert receives_for([COLLEGE], None, {}) == (COLLEGE,)


def test_a_suspended_recipients_readers_look_at_nothing() -> None:
    known = {COLLEGE: recipient(Standing.SUSPENDED), OTHER: recipient()}
    assert receives_for([COLLEGE, OTHER], None, known) == (OTHER,)


def passed(known: Watermark | None, seconds: float, *unread: RequestId | None) -> Decision[Watermark] | Refusal:
    """A watermark of that many seconds from now."""
    return pass_watermark(known, partition="0", at=AT + timedelta(seconds=seconds), now=AT, unread=unread)


def test_the_newest_watermark_of_a_partition_stands() -> None:
    known = Watermark(partition="0", at=AT - timedelta(seconds=5))
    assert isinstance(passed(known, -5), Refusal)
    assert isinstance(passed(known, -10), Refusal)
    newer = passed(known, 0)
    assert isinstance(newer, Decision)
    assert newer.state.at == AT


def test_a_watermark_from_our_future_is_not_taken() -> None:
    assert isinstance(passed(None, 4), Decision), "clocks are never quite alike"
    assert isinstance(passed(None, 600), Refusal)


def test_a_watermark_from_our_future_takes_back_what_was_believed_when_it_came_late() -> None:
    """Our clock is 8 s behind. A watermark that lay on its way for 4 s looked like one of 4 s from now."""
    believed = Watermark(partition="0", at=AT + timedelta(seconds=4))
    taken_back = passed(believed, 8)
    assert isinstance(taken_back, Decision)
    assert freshness([taken_back.state], AT) is not None
    assert isinstance(passed(taken_back.state, 8), Refusal), "said once"
    right_again = passed(taken_back.state, -1)
    assert isinstance(right_again, Decision)
    assert freshness([right_again.state], AT) is None


def test_a_watermark_doubts_the_requests_whose_records_before_it_lie_aside_until_they_do_not() -> None:
    one, other = RequestId("req_1"), RequestId("req_2")
    doubting = passed(None, -5, other, one, other)
    assert isinstance(doubting, Decision)
    assert doubting.state.doubted == (one, other)
    next_one = passed(doubting.state, 0, other)
    assert isinstance(next_one, Decision)
    assert next_one.state.doubted == (other,)


def test_a_watermark_behind_a_record_of_nobody_knows_whom_is_not_taken() -> None:
    known = Watermark(partition="0", at=AT - timedelta(seconds=5))
    assert isinstance(passed(known, 0, RequestId("req_1"), None), Refusal)
    assert isinstance(passed(known, 0), Decision)


def test_a_watermark_taken_when_our_clock_was_ahead_gives_way_to_todays() -> None:
    ahead = Watermark(partition="0", at=AT + timedelta(minutes=10))
    todays = passed(ahead, -1)
    assert isinstance(todays, Decision)
    assert todays.state.at == AT - timedelta(seconds=1)
