"""Imports and seals: state and event together, once each, and nothing left behind by a crash."""

import hashlib
from dataclasses import replace
from functools import partial

import pytest

from contracts.problem import Reason
from contracts.types import PersonId, Selection, TranscriptId
from services.chassis.decision import Decision, Refusal
from services.chassis.keys.sealing import Tampered
from services.chassis.keys.vault import AlreadyLaid
from services.chassis.web.auth import digest_of_many
from services.records.domain.releasing import LiftHold
from services.records.domain.sealing import Withdraw
from services.records.domain.state import HoldReason, PackageStatus
from services.records.gateways.packager import Order
from services.records.handlers.drafts import LARGEST_EVIDENCE, Imported
from services.records.handlers.holds import HoldWish, hold_over_job
from services.records.handlers.packages import claim_job, failed_job
from services.records.handlers.seals import SealWish, package_id_of
from tests.records.world import NOTES, NOW, OTHER_SCHOOL, REGISTRAR, SCHOOL, STUDENT, World, content


async def test_an_import_becomes_a_draft_whose_words_are_nowhere_in_clear(world: World) -> None:
    transcript = await world.import_()
    assert transcript.draft is not None and transcript.number == 0
    assert world.said() == []
    written = repr(world.store.tables)
    assert "Ximena" not in written and "river" not in written and "HP-26-002" not in written
    assert (await world.drafts.read(transcript)).student.name == "Ximena Ibáñez"


async def test_the_same_import_again_changes_nothing(world: World) -> None:
    first = await world.import_(cause="cmd_1")
    assert await world.import_(cause="cmd_2") == first


async def test_a_corrected_import_takes_the_drafts_place(world: World) -> None:
    first = await world.import_(cause="cmd_1")
    second = await world.import_(content(notes="Corrected."), cause="cmd_2")
    assert second.version == first.version + 1
    assert second.draft is not None and first.draft is not None and second.draft.digest != first.draft.digest


async def test_two_drafts_of_equal_content_have_digests_that_do_not_tell(tmp_path, world: World) -> None:
    other = await World(tmp_path).open_school()
    one, two = await world.import_(), await other.import_()
    assert one.draft is not None and two.draft is not None and one.draft.digest != two.draft.digest


@pytest.mark.parametrize(
    ("student", "school"), [(PersonId("per_nobody"), SCHOOL), (STUDENT, OTHER_SCHOOL), (REGISTRAR, SCHOOL)]
)
async def test_only_a_student_of_the_school_gets_a_transcript(world: World, student, school) -> None:
    wish = Imported(school_id=school, student_id=student, content=content(), person_id=REGISTRAR, at=NOW)
    verdict = await world.drafts.import_content(wish, cause="cmd_1")
    assert isinstance(verdict, Refusal) and verdict.reason is Reason.NOT_FOUND


async def test_an_erased_student_gets_no_transcript(world: World) -> None:
    await world.keys.erase(STUDENT)
    wish = Imported(school_id=SCHOOL, student_id=STUDENT, content=content(), person_id=REGISTRAR, at=NOW)
    assert isinstance(await world.drafts.import_content(wish, cause="cmd_1"), Refusal)


async def test_a_crash_before_the_commit_leaves_no_draft(world: World) -> None:
    world.store.crash_before_commit = True
    with pytest.raises(ConnectionError):
        await world.import_()
    world.store.crash_before_commit = False
    assert await world.questions.transcripts_at(SCHOOL) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"evidence_id": "nothing"}, Reason.NOT_FOUND),
        ({"raw": b"x" * (LARGEST_EVIDENCE + 1)}, Reason.TOO_LARGE),
        ({"media_type": "application/x-msdownload"}, Reason.INVALID),
        ({"media_type": "text/csv"}, Reason.INVALID),
        ({"raw": b"other bytes"}, Reason.INVALID),
        ({"school_id": OTHER_SCHOOL}, Reason.NOT_FOUND),
    ],
    ids=["unnamed", "oversized", "type not taken", "another type", "other bytes", "another school"],
)
async def test_evidence_that_does_not_fit_is_refused(world: World, changes, reason) -> None:
    transcript = await world.import_()
    verdict = await world.upload(transcript, **changes)
    assert isinstance(verdict, Refusal) and verdict.reason is reason
    assert await world.questions.evidence_of(transcript.transcript_id) == []


