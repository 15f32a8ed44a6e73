"""The disclosure ledger: one chain of rows for each school, each sealing the one before it. Pure.

Anyone can verify it without us: the hash of a row is SHA-256 over the canonical JSON (RFC 8785) of `content(row)`.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import rfc8785

from services.delivery.domain.state import Chain, Delivery, LedgerRow

GENESIS = "sha256:" + "0" * 64
"""What stands before the first row of a chain."""


@dataclass(frozen=True, slots=True)
class Break:
    """The first place where a chain does not hold, and how."""

    number: int
    how: str


def content(row: LedgerRow) -> dict[str, object]:
    """What is sealed: every field of the row but its hash, as JSON values. `previous_hash` ties it to the row before."""
    return {
        "school_id": row.school_id,
        "number": row.number,
        "previous_hash": row.previous_hash,
        "delivery_id": row.delivery_id,
        "request_id": row.request_id,
        "student_id": row.student_id,
        "recipient_id": row.recipient_id,
        "transcript_id": row.transcript_id,
        "transcript_version": row.transcript_version,
        "package_digest": row.package_digest,
        "grant_jti": row.grant_jti,
        "grant": row.grant,
        "basis": {"code": str(row.basis.code), "section": row.basis.section, "words": row.basis.words},
        "purpose": str(row.purpose),
        "notice_version": row.notice_version,
        "disclosed_at": spelled(row.disclosed_at),
        "opened_by": row.opened_by,
    }


def row_hash(row: LedgerRow) -> str:
    return f"sha256:{hashlib.sha256(rfc8785.dumps(content(row))).hexdigest()}"  # type: ignore[arg-type]  # JSON values all


def spelled(at: datetime) -> str:
    """A moment as contracts write it: UTC, to the millisecond, `Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def next_row(
    chain: Chain | None, delivery: Delivery, *, opened_by: str, notice_version: str, at: datetime
) -> tuple[LedgerRow, Chain]:
    """The row of this disclosure, and the chain with it as its head."""
    number, previous = (chain.number + 1, chain.hash) if chain else (1, GENESIS)
    row = LedgerRow(
        row_id=f"{delivery.school_id}:{number}",
        school_id=delivery.school_id,
        number=number,
        previous_hash=previous,
        hash="",
        delivery_id=delivery.delivery_id,
        request_id=delivery.request_id,
        student_id=delivery.student_id,
        recipient_id=delivery.recipient_id,
        transcript_id=delivery.transcript_id,
        transcript_version=delivery.transcript_version,
        package_digest=delivery.package_digest,
        grant_jti=delivery.grant_jti,
        grant=delivery.grant,
        basis=delivery.basis,
        purpose=delivery.purpose,
        notice_version=notice_version,
        disclosed_at=at,
        opened_by=opened_by,
    )
    sealed = replace(row, hash=row_hash(row))
    return sealed, Chain(school_id=delivery.school_id, number=number, hash=sealed.hash)


def verify_chain(rows: Iterable[LedgerRow], *, after: Chain | None = None) -> Break | None:
    """The first break, or None. `rows` follow each other from the row after the head `after` (None: from the first)."""
    number, previous = (after.number, after.hash) if after else (0, GENESIS)
    for row in rows:
        number += 1
        if row.number != number:
            return Break(number, f"row {number} is missing")
        if row.previous_hash != previous:
            return Break(number, f"row {number} does not follow the row before it")
        if row_hash(row) != row.hash:
            return Break(number, f"row {number} was changed")
        previous = row.hash
    return None
