"""Judges a recorded history against what must always hold (zero breaches in every run, under every fault).

Pure over values, and code of its own: nothing here is shared with the services that are judged, only the contracts.
Each rule is a function from a history to its breaches; `judge` asks them all.
"""

import base64
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import rfc8785
from joserfc.jwk import KeySet

from contracts import grant as grants
from contracts.grant import Grant, GrantInvalid
from tests.chaos.history import (
    Call,
    Held,
    History,
    Hook,
    Injected,
    Json,
    Leak,
    Line,
    Mail,
    Premises,
    Proof,
    Record,
    Row,
    State,
    spelled,
)

BOUND = 30.0
"""Seconds after a committed revocation from which on nothing may be disclosed."""
GENESIS = "sha256:" + "0" * 64
DISCLOSING = ("disclose", "fetch")
SHOWN = 40
"""Lines of a breach's slice that are told."""


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule that was broken, how, and the lines that show it."""

    rule: str
    how: str
    lines: tuple[Line, ...] = ()

    def told(self) -> str:
        return "\n".join([f"{self.rule}: {self.how}", *(f"    {spelled(line)[:600]}" for line in self.lines[:SHOWN])])


class Case:
    """A history with what several rules ask of it worked out once."""

    def __init__(self, history: History) -> None:
        self.history = history
        [self.premises] = list(history.of(Premises))
        self.calls: list[Call] = list(history.of(Call))
        self.injected = {one.id for one in history.of(Injected)}
        self.records: list[Record] = [one for one in history.of(Record) if one.id not in self.injected]
        self.opened = {one.about: one for one in self.calls if one.act == "open" and one.done}
        self.acts: defaultdict[tuple[str, str], list[Call]] = defaultdict(list)
        for call in self.calls:
            self.acts[call.act, call.about].append(call)
        self.states = {one.request_id: one for one in history.of(State)}
        self.held: list[Held] = list(history.of(Held))
        self.request_of = {one.delivery_id: one.request_id for one in self.held}
        self.rows: list[Row] = list(history.of(Row))
        self._keys = KeySet.import_key_set(self.premises.consent_keys)
        self.grants = self._grants()

    def told(self, kind: str) -> Iterator[tuple[Record, Json]]:
        return ((one, json.loads(one.body)) for one in self.records if one.kind == kind)

    def verified(self, token: str) -> Grant | None:
        """The grant, if consent signed it: at the moment that it names itself, whatever the time is now."""
        try:
            claims = json.loads(unpadded(token.split(".")[1]))
            return grants.verify(
                token, self._keys, audience="delivery", now=datetime.fromtimestamp(int(claims["iat"]), UTC)
            )
        except (GrantInvalid, ValueError, KeyError, IndexError, TypeError):
            return None

    def _grants(self) -> dict[str, Grant]:
        """The approvals, by request: only those that consent's own signature proves."""
        found: dict[str, Grant] = {}
        for _, body in self.told("consent.request.approved.v1"):
            grant = self.verified(body["grant"])
            if grant is not None and (grant.request_id, grant.recipient_id) == (
                body["request_id"],
                body["recipient_id"],
            ):
                found.setdefault(grant.request_id, grant)
        return found

    def done(self, act: str, about: str) -> Call | None:
        """The first of these calls that was answered with a yes."""
        return next((one for one in self.acts[act, about] if one.done), None)

    def maybe(self, act: str, about: str) -> bool:
        """Whether somebody tried to, and was not told no."""
        return any(not one.refused for one in self.acts[act, about])

    def breach(self, rule: str, how: str, *ids: str) -> Breach:
        return Breach(rule, how, tuple(self.history.about(*ids)))


def unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


Rule = Callable[[Case], Iterator[Breach]]


