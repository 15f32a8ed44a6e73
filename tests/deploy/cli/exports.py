"""An export made without the house: real keys, real grants, a real chain. Its own builder: nothing of what wrote or judges it."""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import rfc8785
from joserfc.jwk import OKPKey, RSAKey

from contracts import grant
from contracts.grant import Grant, Grantor
from contracts.types import Basis, BasisCode, Capacity, Purpose, Selection

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SCHOOL = "org_harbor"
GENESIS = "sha256:" + "0" * 64
CONSENT = OKPKey.generate_key("Ed25519", {"use": "sig"}, auto_kid=True)
BEFORE = OKPKey.generate_key("Ed25519", {"use": "sig"}, auto_kid=True)
"""A key of consent's that signs no more, and is kept for what it has signed."""
STRANGER = OKPKey.generate_key("Ed25519", {"use": "sig"}, auto_kid=True)
ISSUERS = (RSAKey.generate_key(2048, auto_kid=True), OKPKey.generate_key("Ed25519", auto_kid=True))
GUARDIAN_WORDS = (
    "The student is under 18, so a parent or guardian holds the rights in this record "
    "and agreed in writing that it goes to {}."
)
STUDENT_WORDS = (
    "The student is 18 or older and holds the rights in this record. The student agreed in writing that it goes to {}."
)
RECIPIENTS = (
    ("org_college", "a college the student applies to", Purpose.ADMISSION),
    ("org_fund", "a scholarship or aid body", Purpose.FINANCIAL_AID),
    ("org_works", "an employer", Purpose.EMPLOYMENT),
)
Json = dict[str, Any]


