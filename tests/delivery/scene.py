"""A small world for delivery's tests: one school, one student with a guardian, two recipients, consent's key, a memory store."""

import base64
import io
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from joserfc.jwk import KeySet, OKPKey

from contracts import grant as grants
from contracts.consent.v1 import ConsentRevoked, WatermarkPassed
from contracts.envelope import Message
from contracts.event import Event
from contracts.grant import Grant, Grantor
from contracts.identity.v1 import OrganizationRecorded, PersonRecorded
from contracts.records.v1 import TranscriptReleased
from contracts.types import (
    Basis,
    BasisCode,
    Capacity,
    DeliveryId,
    EndpointId,
    Membership,
    OrganizationId,
    OrganizationKind,
    PackageId,
    PersonId,
    PersonKind,
    Purpose,
    ReleaseId,
    RequestId,
    RightsHolder,
    SealedValue,
    Selection,
    Standing,
    TranscriptId,
)
from services.chassis.kafka.hearing import Unwanted
from services.chassis.keys.sealing import sha256
from services.chassis.store.work import Outcome, Work
from services.delivery import consumers
from services.delivery.domain import (
    Delivery,
    Endpoint,
    EndpointState,
    Notice,
    NoticeKind,
    NoticeState,
    Organization,
    Revocation,
    Secret,
    Status,
    Student,
    Surroundings,
    Watermark,
)
from services.delivery.domain.notice import REDISCLOSURE
from services.delivery.store import PARTITIONS, SHELVES, Questions
from tests.support.memory import MemoryStore

AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ORIGIN = "https://placet.example"
SCHOOL, COLLEGE, OTHER = OrganizationId("org_school"), OrganizationId("org_college"), OrganizationId("org_other")
STUDENT, GUARDIAN, STRANGER = PersonId("per_student"), PersonId("per_guardian"), PersonId("per_stranger")
REQUEST = RequestId("req_1")
READER = "per_reader"
NOTICE_VERSION = REDISCLOSURE.version
KEY = OKPKey.generate_key("Ed25519", {"use": "sig"}, private=True, auto_kid=True)
KEYS = KeySet([OKPKey.import_key(KEY.as_dict(private=False))])
BASIS = Basis(code=BasisCode.GUARDIAN_CONSENT, section="34 CFR 99.30", words="A parent agreed to this release.")


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("transcript.pdf", b"%PDF-1.7 a transcript")
        made.writestr("credential.vc.jwt", b"eyJ.e30.x")
        made.writestr("manifest.json", b"{}")
        made.writestr("evidence/ev-1-photo.png", b"png")
    return buffer.getvalue()


PACKAGE = archive()
DIGEST = sha256(PACKAGE)


def grant(at: datetime = AT, **changes: Any) -> Grant:
    made = Grant(
        jti="grt_0123456789abcdef",
        iat=int(at.timestamp()) - 10,
        exp=int((at + timedelta(days=180)).timestamp()),
        sub=STUDENT,
        request_id=REQUEST,
        school_id=SCHOOL,
        transcript_id=TranscriptId("trn_1"),
        transcript_version=3,
        transcript_digest="sha256:" + "a" * 64,
        selection=Selection(),
        package_id=PackageId("pkg_1"),
        package_digest=DIGEST,
        recipient_id=COLLEGE,
        purpose=Purpose.ADMISSION,
        basis=BASIS,
        grantor=Grantor(person_id=GUARDIAN, capacity=Capacity.GUARDIAN, method="totp", at=int(at.timestamp()) - 20),
    )
    return made.model_copy(update=changes)


def release(of: Grant | None = None, *, key: OKPKey = KEY, **changes: Any) -> TranscriptReleased:
    of = of or grant()
    made = TranscriptReleased(
        version=1,
        request_id=of.request_id,
        school_id=of.school_id,
        student_id=of.sub,
        recipient_id=of.recipient_id,
        release_id=ReleaseId("rel_1"),
        package_id=of.package_id,
        package_digest=of.package_digest,
        place="ab/cdef",
        size=len(PACKAGE),
        sealed_key=base64.b64encode(b"sealed").decode(),
        grant=grants.sign(of, key),
        released_at=AT,
    )
    return made.model_copy(update=changes)


def delivery(**changes: Any) -> Delivery:
    made = Delivery(
        delivery_id=DeliveryId("dlv_1"),
        version=1,
        status=Status.AVAILABLE,
        request_id=REQUEST,
        school_id=SCHOOL,
        student_id=STUDENT,
        recipient_id=COLLEGE,
        release_id=ReleaseId("rel_1"),
        transcript_id=TranscriptId("trn_1"),
        transcript_version=3,
        package_id=PackageId("pkg_1"),
        package_digest=DIGEST,
        place="ab/cdef",
        size=len(PACKAGE),
        sealed_key="c2VhbGVk",
        purpose=Purpose.ADMISSION,
        basis=BASIS,
        grant="a.b.c",
        grant_jti="grt_0123456789abcdef",
        expires_at=AT + timedelta(days=180),
        available_at=AT,
        link=f"{ORIGIN}/delivery/deliveries/dlv_1",
    )
    return replace(made, **changes)


