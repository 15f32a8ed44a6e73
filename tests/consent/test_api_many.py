"""HTTP in: a registrar approves a whole class in one act, and each request of it has its own verdict."""

from collections.abc import Sequence
from typing import Any

import pytest

from contracts.types import RequestId
from services.chassis import clock
from services.chassis.web.auth import digest_of_many
from services.consent.domain import Request, Status
from tests.consent.build import (
    AT,
    NOTICE,
    OTHER_DIGEST,
    OTHER_SCHOOL,
    PACKAGE_DIGEST,
    REGISTRAR,
    SCHOOL,
    a_signed_request,
    an_approved_request,
    grant_in,
)
from tests.consent.house import (
    APPROVE,
    OTHER_REGISTRAR,
    PROGRAM,
    House,
    a_house,
    a_signed,
    a_step_up,
    an_open,
)

PATH = f"/consent/schools/{SCHOOL}/approvals"
APPROVED = "consent.request.approved.v1"
NOTHING_TO_TELL = {"status": None, "problem": "not-found", "detail": "there is no such request at your school"}


def a_class(size: int, **changes: Any) -> list[Request]:
    return [a_signed(request_id=f"req_{number:04}", **changes) for number in range(size)]


def named(*ids: str, package: str = PACKAGE_DIGEST) -> list[dict[str, str]]:
    return [{"request_id": one, "package": package} for one in ids]


def step_up_for(wanted: Sequence[dict[str, str]], who: str = REGISTRAR, **changes: Any) -> str:
    digest = digest_of_many((RequestId(one["request_id"]), one["package"]) for one in wanted)
    return a_step_up(who, APPROVE, SCHOOL, digest, **changes)


async def approve(
    house: House, wanted: Sequence[dict[str, str]], *, who: str = REGISTRAR, step_up: str | None = None
) -> Any:
    body = {"requests": wanted, "notice": NOTICE}
    async with house.program(who) as client:
        return await client.post(PATH, json=body, headers={"x-step-up": step_up or step_up_for(wanted, who)})


async def test_what_is_listed_is_approved_with_the_digest_that_the_list_gives() -> None:
    house = a_house(*a_class(450), an_open(request_id="req_open"), an_approved_request(request_id="req_done"))
    async with house.program(REGISTRAR) as client:
        listed = (await client.get(PATH)).json()
        assert (await client.get(PATH, params={"page": 1})).json()["requests"] == []
    wanted = [{"request_id": one["request_id"], "package": one["package_digest"]} for one in listed["requests"]]
    assert len(wanted) == 450
    answer = await approve(house, wanted, step_up=a_step_up(REGISTRAR, APPROVE, SCHOOL, listed["digest"]))
    assert {one["status"] for one in answer.json()} == {"approved"}
    assert [one["request_id"] for one in answer.json()] == [one["request_id"] for one in wanted]
    assert house.said == [APPROVED] * 450
    grants = [grant_in((await house.request(one["request_id"])).grant, now=clock.now()) for one in wanted]
    assert len({one.jti for one in grants}) == 450
    async with house.program(REGISTRAR) as client:
        assert (await client.get(PATH)).json()["requests"] == []


async def test_one_that_can_not_be_approved_keeps_none_of_the_others_back() -> None:
    house = a_house(
        a_signed(request_id="req_good"),
        a_signed_request(request_id="req_late", expires_at=AT),
        an_open(request_id="req_unsigned", school_approves=True),
        a_signed(request_id="req_foreign", school_id=OTHER_SCHOOL),
        a_signed(request_id="req_also_good"),
    )
    wanted = [*named("req_good", "req_late", "req_unsigned", "req_foreign", "req_missing"), *named("req_also_good")]
    told = {one.pop("request_id"): one for one in (await approve(house, wanted)).json()}
    assert told["req_good"] == told["req_also_good"] == {"status": "approved", "problem": None, "detail": None}
    assert told["req_late"]["problem"] == "expired"
    assert told["req_unsigned"]["problem"] == "conflict"
    assert told["req_foreign"] == told["req_missing"] == NOTHING_TO_TELL
    assert house.said == [APPROVED] * 2
    assert (await house.request("req_foreign")).status is Status.SIGNED


async def test_other_bytes_than_would_be_sent_are_not_approved() -> None:
    house = a_house(*a_class(2))
    wanted = [*named("req_0000", package=OTHER_DIGEST), *named("req_0001")]
    told = (await approve(house, wanted)).json()
    assert [one["problem"] for one in told] == ["conflict", None]
    assert house.said == [APPROVED]


async def test_sent_again_nothing_is_approved_twice() -> None:
    house = a_house(*a_class(3))
    wanted = named("req_0000", "req_0001", "req_0002")
    step_up = step_up_for(wanted)
    first = await approve(house, wanted, step_up=step_up)
    again = await approve(house, wanted, step_up=step_up)
    anew = await approve(house, wanted)
    assert first.json() == again.json() == anew.json()
    assert house.said == [APPROVED] * 3


@pytest.mark.parametrize(
    "others",
    [named("req_0000"), named("req_0000", "req_0001", "req_0002"), named("req_0000", "req_0001", package=OTHER_DIGEST)],
    ids=["fewer", "more", "other bytes"],
)
async def test_a_step_up_for_another_list_approves_nothing(others: list[dict[str, str]]) -> None:
    house = a_house(*a_class(3))
    answer = await approve(house, named("req_0000", "req_0001"), step_up=step_up_for(others))
    assert (answer.status_code, answer.json()["type"]) == (401, "/problems/step-up-needed")
    assert house.said == []


@pytest.mark.parametrize("who", [OTHER_REGISTRAR, PROGRAM])
async def test_a_registrar_of_another_school_and_a_program_approve_nothing(who: str) -> None:
    house = a_house(*a_class(1))
    answer = await approve(house, named("req_0000"), who=who)
    assert answer.status_code == (404 if who == OTHER_REGISTRAR else 401)
    assert house.said == []


async def test_another_school_lists_nothing() -> None:
    async with a_house(*a_class(1)).program(OTHER_REGISTRAR) as client:
        assert (await client.get(PATH)).status_code == 404


@pytest.mark.parametrize("wanted", [[], named("req_1", "req_1"), named(*(f"req_{n}" for n in range(1_001)))])
async def test_none_too_many_and_one_twice_are_refused_as_a_whole(wanted: list[dict[str, str]]) -> None:
    assert (await approve(a_house(), wanted)).status_code == 422
