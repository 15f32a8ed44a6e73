"""HTTP in: deny by default, a stranger's and a missing one alike, each command once."""

from typing import Any

import pytest

from contracts.types import OrganizationKind
from services.chassis.web import http
from services.consent.domain import NO_SUCH_REQUEST, notice_in
from tests.consent.build import (
    COLLEGE,
    GUARDIAN,
    KEY,
    NOTICE,
    OTHER_GUARDIAN,
    OTHER_SCHOOL,
    PACKAGE_DIGEST,
    REGISTRAR,
    REQUEST,
    SCHOOL,
    STRANGER,
    STUDENT,
    TRANSCRIPT,
    a_policy,
    a_recipient,
    a_school,
    a_student,
    a_transcript,
    an_adult,
    an_approved_request,
)
from tests.consent.house import (
    EDUCATOR,
    FAR,
    OTHER_REGISTRAR,
    PROGRAM,
    READER,
    SHOWN,
    House,
    a_house,
    an_open,
    without_instance,
)

NEW = {"transcript_id": TRANSCRIPT, "recipient_id": COLLEGE, "purpose": "admission"}

ROUTES = {
    ("GET", "/consent/transcripts"): "signed in",
    ("GET", f"/consent/transcripts?school_id={SCHOOL}"): "signed in",
    ("GET", "/consent/notice"): "signed in",
    ("GET", "/consent/requests"): "signed in",
    ("GET", f"/consent/schools/{SCHOOL}/requests"): "registrar",
    ("GET", f"/consent/schools/{SCHOOL}/approvals"): "registrar",
    ("POST", f"/consent/schools/{SCHOOL}/approvals"): "registrar",
    ("GET", f"/consent/requests/{REQUEST}"): "signed in",
    ("POST", "/consent/requests"): "signed in",
    ("POST", f"/consent/requests/{REQUEST}/signature"): "signed in",
    ("POST", f"/consent/requests/{REQUEST}/school-approval"): "registrar",
    ("POST", f"/consent/requests/{REQUEST}/refusal"): "signed in",
    ("POST", f"/consent/requests/{REQUEST}/revocation"): "signed in",
}
PAGES = ("/consent/view", "/consent/ask", "/consent/pick", "/consent/at")
PEOPLE = [STUDENT, GUARDIAN, OTHER_GUARDIAN, STRANGER, REGISTRAR, OTHER_REGISTRAR, EDUCATOR, READER, PROGRAM]
BODIES: dict[str, Any] = {"requests": NEW, "signature": SHOWN, "school-approval": SHOWN}
BODIES["approvals"] = {"requests": [{"request_id": REQUEST, "package": PACKAGE_DIGEST}], "notice": NOTICE}

# Who gets in, for a request that is open. Everybody and everything not named here gets a 401, 403 or 404.
MAY: dict[tuple[str, str], dict[str, int]] = {
    ("GET", "/consent/transcripts"): dict.fromkeys([*PEOPLE[:-1]], 200),
    ("GET", f"/consent/transcripts?school_id={SCHOOL}"): {REGISTRAR: 200},
    ("GET", "/consent/notice"): dict.fromkeys([*PEOPLE[:-1]], 200),
    ("GET", "/consent/requests"): dict.fromkeys([*PEOPLE[:-1]], 200),
    ("GET", f"/consent/schools/{SCHOOL}/requests"): {REGISTRAR: 200, PROGRAM: 200},
    ("GET", f"/consent/schools/{SCHOOL}/approvals"): {REGISTRAR: 200, PROGRAM: 200},
    ("POST", f"/consent/schools/{SCHOOL}/approvals"): {REGISTRAR: 401, PROGRAM: 401},
    ("GET", f"/consent/requests/{REQUEST}"): dict.fromkeys([STUDENT, GUARDIAN, REGISTRAR], 200),
    ("POST", "/consent/requests"): dict.fromkeys([STUDENT, GUARDIAN, REGISTRAR], 201),
    # Without a step-up nobody signs. It is asked for before anything is said about the request.
    ("POST", f"/consent/requests/{REQUEST}/signature"): dict.fromkeys(PEOPLE[:-1], 401),
    ("POST", f"/consent/requests/{REQUEST}/school-approval"): {REGISTRAR: 401},
    ("POST", f"/consent/requests/{REQUEST}/refusal"): {GUARDIAN: 200, REGISTRAR: 200},
    ("POST", f"/consent/requests/{REQUEST}/revocation"): dict.fromkeys([STUDENT, GUARDIAN, REGISTRAR], 401),
}


