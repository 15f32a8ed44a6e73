"""Makes a package: fetches content and evidence, draws and signs, encrypts, and lays it in the vault.

Invariant: the same order is the same bytes at the same place, so an order that a crash cut short is simply given again.
"""

import base64
import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import NAMESPACE_URL, uuid5

import orjson
from joserfc.jwk import OKPKey, RSAKey

from contracts.types import OrganizationId, PackageId, SealedValue, Selection, TranscriptId
from services.chassis.keys.sealing import KeyFile, encrypt_package
from services.records.domain.content import TranscriptContent, canonical_json, read_content
from services.records.domain.sealing import Made
from services.records.domain.selection import outline
from services.records.domain.state import Evidence, Locked, Package, Sealing, Version
from services.records.gateways.cabinet import Cabinet
from services.records.gateways.credential import SealFacts
from services.records.gateways.envelopes import IssuerKeys
from services.records.gateways.package import make_package_in
from services.records.gateways.renderer import RENDERER_VERSION, RenderPool

SALT_BYTES = 32


@dataclass(frozen=True, slots=True)
class Salted:
    """A content with the random bytes that stand before it in its digest, so that the digest lets nobody guess."""

    salt: bytes
    content: TranscriptContent

    @property
    def digest(self) -> str:
        """`sha256:` over the salt and the canonical JSON."""
        return "sha256:" + hashlib.sha256(self.salt + canonical_json(self.content)).hexdigest()

    def dump(self) -> bytes:
        return orjson.dumps(
            {"salt": base64.b64encode(self.salt).decode(), "content": orjson.loads(canonical_json(self.content))}
        )

    @classmethod
    def fresh(cls, content: TranscriptContent) -> "Salted":
        return cls(secrets.token_bytes(SALT_BYTES), content)

    @classmethod
    def read(cls, raw: bytes) -> "Salted":
        fields = orjson.loads(raw)
        return cls(base64.b64decode(fields["salt"]), read_content(orjson.dumps(fields["content"])))


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One package to be made."""

    package_id: PackageId
    transcript_id: TranscriptId
    school_id: OrganizationId
    number: int
    content: Locked
    words: SealedValue
    sealed_at: datetime
    selection: Selection
    kept_key: SealedValue
    evidence: Sequence[Evidence]

    @classmethod
    def of_seal(cls, sealing: Sealing, package: Package, evidence: Sequence[Evidence]) -> "Order":
        """The whole package of a version that is being sealed."""
        return cls(
            package_id=sealing.package_id,
            transcript_id=package.transcript_id,
            school_id=package.school_id,
            number=sealing.number,
            content=sealing.draft.content,
            words=sealing.words,
            sealed_at=sealing.sealed_at,
            selection=package.selection,
            kept_key=package.kept_key,
            evidence=evidence,
        )

    @classmethod
    def of_version(cls, version: Version, package: Package, evidence: Sequence[Evidence]) -> "Order":
        """A package of chosen parts of a sealed version."""
        return cls(
            package_id=package.package_id,
            transcript_id=version.transcript_id,
            school_id=version.school_id,
            number=version.number,
            content=version.content,
            words=version.words,
            sealed_at=version.sealed_at,
            selection=package.selection,
            kept_key=package.kept_key,
            evidence=evidence,
        )


class Packager:
    """Makes packages with the school's keys. The PDF is drawn in a process of the pool."""

    def __init__(self, cabinet: Cabinet, pool: RenderPool, issuer: KeyFile, *, public_url: str) -> None:
        self.cabinet = cabinet
        self._pool = pool
        self._issuer = issuer
        self._keys_url = f"{public_url.rstrip('/')}/records/keys"
        self._parsed: tuple[str, IssuerKeys] | None = None

    async def make(self, order: Order) -> Made:
        """The package, in the vault. Raises `EvidenceMismatch`, `MissingGlyph`, `CannotRender`, `Erased`, `NotNow`."""
        salted = Salted.read(await self.cabinet.fetch(order.content))
        content, keys = salted.content, self._issuer_keys()
        key = await self.cabinet.keys.open(order.kept_key)
        facts = SealFacts(
            issuer_id=issuer_id(order.school_id),
            transcript_id=order.transcript_id,
            version=order.number,
            sealed_by=(await self.cabinet.keys.open(order.words)).decode(),
            sealed_at=order.sealed_at,
            identity_salt=self.cabinet.mark("identity salt", order.transcript_id)[:32],
        )
        package = await make_package_in(
            self._pool,
            content,
            order.selection.parts or None,
            sealed=facts,
            keys=keys,
            evidence=await self._evidence(content, order),
        )
        ciphertext = encrypt_package(key, package.bytes, package_id=order.package_id, digest=package.digest)
        place = self.cabinet.place(
            "package", order.package_id, order.kept_key.ciphertext, RENDERER_VERSION, keys.rsa.kid, keys.ed25519.kid
        )
        await self.cabinet.vault.lay(place, ciphertext)
        return Made(place, package.digest, len(package.bytes), package.partial, outline(content))

    async def _evidence(self, content: TranscriptContent, order: Order) -> Mapping[str, bytes]:
        """The files that this content names; one that is not there is left for the package to miss by name."""
        laid = {(one.evidence_id, one.mark): one for one in order.evidence}
        files: dict[str, bytes] = {}
        for piece in files_of(content, order.selection):
            one = laid.get((piece[0], self.evidence_mark(order.transcript_id, piece[1])))
            if one is not None:
                files[one.evidence_id] = await self.cabinet.fetch(one.content)
        return files

    def evidence_mark(self, transcript_id: TranscriptId, sha256_hex: str) -> str:
        """By which a file is known again; its plain digest stays inside ciphertext."""
        return self.cabinet.mark("evidence", transcript_id, sha256_hex)

    def _issuer_keys(self) -> IssuerKeys:
        """The newest keys, each under the address at which a verifier finds it. Parsed once: RSA takes its time."""
        rsa, okp = self._issuer.signing_key("RSA"), self._issuer.signing_key("Ed25519")
        assert isinstance(rsa, RSAKey) and isinstance(okp, OKPKey)
        names = f"{rsa.thumbprint()} {okp.thumbprint()}"
        if self._parsed is None or self._parsed[0] != names:
            keys = IssuerKeys(
                rsa=RSAKey.import_key({**rsa.as_dict(private=True), "kid": key_address(self._keys_url, rsa)}),
                ed25519=OKPKey.import_key({**okp.as_dict(private=True), "kid": key_address(self._keys_url, okp)}),
            )
            self._parsed = names, keys
        return self._parsed[1]


def key_address(keys_url: str, key: RSAKey | OKPKey) -> str:
    """Where a verifier finds a key: the page of keys, and the RFC 7638 thumbprint as fragment."""
    return f"{keys_url}#{key.thumbprint()}"


def issuer_id(school_id: OrganizationId) -> str:
    """The school as issuer: the same address wherever the house stands, so that a copy of the house issues the same."""
    return f"urn:uuid:{uuid5(NAMESPACE_URL, f'placet:school:{school_id}')}"


def files_of(content: TranscriptContent, selection: Selection | None = None) -> list[tuple[str, str]]:
    """Id and SHA-256 of each file that goes with the content, or with these parts of it."""
    wanted = None if selection is None or selection.whole else frozenset(selection.parts)
    if wanted is not None and "evidence" not in wanted:
        return []
    return [
        (piece.id, piece.sha256)
        for credit in content.credits
        if wanted is None or f"credit.{credit.id}" in wanted
        for piece in credit.evidence
        if piece.kind == "file" and piece.sha256 is not None
    ]
