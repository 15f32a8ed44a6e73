"""What a run tells at its end, and that what it forges is no word of consent's."""

import json

from tests.chaos import build
from tests.chaos.build import approval, call, opened, release, whole
from tests.chaos.checker import Case, judge
from tests.chaos.history import History, Record
from tests.chaos.posting import _approval, _under, id_of, is_event
from tests.chaos.run import Outcome, told
from tests.faults.wire import Wired


def outcome(history: History, **changes: list[str]) -> Outcome:
    whole_run: dict[str, list[str]] = {"moving": [], "replayed": [], "failed": [], **changes}
    return Outcome(seed=7, history=history, breaches=judge(history), seconds=1.0, **whole_run)


def wired(line: Record) -> Wired:
    key = json.loads(line.body)["request_id"].encode()
    headers = (("ce_specversion", b"1.0"), ("ce_type", line.kind.encode()), ("ce_id", line.id.encode()))
    return Wired(line.topic, key, line.body.encode(), headers)


def test_a_run_in_which_everything_held_says_so() -> None:
    assert outcome(whole()).held
    assert told(outcome(whole())).endswith("Everything held.")


def test_a_broken_rule_is_told_with_its_lines_and_the_seed() -> None:
    words = told(outcome(History((*whole().lines, release("odd")))))
    assert "BROKEN: released without a valid approval" in words
    assert "req_odd" in words
    assert words.endswith("python -m tests.chaos --seed 7")


def test_what_was_not_mended_or_never_came_to_rest_is_no_success() -> None:
    assert not outcome(whole(), failed=["kafka-1 did not come back"]).held
    assert "not at rest: 3 mails" in told(outcome(whole(), moving=["3 mails"]))


def test_a_record_handed_in_again_by_the_operator_is_told_and_is_no_failure() -> None:
    run = outcome(whole(), replayed=["delivery: dated in the future"] * 2)
    assert run.held
    assert "2 × delivery: dated in the future" in told(run)


def test_a_forged_approval_speaks_of_the_open_request_and_is_not_consents() -> None:
    about = json.loads(opened("new")[1].body) | {"school_id": build.SCHOOL, "student_id": build.STUDENT}  # type: ignore[union-attr]
    forged = _approval(wired(approval("plain")), Wired("consent.requests", b"", json.dumps(about).encode(), ()))
    body = json.loads(forged.value or b"")
    assert body["request_id"] == "req_new"
    assert forged.key == b"req_new"
    assert Case(whole()).verified(body["grant"]) is None
    assert Case(whole()).verified(json.loads(approval("plain").body)["grant"]) is not None


def test_a_release_under_anothers_grant_has_an_id_of_its_own() -> None:
    original = wired(release("plain"))
    forged = _under(original, {"grant": "another"})
    assert forged.headers != original.headers
    assert json.loads(forged.value or b"")["grant"] == "another"


def test_what_is_no_event_is_known_by_its_place() -> None:
    garbage = Wired("consent.requests", None, b"null", (("ce_id", b"\xff"),), partition=2, offset=7)
    assert not is_event(garbage)
    assert id_of(garbage) == "consent.requests:2:7"


def test_a_call_is_a_yes_a_certain_no_or_neither() -> None:
    assert call("sign", "req_1", 0).done
    assert call("sign", "req_1", 0, answer=409).refused
    unanswered = call("sign", "req_1", 0, answer=0)
    assert not unanswered.done
    assert not unanswered.refused
