"""Written by delivery; read by consent, records and notify."""

from contracts.event import Event, published
from contracts.types import BasisCode, DeliveryId, Digest, Instant, OrganizationId, PersonId, RequestId


class _AboutDelivery(Event):
    delivery_id: DeliveryId
    request_id: RequestId
    school_id: OrganizationId
    student_id: PersonId
    recipient_id: OrganizationId


@published(name="delivery.transcript.available.v1", topic="delivery.deliveries", key="delivery_id")
class TranscriptAvailable(_AboutDelivery):
    """The recipient can be told and can fetch. Nothing has been disclosed by this."""


@published(name="delivery.transcript.delivered.v1", topic="delivery.deliveries", key="delivery_id")
class TranscriptDelivered(_AboutDelivery):
    """Disclosed: the recipient opened it. Cites its row in the disclosure ledger (34 CFR 99.32)."""

    package_digest: Digest
    basis: BasisCode
    delivered_at: Instant
    ledger_row: int
    ledger_hash: Digest


@published(name="delivery.transcript.acknowledged.v1", topic="delivery.deliveries", key="delivery_id")
class TranscriptAcknowledged(_AboutDelivery):
    """The recipient echoed a digest. `matches` says whether it is the digest of what was sent."""

    matches: bool
    acknowledged_at: Instant


@published(name="delivery.transcript.abandoned.v1", topic="delivery.deliveries", key="delivery_id")
class DeliveryAbandoned(_AboutDelivery):
    """Telling the recipient failed for good. `cause` is `attempts-exhausted`, `endpoint-gone` or `no-endpoint`."""

    cause: str


@published(name="delivery.transcript.cancelled.v1", topic="delivery.deliveries", key="delivery_id")
class DeliveryCancelled(_AboutDelivery):
    """No more disclosure. `cause` is `revoked`, `expired` or `recipient-not-verified`; `disclosed`: it had been opened before."""

    cause: str
    disclosed: bool