def nothing_without_approval(case: Case) -> Iterator[Breach]:
    """Whatever left had an approval of these bytes for this recipient; and each approval was somebody's own act."""
    rule = "released without a valid approval"
    for what, request_id, recipient, digest in _departures(case):
        grant = case.grants.get(request_id)
        if grant is None:
            yield case.breach(rule, f"{what} of {request_id}, which was never approved", request_id)
        elif recipient and grant.recipient_id != recipient:
            yield case.breach(rule, f"{what} of {request_id} to {recipient}, approved for another", request_id)
        elif digest and grant.package_digest != digest:
            yield case.breach(rule, f"{what} of {request_id}: other bytes than those approved", request_id)
    for request_id in case.grants:
        opened = case.opened.get(request_id)
        needed = ["sign"] + (["approve"] if opened and opened.said.get("school_approves") else [])
        for act in needed:
            if not case.maybe(act, request_id):
                yield case.breach(rule, f"{request_id} was approved, and nobody's {act} was accepted", request_id)
        if case.done("refuse", request_id):
            yield case.breach(rule, f"{request_id} was refused, and yet approved", request_id)
        if _revoked_before_signed(case, request_id):
            yield case.breach(rule, f"{request_id} was taken back before it was signed, and yet approved", request_id)


def _departures(case: Case) -> Iterator[tuple[str, str, str, str]]:
    """What left, of which request, to whom, which bytes (empty: it does not say)."""
    for _, body in case.told("records.transcript.released.v1"):
        yield "a release", body["request_id"], body["recipient_id"], body["package_digest"]
    for call in case.calls:
        if call.act in DISCLOSING and call.done:
            request_id = call.said.get("request_id") or case.request_of.get(call.about, call.about)
            yield f"a {call.act}", request_id, call.who, call.said.get("digest", "")
    for hook in case.history.of(Hook):
        told = _notice(hook)
        if hook.verified and told.get("type") == "transcript.available":
            yield "a webhook", told["data"]["request_id"], hook.recipient, told["data"]["digest"]
    for one in case.held:
        yield "a delivery", one.request_id, one.recipient, one.digest
    for line in case.rows:
        yield "a ledger row", line.row["request_id"], line.row["recipient_id"], line.row["package_digest"]


