"""The JSON API: who may ask what, of whom; a stranger's object and a missing one get the same answer."""

from dataclasses import replace

import pytest

from contracts.types import OrganizationId, PersonId, PersonKind
from services.chassis import clock
from services.chassis.decision import Refusal
from services.chassis.web import http, tokens
from services.chassis.web.auth import ACCESS, caller_of
from services.chassis.web.tokens import read_session
from services.identity.domain import Person
from services.identity.gateways.roster import SourcedId
from services.identity.handlers.rows import person_id_of
from tests.identity.conftest import HARBOR
from tests.identity.gateways.conftest import small_roster, zip_of
from tests.identity.house import OPERATOR_TOKEN, House, code_of

SCHOOL = {
    "organization_id": HARBOR,
    "kind": "school",
    "name": "Harbor School",
    "standing": "verified",
    "timezone": "America/New_York",
    "sourced_id": "s1",
}


@pytest.fixture
def house() -> House:
    return House()


def person(sourced_id: str) -> PersonId:
    return person_id_of(HARBOR, SourcedId(sourced_id))


async def with_roster(house: House) -> None:
    operator = house.client(house.as_operator())
    assert (await operator.post("/identity/organizations", json=SCHOOL)).status_code == 201
    done = await operator.post(f"/identity/schools/{HARBOR}/rosters", content=zip_of(small_roster()))
    assert done.status_code == 201, done.text
    assert done.json()["created"] == 3


def test_every_route_states_its_right(house: House) -> None:
    rights = http.rights(house.app)
    assert {route for route, right in rights.items() if right == "anyone"} == {
        "GET /identity/sign-in",
        "POST /identity/sign-in",
        "POST /identity/sign-out",
        "POST /identity/token",
    }


def test_the_api_describes_itself(house: House) -> None:
    document = http.openapi(house.app)
    assert "/identity/schools/{school_id}/rosters" in document["paths"]
    assert all("summary" in one for path in document["paths"].values() for one in path.values())


async def test_an_operator_records_verifies_and_suspends(house: House) -> None:
    operator = house.client(house.as_operator())
    made = await operator.post("/identity/organizations", json={"kind": "college", "name": "Westmarch College"})
    assert made.status_code == 201
    college = made.json()
    assert college["standing"] == "unverified"
    place = f"/identity/organizations/{college['organization_id']}"
    assert (await operator.post(f"{place}/standing", json={"standing": "verified"})).json()["standing"] == "verified"
    assert (await operator.get(place)).json()["name"] == "Westmarch College"
    listed = await operator.get("/identity/organizations", params={"kind": "college"})
    assert [one["name"] for one in listed.json()] == ["Westmarch College"]
    missing = await operator.post("/identity/organizations/org_none/standing", json={"standing": "verified"})
    assert missing.status_code == 404


async def test_the_same_command_makes_one_organization(house: House) -> None:
    operator = house.client(house.as_operator())
    body, once = {"kind": "college", "name": "Westmarch College"}, {"Idempotency-Key": "one"}
    first = await operator.post("/identity/organizations", json=body, headers=once)
    second = await operator.post("/identity/organizations", json=body, headers=once)
    assert first.json() == second.json()
    assert len(house.district.store.outbox) == 1


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({**SCHOOL, "timezone": "Mars/Olympus"}, id="no such time zone"),
        pytest.param({**SCHOOL, "kind": "newspaper"}, id="no such kind"),
        pytest.param({**SCHOOL, "rank": 1}, id="a field that is not expected"),
        pytest.param({"kind": "college", "name": "W", "sourced_id": "s1"}, id="a roster key of a recipient"),
    ],
)
async def test_a_body_that_does_not_fit_is_refused(house: House, body: dict[str, object]) -> None:
    answer = await house.client(house.as_operator()).post("/identity/organizations", json=body)
    assert answer.status_code == 422


