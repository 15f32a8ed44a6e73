"""A small history in which everything held, as the processes of a run would have written it, to be spoilt by tests."""

import hashlib
import json
from dataclasses import replace
from typing import Any

from joserfc.jwk import OKPKey

from contracts.grant import Grant, Grantor, sign
from contracts.types import Basis, BasisCode, Capacity, Purpose, Selection
from tests.chaos.checker import GENESIS, sealed
from tests.chaos.history import (
    Call,
    Held,
    History,
    Hook,
    Json,
    Line,
    Mail,
    Premises,
    Proof,
    Record,
    Row,
    State,
)

KEY = OKPKey.generate_key("Ed25519", private=True, auto_kid=True)
STRANGER = OKPKey.generate_key("Ed25519", private=True, auto_kid=True)
NOW = 1_796_000_000.0
SCHOOL, STUDENT, GUARDIAN, REGISTRAR = "org_school", "per_student", "per_guardian", "per_registrar"
COLLEGE, FUND = "org_college", "org_fund"
PREMISES = Premises(consent_keys={"keys": [KEY.as_dict(private=False)]}, canaries=("Zquor", "kelpwhistle"))


def digest_of(word: str) -> str:
    return f"sha256:{hashlib.sha256(word.encode()).hexdigest()}"


def granted(name: str, *, key: OKPKey = KEY, **changes: Any) -> str:
    """The grant over the request of that name."""
    claims: dict[str, Any] = {
        "jti": f"grt_{name}".ljust(16, "0"),
        "iat": int(NOW) + 10,
        "exp": int(NOW) + 86_400,
        "sub": STUDENT,
        "request_id": f"req_{name}",
        "school_id": SCHOOL,
        "transcript_id": "trn_one",
        "transcript_version": 1,
        "transcript_digest": digest_of("transcript"),
        "selection": Selection(parts=("courses",)),
        "package_id": "pkg_one",
        "package_digest": digest_of("package"),
        "recipient_id": COLLEGE,
        "purpose": Purpose.ADMISSION,
        "basis": Basis(code=BasisCode.GUARDIAN_CONSENT, section="34 CFR 99.30", words="A guardian agreed."),
        "grantor": Grantor(person_id=GUARDIAN, capacity=Capacity.GUARDIAN, method="totp", at=1),
        **changes,
    }
    return sign(Grant.model_validate(claims), key)


def record(topic: str, kind: str, name: str, **body: Json) -> Record:
    return Record(
        topic=topic, partition=0, offset=0, id=f"evt_{kind}_{name}", kind=kind,
        body=json.dumps({"request_id": f"req_{name}", "recipient_id": COLLEGE, **body}),
    )  # fmt: skip


def call(act: str, about: str, at: float, *, who: str = GUARDIAN, answer: int = 200, **said: Json) -> Call:
    return Call(began=NOW + at, ended=NOW + at + 0.1, who=who, act=act, about=about, status=answer, said=said)


def opened(name: str, *, school_approves: bool = False) -> list[Line]:
    return [
        call("open", f"req_{name}", 0, who=STUDENT, answer=201, recipient_id=COLLEGE, school_approves=school_approves),
        record("consent.requests", "consent.request.opened.v1", name),
    ]


def approval(name: str, **claims: Any) -> Record:
    return record("consent.requests", "consent.request.approved.v1", name, grant=granted(name, **claims))


def release(name: str, **body: Json) -> Record:
    told = {"release_id": f"rel_{name}", "package_digest": digest_of("package"), "place": "vault/one", **body}
    return record("records.releases", "records.transcript.released.v1", name, **told)


def hook(name: str, **changes: Any) -> Hook:
    told = {"delivery_id": f"dlv_{name}", "request_id": f"req_{name}", "digest": digest_of("package")}
    body = json.dumps({"type": "transcript.available", "data": told})
    first = Hook(at=NOW + 12, recipient=COLLEGE, webhook_id=f"msg_{name}", body=body, verified=True, answered=204)
    return replace(first, **changes)


def held(name: str, **changes: Any) -> Held:
    one = Held(
        recipient=COLLEGE, delivery_id=f"dlv_{name}", request_id=f"req_{name}", status="acknowledged",
        digest=digest_of("package"),
    )  # fmt: skip
    return replace(one, **changes)


def ledger(*names: str) -> list[Row]:
    """The school's chain with one row for each."""
    rows: list[Row] = []
    for number, name in enumerate(names, start=1):
        row: dict[str, Json] = {
            "school_id": SCHOOL, "number": number, "previous_hash": rows[-1].row["hash"] if rows else GENESIS,
            "delivery_id": f"dlv_{name}", "request_id": f"req_{name}", "student_id": STUDENT, "recipient_id": COLLEGE,
            "transcript_id": "trn_one", "transcript_version": 1, "package_digest": digest_of("package"),
            "grant_jti": f"grt_{name}".ljust(16, "0"), "grant": granted(name),
        }  # fmt: skip
        rows.append(Row(school_id=SCHOOL, row={**row, "hash": sealed(row)}))
    return rows


def arrived(name: str) -> list[Line]:
    """What follows an approval, up to the acknowledgement."""
    told: dict[str, Any] = {"request_id": f"req_{name}", "digest": digest_of("package")}
    return [
        approval(name),
        release(name),
        hook(name),
        call("disclose", f"dlv_{name}", 13, who=COLLEGE, **told),
        call("fetch", f"dlv_{name}", 14, who=COLLEGE, **told),
        call("acknowledge", f"dlv_{name}", 15, who=COLLEGE, **told),
        held(name),
        State(request_id=f"req_{name}", status="approved", stage="acknowledged"),
        Mail(message_id=f"mail_{name}", to="someone", subject="Approved", digest=digest_of("mail")),
    ]


def whole() -> History:
    """A release; one that the school approves too; a refusal; one taken back before and one after it was opened."""
    lines: list[Line] = [PREMISES]
    lines += [*opened("plain"), call("sign", "req_plain", 10, status="approved"), *arrived("plain")]
    lines += [*opened("school", school_approves=True), call("sign", "req_school", 5, status="signed")]
    lines += [call("approve", "req_school", 10, who=REGISTRAR, status="approved"), *arrived("school")]
    lines += [*opened("no"), call("refuse", "req_no", 3), State(request_id="req_no", status="refused")]
    lines += [*opened("early"), *taken_back("early", 3)]
    lines += [*opened("late"), call("sign", "req_late", 10, status="approved"), *arrived("late")[:-2]]
    lines += taken_back("late", 60)
    lines += [call("probe", "req_plain", 20, who="per_stranger", answer=404)]
    lines += [*ledger("plain", "school", "late"), Proof(by="delivery", about=SCHOOL, holds=True)]
    return History(tuple(lines))


def taken_back(name: str, at: float) -> list[Line]:
    return [
        call("revoke", f"req_{name}", at),
        record("consent.requests", "consent.request.revoked.v1", name),
        State(request_id=f"req_{name}", status="revoked"),
    ]
