"""Generates the keys of one house once, and lays into a folder for each service exactly those it may hold.

Invariants: a key is never replaced by another start; private files have mode 0600 and lie in their service's folder
alone; a `kid` is the key's RFC 7638 thumbprint. A service's folder is what a mounted Secret is on Kubernetes.
"""

import base64
import json
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from joserfc.jwk import OKPKey, RSAKey

from contracts.topics import SERVICES
from deploy.local.tls import write_private, write_signer
from services.chassis import clock
from services.chassis.keys.person import MASTER_KEY_BYTES, MASTER_KEY_FILE

Jwk = dict[str, Any]

MASTER_KEY = MASTER_KEY_FILE
"""The local KMS's key, 96 bytes in base64 (MongoDB's CSFLE, provider `local`): it wraps the key of each person."""
BLIND_INDEX_KEY = "blind-index.key"
"""32 bytes in base64: HMAC key by which an e-mail address is looked up without being readable."""
PACKAGE_ADDRESS_KEY = "package-address.key"
"""32 bytes in base64: HMAC key of the places of packages in the vault."""
PDF_SIGNER = "records.pdf.pem"
"""EC P-256 key and its certificate, for the PAdES signature (readers of PDF know no Ed25519)."""

# File → the services that get it. Whatever is not here stays in nobody's hands but this folder's.
HOLDERS: Mapping[str, tuple[str, ...]] = {
    "identity.private.jwks.json": ("identity",),
    "identity.public.jwks.json": SERVICES,
    "consent.private.jwks.json": ("consent",),
    "consent.public.jwks.json": ("consent", "records", "delivery"),
    "records.private.jwks.json": ("records",),
    "records.public.jwks.json": ("consent", "records", "delivery"),
    "delivery.private.jwks.json": ("delivery",),
    "delivery.public.jwks.json": ("records", "delivery"),
    MASTER_KEY: SERVICES,
    BLIND_INDEX_KEY: ("identity", "notify"),
    PACKAGE_ADDRESS_KEY: ("records",),
    PDF_SIGNER: ("records",),
}


def make_keys(folder: Path) -> None:
    """Make what is missing in `folder`, then lay each service's share into `folder/<service>/`."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    for service, kinds in KINDS.items():
        _make_set(folder, service, kinds)
    for name, length in ((MASTER_KEY, MASTER_KEY_BYTES), (BLIND_INDEX_KEY, 32), (PACKAGE_ADDRESS_KEY, 32)):
        if not (folder / name).exists():
            write_private(folder / name, base64.b64encode(secrets.token_bytes(length)))
    write_signer(folder / PDF_SIGNER, common="Placet local seal")
    lay(folder)


def operator_token(folder: Path) -> str:
    """Return the token that signs the first operator in, drawing it at the first call; identity is told its digest."""
    path = folder / "operator.token"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_private(path, secrets.token_urlsafe(32).encode())
    return path.read_text()


def service_folder(folder: Path, service: str) -> Path:
    """Return what a service's `PLACET_KEYS_FOLDER` says."""
    return folder / service


# Session cookies, grants, credentials (twice: VC-JOSE takes EdDSA, 1EdTech's own JWT wants RS256), sealing to delivery.
KINDS: Mapping[str, Sequence[str]] = {
    "identity": ("Ed25519",),
    "consent": ("Ed25519",),
    "records": ("Ed25519", "RS256"),
    "delivery": ("X25519",),
}


def _make_set(folder: Path, service: str, kinds: Sequence[str]) -> None:
    private, public = folder / f"{service}.private.jwks.json", folder / f"{service}.public.jwks.json"
    if not private.exists():
        write_private(private, jwks([draw(kind) for kind in kinds]))
    # Made from the private file, so that a start that crashed between the two leaves no odd pair.
    if not public.exists():
        kept: list[Jwk] = json.loads(private.read_bytes())["keys"]
        write_private(public, jwks([public_half(jwk) for jwk in kept]))


def draw(kind: str) -> Jwk:
    """Draw one private key as a JWK with its thumbprint as `kid`. RSA has 2048 bits: RFC 7518 §3.3 wants no less.

    `iat` says when it was drawn, so that its age can be watched (the member of OpenID Federation 1.0, §8.7.2).
    """
    drawn = int(clock.now().timestamp())
    if kind == "RS256":
        rsa = RSAKey.generate_key(2048, private=True)
        return {**rsa.as_dict(private=True), "kid": rsa.thumbprint(), "use": "sig", "alg": "RS256", "iat": drawn}
    okp = OKPKey.generate_key("X25519" if kind == "X25519" else "Ed25519", private=True)
    use = "enc" if kind == "X25519" else "sig"
    return {**okp.as_dict(private=True), "kid": okp.thumbprint(), "use": use, "iat": drawn}


# When a key was drawn is nobody's business but ours.
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "iat"})


def public_half(jwk: Jwk) -> Jwk:
    return {member: value for member, value in jwk.items() if member not in _PRIVATE_MEMBERS}


def jwks(keys: Sequence[Jwk]) -> bytes:
    return json.dumps({"keys": keys}, indent=1).encode()


def lay(folder: Path) -> None:
    """Copy each file to its holders, and take away what a holder no longer may hold."""
    for service in SERVICES:
        own = service_folder(folder, service)
        own.mkdir(mode=0o700, exist_ok=True)
        for path in own.iterdir():
            if service not in HOLDERS.get(path.name, ()):
                path.unlink()
        for name, holders in HOLDERS.items():
            content = (folder / name).read_bytes()
            copy = own / name
            # Services read a file again when it changes: an unchanged one is left alone.
            if service in holders and (not copy.exists() or copy.read_bytes() != content):
                write_private(copy, content)
