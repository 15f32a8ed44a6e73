"""One method per command: what it reads, which decision it asks for. Loading and committing is the chassis's."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar, cast

from contracts.types import MessageId, PersonId
from services.chassis import ids
from services.chassis.decision import Decision, Refusal
from services.chassis.store.shelf import Shelf
from services.chassis.store.work import AlreadyDone, Job, Known, Need, One, Verdict, Work
from services.notify import domain
from services.notify.domain import (
    Announce,
    Announcement,
    Bounce,
    Message,
    MessageClass,
    Prefer,
    Preferences,
    Retry,
)
from services.notify.store import ANNOUNCEMENTS, MESSAGES, PEOPLE, PREFERENCES, Questions

S = TypeVar("S")

CHUNK = 200
"""People told of an announcement in one transaction."""


class Handlers:
    """Notify's commands."""

    def __init__(self, work: Work, questions: Questions) -> None:
        self._work = work
        self._questions = questions

    async def retry(self, command: Retry, *, about: PersonId, cause: str) -> Decision[Message] | Refusal:
        """`about`: whose message it is, as it was shown."""

        def decide(known: Known) -> Verdict:
            message = known.one(MESSAGES, command.message_id)
            return domain.retry(message, command, person=known.one(PEOPLE, about))

        needs = [One(MESSAGES, command.message_id), One(PEOPLE, about)]
        return await self._carry_out(
            MESSAGES, command.message_id, cause=cause, at=command.at, needs=needs, decide=decide
        )

    async def bounce(self, command: Bounce, *, about: PersonId, cause: str) -> Decision[Message] | Refusal:
        """`about`: whose message it is."""

        def decide(known: Known) -> Verdict:
            message = known.one(MESSAGES, command.message_id)
            return domain.bounce(message, command, person=known.one(PEOPLE, about))

        needs = [One(MESSAGES, command.message_id), One(PEOPLE, about)]
        return await self._carry_out(
            MESSAGES, command.message_id, cause=cause, at=command.at, needs=needs, decide=decide
        )

    async def prefer(self, command: Prefer, *, at: datetime, cause: str) -> Decision[Preferences] | Refusal:
        def decide(known: Known) -> Verdict:
            return domain.prefer(known.one(PREFERENCES, command.person_id), command)

        needs = [One(PREFERENCES, command.person_id)]
        return await self._carry_out(PREFERENCES, command.person_id, cause=cause, at=at, needs=needs, decide=decide)

    async def mute(
        self, person_id: PersonId, unwanted: MessageClass, *, at: datetime, cause: str
    ) -> Decision[Preferences] | Refusal:
        def decide(known: Known) -> Verdict:
            return domain.mute(known.one(PREFERENCES, person_id), person_id, unwanted)

        needs = [One(PREFERENCES, person_id)]
        return await self._carry_out(PREFERENCES, person_id, cause=cause, at=at, needs=needs, decide=decide)

    async def announce(self, command: Announce, *, cause: str) -> Decision[Announcement] | Refusal:
        """The announcement, then a message for each of its audience. The same command again goes on where it ended."""

        def decide(known: Known) -> Verdict:
            return domain.announce(known.one(ANNOUNCEMENTS, command.announcement_id), command)

        needs = [One(ANNOUNCEMENTS, command.announcement_id)]
        made = await self._carry_out(
            ANNOUNCEMENTS, command.announcement_id, cause=cause, at=command.at, needs=needs, decide=decide
        )
        if isinstance(made, Decision):
            await self._tell_audience(made.state, command.at)
        return made

    async def _tell_audience(self, announcement: Announcement, at: datetime) -> None:
        after = ""
        while people := await self._questions.staff(announcement.audience, after=after, limit=CHUNK):
            await self._work.carry_out_batch([_announcement_job(announcement, one.person_id, at) for one in people])
            after = people[-1].person_id

    async def _carry_out(
        self,
        shelf: Shelf[S],
        key: str,
        *,
        cause: str,
        at: datetime,
        needs: Sequence[Need],
        decide: Callable[[Known], Verdict],
    ) -> Decision[S] | Refusal:
        job = Job(cause=cause, at=at, reads=lambda _: needs, decide=decide, once=True, correlation=key)
        outcome = await self._work.carry_out(job)
        if isinstance(outcome, AlreadyDone):
            # The same command again: the answer is what it made, as it is now.
            found = await self._work.store.find(shelf, {"_id": key}, limit=1)
            return Decision(found[0]) if found else domain.NO_SUCH_MESSAGE
        return cast("Decision[S] | Refusal", outcome)


def _announcement_job(announcement: Announcement, person_id: PersonId, at: datetime) -> Job:
    message_id = MessageId(ids.derived("msg", announcement.announcement_id, person_id))
    needs = [One(ANNOUNCEMENTS, announcement.announcement_id), One(PEOPLE, person_id), One(MESSAGES, message_id)]

    def decide(known: Known) -> Verdict:
        return domain.tell_announcement(
            known.one(MESSAGES, message_id),
            known.one(ANNOUNCEMENTS, announcement.announcement_id),
            known.one(PEOPLE, person_id),
            message_id=message_id,
            at=at,
        )

    return Job(cause=f"announce:{message_id}", at=at, reads=lambda _: needs, decide=decide)
