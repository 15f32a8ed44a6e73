"""What the tests of the package share: keys of one run, one seal, the demonstration transcripts and their evidence."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from joserfc.jwk import OKPKey, RSAKey

from services.records.domain.content import TranscriptContent, read_content
from services.records.gateways.credential import SealFacts
from services.records.gateways.envelopes import IssuerKeys

SAMPLES = Path(__file__).parents[3] / "deploy" / "demo" / "transcripts"


@pytest.fixture(scope="session")
def keys() -> IssuerKeys:
    return IssuerKeys(
        rsa=RSAKey.generate_key(2048, parameters={"kid": "https://school.example/keys#rsa"}),
        ed25519=OKPKey.generate_key("Ed25519", parameters={"kid": "https://school.example/keys#ed25519"}),
    )


@pytest.fixture(scope="session")
def sealed() -> SealFacts:
    return SealFacts(
        issuer_id="urn:uuid:5b1f2c1e-7c0d-4c54-9a51-000000000007",
        transcript_id="trn_01JDEMO",
        version=3,
        sealed_by="Ruth Adeyemi, Registrar",
        sealed_at=datetime(2026, 6, 12, 10, 30, tzinfo=UTC),
        identity_salt="b2NlYW4",
    )


@pytest.fixture(scope="session")
def amelie() -> TranscriptContent:
    return read_content((SAMPLES / "amelie-nguyen-ostergard.json").read_bytes())


@pytest.fixture(scope="session")
def ximena() -> TranscriptContent:
    return read_content((SAMPLES / "ximena-ibanez-tlaxcalteca.json").read_bytes())


@pytest.fixture(scope="session")
def evidence() -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in (SAMPLES / "evidence").iterdir()}