async def test_a_file_that_does_not_begin_as_its_type_is_refused(world: World) -> None:
    raw = b"MZ not a PDF"
    words = content().model_dump(mode="json")["credits"]
    piece = {"id": "notes", "name": "N", "kind": "file", "media_type": "application/pdf"}
    words[1]["evidence"] = [{**piece, "sha256": hashlib.sha256(raw).hexdigest()}]
    transcript = await world.import_(content(credits=words))
    assert isinstance(await world.upload(transcript, raw, media_type="application/pdf"), Refusal)


async def test_evidence_is_laid_once_and_as_ciphertext(world: World) -> None:
    transcript = await world.import_()
    for _ in range(2):
        assert isinstance(await world.upload(transcript), Decision)
    (laid,) = await world.questions.evidence_of(transcript.transcript_id)
    assert await world.cabinet.fetch(laid.content) == NOTES
    assert NOTES not in await world.vault.fetch(laid.content.place)


async def test_evidence_after_the_seal_is_refused(world: World) -> None:
    transcript, _ = await world.sealed()
    verdict = await world.upload(transcript)
    assert isinstance(verdict, Refusal) and verdict.reason is Reason.CONFLICT


async def test_a_seal_makes_a_version_and_its_package_in_one(world: World) -> None:
    transcript, package = await world.sealed()
    assert world.said() == ["records.transcript.sealed.v1", "records.package.prepared.v1"]
    assert (transcript.number, transcript.draft, transcript.sealing) == (1, None, None)
    (event,) = world.bodies("records.package.prepared.v1")
    assert (event["package_id"], event["digest"], event["partial"]) == (package.package_id, package.digest, False)
    version = await world.version(transcript)
    assert version.digest == world.bodies("records.transcript.sealed.v1")[0]["digest"]
    assert [part.part_id for part in version.outline] == ["credit.S1", "credit.S2", "evidence"]


async def test_the_package_in_the_vault_is_exactly_the_bytes_of_its_digest(world: World) -> None:
    _, package = await world.sealed()
    fetch = partial(
        world.cabinet.fetch_package, place=package.place, package_id=package.package_id, kept_key=package.kept_key
    )
    raw = await fetch(digest=package.digest)
    assert (f"sha256:{hashlib.sha256(raw).hexdigest()}", len(raw)) == (package.digest, package.size)
    with pytest.raises(Tampered):
        await fetch(digest="sha256:" + "0" * 64)


async def test_no_word_of_the_record_is_on_the_wire_or_in_a_document(world: World) -> None:
    await world.sealed()
    written = repr(world.store.tables)
    for word in ("Ximena", "Ibáñez", "HP-26-002", "2009-02-24", "Ruth", "Two boxes", "proficient"):
        assert word not in written


async def test_a_seal_asked_for_again_is_the_same_seal(world: World) -> None:
    draft = await world.import_()
    await world.upload(draft)
    first, again = await world.seal(draft, cause="stp_1"), await world.seal(draft, cause="stp_2")
    assert isinstance(first, Decision) and isinstance(again, Decision) and first.state == again.state
    assert (len(world.store.outbox), world.pool.drawn) == (2, 1)


