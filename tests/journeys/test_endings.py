"""How a request ends without a release, or stops after one: refused, run out, taken back, held, overtaken."""

import copy

import pytest

from deploy.demo import acts
from tests.support.house import ALDER, Json, World, moment, refused, until
from tests.support.receiver import Receiver
from tests.support.town import transcript_of

pytestmark = pytest.mark.connected


async def test_a_guardian_says_no_and_nobody_can_sign_any_more(world: World, college: Receiver) -> None:
    family = await world.family()
    request = await world.ask(family, college)
    end = await family.signer.post(f"/consent/requests/{request['request_id']}/refusal")
    assert end["status"] == "refused"
    assert (await refused(acts.sign(family.signer, request["request_id"]))).status == 409
    assert await college.delivery_of(request["request_id"]) is None


async def test_a_request_that_nobody_signs_in_time_runs_out(world: World, college: Receiver) -> None:
    family = await world.family()
    request = await world.ask(family, college, sign_by=moment(seconds=1))
    await world.until_status(family, request["request_id"], "expired")
    assert (await refused(acts.sign(family.signer, request["request_id"]))).status in {409, 410}


async def test_what_is_taken_back_before_anybody_signed_is_never_released(world: World, college: Receiver) -> None:
    family = await world.family()
    request = await world.ask(family, college)
    end = await acts.take_back(family.signer, request["request_id"])
    assert end["status"] == "revoked"
    assert (await refused(acts.sign(family.signer, request["request_id"]))).status == 409
    assert await college.delivery_of(request["request_id"]) is None


async def test_what_is_taken_back_after_the_release_is_never_opened(world: World) -> None:
    idle = await world.recruit("Idle College")
    idle.mood = "idle"
    family = await world.family()
    request = await world.ask(family, idle)
    await acts.sign(family.signer, request["request_id"])
    await world.until_stage(family, request["request_id"], "available")
    await acts.take_back(family.signer, request["request_id"])
    delivery = await cancelled(idle, request)
    assert delivery["links"] == {}, "nothing to open is offered"
    for no in await tries(idle, delivery):
        assert no == 410
    assert [hook for hook in idle.told_of(request["request_id"]) if "transcript.revoked" in hook.body], "and it is told"


async def test_what_is_taken_back_after_it_was_opened_is_given_out_no_more_and_stays_in_the_ledger(
    world: World, college: Receiver
) -> None:
    family = await world.family()
    end = await world.release(family, college)
    await acts.take_back(family.signer, end["request_id"])
    delivery = await cancelled(college, end)
    program = await college.program()
    assert (await refused(program.get(f"/delivery/deliveries/{delivery['delivery_id']}/content"))).status == 410
    raw = await family.signer.get(f"/delivery/ledger?student_id={family.student.person_id}")
    assert end["request_id"].encode() in raw, "what was disclosed is not forgotten"
    assert (await family.student.get(f"/consent/requests/{end['request_id']}"))["status"] == "revoked"


async def test_a_hold_keeps_an_approved_release_back_until_the_school_lifts_it(world: World, college: Receiver) -> None:
    family, registrar = await world.family(), await world.registrar(ALDER)
    path = f"/records/transcripts/{family.transcript['transcript_id']}/hold"
    await registrar.put(path, {"reason": "enrollment", "until": moment(seconds=3_600)})
    request = await world.ask(family, college)
    await acts.sign(family.signer, request["request_id"])
    await world.until_stage(family, request["request_id"], "on-hold")
    assert await college.delivery_of(request["request_id"]) is None
    await registrar.call("DELETE", path)
    await world.until_stage(family, request["request_id"], "acknowledged")


async def test_a_hold_that_is_outlived_by_a_revocation_releases_nothing(world: World, college: Receiver) -> None:
    family, registrar = await world.family(), await world.registrar(ALDER)
    path = f"/records/transcripts/{family.transcript['transcript_id']}/hold"
    await registrar.put(path, {"reason": "fees", "until": moment(seconds=3_600)})
    request = await world.ask(family, college)
    await acts.sign(family.signer, request["request_id"])
    await world.until_stage(family, request["request_id"], "on-hold")
    await acts.take_back(family.signer, request["request_id"])

    async def has_ended() -> bool:
        return bool(
            await world.documents["records"]["releases"].count_documents(
                {"_id": request["request_id"], "status": "ended"}
            )
        )

    await until(has_ended, "records to hear that it was taken back")
    await registrar.call("DELETE", path)
    end = await world.release(await world.family(), college)
    assert end["stage"] == "acknowledged", "others go on"
    assert await college.delivery_of(request["request_id"]) is None


async def test_a_new_version_ends_every_request_for_the_old_one(world: World, college: Receiver) -> None:
    family, registrar = await world.family(), await world.registrar(ALDER, 3)
    request = await world.ask(family, college)
    content = copy.deepcopy(transcript_of(family.resident))
    content["credits"] = content["credits"][:-1]
    body = {"student_sourced_id": family.resident.sourced_id, "roster_source": "source-al", "content": content}
    draft = await registrar.post(f"/records/schools/{world.schools['al']}/transcripts", body)
    step_up = await registrar.step_up("records.seal", draft["transcript_id"], draft["draft_digest"])
    path = f"/records/transcripts/{draft['transcript_id']}/seal"
    sealed = await registrar.post(path, {"digest": draft["draft_digest"]}, step_up=step_up)
    assert sealed["transcript_version"] == 2
    await world.until_status(family, request["request_id"], "invalidated")
    assert (await refused(acts.sign(family.signer, request["request_id"]))).status == 409
    end = await world.release(family, college)
    assert end["transcript_version"] == 2, "a new request is for the new version"


async def cancelled(recipient: Receiver, request: Json) -> Json:
    """The delivery, as soon as the recipient sees it cancelled."""
    found: list[Json] = []

    async def is_cancelled() -> bool:
        delivery = await recipient.delivery_of(request["request_id"])
        found[:] = [delivery] if delivery else []
        return delivery is not None and delivery["status"] == "cancelled"

    await until(is_cancelled, "the delivery to be cancelled")
    return found[0]


async def tries(recipient: Receiver, delivery: Json) -> list[int]:
    """What opening and fetching are answered with."""
    program, path = await recipient.program(), f"/delivery/deliveries/{delivery['delivery_id']}"
    notice = {"redisclosure_notice": delivery["redisclosure_notice"]["version"]}
    calls = [
        program.post(f"{path}/open", notice),
        program.get(f"{path}/content"),
        program.get(f"{path}/content/transcript.pdf"),
    ]
    return [(await refused(call)).status for call in calls]