async def test_only_its_own_people_see_an_organization(house: House) -> None:
    await with_roster(house)
    own = house.client(house.as_a(PersonKind.STUDENT))
    assert (await own.get(f"/identity/organizations/{HARBOR}")).status_code == 200
    stranger = house.client(house.as_a(PersonKind.STUDENT, "org_elsewhere"))
    hidden = await stranger.get(f"/identity/organizations/{HARBOR}")
    missing = await stranger.get("/identity/organizations/org_none")
    assert hidden.status_code == missing.status_code == 404
    assert hidden.json()["detail"] == missing.json()["detail"]


STAFF_ONLY = [
    ("GET", f"/identity/schools/{HARBOR}/people"),
    ("GET", f"/identity/schools/{HARBOR}/imports"),
    ("POST", f"/identity/schools/{HARBOR}/rosters"),
    ("POST", f"/identity/schools/{HARBOR}/people/search"),
]


@pytest.mark.parametrize(("method", "path"), STAFF_ONLY)
async def test_another_schools_registrar_finds_no_such_school(house: House, method: str, path: str) -> None:
    await with_roster(house)
    stranger = house.client(house.as_a(PersonKind.REGISTRAR, "org_elsewhere"))
    body = {"email": "ada@students.example.org"} if "search" in path else None
    assert (await stranger.request(method, path, json=body)).status_code == 404


@pytest.mark.parametrize("kind", [PersonKind.STUDENT, PersonKind.GUARDIAN, PersonKind.EDUCATOR, PersonKind.READER])
async def test_whoever_is_not_staff_may_not_even_ask(house: House, kind: PersonKind) -> None:
    await with_roster(house)
    caller = house.client(house.as_a(kind))
    for method, path in STAFF_ONLY:
        assert (await caller.request(method, path)).status_code == 403


async def test_a_registrar_sees_and_finds_the_schools_people(house: House) -> None:
    await with_roster(house)
    registrar = house.client(house.as_a(PersonKind.REGISTRAR))
    people = (await registrar.get(f"/identity/schools/{HARBOR}/people")).json()
    assert {one["name"] for one in people} == {"Ada Ashby", "Bela Ashby", "Cleo Moss"}
    found = await registrar.post(
        f"/identity/schools/{HARBOR}/people/search", json={"email": "Ada@Students.example.org"}
    )
    assert [one["person_id"] for one in found.json()] == [person("st1")]
    one = (await registrar.get(f"/identity/people/{person('st1')}")).json()
    assert one["guardians"] == [person("gu1")]
    assert one["rights_holder"] == "guardian"
    imports = (await registrar.get(f"/identity/schools/{HARBOR}/imports")).json()
    report = await registrar.get(f"/identity/imports/{imports[0]['import_id']}")
    assert report.json()["read"] == 3


async def test_one_sees_oneself_and_nobody_else(house: House) -> None:
    await with_roster(house)
    student = house.client(house.as_a(PersonKind.STUDENT, person_id=person("st1")))
    assert (await student.get(f"/identity/people/{person('st1')}")).json()["name"] == "Ada Ashby"
    other = await student.get(f"/identity/people/{person('gu1')}")
    missing = await student.get("/identity/people/per_none")
    assert other.status_code == missing.status_code == 404
    assert other.json()["detail"] == missing.json()["detail"]


async def test_another_schools_import_is_not_there(house: House) -> None:
    await with_roster(house)
    registrar = house.client(house.as_a(PersonKind.REGISTRAR))
    imports = (await registrar.get(f"/identity/schools/{HARBOR}/imports")).json()
    stranger = house.client(house.as_a(PersonKind.REGISTRAR, "org_elsewhere"))
    assert (await stranger.get(f"/identity/imports/{imports[0]['import_id']}")).status_code == 404


async def test_an_erased_person_has_no_name(house: House) -> None:
    await with_roster(house)
    await house.district.keys.erase(person("st1"))
    operator = house.client(house.as_operator())
    assert (await operator.get(f"/identity/people/{person('st1')}")).json()["name"] is None


