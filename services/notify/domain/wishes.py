"""What people want to be sent, and what may be sent to them at all (P13: no membership message to a family, ever)."""

from dataclasses import dataclass, replace
from datetime import datetime

from contracts.problem import Reason
from contracts.types import MessageId, OrganizationId, PersonId, PersonKind
from services.chassis.decision import Decision, Refusal
from services.notify.domain.state import (
    Announcement,
    Facts,
    Message,
    MessageClass,
    Person,
    Preferences,
    Status,
    Template,
)

LANGUAGES = ("en", "es")
FAMILY = frozenset({PersonKind.STUDENT, PersonKind.GUARDIAN})
STAFF = frozenset(PersonKind) - FAMILY


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefer:
    """In which language, and which classes not. `language` None: as the profile says."""

    person_id: PersonId
    language: str | None
    muted: tuple[MessageClass, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Announce:
    """Tell the staff of schools or recipients something about the consortium."""

    announcement_id: str
    audience: PersonKind
    subjects: dict[str, str]
    texts: dict[str, str]
    made_by: PersonId
    at: datetime


def prefer(known: Preferences | None, command: Prefer) -> Decision[Preferences] | Refusal:
    """A wish is taken as it is, but what people must be told can't be switched off."""
    if command.language is not None and command.language not in LANGUAGES:
        return Refusal(Reason.INVALID, f"messages are written in {' and '.join(LANGUAGES)}")
    if MessageClass.NEEDED in command.muted:
        return Refusal(Reason.INVALID, "messages about what you have to do, or must be told, can't be switched off")
    wished = Preferences(
        person_id=command.person_id,
        version=known.version + 1 if known else 1,
        language=command.language,
        muted=tuple(sorted(set(command.muted))),
    )
    if known is not None and replace(wished, version=known.version) == known:
        return Decision(known)
    return Decision(wished)


def mute(known: Preferences | None, person_id: PersonId, unwanted: MessageClass) -> Decision[Preferences] | Refusal:
    """One click in a mail: no more of this class."""
    before = known or Preferences(person_id=person_id, version=0)
    return prefer(known, Prefer(person_id=person_id, language=before.language, muted=(*before.muted, unwanted)))


def may_be_sent(person: Person, kind: MessageClass) -> bool:
    """Whether a class of message may go to this person at all. A teacher who is a pupil's parent too counts as parent."""
    return kind is not MessageClass.MEMBERSHIP or not FAMILY & set(person.kinds)


def announce(known: Announcement | None, command: Announce) -> Decision[Announcement] | Refusal:
    """An announcement, to be told to each of its audience. Families are no audience."""
    if command.audience not in STAFF:
        return Refusal(Reason.NOT_ALLOWED, "no membership message goes to a student or a guardian")
    if not (set(LANGUAGES) <= command.subjects.keys() and set(LANGUAGES) <= command.texts.keys()):
        return Refusal(Reason.INVALID, f"give subject and text in {' and '.join(LANGUAGES)}")
    if any(any(ord(sign) < 32 for sign in subject) for subject in command.subjects.values()):
        return Refusal(Reason.INVALID, "a subject is one line")
    if known is not None:
        return Decision(known)
    announcement = Announcement(
        announcement_id=command.announcement_id,
        version=1,
        audience=command.audience,
        subjects=command.subjects,
        texts=command.texts,
        made_by=command.made_by,
        made_at=command.at,
    )
    return Decision(announcement)


def tell_announcement(
    known: Message | None,
    announcement: Announcement | None,
    person: Person | None,
    *,
    message_id: MessageId,
    at: datetime,
) -> Decision[Message] | Refusal:
    """The message of an announcement to one person, once."""
    if announcement is None or person is None or not person.active or announcement.audience not in person.kinds:
        return Refusal(Reason.NOT_FOUND, "nobody to tell")
    if not may_be_sent(person, MessageClass.MEMBERSHIP):
        return Refusal(Reason.NOT_ALLOWED, "no membership message goes to a student or a guardian")
    if known is not None:
        return Decision(known)
    message = Message(
        message_id=message_id,
        version=1,
        template=Template.ANNOUNCEMENT,
        status=Status.WAITING,
        person_id=person.person_id,
        facts=Facts(at=at, announcement_id=announcement.announcement_id),
        created_at=at,
        due_at=at,
    )
    return Decision(message)


def tell_rights_passed(
    known: Message | None,
    person_id: PersonId,
    student_id: PersonId,
    school_id: OrganizationId,
    *,
    message_id: MessageId,
    happened_at: datetime,
    at: datetime,
) -> Decision[Message]:
    """The student is 18: who held the rights and who holds them now are told (34 CFR 99.5(a))."""
    if known is not None:
        return Decision(known)
    message = Message(
        message_id=message_id,
        version=1,
        template=Template.RIGHTS_PASSED,
        status=Status.WAITING,
        person_id=person_id,
        facts=Facts(at=happened_at),
        created_at=at,
        school_id=school_id,
        student_id=student_id,
        due_at=at,
    )
    return Decision(message)
