"""The way to a release: a verified approval of exactly these bytes, and nothing else."""

import base64
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from joserfc.jwk import OKPKey

from contracts.grant import GrantInvalid
from contracts.types import Basis, BasisCode, OrganizationId, PersonKind, RequestId, Selection
from services.chassis import clock, ids
from services.chassis.decision import Decision, Refusal
from services.chassis.kafka.hearing import Unwanted
from services.chassis.keys.sealing import Tampered, decrypt_package, open_with
from services.chassis.store.work import AlreadyDone
from services.records.domain.releasing import LiftHold
from services.records.domain.sealing import Withdraw
from services.records.domain.state import HoldReason, ReleaseStatus
from services.records.handlers.holds import HoldWish, waiting_over_job
from tests.records.world import COLLEGE, NOW, OTHER_SCHOOL, REGISTRAR, SCHOOL, STUDENT, World

RELEASED, WITHHELD = "records.transcript.released.v1", "records.release.withheld.v1"


async def hold(world: World, transcript, *, days: int = 30) -> None:
    at = clock.now()
    wish = HoldWish(
        transcript_id=transcript.transcript_id,
        school_id=SCHOOL,
        person_id=REGISTRAR,
        reason=HoldReason.REVIEW,
        note=None,
        until=at + timedelta(days=days),
        at=at,
    )
    assert isinstance(await world.holds.place(wish, cause=ids.new("cmd")), Decision)


async def lift(world: World, transcript) -> None:
    command = LiftHold(transcript_id=transcript.transcript_id, school_id=SCHOOL, at=clock.now())
    assert isinstance(await world.holds.lift(command, cause=ids.new("cmd")), Decision)


def delivery_key(world: World) -> X25519PrivateKey:
    key = world.delivery.private_key
    assert isinstance(key, X25519PrivateKey)
    return key


async def test_an_approval_releases_the_package_and_wraps_its_key_for_delivery(world: World) -> None:
    transcript, package = await world.sealed()
    await world.hear(await world.approved(transcript, package))
    (event,) = world.bodies(RELEASED)
    assert event["release_id"] == ids.derived("rel", "grt_req_1_0123456789")
    assert (event["package_digest"], event["place"], event["size"]) == (package.digest, package.place, package.size)
    info = f"placet-release:req_1:{package.digest}".encode()
    kept = open_with(delivery_key(world), event["sealed_key"], info=info)
    assert base64.b64encode(kept).decode() == package.kept_key.ciphertext
    key = await world.keys.open(package.kept_key)
    raw = decrypt_package(
        key, await world.vault.fetch(event["place"]), package_id=package.package_id, digest=package.digest
    )
    assert len(raw) == package.size


async def test_the_wrapped_key_opens_for_no_other_request(world: World) -> None:
    transcript, package = await world.sealed()
    await world.hear(await world.approved(transcript, package))
    (event,) = world.bodies(RELEASED)
    info = f"placet-release:req_2:{package.digest}".encode()
    with pytest.raises(Tampered):
        open_with(delivery_key(world), event["sealed_key"], info=info)


async def test_the_same_message_and_the_same_grant_release_once(world: World) -> None:
    transcript, package = await world.sealed()
    approval = await world.approved(transcript, package)
    (first,) = await world.hear(approval, message_id="evt_a")
    (same,) = await world.hear(approval, message_id="evt_a")
    (again,) = await world.hear(approval, message_id="evt_b")
    assert isinstance(first, Decision) and isinstance(same, AlreadyDone) and isinstance(again, Refusal)
    assert len(world.bodies(RELEASED)) == 1


async def test_a_crash_before_the_commit_releases_nothing_and_the_next_try_does(world: World) -> None:
    transcript, package = await world.sealed()
    approval = await world.approved(transcript, package)
    world.store.crash_before_commit = True
    await world.hear(approval, message_id="evt_a")
    assert world.bodies(RELEASED) == []
    world.store.crash_before_commit = False
    await world.hear(approval, message_id="evt_a")
    assert len(world.bodies(RELEASED)) == 1


async def test_a_forged_grant_is_set_aside(world: World) -> None:
    transcript, package = await world.sealed()
    forged = await world.approved(transcript, package, key=OKPKey.generate_key("Ed25519", auto_kid=True))
    assert world.consent.kid is not None
    thief = OKPKey.generate_key("Ed25519", parameters={"kid": world.consent.kid})
    for approval in (forged, await world.approved(transcript, package, key=thief)):
        (answer,) = await world.hear(approval)
        assert isinstance(answer, Unwanted) and "not signed by consent" in answer.reason
    assert world.bodies(RELEASED) == [] and await world.release() is None