async def test_a_token_of_a_person_becomes_an_access_token(house: House) -> None:
    await with_roster(house)
    registrar = house.client(house.as_a(PersonKind.REGISTRAR))
    made = (await registrar.post(f"/identity/people/{person('gu1')}/tokens")).json()
    form = {"grant_type": "client_credentials", "client_id": person("gu1"), "client_secret": made["token"]}
    answer = (await house.client().post("/identity/token", data=form)).json()
    assert answer["token_type"] == "Bearer"
    claims = read_session(answer["access_token"], house.key.keys(), typ=ACCESS, now=clock.now())
    assert caller_of(claims, by_cookie=False).person_id == person("gu1")
    assert claims.name == ""
    me = (await house.client(answer["access_token"]).get("/identity/me")).json()
    assert me["authenticator"] is False
    other = await house.client().post("/identity/token", data={**form, "client_id": person("st1")})
    assert other.status_code == 401


async def test_a_single_use_token_signs_in_once(house: House) -> None:
    await with_roster(house)
    registrar = house.client(house.as_a(PersonKind.REGISTRAR))
    body = {"single_use": True, "valid_days": 1}
    made = (await registrar.post(f"/identity/people/{person('gu1')}/tokens", json=body)).json()
    form = {"grant_type": "client_credentials", "client_id": person("gu1"), "client_secret": made["token"]}
    assert (await house.client().post("/identity/token", data=form)).status_code == 200
    used = await house.client().post("/identity/token", data=form)
    wrong = await house.client().post("/identity/token", data={**form, "client_secret": "guess"})
    assert used.status_code == wrong.status_code == 401
    assert used.json() == wrong.json() == {"error": "invalid_client"}


async def test_revoked_tokens_let_nobody_in(house: House) -> None:
    await with_roster(house)
    registrar = house.client(house.as_a(PersonKind.REGISTRAR))
    made = (await registrar.post(f"/identity/people/{person('gu1')}/tokens")).json()
    assert (await registrar.delete(f"/identity/people/{person('gu1')}/tokens")).status_code == 204
    form = {"grant_type": "client_credentials", "client_id": person("gu1"), "client_secret": made["token"]}
    assert (await house.client().post("/identity/token", data=form)).status_code == 401


async def test_a_registrar_lets_nobody_in_who_has_a_place_elsewhere(house: House) -> None:
    await with_roster(house)
    teacher = await house.district.questions.person(person("te1"))
    assert isinstance(teacher, Person)
    await house.district.put(replace(teacher, school_ids=(*teacher.school_ids, OrganizationId("org_elsewhere"))))
    registrar = house.client(house.as_a(PersonKind.REGISTRAR))
    assert (await registrar.post(f"/identity/people/{person('te1')}/tokens")).status_code == 403
    assert (await registrar.delete(f"/identity/people/{person('te1')}/authenticator")).status_code == 403


async def test_a_recipients_program_gets_credentials_and_a_short_access_token(house: House) -> None:
    operator = house.client(house.as_operator())
    college = (await operator.post("/identity/organizations", json={"kind": "college", "name": "Westmarch"})).json()
    body = {"organization_id": college["organization_id"], "name": "admissions"}
    made = (await operator.post("/identity/clients", json=body)).json()
    form = {"grant_type": "client_credentials"}
    basic = (made["client_id"], made["client_secret"])
    answer = await house.client().post("/identity/token", data=form, auth=basic)
    assert answer.json()["expires_in"] == 600
    assert answer.headers["cache-control"] == "no-store"
    claims = read_session(answer.json()["access_token"], house.key.keys(), typ=ACCESS, now=clock.now())
    caller = caller_of(claims, by_cookie=False)
    assert caller.client_id == made["client_id"]
    assert caller.belongs(PersonKind.READER, college["organization_id"])
    listed = await operator.get(f"/identity/organizations/{college['organization_id']}/clients")
    assert "client_secret" not in listed.json()[0]
    assert (await operator.delete(f"/identity/clients/{made['client_id']}")).json()["revoked"]
    assert (await house.client().post("/identity/token", data=form, auth=basic)).status_code == 401
    assert (await operator.delete("/identity/clients/cli_none")).status_code == 404


