"""`placet verify FILE`: is this transcript what its school sealed? Offline, without an account.

Three verdicts, told apart by the exit code: 0 valid, 1 invalid, 2 issuer not known. Shares no code with the services that
make packages, so that a fault there is not repeated here. What is printed names no student: it is safe in a ticket.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from deploy.cli.envelopes import MAX_BYTES, Invalid, IssuerKeys, Signed, Trust, moment, read
from deploy.cli.packages import CREDENTIALS, PAGE, attached_credential, digest_of, open_package
from deploy.cli.printing import console, fail, pairs, plain
from deploy.cli.rules import check, evidence_digests

_PATIENCE = 20.0
"""Seconds for one file, whatever it holds; a whole package takes 0.1."""
_OK, _OPEN = "[green]✓[/]", "[dim]–[/]"


class Verdict(StrEnum):
    """What can be said of a file."""

    VALID = "valid"
    INVALID = "invalid"
    UNKNOWN = "issuer not known"

    @property
    def exit_code(self) -> int:
        """0, 1, 2 in the order above."""
        return list(Verdict).index(self)


@dataclass
class Finding:
    """What one file turned out to be: the verdict, why, the steps that led there, and what it says of itself."""

    digest: str
    verdict: Verdict = Verdict.VALID
    why: str = ""
    steps: list[tuple[str, str, str]] = field(default_factory=list)
    signed: Signed | None = None
    version: Any = None

    def ok(self, what: str, said: str) -> None:
        """Note a step that holds."""
        self.steps.append((_OK, what, said))

    def unasked(self, what: str, said: str) -> None:
        """Note what this run can't tell, and how it could be."""
        self.steps.append((_OPEN, what, said))

    def refuse(self, why: str) -> None:
        """End as invalid."""
        self.verdict, self.why = Verdict.INVALID, why


def verify(
    file: Annotated[Path, typer.Argument(help="A package (ZIP), one of the credentials in it, or its PDF.")],
    issuer_keys: Annotated[
        Path | None, typer.Option("--issuer-keys", help="The school's public keys (JWKS), from the school.")
    ] = None,
    digest: Annotated[
        str | None, typer.Option("--digest", help="sha256:… of FILE, as the school or Placet told it to you.")
    ] = None,
) -> None:
    """Say whether a transcript is valid, invalid, or by an issuer not known (exit code 0, 1, 2). Fetches nothing."""
    for path in (file, issuer_keys):
        if path is not None and not path.is_file():
            raise fail(f"there is no file {path}")
    now = datetime.now(UTC)  # noqa: TID251 - the door of a command that shares nothing with the services' clock
    found = examine(file, issuer_keys=issuer_keys, digest=digest, at=now)
    _print(file, found)
    raise typer.Exit(found.verdict.exit_code)


def examine(file: Path, *, issuer_keys: Path | None, digest: str | None, at: datetime) -> Finding:
    """Judge a file. Never raises for anything that the file holds."""
    found = Finding("")
    try:
        with _within(_PATIENCE):
            found.digest = digest_of(file)
            if digest is not None:
                _compare(found, digest)
            keys = IssuerKeys(issuer_keys.read_bytes()) if issuer_keys is not None else None
            _examine(file, keys, found, told=digest is not None, at=at)
    except Invalid as why:
        found.refuse(str(why))
    except TimeoutError:
        found.refuse(f"it is not read within {_PATIENCE:.0f} s: no transcript takes so long")
    return found


def _compare(found: Finding, digest: str) -> None:
    if digest.strip().lower() != found.digest:
        raise Invalid(f"it has the digest {found.digest}, which is not the one you were told")
    found.ok("digest", "the one you were told")


def _examine(file: Path, keys: IssuerKeys | None, found: Finding, *, told: bool, at: datetime) -> None:
    with file.open("rb") as opened:
        start = opened.read(5)
    if start.startswith(b"PK"):
        _package(file, keys, found, told=told, at=at)
    elif start.startswith(b"%PDF"):
        _page(file, keys, found, told=told, at=at)
    else:
        with file.open("rb") as opened:
            _credential("credential", opened.read(MAX_BYTES + 1), keys, found, at=at)
    if found.signed is not None and "credentialStatus" in found.signed.credential:
        found.unasked(
            "revocation", "its status list is not asked: this is offline. Placet tells recipients of a withdrawal"
        )


