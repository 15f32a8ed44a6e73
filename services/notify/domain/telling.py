"""Which news goes to whom: the table, and the messages that follow from it.

Invariants: the same news never makes a second message for the same person (the message's id is drawn from the event's);
nobody gets two messages about one event; nothing goes to the recipient of a transcript.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from contracts.types import MessageId, OrganizationId, PersonId
from services.chassis.decision import Decision
from services.notify.domain.state import Facts, Message, News, Occasion, Person, RequestView, Status, Template

NameMessage = Callable[[str, PersonId, Template], MessageId]
"""Event id, person, template → message id. The same three, the same id."""

MOST_REGISTRARS = 20
"""A school with more has an address for its office; telling everybody would be telling nobody."""


class Party(StrEnum):
    """Who somebody is to a request."""

    SIGNERS = "signers"
    NEW_SIGNERS = "new-signers"
    STUDENT = "student"
    OPENER = "opener"
    REGISTRARS = "registrars"


@dataclass(frozen=True, slots=True)
class Row:
    """This template goes to these parties."""

    template: Template
    to: tuple[Party, ...]


_FAMILY = (Party.STUDENT, Party.SIGNERS)

TABLE: Mapping[News, tuple[Row, ...]] = {
    News.OPENED: (Row(Template.SIGN, (Party.SIGNERS,)), Row(Template.OPENED, (Party.STUDENT,))),
    News.READDRESSED: (Row(Template.SIGN, (Party.NEW_SIGNERS,)),),
    News.SIGNED: (Row(Template.SCHOOL_APPROVAL, (Party.REGISTRARS,)),),
    News.APPROVED: (Row(Template.APPROVED, _FAMILY),),
    News.REFUSED: (Row(Template.REFUSED, (Party.OPENER, Party.STUDENT)),),
    News.REVOKED: (Row(Template.REVOKED, (*_FAMILY, Party.REGISTRARS)),),
    News.EXPIRED: (Row(Template.EXPIRED, (Party.OPENER, Party.SIGNERS)),),
    News.INVALIDATED: (Row(Template.INVALIDATED, (Party.OPENER, Party.SIGNERS)),),
    News.HELD: (Row(Template.HELD, _FAMILY),),
    News.WITHDRAWN: (Row(Template.WITHDRAWN, _FAMILY),),
    News.DELIVERED: (Row(Template.DELIVERED, _FAMILY),),
    News.STOPPED_AFTER_OPENING: (Row(Template.STOPPED_AFTER_OPENING, _FAMILY),),
    News.NEVER_OPENED: (Row(Template.NEVER_OPENED, (*_FAMILY, Party.OPENER)),),
    News.UNREACHABLE: (Row(Template.UNREACHABLE, (Party.REGISTRARS,)),),
    News.MISMATCH: (Row(Template.MISMATCH, (Party.REGISTRARS,)),),
}
"""Rows are read from top to bottom, and the first that names a person is theirs."""


def needs_registrars(news: News) -> bool:
    """Whether the registrars of the school have to be looked up."""
    return any(Party.REGISTRARS in row.to for row in TABLE[news])


def whom(
    view: RequestView, occasion: Occasion, *, registrars: Sequence[Person]
) -> tuple[tuple[PersonId, Template], ...]:
    """Who is told what about this occasion."""
    told: dict[PersonId, Template] = {}
    for row in TABLE[occasion.news]:
        for party in row.to:
            for person_id in _members(party, view, occasion, registrars):
                told.setdefault(person_id, row.template)
    return tuple(told.items())


def planned(
    view: RequestView, occasions: Sequence[Occasion], *, registrars: Sequence[Person], name: NameMessage, at: datetime
) -> tuple[Message, ...]:
    """The messages that these occasions ask for, due at once."""
    return tuple(
        Message(
            message_id=name(occasion.event_id, person_id, template),
            version=1,
            template=template,
            status=Status.WAITING,
            person_id=person_id,
            facts=_facts(view, occasion),
            created_at=at,
            request_id=view.request_id,
            school_id=view.school_id,
            student_id=view.student_id,
            trace=occasion.trace,
            due_at=at,
        )
        for occasion in occasions
        for person_id, template in whom(view, occasion, registrars=registrars)
    )


def registrars_of(school_id: OrganizationId, people: Sequence[Person]) -> tuple[Person, ...]:
    """Those who are told on behalf of a school."""
    own = [person for person in people if person.active and school_id in person.registrar_of]
    return tuple(sorted(own, key=lambda person: person.person_id)[:MOST_REGISTRARS])


def tell(
    view: RequestView,
    occasion: Occasion,
    *,
    registrars: Sequence[Person],
    known: Sequence[MessageId],
    name: NameMessage,
    at: datetime,
) -> Decision[RequestView]:
    """News of a request: the messages it asks for, less those that exist. Before the opening it is kept for later."""
    if not view.opened:
        if any(one.event_id == occasion.event_id for one in view.early):
            return Decision(view)
        return Decision(replace(view, early=(*view.early, occasion)))
    after = view if occasion.signers is None else replace(view, signers=occasion.signers)
    messages = planned(view, [occasion], registrars=registrars, name=name, at=at)
    return Decision(after, also=[one for one in messages if one.message_id not in known])


def _members(party: Party, view: RequestView, occasion: Occasion, registrars: Sequence[Person]) -> tuple[PersonId, ...]:
    if party is Party.SIGNERS:
        return view.signers
    if party is Party.NEW_SIGNERS:
        return tuple(one for one in occasion.signers or () if one not in view.signers)
    if party is Party.STUDENT:
        return (view.student_id,)
    if party is Party.OPENER:
        return (view.opened_by,) if view.opened_by is not None else ()
    return tuple(person.person_id for person in registrars)


def _facts(view: RequestView, occasion: Occasion) -> Facts:
    return Facts(
        at=occasion.at,
        recipient_id=view.recipient_id,
        transcript_id=view.transcript_id,
        purpose=view.purpose,
        opened_by=view.opened_by,
        opened_as=view.opened_as,
        expires_at=view.expires_at,
        cause=occasion.cause,
        acted_as=occasion.acted_as,
        valid_until=occasion.valid_until,
        basis=occasion.basis,
        ledger_row=occasion.ledger_row,
    )
