"""Drafts: whose they are, and when an import changes nothing."""

from dataclasses import replace

import pytest

from contracts.problem import Reason
from contracts.types import TranscriptKind
from services.chassis.decision import Decision, Refusal
from services.records.domain.drafting import Import, LayEvidence, import_draft, lay_evidence
from tests.records.domain.values import (
    AT,
    DIGEST,
    DRAFT,
    DRAFTED,
    LOCKED,
    OTHER,
    OTHER_DIGEST,
    PERSON,
    SCHOOL,
    SEALED_ONE,
    STUDENT,
    TRANSCRIPT,
    WITHDRAWN,
    seal,
)

NEW = replace(DRAFT, digest=OTHER_DIGEST, mark="m2")
IMPORT = Import(
    transcript_id=TRANSCRIPT,
    school_id=SCHOOL,
    student_id=STUDENT,
    kind=TranscriptKind.MASTERY_TRANSCRIPT,
    draft=DRAFT,
    at=AT,
)


@pytest.mark.parametrize(
    ("known", "draft", "version"),
    [
        (None, DRAFT, 1),
        (DRAFTED, DRAFT, 1),
        (DRAFTED, NEW, 2),
        (SEALED_ONE, DRAFT, 3),
        (SEALED_ONE, NEW, 4),
        (WITHDRAWN, DRAFT, 5),
    ],
    ids=["first", "same draft", "corrected draft", "same as sealed", "after the seal", "again after withdrawal"],
)
def test_an_import_changes_what_is_new_and_nothing_else(known, draft, version) -> None:
    decision = import_draft(known, replace(IMPORT, draft=draft), student=PERSON)
    assert isinstance(decision, Decision) and decision.state.version == version
    assert (decision.state.draft == draft) is (known is not SEALED_ONE or draft is NEW)
    assert decision.events == ()


@pytest.mark.parametrize(
    "student",
    [None, replace(PERSON, active=False), replace(PERSON, student_at=(OTHER,))],
    ids=["nobody", "left", "another school"],
)
def test_an_import_for_somebody_else_is_refused(student) -> None:
    refusal = import_draft(None, IMPORT, student=student)
    assert isinstance(refusal, Refusal) and refusal.reason is Reason.NOT_FOUND


def test_an_import_ends_a_seal_that_had_begun() -> None:
    from services.records.domain.sealing import begin_seal
    from tests.records.domain.values import VERIFIED

    begun = begin_seal(DRAFTED, seal(), school=VERIFIED, package=None)
    assert isinstance(begun, Decision)
    decision = import_draft(begun.state, replace(IMPORT, draft=NEW), student=PERSON)
    assert isinstance(decision, Decision) and decision.state.sealing is None


LAY = LayEvidence(
    transcript_id=TRANSCRIPT,
    school_id=SCHOOL,
    draft_digest=DIGEST,
    evidence_id="notes",
    mark="f" * 64,
    size=12,
    content=LOCKED,
)


def test_evidence_is_kept_once() -> None:
    first = lay_evidence(None, LAY, transcript=DRAFTED)
    assert isinstance(first, Decision) and first.state.evidence_key == f"trn_1:notes:{'f' * 32}"
    again = lay_evidence(first.state, LAY, transcript=SEALED_ONE)
    assert isinstance(again, Decision) and again.state == first.state


@pytest.mark.parametrize(
    ("transcript", "command", "reason"),
    [
        (None, LAY, Reason.NOT_FOUND),
        (DRAFTED, replace(LAY, school_id=OTHER), Reason.NOT_FOUND),
        (SEALED_ONE, LAY, Reason.CONFLICT),
        (replace(DRAFTED, draft=NEW), LAY, Reason.CONFLICT),
    ],
    ids=["no transcript", "another school", "no draft", "another draft"],
)
def test_evidence_for_something_else_is_refused(transcript, command, reason) -> None:
    refusal = lay_evidence(None, command, transcript=transcript)
    assert isinstance(refusal, Refusal) and refusal.reason is reason
