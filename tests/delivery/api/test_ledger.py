"""The ledger over HTTP: for the family and the school, verifiable by anyone who has the lines."""

import hashlib
import json

import pytest
import rfc8785

from contracts.types import RightsHolder
from services.delivery.store import LEDGER
from tests.delivery.desk import Counter
from tests.delivery.scene import GUARDIAN, NOTICE_VERSION, SCHOOL, STUDENT, person_recorded


@pytest.fixture
async def disclosed(counter: Counter) -> Counter:
    async with counter.client() as client:
        address = f"/delivery/deliveries/{counter.delivery_id}/open"
        assert (await client.post(address, json={"redisclosure_notice": NOTICE_VERSION})).status_code == 200
    return counter


@pytest.mark.parametrize("who", ["student", "guardian", "registrar"])
async def test_the_ledger_is_read_as_json_lines_and_verifies_without_us(disclosed: Counter, who: str) -> None:
    async with disclosed.client(who) as client:
        answer = await client.get(f"/delivery/ledger?student_id={STUDENT}")
    (row,) = [json.loads(line) for line in answer.text.splitlines()]
    told = row.pop("hash")
    assert f"sha256:{hashlib.sha256(rfc8785.dumps(row)).hexdigest()}" == told
    assert (row["number"], row["student_id"], row["basis"]["section"]) == (1, STUDENT, "34 CFR 99.30")


@pytest.mark.parametrize("who", ["foreign guardian", "foreign registrar", "reader", "stranger"])
async def test_a_stranger_gets_the_same_answer_for_a_student_and_for_nobody(disclosed: Counter, who: str) -> None:
    async with disclosed.client(who) as client:
        theirs = await client.get(f"/delivery/ledger?student_id={STUDENT}")
        nobody = await client.get("/delivery/ledger?student_id=per_nobody_at_all")
    assert theirs.status_code == nobody.status_code == 404
    assert theirs.json() | {"instance": ""} == nobody.json() | {"instance": ""}


async def test_a_guardian_reads_no_more_once_the_rights_have_passed_to_the_student(disclosed: Counter) -> None:
    await disclosed.house.hear(person_recorded(version=2, rights_holder=RightsHolder.STUDENT, guardians=(GUARDIAN,)))
    async with disclosed.client("guardian") as client:
        assert (await client.get(f"/delivery/ledger?student_id={STUDENT}")).status_code == 404
    async with disclosed.client("student") as client:
        assert (await client.get(f"/delivery/ledger?student_id={STUDENT}")).status_code == 200


async def test_a_school_reads_and_verifies_its_whole_chain(disclosed: Counter) -> None:
    async with disclosed.client("registrar") as client:
        assert len((await client.get(f"/delivery/ledger?school_id={SCHOOL}")).text.splitlines()) == 1
        verified = (await client.get(f"/delivery/ledger/verification?school_id={SCHOOL}")).json()
    assert (verified["rows"], verified["holds"]) == (1, True)
    async with disclosed.client("foreign registrar") as client:
        assert (await client.get(f"/delivery/ledger?school_id={SCHOOL}")).status_code == 404


async def test_a_row_changed_in_the_database_is_found(disclosed: Counter) -> None:
    disclosed.house.store.tables[LEDGER.collection.name][f"{SCHOOL}:1"]["opened_by"] = "per_other"
    async with disclosed.client("registrar") as client:
        verified = (await client.get(f"/delivery/ledger/verification?school_id={SCHOOL}")).json()
    assert (verified["holds"], verified["broken_at"], verified["how"]) == (False, 1, "row 1 was changed")


async def test_a_row_removed_from_the_end_is_found(disclosed: Counter) -> None:
    del disclosed.house.store.tables[LEDGER.collection.name][f"{SCHOOL}:1"]
    async with disclosed.client("registrar") as client:
        verified = (await client.get(f"/delivery/ledger/verification?school_id={SCHOOL}")).json()
    assert (verified["holds"], verified["how"]) == (False, "row 1 is missing")


@pytest.mark.parametrize("query", ["", f"?student_id={STUDENT}&school_id={SCHOOL}"])
async def test_it_must_be_said_whose_ledger_is_meant(disclosed: Counter, query: str) -> None:
    async with disclosed.client("registrar") as client:
        assert (await client.get(f"/delivery/ledger{query}")).status_code == 422
