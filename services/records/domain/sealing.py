"""Sealing a draft as a version that never changes, making its packages, and taking it back.

A seal has three beats: `begin_seal` decides, the package is made outside of any transaction, `record_seal` decides
afresh. What changed in between (a withdrawal, another draft) is met by the last. Pure: no clock, ids, I/O, async.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypedDict

from contracts.event import Event
from contracts.problem import Reason
from contracts.records.v1 import PackagePrepared, TranscriptSealed, TranscriptSuperseded, TranscriptWithdrawn
from contracts.types import (
    OrganizationId,
    PackageId,
    Part,
    PersonId,
    RequestId,
    SealedValue,
    Selection,
    Standing,
    TranscriptId,
)
from services.chassis.decision import Decision, Refusal
from services.records.domain.drafting import NO_SUCH_TRANSCRIPT
from services.records.domain.state import (
    Package,
    PackageStatus,
    School,
    Sealing,
    Transcript,
    Version,
    version_id,
)

CLAIM = timedelta(seconds=90)
"""How long a claimed package is left to whoever makes it; above the 60 s that the making may take."""
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(hours=1)

CHANGED = Refusal(
    Reason.CONFLICT, "the transcript was changed while it was being sealed; look at it again and seal that"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """Seal the draft with the digest that was shown. `package_id` and `kept_key` are the whole package's, if it begins."""

    transcript_id: TranscriptId
    school_id: OrganizationId
    person_id: PersonId
    words: SealedValue
    shown: str
    package_id: PackageId
    kept_key: SealedValue
    at: datetime


def begin_seal(
    transcript: Transcript | None, command: Seal, *, school: School | None, package: Package | None
) -> Decision[Transcript] | Refusal:
    """The first beat: what is being sealed, by whom, under which key. `package` is the one begun before, if any."""
    if transcript is None or transcript.school_id != command.school_id:
        return NO_SUCH_TRANSCRIPT
    if school is None or school.standing is not Standing.VERIFIED:
        return Refusal(Reason.CONFLICT, "your school is not verified at the moment, so it can't seal transcripts")
    draft = transcript.draft
    if draft is None:
        if transcript.digest == command.shown and not transcript.withdrawn:
            return Decision(transcript)
        return Refusal(Reason.CONFLICT, "there is no draft to seal; import one first")
    if draft.digest != command.shown:
        return Refusal(Reason.CONFLICT, "the draft is not what you were shown; look at it again and seal that")
    begun = transcript.sealing
    if begun is not None and package is not None and begun.sealed_by == command.person_id:
        return Decision(transcript)
    number = transcript.number + 1
    sealing = Sealing(
        number=number,
        draft=draft,
        package_id=command.package_id,
        words=command.words,
        sealed_by=command.person_id,
        sealed_at=command.at,
    )
    whole = Package(
        package_id=command.package_id,
        version=package.version + 1 if package else 1,
        status=PackageStatus.PENDING,
        transcript_id=transcript.transcript_id,
        transcript_version=number,
        transcript_digest=draft.digest,
        school_id=transcript.school_id,
        student_id=transcript.student_id,
        selection=Selection(),
        kept_key=command.kept_key,
    )
    changed = replace(transcript, version=transcript.version + 1, sealing=sealing, changed_at=command.at)
    return Decision(changed, also=[whole])


@dataclass(frozen=True, slots=True)
class Made:
    """What making a package has brought: where it lies, and its exact bytes by their digest."""

    place: str
    digest: str
    size: int
    partial: bool
    outline: tuple[Part, ...]


def record_seal(
    transcript: Transcript | None, package: Package | None, *, begun: Sealing, made: Made, at: datetime
) -> Decision[Transcript] | Refusal:
    """The last beat: from here on the version is there, can be asked for, and never changes."""
    if transcript is None or package is None:
        return NO_SUCH_TRANSCRIPT
    if transcript.sealing is None and transcript.digest == begun.draft.digest and not transcript.withdrawn:
        return Decision(transcript)
    if transcript.sealing != begun:
        return CHANGED
    version = transcript.version + 1
    row = Version(
        version_id=version_id(transcript.transcript_id, begun.number),
        transcript_id=transcript.transcript_id,
        number=begun.number,
        school_id=transcript.school_id,
        student_id=transcript.student_id,
        kind=transcript.kind,
        digest=begun.draft.digest,
        content=begun.draft.content,
        words=begun.words,
        sealed_by=begun.sealed_by,
        sealed_at=begun.sealed_at,
        outline=made.outline,
    )
    sealed = replace(
        transcript,
        version=version,
        draft=None,
        sealing=None,
        number=begun.number,
        digest=begun.draft.digest,
        mark=begun.draft.mark,
        changed_at=at,
    )
    prepared = _prepared(package, made, at)
    events: list[Event] = [
        TranscriptSealed(
            transcript_version=begun.number,
            digest=row.digest,
            kind=row.kind,
            outline=row.outline,
            sealed_by=row.sealed_by,
            sealed_at=row.sealed_at,
            **about(sealed),
        )
    ]
    if transcript.number and not transcript.withdrawn:
        events.append(
            TranscriptSuperseded(transcript_version=transcript.number, by_version=begun.number, **about(sealed))
        )
    events.append(_told(prepared, sealed))
    return Decision(sealed, events, also=[row, prepared])


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestPackage:
    """A request asks for parts that have no package yet: have one made."""

    package_id: PackageId
    request_id: RequestId
    transcript_id: TranscriptId
    transcript_version: int
    selection: Selection
    kept_key: SealedValue
    at: datetime


