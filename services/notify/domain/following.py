"""What notify learns of people, organizations, holds and requests. Newer news wins, old is ignored."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from contracts.consent.v1 import ConsentOpened
from contracts.identity.v1 import OrganizationRecorded, PersonRecorded
from contracts.problem import Reason
from contracts.records.v1 import HoldPlaced
from contracts.types import MessageId, PersonKind
from services.chassis.decision import Decision, Refusal
from services.notify.domain.state import Hold, News, Occasion, Organization, Person, RequestView
from services.notify.domain.telling import NameMessage, planned

OLD_NEWS = Refusal(Reason.CONFLICT, "newer news is known already")


def know_person(known: Person | None, event: PersonRecorded) -> Decision[Person] | Refusal:
    """A person as identity tells of them. A refused address is tried again when there is news of the person."""
    if known is not None and known.version >= event.version:
        return OLD_NEWS
    person = Person(
        person_id=event.person_id,
        version=event.version,
        active=event.active,
        profile=event.profile,
        kinds=tuple(dict.fromkeys(one.kind for one in event.memberships)),
        registrar_of=tuple(
            dict.fromkeys(one.organization_id for one in event.memberships if one.kind is PersonKind.REGISTRAR)
        ),
        rights_holder=event.rights_holder,
        guardians=event.guardians,
    )
    return Decision(person)


def know_organization(known: Organization | None, event: OrganizationRecorded) -> Decision[Organization] | Refusal:
    """A school or a recipient as identity tells of it."""
    if known is not None and known.version >= event.version:
        return OLD_NEWS
    organization = Organization(
        organization_id=event.organization_id,
        version=event.version,
        kind=event.kind,
        name=event.name,
        timezone=event.timezone,
    )
    return Decision(organization)


def know_hold(known: Hold | None, event: HoldPlaced) -> Decision[Hold] | Refusal:
    """The newest hold on a transcript. A lifted one is not forgotten: nobody is told of it any more either."""
    if known is not None and known.version >= event.version:
        return OLD_NEWS
    hold = Hold(transcript_id=event.transcript_id, version=event.version, reason=event.reason, until=event.until)
    return Decision(hold)


def know_request(
    known: RequestView | None,
    event: ConsentOpened,
    *,
    event_id: str,
    happened_at: datetime,
    trace: str | None = None,
    registrars: Sequence[Person],
    messages: Sequence[MessageId],
    name: NameMessage,
    at: datetime,
) -> Decision[RequestView] | Refusal:
    """A request was opened: signers are asked, the student is told; and what was heard before it is told now."""
    if known is not None and known.opened:
        return OLD_NEWS
    view = RequestView(
        request_id=event.request_id,
        version=event.version,
        school_id=event.school_id,
        student_id=event.student_id,
        recipient_id=event.recipient_id,
        opened=True,
        transcript_id=event.transcript_id,
        purpose=event.purpose,
        opened_by=event.opened_by,
        opened_as=event.opened_as,
        signers=event.signers,
        school_approves=event.school_approves,
        expires_at=event.expires_at,
    )
    opening = Occasion(event_id=event_id, news=News.OPENED, at=happened_at, trace=trace)
    early = known.early if known is not None else ()
    # Who had to sign by the end of what was heard early is not asked again for each step in between.
    last = next((one.signers for one in reversed(early) if one.signers is not None), None)
    planned_now = planned(view, [opening, *early], registrars=registrars, name=name, at=at)
    settled = view if last is None else replace(view, signers=last)
    return Decision(settled, also=[one for one in planned_now if one.message_id not in messages])
