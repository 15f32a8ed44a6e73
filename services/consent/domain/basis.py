"""Who signs, and on which legal ground a release rests. The reason is kept in words that a family can read."""

from contracts.types import Basis, BasisCode, Capacity, OrganizationKind, PersonId, Purpose, RightsHolder
from services.consent.domain.state import Student

PURPOSES = {
    OrganizationKind.COLLEGE: (Purpose.ADMISSION, Purpose.SCHOLARSHIP, Purpose.FINANCIAL_AID),
    OrganizationKind.SCHOLARSHIP: (Purpose.SCHOLARSHIP, Purpose.FINANCIAL_AID),
    OrganizationKind.EMPLOYER: (Purpose.EMPLOYMENT,),
}
"""What each kind of recipient may be sent a record for. A school is nobody's recipient here."""

_RECIPIENT_WORDS = {
    OrganizationKind.COLLEGE: "a college the student applies to",
    OrganizationKind.SCHOLARSHIP: "a scholarship or aid body",
    OrganizationKind.EMPLOYER: "an employer",
}


def who_signs(student: Student) -> tuple[PersonId, ...]:
    """Any one of these: the guardians of a student under 18, else the student alone (34 CFR 99.3, 99.5(a))."""
    if student.rights_holder is RightsHolder.STUDENT:
        return (student.person_id,)
    return student.guardians


def is_guardian_of(person_id: PersonId | None, student: Student) -> bool:
    """Whether this person's rights as a guardian are in force: they end when the student holds the rights."""
    return student.rights_holder is RightsHolder.GUARDIAN and person_id in student.guardians


def signing_capacity(student: Student) -> Capacity:
    return Capacity.ELIGIBLE_STUDENT if student.rights_holder is RightsHolder.STUDENT else Capacity.GUARDIAN


def basis_for(kind: OrganizationKind, holder: RightsHolder) -> Basis:
    """The ground of a release with consent, for each kind of recipient and holder of the rights."""
    recipient = _RECIPIENT_WORDS[kind]
    if holder is RightsHolder.STUDENT:
        return Basis(
            code=BasisCode.STUDENT_CONSENT,
            section="34 CFR 99.30, 99.5(a)",
            words=f"The student is 18 or older and holds the rights in this record. The student agreed in writing that it goes to {recipient}.",
        )
    return Basis(
        code=BasisCode.GUARDIAN_CONSENT,
        section="34 CFR 99.30",
        words=f"The student is under 18, so a parent or guardian holds the rights in this record and agreed in writing that it goes to {recipient}.",
    )
