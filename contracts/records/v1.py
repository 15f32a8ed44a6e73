"""Written by records. The catalogue is read by consent and notify, releases by delivery, consent and notify."""

from contracts.event import Event, published
from contracts.types import (
    Digest,
    Instant,
    OrganizationId,
    PackageId,
    Part,
    PersonId,
    ReleaseId,
    RequestId,
    Selection,
    TranscriptId,
    TranscriptKind,
)


class _AboutTranscript(Event):
    transcript_id: TranscriptId
    school_id: OrganizationId
    student_id: PersonId


@published(name="records.transcript.sealed.v1", topic="records.transcripts", key="transcript_id")
class TranscriptSealed(_AboutTranscript):
    """A version that will never change. The outline names the parts that can be chosen, and nothing in them."""

    transcript_version: int
    digest: Digest
    kind: TranscriptKind
    outline: tuple[Part, ...]
    sealed_by: PersonId
    sealed_at: Instant


@published(name="records.transcript.superseded.v1", topic="records.transcripts", key="transcript_id")
class TranscriptSuperseded(_AboutTranscript):
    """A newer version was sealed. Requests open on the old one end; what was approved stays approved as it was."""

    transcript_version: int
    by_version: int


@published(name="records.transcript.withdrawn.v1", topic="records.transcripts", key="transcript_id")
class TranscriptWithdrawn(_AboutTranscript):
    """The school takes the transcript back: nothing of it is released any more."""

    transcript_version: int


@published(name="records.package.prepared.v1", topic="records.transcripts", key="transcript_id")
class PackagePrepared(_AboutTranscript):
    """The exact bytes that a release of this selection would send, by their digest."""

    transcript_version: int
    package_id: PackageId
    selection: Selection
    partial: bool
    digest: Digest
    size: int


@published(name="records.hold.placed.v1", topic="records.transcripts", key="transcript_id")
class HoldPlaced(_AboutTranscript):
    """The school holds releases of this transcript back, why, and until when at the latest."""

    hold_id: str
    reason: str
    """A code: `fees`, `enrollment`, `review` or `other`; the words stay with the school."""
    placed_by: PersonId
    until: Instant


@published(name="records.hold.lifted.v1", topic="records.transcripts", key="transcript_id")
class HoldLifted(_AboutTranscript):
    """The hold ended; what waited goes on."""

    hold_id: str


class _AboutRelease(Event):
    request_id: RequestId
    school_id: OrganizationId
    student_id: PersonId
    recipient_id: OrganizationId


@published(name="records.transcript.released.v1", topic="records.releases", key="request_id")
class TranscriptReleased(_AboutRelease):
    """The package is delivery's to hand over, under this grant.

    `sealed_key` is the package's content key: ciphertext under the student's key, sealed further to delivery's public
    key (HPKE, base64). `place` is its address in the vault.
    """

    release_id: ReleaseId
    package_id: PackageId
    package_digest: Digest
    place: str
    size: int
    sealed_key: str
    grant: str
    released_at: Instant


@published(name="records.release.withheld.v1", topic="records.releases", key="request_id")
class ReleaseWithheld(_AboutRelease):
    """Approved, and yet not released. `cause` is `hold` (it waits), or `withdrawn`, `revoked`, `expired` (it ends)."""

    cause: str