def opened(**changes: Any) -> Delivery:
    return delivery(
        **{"status": Status.DELIVERED, "version": 2, "opened_at": AT, "opened_by": READER, "ledger_number": 1} | changes
    )


def endpoint(name: str = "main", **changes: Any) -> Endpoint:
    made = Endpoint(
        endpoint_id=EndpointId(f"end_{name}"),
        version=1,
        recipient_id=COLLEGE,
        name=name,
        url="https://college.example/hooks",
        description="",
        state=EndpointState.ACTIVE,
        secrets=(Secret("sealed-secret", AT),),
        made_at=AT,
    )
    return replace(made, **changes)


def notice(**changes: Any) -> Notice:
    made = Notice(
        notice_id="msg_1_available:end_main",
        webhook_id="msg_1_available",
        kind=NoticeKind.AVAILABLE,
        state=NoticeState.WAITING,
        recipient_id=COLLEGE,
        endpoint_id=EndpointId("end_main"),
        delivery_id=DeliveryId("dlv_1"),
        body="{}",
        made_at=AT,
        due_at=AT,
    )
    return replace(made, **changes)


def recipient(standing: Standing = Standing.VERIFIED, **changes: Any) -> Organization:
    made = Organization(
        organization_id=COLLEGE, version=1, kind=OrganizationKind.COLLEGE, name="Harbor College", standing=standing
    )
    return replace(made, **changes)


def student(**changes: Any) -> Student:
    made = Student(
        person_id=STUDENT,
        version=1,
        school_ids=(SCHOOL,),
        rights_holder=RightsHolder.GUARDIAN,
        guardians=(GUARDIAN,),
        profile=SealedValue(person_id=STUDENT, ciphertext=""),
    )
    return replace(made, **changes)


def watermarks(at: datetime = AT) -> list[Watermark | None]:
    return [Watermark(partition=partition, at=at) for partition in PARTITIONS]


def surroundings(**changes: Any) -> Surroundings:
    made = Surroundings(recipient=recipient(), revocation=None, watermarks=watermarks())
    return replace(made, **changes)


def revocation(cause: str = "revoked") -> Revocation:
    return Revocation(request_id=REQUEST, cause=cause, at=AT)


def revoked(**changes: Any) -> ConsentRevoked:
    made = ConsentRevoked(
        version=3,
        request_id=REQUEST,
        school_id=SCHOOL,
        student_id=STUDENT,
        recipient_id=COLLEGE,
        revoked_by=GUARDIAN,
        revoked_as=Capacity.GUARDIAN,
        revoked_at=AT,
        after_approval=True,
    )
    return made.model_copy(update=changes)


def organization_recorded(
    organization_id: OrganizationId = COLLEGE,
    *,
    version: int = 1,
    standing: Standing = Standing.VERIFIED,
    kind: OrganizationKind = OrganizationKind.COLLEGE,
    name: str = "Harbor College",
) -> OrganizationRecorded:
    return OrganizationRecorded(
        version=version, organization_id=organization_id, kind=kind, name=name, standing=standing
    )


def person_recorded(**changes: Any) -> PersonRecorded:
    made = PersonRecorded(
        version=1,
        person_id=STUDENT,
        memberships=(Membership(kind=PersonKind.STUDENT, organization_id=SCHOOL),),
        active=True,
        profile=SealedValue(person_id=STUDENT, ciphertext=""),
        rights_holder=RightsHolder.GUARDIAN,
        guardians=(GUARDIAN,),
    )
    return made.model_copy(update=changes)


def watermarks_passed(at: datetime) -> list[WatermarkPassed]:
    return [
        WatermarkPassed(version=1, watermark_id=f"watermark-{number}", partition=int(number), at=at)
        for number in PARTITIONS
    ]


class House:
    """Delivery's worker on a memory store: hears events as the consumer hands them over."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.work = Work(self.store, SHELVES)
        self.questions = Questions(self.store)
        self.hearing = consumers.hearing(consumers.verifier(lambda: KEYS), self.questions, origin=ORIGIN)
        self._heard = 0

    async def hear(
        self, *events: Event, ids: Sequence[str] | None = None, at: datetime = AT
    ) -> list[Outcome | Unwanted | None]:
        """Each event in a batch of its own, said at this time."""
        outcomes: list[Outcome | Unwanted | None] = []
        for place, event in enumerate(events):
            self._heard += 1
            message = Message(ids[place] if ids else f"evt_{self._heard}", event, at)
            heard = self.hearing.find(event.type)
            assert heard is not None
            (answer,) = await heard.answer([message])
            if answer is None or isinstance(answer, Unwanted):
                outcomes.append(answer)
                continue
            outcomes += await self.work.carry_out_batch([replace(answer, cause=message.id, once=not heard.barrier)])
        return outcomes

    @property
    def said(self) -> list[str]:
        """The types of the events in the outbox, in order."""
        return [row["type"] for row in self.store.outbox]
