"""Who there is in the model, and what identity says of them."""

from typing import Any

from contracts.identity.v1 import OrganizationRecorded, PersonRecorded
from contracts.types import (
    EndpointId,
    Membership,
    OrganizationId,
    OrganizationKind,
    Part,
    PersonId,
    PersonKind,
    Purpose,
    RightsHolder,
    SchoolPolicy,
    SealedValue,
    Standing,
    TranscriptId,
)
from services.chassis.web.auth import Caller

SCHOOL, OTHER_SCHOOL = OrganizationId("org_school"), OrganizationId("org_other_school")
COLLEGE, FUND = OrganizationId("org_college"), OrganizationId("org_fund")
RECIPIENTS = (COLLEGE, FUND)
KINDS = {
    SCHOOL: OrganizationKind.SCHOOL,
    COLLEGE: OrganizationKind.COLLEGE,
    FUND: OrganizationKind.SCHOLARSHIP,
}
PURPOSE = Purpose.SCHOLARSHIP
"""Both recipients are sent a record for it."""

MINOR, ADULT = PersonId("per_minor"), PersonId("per_adult")
PARENT, OTHER_PARENT = PersonId("per_parent"), PersonId("per_other_parent")
REGISTRAR, STRANGER = PersonId("per_registrar"), PersonId("per_stranger")
STUDENTS = (MINOR, ADULT)
PEOPLE = (PARENT, MINOR, ADULT, OTHER_PARENT, STRANGER)
TRANSCRIPTS = {MINOR: TranscriptId("trn_minor"), ADULT: TranscriptId("trn_adult")}
STUDENT_OF = {transcript: student for student, transcript in TRANSCRIPTS.items()}
OUTLINE = tuple(Part(part_id=one, kind="credit", title=f"Credit {one}") for one in ("c1", "c2", "c3"))


def reader(recipient_id: OrganizationId) -> Caller:
    """A program of this recipient at delivery's door."""
    membership = Membership(kind=PersonKind.READER, organization_id=recipient_id)
    return Caller(None, f"cli_{recipient_id}", (membership,), "ses_1")


def student(person_id: PersonId, version: int, **changes: Any) -> PersonRecorded:
    minor = person_id == MINOR
    fields: dict[str, Any] = {
        "version": version,
        "person_id": person_id,
        "memberships": (Membership(kind=PersonKind.STUDENT, organization_id=SCHOOL),),
        "active": True,
        "profile": SealedValue(person_id=person_id, ciphertext="c2VhbGVk"),
        "rights_holder": RightsHolder.GUARDIAN if minor else RightsHolder.STUDENT,
        "guardians": (PARENT,),
    }
    return PersonRecorded.model_validate(fields | changes)


def organization(
    organization_id: OrganizationId,
    version: int,
    standing: Standing = Standing.VERIFIED,
    policy: SchoolPolicy | None = None,
) -> OrganizationRecorded:
    return OrganizationRecorded(
        version=version,
        organization_id=organization_id,
        kind=KINDS[organization_id],
        name=organization_id,
        standing=standing,
        policy=(policy or SchoolPolicy()) if organization_id == SCHOOL else None,
    )


def endpoint(recipient_id: OrganizationId) -> dict[str, Any]:
    """The fields of the command that makes a recipient's endpoint."""
    return {
        "endpoint_id": EndpointId(f"end_{recipient_id}"),
        "recipient_id": recipient_id,
        "name": "main",
        "url": f"https://{recipient_id}.example/hooks",
        "description": "",
        "sealed_secret": "c2VhbGVk",
    }


OTHER_BYTES = "sha256:" + "0f" * 32
"""The digest of something that nobody was shown."""
