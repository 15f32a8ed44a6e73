"""HTTP in: deny by default, a stranger's and a missing one alike, step-ups bound to the act, each command once."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import httpx
import pytest

from contracts.types import OrganizationKind
from services.chassis import clock
from services.chassis.web import http
from services.consent.domain import NO_SUCH_REQUEST, Status, notice_in
from tests.consent.build import (
    COLLEGE,
    GUARDIAN,
    KEY,
    NOTICE,
    OTHER_DIGEST,
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
    a_request,
    a_school,
    a_signed_request,
    a_student,
    a_transcript,
    an_adult,
    an_approved_request,
    grant_in,
    the_house,
)
from tests.consent.house import EDUCATOR, OTHER_REGISTRAR, PROGRAM, READER, House, a_step_up

FAR = clock.now() + timedelta(days=20)
NEW = {"transcript_id": TRANSCRIPT, "recipient_id": COLLEGE, "purpose": "admission"}
SHOWN = {"package": PACKAGE_DIGEST, "notice": NOTICE}
SIGN, APPROVE, REVOKE = "consent.sign", "consent.approve", "consent.revoke"


def a_house(*states: Any) -> House:
    return House(the_house(*states))


def an_open(**changes: Any) -> Any:
    return a_request(expires_at=FAR, **changes)


def a_signed(**changes: Any) -> Any:
    return a_signed_request(expires_at=FAR, **changes)


def without_instance(answer: httpx.Response) -> Mapping[str, Any]:
    return {name: value for name, value in answer.json().items() if name != "instance"}


ROUTES = {
    ("GET", "/consent/transcripts"): "signed in",
    ("GET", f"/consent/transcripts?school_id={SCHOOL}"): "signed in",
    ("GET", "/consent/notice"): "signed in",
    ("GET", "/consent/requests"): "signed in",
    ("GET", f"/consent/schools/{SCHOOL}/requests"): "registrar",
    ("GET", f"/consent/requests/{REQUEST}"): "signed in",
    ("POST", "/consent/requests"): "signed in",
    ("POST", f"/consent/requests/{REQUEST}/signature"): "signed in",
    ("POST", f"/consent/requests/{REQUEST}/school-approval"): "registrar",
    ("POST", f"/consent/requests/{REQUEST}/refusal"): "signed in",
    ("POST", f"/consent/requests/{REQUEST}/revocation"): "signed in",
}
PAGES = ("/consent/view", "/consent/ask", "/consent/pick")
PEOPLE = [STUDENT, GUARDIAN, OTHER_GUARDIAN, STRANGER, REGISTRAR, OTHER_REGISTRAR, EDUCATOR, READER, PROGRAM]
BODIES: dict[str, Any] = {"requests": NEW, "signature": SHOWN, "school-approval": SHOWN}

# Who gets in, for a request that is open. Everybody and everything not named here gets a 401, 403 or 404.
MAY: dict[tuple[str, str], dict[str, int]] = {
    ("GET", "/consent/transcripts"): dict.fromkeys([*PEOPLE[:-1]], 200),
    ("GET", f"/consent/transcripts?school_id={SCHOOL}"): {REGISTRAR: 200},
    ("GET", "/consent/notice"): dict.fromkeys([*PEOPLE[:-1]], 200),
    ("GET", "/consent/requests"): dict.fromkeys([*PEOPLE[:-1]], 200),
    ("GET", f"/consent/schools/{SCHOOL}/requests"): {REGISTRAR: 200, PROGRAM: 200},
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


async def test_a_stranger_with_a_step_up_can_not_tell_a_request_from_none() -> None:
    house = a_house(an_open())
    answers = []
    for on in (REQUEST, REQUEST, "req_none"):
        async with house.program(STRANGER) as client:
            step_up = a_step_up(STRANGER, SIGN, on, PACKAGE_DIGEST, jti="stp_" + "1" * 26)
            sent = await client.post(f"/consent/requests/{on}/signature", json=SHOWN, headers={"x-step-up": step_up})
            answers.append(without_instance(sent))
    assert answers[0] == answers[1] == answers[2]
    assert answers[0]["status"] == 404


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


async def test_signing_with_a_step_up_for_exactly_this_approves() -> None:
    house = a_house(an_open())
    step_up = a_step_up(GUARDIAN, SIGN, REQUEST, PACKAGE_DIGEST)
    async with house.program(GUARDIAN) as client:
        path, headers = f"/consent/requests/{REQUEST}/signature", {"x-step-up": step_up}
        answer = await client.post(path, json=SHOWN, headers=headers)
        again = await client.post(path, json=SHOWN, headers=headers)
    assert (answer.status_code, answer.json()["status"]) == (200, "approved")
    assert again.json() == answer.json()
    assert "grant" not in answer.json(), "the grant is for records and delivery"
    assert answer.json()["basis"]["code"] == "guardian-consent"
    request = await house.request(REQUEST)
    assert grant_in(request.grant, now=clock.now()).grantor.method == "totp"
    assert house.said == ["consent.request.approved.v1"]


WRONG: dict[str, dict[str, Any]] = {
    "for another act": {"act": APPROVE},
    "for another request": {"on": "req_2"},
    "for other bytes": {"digest": OTHER_DIGEST},
    "for no bytes": {"digest": None},
    "of somebody else": {"sub": OTHER_GUARDIAN},
    "from yesterday": {"iat": 1_700_000_000, "exp": 1_700_000_300},
}


@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG)
async def test_a_step_up_for_anything_else_signs_nothing(changes: dict[str, Any]) -> None:
    house = a_house(an_open())
    step_up = a_step_up(GUARDIAN, SIGN, REQUEST, PACKAGE_DIGEST, **changes)
    async with house.program(GUARDIAN) as client:
        answer = await client.post(f"/consent/requests/{REQUEST}/signature", json=SHOWN, headers={"x-step-up": step_up})
    assert (answer.status_code, answer.json()["type"]) == (401, "/problems/step-up-needed")
    assert house.said == []


async def test_what_is_signed_is_what_is_sent_or_nothing() -> None:
    house = a_house(an_open())
    step_up = a_step_up(GUARDIAN, SIGN, REQUEST, OTHER_DIGEST)
    async with house.program(GUARDIAN) as client:
        answer = await client.post(
            f"/consent/requests/{REQUEST}/signature",
            json={**SHOWN, "package": OTHER_DIGEST},
            headers={"x-step-up": step_up},
        )
    assert answer.status_code == 409
    assert house.said == []


async def test_the_school_approves_with_its_own_step_up() -> None:
    house = a_house(a_signed())
    path = f"/consent/requests/{REQUEST}/school-approval"
    async with house.program(REGISTRAR) as client:
        family = a_step_up(REGISTRAR, SIGN, REQUEST, PACKAGE_DIGEST)
        assert (await client.post(path, json=SHOWN, headers={"x-step-up": family})).status_code == 401
        own = a_step_up(REGISTRAR, APPROVE, REQUEST, PACKAGE_DIGEST)
        answer = await client.post(path, json=SHOWN, headers={"x-step-up": own})
    assert (answer.status_code, answer.json()["status"]) == (200, "approved")
    async with house.program(OTHER_REGISTRAR) as client:
        foreign = a_step_up(OTHER_REGISTRAR, APPROVE, REQUEST, PACKAGE_DIGEST)
        answer = await client.post(path, json=SHOWN, headers={"x-step-up": foreign})
        assert without_instance(answer)["detail"] == NO_SUCH_REQUEST.detail


async def test_the_family_can_not_approve_for_the_school() -> None:
    house = a_house(a_signed())
    async with house.program(GUARDIAN) as client:
        step_up = a_step_up(GUARDIAN, APPROVE, REQUEST, PACKAGE_DIGEST)
        answer = await client.post(
            f"/consent/requests/{REQUEST}/school-approval", json=SHOWN, headers={"x-step-up": step_up}
        )
    assert answer.status_code == 403
    assert house.said == []


async def test_a_registrar_who_is_a_guardian_elsewhere_too_approves_only_at_the_own_school() -> None:
    house = a_house(
        a_signed(school_id=OTHER_SCHOOL, student_id=STUDENT, signers=(REGISTRAR,)),
    )
    house.store.tables["students"][STUDENT]["guardians"] = (REGISTRAR,)
    async with house.program(REGISTRAR) as client:
        step_up = a_step_up(REGISTRAR, APPROVE, REQUEST, PACKAGE_DIGEST)
        answer = await client.post(
            f"/consent/requests/{REQUEST}/school-approval", json=SHOWN, headers={"x-step-up": step_up}
        )
    assert answer.status_code == 404


async def test_taking_back_needs_a_step_up_and_works_afterwards() -> None:
    house = a_house(an_approved_request())
    path = f"/consent/requests/{REQUEST}/revocation"
    async with house.program(GUARDIAN) as client:
        assert (await client.post(path)).status_code == 401
        answer = await client.post(path, headers={"x-step-up": a_step_up(GUARDIAN, REVOKE, REQUEST)})
    assert (answer.json()["status"], answer.json()["stage"]) == ("revoked", "cancelled")
    assert house.said == ["consent.request.revoked.v1"]


@pytest.mark.parametrize(("who", "capacity"), [(GUARDIAN, "guardian"), (REGISTRAR, "registrar")])
async def test_refusing_needs_no_more_than_being_asked(who: str, capacity: str) -> None:
    house = a_house(an_open())
    async with house.program(who) as client:
        answer = await client.post(f"/consent/requests/{REQUEST}/refusal")
        again = await client.post(f"/consent/requests/{REQUEST}/refusal")
    assert answer.json()["story"][-1]["capacity"] == capacity
    assert again.json()["status"] == "refused"
    assert house.said == ["consent.request.refused.v1"]


async def test_the_school_stops_what_was_approved() -> None:
    house = a_house(an_approved_request())
    async with house.program(REGISTRAR) as client:
        step_up = a_step_up(REGISTRAR, REVOKE, REQUEST)
        answer = await client.post(f"/consent/requests/{REQUEST}/revocation", headers={"x-step-up": step_up})
    assert answer.json()["status"] == "revoked"
    assert (await house.request(REQUEST)).status is Status.REVOKED


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


async def test_a_session_cookie_alone_acts_on_nothing() -> None:
    house = a_house(an_open())
    async with house.browser(GUARDIAN) as client:
        answer = await client.post(f"/consent/requests/{REQUEST}/refusal")
    assert answer.status_code == 403
    assert house.said == []


async def test_a_view_of_a_request_that_waits_for_its_package_says_so() -> None:
    house = a_house(an_open(package=None))
    async with house.program(GUARDIAN) as client:
        body = (await client.get(f"/consent/requests/{REQUEST}")).json()
    assert (body["package_id"], body["package_digest"], body["partial"]) == (None, None, None)


def test_the_document_of_the_api_names_a_right_for_every_operation() -> None:
    document = http.openapi(a_house().app)
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert len(operations) == 11
    assert all(operation["summary"] and operation["x-right"] for operation in operations)
    assert [one["operationId"] for one in operations if one["x-right"] == "anyone"] == ["grant_keys_consent_keys_get"]
