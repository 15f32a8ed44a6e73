"""What delivery shows of its state over HTTP. A recipient sees what was sent to it, and nothing of how or by whom (P15)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Self

from pydantic import BaseModel

from contracts.types import DeliveryId, OrganizationId, Purpose, RequestId
from services.delivery.domain import (
    Delivery,
    Endpoint,
    EndpointState,
    LedgerRow,
    Notice,
    NoticeKind,
    NoticeState,
    Organization,
    Status,
)
from services.delivery.domain.ledger import content
from services.delivery.domain.notice import REDISCLOSURE

MEMBERS = ("transcript.pdf", "credential.vc.jwt", "credential.1edtech.jwt", "credential.json", "manifest.json")
"""The files that every package has; evidence is listed in its manifest."""


class NoticeText(BaseModel):
    """The redisclosure notice to accept when opening."""

    version: str
    text: str


class DeliveryView(BaseModel):
    """A delivery as its recipient sees it."""

    delivery_id: DeliveryId
    request_id: RequestId
    status: Status
    school_id: OrganizationId
    school_name: str
    purpose: Purpose
    package_digest: str
    size: int
    available_at: datetime
    expires_at: datetime
    opened_at: datetime | None
    acknowledged_at: datetime | None
    matches: bool | None
    redisclosure_notice: NoticeText
    links: Mapping[str, str]

    @classmethod
    def of(cls, delivery: Delivery, schools: Mapping[OrganizationId, Organization]) -> Self:
        school = schools.get(delivery.school_id)
        return cls(
            delivery_id=delivery.delivery_id,
            request_id=delivery.request_id,
            status=delivery.status,
            school_id=delivery.school_id,
            school_name=school.name if school else "",
            purpose=delivery.purpose,
            package_digest=delivery.package_digest,
            size=delivery.size,
            available_at=delivery.available_at,
            expires_at=delivery.expires_at,
            opened_at=delivery.opened_at,
            acknowledged_at=delivery.acknowledged_at,
            matches=delivery.matches,
            redisclosure_notice=NoticeText(version=REDISCLOSURE.version, text=REDISCLOSURE.text),
            links=_links(delivery),
        )


class AttemptView(BaseModel):
    """What became of one notice."""

    webhook_id: str
    kind: NoticeKind
    state: NoticeState
    failures: int
    due_at: datetime | None
    last_at: datetime | None
    last_said: str | None

    @classmethod
    def of(cls, notice: Notice) -> Self:
        return cls(
            webhook_id=notice.webhook_id,
            kind=notice.kind,
            state=notice.state,
            failures=notice.failures,
            due_at=notice.due_at,
            last_at=notice.last_at,
            last_said=notice.last_said,
        )


class EndpointView(BaseModel):
    """An endpoint. `secret` is there only in the answer that made it."""

    name: str
    recipient_id: OrganizationId
    url: str
    description: str
    state: EndpointState
    why: str | None
    failing_since: datetime | None
    secret: str | None = None

    @classmethod
    def of(cls, endpoint: Endpoint, secret: str | None = None) -> Self:
        return cls(
            name=endpoint.name,
            recipient_id=endpoint.recipient_id,
            url=endpoint.url,
            description=endpoint.description,
            state=endpoint.state,
            why=endpoint.why,
            failing_since=endpoint.failing_since,
            secret=secret,
        )


class SchoolDeliveryView(BaseModel):
    """A delivery as the school sees it that released it."""

    delivery_id: DeliveryId
    request_id: RequestId
    student_id: str
    recipient_id: OrganizationId
    status: Status
    cause: str | None
    available_at: datetime
    opened_at: datetime | None
    acknowledged_at: datetime | None
    matches: bool | None
    told: bool

    @classmethod
    def of(cls, delivery: Delivery) -> Self:
        return cls(
            delivery_id=delivery.delivery_id,
            request_id=delivery.request_id,
            student_id=delivery.student_id,
            recipient_id=delivery.recipient_id,
            status=delivery.status,
            cause=delivery.cause,
            available_at=delivery.available_at,
            opened_at=delivery.opened_at,
            acknowledged_at=delivery.acknowledged_at,
            matches=delivery.matches,
            told=not delivery.untold,
        )


class VerificationView(BaseModel):
    """Whether a chain holds: how many rows were verified, and where it breaks first."""

    rows: int
    holds: bool
    broken_at: int | None = None
    how: str | None = None


def ledger_line(row: LedgerRow) -> dict[str, object]:
    """A row for export: what is sealed, and its hash. SHA-256 over the RFC 8785 form of all but `hash` gives `hash`."""
    return {**content(row), "hash": row.hash}


def _links(delivery: Delivery) -> dict[str, str]:
    base = f"/delivery/deliveries/{delivery.delivery_id}"
    if delivery.status is Status.CANCELLED:
        return {}
    if not delivery.disclosed:
        return {"open": f"{base}/open"}
    links = {"package": f"{base}/content", "acknowledge": f"{base}/acknowledge"}
    return links | {name: f"{base}/content/{name}" for name in MEMBERS}
