"""Sealing in three beats (decide, make the package, decide afresh), and withdrawing."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

from contracts.problem import Reason
from contracts.types import OrganizationId, PackageId, PersonId, Selection, TranscriptId
from services.chassis import clock, ids
from services.chassis.decision import Decision, Refusal
from services.chassis.keys.person import Erased
from services.chassis.keys.sealing import content_key
from services.chassis.store.work import One, Work
from services.records.domain import sealing
from services.records.domain.drafting import NO_SUCH_TRANSCRIPT
from services.records.domain.sealing import Seal, Withdraw
from services.records.domain.state import Sealing, Transcript
from services.records.gateways.package import EvidenceMismatch
from services.records.gateways.packager import Order, Packager
from services.records.gateways.renderer import MissingGlyph
from services.records.handlers.carrying import carry_out
from services.records.store import PACKAGES, SCHOOLS, Questions

AT_ONCE = 4
"""Packages of one bulk seal that are made at once: the drawing has a process of its own, the signing has this one."""
GONE = Refusal(Reason.EXPIRED, "the student's record was erased")


@dataclass(frozen=True, slots=True, kw_only=True)
class SealWish:
    """A registrar seals the draft with this digest. `cause` is the id of the step-up: it is an act of its own."""

    transcript_id: TranscriptId
    school_id: OrganizationId
    person_id: PersonId
    shown: str
    cause: str
    at: datetime


class Seals:
    """Sealing and withdrawing."""

    def __init__(self, work: Work, packager: Packager) -> None:
        self._work = work
        self._questions = Questions(work.store)
        self._packager = packager

    async def seal(self, wish: SealWish) -> Decision[Transcript] | Refusal:
        """The draft as a sealed version with its whole package. Asked again after a crash, it goes on where it was."""
        begun = await self._begin(wish)
        if isinstance(begun, Refusal) or begun.state.sealing is None:
            return begun
        return await self._finish(begun.state, begun.state.sealing, wish.cause)

    async def seal_many(self, wishes: Sequence[SealWish]) -> list[Decision[Transcript] | Refusal]:
        """Each for itself: one that can't be sealed keeps none of the others back."""
        lanes = asyncio.Semaphore(AT_ONCE)

        async def one(wish: SealWish) -> Decision[Transcript] | Refusal:
            async with lanes:
                return await self.seal(wish)

        return list(await asyncio.gather(*(one(wish) for wish in wishes)))

    async def withdraw(self, command: Withdraw, *, cause: str) -> Decision[Transcript] | Refusal:
        return await carry_out(
            self._work,
            command.transcript_id,
            cause=cause,
            at=command.at,
            decide=lambda _, transcript: sealing.withdraw(transcript, command),
        )

    async def _begin(self, wish: SealWish) -> Decision[Transcript] | Refusal:
        transcript = await self._questions.transcript(wish.transcript_id)
        if transcript is None or transcript.school_id != wish.school_id:
            return NO_SUCH_TRANSCRIPT
        package_id = package_id_of(transcript.transcript_id, transcript.number + 1, wish.shown, Selection())
        keys = self._packager.cabinet.keys
        words, kept = await keys.seal_many(
            [
                (transcript.student_id, (await self._words(wish)).encode()),
                (transcript.student_id, content_key()),
            ]
        )
        if words is None or kept is None:
            return GONE
        command = Seal(
            transcript_id=wish.transcript_id,
            school_id=wish.school_id,
            person_id=wish.person_id,
            words=words,
            shown=wish.shown,
            package_id=package_id,
            kept_key=kept,
            at=wish.at,
        )
        return await carry_out(
            self._work,
            wish.transcript_id,
            cause=f"seal:{wish.cause}:{wish.transcript_id}",
            at=wish.at,
            needs=(One(SCHOOLS, wish.school_id), One(PACKAGES, package_id)),
            decide=lambda known, now: sealing.begin_seal(
                now, command, school=known.one(SCHOOLS, wish.school_id), package=known.one(PACKAGES, package_id)
            ),
        )

    async def _finish(self, transcript: Transcript, begun: Sealing, cause: str) -> Decision[Transcript] | Refusal:
        package = await self._questions.package(begun.package_id)
        assert package is not None
        evidence = await self._questions.evidence_of(transcript.transcript_id)
        try:
            made = await self._packager.make(Order.of_seal(begun, package, evidence))
        except (EvidenceMismatch, MissingGlyph) as why:
            return Refusal(Reason.INVALID, f"nothing was sealed: {why}")
        except Erased:
            return GONE
        return await carry_out(
            self._work,
            transcript.transcript_id,
            cause=f"sealed:{cause}:{begun.package_id}",
            at=clock.now(),
            needs=(One(PACKAGES, begun.package_id),),
            decide=lambda known, now: sealing.record_seal(
                now, known.one(PACKAGES, begun.package_id), begun=begun, made=made, at=clock.now()
            ),
        )

    async def _words(self, wish: SealWish) -> str:
        """Who seals, as it is printed: the name as identity has it, and the office."""
        person = await self._questions.person(wish.person_id)
        clear = (await self._packager.cabinet.keys.open_many([person.profile]))[0] if person else None
        return f"{orjson.loads(clear)['name']}, Registrar" if clear else "The registrar"


def package_id_of(transcript_id: TranscriptId, number: int, digest: str, selection: Selection) -> PackageId:
    """The same selection of the same version of the same content is one package."""
    return PackageId(ids.derived("pkg", transcript_id, number, digest, selection.key))
