"""Seals, packages and withdrawals as decisions."""

from dataclasses import replace

import pytest

from contracts.problem import Reason
from contracts.records.v1 import PackagePrepared, TranscriptSealed, TranscriptSuperseded, TranscriptWithdrawn
from contracts.types import PersonId, RequestId, Selection, Standing
from services.chassis.decision import Decision, Refusal
from services.records.domain.sealing import (
    CLAIM,
    LONGEST_PAUSE,
    RequestPackage,
    Withdraw,
    begin_seal,
    claim_package,
    fail_package,
    record_package,
    record_seal,
    request_package,
    withdraw,
)
from services.records.domain.state import Package, PackageStatus, Sealing, Transcript, Version
from tests.records.domain.values import (
    AT,
    DAY,
    DIGEST,
    DRAFT,
    DRAFTED,
    MADE,
    OTHER,
    OTHER_DIGEST,
    PACKAGE,
    PENDING,
    PREPARED,
    SCHOOL,
    SEALED,
    SEALED_ONE,
    TRANSCRIPT,
    VERIFIED,
    VERSION,
    WITHDRAWN,
    seal,
)


def begun(transcript: Transcript = DRAFTED) -> tuple[Transcript, Package, Sealing]:
    decision = begin_seal(transcript, seal(), school=VERIFIED, package=None)
    assert isinstance(decision, Decision)
    (package,) = decision.also
    assert isinstance(package, Package) and decision.state.sealing is not None
    return decision.state, package, decision.state.sealing


def test_a_seal_begins_with_what_will_be_made_and_says_nothing_yet() -> None:
    transcript, package, sealing = begun()
    assert (sealing.number, transcript.number, transcript.draft) == (1, 0, DRAFT)
    assert (package.status, package.selection.whole, package.due_at) == (PackageStatus.PENDING, True, None)


@pytest.mark.parametrize(
    ("transcript", "school", "command", "reason"),
    [
        (None, VERIFIED, seal(), Reason.NOT_FOUND),
        (DRAFTED, VERIFIED, seal(school_id=OTHER), Reason.NOT_FOUND),
        (DRAFTED, None, seal(), Reason.CONFLICT),
        (DRAFTED, replace(VERIFIED, standing=Standing.SUSPENDED), seal(), Reason.CONFLICT),
        (replace(DRAFTED, draft=None), VERIFIED, seal(), Reason.CONFLICT),
        (WITHDRAWN, VERIFIED, seal(), Reason.CONFLICT),
        (SEALED_ONE, VERIFIED, seal(shown=OTHER_DIGEST), Reason.CONFLICT),
        (DRAFTED, VERIFIED, seal(shown=OTHER_DIGEST), Reason.CONFLICT),
    ],
    ids=[
        "no transcript",
        "another school's",
        "unknown school",
        "suspended school",
        "no draft",
        "withdrawn",
        "sealed, and another shown",
        "another draft shown",
    ],
)
def test_a_seal_is_refused(transcript, school, command, reason) -> None:
    refusal = begin_seal(transcript, command, school=school, package=None)
    assert isinstance(refusal, Refusal) and refusal.reason is reason


def test_a_seal_asked_for_again_goes_on_as_it_began() -> None:
    transcript, package, _ = begun()
    again = begin_seal(transcript, seal(at=AT + DAY), school=VERIFIED, package=package)
    assert isinstance(again, Decision) and again.state is transcript and again.also == ()


def test_another_registrar_begins_anew_under_the_own_name() -> None:
    transcript, package, sealing = begun()
    again = begin_seal(transcript, seal(person_id=PersonId("per_2")), school=VERIFIED, package=package)
    assert isinstance(again, Decision) and again.state.sealing is not None
    (anew,) = again.also
    assert isinstance(anew, Package)
    assert (again.state.sealing.sealed_by, anew.version) == ("per_2", package.version + 1)
    late = record_seal(again.state, anew, begun=sealing, made=MADE, at=AT)
    assert isinstance(late, Refusal) and late.reason is Reason.CONFLICT


def test_what_is_sealed_already_is_said_to_be_sealed() -> None:
    decision = begin_seal(SEALED_ONE, seal(), school=VERIFIED, package=None)
    assert isinstance(decision, Decision) and decision.state is SEALED_ONE


def test_a_seal_is_recorded_with_its_version_and_its_package() -> None:
    transcript, package, sealing = begun()
    decision = record_seal(transcript, package, begun=sealing, made=MADE, at=AT)
    assert isinstance(decision, Decision)
    sealed, told = decision.events
    assert isinstance(sealed, TranscriptSealed) and isinstance(told, PackagePrepared)
    assert sealed.version == told.version == decision.state.version
    assert (decision.state.number, decision.state.draft, decision.state.sealing) == (1, None, None)
    version, prepared = decision.also
    assert isinstance(version, Version) and isinstance(prepared, Package)
    assert (version.digest, version.outline, prepared.digest) == (DIGEST, MADE.outline, MADE.digest)
    again = record_seal(decision.state, prepared, begun=sealing, made=MADE, at=AT)
    assert isinstance(again, Decision) and again.events == ()


@pytest.mark.parametrize(("before", "superseded"), [(SEALED_ONE, True), (WITHDRAWN, False)])
def test_a_second_version_supersedes_a_first_that_was_not_withdrawn(before, superseded) -> None:
    transcript, package, sealing = begun(replace(before, draft=replace(DRAFT, digest=DIGEST)))
    decision = record_seal(transcript, package, begun=sealing, made=MADE, at=AT)
    assert isinstance(decision, Decision) and decision.state.number == 2 and not decision.state.withdrawn
    assert (TranscriptSuperseded in [type(event) for event in decision.events]) is superseded


