"""Dates on which somebody must have acted: until when certificates are good, and since when signing keys are in use.

Told as Unix times and not as what is left, so that a number that is not told anew for a while is still right. Files are
read again when they change, as whoever uses them does; one that can't be read hides no other.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509

from services.chassis.observe import telemetry
from services.chassis.observe.census import Census, Numbers
from services.chassis.settings import Role, Settings

CERTIFICATE = telemetry.gauge(
    "placet_certificate_expires_timestamp_seconds",
    "When the first certificate of a file ends, as Unix time: Kafka's authority, MongoDB's, the seal on documents.",
    ["kind"],
)
KEY = telemetry.gauge(
    "placet_key_made_timestamp_seconds",
    "When the newest private key of a file was drawn, as Unix time. Not told of a key that does not say so.",
    ["key"],
)
_SEAL = ".pdf.pem"
_PRIVATE = ".private.jwks.json"

Read = Callable[[Path], float | None]


def watch(census: Census, settings: Settings, role: Role) -> None:
    """Have the dates of every file told that a process of this role uses."""
    held = {name for name, roles in settings.key_files.items() if roles & set(role.parts)}
    seal = next((settings.key_file(name) for name in held if name.endswith(_SEAL)), None)
    certificates = {
        "kafka": settings.kafka_cafile if role is not Role.API else None,
        # All roles come to the same database: one file vouches for it.
        "mongodb": _authority_in(settings.mongodb_uri(role.parts[0])),
        "seal": seal,
    }
    keys = {name: settings.key_file(name) for name in sorted(held) if name.endswith(_PRIVATE)}
    there = {kind: path for kind, path in certificates.items() if path is not None}
    if there:
        census.ask(CERTIFICATE, read_again(there, ends_at), labels=["kind"])
    if keys:
        census.ask(KEY, read_again(keys, made_at), labels=["key"])


def ends_at(path: Path) -> float:
    """When the first of a PEM file's certificates ends. An old authority beside a new one counts until it is taken out.

    Raises OSError, and ValueError when there is no certificate in it.
    """
    found = x509.load_pem_x509_certificates(path.read_bytes())
    return min(one.not_valid_after_utc for one in found).timestamp()


def made_at(path: Path) -> float | None:
    """When the newest key of a JWK set was drawn, as its `iat` says; None when no key of it has one. Raises OSError, ValueError."""
    said: dict[str, Any] = json.loads(path.read_bytes())
    made = [float(key["iat"]) for key in said.get("keys", []) if isinstance(key.get("iat"), int | float)]
    return max(made, default=None)


def read_again(files: Mapping[str, Path], read: Read) -> Callable[[], Awaitable[Numbers]]:
    """A census's question: a date for each file that has one, read when the file is another than the last time."""
    known: dict[str, tuple[tuple[int, int, int], float | None]] = {}

    async def dates() -> Numbers:
        failed: Exception | None = None
        for name, path in files.items():
            try:
                found = path.stat()
                stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
                if name not in known or known[name][0] != stamp:
                    known[name] = (stamp, read(path))
            except (OSError, ValueError) as why:
                failed = why
        if failed is not None and not known:
            raise failed
        return {(name,): date for name, (_, date) in known.items() if date is not None}

    return dates


def _authority_in(uri: str) -> Path | None:
    """The file that a MongoDB address names for its authority."""
    named = parse_qs(urlsplit(uri).query).get("tlsCAFile")
    return Path(named[0]) if named else None