def digest(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def hash_of(said: Json, name: str = "hash") -> str:
    return "sha256:" + hashlib.sha256(rfc8785.dumps({key: one for key, one in said.items() if key != name})).hexdigest()


def spelled(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def public(*keys: Any, origin: str = "") -> Json:
    return {"keys": [{**key.as_dict(private=False), "kid": origin + key.thumbprint()} for key in keys]}


@dataclass
class Export:
    """Everything of an export as values; `write` makes the files, consistent in themselves unless they were bent before."""

    rows: list[Json] = field(default_factory=list)
    grants: list[Grant] = field(default_factory=list)
    seals: list[Json] = field(default_factory=list)
    consent_keys: Json = field(default_factory=lambda: public(CONSENT, BEFORE))
    issuer_keys: Json = field(default_factory=lambda: public(*ISSUERS, origin="https://placet.example/records/keys#"))

    def disclose(self, number: int) -> None:
        """A student with a sealed version, a package of it, a grant, and the row of its disclosure."""
        sealed = NOON + timedelta(days=number)
        student, transcript = f"per_student{number}", f"trn_{number}"
        parts = ("credit.S1", "courses") if number % 3 == 0 else ()
        version = {
            "what": "version",
            "school_id": SCHOOL,
            "student_id": student,
            "transcript_id": transcript,
            "transcript_version": 1,
            "digest": digest(f"version {number}"),
            "sealed_by": "per_registrar",
            "sealed_at": spelled(sealed),
        }
        package = {
            "what": "package",
            "school_id": SCHOOL,
            "student_id": student,
            "transcript_id": transcript,
            "transcript_version": 1,
            "transcript_digest": version["digest"],
            "package_id": f"pkg_{number}",
            "parts": list(parts),
            "partial": bool(parts),
            "digest": digest(f"package {number}"),
            "size": 184_000 + number,
            "prepared_at": spelled(sealed + timedelta(minutes=1)),
        }
        self.seals += [{**one, "hash": hash_of(one)} for one in (package, version)]
        self.grants.append(self._grant(number, package, sealed + timedelta(hours=1)))
        self.rows.append({})
        self.tell(number - 1, sealed + timedelta(hours=2, milliseconds=123))
        self.chain(number - 1)

    @staticmethod
    def _grant(number: int, package: Json, at: datetime) -> Grant:
        recipient, named, purpose = RECIPIENTS[number % 3]
        adult = number % 2 == 0
        basis = Basis(
            code=BasisCode.STUDENT_CONSENT if adult else BasisCode.GUARDIAN_CONSENT,
            section="34 CFR 99.30, 99.5(a)" if adult else "34 CFR 99.30",
            words=(STUDENT_WORDS if adult else GUARDIAN_WORDS).format(named),
        )
        return Grant(
            jti=f"grt_0123456789abcdef{number}",
            iat=int(at.timestamp()),
            exp=int((at + timedelta(days=180)).timestamp()),
            sub=package["student_id"],
            request_id=f"req_{number}",
            school_id=SCHOOL,
            transcript_id=package["transcript_id"],
            transcript_version=1,
            transcript_digest=package["transcript_digest"],
            selection=Selection(parts=tuple(package["parts"])),
            package_id=package["package_id"],
            package_digest=package["digest"],
            recipient_id=recipient,
            purpose=purpose,
            basis=basis,
            grantor=Grantor(
                person_id=package["student_id"] if adult else f"per_guardian{number}",
                capacity=Capacity.ELIGIBLE_STUDENT if adult else Capacity.GUARDIAN,
                method="totp",
                at=int(at.timestamp()),
            ),
        )

    def tell(self, index: int, at: datetime | None = None, *, key: OKPKey | None = None) -> None:
        """Write the row of a grant anew, as delivery would: signed, its hash left to `chain`."""
        granted = self.grants[index]
        key = key or (BEFORE if index == 0 else CONSENT)
        self.rows[index] = {
            "school_id": SCHOOL,
            "number": index + 1,
            "previous_hash": GENESIS,
            "delivery_id": f"dlv_{index + 1}",
            "request_id": granted.request_id,
            "student_id": granted.sub,
            "recipient_id": granted.recipient_id,
            "transcript_id": granted.transcript_id,
            "transcript_version": granted.transcript_version,
            "package_digest": granted.package_digest,
            "grant_jti": granted.jti,
            "grant": grant.sign(granted, key),
            "basis": granted.basis.model_dump(mode="json"),
            "purpose": str(granted.purpose),
            "notice_version": "2026-1",
            "disclosed_at": spelled(at) if at else self.rows[index]["disclosed_at"],
            "opened_by": "per_reader",
            "hash": "",
        }

    def regrant(self, index: int, *, key: OKPKey | None = None, **claims: Any) -> None:
        """As if consent (or whoever holds `key`) had signed something else, and everybody had believed it."""
        self.grants[index] = self.grants[index].model_copy(update=claims)
        self.tell(index, key=key)
        self.chain(index)

    def reseal(self, what: str, number: int, **changes: Any) -> None:
        """Change a line of the seals, with the hash that then fits."""
        for seal in self.seals:
            if seal["what"] == what and seal["transcript_id"] == f"trn_{number}":
                seal.update(changes)
                seal["hash"] = hash_of(seal)

    def chain(self, start: int = 0) -> None:
        """Hash every row from `start` on anew: what anybody can do who can write the file."""
        for index in range(start, len(self.rows)):
            row = self.rows[index]
            row["previous_hash"] = self.rows[index - 1]["hash"] if index else GENESIS
            row["hash"] = hash_of(row)

    def renumber(self) -> None:
        for number, row in enumerate(self.rows, start=1):
            row["number"] = number
        self.chain()

    @property
    def head(self) -> str:
        return self.rows[-1]["hash"] if self.rows else GENESIS

    def write(self, folder: Path) -> Path:
        """The five files, with a manifest over whatever they are by now."""
        folder.mkdir(exist_ok=True)
        (folder / "ledger.jsonl").write_bytes(b"".join(line(one) for one in self.rows))
        (folder / "seals.jsonl").write_bytes(b"".join(line(one) for one in self.seals))
        (folder / "grants.jwks.json").write_text(json.dumps(self.consent_keys))
        (folder / "issuer.jwks.json").write_text(json.dumps(self.issuer_keys))
        write_manifest(folder, self.head, len(self.rows))
        return folder


def line(one: Json) -> bytes:
    return json.dumps(one, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def write_manifest(folder: Path, head: str, number: int) -> None:
    """Over the files as they are: what a forger does too."""
    files = {}
    for name in ("ledger.jsonl", "grants.jwks.json", "issuer.jwks.json", "seals.jsonl"):
        raw = (folder / name).read_bytes()
        files[name] = {"digest": "sha256:" + hashlib.sha256(raw).hexdigest(), "size": len(raw)}
    said = {
        "format": "placet.audit/1",
        "school_id": SCHOOL,
        "origin": "https://placet.example",
        "exported_at": "2026-12-24T12:00:00.000Z",
        "head": {"number": number, "hash": head},
        "files": files,
    }
    whole = {**said, "digest": hash_of(said)}
    (folder / "manifest.json").write_bytes(json.dumps(whole, ensure_ascii=False, indent=2).encode() + b"\n")


def an_export(rows: int = 6) -> Export:
    """A school with so many disclosures, to each kind of recipient, by guardians and by students of age."""
    made = Export()
    for number in range(1, rows + 1):
        made.disclose(number)
    return made