@pytest.mark.parametrize("who", [None, *PEOPLE])
@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
async def test_who_gets_in(route: tuple[str, str], who: str | None) -> None:
    house = a_house(an_open())
    method, path = route
    async with house.program(who) as client:
        answer = await client.request(method, path, json=BODIES.get(path.rsplit("/", 1)[-1]))
    if who is None:
        assert answer.status_code == 401
        return
    expected = MAY[route].get(who)
    assert answer.status_code == (expected or answer.status_code)
    if expected is None:
        assert answer.status_code in (403, 404)
        assert house.said == []


def test_every_route_of_the_api_is_in_the_matrix_with_its_right() -> None:
    stated = {
        f"{method} {path.split('?')[0].replace(SCHOOL, '{school_id}').replace(REQUEST, '{request_id}')}": right
        for (method, path), right in ROUTES.items()
    }
    rights = http.rights(a_house().app)
    pages = {route for route in rights if route.split(" ")[1].startswith(PAGES) or route == "GET /consent/"}
    stated |= {"GET /consent/keys": "anyone"}
    assert {route: right for route, right in rights.items() if route not in pages} == stated


async def test_anybody_gets_the_keys_that_grants_are_verified_with_and_no_private_part() -> None:
    async with a_house().program(None) as nobody:
        answer = await nobody.get("/consent/keys")
    assert answer.headers["content-type"] == "application/jwk-set+json"
    (key,) = answer.json()["keys"]
    assert key == KEY.as_dict(private=False) and "d" not in key


async def test_a_stranger_and_somebody_who_asks_for_nothing_get_the_same_answer() -> None:
    house = a_house(an_open())
    async with house.program(STRANGER) as client:
        theirs = await client.get(f"/consent/requests/{REQUEST}")
        missing = await client.get("/consent/requests/req_none")
        refusal = await client.post(f"/consent/requests/{REQUEST}/refusal")
        revocation = await client.post(f"/consent/requests/{REQUEST}/revocation")
    assert theirs.status_code == missing.status_code == 404
    assert without_instance(theirs) == without_instance(missing)
    assert without_instance(refusal) == without_instance(revocation) == without_instance(theirs)
    assert theirs.json()["detail"] == NO_SUCH_REQUEST.detail


async def test_a_strangers_transcript_and_none_are_the_same() -> None:
    house = a_house()
    async with house.program(STRANGER) as client:
        theirs = await client.post("/consent/requests", json=NEW)
        missing = await client.post("/consent/requests", json={**NEW, "transcript_id": "trn_none"})
        school = await client.get(f"/consent/transcripts?school_id={SCHOOL}")
        nowhere = await client.get("/consent/transcripts?school_id=org_none")
    assert theirs.status_code == school.status_code == 404
    assert without_instance(theirs) == without_instance(missing)
    assert without_instance(school) == without_instance(nowhere)


async def test_lists_hold_only_what_is_ones_own() -> None:
    elsewhere = an_open(request_id="req_2", student_id="per_b", school_id=OTHER_SCHOOL)
    foreign = a_transcript(transcript_id="trn_2", student_id="per_b", school_id=OTHER_SCHOOL)
    house = a_house(an_open(), elsewhere, foreign, a_student(person_id="per_b", guardians=(OTHER_GUARDIAN,)))

    async def seen(who: str, path: str, name: str) -> list[str]:
        async with house.program(who) as client:
            return [row[name] for row in (await client.get(path)).json()]

    assert await seen(GUARDIAN, "/consent/requests", "request_id") == [REQUEST]
    assert await seen(STUDENT, "/consent/requests", "request_id") == [REQUEST]
    assert await seen(OTHER_GUARDIAN, "/consent/requests", "request_id") == ["req_2"]
    assert await seen(REGISTRAR, "/consent/requests", "request_id") == []
    assert await seen(GUARDIAN, "/consent/transcripts", "transcript_id") == [TRANSCRIPT]
    assert await seen(REGISTRAR, f"/consent/schools/{SCHOOL}/requests", "request_id") == [REQUEST]
    assert await seen(REGISTRAR, f"/consent/schools/{SCHOOL}/requests?status=approved", "request_id") == []
    assert await seen(REGISTRAR, f"/consent/schools/{SCHOOL}/requests?page=1", "request_id") == []
    assert await seen(REGISTRAR, f"/consent/transcripts?school_id={SCHOOL}", "transcript_id") == [TRANSCRIPT]


async def test_after_the_18th_birthday_the_guardian_sees_nothing_more() -> None:
    house = House((an_adult(), a_school(), a_recipient(), a_transcript(), an_approved_request(expires_at=FAR)))
    async with house.program(GUARDIAN) as client:
        assert (await client.get("/consent/requests")).json() == []
        assert (await client.get("/consent/transcripts")).json() == []
        assert (await client.get(f"/consent/requests/{REQUEST}")).status_code == 404
        assert (await client.post("/consent/requests", json=NEW)).status_code == 404


