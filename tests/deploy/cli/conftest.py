"""What tests of `placet verify` share: a real package of a demonstration transcript, the school's keys, how they sign."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from services.records.domain.content import read_content
from services.records.domain.selection import select
from services.records.gateways.credential import SealFacts, clr_credential
from services.records.gateways.envelopes import IssuerKeys
from services.records.gateways.package import Package, make_package

SAMPLES = Path(__file__).parents[3] / "deploy" / "demo" / "transcripts"
AT = datetime(2026, 7, 1, tzinfo=UTC)
SEALED = SealFacts(
    issuer_id="urn:uuid:5b1f2c1e-7c0d-4c54-9a51-000000000007",
    transcript_id="trn_01JDEMO",
    version=3,
    sealed_by="Ruth Adeyemi, Registrar",
    sealed_at=datetime(2026, 6, 12, 10, 30, tzinfo=UTC),
    identity_salt="b2NlYW4",
)


class Loose(JWSRegistry):
    """Signs anything that a forger might: no bound, no warning, any header."""

    max_payload_length = 2**30
    max_header_length = 2**20

    def __init__(self) -> None:
        super().__init__(strict_check_header=False)

    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]


@dataclass(frozen=True)
class School:
    """A school that signs; `jwks` is the file that it publishes."""

    keys: IssuerKeys
    jwks: Path

    def token(self, payload: dict[str, Any], *, key: Any = None, **header: Any) -> bytes:
        """A vc+jwt token of this school, with its header bent as the test wants it (None takes a field away)."""
        plain = {"alg": "EdDSA", "typ": "vc+jwt", "kid": self.keys.ed25519.kid, **header}
        kept = {name: value for name, value in plain.items() if value is not None}
        return jws.serialize_compact(kept, orjson.dumps(payload), key or self.keys.ed25519, registry=Loose()).encode()


@pytest.fixture(scope="session")
def school(tmp_path_factory: pytest.TempPathFactory) -> School:
    rsa, okp = RSAKey.generate_key(2048), OKPKey.generate_key("Ed25519")
    published = [{**key.as_dict(private=False), "kid": key.thumbprint(), "use": "sig"} for key in (rsa, okp)]
    jwks = tmp_path_factory.mktemp("school") / "issuer.jwks.json"
    jwks.write_text(json.dumps({"keys": published}))
    named = [f"https://school.example/keys#{key.thumbprint()}" for key in (rsa, okp)]
    keys = IssuerKeys(
        rsa=RSAKey.import_key({**rsa.as_dict(private=True), "kid": named[0]}),
        ed25519=OKPKey.import_key({**okp.as_dict(private=True), "kid": named[1]}),
    )
    return School(keys, jwks)


@pytest.fixture(scope="session")
def make(school: School) -> Callable[..., Package]:
    """Packages of one transcript; what was asked for once is kept."""
    content = read_content((SAMPLES / "amelie-nguyen-ostergard.json").read_bytes())
    evidence = {path.stem: path.read_bytes() for path in (SAMPLES / "evidence").iterdir()}
    made: dict[frozenset[str] | None, Package] = {}

    def one(*parts: str) -> Package:
        chosen = frozenset(parts) or None
        if chosen not in made:
            made[chosen] = make_package(content, chosen, SEALED, school.keys, evidence)
        return made[chosen]

    return one


@pytest.fixture(scope="session")
def package(make: Callable[..., Package]) -> Package:
    """The whole transcript with its evidence."""
    return make()


@pytest.fixture
def credential() -> dict[str, Any]:
    """One unsigned credential, to be bent and signed anew."""
    content = read_content((SAMPLES / "ximena-ibanez-tlaxcalteca.json").read_bytes())
    return clr_credential(select(content, None), SEALED)


@pytest.fixture(scope="session")
def ec_key() -> ECKey:
    return ECKey.generate_key("P-256")
