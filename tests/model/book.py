"""What is true, kept by the test alone: from what people did and were answered, and from which records were handed over.

Nothing here is read from a service's state. What services say and write down is held against it after every step.
"""

import copy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from contracts.consent.v1 import ConsentRevoked
from contracts.event import Event
from contracts.identity.v1 import OrganizationRecorded, PersonRecorded
from contracts.types import PersonId, RightsHolder, Standing
from services.consent.domain import Request
from services.delivery.domain import LedgerRow
from tests.model.cast import REGISTRAR, SCHOOL

BOUND = timedelta(seconds=30)
"""No disclosure later than this after a committed revocation (DESIGN §4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """What somebody with the right to it agreed to, word for word."""

    request_id: str
    student_id: str
    recipient_id: str
    transcript_id: str
    transcript_version: int
    package_digest: str
    purpose: str
    jti: str
    at: datetime
    until: datetime


@dataclass
class Book:
    """The truth of one run."""

    requests: dict[str, Request] = field(default_factory=dict)
    """As each was answered when it was opened."""
    signed_by: dict[str, PersonId] = field(default_factory=dict)
    approvals: dict[str, Approval] = field(default_factory=dict)
    revoked: dict[str, datetime] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    holds: dict[str, datetime] = field(default_factory=dict)
    withdrawn: dict[str, int] = field(default_factory=dict)
    people: dict[tuple[str, str], PersonRecorded] = field(default_factory=dict)
    """By service and person: the newest that was handed over to it."""
    organizations: dict[tuple[str, str], OrganizationRecorded] = field(default_factory=dict)
    once_refused: set[str] = field(default_factory=set)
    """Recipients that delivery has heard to be other than verified, at some time."""
    heard_revoked: set[tuple[str, str]] = field(default_factory=set)
    """Service and request."""
    disclosed: dict[str, LedgerRow] = field(default_factory=dict)
    """By request."""

    def copy(self) -> "Book":
        fields = {name: copy.copy(value) for name, value in vars(self).items()}
        return Book(**fields)

    # What people did

    def opened(self, request: Request) -> None:
        self.requests.setdefault(request.request_id, request)

    def signed(self, answer: Request, person_id: PersonId, shown: str, grant_id: str, at: datetime) -> None:
        """The family's signature was taken. It was theirs to give, and is the approval where the school asks for none."""
        request_id = answer.request_id
        if request_id in self.approvals or self.signed_by.get(request_id) in self._signers(request_id):
            return
        assert person_id in self._signers(request_id), f"{person_id} has signed, and had no right to"
        assert answer.package is not None and shown == answer.package.digest, "signed without having been shown it"
        self.signed_by[request_id] = person_id
        if answer.grant is not None:
            policy = self.organizations["consent", SCHOOL].policy
            assert policy is not None and not policy.school_approves, "the school was not asked"
            self._approved(answer, grant_id, at)

    def approved_by_school(self, answer: Request, grant_id: str, at: datetime) -> None:
        if answer.request_id not in self.approvals:
            self._approved(answer, grant_id, at)

    def _approved(self, answer: Request, grant_id: str, at: datetime) -> None:
        request = self.requests[answer.request_id]
        assert request.request_id not in self.revoked and request.request_id not in self.refused
        assert self.signed_by.get(request.request_id) in self._signers(request.request_id), (
            "nobody of the family agreed"
        )
        assert at < request.expires_at, "approved after its time"
        recipient = self.organizations["consent", request.recipient_id]
        assert recipient.standing is Standing.VERIFIED, "approved for a recipient that is not verified"
        assert answer.package is not None and answer.valid_until is not None
        self.approvals[request.request_id] = Approval(
            request_id=request.request_id,
            student_id=request.student_id,
            recipient_id=request.recipient_id,
            transcript_id=request.transcript_id,
            transcript_version=request.transcript_version,
            package_digest=answer.package.digest,
            purpose=request.purpose,
            jti=grant_id,
            at=at,
            until=answer.valid_until,
        )

    def taken_back(self, request_id: str, person_id: PersonId, at: datetime) -> None:
        assert self.may_take_back(request_id, person_id), f"{person_id} took back what is not theirs"
        self.revoked.setdefault(request_id, at)

    def may_take_back(self, request_id: str, person_id: PersonId) -> bool:
        opener = person_id == self.requests[request_id].opened_by and request_id not in self.approvals
        return opener or person_id == REGISTRAR or person_id in self._signers(request_id)

    def _signers(self, request_id: str) -> tuple[PersonId, ...]:
        """Who holds the rights in the record, as far as consent was told (34 CFR 99.5)."""
        student = self.people["consent", self.requests[request_id].student_id]
        if student.rights_holder is RightsHolder.STUDENT:
            return (student.person_id,)
        return student.guardians

    # What services were told

    def heard(self, service: str, event: Event) -> None:
        """A record was handed over and judged."""
        if isinstance(event, PersonRecorded):
            known = self.people.get((service, event.person_id))
            if known is None or known.version < event.version:
                self.people[service, event.person_id] = event
        elif isinstance(event, OrganizationRecorded):
            before = self.organizations.get((service, event.organization_id))
            if before is None or before.version < event.version:
                self.organizations[service, event.organization_id] = event
                if service == "delivery" and event.standing is not Standing.VERIFIED:
                    self.once_refused.add(event.organization_id)
        elif isinstance(event, ConsentRevoked):
            self.heard_revoked.add((service, event.request_id))

    # What services did

    def released(self, said: dict[str, Any], at: datetime) -> None:
        """records let a package go: under a live approval of just this, and with nothing of the school against it."""
        approval = self._approval_of(said["request_id"], said["recipient_id"], said["package_digest"], at)
        assert ("records", approval.request_id) not in self.heard_revoked, "released what was known to be taken back"
        assert approval.transcript_version > self.withdrawn.get(approval.transcript_id, 0), (
            "released what was withdrawn"
        )
        until = self.holds.get(approval.transcript_id)
        assert until is None or until <= at, "released although the school holds it back"

    def written(self, row: LedgerRow, now: datetime) -> None:
        """A disclosure stands in the ledger: there was a live approval of just this at that moment (P14)."""
        assert row.request_id not in self.disclosed, "one disclosure stands in the ledger twice"
        self.disclosed[row.request_id] = row
        approval = self.may_go(row.request_id, row.recipient_id, row.package_digest, now)
        cited = (row.student_id, row.transcript_id, row.transcript_version, row.purpose, row.grant_jti)
        agreed = (approval.student_id, approval.transcript_id, approval.transcript_version, approval.purpose)
        assert cited == (*agreed, approval.jti), "the ledger cites another approval"
        assert row.opened_by == f"cli_{row.recipient_id}", "a stranger opened it"
        assert row.disclosed_at == now or now - row.disclosed_at < timedelta(seconds=1)

    def may_go(self, request_id: str, recipient_id: str, digest: str, at: datetime) -> Approval:
        """Whether the bytes with this digest may go to this recipient at this moment; why not, as `AssertionError`."""
        approval = self._approval_of(request_id, recipient_id, digest, at)
        revoked = self.revoked.get(request_id)
        assert revoked is None or at - revoked <= BOUND, f"disclosed {at - revoked} after it was taken back"
        assert ("delivery", request_id) not in self.heard_revoked, "disclosed what was known to be taken back"
        recipient = self.organizations.get(("delivery", recipient_id))
        assert recipient is not None and recipient.standing is Standing.VERIFIED, "disclosed to one not verified"
        return approval

    def _approval_of(self, request_id: str, recipient_id: str, digest: str, at: datetime) -> Approval:
        approval = self.approvals.get(request_id)
        assert approval is not None, "nobody has approved this"
        assert approval.recipient_id == recipient_id, "another recipient than was approved"
        assert approval.package_digest == digest, "other bytes than were approved"
        assert approval.at <= at < approval.until, "the approval is not in force"
        return approval