@pytest.mark.parametrize("header", ["Basic %%%", "Basic " + "w" * 5, "Digest abc"])
async def test_credentials_that_can_not_be_read_are_none(house: House, header: str) -> None:
    answer = await house.client().post(
        "/identity/token", data={"grant_type": "client_credentials"}, headers={"authorization": header}
    )
    assert answer.status_code == 401


async def test_no_other_grant_is_known(house: House) -> None:
    answer = await house.client().post("/identity/token", data={"grant_type": "password"})
    assert answer.status_code == 400
    assert answer.json() == {"error": "unsupported_grant_type"}


async def test_a_code_becomes_a_step_up_for_one_act_once(house: House) -> None:
    await with_roster(house)
    guardian = house.client(house.as_a(PersonKind.GUARDIAN, person_id=person("gu1")))
    meant = {"act": "consent.sign", "on": "req_1", "digest": "sha256:" + "0" * 64}
    none_yet = await guardian.post("/identity/step-up", json={**meant, "code": "123456"})
    assert none_yet.status_code == 409
    secret = (await guardian.post("/identity/authenticator")).json()["secret"]
    confirmed = await guardian.post("/identity/authenticator/confirmation", json={"code": code_of(secret, steps=-1)})
    assert confirmed.status_code == 204
    code = code_of(secret)
    made = await guardian.post("/identity/step-up", json={**meant, "code": f"{code[:3]} {code[3:]}"})
    assert made.status_code == 201, made.text
    again = await guardian.post("/identity/step-up", json={**meant, "code": code})
    assert again.status_code == 401
    again = await guardian.post("/identity/authenticator")
    assert again.status_code == 401
    replaced = await guardian.delete(f"/identity/people/{person('gu1')}/authenticator")
    assert replaced.status_code == 403
    registrar = house.client(house.as_a(PersonKind.REGISTRAR))
    assert (await registrar.delete(f"/identity/people/{person('gu1')}/authenticator")).status_code == 204
    assert (await guardian.post("/identity/authenticator")).status_code == 201


async def test_the_step_up_holds_for_the_act_it_was_made_for(house: House) -> None:
    await with_roster(house)
    claims_token = house.as_a(PersonKind.GUARDIAN, person_id=person("gu1"))
    guardian = house.client(claims_token)
    secret = (await guardian.post("/identity/authenticator")).json()["secret"]
    await guardian.post("/identity/authenticator/confirmation", json={"code": code_of(secret, steps=-1)})
    meant = {"act": "consent.revoke", "on": "req_1", "code": code_of(secret)}
    token = (await guardian.post("/identity/step-up", json=meant)).json()["token"]

    def check(act: str, on: str) -> object:
        return tokens.check_step_up(
            token, person_id=person("gu1"), act=act, on=on, digest=None, keys=house.key.keys(), now=clock.now()
        )

    assert not isinstance(check("consent.revoke", "req_1"), Refusal)
    assert isinstance(check("consent.sign", "req_1"), Refusal)
    assert isinstance(check("consent.revoke", "req_2"), Refusal)


async def test_programs_have_no_authenticator(house: House) -> None:
    operator = house.client(house.as_operator())
    college = (await operator.post("/identity/organizations", json={"kind": "college", "name": "W"})).json()
    body = {"organization_id": college["organization_id"], "name": "x"}
    made = (await operator.post("/identity/clients", json=body)).json()
    form = {"grant_type": "client_credentials"}
    basic = (made["client_id"], made["client_secret"])
    token = (await house.client().post("/identity/token", data=form, auth=basic)).json()["access_token"]
    program = house.client(token)
    assert (await program.get("/identity/me")).json()["authenticator"] is False
    assert (await program.post("/identity/authenticator")).status_code == 403


async def test_the_first_operator_signs_in_with_the_installers_token(house: House) -> None:
    form = {"grant_type": "client_credentials", "client_id": "per_operator", "client_secret": OPERATOR_TOKEN}
    token = (await house.client().post("/identity/token", data=form)).json()["access_token"]
    assert (await house.client(token).get("/identity/organizations")).status_code == 200
    await house.client().post("/identity/token", data=form)
    assert house.district.types_said() == ["identity.person.recorded.v1"]