@pytest.mark.parametrize(
    ("claims", "event", "word"),
    [
        ({"request_id": "req_9"}, {}, "request"),
        ({"school_id": OTHER_SCHOOL}, {}, "school"),
        ({"sub": "per_other"}, {}, "student"),
        ({"recipient_id": "org_other"}, {}, "recipient"),
        ({"basis": Basis(code=BasisCode.STUDENT_CONSENT, section="99.30", words="Other.")}, {}, "basis"),
        ({"exp": int(NOW.timestamp()) + 99 * 86_400}, {}, "end"),
        ({"package_id": "pkg_other"}, {}, "package"),
        ({"package_digest": "sha256:" + "0" * 64}, {}, "package digest"),
        ({"transcript_version": 9}, {}, "transcript version"),
        ({"transcript_id": "trn_x"}, {}, "transcript"),
        ({"transcript_digest": "sha256:" + "0" * 64}, {}, "transcript digest"),
        ({"selection": Selection(parts=("credit.S1",))}, {}, "selection"),
        ({}, {"request_id": "req_9"}, "request"),
        ({}, {"school_id": OTHER_SCHOOL}, "school"),
        ({}, {"student_id": "per_other"}, "student"),
        ({}, {"recipient_id": "org_other"}, "recipient"),
        ({}, {"package_digest": "sha256:" + "0" * 64}, "package digest"),
        ({}, {"valid_until": NOW + timedelta(days=500)}, "end"),
    ],
    ids=lambda value: ",".join(value) or "-" if isinstance(value, dict) else value,
)
async def test_a_grant_that_says_one_word_else_than_event_or_package_is_set_aside(world, claims, event, word) -> None:
    transcript, package = await world.sealed()
    approval = (await world.approved(transcript, package, claims=claims)).model_copy(update=event)
    (answer,) = await world.hear(approval)
    assert isinstance(answer, Unwanted) and f"the {word} is not the same" in answer.reason
    assert world.bodies(RELEASED) == []


@pytest.mark.parametrize("claims", [{"package_id": "pkg_other"}])
async def test_a_grant_about_what_is_not_there_is_set_aside(world: World, claims) -> None:
    transcript, package = await world.sealed()
    (answer,) = await world.hear(await world.approved(transcript, package, claims=claims, package_id="pkg_other"))
    assert isinstance(answer, Unwanted) and "no such package" in answer.reason


async def test_a_grant_for_others_than_records_is_set_aside(world: World) -> None:
    transcript, package = await world.sealed()
    (answer,) = await world.hear(await world.approved(transcript, package, claims={"aud": ("delivery",)}))
    assert isinstance(answer, Unwanted) and "not addressed to records" in answer.reason


async def test_a_package_that_is_not_prepared_is_not_released(world: World) -> None:
    transcript, _ = await world.sealed()
    await world.hear(await world.opened(transcript, "credit.S1"))
    (pending,) = [one for one in await world.questions.packages_of(transcript.transcript_id) if one.due_at]
    assert pending.digest == ""  # nothing that anybody could sign for
    whole = next(one for one in await world.questions.packages_of(transcript.transcript_id) if not one.due_at)
    claims = {"package_id": pending.package_id, "selection": pending.selection}
    said = await world.approved(transcript, whole, claims=claims, package_id=pending.package_id)
    (answer,) = await world.hear(said)
    assert isinstance(answer, Unwanted)


async def test_a_partial_package_is_released_like_a_whole_one(world: World) -> None:
    transcript, _ = await world.sealed()
    await world.hear(await world.opened(transcript, "credit.S1"))
    await world.make_packages()
    partial = next(one for one in await world.questions.packages_of(transcript.transcript_id) if one.partial)
    await world.hear(await world.approved(transcript, partial))
    assert world.bodies(RELEASED)[0]["package_digest"] == partial.digest


async def test_ten_approvals_release_the_same_artefact(world: World) -> None:
    transcript, package = await world.sealed()
    for number in range(10):
        await world.hear(await world.approved(transcript, package, request_id=f"req_{number}"))
    released = world.bodies(RELEASED)
    assert len({one["release_id"] for one in released}) == 10
    assert {(one["place"], one["package_digest"]) for one in released} == {(package.place, package.digest)}
    assert world.pool.drawn == 1


async def test_a_revocation_heard_first_is_never_overtaken(world: World) -> None:
    transcript, package = await world.sealed()
    await world.hear(world.revoked())
    await world.hear(await world.approved(transcript, package))
    assert world.bodies(RELEASED) == []
    assert [one["cause"] for one in world.bodies(WITHHELD)] == ["revoked"]
    await world.hear(await world.approved(transcript, package))
    assert len(world.bodies(WITHHELD)) == 1


async def test_an_approval_that_ran_out_on_its_way_releases_nothing(world: World) -> None:
    transcript, package = await world.sealed()
    world.at = clock.now() - timedelta(days=10)
    until = clock.now().replace(microsecond=0) - timedelta(days=1)
    await world.hear(await world.approved(transcript, package, until=until))
    assert [one["cause"] for one in world.bodies(WITHHELD)] == ["expired"]
    assert world.bodies(RELEASED) == []


