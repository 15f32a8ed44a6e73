"""What it costs to prepare a package, beside rendering and signing alone."""

import base64
import hashlib
import json
from pathlib import Path
from statistics import median

from contracts.types import OrganizationId, PackageId, PersonId, Selection, TranscriptId
from services.chassis import clock
from services.chassis.keys.sealing import KeyFile, content_key
from services.chassis.keys.vault import Vault
from services.records.domain.content import TranscriptContent, read_content
from services.records.domain.state import Evidence
from services.records.gateways.cabinet import Cabinet
from services.records.gateways.credential import SealFacts
from services.records.gateways.package import make_package_in
from services.records.gateways.packager import Order, Packager, Salted, issuer_id
from services.records.gateways.renderer import RenderPool
from services.records.settings import ADDRESS_KEY, ISSUER_KEYS
from tests.bench.figures import Figure
from tests.support.person_keys import MemoryPersonKeys

SAMPLE = Path(__file__).parents[2] / "deploy" / "demo" / "transcripts"
STUDENT, TRANSCRIPT, SCHOOL = PersonId("per_bench"), TranscriptId("trn_bench"), OrganizationId("org_bench")


async def preparing(folder: Path, keys_folder: Path, rounds: int = 8) -> list[Figure]:
    """A real transcript with a house's keys, turn by turn: whole, and render and sign alone."""
    raw = (SAMPLE / "amelie-nguyen-ostergard.json").read_text()
    files = {path.stem: path.read_bytes() for path in (SAMPLE / "evidence").iterdir()}
    keys, issuer = MemoryPersonKeys(STUDENT), KeyFile(keys_folder / ISSUER_KEYS)
    secret = base64.b64decode((keys_folder / ADDRESS_KEY).read_bytes())
    cabinet = Cabinet(Vault.from_url((folder / "vault").as_uri()), keys, secret)
    (folder / "vault").mkdir(parents=True, exist_ok=True)
    async with RenderPool() as pool:
        packager = Packager(cabinet, pool, issuer, public_url="https://placet.example")
        facts = SealFacts(
            issuer_id=issuer_id(SCHOOL), transcript_id=TRANSCRIPT, version=1, sealed_by="Bench",
            sealed_at=clock.now(), identity_salt="bench",
        )  # fmt: skip
        alone, whole = [], []
        for number in range(rounds + 2):
            # Never the same words twice: the renderer keeps what it has drawn once.
            first, second = (_another(raw, f"{number}{which}") for which in "ab")
            order = await _order(packager, second, files, number)
            since = clock.seconds()
            await make_package_in(pool, first, None, sealed=facts, keys=packager._issuer_keys(), evidence=files)
            middle = clock.seconds()
            await packager.make(order)
            end = clock.seconds()
            if number >= 2:  # two to get warm
                alone.append(middle - since)
                whole.append(end - middle)
    return [
        Figure(
            what="preparing a package", unit="ms", value=median(whole) * 1000, goal=1.15, way="at most",
            floor=median(alone) * 1000, floor_is="render and sign alone",
        )
    ]  # fmt: skip


async def _order(packager: Packager, content: TranscriptContent, files: dict[str, bytes], number: int) -> Order:
    """What records hands over: content and evidence lie in the vault, their keys under the student's."""
    cabinet = packager.cabinet
    evidence = [
        Evidence(
            evidence_key=f"evd_{number}_{name}", transcript_id=TRANSCRIPT, evidence_id=name,
            mark=packager.evidence_mark(TRANSCRIPT, hashlib.sha256(raw).hexdigest()), size=len(raw),
            content=await cabinet.lay_away(STUDENT, raw),
        )
        for name, raw in files.items()
    ]  # fmt: skip
    return Order(
        package_id=PackageId(f"pkg_{number}"), transcript_id=TRANSCRIPT, school_id=SCHOOL, number=1,
        content=await cabinet.lay_away(STUDENT, Salted.fresh(content).dump()),
        words=await cabinet.keys.seal(STUDENT, b"Bench"), sealed_at=clock.now(), selection=Selection(),
        kept_key=await cabinet.keys.seal(STUDENT, content_key()), evidence=evidence,
    )  # fmt: skip


def _another(raw: str, number: str) -> TranscriptContent:
    """The sample as another student's."""
    told = json.loads(raw)
    told["student"]["name"] += f" {number}"
    told["student"]["student_number"] = f"B-{number}"
    return read_content(json.dumps(told).encode())
