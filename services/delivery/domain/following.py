"""What delivery learns from the others: who exists, who is verified, how fresh its knowledge is. Newer news wins. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from contracts.identity.v1 import OrganizationRecorded, PersonRecorded
from contracts.problem import Reason
from contracts.types import OrganizationId, PersonKind, RequestId, RightsHolder, Standing
from services.chassis.decision import Decision, Refusal
from services.delivery.domain.disclosing import SKEW
from services.delivery.domain.state import Organization, Reader, Student, Watermark

NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""The moment of a watermark that is believed no more."""
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


def know_reader(known: Reader | None, event: PersonRecorded) -> Decision[Reader] | Refusal:
    """A recipient's reader, active or ended."""
    if known is not None and known.version >= event.version:
        return OLD_NEWS
    recipients = tuple(one.organization_id for one in event.memberships if one.kind is PersonKind.READER)
    return Decision(
        Reader(person_id=event.person_id, version=event.version, active=event.active, recipient_ids=recipients)
    )


def receives_for(
    named: Sequence[OrganizationId], reader: Reader | None, recipients: Mapping[OrganizationId, Organization]
) -> tuple[OrganizationId, ...]:
    """For which of the recipients that a person's session names they may still look at what arrived.

    For none after the account ended, and for none that is suspended. Whom identity has let in and delivery has not heard
    of yet, the session speaks for: it is signed, and a moment old.
    """
    if reader is not None and not reader.active:
        return ()
    return tuple(
        one
        for one in named
        if (reader is None or one in reader.recipient_ids)
        and not (one in recipients and recipients[one].standing is Standing.SUSPENDED)
    )


def pass_watermark(
    known: Watermark | None, *, partition: str, at: datetime, now: datetime, unread: Sequence[RequestId | None] = ()
) -> Decision[Watermark] | Refusal:
    """The newest watermark of a partition stands; an older one proves nothing new.

    One from our future proves nothing at all: a clock is wrong. It is not taken, and what was believed of the partition
    before is believed no more: it may be as old as our clock is late.

    `unread` are the records of consent's that lie aside from this partition, each by the request it is about, None where
    that can't be told. Any of them may be a revocation. A known request is doubted until its record was handled or
    dismissed. With one of an unknown request the watermark is not taken, so that within `OLDEST_WATERMARK` nothing is
    disclosed any more: **the whole house stops until an operator looks.** No stranger can bring that about: only consent's
    relay may write to this topic (ACL), so such a record is consent's own mistake, or somebody holds its credentials.
    """
    latest = now + SKEW
    if at > latest:
        if known is None or known.at <= NEVER:
            return Refusal(Reason.CONFLICT, "the watermark lies in our future: the clocks disagree")
        return Decision(replace(known, at=NEVER))
    if known is not None and at <= known.at <= latest:
        return OLD_NEWS
    if None in unread:
        return Refusal(Reason.CONFLICT, "a record before the watermark could not be read: it may be a revocation")
    doubted = sorted({request_id for request_id in unread if request_id is not None})
    return Decision(Watermark(partition=partition, at=at, doubted=tuple(doubted)))
