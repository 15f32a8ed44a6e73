"""What the tests of consent are made of: a student of 17, her guardian, her school, a college, a sealed transcript."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from joserfc.jwk import KeySet, OKPKey

from contracts import grant
from contracts.grant import Grant
from contracts.identity.v1 import OrganizationRecorded, PersonRecorded
from contracts.records.v1 import PackagePrepared, TranscriptSealed, TranscriptWithdrawn
from contracts.types import (
    Capacity,
    Membership,
    OrganizationId,
    OrganizationKind,
    PackageId,
    Part,
    PersonId,
    PersonKind,
    Purpose,
    RequestId,
    RightsHolder,
    SchoolPolicy,
    SealedValue,
    Selection,
    Standing,
    TranscriptId,
    TranscriptKind,
)
from services.chassis.store.shelf import Shelf
from services.consent.domain import (
    ApproveForSchool,
    Open,
    Opener,
    Organization,
    Prepared,
    Refuse,
    Request,
    Revoke,
    Sign,
    Signature,
    Status,
    Student,
    Surroundings,
    Transcript,
    basis_for,
    notice_in,
)
from services.consent.store import ORGANIZATIONS, REQUESTS, STUDENTS, TRANSCRIPTS
from tests.support.memory import MemoryStore

AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
LATER = AT + timedelta(hours=1)

STUDENT, GUARDIAN, OTHER_GUARDIAN = PersonId("per_student"), PersonId("per_guardian"), PersonId("per_other_guardian")
REGISTRAR, STRANGER = PersonId("per_registrar"), PersonId("per_stranger")
SCHOOL, OTHER_SCHOOL = OrganizationId("org_school"), OrganizationId("org_other_school")
COLLEGE, FUND, FIRM = OrganizationId("org_college"), OrganizationId("org_fund"), OrganizationId("org_firm")
TRANSCRIPT, REQUEST = TranscriptId("trn_1"), RequestId("req_1")

DIGEST = "sha256:" + "ab" * 32
PACKAGE_DIGEST = "sha256:" + "cd" * 32
OTHER_DIGEST = "sha256:" + "ef" * 32
NOTICE = notice_in("en").digest
OUTLINE = tuple(Part(part_id=one, kind="credit", title=f"Credit {one}") for one in ("c1", "c2", "c3"))
PROFILE = SealedValue(person_id=STUDENT, ciphertext="c2VhbGVk")

KEY = OKPKey.generate_key("Ed25519", private=True, auto_kid=True)
KEYS = KeySet([KEY])


def sign_grant(claims: Grant) -> str:
    return grant.sign(claims, KEY)


def grant_in(token: str | None, *, audience: str = "records", now: datetime = LATER) -> Grant:
    """What the grant proves, as records or delivery would verify it."""
    assert token is not None
    return grant.verify(token, KEYS, audience=audience, now=now)


def a_student(**changes: Any) -> Student:
    student = Student(
        person_id=STUDENT,
        version=1,
        school_ids=(SCHOOL,),
        active=True,
        rights_holder=RightsHolder.GUARDIAN,
        guardians=(GUARDIAN,),
        profile=PROFILE,
    )
    return replace(student, **changes)


def an_adult(**changes: Any) -> Student:
    return a_student(rights_holder=RightsHolder.STUDENT, **changes)


def a_policy(**changes: Any) -> SchoolPolicy:
    return SchoolPolicy(**changes)


def a_school(**changes: Any) -> Organization:
    school = Organization(
        organization_id=SCHOOL,
        version=1,
        kind=OrganizationKind.SCHOOL,
        name="Lincoln High",
        standing=Standing.VERIFIED,
        policy=a_policy(),
    )
    return replace(school, **changes)


def a_recipient(kind: OrganizationKind = OrganizationKind.COLLEGE, **changes: Any) -> Organization:
    ids = {OrganizationKind.SCHOLARSHIP: FUND, OrganizationKind.EMPLOYER: FIRM}
    names = {COLLEGE: "Reed College", FUND: "Bright Fund", FIRM: "Acme"}
    found = ids.get(kind, COLLEGE)
    recipient = Organization(
        organization_id=found, version=1, kind=kind, name=names[found], standing=Standing.VERIFIED, policy=None
    )
    return replace(recipient, **changes)


def a_package(selection: Selection = Selection(), **changes: Any) -> Prepared:  # noqa: B008 - a frozen value
    package = Prepared(
        package_id=PackageId("pkg_1"),
        digest=PACKAGE_DIGEST,
        selection=selection,
        partial=not selection.whole,
        size=184_000,
    )
    return replace(package, **changes)


def a_transcript(**changes: Any) -> Transcript:
    transcript = Transcript(
        transcript_id=TRANSCRIPT,
        version=1,
        school_id=SCHOOL,
        student_id=STUDENT,
        transcript_version=1,
        digest=DIGEST,
        kind=TranscriptKind.MASTERY_TRANSCRIPT,
        outline=OUTLINE,
        packages=(a_package(),),
    )
    return replace(transcript, **changes)


def around(**changes: Any) -> Surroundings:
    known = Surroundings(student=a_student(), school=a_school(), recipient=a_recipient(), transcript=a_transcript())
    return replace(known, **changes)


def a_request(**changes: Any) -> Request:
    request = Request(
        request_id=REQUEST,
        version=1,
        status=Status.OPEN,
        school_id=SCHOOL,
        student_id=STUDENT,
        recipient_id=COLLEGE,
        transcript_id=TRANSCRIPT,
        transcript_version=1,
        transcript_digest=DIGEST,
        selection=Selection(),
        purpose=Purpose.ADMISSION,
        opened_by=STUDENT,
        opened_as=Capacity.STUDENT_DIRECTION,
        opened_at=AT,
        expires_at=AT + timedelta(days=30),
        signers=(GUARDIAN,),
        school_approves=False,
        package=a_package(),
    )
    return replace(request, **changes)


def a_signature(person_id: PersonId = GUARDIAN, capacity: Capacity = Capacity.GUARDIAN) -> Signature:
    return Signature(person_id, capacity, AT, "totp", PACKAGE_DIGEST, NOTICE)


def a_signed_request(**changes: Any) -> Request:
    """Signed by the family; the school's approval is waited for."""
    basis = basis_for(OrganizationKind.COLLEGE, RightsHolder.GUARDIAN)
    return a_request(
        **{
            "version": 2,
            "status": Status.SIGNED,
            "school_approves": True,
            "signature": a_signature(),
            "basis": basis,
            **changes,
        }
    )


