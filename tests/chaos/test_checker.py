"""The judge of histories: what held is let pass, and each way of breaking a rule is found and named."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.build import (
    COLLEGE,
    FUND,
    STRANGER,
    approval,
    call,
    digest_of,
    granted,
    held,
    hook,
    ledger,
    opened,
    record,
    release,
    whole,
)
from tests.chaos.checker import RULES, judge, sealed
from tests.chaos.history import (
    Call,
    Fault,
    Held,
    History,
    Injected,
    Leak,
    Line,
    Mail,
    Pen,
    Proof,
    Record,
    Row,
    State,
    parsed,
    read,
    spelled,
)

WITHOUT_APPROVAL = "released without a valid approval"
AFTER_REVOCATION = "disclosed after a revocation"
LOST = "acknowledged and lost"
TWO_ARTEFACTS = "two artefacts under one release id"
LEDGER = "the ledger does not hold"
TENANTS = "a tenant read another's"
IN_CLEAR = "a personal word in clear"

Change = Callable[[Line], Line | None]


def also(*lines: Line) -> History:
    return History((*whole().lines, *lines))


def without(lost: Callable[[Any], bool]) -> History:
    return History(tuple(line for line in whole().lines if not lost(line)))


def with_changed(kind: type[Any], true: Callable[[Any], bool], **changes: Any) -> History:
    return History(
        tuple(replace(line, **changes) if type(line) is kind and true(line) else line for line in whole().lines)
    )


def is_call(act: str, name: str) -> Callable[[Any], bool]:
    return lambda line: type(line) is Call and (line.act, line.about.partition("_")[2]) == (act, name)


def is_record(kind: str, name: str) -> Callable[[Any], bool]:
    return lambda line: type(line) is Record and line.id == f"evt_{kind}_{name}"


def re_chained() -> list[Row]:
    """A ledger whose rows follow each other, and whose second was made up: no grant of consent's stands behind it."""
    rows = ledger("plain", "school", "late")
    previous = rows[0].row["hash"]
    for place, line in enumerate(rows[1:], start=1):
        row = {name: value for name, value in line.row.items() if name != "hash"} | {"previous_hash": previous}
        if place == 1:
            row["grant"] = granted("school", key=STRANGER)
        previous = sealed(row)
        rows[place] = Row(school_id=line.school_id, row={**row, "hash": previous})
    return rows


def with_ledger(rows: list[Row]) -> History:
    return History((*(line for line in whole().lines if type(line) is not Row), *rows))


def test_a_history_in_which_everything_held_has_no_breach() -> None:
    assert judge(whole()) == []


def test_what_a_fault_put_on_a_topic_is_no_word_of_a_service() -> None:
    forged = replace(release("forged"), id="evt_forged")
    assert judge(also(forged, Injected(id="evt_forged", how="forged"))) == []


def test_a_call_without_an_answer_proves_neither_a_yes_nor_a_no() -> None:
    lines = [*opened("open"), call("sign", "req_open", 10, answer=0), State(request_id="req_open", status="open")]
    assert judge(also(*lines)) == []


def test_a_disclosure_within_the_bound_is_let_pass() -> None:
    assert judge(also(call("fetch", "dlv_late", 85, who=COLLEGE, digest=digest_of("package")))) == []


def test_faults_are_told_and_not_judged() -> None:
    assert judge(also(Fault(at=1.0, number=1, what="kill -9 of consent"))) == []


