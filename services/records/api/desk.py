"""Where a caller's wish becomes a command: who may act on which record, with which step-up. API and pages share it."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Annotated, Any, Self

import orjson
from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.problem import Fault, Reason
from contracts.types import Digest, OrganizationId, PackageId, PersonId, PersonKind, TranscriptId
from services.chassis import clock, ids
from services.chassis.decision import Decision, Refusal
from services.chassis.keys.person import Erased
from services.chassis.keys.vault import Missing
from services.chassis.web.auth import Auth, Caller, digest_of_many
from services.chassis.web.problem import Refused, refused
from services.records.domain.content import ContentRejected, TranscriptContent, read_content
from services.records.domain.drafting import NO_SUCH_TRANSCRIPT
from services.records.domain.releasing import LiftHold
from services.records.domain.sealing import Withdraw
from services.records.domain.state import HoldReason, Package, PackageStatus, Transcript, Version
from services.records.gateways.cabinet import Cabinet
from services.records.gateways.packager import files_of
from services.records.handlers import Drafts, Holds, Seals
from services.records.handlers.drafts import Imported, Upload
from services.records.handlers.holds import HoldWish
from services.records.handlers.seals import SealWish
from services.records.store import Questions

SEAL = "records.seal"
"""The act that needs a step-up: bound to the transcript and its draft's digest, or to the school and `digest_of_many`."""
NO_SUCH_PACKAGE = Refusal(Reason.NOT_FOUND, "there is no such package")
NO_SUCH_SCHOOL = Refusal(Reason.NOT_FOUND, "there is no such school")


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


Name = Annotated[str, Field(min_length=1, max_length=200)]


class NewTranscript(_Body):
    """Whose transcript it is, and what it says.

    The student is named by `student_id`, or by the roster's `student_sourced_id` (with `roster_source`, where that is
    not the school itself): identity derives the same id from them.
    """

    student_id: Name | None = None
    student_sourced_id: Name | None = None
    roster_source: Name | None = None
    content: dict[str, Any]

    @model_validator(mode="after")
    def _names_one_student(self) -> Self:
        if (self.student_id is None) == (self.student_sourced_id is None):
            raise ValueError("give student_id or student_sourced_id")
        return self

    def student(self, school_id: OrganizationId) -> PersonId:
        if self.student_id is not None:
            return PersonId(self.student_id)
        return PersonId(ids.derived("per", self.roster_source or school_id, self.student_sourced_id))


class SealBody(_Body):
    """The digest of the draft that was shown."""

    digest: Digest


class SealMany(_Body):
    """Drafts to seal in one act."""

    transcript_ids: list[Annotated[TranscriptId, Field(max_length=40)]] = Field(min_length=1, max_length=100)


class HoldBody(_Body):
    """Why releases are held back, and until when at the latest. The note stays with the school."""

    reason: HoldReason
    until: datetime
    note: Annotated[str, Field(max_length=500)] | None = None


