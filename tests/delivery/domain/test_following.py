"""What is learned from the others: newer news wins."""

from datetime import timedelta

from contracts.types import RightsHolder
from services.chassis.decision import Decision, Refusal
from services.delivery.domain import Watermark, know_organization, know_student, pass_watermark
from tests.delivery.scene import AT, GUARDIAN, SCHOOL, organization_recorded, person_recorded, recipient, student


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


def passed(known: Watermark | None, seconds: float) -> Decision[Watermark] | Refusal:
    """A watermark of that many seconds from now."""
    return pass_watermark(known, partition="0", at=AT + timedelta(seconds=seconds), now=AT)


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


def test_a_watermark_taken_when_our_clock_was_ahead_gives_way_to_todays() -> None:
    ahead = Watermark(partition="0", at=AT + timedelta(minutes=10))
    todays = passed(ahead, -1)
    assert isinstance(todays, Decision)
    assert todays.state.at == AT - timedelta(seconds=1)