async def test_a_crash_between_the_beats_is_finished_by_asking_again(world: World) -> None:
    draft = await world.import_()
    await world.upload(draft)
    begun = await world.seals._begin(_wish(draft))
    assert isinstance(begun, Decision) and begun.state.sealing is not None
    package = await world.questions.package(begun.state.sealing.package_id)
    assert package is not None
    evidence = await world.questions.evidence_of(draft.transcript_id)
    made = await world.packager.make(Order.of_seal(begun.state.sealing, package, evidence))
    # Here the process dies. The package lies in the vault; nothing else knows of it.
    assert world.said() == []
    sealed = await world.seal(draft, cause="stp_again")
    assert isinstance(sealed, Decision)
    after = await world.questions.package(package.package_id)
    assert after is not None and (after.place, after.digest) == (made.place, made.digest)


async def test_the_step_up_that_began_a_seal_also_ends_it(world: World) -> None:
    draft = await world.import_()
    await world.upload(draft)
    await world.seals._begin(_wish(draft))
    assert isinstance(await world.seals.seal(_wish(draft)), Decision)
    assert len(world.said()) == 2


async def test_a_withdrawal_between_the_beats_is_met_by_the_last(world: World) -> None:
    draft = await world.import_()
    await world.upload(draft)
    begun = await world.seals._begin(_wish(draft))
    assert isinstance(begun, Decision) and begun.state.sealing is not None
    command = Withdraw(transcript_id=draft.transcript_id, school_id=SCHOOL, at=NOW)
    assert isinstance(await world.seals.withdraw(command, cause="cmd_w"), Decision)
    verdict = await world.seals._finish(begun.state, begun.state.sealing, "stp_1")
    assert isinstance(verdict, Refusal) and verdict.reason is Reason.CONFLICT
    assert world.said() == []


async def test_evidence_that_is_not_there_seals_nothing(world: World) -> None:
    draft = await world.import_()
    verdict = await world.seal(draft)
    assert isinstance(verdict, Refusal) and "notes" in verdict.detail
    assert world.said() == []
    await world.upload(draft)
    assert isinstance(await world.seal(draft, cause="stp_2"), Decision)


async def test_a_character_that_no_font_has_seals_nothing_and_is_named(world: World) -> None:
    draft = await world.import_(content(notes="Signed 𓀀."))
    await world.upload(draft)
    verdict = await world.seal(draft)
    assert isinstance(verdict, Refusal) and verdict.reason is Reason.INVALID
    assert "notes" in verdict.detail and "U+13000" in verdict.detail
    assert world.said() == []


async def test_an_erased_students_draft_can_not_be_sealed(world: World) -> None:
    draft = await world.import_()
    await world.keys.erase(STUDENT)
    verdict = await world.seal(draft)
    assert isinstance(verdict, Refusal) and verdict.reason is Reason.EXPIRED


async def test_a_second_version_supersedes_the_first(world: World) -> None:
    await world.sealed()
    transcript, package = await world.sealed(content(notes="Corrected."), cause="b")
    assert transcript.number == package.transcript_version == 2
    assert world.said(2) == [
        "records.transcript.sealed.v1",
        "records.transcript.superseded.v1",
        "records.package.prepared.v1",
    ]


async def test_many_are_sealed_each_for_itself(world: World) -> None:
    good = await world.import_()
    await world.upload(good)
    wishes = [_wish(good), replace(_wish(good), transcript_id=TranscriptId("trn_nothing"))]
    sealed, missing = await world.seals.seal_many(wishes)
    assert isinstance(sealed, Decision) and isinstance(missing, Refusal)


def test_a_bulk_step_up_binds_every_digest() -> None:
    one, two = TranscriptId("trn_1"), TranscriptId("trn_2")
    pairs = [(one, "sha256:a"), (two, "sha256:b")]
    assert digest_of_many(pairs) == digest_of_many(pairs[::-1]) != digest_of_many([pairs[0], (two, "sha256:c")])


async def test_parts_that_a_request_asks_for_are_made_once(world: World) -> None:
    transcript, whole = await world.sealed()
    await world.hear(await world.opened(transcript, "credit.S1"))
    await world.hear(await world.opened(transcript, "credit.S1", request_id="req_2"))
    await world.make_packages()
    await world.make_packages()
    (event,) = world.bodies("records.package.prepared.v1")[1:]
    assert event["partial"] and event["selection"] == {"parts": ["credit.S1"]}
    assert event["digest"] != whole.digest
    assert event["version"] > transcript.version


