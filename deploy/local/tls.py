"""Makes the certificates of one house: of its Kafka, under an authority trusted by that house alone, and of its seal."""

import datetime as dt
import ipaddress
import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# Fixed dates: the house may stand for years, its authority is trusted by nobody else, and a laptop whose clock is
# wrong still starts. Rotation is the chart's business, not this folder's.
_FROM = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
_UNTIL = dt.datetime(2045, 1, 1, tzinfo=dt.UTC)


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """Return `(server.pem, ca.pem)` in `folder`, making both if they are missing.

    server.pem is what Kafka reads as a PEM key store: an unencrypted PKCS8 key (mode 0600), then the certificate for
    localhost and 127.0.0.1. The authority's own key is never written down.
    """
    server, authority = folder / "server.pem", folder / "ca.pem"
    if server.exists() and authority.exists():
        return server, authority
    folder.mkdir(parents=True, exist_ok=True)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = _name("Placet local authority")
    ca = (
        _certificate(subject=ca_name, issuer=ca_name, key=ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))])
    certificate = (
        _certificate(subject=_name("localhost"), issuer=ca_name, key=key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .add_extension(names, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    write_private(server, _pem(key) + certificate.public_bytes(serialization.Encoding.PEM))
    authority.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    return server, authority


def write_signer(path: Path, *, common: str) -> None:
    """Write an unencrypted P-256 key and a self-signed certificate for document signatures, unless they are there."""
    if path.exists():
        return
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _certificate(subject=_name(common), issuer=_name(common), key=key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        # PAdES readers ask for nonRepudiation (content commitment) on a signer (ETSI EN 319 412-2 §4.3.2).
        .add_extension(_usage(signs_documents=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    write_private(path, _pem(key) + certificate.public_bytes(serialization.Encoding.PEM))


def write_private(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Write a file whole or not at all, readable by its owner only from its first byte on."""
    half = path.with_name(f".{path.name}.part")
    half.unlink(missing_ok=True)
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    half.replace(path)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _certificate(*, subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_FROM)
        .not_valid_after(_UNTIL)
    )


def _usage(*, signs_certificates: bool = False, signs_documents: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=signs_documents,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