async def test_a_withdrawn_transcript_is_not_released(world: World) -> None:
    transcript, package = await world.sealed()
    command = Withdraw(transcript_id=transcript.transcript_id, school_id=SCHOOL, at=NOW)
    await world.seals.withdraw(command, cause="cmd_w")
    await world.hear(await world.approved(transcript, package))
    assert [one["cause"] for one in world.bodies(WITHHELD)] == ["withdrawn"]
    assert world.bodies(RELEASED) == []


async def test_a_superseded_version_that_was_approved_still_goes(world: World) -> None:
    from tests.records.world import content

    first, package = await world.sealed()
    approval = await world.approved(first, package)
    await world.sealed(content(notes="Corrected."), cause="b")
    await world.hear(approval)
    assert world.bodies(RELEASED)[0]["package_digest"] == package.digest


async def test_a_hold_keeps_a_release_waiting_until_it_is_lifted(world: World) -> None:
    transcript, package = await world.sealed()
    await hold(world, transcript)
    await world.hear(await world.approved(transcript, package))
    assert [one["cause"] for one in world.bodies(WITHHELD)] == ["hold"] and world.bodies(RELEASED) == []
    await lift(world, transcript)
    (event,) = world.bodies(RELEASED)
    assert (event["version"], event["package_digest"]) == (2, package.digest)


async def test_what_was_revoked_while_it_waited_does_not_go_with_the_lifting(world: World) -> None:
    transcript, package = await world.sealed()
    await hold(world, transcript)
    await world.hear(await world.approved(transcript, package), world.revoked())
    await lift(world, transcript)
    found = await world.release()
    assert found is not None and (found.status, found.cause) == (ReleaseStatus.ENDED, "revoked")
    assert found.sealed_key == "" and world.bodies(RELEASED) == []


async def test_what_was_withdrawn_while_it_waited_does_not_go_with_the_lifting(world: World) -> None:
    transcript, package = await world.sealed()
    await hold(world, transcript)
    await world.hear(await world.approved(transcript, package))
    command = Withdraw(transcript_id=transcript.transcript_id, school_id=SCHOOL, at=NOW)
    await world.seals.withdraw(command, cause="cmd_w")
    await lift(world, transcript)
    assert [one["cause"] for one in world.bodies(WITHHELD)] == ["hold", "withdrawn"]


async def test_a_grant_that_runs_out_while_it_waits_ends(world: World) -> None:
    transcript, package = await world.sealed()
    await hold(world, transcript)
    until = clock.now().replace(microsecond=0) + timedelta(days=2)
    await world.hear(await world.approved(transcript, package, until=until))
    assert await world.questions.waiting_over(clock.now(), 10) == []
    later = until + timedelta(seconds=1)
    (found,) = await world.questions.waiting_over(later, 10)
    await world.work.carry_out_batch([waiting_over_job(found, later)])
    assert [one["cause"] for one in world.bodies(WITHHELD)] == ["hold", "expired"]


async def test_a_revocation_of_what_was_released_is_deliverys_to_act_on(world: World) -> None:
    transcript, package = await world.sealed()
    await world.hear(await world.approved(transcript, package), world.revoked())
    assert world.bodies(WITHHELD) == []
    found = await world.release()
    assert found is not None and found.status is ReleaseStatus.RELEASED


async def test_old_news_of_a_person_is_ignored(world: World) -> None:
    newer = await world.person(STUDENT, PersonKind.STUDENT, name="A", version=3)
    older = await world.person(STUDENT, PersonKind.STUDENT, name="B", version=2)
    await world.hear(newer, older)
    found = await world.questions.person(STUDENT)
    assert found is not None and found.version == 3


async def test_a_request_for_a_strangers_transcript_makes_no_package(world: World) -> None:
    transcript, _ = await world.sealed()
    asked = await world.opened(transcript, "credit.S1")
    foreign = asked.model_copy(update={"student_id": REGISTRAR})
    unknown = asked.model_copy(update={"transcript_version": 9, "request_id": RequestId("req_2")})
    ready = asked.model_copy(update={"package_id": "pkg_1", "request_id": RequestId("req_3")})
    assert await world.hear(foreign, unknown, ready) == [None, None, None]


async def test_a_request_about_an_erased_student_makes_no_package(world: World) -> None:
    transcript, _ = await world.sealed()
    await world.keys.erase(STUDENT)
    assert await world.hear(await world.opened(transcript, "credit.S1")) == [None]


async def test_recipients_are_not_known_here(world: World) -> None:
    from contracts.identity.v1 import OrganizationRecorded
    from contracts.types import OrganizationKind, Standing

    college = OrganizationRecorded(
        version=1,
        organization_id=OrganizationId(COLLEGE),
        kind=OrganizationKind.COLLEGE,
        name="College",
        standing=Standing.VERIFIED,
    )
    assert await world.hear(college) == [None]


def test_a_grant_invalid_never_carries_the_grant() -> None:
    assert str(GrantInvalid("the grant is too long")) == "the grant is too long"