async def test_a_package_made_twice_is_the_same_bytes_at_the_same_place(world: World) -> None:
    transcript, _ = await world.sealed()
    await world.hear(await world.opened(transcript, "credit.S2", "evidence"))
    (package,) = await world.questions.packages_due(NOW.max.replace(tzinfo=NOW.tzinfo), 10)
    order = Order.of_version(
        await world.version(transcript), package, await world.questions.evidence_of(transcript.transcript_id)
    )
    assert await world.packager.make(order) == await world.packager.make(order)
    with pytest.raises(AlreadyLaid):
        await world.vault.lay((await world.packager.make(order)).place, b"other bytes")


async def test_a_package_of_an_erased_student_is_given_up(world: World) -> None:
    transcript, _ = await world.sealed()
    await world.hear(await world.opened(transcript, "credit.S1"))
    (package,) = await world.questions.packages_due(NOW.max.replace(tzinfo=NOW.tzinfo), 10)
    await world.keys.erase(STUDENT)
    from services.chassis.keys.person import Erased

    at = package.due_at
    assert at is not None
    await world.work.carry_out_batch([claim_job(package, at)])
    await world.work.carry_out_batch([failed_job(package, Erased(STUDENT), at)])
    after = await world.questions.package(package.package_id)
    assert after is not None and after.status is PackageStatus.IMPOSSIBLE and after.due_at is None


@pytest.mark.parametrize("parts", [("credit.S9",), ("nonsense",)])
async def test_parts_that_the_version_does_not_have_are_not_made(world: World, parts) -> None:
    transcript, _ = await world.sealed()
    await world.hear(await world.opened(transcript, *parts))
    assert await world.questions.packages_due(NOW.max.replace(tzinfo=NOW.tzinfo), 10) == []


async def test_a_hold_is_told_without_its_words_and_lifted_when_its_time_is_over(world: World) -> None:
    transcript, _ = await world.sealed()
    wish = HoldWish(
        transcript_id=transcript.transcript_id,
        school_id=SCHOOL,
        person_id=REGISTRAR,
        reason=HoldReason.FEES,
        note="The library book.",
        until=NOW.replace(day=28),
        at=NOW,
    )
    placed = await world.holds.place(wish, cause="cmd_h")
    assert isinstance(placed, Decision) and placed.state.hold is not None
    assert "library" not in repr(world.store.tables)
    assert await world.questions.holds_over(NOW, 10) == []
    over = NOW.replace(day=29)
    (found,) = await world.questions.holds_over(over, 10)
    await world.work.carry_out_batch([hold_over_job(found, over)])
    assert world.said(2) == ["records.hold.placed.v1", "records.hold.lifted.v1"]


async def test_holds_are_the_schools_own(world: World) -> None:
    transcript, _ = await world.sealed()
    strangers = LiftHold(transcript_id=transcript.transcript_id, school_id=OTHER_SCHOOL, at=NOW)
    assert isinstance(await world.holds.lift(strangers, cause="cmd_x"), Refusal)


def test_a_package_is_named_by_version_content_and_selection() -> None:
    one = TranscriptId("trn_1")
    names = {
        package_id_of(one, number, digest, Selection(parts=parts))
        for number in (1, 2)
        for digest in ("sha256:a", "sha256:b")
        for parts in ((), ("credit.S1",), ("credit.S1", "evidence"))
    }
    assert len(names) == 12
    assert package_id_of(one, 1, "d", Selection(parts=("b", "a"))) == package_id_of(
        one, 1, "d", Selection(parts=("a", "b"))
    )


def _wish(draft) -> SealWish:
    return SealWish(
        transcript_id=draft.transcript_id,
        school_id=SCHOOL,
        person_id=REGISTRAR,
        shown=draft.draft.digest,
        cause="stp_1",
        at=NOW,
    )
