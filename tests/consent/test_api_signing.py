"""HTTP in: who signs, approves, refuses and takes back, each with a step-up for exactly this act."""

from typing import Any

import pytest

from services.chassis import clock
from services.consent.domain import NO_SUCH_REQUEST, Status
from tests.consent.build import (
    GUARDIAN,
    OTHER_DIGEST,
    OTHER_GUARDIAN,
    OTHER_SCHOOL,
    PACKAGE_DIGEST,
    REGISTRAR,
    REQUEST,
    STRANGER,
    STUDENT,
    an_approved_request,
    grant_in,
)
from tests.consent.house import (
    APPROVE,
    OTHER_REGISTRAR,
    REVOKE,
    SHOWN,
    SIGN,
    a_house,
    a_signed,
    a_step_up,
    an_open,
    without_instance,
)


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


async def test_a_session_cookie_alone_acts_on_nothing() -> None:
    house = a_house(an_open())
    async with house.browser(GUARDIAN) as client:
        answer = await client.post(f"/consent/requests/{REQUEST}/refusal")
    assert answer.status_code == 403
    assert house.said == []