MUTANTS: dict[str, tuple[History, str]] = {
    "a release nobody approved": (also(release("odd")), WITHOUT_APPROVAL),
    "an approval signed by another than consent": (
        also(*opened("odd"), call("sign", "req_odd", 9), approval("odd", key=STRANGER), release("odd")),
        WITHOUT_APPROVAL,
    ),
    "an approval of another request": (
        also(*opened("odd"), call("sign", "req_odd", 9), release("odd"),
             record("consent.requests", "consent.request.approved.v1", "odd", grant=granted("plain"))),
        WITHOUT_APPROVAL,
    ),
    "an approval that nobody gave": (without(is_call("sign", "plain")), WITHOUT_APPROVAL),
    "an approval after nothing but refused signatures": (
        with_changed(Call, is_call("sign", "plain"), status=409), WITHOUT_APPROVAL,
    ),
    "an approval without the school's": (without(is_call("approve", "school")), WITHOUT_APPROVAL),
    "an approval of what was refused": (also(call("refuse", "req_plain", 3)), WITHOUT_APPROVAL),
    "an approval of what was taken back before": (
        also(call("revoke", "req_plain", 3), record("x", "consent.request.revoked.v1", "plain")), WITHOUT_APPROVAL,
    ),
    "a release of other bytes": (
        with_changed(Record, is_record("records.transcript.released.v1", "plain"),
                     body=release("plain", package_digest=digest_of("other")).body),
        WITHOUT_APPROVAL,
    ),
    "a webhook to another recipient": (also(hook("plain", recipient=FUND)), WITHOUT_APPROVAL),
    "a delivery nobody approved": (also(held("odd")), WITHOUT_APPROVAL),
    "a disclosure nobody approved": (also(call("disclose", "dlv_odd", 20, who=COLLEGE)), WITHOUT_APPROVAL),
    "a fetch long after the revocation": (
        also(call("fetch", "dlv_late", 91, who=COLLEGE, digest=digest_of("package"))), AFTER_REVOCATION,
    ),
    "an opening long after the revocation": (
        also(call("disclose", "dlv_late", 91, who=COLLEGE, request_id="req_late")), AFTER_REVOCATION,
    ),
    "a request that is gone": (
        without(lambda line: type(line) is State and line.request_id == "req_no"), LOST,
    ),
    "a request of which nobody was told": (without(is_record("consent.request.opened.v1", "no")), LOST),
    "a refusal that was forgotten": (
        with_changed(State, lambda line: line.request_id == "req_no", status="open"), LOST,
    ),
    "a revocation that was forgotten": (
        with_changed(State, lambda line: line.request_id == "req_late", status="approved"), LOST,
    ),
    "a revocation of which nobody was told": (without(is_record("consent.request.revoked.v1", "late")), LOST),
    "an approval that is on no topic": (without(is_record("consent.request.approved.v1", "plain")), LOST),
    "an approval that was never released": (without(is_record("records.transcript.released.v1", "plain")), LOST),
    "a release that never arrived": (
        without(lambda line: type(line) is Held and line.request_id == "req_plain"), LOST,
    ),
    "an approval that got stuck": (
        with_changed(State, lambda line: line.request_id == "req_plain", stage="available"), LOST,
    ),
    "an acknowledgement that was forgotten": (
        with_changed(Held, lambda line: line.request_id == "req_plain", status="delivered"), LOST,
    ),
    "a disclosure without a row": (with_ledger(ledger("plain", "school")), LOST),
    "another body under a webhook-id": (
        also(hook("plain", body=hook("plain").body.replace("available", "revoked"))), "two bodies under one webhook-id",
    ),
    "another body under an event's id": (
        also(replace(approval("plain"), kind="consent.request.refused.v1")), "two bodies under one event id",
    ),
    "another mail under a Message-ID": (
        also(Mail(message_id="mail_plain", to="else", subject="Approved", digest="")), "two mails under one Message-ID",
    ),
    "another package under a release id": (
        also(replace(release("plain", place="vault/two"), id="evt_again")), TWO_ARTEFACTS,
    ),
    "a second release of a request": (
        also(replace(release("plain", release_id="rel_again"), id="evt_again")), TWO_ARTEFACTS,
    ),
    "a second delivery of a request": (also(held("plain", delivery_id="dlv_again")), TWO_ARTEFACTS),
    "other bytes at the second fetch": (
        also(call("fetch", "dlv_plain", 30, who=COLLEGE, digest=digest_of("other"))), TWO_ARTEFACTS,
    ),
    "a row that was changed": (
        with_ledger([replace(line, row={**line.row, "purpose": "marketing"}) for line in ledger("plain")]), LEDGER,
    ),
    "a row that was taken out": (with_ledger([one for one in ledger("plain", "school", "late") if one.row["number"] != 2]), LEDGER),
    "a row that was made up and the chain made anew": (with_ledger(re_chained()), LEDGER),
    "a second row for one delivery": (with_ledger(ledger("plain", "school", "late", "plain")), LEDGER),
    "delivery's own check that fails": (also(Proof(by="delivery", about="org_school", holds=False)), LEDGER),
    "a stranger who is answered": (also(call("probe", "req_plain", 20, who="per_other")), TENANTS),
    "a recipient who fetches another's": (
        also(call("fetch", "dlv_plain", 20, who=FUND, digest=digest_of("package"))), TENANTS,
    ),
    "a recipient who lists another's": (also(held("plain", recipient=FUND)), TENANTS),
    "a name on a topic": (
        also(record("notify.messages", "notify.message.sent.v1", "x", to="zquoralba@example.test")), IN_CLEAR,
    ),
    "a name in a header": (
        with_changed(Record, is_record("consent.request.opened.v1", "no"), headers="ce_subject: Zquor"), IN_CLEAR,
    ),
    "a statement in a webhook": (also(hook("plain", webhook_id="msg_x", body='"kelpwhistle"')), IN_CLEAR),
    "a name in an address": (
        also(Call(began=1, ended=2, who="x", act="open", about="", status=404, url="/x?name=Zquor")), IN_CLEAR,
    ),
    "a word that was found in a file": (also(Leak(where="logs/consent.log", shown="Zquor")), IN_CLEAR),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_it_finds(name: str) -> None:
    history, rule = MUTANTS[name]
    assert rule in {breach.rule for breach in judge(history)}


def test_every_rule_has_a_history_that_breaks_it() -> None:
    broken = {breach.rule for history, _ in MUTANTS.values() for breach in judge(history)}
    named = {rule for _, rule in MUTANTS.values()}
    assert broken == named
    assert len(MUTANTS) >= 2 * len(RULES)


def test_a_breach_tells_the_lines_that_speak_of_it_and_no_others() -> None:
    [breach] = [one for one in judge(also(release("odd"))) if one.rule == WITHOUT_APPROVAL]
    assert breach.lines == (release("odd"),)
    assert "req_odd" in breach.told()


def test_every_line_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    pen = Pen(path)
    for line in whole().lines:
        pen.note(line)
    pen.close()
    assert [spelled(line) for line in read([path]).lines] == [spelled(line) for line in whole().lines]


def test_a_line_that_was_cut_off_when_its_writer_died_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text(spelled(State(request_id="req_1", status="open")) + '\n{"line":"Sta')
    assert read([path]).lines == (State(request_id="req_1", status="open"),)


def test_a_line_of_each_kind_survives_its_spelling() -> None:
    for line in (*whole().lines, Injected(id="evt_1", how="repeated"), Leak(where="x", shown="y")):
        assert spelled(parsed(spelled(line))) == spelled(line)
