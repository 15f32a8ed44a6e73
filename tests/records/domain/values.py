"""Values for the tests of decisions: a transcript, its draft, a sealed version, a package, an approval."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from contracts.types import (
    OrganizationId,
    PackageId,
    Part,
    PersonId,
    PersonKind,
    ReleaseId,
    RequestId,
    RightsHolder,
    SealedValue,
    Selection,
    Standing,
    TranscriptId,
    TranscriptKind,
)
from services.records.domain.releasing import Approved
from services.records.domain.sealing import Made, Seal
from services.records.domain.state import (
    Draft,
    Hold,
    HoldReason,
    Locked,
    Package,
    PackageStatus,
    Person,
    School,
    Transcript,
    Version,
)

AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
SCHOOL, OTHER = OrganizationId("org_harbor"), OrganizationId("org_mesa")
STUDENT, REGISTRAR = PersonId("per_student"), PersonId("per_registrar")
TRANSCRIPT, PACKAGE = TranscriptId("trn_1"), PackageId("pkg_1")
DIGEST, OTHER_DIGEST = "sha256:" + "1" * 64, "sha256:" + "2" * 64
SEALED = SealedValue(person_id=STUDENT, ciphertext="c2VhbGVk")
LOCKED = Locked("ab/cd", SEALED)
PARTS = (Part(part_id="credit.S1", kind="credit", title="S1 Reads a river"),)

DRAFT = Draft(digest=DIGEST, mark="m1", content=LOCKED, imported_by=REGISTRAR, imported_at=AT)
DRAFTED = Transcript(
    transcript_id=TRANSCRIPT,
    version=1,
    school_id=SCHOOL,
    student_id=STUDENT,
    kind=TranscriptKind.MASTERY_TRANSCRIPT,
    draft=DRAFT,
    changed_at=AT,
)
SEALED_ONE = replace(DRAFTED, version=3, draft=None, number=1, digest=DIGEST, mark="m1")
WITHDRAWN = replace(SEALED_ONE, version=4, withdrawn_through=1)
HELD = replace(
    SEALED_ONE,
    hold=Hold(
        hold_id="hld_1",
        reason=HoldReason.FEES,
        note=None,
        placed_by=REGISTRAR,
        placed_at=AT,
        until=AT + 30 * DAY,
    ),
)
VERSION = Version(
    version_id="trn_1:1",
    transcript_id=TRANSCRIPT,
    number=1,
    school_id=SCHOOL,
    student_id=STUDENT,
    kind=TranscriptKind.MASTERY_TRANSCRIPT,
    digest=DIGEST,
    content=LOCKED,
    words=SEALED,
    sealed_by=REGISTRAR,
    sealed_at=AT,
    outline=PARTS,
)
PENDING = Package(
    package_id=PACKAGE,
    version=1,
    status=PackageStatus.PENDING,
    transcript_id=TRANSCRIPT,
    transcript_version=1,
    transcript_digest=DIGEST,
    school_id=SCHOOL,
    student_id=STUDENT,
    selection=Selection(parts=("credit.S1",)),
    kept_key=SEALED,
    due_at=AT,
)
PREPARED = replace(PENDING, status=PackageStatus.PREPARED, due_at=None)
MADE = Made("ab/ef", OTHER_DIGEST, 184_000, partial=True, outline=PARTS)
VERIFIED = School(organization_id=SCHOOL, version=1, name="Harbor Point", standing=Standing.VERIFIED)
PERSON = Person(
    person_id=STUDENT,
    version=1,
    active=True,
    kinds=(PersonKind.STUDENT,),
    school_ids=(SCHOOL,),
    student_at=(SCHOOL,),
    rights_holder=RightsHolder.GUARDIAN,
    guardians=(PersonId("per_guardian"),),
    profile=SEALED,
)


def seal(**changes: Any) -> Seal:
    """The command of a registrar who was shown the draft."""
    words: dict[str, Any] = {
        "transcript_id": TRANSCRIPT,
        "school_id": SCHOOL,
        "person_id": REGISTRAR,
        "words": SEALED,
        "shown": DIGEST,
        "package_id": PACKAGE,
        "kept_key": SEALED,
        "at": AT,
    }
    return Seal(**{**words, **changes})


def approved(**changes: Any) -> Approved:
    """The command that a verified grant makes."""
    words: dict[str, Any] = {
        "request_id": RequestId("req_1"),
        "release_id": ReleaseId("rel_1"),
        "grant_id": "grt_1",
        "grant": "ey.ey.sig",
        "expires_at": AT + 180 * DAY,
        "school_id": SCHOOL,
        "student_id": STUDENT,
        "recipient_id": OrganizationId("org_college"),
        "transcript_id": TRANSCRIPT,
        "transcript_version": 1,
        "package_id": PACKAGE,
        "package_digest": OTHER_DIGEST,
        "place": "ab/ef",
        "size": 184_000,
        "sealed_key": "a2V5",
        "at": AT,
    }
    return Approved(**{**words, **changes})
