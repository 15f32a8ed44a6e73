"""What a school takes along when it leaves: its record of disclosures with all that proves it, and every sealed transcript.

Fetched through the front door as one of its registrars, who may have all of it anyway; operators may not. The ledger lies in
the form that `placet audit` proves, transcripts as the packages that recipients get (CLR 2.0, PDF), in the clear.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import aiohttp
from pydantic import BaseModel, ConfigDict

from deploy.cli.audit.exporting import NotExported, come_in, export_ledger
from deploy.cli.audit.problems import Problems
from deploy.cli.audit.reading import SEALS, PreparedPackage
from deploy.cli.audit.seals import read_seals
from deploy.demo.cast import Caller, Refused

LEDGER, TRANSCRIPTS, MANIFEST = "ledger", "transcripts", "tenant.json"
UNAUTHORIZED, GONE = 401, 410


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Taken(_Said):
    """One version's whole package. Without a `file`, it can't be opened by anybody any more: the student was erased."""

    transcript_id: str
    transcript_version: int
    student_id: str
    digest: str
    file: str = ""


class Leaving(_Said):
    """What the folder holds, by ids and digests: it names nobody."""

    format: Literal["placet.tenant/1"] = "placet.tenant/1"
    school_id: str
    origin: str
    exported_at: datetime
    transcripts: tuple[Taken, ...]


async def fetch_transcripts(
    url: str, school: str, to: Path, *, person: str, token: str, operator: str, tell: Callable[[int, int], None]
) -> tuple[Taken, ...]:
    """Lay every whole package of the school's into `to`, each as its digest says. Raises NotExported."""
    wanted = _whole_packages(to)
    found: list[Taken] = []
    try:
        async with aiohttp.ClientSession() as web:
            caller = await come_in(web, url, school, person, token, operator)
            for number, package in enumerate(wanted, start=1):
                try:
                    found.append(await _fetch(caller, package, to))
                except Refused as no:
                    if no.status != UNAUTHORIZED:
                        raise
                    # A sign-in lasts ten minutes; a large school takes longer.
                    caller = await come_in(web, url, school, person, token, operator)
                    found.append(await _fetch(caller, package, to))
                tell(number, len(wanted))
    except Refused as no:
        raise NotExported(f"{url} refuses: {no.detail or no.status}") from None
    except aiohttp.ClientError as why:
        raise NotExported(f"{url} did not answer to the end ({type(why).__name__}); empty {to} and try again") from None
    return tuple(found)


def _whole_packages(to: Path) -> list[PreparedPackage]:
    """Of each sealed version the package of all its parts, as the exported seals name it."""
    seals = read_seals(to / LEDGER / SEALS, Problems())
    packages = [package for _, package in seals.packages.values() if not package.partial]
    return sorted(packages, key=lambda one: (one.transcript_id, one.transcript_version))


async def _fetch(caller: Caller, package: PreparedPackage, to: Path) -> Taken:
    """One package into its file. Raises Refused, NotExported when its bytes are not what was sealed."""
    told = {
        "transcript_id": package.transcript_id,
        "transcript_version": package.transcript_version,
        "student_id": package.student_id,
        "digest": package.digest,
    }
    try:
        raw: Any = await caller.get(f"/records/packages/{package.package_id}/content")
    except Refused as no:
        if no.status == GONE:
            return Taken(**told)
        raise
    if "sha256:" + hashlib.sha256(raw).hexdigest() != package.digest:
        raise NotExported(f"{package.package_id} is not what was sealed: its digest differs; `placet audit` the ledger")
    name = f"{TRANSCRIPTS}/{package.transcript_id}-v{package.transcript_version}.zip"
    (to / name).write_bytes(raw)
    return Taken(**told, file=name)


def prepare(url: str, school: str, to: Path, *, person: str, token: str, operator: str, at: datetime) -> None:
    """Make the folder, and in it the ledger with all that proves it. Raises NotExported."""
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise NotExported(f"{to} is there already and not empty: an export never mixes with another")
    (to / TRANSCRIPTS).mkdir(parents=True, exist_ok=True, mode=0o700)
    export_ledger(url, school, to / LEDGER, person=person, token=token, operator=operator, at=at)