def request_package(
    known: Package | None, command: RequestPackage, *, transcript: Transcript | None, version: Version | None
) -> Decision[Package] | Refusal:
    """The package is due from now on. Asked for by two requests at once, it is made once."""
    if known is not None:
        return Refusal(Reason.CONFLICT, "it is made already, or being made")
    if transcript is None or version is None or version.number <= transcript.withdrawn_through:
        return Refusal(Reason.CONFLICT, "there is no such sealed version, or it was withdrawn")
    if set(command.selection.parts) - {part.part_id for part in version.outline}:
        return Refusal(Reason.INVALID, "this version has no such part")
    return Decision(
        Package(
            package_id=command.package_id,
            version=1,
            status=PackageStatus.PENDING,
            transcript_id=command.transcript_id,
            transcript_version=command.transcript_version,
            transcript_digest=version.digest,
            school_id=version.school_id,
            student_id=version.student_id,
            selection=command.selection,
            kept_key=command.kept_key,
            due_at=command.at,
            for_request=command.request_id,
        )
    )


def claim_package(package: Package | None, *, at: datetime) -> Decision[Package] | Refusal:
    """The first beat of making: nobody else begins it for a while, and after a crash it falls due by itself."""
    if package is None or package.due_at is None or package.due_at > at:
        return Refusal(Reason.CONFLICT, "it is not due")
    return Decision(replace(package, version=package.version + 1, due_at=at + CLAIM, tries=package.tries + 1))


def record_package(
    package: Package | None, transcript: Transcript | None, *, made: Made, at: datetime
) -> Decision[Transcript] | Refusal:
    """The last beat: the package can be signed for, unless its version was withdrawn meanwhile."""
    if package is None or transcript is None or package.status is not PackageStatus.PENDING:
        return Refusal(Reason.CONFLICT, "it is made already")
    prepared = _prepared(package, made, at)
    if package.transcript_version <= transcript.withdrawn_through:
        return Decision(transcript, also=[prepared])
    told = replace(transcript, version=transcript.version + 1)
    return Decision(told, [_told(prepared, told)], also=[prepared])


def fail_package(package: Package | None, *, at: datetime, for_ever: bool) -> Decision[Package] | Refusal:
    """It could not be made: tried again after a growing pause, or never, when the student was erased."""
    if package is None or package.status is not PackageStatus.PENDING:
        return Refusal(Reason.CONFLICT, "it is made already")
    if for_ever:
        return Decision(replace(package, version=package.version + 1, status=PackageStatus.IMPOSSIBLE, due_at=None))
    pause = min(FIRST_PAUSE * 2 ** min(package.tries, 20), LONGEST_PAUSE)
    return Decision(replace(package, version=package.version + 1, due_at=at + pause))


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdraw:
    """The school takes back every version sealed so far, and what is drafted after them."""

    transcript_id: TranscriptId
    school_id: OrganizationId
    at: datetime


def withdraw(transcript: Transcript | None, command: Withdraw) -> Decision[Transcript] | Refusal:
    """Nothing of it is released any more. A draft imported later can be sealed as a new version."""
    if transcript is None or transcript.school_id != command.school_id:
        return NO_SUCH_TRANSCRIPT
    if transcript.withdrawn and transcript.draft is None:
        return Decision(transcript)
    changed = replace(
        transcript,
        version=transcript.version + 1,
        draft=None,
        sealing=None,
        withdrawn_through=transcript.number,
        changed_at=command.at,
    )
    if transcript.number == 0 or transcript.withdrawn:
        return Decision(changed)
    return Decision(changed, [TranscriptWithdrawn(transcript_version=transcript.number, **about(changed))])


class About(TypedDict):
    version: int
    transcript_id: TranscriptId
    school_id: OrganizationId
    student_id: PersonId


def about(transcript: Transcript) -> About:
    """What every event of a transcript says."""
    return About(
        version=transcript.version,
        transcript_id=transcript.transcript_id,
        school_id=transcript.school_id,
        student_id=transcript.student_id,
    )


def _prepared(package: Package, made: Made, at: datetime) -> Package:
    return replace(
        package,
        version=package.version + 1,
        status=PackageStatus.PREPARED,
        due_at=None,
        place=made.place,
        digest=made.digest,
        size=made.size,
        partial=made.partial,
        prepared_at=at,
    )


def _told(package: Package, transcript: Transcript) -> PackagePrepared:
    return PackagePrepared(
        transcript_version=package.transcript_version,
        package_id=package.package_id,
        selection=package.selection,
        partial=package.partial,
        digest=package.digest,
        size=package.size,
        **about(transcript),
    )