def _notice(hook: Hook) -> dict[str, Json]:
    try:
        found = json.loads(hook.body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _revoked_before_signed(case: Case, request_id: str) -> bool:
    revoked = case.done("revoke", request_id)
    signs = case.acts["sign", request_id]
    return revoked is not None and all(one.began > revoked.ended for one in signs)


def nothing_after_revocation(case: Case) -> Iterator[Breach]:
    """From the bound after a committed revocation on, no call that began then discloses anything."""
    for call in case.calls:
        if call.act not in DISCLOSING or not call.done:
            continue
        request_id = call.said.get("request_id") or case.request_of.get(call.about, "")
        revoked = case.done("revoke", request_id)
        if revoked is not None and call.began > revoked.ended + BOUND:
            late = call.began - revoked.ended
            how = f"{call.act} of {request_id} {late:.1f} s after its revocation was committed"
            yield case.breach("disclosed after a revocation", how, request_id, call.about)


def nothing_lost(case: Case) -> Iterator[Breach]:
    """What was answered with a yes is there at the end, and what was approved has arrived."""
    yield from _lost_acts(case)
    yield from _lost_on_the_way(case)
    yield from _lost_at_the_recipient(case)


LOST = "acknowledged and lost"


def _lost_acts(case: Case) -> Iterator[Breach]:
    said = {body["request_id"] for _, body in case.told("consent.request.opened.v1")}
    for request_id in case.opened:
        state = case.states.get(request_id)
        if state is None or not state.status:
            yield case.breach(LOST, f"{request_id} was opened, and is not there at the end", request_id)
            continue
        if request_id not in said:
            yield case.breach(LOST, f"{request_id} was opened, and nobody was told", request_id)
        if case.done("refuse", request_id) and state.status != "refused":
            yield case.breach(LOST, f"{request_id} was refused, and is {state.status} at the end", request_id)
        if case.done("revoke", request_id) and state.status != "revoked":
            yield case.breach(LOST, f"{request_id} was taken back, and is {state.status} at the end", request_id)
    taken_back = {body["request_id"] for _, body in case.told("consent.request.revoked.v1")}
    for call in case.calls:
        if call.act == "revoke" and call.done and call.about not in taken_back:
            yield case.breach(LOST, f"{call.about} was taken back, and nobody was told", call.about)
        approved = call.act in {"sign", "approve"} and call.done and call.said.get("status") == "approved"
        if approved and call.about not in case.grants:
            yield case.breach(LOST, f"the approval of {call.about} was accepted, and is on no topic", call.about)


def _lost_on_the_way(case: Case) -> Iterator[Breach]:
    released = {body["request_id"] for _, body in case.told("records.transcript.released.v1")}
    there = {one.request_id for one in case.held}
    for request_id in case.grants:
        state = case.states.get(request_id)
        if case.maybe("revoke", request_id):
            continue
        if request_id not in released:
            yield case.breach(LOST, f"{request_id} was approved, and never released", request_id)
        elif request_id not in there:
            yield case.breach(LOST, f"{request_id} was released, and its recipient never had it", request_id)
        elif state is not None and (state.status, state.stage) != ("approved", "acknowledged"):
            how = f"{request_id} was approved, and is {state.status}, {state.stage} at the end"
            yield case.breach(LOST, how, request_id)


def _lost_at_the_recipient(case: Case) -> Iterator[Breach]:
    in_ledger = {line.row["delivery_id"] for line in case.rows}
    status = {one.delivery_id: one.status for one in case.held}
    for call in case.calls:
        if not call.done:
            continue
        if call.act in DISCLOSING and call.about not in in_ledger:
            yield case.breach(LOST, f"{call.about} was disclosed, and stands in no ledger", call.about)
        if call.act == "acknowledge" and status.get(call.about) not in {"acknowledged", "cancelled"}:
            how = f"{call.about} was acknowledged, and is {status.get(call.about)} at the end"
            yield case.breach(LOST, how, call.about)


def one_body_under_one_id(case: Case) -> Iterator[Breach]:
    """A webhook-id, an event's id and a Message-ID stand for one text each, however often it comes."""
    hooks: dict[str, str] = {}
    for hook in case.history.of(Hook):
        if hooks.setdefault(hook.webhook_id, hook.body) != hook.body:
            yield case.breach("two bodies under one webhook-id", hook.webhook_id, hook.webhook_id)
    events: dict[str, tuple[str, str, str]] = {}
    for record in case.records:
        body = (record.topic, record.kind, record.body)
        if events.setdefault(record.id, body) != body:
            yield case.breach("two bodies under one event id", record.id, record.id)
    mails: dict[str, tuple[str, str]] = {}
    for mail in case.history.of(Mail):
        told = (mail.to, mail.subject)
        if mails.setdefault(mail.message_id, told) != told:
            yield case.breach("two mails under one Message-ID", mail.message_id, mail.message_id)


def one_artefact_for_one_release(case: Case) -> Iterator[Breach]:
    """A release is one package; a request is released once, delivered once, and fetched as the same bytes each time."""
    rule = "two artefacts under one release id"
    by_release: dict[str, tuple[str, str]] = {}
    by_request: dict[str, str] = {}
    for _, body in case.told("records.transcript.released.v1"):
        artefact = (body["package_digest"], body["place"])
        if by_release.setdefault(body["release_id"], artefact) != artefact:
            yield case.breach(rule, f"{body['release_id']} names two packages", body["release_id"])
        if by_request.setdefault(body["request_id"], body["release_id"]) != body["release_id"]:
            yield case.breach(rule, f"{body['request_id']} was released twice", body["request_id"])
    deliveries: dict[str, str] = {}
    for one in case.held:
        if deliveries.setdefault(one.request_id, one.delivery_id) != one.delivery_id:
            yield case.breach(rule, f"{one.request_id} was delivered twice", one.request_id)
    fetched: dict[str, str] = {}
    for call in case.calls:
        if (
            call.act == "fetch"
            and call.done
            and fetched.setdefault(call.about, call.said["digest"]) != call.said["digest"]
        ):
            yield case.breach(rule, f"{call.about} was fetched as two different packages", call.about)


def the_ledger_holds(case: Case) -> Iterator[Breach]:
    """Each school's chain from its first row on, each row's own grant, one row for a delivery, and others' proofs."""
    rule = "the ledger does not hold"
    chains: dict[str, tuple[int, str]] = {}
    delivered: set[str] = set()
    for line in case.rows:
        row, school = line.row, line.school_id
        number, previous = chains.get(school, (0, GENESIS))
        if (row["number"], row["previous_hash"], row["school_id"]) != (number + 1, previous, school):
            yield Breach(rule, f"row {row['number']} of {school} does not follow row {number}", (line,))
        if sealed(row) != row["hash"]:
            yield Breach(rule, f"row {row['number']} of {school} was changed", (line,))
        chains[school] = (int(row["number"]), str(row["hash"]))
        if row["delivery_id"] in delivered:
            yield case.breach(rule, f"{row['delivery_id']} has two rows", row["delivery_id"])
        delivered.add(row["delivery_id"])
        wrong = _unlike(case.verified(row["grant"]), row)
        if wrong:
            yield Breach(rule, f"row {row['number']} of {school}: {wrong}", (line,))
    for proof in case.history.of(Proof):
        if not proof.holds:
            yield Breach(rule, f"{proof.by} says of {proof.about}: {proof.detail}", (proof,))


def sealed(row: dict[str, Json]) -> str:
    """The hash of a row: SHA-256 over the RFC 8785 form of everything but the hash."""
    content = {name: value for name, value in row.items() if name != "hash"}
    return f"sha256:{hashlib.sha256(rfc8785.dumps(content)).hexdigest()}"


def _unlike(grant: Grant | None, row: dict[str, Json]) -> str:
    """How a row differs from the grant that it cites; empty when it does not."""
    if grant is None:
        return "it cites no grant that consent signed"
    for name in ("request_id", "school_id", "recipient_id", "package_digest", "transcript_id", "transcript_version"):
        if getattr(grant, name) != row[name]:
            return f"its {name} is not its grant's"
    return "" if (grant.sub, grant.jti) == (row["student_id"], row["grant_jti"]) else "it is not its grant's student"


def nobody_reads_anothers(case: Case) -> Iterator[Breach]:
    """What is another's is never answered with a yes, and no list holds it."""
    rule = "a tenant read another's"
    for call in case.calls:
        if call.act == "probe" and call.done:
            yield Breach(rule, f"{call.who} got {call.status} for {call.about}", (call,))
        if call.act in {*DISCLOSING, "acknowledge"} and call.done:
            request_id = call.said.get("request_id") or case.request_of.get(call.about, "")
            if (opened := case.opened.get(request_id)) and opened.said.get("recipient_id") != call.who:
                yield case.breach(rule, f"{call.who} had {call.about}, which was asked for another", request_id)
    for one in case.held:
        opened = case.opened.get(one.request_id)
        if opened is not None and opened.said.get("recipient_id") != one.recipient:
            yield case.breach(rule, f"{one.recipient} lists {one.delivery_id} of another", one.delivery_id)


def nothing_personal_in_clear(case: Case) -> Iterator[Breach]:
    """No canary in a topic, a webhook, an address; nor anywhere that was searched."""
    rule = "a personal word in clear"
    for leak in case.history.of(Leak):
        yield Breach(rule, f"{leak.where}: {leak.shown}", (leak,))
    if not case.premises.canaries:
        return
    words = re.compile("|".join(map(re.escape, case.premises.canaries)), re.IGNORECASE)
    seen: list[tuple[Line, str]] = [(one, one.body + one.headers) for one in case.records]
    seen += [(one, one.body) for one in case.history.of(Hook)]
    seen += [(one, one.url) for one in case.calls]
    for line, text in seen:
        if hit := words.search(text):
            yield Breach(rule, f"{type(line).__name__}: {hit[0]}", (line,))


RULES: tuple[Rule, ...] = (
    nothing_without_approval,
    nothing_after_revocation,
    nothing_lost,
    one_body_under_one_id,
    one_artefact_for_one_release,
    the_ledger_holds,
    nobody_reads_anothers,
    nothing_personal_in_clear,
)


def judge(history: History) -> list[Breach]:
    """Every breach of every rule; none in a run in which everything held."""
    case = Case(history)
    return [breach for rule in RULES for breach in rule(case)]
