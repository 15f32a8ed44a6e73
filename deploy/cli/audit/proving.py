"""The proof: from the files of one folder, row by row, that every disclosure was allowed, sealed before, and written down once.

Offline and from the files alone. What no file can tell of itself comes from outside: `head`, a hash noted earlier, finds a
chain that was cut or made anew; `grant_keys`, consent's keys fetched by oneself, find grants that somebody else signed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from contracts.grant import SKEW_SECONDS, Grant
from deploy.cli.audit.grants import Fault, Forged, UnknownKey, differences, misuses, open_grant
from deploy.cli.audit.keys import read_keys
from deploy.cli.audit.manifest import read_manifest
from deploy.cli.audit.problems import ASK_CONSENT, COMPARE, EXPORT, LOOK_AT_SEALS, Problems
from deploy.cli.audit.reading import (
    FILES,
    GENESIS,
    GRANT_KEYS,
    ISSUER_KEYS,
    LARGEST_FILE,
    LEDGER,
    MANIFEST,
    SEALS,
    Head,
    Malformed,
    Manifest,
    Row,
    entry_of,
    lines_of,
    read_line,
)
from deploy.cli.audit.seals import Seals, read_seals

_UNSIGNED = ("delivery_id", "notice_version", "disclosed_at", "opened_by")
"""Fields of a row that no grant backs: only the chain holds them."""
_ONCE = (("delivery_id", "a delivery"), ("grant_jti", "a grant"), ("request_id", "a request"))


class Unreadable(Exception):
    """There is no export to audit. One sentence."""


@dataclass(slots=True)
class Proof:
    """What came out. `head_row` is the row of the head that the caller noted earlier; 0 when none was given or found."""

    problems: Problems = field(default_factory=Problems)
    manifest: Manifest | None = None
    rows: int = 0
    proven: int = 0
    head: Head = field(default_factory=lambda: Head(number=0, hash=GENESIS))
    head_row: int = 0
    keys: list[str] = field(default_factory=list)
    """The `kid`s of the keys that grants were verified with."""


class _Judged(NamedTuple):
    """One line of the ledger: what it says and should hash to, and what the next line says it follows."""

    line: int
    row: Row
    computed: str
    cited: str | None


def prove(folder: Path, *, head: str | None = None, grant_keys: Path | None = None) -> Proof:
    """Prove an export. Never raises for anything that its files hold; raises Unreadable when there is none."""
    try:
        return _prove(folder, head, grant_keys)
    except OSError as why:
        raise Unreadable(f"{why.filename or folder} can't be read: {why.strerror}") from None


def _prove(folder: Path, head: str | None, grant_keys: Path | None) -> Proof:
    there = {name for name in (MANIFEST, *FILES) if (folder / name).is_file()}
    if not there & {MANIFEST, LEDGER}:
        raise Unreadable(f"{folder} is no export: it has neither {MANIFEST} nor {LEDGER}")
    proof = Proof()
    for name in (MANIFEST, *FILES):
        if name not in there:
            proof.problems.note(name, 0, "", "is not there", EXPORT)
    if MANIFEST in there:
        proof.manifest = read_manifest(folder, proof.problems)
    keys = _keys(folder, there, grant_keys, proof)
    seals = read_seals(folder / SEALS, proof.problems) if SEALS in there else None
    if LEDGER in there:
        _Ledger(proof, keys, seals, head).judge(folder / LEDGER)
    if proof.manifest is not None:
        _hold_against_manifest(folder, there, proof, proof.manifest)
    if head is not None and not proof.head_row:
        what = "does not have the head that you noted: rows were taken away, or the chain was made anew"
        proof.problems.note(LEDGER, 0, "hash", what, COMPARE)
    return proof


def _keys(folder: Path, there: set[str], given: Path | None, proof: Proof) -> dict[str, Ed25519PublicKey] | None:
    """Consent's keys: those that the caller vouches for, else those in the folder. None when there are none at all."""
    if ISSUER_KEYS in there:
        read_keys(_whole(folder / ISSUER_KEYS), ISSUER_KEYS, proof.problems)
    found = read_keys(_whole(folder / GRANT_KEYS), GRANT_KEYS, proof.problems) if GRANT_KEYS in there else {}
    if given is not None:
        vouched = read_keys(_whole(given), given.name, proof.problems)
        if foreign := set(found) - set(vouched):
            what = f"has {len(foreign)} of {len(found)} keys that are not among those you gave"
            proof.problems.note(GRANT_KEYS, 0, "keys", what, COMPARE)
        found = vouched
    proof.keys = sorted(found)
    return found or None


def _whole(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LARGEST_FILE)


def _hold_against_manifest(folder: Path, there: set[str], proof: Proof, manifest: Manifest) -> None:
    """Last, so that a file in which something was found already is not accused twice."""
    for name in FILES:
        entry = manifest.files.get(name)
        if name in there and entry is not None and not proof.problems.touch(name):
            now = entry_of(folder / name)
            if now.size != entry.size:
                proof.problems.note(name, 0, "", f"has {now.size} bytes where {entry.size} were exported", EXPORT)
            elif now.digest != entry.digest:
                proof.problems.note(name, 0, "", "has other bytes than when it was exported", EXPORT)
    if LEDGER in there and manifest.head != proof.head and not proof.problems.touch(LEDGER):
        what = f"ends with row {proof.head.number}, where row {manifest.head.number} was the last when it was exported"
        proof.problems.note(LEDGER, 0, "hash", what, EXPORT)