class Desk:
    """What the routes work with."""

    def __init__(
        self, *, questions: Questions, auth: Auth, cabinet: Cabinet, drafts: Drafts, seals: Seals, holds: Holds
    ) -> None:
        self.questions = questions
        self.auth = auth
        self.cabinet = cabinet
        self.drafts = drafts
        self._seals = seals
        self._holds = holds

    async def take_in(
        self, caller: Caller, school_id: OrganizationId, body: NewTranscript, command_id: str | None
    ) -> Transcript:
        """A registrar's import. What is wrong with the content is told place by place."""
        own_school(caller, school_id)
        wish = Imported(
            school_id=school_id,
            student_id=body.student(school_id),
            content=_read(body.content),
            person_id=person(caller),
            at=clock.now(),
        )
        return _state(await self.drafts.import_content(wish, cause=_cause(caller, command_id)))

    async def lay_evidence(
        self, caller: Caller, transcript_id: TranscriptId, evidence_id: str, media_type: str, raw: bytes
    ) -> None:
        transcript = await self.at_own_school(caller, transcript_id)
        wish = Upload(
            transcript_id=transcript_id,
            school_id=transcript.school_id,
            evidence_id=evidence_id,
            media_type=media_type,
            raw=raw,
            at=clock.now(),
        )
        verdict = await self.drafts.lay_evidence(wish, cause=ids.new("cmd"))
        if isinstance(verdict, Refusal):
            raise Refused(verdict)

    async def missing_evidence(self, transcript: Transcript) -> list[tuple[str, str]]:
        """Id and SHA-256 of each file that the draft names and that is not there yet."""
        if transcript.draft is None:
            return []
        laid = await self.questions.evidence_of(transcript.transcript_id)
        try:
            wanted = files_of(await self.drafts.read(transcript))
        except Erased:
            return []
        return [one for one in wanted if not self.drafts.is_there(laid, transcript.transcript_id, one[1])]

    async def seal(self, request: Request, caller: Caller, transcript_id: TranscriptId, shown: str) -> Transcript:
        transcript = await self.at_own_school(caller, transcript_id)
        cause = self._step_up(request, caller, transcript_id, shown)
        wish = SealWish(
            transcript_id=transcript_id,
            school_id=transcript.school_id,
            person_id=person(caller),
            shown=shown,
            cause=cause,
            at=clock.now(),
        )
        return _state(await self._seals.seal(wish))

    async def drafts_at(self, caller: Caller, school_id: OrganizationId) -> list[tuple[TranscriptId, str]]:
        """What waits for a seal at a school, up to a hundred: what one bulk seal takes."""
        own_school(caller, school_id)
        found = await self.questions.drafts_at(school_id)
        return [(one.transcript_id, one.draft.digest) for one in found if one.draft is not None]

    async def seal_many(
        self, request: Request, caller: Caller, school_id: OrganizationId, wanted: Sequence[TranscriptId]
    ) -> list[tuple[TranscriptId, Decision[Transcript] | Refusal]]:
        """Each draft named, as it stands: the step-up binds all their digests, so none can be changed under it."""
        own_school(caller, school_id)
        named = list(dict.fromkeys(wanted))
        found = [await self.questions.transcript(one) for one in named]
        shown = [
            (one.transcript_id, one.draft.digest if one.draft else one.digest)
            for one in found
            if one is not None and one.school_id == school_id
        ]
        if len(shown) != len(named):
            raise Refused(NO_SUCH_TRANSCRIPT)
        cause, at = self._step_up(request, caller, school_id, digest_of_many(shown)), clock.now()
        wishes = [
            SealWish(
                transcript_id=transcript_id,
                school_id=school_id,
                person_id=person(caller),
                shown=digest,
                cause=cause,
                at=at,
            )
            for transcript_id, digest in shown
        ]
        return list(zip(named, await self._seals.seal_many(wishes), strict=True))

    async def withdraw(self, caller: Caller, transcript_id: TranscriptId, command_id: str | None) -> Transcript:
        transcript = await self.at_own_school(caller, transcript_id)
        command = Withdraw(transcript_id=transcript_id, school_id=transcript.school_id, at=clock.now())
        return _state(await self._seals.withdraw(command, cause=_cause(caller, command_id)))

    async def place_hold(self, caller: Caller, transcript_id: TranscriptId, body: HoldBody) -> Transcript:
        transcript = await self.at_own_school(caller, transcript_id)
        if body.until.tzinfo is None:
            raise refused(Reason.INVALID, "the end of a hold needs a time zone")
        wish = HoldWish(
            transcript_id=transcript_id,
            school_id=transcript.school_id,
            person_id=person(caller),
            reason=body.reason,
            note=body.note or None,
            until=body.until,
            at=clock.now(),
        )
        return _state(await self._holds.place(wish, cause=ids.new("cmd")))

    async def lift_hold(self, caller: Caller, transcript_id: TranscriptId) -> Transcript:
        transcript = await self.at_own_school(caller, transcript_id)
        command = LiftHold(transcript_id=transcript_id, school_id=transcript.school_id, at=clock.now())
        return _state(await self._holds.lift(command, cause=ids.new("cmd")))

    async def look(self, caller: Caller, transcript_id: TranscriptId) -> Transcript:
        """The transcript, if the caller may see it; a stranger's and a missing one get the same answer."""
        found = await self.questions.transcript(transcript_id)
        if found is not None and await self._may_see(caller, found.student_id, found.school_id):
            return found
        raise Refused(NO_SUCH_TRANSCRIPT)

    async def at_own_school(self, caller: Caller, transcript_id: TranscriptId) -> Transcript:
        """The transcript, if it is of a school where the caller is registrar."""
        found = await self.questions.transcript(transcript_id)
        if found is not None and caller.belongs(PersonKind.REGISTRAR, found.school_id):
            return found
        raise Refused(NO_SUCH_TRANSCRIPT)

    async def seals_at(self, school_id: OrganizationId) -> AsyncIterator[Version | Package]:
        """Every package that a school can release, then every version that it has sealed.

        In this order, so that what is sealed while we read is no package without its version.
        """
        after = ""
        while packages := await self.questions.packages_at(school_id, after=after):
            for package in packages:
                if package.status is PackageStatus.PREPARED:
                    yield package
            after = packages[-1].package_id
        after = ""
        while versions := await self.questions.versions_at(school_id, after=after):
            for version in versions:
                yield version
            after = versions[-1].version_id

    async def open_package(self, caller: Caller, package_id: PackageId) -> tuple[Package, bytes]:
        """Exactly the bytes that would go, for those whom the record is about and for its school."""
        found = await self.questions.package(package_id)
        if found is None or not await self._may_see(caller, found.student_id, found.school_id):
            raise Refused(NO_SUCH_PACKAGE)
        if found.status is not PackageStatus.PREPARED:
            raise refused(Reason.NOT_NOW, "this package is still being made; look again in a moment")
        try:
            raw = await self.cabinet.fetch_package(
                place=found.place, package_id=found.package_id, digest=found.digest, kept_key=found.kept_key
            )
        except (Erased, Missing):
            raise refused(Reason.EXPIRED, "this package can't be opened any more: it was erased") from None
        return found, raw

    async def about(self, caller: Caller) -> tuple[PersonId, ...]:
        """The students the caller may ask about: oneself, and one's wards."""
        own = person(caller)
        return (own, *(ward.person_id for ward in await self.questions.wards_of(own)))

    async def _may_see(self, caller: Caller, student_id: PersonId, school_id: OrganizationId) -> bool:
        """The student, guardians until the student comes of age, and the registrar of the school."""
        if caller.person_id is None:
            return False
        if caller.person_id == student_id or caller.belongs(PersonKind.REGISTRAR, school_id):
            return True
        student = await self.questions.person(student_id)
        return student is not None and student.has_guardian(caller.person_id)

    def _step_up(self, request: Request, caller: Caller, on: str, digest: str) -> str:
        """The step-up's id: it is the cause of what it allows, so it allows it once."""
        step_up = self.auth.step_up(request, caller=caller, act=SEAL, on=on, digest=digest)
        if isinstance(step_up, Refusal):
            raise Refused(step_up)
        return step_up.jti


