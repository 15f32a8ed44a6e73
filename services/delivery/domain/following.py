"""What delivery learns from the others: who exists, who is verified, how fresh its knowledge is. Newer news wins. Pure."""

from datetime import datetime

from contracts.identity.v1 import OrganizationRecorded, PersonRecorded
from contracts.problem import Reason
from contracts.types import PersonKind, RightsHolder
from services.chassis.decision import Decision, Refusal
from services.delivery.domain.disclosing import SKEW
from services.delivery.domain.state import Organization, Student, Watermark

OLD_NEWS = Refusal(Reason.CONFLICT, "newer news is known already")


def know_organization(known: Organization | None, event: OrganizationRecorded) -> Decision[Organization] | Refusal:
    """A school or a recipient as identity tells of it."""
    if known is not None and known.version >= event.version:
        return OLD_NEWS
    return Decision(
        Organization(
            organization_id=event.organization_id,
            version=event.version,
            kind=event.kind,
            name=event.name,
            standing=event.standing,
        )
    )


def know_student(known: Student | None, event: PersonRecorded) -> Decision[Student] | Refusal:
    """A student, with who may read the student's part of the ledger."""
    if known is not None and known.version >= event.version:
        return OLD_NEWS
    schools = tuple(one.organization_id for one in event.memberships if one.kind is PersonKind.STUDENT)
    return Decision(
        Student(
            person_id=event.person_id,
            version=event.version,
            school_ids=schools,
            rights_holder=event.rights_holder or RightsHolder.GUARDIAN,
            guardians=event.guardians,
            profile=event.profile,
        )
    )


def pass_watermark(
    known: Watermark | None, *, partition: str, at: datetime, now: datetime
) -> Decision[Watermark] | Refusal:
    """The newest watermark of a partition stands; an older one proves nothing new.

    One from our future proves nothing at all: a clock is wrong. It is not taken, and when it was taken before our own clock
    went back, today's stands in its place. Kept, it would close every door until its day, and open one on stale news then.
    """
    latest = now + SKEW
    if at > latest:
        return Refusal(Reason.CONFLICT, "the watermark lies in our future: the clocks disagree")
    if known is not None and at <= known.at <= latest:
        return OLD_NEWS
    return Decision(Watermark(partition=partition, at=at))
