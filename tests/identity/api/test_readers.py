"""Readers over the API: the operator lets them in and ends them, and nobody else even sees who they are."""

import httpx
import pytest

from contracts.types import PersonId, PersonKind
from services.chassis import clock
from services.chassis.web.auth import ACCESS, caller_of
from services.chassis.web.tokens import read_session
from tests.identity.conftest import HARBOR
from tests.identity.house import House

NORA = {"name": "  Nora\u202e   Feld ", "email": "nora@westmarch.example.org", "language": "es"}
READERS = "/identity/organizations/org_westmarch/readers"


@pytest.fixture
async def house() -> House:
    found = House()
    body = {"organization_id": "org_westmarch", "kind": "college", "name": "Westmarch College", "standing": "verified"}
    await found.client(found.as_operator()).post("/identity/organizations", json=body)
    return found


def operator(house: House) -> httpx.AsyncClient:
    return house.client(house.as_operator())


async def traded(house: House, person_id: str, token: str) -> httpx.Response:
    form = {"grant_type": "client_credentials", "client_id": person_id, "client_secret": token}
    return await house.client().post("/identity/token", data=form)


async def test_an_operator_lets_a_reader_in_who_then_is_nothing_but_a_reader(house: House) -> None:
    made = await operator(house).post(READERS, json=NORA)
    assert made.status_code == 201, made.text
    reader = made.json()
    assert reader["name"] == "Nora Feld"
    assert reader["way_in"]["single_use"] is True
    answer = await traded(house, reader["person_id"], reader["way_in"]["token"])
    claims = read_session(answer.json()["access_token"], house.key.keys(), typ=ACCESS, now=clock.now())
    caller = caller_of(claims, by_cookie=False)
    assert caller.kinds == {PersonKind.READER}
    assert caller.organizations() == ("org_westmarch",)
    assert (await traded(house, reader["person_id"], reader["way_in"]["token"])).status_code == 401, "once"


async def test_the_same_command_is_one_reader_with_one_way_in(house: House) -> None:
    once = {"Idempotency-Key": "one"}
    first = (await operator(house).post(READERS, json=NORA, headers=once)).json()
    second = await operator(house).post(READERS, json=NORA, headers=once)
    assert second.status_code == 201
    assert second.json() == {**first, "way_in": None}
    other = await operator(house).post(READERS, json={**NORA, "email": "otto@westmarch.example.org"}, headers=once)
    assert other.status_code == 409
    assert [one["person_id"] for one in (await operator(house).get(READERS)).json()] == [first["person_id"]]


async def test_a_command_of_another_kind_may_have_the_same_key(house: House) -> None:
    once = {"Idempotency-Key": "one"}
    await operator(house).post("/identity/organizations", json={"kind": "college", "name": "W"}, headers=once)
    assert (await operator(house).post(READERS, json=NORA, headers=once)).json()["way_in"] is not None


async def test_an_operator_ends_a_reader_and_may_do_so_twice(house: House) -> None:
    reader = (await operator(house).post(READERS, json=NORA)).json()
    place = f"{READERS}/{reader['person_id']}"
    first, second = await operator(house).delete(place), await operator(house).delete(place)
    assert first.status_code == second.status_code == 200
    assert first.json() == second.json()
    assert first.json()["active"] is False
    assert (await traded(house, reader["person_id"], reader["way_in"]["token"])).status_code == 401
    refused = await operator(house).post(f"/identity/people/{reader['person_id']}/tokens")
    assert refused.status_code == 409
    assert (await operator(house).delete(f"{READERS}/per_none")).status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        pytest.param({**NORA, "name": " \n "}, "name", id="no name"),
        pytest.param({**NORA, "name": "n" * 201}, "name", id="a name that is too long"),
        pytest.param({**NORA, "email": "nora"}, "email", id="no address"),
        pytest.param({**NORA, "language": "fr"}, "language", id="a language that no page speaks"),
        pytest.param({**NORA, "kind": "operator"}, "kind", id="another right"),
    ],
)
async def test_an_invitation_that_does_not_fit_is_refused_with_the_place(
    house: House, body: dict[str, str], field: str
) -> None:
    answer = await operator(house).post(READERS, json=body)
    assert answer.status_code == 422
    assert [field in fault["where"] for fault in answer.json()["faults"]] == [True]
    assert body[field].strip() not in answer.text or not body[field].strip()


async def test_schools_and_unknown_recipients_have_no_readers(house: House) -> None:
    await house.district.school()
    for organization, status in ((HARBOR, 409), ("org_none", 404)):
        place = f"/identity/organizations/{organization}/readers"
        answer = await operator(house).post(place, json=NORA)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert (await operator(house).get(place)).status_code == 404


@pytest.mark.parametrize("kind", sorted(set(PersonKind) - {PersonKind.OPERATOR}))
async def test_nobody_but_an_operator_lets_in_sees_or_ends_readers(house: House, kind: PersonKind) -> None:
    reader = (await operator(house).post(READERS, json=NORA)).json()
    caller = house.client(house.as_a(kind, "org_westmarch"))
    assert (await caller.post(READERS, json=NORA)).status_code == 403
    assert (await caller.get(READERS)).status_code == 403
    assert (await caller.delete(f"{READERS}/{reader['person_id']}")).status_code == 403


async def test_a_reader_sees_oneself_and_no_other_reader(house: House) -> None:
    nora = (await operator(house).post(READERS, json=NORA)).json()
    otto = (await operator(house).post(READERS, json={**NORA, "email": "otto@westmarch.example.org"})).json()
    caller = house.client(house.as_a(PersonKind.READER, "org_westmarch", PersonId(nora["person_id"])))
    assert (await caller.get(f"/identity/people/{nora['person_id']}")).json()["name"] == "Nora Feld"
    assert (await caller.get(f"/identity/people/{otto['person_id']}")).status_code == 404
