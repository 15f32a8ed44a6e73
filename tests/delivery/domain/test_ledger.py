"""The chain of disclosures: written, verified, and broken in every way."""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from services.delivery.domain import GENESIS, Break, Chain, LedgerRow, content, row_hash, verify_chain
from services.delivery.domain.ledger import next_row
from tests.delivery.scene import AT, NOTICE_VERSION, READER, SCHOOL, delivery


def chain_of(count: int) -> list[LedgerRow]:
    rows: list[LedgerRow] = []
    head: Chain | None = None
    for number in range(count):
        row, head = next_row(
            head,
            delivery(delivery_id=f"dlv_{number}"),
            opened_by=READER,
            notice_version=NOTICE_VERSION,
            at=AT + timedelta(seconds=number),
        )
        rows.append(row)
    return rows


def test_the_first_row_follows_nothing_and_each_other_the_one_before() -> None:
    first, second, third = chain_of(3)
    assert [row.row_id for row in (first, second, third)] == [f"{SCHOOL}:1", f"{SCHOOL}:2", f"{SCHOOL}:3"]
    assert first.previous_hash == GENESIS
    assert (second.previous_hash, third.previous_hash) == (first.hash, second.hash)


def test_anyone_can_recompute_a_hash_from_the_exported_row() -> None:
    (row,) = chain_of(1)
    exported = json.loads(json.dumps(content(row)))
    canonical = json.dumps(exported, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert "sha256:" + hashlib.sha256(canonical.encode()).hexdigest() == row.hash


def test_a_row_cites_grant_basis_and_purpose() -> None:
    told = content(chain_of(1)[0])
    assert told["grant"] == "a.b.c"
    assert told["basis"] == {
        "code": "guardian-consent",
        "section": "34 CFR 99.30",
        "words": "A parent agreed to this release.",
    }
    assert told["disclosed_at"] == "2026-11-24T12:00:00.000Z"


def test_a_chain_that_holds_has_no_break() -> None:
    assert verify_chain(chain_of(5)) is None
    assert verify_chain([]) is None


def test_a_chain_is_verified_in_pieces() -> None:
    rows = chain_of(5)
    assert verify_chain(rows[2:], after=Chain(school_id=SCHOOL, number=2, hash=rows[1].hash)) is None


def test_a_row_that_is_missing_is_found() -> None:
    rows = chain_of(4)
    assert verify_chain([rows[0], *rows[2:]]) == Break(2, "row 2 is missing")


def test_a_row_put_in_another_ones_place_is_found() -> None:
    rows = chain_of(3)
    forged = replace(rows[1], previous_hash=GENESIS)
    forged = replace(forged, hash=row_hash(forged))
    assert verify_chain([rows[0], forged, rows[2]]) == Break(2, "row 2 does not follow the row before it")


CHANGES = {
    "recipient_id": "org_evil",
    "student_id": "per_other",
    "package_digest": "sha256:" + "0" * 64,
    "transcript_version": 4,
    "grant": "x.y.z",
    "purpose": "employment",
    "opened_by": "per_other",
    "disclosed_at": AT + timedelta(days=1),
    "notice_version": "none",
}


@pytest.mark.parametrize(("field", "value"), CHANGES.items(), ids=CHANGES.keys())
def test_a_changed_field_is_found(field: str, value: object) -> None:
    rows = chain_of(3)
    changed = replace(rows[1], **{field: value})  # type: ignore[arg-type]
    assert verify_chain([rows[0], changed, rows[2]]) == Break(2, "row 2 was changed")


def test_a_rewritten_row_breaks_the_one_behind_it() -> None:
    rows = chain_of(3)
    rewritten = replace(rows[1], opened_by="per_other")
    rewritten = replace(rewritten, hash=row_hash(rewritten))
    assert verify_chain([rows[0], rewritten, rows[2]]) == Break(3, "row 3 does not follow the row before it")
