"""Recipients: who may be asked for at all, and what happens when their side is not well."""

import asyncio
import json

import pytest

from deploy.demo import acts
from tests.support.house import Caller, Json, Refused, World, refused, until
from tests.support.receiver import Receiver

pytestmark = pytest.mark.connected


async def test_nothing_can_be_asked_for_a_recipient_that_is_not_verified(world: World) -> None:
    quick = await world.recruit("Quickdegree Online", standing="unverified", endpoint=False)
    family = await world.family()
    no = await refused(world.ask(family, quick))
    assert no.status == 409
    assert "verified" in no.detail


async def test_p17_a_school_that_forbids_employers_makes_such_a_request_impossible_to_open(
    world: World, employer: Receiver
) -> None:
    family = await world.family()
    no = await refused(world.ask(family, employer, purpose="employment"))
    assert no.status == 403
    assert not await world.documents["consent"]["requests"].count_documents(
        {"student_id": family.student.person_id, "recipient_id": employer.organization_id}
    )


@pytest.mark.parametrize("purpose", ["marketing", "advertising", "sale", "data-broking", "", "ADMISSION", "employment"])
async def test_p3_a_purpose_that_is_commercial_unknown_or_not_this_recipients_is_refused(
    world: World, college: Receiver, purpose: str
) -> None:
    family = await world.any_family()
    no = await refused(world.ask(family, college, purpose=purpose))
    assert no.status == 422


async def test_a_recipient_suspended_between_release_and_opening_can_open_nothing(world: World) -> None:
    wobbly = await world.recruit("Wobbly College")
    wobbly.mood = "idle"
    family = await world.family()
    request = await world.ask(family, wobbly)
    await acts.sign(family.signer, request["request_id"])
    await world.until_stage(family, request["request_id"], "available")
    program = await wobbly.program()
    path = f"/identity/organizations/{wobbly.organization_id}/standing"
    await world.operator.post(path, {"standing": "suspended"})
    for service in ("consent", "delivery"):
        await world.heard(service, wobbly.organization_id, lambda row: row["standing"] == "suspended")
    delivery = (await program.get("/delivery/deliveries"))[0]
    notice = {"redisclosure_notice": delivery["redisclosure_notice"]["version"]}
    no = await refused(program.post(f"/delivery/deliveries/{delivery['delivery_id']}/open", notice))
    assert no.status == 403
    assert (await refused(world.ask(family, wobbly))).status == 409, "nor can anything new be asked for it"


async def test_a_recipient_suspended_between_asking_and_signing_is_approved_for_nothing(world: World) -> None:
    shaky = await world.recruit("Shaky College")
    family = await world.family()
    request = await world.ask(family, shaky)
    path = f"/identity/organizations/{shaky.organization_id}/standing"
    await world.operator.post(path, {"standing": "suspended"})
    await world.heard("consent", shaky.organization_id, lambda row: row["standing"] == "suspended")
    assert (await refused(acts.sign(family.signer, request["request_id"]))).status == 409


async def test_a_busy_endpoint_is_told_again_under_the_same_id_with_the_same_bytes(world: World) -> None:
    busy = await world.recruit("Busybrook College")
    busy.mood = "busy"
    family = await world.family()
    request = await world.ask(family, busy)
    await acts.sign(family.signer, request["request_id"])
    await until(lambda: told(busy, request["request_id"], 1), "the first webhook")
    busy.mood = "well"
    await world.until_stage(family, request["request_id"], "acknowledged")
    hooks = busy.told_of(request["request_id"])
    assert len(hooks) >= 2
    assert len({(hook.id, hook.body) for hook in hooks}) == 1
    assert hooks[1].at - hooks[0].at >= 1, "not before Retry-After"