@pytest.mark.parametrize("gone", ["transcript", "package"])
def test_a_seal_of_nothing_is_refused(gone) -> None:
    transcript, package, sealing = begun()
    refusal = record_seal(
        None if gone == "transcript" else transcript,
        None if gone == "package" else package,
        begun=sealing,
        made=MADE,
        at=AT,
    )
    assert isinstance(refusal, Refusal)


def test_a_withdrawal_in_between_is_met_by_the_last_beat() -> None:
    transcript, package, sealing = begun(replace(SEALED_ONE, draft=DRAFT, digest=OTHER_DIGEST))
    gone = withdraw(transcript, WITHDRAW)
    assert isinstance(gone, Decision)
    refusal = record_seal(gone.state, package, begun=sealing, made=MADE, at=AT)
    assert isinstance(refusal, Refusal) and refusal.reason is Reason.CONFLICT


ASKED = RequestPackage(
    package_id=PACKAGE,
    request_id=RequestId("req_1"),
    transcript_id=TRANSCRIPT,
    transcript_version=1,
    selection=Selection(parts=("credit.S1",)),
    kept_key=SEALED,
    at=AT,
)


def test_a_package_that_is_asked_for_is_due_at_once() -> None:
    decision = request_package(None, ASKED, transcript=SEALED_ONE, version=VERSION)
    assert isinstance(decision, Decision) and decision.state.due_at == AT and decision.events == ()


@pytest.mark.parametrize(
    ("known", "command", "transcript", "version", "reason"),
    [
        (PENDING, ASKED, SEALED_ONE, VERSION, Reason.CONFLICT),
        (None, ASKED, None, VERSION, Reason.CONFLICT),
        (None, ASKED, SEALED_ONE, None, Reason.CONFLICT),
        (None, ASKED, WITHDRAWN, VERSION, Reason.CONFLICT),
        (None, replace(ASKED, selection=Selection(parts=("x",))), SEALED_ONE, VERSION, Reason.INVALID),
    ],
    ids=["being made", "no transcript", "no version", "withdrawn", "no such part"],
)
def test_a_package_is_not_made(known, command, transcript, version, reason) -> None:
    refusal = request_package(known, command, transcript=transcript, version=version)
    assert isinstance(refusal, Refusal) and refusal.reason is reason


def test_a_claimed_package_is_left_alone_for_a_while() -> None:
    claimed = claim_package(PENDING, at=AT)
    assert isinstance(claimed, Decision) and claimed.state.due_at == AT + CLAIM
    assert isinstance(claim_package(claimed.state, at=AT), Refusal)
    assert isinstance(claim_package(claimed.state, at=AT + CLAIM), Decision)


@pytest.mark.parametrize("package", [None, PREPARED], ids=["unknown", "made"])
def test_what_is_not_pending_is_neither_claimed_nor_recorded_nor_failed(package) -> None:
    assert isinstance(claim_package(package, at=AT), Refusal)
    assert isinstance(record_package(package, SEALED_ONE, made=MADE, at=AT), Refusal)
    assert isinstance(fail_package(package, at=AT, for_ever=False), Refusal)


def test_a_prepared_package_is_told() -> None:
    decision = record_package(PENDING, SEALED_ONE, made=MADE, at=AT)
    assert isinstance(decision, Decision)
    (event,) = decision.events
    assert isinstance(event, PackagePrepared)
    assert (event.version, event.digest, event.partial) == (SEALED_ONE.version + 1, MADE.digest, True)
    (prepared,) = decision.also
    assert isinstance(prepared, Package)
    assert (prepared.status, prepared.prepared_at) == (PackageStatus.PREPARED, AT)


def test_a_package_of_a_version_withdrawn_meanwhile_is_kept_and_not_told() -> None:
    decision = record_package(PENDING, WITHDRAWN, made=MADE, at=AT)
    assert isinstance(decision, Decision) and decision.events == ()
    assert isinstance(record_package(PENDING, None, made=MADE, at=AT), Refusal)


def test_a_package_that_fails_is_tried_again_ever_more_rarely() -> None:
    pauses = []
    for tries in (1, 3, 30):
        decision = fail_package(replace(PENDING, tries=tries), at=AT, for_ever=False)
        assert isinstance(decision, Decision) and decision.state.due_at is not None
        pauses.append(decision.state.due_at - AT)
    assert pauses == sorted(pauses) and pauses[-1] == LONGEST_PAUSE


def test_a_package_of_an_erased_student_is_never_tried_again() -> None:
    decision = fail_package(PENDING, at=AT, for_ever=True)
    assert isinstance(decision, Decision)
    assert (decision.state.status, decision.state.due_at) == (PackageStatus.IMPOSSIBLE, None)


WITHDRAW = Withdraw(transcript_id=TRANSCRIPT, school_id=SCHOOL, at=AT)


@pytest.mark.parametrize(
    ("transcript", "events"),
    [
        (SEALED_ONE, [TranscriptWithdrawn]),
        (DRAFTED, []),
        (replace(WITHDRAWN, draft=DRAFT), []),
        (WITHDRAWN, []),
    ],
    ids=["sealed", "only a draft", "a draft after withdrawal", "withdrawn already"],
)
def test_a_withdrawal_takes_back_what_was_sealed_and_what_is_drafted(transcript, events) -> None:
    decision = withdraw(transcript, WITHDRAW)
    assert isinstance(decision, Decision) and decision.state.draft is None
    assert [type(event) for event in decision.events] == events


@pytest.mark.parametrize("transcript", [None, replace(SEALED_ONE, school_id=OTHER)], ids=["none", "another school's"])
def test_what_is_not_ours_is_not_withdrawn(transcript) -> None:
    refusal = withdraw(transcript, WITHDRAW)
    assert isinstance(refusal, Refusal) and refusal.reason is Reason.NOT_FOUND