def own_school(caller: Caller, school_id: OrganizationId) -> None:
    """Refuses a school where the caller is no registrar, as if there were none."""
    if not caller.belongs(PersonKind.REGISTRAR, school_id):
        raise Refused(NO_SUCH_SCHOOL)


def person(caller: Caller) -> PersonId:
    if caller.person_id is None:
        raise refused(Reason.NOT_ALLOWED, "only a person can do this")
    return caller.person_id


def faults_of(why: ContentRejected) -> tuple[Fault, ...]:
    """Every place that is wrong, fifty at the most. The values found there are not repeated."""
    return tuple(Fault(where=f"content.{one.place}".rstrip("."), reason=one.message) for one in why.problems[:50])


def _read(content: dict[str, Any]) -> TranscriptContent:
    try:
        return read_content(orjson.dumps(content))
    except ContentRejected as why:
        raise refused(Reason.INVALID, "the content can't be taken: see the faults", faults=faults_of(why)) from None


def _cause(caller: Caller, command_id: str | None) -> str:
    return f"{caller.person_id}:{command_id}" if command_id else ids.new("cmd")


def _state(verdict: Decision[Transcript] | Refusal) -> Transcript:
    if isinstance(verdict, Refusal):
        raise Refused(verdict)
    return verdict.state
