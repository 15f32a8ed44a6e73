"""A registrar's imports: content is encrypted here, before anything of it reaches a document."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from contracts.problem import Reason
from contracts.types import OrganizationId, PersonId, TranscriptId, TranscriptKind
from services.chassis import ids
from services.chassis.decision import Decision, Refusal
from services.chassis.keys.person import Erased
from services.chassis.store.work import One, Work
from services.records.domain import drafting
from services.records.domain.content import Evidence as Piece
from services.records.domain.content import TranscriptContent, canonical_json
from services.records.domain.drafting import NO_SUCH_STUDENT, NO_SUCH_TRANSCRIPT, Import, LayEvidence, evidence_key
from services.records.domain.state import Draft, Evidence, Transcript
from services.records.gateways.cabinet import Cabinet
from services.records.gateways.packager import Salted
from services.records.handlers.carrying import carry_out
from services.records.store import EVIDENCE, PEOPLE, Questions

LARGEST_EVIDENCE = 10 * 1024 * 1024
"""Bytes of one file of evidence: twenty of them for a credit still fit into the vault's largest package."""

BEGINNINGS: dict[str, tuple[bytes, ...]] = {
    "application/pdf": (b"%PDF-",),
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/webp": (b"RIFF",),
    "image/svg+xml": (),
    "audio/mpeg": (b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2"),
    "video/mp4": (),
    "text/csv": (),
    "text/markdown": (),
    "text/plain": (),
}
"""Media types that evidence may have, and how such a file begins, where it begins in a fixed way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A content that was read and found to be good, and whose it is."""

    school_id: OrganizationId
    student_id: PersonId
    content: TranscriptContent
    person_id: PersonId
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file of evidence for a draft."""

    transcript_id: TranscriptId
    school_id: OrganizationId
    evidence_id: str
    media_type: str
    raw: bytes
    at: datetime


class Drafts:
    """Imports and evidence."""

    def __init__(self, work: Work, cabinet: Cabinet) -> None:
        self._work = work
        self._questions = Questions(work.store)
        self._cabinet = cabinet

    def transcript_id(self, school_id: OrganizationId, student_id: PersonId, kind: TranscriptKind) -> TranscriptId:
        """One transcript for a student, a school and a kind. Keyed: nobody outside can tell whose an id is."""
        return TranscriptId(ids.derived("trn", self._cabinet.mark("transcript", school_id, student_id, kind)))

    async def import_content(self, wish: Imported, *, cause: str) -> Decision[Transcript] | Refusal:
        """The content as draft. The same again changes nothing."""
        student = await self._questions.person(wish.student_id)
        if not drafting.is_student_at(student, wish.school_id):
            return NO_SUCH_STUDENT
        kind = wish.content.kind
        transcript_id = self.transcript_id(wish.school_id, wish.student_id, kind)
        mark = self._cabinet.mark("content", transcript_id, hashlib.sha256(canonical_json(wish.content)).hexdigest())
        known = await self._questions.transcript(transcript_id)
        if known is not None and drafting.is_known(known, mark):
            return Decision(known)
        salted = Salted.fresh(wish.content)
        try:
            locked = await self._cabinet.lay_away(wish.student_id, salted.dump())
        except Erased:
            return NO_SUCH_STUDENT
        command = Import(
            transcript_id=transcript_id,
            school_id=wish.school_id,
            student_id=wish.student_id,
            kind=kind,
            draft=Draft(
                digest=salted.digest,
                mark=mark,
                content=locked,
                imported_by=wish.person_id,
                imported_at=wish.at,
            ),
            at=wish.at,
        )
        return await carry_out(
            self._work,
            transcript_id,
            cause=cause,
            at=wish.at,
            needs=(One(PEOPLE, wish.student_id),),
            decide=lambda known, before: drafting.import_draft(
                before, command, student=known.one(PEOPLE, wish.student_id)
            ),
        )

    async def lay_evidence(self, wish: Upload, *, cause: str) -> Decision[Evidence] | Decision[Transcript] | Refusal:
        """The file, when the draft names it and it is the one that the draft names."""
        transcript = await self._questions.transcript(wish.transcript_id)
        if transcript is None or transcript.school_id != wish.school_id:
            return NO_SUCH_TRANSCRIPT
        if transcript.draft is None:
            return Refusal(Reason.CONFLICT, "there is no draft that evidence could belong to; import one first")
        try:
            content = await self.read(transcript)
        except Erased:
            return NO_SUCH_STUDENT
        piece = next((one for credit in content.credits for one in credit.evidence if one.id == wish.evidence_id), None)
        if refusal := unfit(piece, wish):
            return refusal
        mark = self._cabinet.mark("evidence", wish.transcript_id, hashlib.sha256(wish.raw).hexdigest())
        key = evidence_key(wish.transcript_id, wish.evidence_id, mark)
        if any(one.evidence_key == key for one in await self._questions.evidence_of(wish.transcript_id)):
            return Decision(transcript)
        command = LayEvidence(
            transcript_id=wish.transcript_id,
            school_id=wish.school_id,
            draft_digest=transcript.draft.digest,
            evidence_id=wish.evidence_id,
            mark=mark,
            size=len(wish.raw),
            content=await self._cabinet.lay_away(transcript.student_id, wish.raw),
        )
        return await carry_out(
            self._work,
            wish.transcript_id,
            cause=cause,
            at=wish.at,
            needs=(One(EVIDENCE, key),),
            decide=lambda known, now: drafting.lay_evidence(known.one(EVIDENCE, key), command, transcript=now),
        )

    async def read(self, transcript: Transcript) -> TranscriptContent:
        """What the draft says. Raises `Erased`, `NotNow`."""
        assert transcript.draft is not None
        return Salted.read(await self._cabinet.fetch(transcript.draft.content)).content

    def is_there(self, laid: list[Evidence], transcript_id: TranscriptId, sha256_hex: str) -> bool:
        """Whether a file that a content names has been laid."""
        mark = self._cabinet.mark("evidence", transcript_id, sha256_hex)
        return any(one.mark == mark for one in laid)


def unfit(piece: Piece | None, wish: Upload) -> Refusal | None:
    """Why a file can't be taken as this piece of evidence."""
    if piece is None or piece.kind != "file":
        return Refusal(Reason.NOT_FOUND, "the draft names no file of evidence by this id")
    if len(wish.raw) > LARGEST_EVIDENCE:
        return Refusal(Reason.TOO_LARGE, f"a file of evidence has at most {LARGEST_EVIDENCE // 1024 // 1024} MiB")
    if wish.media_type not in BEGINNINGS:
        return Refusal(Reason.INVALID, f"evidence is one of {', '.join(sorted(BEGINNINGS))}")
    if wish.media_type != piece.media_type:
        return Refusal(Reason.INVALID, f"the draft says that this file is {piece.media_type}")
    if BEGINNINGS[wish.media_type] and not wish.raw.startswith(BEGINNINGS[wish.media_type]):
        return Refusal(Reason.INVALID, f"the file does not begin as {wish.media_type} begins")
    if hashlib.sha256(wish.raw).hexdigest() != piece.sha256:
        return Refusal(Reason.INVALID, "the file is not the one whose SHA-256 the draft names")
    return None
