"""The package: one ZIP, the same bytes everywhere, every member accounted for."""

import hashlib
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pypdf
import pytest

from services.records.domain.content import TranscriptContent, content_digest
from services.records.gateways.credential import SealFacts
from services.records.gateways.envelopes import IssuerKeys
from services.records.gateways.package import EvidenceMismatch, Package, make_package, make_package_in, safe_name
from services.records.gateways.renderer import MissingGlyph, RenderPool

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def package(amelie: TranscriptContent, sealed: SealFacts, keys: IssuerKeys, evidence: dict[str, bytes]) -> Package:
    return make_package(amelie, None, sealed, keys, evidence)


def opened(package: Package) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(package.bytes)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_digest_is_of_the_exact_bytes(package: Package):
    assert package.digest == "sha256:" + hashlib.sha256(package.bytes).hexdigest()


def test_the_members_are_the_page_the_credential_in_three_envelopes_and_the_evidence(package: Package):
    assert list(opened(package)) == [
        "credential.1edtech.jwt",
        "credential.json",
        "credential.vc.jwt",
        "evidence/cleanup-letter-Letter-from-the-harbor-office.txt",
        "evidence/estuary-log-Estuary-sampling-log.csv",
        "evidence/estuary-model-A-two-box-model-of-the-estuary.md",
        "evidence/tide-poster-Poster-what-the-tide-carries.svg",
        "manifest.json",
        "transcript.pdf",
    ]


def test_the_manifest_accounts_for_every_member(package: Package, amelie: TranscriptContent):
    files = opened(package)
    manifest = json.loads(files.pop("manifest.json"))
    assert {each["name"]: (each["size"], each["sha256"]) for each in manifest["members"]} == {
        name: (len(raw), hashlib.sha256(raw).hexdigest()) for name, raw in files.items()
    }
    assert [(each.name, each.sha256) for each in package.members] == [
        (each["name"], each["sha256"]) for each in manifest["members"]
    ]
    assert manifest["content_digest"] == content_digest(amelie)
    assert manifest["credential_id"] == json.loads(files["credential.json"])["id"]
    assert (manifest["partial"], manifest["left_out"]) == (False, [])
    assert "99.33" in manifest["redisclosure_notice"]["text"]


def test_the_credential_inside_the_page_is_the_one_beside_it(package: Package):
    files = opened(package)
    attached = pypdf.PdfReader(io.BytesIO(files["transcript.pdf"])).attachments
    assert attached["credential.json"] == [files["credential.json"]]


def test_a_partial_package_says_so_in_manifest_credential_and_page(
    amelie: TranscriptContent, sealed: SealFacts, keys: IssuerKeys, evidence: dict[str, bytes]
):
    package = make_package(amelie, {"credit.A4", "courses"}, sealed, keys, evidence)
    files = opened(package)
    manifest = json.loads(files["manifest.json"])
    assert package.partial
    assert manifest["partial"]
    assert manifest["left_out"] == ["activities", "credit", "evidence", "personal-statement", "school-profile"]
    assert json.loads(files["credential.json"])["partial"]
    assert "content_digest" not in manifest  # what was left out could be guessed at with it
    assert not [name for name in files if name.startswith("evidence/")]
    assert b"estuary" not in package.bytes


def test_nothing_that_was_left_out_is_in_the_package(
    amelie: TranscriptContent, sealed: SealFacts, keys: IssuerKeys, evidence: dict[str, bytes]
):
    files = opened(make_package(amelie, {"credit.A1"}, sealed, keys, evidence))
    text = " ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(files["transcript.pdf"])).pages)
    for gone in ("Evaluates sources", "Rhetoric", "Debate captain", "NEASC, estuary", "Tomás Ferreira"):
        assert gone not in text


MAKE = """
import json, sys
from datetime import datetime
from pathlib import Path
from joserfc.jwk import OKPKey, RSAKey
from services.records.domain.content import read_content
from services.records.gateways.credential import SealFacts
from services.records.gateways.envelopes import IssuerKeys
from services.records.gateways.package import make_package
given = json.load(sys.stdin)
folder = Path(given["folder"])
facts = SealFacts(**{**given["sealed"], "sealed_at": datetime.fromisoformat(given["sealed"]["sealed_at"])})
keys = IssuerKeys(RSAKey.import_key(given["rsa"]), OKPKey.import_key(given["ed25519"]))
evidence = {path.stem: path.read_bytes() for path in (folder / "evidence").iterdir()}
content = read_content((folder / "amelie-nguyen-ostergard.json").read_bytes())
print(make_package(content, None, facts, keys, evidence).digest)
"""


def test_two_other_processes_make_the_same_bytes(package: Package, sealed: SealFacts, keys: IssuerKeys):
    given = json.dumps(
        {
            "folder": str(ROOT / "deploy" / "demo" / "transcripts"),
            "sealed": {**vars(sealed), "sealed_at": sealed.sealed_at.isoformat()},
            "rsa": keys.rsa.as_dict(private=True),
            "ed25519": keys.ed25519.as_dict(private=True),
        }
    )
    for seed in ("1", "2"):
        made = subprocess.run(
            [sys.executable, "-c", MAKE],
            input=given,
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8"},
        )
        assert made.stdout.strip() == package.digest


async def test_a_pool_makes_the_same_package(
    ximena: TranscriptContent, sealed: SealFacts, keys: IssuerKeys, evidence: dict[str, bytes]
):
    async with RenderPool() as pool:
        made = await make_package_in(pool, ximena, None, sealed=sealed, keys=keys, evidence=evidence)
    assert made == make_package(ximena, None, sealed, keys, evidence)


def test_evidence_that_was_changed_after_sealing_stops_the_package(
    amelie: TranscriptContent, sealed: SealFacts, keys: IssuerKeys, evidence: dict[str, bytes]
):
    with pytest.raises(EvidenceMismatch, match=r"credits\[3\]\.evidence\[0\] \(estuary-log\): the file is not the one"):
        make_package(amelie, None, sealed, keys, {**evidence, "estuary-log": b"better data"})


def test_evidence_that_is_not_there_stops_the_package(amelie: TranscriptContent, sealed: SealFacts, keys: IssuerKeys):
    with pytest.raises(EvidenceMismatch, match="the file is not there"):
        make_package(amelie, None, sealed, keys, {})


def test_a_missing_glyph_is_named_where_the_registrar_wrote_it(
    ximena: TranscriptContent, sealed: SealFacts, keys: IssuerKeys, evidence: dict[str, bytes]
):
    credit = ximena.credits[2].model_copy(update={"name": "Lee \U00012000"})
    content = ximena.model_copy(update={"credits": (*ximena.credits[:2], credit)})
    with pytest.raises(MissingGlyph, match=r"^credits\[2\]\.name: the character"):
        make_package(content, None, sealed, keys, evidence)


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("../../etc/passwd", "evidence/e1-etc-passwd.csv"),
        ("日本語", "evidence/e1-file.csv"),
        ("Übung 3.csv", "evidence/e1-Ubung-3.csv"),
        ("x" * 300, "evidence/e1-" + "x" * 60 + ".csv"),
    ],
)
def test_no_name_of_evidence_leaves_its_folder(amelie: TranscriptContent, name: str, inside: str):
    piece = amelie.credits[3].evidence[0].model_copy(update={"id": "e1", "name": name})
    assert safe_name(piece) == inside