def _credential(name: str, raw: bytes, keys: IssuerKeys | None, found: Finding, *, at: datetime) -> Signed:
    """Judge one envelope: the signature, then the rules of what is signed."""
    try:
        signed = read(raw, keys)
        check(signed.credential, at=at)
    except Invalid as why:
        raise Invalid(f"{name}: {why}") from None
    if signed.trust is Trust.GIVEN:
        found.ok(name, f"signed ({signed.alg}) by {plain(signed.kid)}")
    else:
        found.unasked(name, f"keeps the rules; its signature ({signed.alg}) {signed.trust}")
        found.verdict = Verdict.UNKNOWN
        found.why = (
            "give the school's public keys with --issuer-keys"
            if signed.trust is Trust.UNASKED
            else "none of the keys you gave made it: get the school's public keys from the school itself"
        )
    found.signed = signed
    return signed


def _package(file: Path, keys: IssuerKeys | None, found: Finding, *, told: bool, at: datetime) -> None:
    package = open_package(file)
    found.ok("members", f"{len(package.digests)}, each as the manifest says")
    first, *others = [_credential(name, package.read[name], keys, found, at=at) for name in CREDENTIALS]
    if any(other.credential != first.credential for other in others):
        raise Invalid("its three credentials do not say the same")
    said = first.credential
    if (package.manifest.get("credential_id"), package.manifest.get("partial")) != (said["id"], said["partial"]):
        raise Invalid("its manifest says something else than its credential")
    found.version = package.manifest.get("transcript_version")
    if package.evidence != evidence_digests(said):
        raise Invalid("its files of evidence are not exactly those that the credential names")
    found.ok("evidence", f"{_counted(len(package.evidence), 'file')}, as named in the credential by digest")
    if attached_credential(package.read[PAGE]) != package.read["credential.json"]:
        raise Invalid(f"{PAGE} carries another credential than the package")
    if told:
        found.ok(PAGE, "covered by the digest you were told")
    else:
        found.unasked(PAGE, "is covered by the package's digest only: compare it, or give it with --digest")


def _page(file: Path, keys: IssuerKeys | None, found: Finding, *, told: bool, at: datetime) -> None:
    """A page alone: the credential inside proves itself, the ink around it does not."""
    with file.open("rb") as opened:
        raw = opened.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise Invalid(f"it is larger than {MAX_BYTES:,} bytes: no transcript is")
    _credential("attached credential", attached_credential(raw), keys, found, at=at)
    if told:
        found.ok("page", "covered by the digest you were told")
    elif found.verdict is Verdict.VALID:
        found.unasked("page", "nothing proves that it shows what the credential inside says")
        found.verdict = Verdict.UNKNOWN
        found.why = "a PDF alone proves nothing: verify the package it came in, or give its digest from the manifest"


def _print(file: Path, found: Finding) -> None:
    colour, mark = {
        Verdict.VALID: ("green", "✓"),
        Verdict.INVALID: ("red", "✗"),
        Verdict.UNKNOWN: ("yellow", "?"),
    }[found.verdict]
    head = Text.assemble((f"{mark} {found.verdict}", f"bold {colour}"), f"  {file.name}")
    console.print(head)
    if found.why:
        console.print(f"  {found.why}.", soft_wrap=False)
    console.print()
    table = pairs()
    for name, said in _says(found):
        table.add_row(f"  {name}", said)
    console.print(table)
    # Never folded: it is there to be copied.
    console.print(f"  [dim]digest[/]    {found.digest}", soft_wrap=True)
    if found.steps:
        console.print()
        steps = Table(show_header=False, box=None, padding=(0, 1, 0, 0))
        for _ in range(2):
            steps.add_column(no_wrap=True)
        steps.add_column(overflow="fold")
        for step in found.steps:
            steps.add_row(f"  {step[0]}", step[1], step[2])
        console.print(steps)


def _says(found: Finding) -> Iterator[tuple[str, str]]:
    """What the document says of itself; of an invalid one nothing is repeated."""
    if found.signed is not None and found.verdict is not Verdict.INVALID:
        said = found.signed.credential
        issuer, sealed = said["issuer"], moment(said["validFrom"])
        kind = plain(said["name"]) + (f", version {found.version}" if isinstance(found.version, int) else "")
        yield "document", kind
        yield "covers", "[bold]a part[/]: something was left out" if said["partial"] else "the whole record"
        yield "issuer", f"{plain(issuer.get('name', ''))} ({plain(issuer['id'])})".removeprefix(" ")
        yield "about", f"{plain(said['credentialSubject']['id'])} (name and number only as salted hashes)"
        yield "sealed", f"{sealed:%Y-%m-%d %H:%M} UTC"
        yield "holds", _counted(len(said["credentialSubject"]["verifiableCredential"]), "credential")


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the middle of whatever runs, after so long. Of the main thread only, as a command is."""

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, ring)
    # Again every second, for a library that swallowed the first one.
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