async def test_opening_as_what_one_is_to_the_student() -> None:
    for who, capacity in ((STUDENT, "student-direction"), (GUARDIAN, "guardian"), (REGISTRAR, "registrar")):
        house = a_house()
        async with house.program(who) as client:
            answer = await client.post("/consent/requests", json=NEW)
        body = answer.json()
        assert (answer.status_code, body["opened_as"], body["opened_by"]) == (201, capacity, who)
        assert (body["signers"], body["status"], body["package_digest"]) == ([GUARDIAN], "open", PACKAGE_DIGEST)
        assert house.said == ["consent.request.opened.v1"]


async def test_the_same_idempotency_key_opens_one_request() -> None:
    house = a_house()
    async with house.program(GUARDIAN) as client:
        sent = [await client.post("/consent/requests", json=NEW, headers={"idempotency-key": "k1"}) for _ in range(2)]
        other = await client.post("/consent/requests", json=NEW, headers={"idempotency-key": "k2"})
        reused = await client.post(
            "/consent/requests", json={**NEW, "purpose": "scholarship"}, headers={"idempotency-key": "k1"}
        )
    assert sent[0].json() == sent[1].json()
    assert other.json()["request_id"] != sent[0].json()["request_id"]
    assert reused.status_code == 409
    # Somebody else's key of the same name is another key.
    async with house.program(STUDENT) as client:
        theirs = await client.post("/consent/requests", json=NEW, headers={"idempotency-key": "k1"})
    assert theirs.json()["request_id"] != sent[0].json()["request_id"]
    assert len(house.said) == 3


@pytest.mark.parametrize(
    "body",
    [
        {**NEW, "purpose": "marketing"},
        {**NEW, "extra": 1},
        {**NEW, "transcript_id": "t" * 41},
        {**NEW, "parts": ["p" * 101]},
        {**NEW, "parts": ["p"] * 301},
        {**NEW, "parts": ["c9"]},
        {**NEW, "sign_by": "tomorrow"},
        {"transcript_id": TRANSCRIPT},
        [],
    ],
    ids=[
        "commercial",
        "extra",
        "long id",
        "long part",
        "many parts",
        "unknown part",
        "no time",
        "missing",
        "no object",
    ],
)
async def test_what_does_not_fit_is_refused_with_its_place_and_never_repeated(body: Any) -> None:
    house = a_house()
    async with house.program(GUARDIAN) as client:
        answer = await client.post("/consent/requests", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert "marketing" not in answer.text
    assert house.said == []


async def test_an_idempotency_key_is_bounded() -> None:
    async with a_house().program(GUARDIAN) as client:
        for key in ("k" * 101, "with space"):
            answer = await client.post("/consent/requests", json=NEW, headers={"idempotency-key": key})
            assert answer.status_code == 422


async def test_what_a_school_forbids_can_not_be_opened() -> None:
    school = a_school(policy=a_policy(recipient_kinds=(OrganizationKind.COLLEGE,)))
    firm = a_recipient(OrganizationKind.EMPLOYER)
    house = House((a_student(), school, a_recipient(), firm, a_transcript()))
    async with house.program(REGISTRAR) as client:
        body = {**NEW, "recipient_id": firm.organization_id, "purpose": "employment"}
        answer = await client.post("/consent/requests", json=body)
    assert answer.status_code == 403


async def test_the_notice_comes_with_the_digest_that_a_signature_cites() -> None:
    async with a_house().program(GUARDIAN) as client:
        english = (await client.get("/consent/notice")).json()
        spanish = (await client.get("/consent/notice?language=es")).json()
    assert (english["digest"], english["text"]) == (NOTICE, notice_in("en").text)
    assert (spanish["language"], spanish["digest"]) == ("es", notice_in("es").digest)


async def test_a_view_of_a_request_that_waits_for_its_package_says_so() -> None:
    house = a_house(an_open(package=None))
    async with house.program(GUARDIAN) as client:
        body = (await client.get(f"/consent/requests/{REQUEST}")).json()
    assert (body["package_id"], body["package_digest"], body["partial"]) == (None, None, None)


def test_the_document_of_the_api_names_a_right_for_every_operation() -> None:
    document = http.openapi(a_house().app)
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert len(operations) == 13
    assert all(operation["summary"] and operation["x-right"] for operation in operations)
    assert [one["operationId"] for one in operations if one["x-right"] == "anyone"] == ["grant_keys_consent_keys_get"]