async def test_an_endpoint_that_answers_410_is_told_no_more_until_its_owner_enables_it(world: World) -> None:
    gone = await world.recruit("Gonefield College")
    gone.mood = "gone"
    family = await world.family()
    request = await world.ask(family, gone)
    await acts.sign(family.signer, request["request_id"])
    program = await gone.program()

    async def disabled() -> bool:
        endpoint = await program.get("/delivery/endpoints/main")
        return (endpoint["state"], endpoint["why"]) == ("disabled", "gone")

    await until(disabled, "the endpoint to be disabled")
    await world.until_stage(family, request["request_id"], "unreachable")
    assert len(gone.told_of(request["request_id"])) == 1, "once, and not again"
    gone.mood = "well"
    await world.name_endpoint(gone)
    await world.until_stage(family, request["request_id"], "acknowledged")


async def test_an_endpoint_named_later_is_told_what_waited_for_it(world: World) -> None:
    late = await world.recruit("Latecomer College", endpoint=False)
    family = await world.family()
    request = await world.ask(family, late)
    await acts.sign(family.signer, request["request_id"])
    await world.until_stage(family, request["request_id"], "available")
    assert late.hooks == []
    await world.name_endpoint(late)
    await world.until_stage(family, request["request_id"], "acknowledged")


async def test_an_endpoint_that_is_down_is_told_when_it_is_back(world: World) -> None:
    down = await world.recruit("Downing College")
    await down.close()
    family = await world.family()
    request = await world.ask(family, down)
    await acts.sign(family.signer, request["request_id"])
    program = await down.program()

    async def has_failed() -> bool:
        attempts = await program.get("/delivery/endpoints/main/attempts")
        return bool(attempts) and attempts[0]["failures"] >= 1

    await until(has_failed, "the first attempt to fail")
    await down.listen()
    await world.until_stage(family, request["request_id"], "acknowledged")


async def test_a_command_sent_twice_under_one_key_is_carried_out_once(world: World, college: Receiver) -> None:
    family = await world.family()
    body = {
        "transcript_id": family.transcript["transcript_id"],
        "recipient_id": college.organization_id,
        "purpose": "admission",
    }
    answers = await asyncio.gather(*(keyed(family.student, body, "same-key") for _ in range(4)))
    assert len({one["request_id"] for one in answers}) == 1
    other = {**body, "purpose": "scholarship"}
    assert (await refused(keyed(family.student, other, "same-key"))).status == 409


async def test_an_acknowledgement_of_other_bytes_is_told_and_not_counted(world: World) -> None:
    odd = await world.recruit("Oddly College")
    odd.mood = "idle"
    family = await world.family()
    request = await world.ask(family, odd)
    await acts.sign(family.signer, request["request_id"])
    await world.until_stage(family, request["request_id"], "available")
    delivery = await odd.delivery_of(request["request_id"])
    assert delivery is not None
    program, path = await odd.program(), f"/delivery/deliveries/{delivery['delivery_id']}"
    notice = {"redisclosure_notice": delivery["redisclosure_notice"]["version"]}
    assert (await refused(program.post(f"{path}/open", {"redisclosure_notice": "none"}))).status == 422
    assert (await refused(program.post(f"{path}/acknowledge", {"digest": "sha256:" + "1" * 64}))).status == 409
    await program.post(f"{path}/open", notice)
    answer = await program.post(f"{path}/acknowledge", {"digest": "sha256:" + "1" * 64})
    assert answer["matches"] is False
    await world.until_stage(family, request["request_id"], "mismatched")


async def keyed(who: Caller, body: Json, key: str) -> Json:
    """A request opened under an idempotency key."""
    headers = {"authorization": f"Bearer {who.token}", "idempotency-key": key}
    async with who.web.post(f"{who.origin}/consent/requests", json=body, headers=headers) as answer:
        found = json.loads(await answer.read())
        if answer.status >= 400:
            raise Refused(answer.status, found["detail"], found)
        return found


async def told(recipient: Receiver, request_id: str, times: int) -> bool:
    return len(recipient.told_of(request_id)) >= times