class _Ledger:
    """One pass over the rows."""

    def __init__(
        self, proof: Proof, keys: dict[str, Ed25519PublicKey] | None, seals: Seals | None, head: str | None
    ) -> None:
        self._proof = proof
        self._problems = proof.problems
        self._keys = keys
        self._seals = seals
        self._noted = head
        self._school = proof.manifest.school_id if proof.manifest else None
        self._expected = 1
        self._previous = {GENESIS}
        self._disclosed_at: datetime | None = None
        self._seen: dict[tuple[str, str], int] = {}
        self._foreign: list[int] = []

    def judge(self, path: Path) -> None:
        """Judge every line. Raises OSError."""
        for one in self._lines(path):
            faults = [*self._place(one), *self._told_once(one)]
            signed, grant = self._signed(one)
            faults += signed
            faults = self._unchanged(one, faults, grant)
            for place, what in faults:
                self._problems.note(LEDGER, one.line, place, what, _todo(place, what))
            is_backed = grant is not None and self._seals is not None
            self._proof.proven += not faults and is_backed
            self._go_on(one)
        self._say_foreign()
        if self._proof.rows and self._keys is None:
            what = "holds no key of consent: no grant can be verified"
            self._problems.note(GRANT_KEYS, 0, "keys", what, ASK_CONSENT)

    def _lines(self, path: Path) -> Iterator[_Judged]:
        """The readable rows, each once the line after it was looked at."""
        waiting: _Judged | None = None
        for line in lines_of(path):
            self._proof.rows += 1
            try:
                row, computed = read_line(Row, line)
            except Malformed as why:
                for place, what in why.faults:
                    self._problems.note(LEDGER, line.number, place, what, COMPARE)
                if waiting is not None:
                    yield waiting
                waiting = None
                # Its number is not known: the rows after it are held against one another only.
                self._expected, self._previous = 0, set()
                continue
            if waiting is not None:
                yield waiting._replace(cited=row.previous_hash)
            waiting = _Judged(line.number, row, computed, None)
        if waiting is not None:
            manifest = self._proof.manifest
            yield waiting._replace(cited=manifest.head.hash if manifest else None)

    def _place(self, one: _Judged) -> Iterator[Fault]:
        """Whether it stands where it must: school, number, what it follows, time."""
        row = one.row
        self._school = self._school or row.school_id
        if row.school_id != self._school:
            yield "school_id", "is another school than the export's"
        follows = not self._previous or row.previous_hash in self._previous
        if self._expected and row.number != self._expected:
            yield (
                "number",
                f"says row {row.number} where row {self._expected} must stand: rows were taken away, added or swapped",
            )
        elif not follows:
            yield (
                "previous_hash",
                "does not follow the row before it: one of the two was changed, or a row between is gone",
            )
        if self._disclosed_at and (self._disclosed_at - row.disclosed_at).total_seconds() > SKEW_SECONDS:
            yield "disclosed_at", "is before the disclosure in the line before"

    def _told_once(self, one: _Judged) -> Iterator[Fault]:
        """One grant makes one delivery of one request, and that is disclosed once."""
        for place, what in _ONCE:
            first = self._seen.setdefault((place, getattr(one.row, place)), one.line)
            if first != one.line:
                yield place, f"is {what} that line {first} has used already"

    def _signed(self, one: _Judged) -> tuple[list[Fault], Grant | None]:
        """Whether consent signed exactly this, and records had sealed it before."""
        if self._keys is None:
            return [], None
        try:
            grant = open_grant(one.row.grant, self._keys)
        except UnknownKey:
            self._foreign.append(one.line)
            return [], None
        except Forged as why:
            return [("grant", str(why))], None
        faults = [*differences(one.row, grant), *misuses(one.row, grant)]
        if self._seals is not None:
            faults += self._seals.faults(grant)
        return faults, grant

    def _unchanged(self, one: _Judged, faults: list[Fault], grant: Grant | None) -> list[Fault]:
        """With what the row's hash says. Where nothing else names the field, those that could be meant are named."""
        if one.computed == one.row.hash:
            return faults
        if one.cited == one.computed:
            return [*faults, ("hash", "was changed: the row itself is the one that the next cites")]
        if faults:
            place, what = faults[0]
            return [
                (place, f"{what} (and the row's hash does not fit: it was changed after it was written)"),
                *faults[1:],
            ]
        names = _UNSIGNED if one.cited else (*_UNSIGNED, "hash")
        names = names if grant is not None else (*names, "grant or any other")
        return [(", ".join(names), "one of these was changed after the row was written: its hash does not fit")]

    def _go_on(self, one: _Judged) -> None:
        self._expected = one.row.number + 1
        # Either will do: if they differ, this row has been accused already.
        self._previous = {one.row.hash, one.computed}
        self._disclosed_at = one.row.disclosed_at
        self._proof.head = Head(number=one.row.number, hash=one.row.hash)
        if self._noted == one.row.hash == one.computed:
            self._proof.head_row = one.row.number

    def _say_foreign(self) -> None:
        """One problem for all rows under keys that nobody knows: they have one cause."""
        if self._foreign:
            more = len(self._foreign) - 1
            what = "is signed with a key that is not consent's" + (f", and so are {more} later ones" if more else "")
            self._problems.note(LEDGER, self._foreign[0], "grant", what, ASK_CONSENT)


def _todo(place: str, what: str) -> str:
    if place == "grant":
        return ASK_CONSENT
    return LOOK_AT_SEALS if SEALS in what else COMPARE