def an_approved_request(**changes: Any) -> Request:
    return a_signed_request(**{"status": Status.APPROVED, "school_approves": False, "grant": "a.b.c", **changes})


def to_open(**changes: Any) -> Open:
    command = Open(
        request_id=REQUEST,
        opener=Opener(STUDENT, Capacity.STUDENT_DIRECTION),
        transcript_id=TRANSCRIPT,
        recipient_id=COLLEGE,
        selection=Selection(),
        purpose=Purpose.ADMISSION,
        at=AT,
    )
    return replace(command, **changes)


def to_sign(**changes: Any) -> Sign:
    command = Sign(
        request_id=REQUEST,
        person_id=GUARDIAN,
        shown=PACKAGE_DIGEST,
        notice=NOTICE,
        method="totp",
        grant_id="grt_01k9zq8m3nh7vwx2y4t6r8s0da",
        at=LATER,
    )
    return replace(command, **changes)


def to_approve(**changes: Any) -> ApproveForSchool:
    command = ApproveForSchool(
        request_id=REQUEST,
        person_id=REGISTRAR,
        school_id=SCHOOL,
        shown=PACKAGE_DIGEST,
        notice=NOTICE,
        method="passkey",
        grant_id="grt_01k9zq8m3nh7vwx2y4t6r8s0db",
        at=LATER,
    )
    return replace(command, **changes)


def to_refuse(**changes: Any) -> Refuse:
    return replace(Refuse(request_id=REQUEST, person_id=GUARDIAN, at=LATER), **changes)


def to_revoke(**changes: Any) -> Revoke:
    return replace(Revoke(request_id=REQUEST, person_id=GUARDIAN, at=LATER), **changes)


def person_recorded(**changes: Any) -> PersonRecorded:
    fields = {
        "version": 1,
        "person_id": STUDENT,
        "memberships": (Membership(kind=PersonKind.STUDENT, organization_id=SCHOOL),),
        "active": True,
        "profile": PROFILE,
        "rights_holder": RightsHolder.GUARDIAN,
        "guardians": (GUARDIAN,),
    }
    return PersonRecorded.model_validate(fields | changes)


def organization_recorded(**changes: Any) -> OrganizationRecorded:
    fields = {
        "version": 1,
        "organization_id": SCHOOL,
        "kind": OrganizationKind.SCHOOL,
        "name": "Lincoln High",
        "standing": Standing.VERIFIED,
        "policy": a_policy(),
    }
    return OrganizationRecorded.model_validate(fields | changes)


_OF_TRANSCRIPT = {"version": 1, "transcript_id": TRANSCRIPT, "school_id": SCHOOL, "student_id": STUDENT}


def transcript_sealed(**changes: Any) -> TranscriptSealed:
    fields = {
        **_OF_TRANSCRIPT,
        "transcript_version": 1,
        "digest": DIGEST,
        "kind": TranscriptKind.MASTERY_TRANSCRIPT,
        "outline": OUTLINE,
        "sealed_by": REGISTRAR,
        "sealed_at": AT,
    }
    return TranscriptSealed.model_validate(fields | changes)


def transcript_withdrawn(**changes: Any) -> TranscriptWithdrawn:
    return TranscriptWithdrawn.model_validate({**_OF_TRANSCRIPT, "version": 3, "transcript_version": 1, **changes})


def package_prepared(**changes: Any) -> PackagePrepared:
    fields = {
        **_OF_TRANSCRIPT,
        "version": 2,
        "transcript_version": 1,
        "package_id": PackageId("pkg_1"),
        "selection": Selection(),
        "partial": False,
        "digest": PACKAGE_DIGEST,
        "size": 184_000,
    }
    return PackagePrepared.model_validate(fields | changes)


_SHELVES: Mapping[type, Shelf[Any]] = {
    Request: REQUESTS,
    Student: STUDENTS,
    Organization: ORGANIZATIONS,
    Transcript: TRANSCRIPTS,
}


def a_store(*states: Any) -> MemoryStore:
    """A store that holds these states."""
    store = MemoryStore()
    for state in states:
        shelf = _SHELVES[type(state)]
        document = shelf.document(state, 1)
        store.tables.setdefault(shelf.collection.name, {})[document["_id"]] = document
    return store


def the_house(*more: Any) -> tuple[Any, ...]:
    """Everything that a request to the college touches."""
    return (a_student(), a_school(), a_recipient(), a_transcript(), *more)
