"""How this process reaches Kafka: address, authority, user. And why it does not, told apart.

aiokafka raises one and the same error for a broker that is down, a wrong password and the wrong protocol (measured),
so `diagnose` asks in three steps and answers in one sentence.
"""

import asyncio
import ssl
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

_PATIENCE = 5.0
"""Seconds for each step of a diagnosis."""


@dataclass(frozen=True, slots=True)
class KafkaAccess:
    """Where the brokers are and as whom we come. Outside local mode the settings allow nothing below SASL_SSL."""

    bootstrap: str
    """`host:port`, with commas between several brokers."""
    user: str
    password: str = field(repr=False)
    cafile: Path | None = None
    """Absent: the system's own authorities are trusted."""
    security: str = "SASL_SSL"

    def client_settings(self) -> dict[str, Any]:
        """Keyword arguments that every aiokafka client takes."""
        settings: dict[str, Any] = {"bootstrap_servers": self.addresses, "security_protocol": self.security}
        if self.security.startswith("SASL"):
            settings |= {
                # The one of the two that every operator and managed Kafka offers (Strimzi makes users for no other).
                "sasl_mechanism": "SCRAM-SHA-512",
                "sasl_plain_username": self.user,
                "sasl_plain_password": self.password,
            }
        if self.tls:
            settings["ssl_context"] = self.ssl_context()
        return settings

    @property
    def addresses(self) -> list[str]:
        """Each broker's own. FastStream does not take a text with commas apart."""
        return [address.strip() for address in self.bootstrap.split(",") if address.strip()]

    @property
    def tls(self) -> bool:
        return self.security.endswith("SSL")

    def ssl_context(self) -> ssl.SSLContext:
        """Trusts the cluster's authority only. Raises ValueError naming the file when it is missing or not a PEM."""
        try:
            return ssl.create_default_context(cafile=self.cafile)
        except (OSError, ssl.SSLError) as why:
            raise ValueError(f"Kafka's authority can't be read from {self.cafile}: {why}") from None


class Cause(StrEnum):
    """What is wrong between us and Kafka. Only time or an operator mends `DOWN`; the others are settings."""

    DOWN = "down"
    SETTINGS = "settings"
    PROTOCOL = "protocol"
    LOGIN = "login"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What keeps us from Kafka. The sentence says what happened, where, and what to do."""

    cause: Cause
    sentence: str


async def diagnose(access: KafkaAccess) -> Trouble | None:
    """What keeps us from Kafka; None when it answers us.

    Says nothing about rights on topics and groups: Kafka tells those only to who uses them.
    """
    places = [address.rpartition(":") for address in access.addresses]
    if not places or not all(host and port.isdigit() for host, _, port in places):
        return Trouble(Cause.SETTINGS, f"KAFKA_BOOTSTRAP_SERVERS is {access.bootstrap!r}: write host:port")
    trouble: Trouble | None = None
    for host, _, port in places:
        # One that is away keeps nobody from the others.
        trouble = await _refused(host, int(port))
        if trouble is None:
            return await _not_tls(access, host, int(port)) or await _not_us(access)
    return trouble


async def _refused(host: str, port: int) -> Trouble | None:
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), _PATIENCE)
    except (OSError, TimeoutError) as why:
        sentence = (
            f"Kafka is down: nobody answers at {host}:{port} ({type(why).__name__}); start it, or check the address"
        )
        return Trouble(Cause.DOWN, sentence)
    await _close(writer)
    return None


async def _not_tls(access: KafkaAccess, host: str, port: int) -> Trouble | None:
    if not access.tls:
        return None
    try:
        _, writer = await asyncio.wait_for(
            asyncio.open_connection(host, port, ssl=access.ssl_context(), server_hostname=host), _PATIENCE
        )
    except ssl.SSLCertVerificationError as why:
        sentence = (
            f"Kafka at {host}:{port} shows a certificate that {access.cafile or 'this system'} does not vouch for "
            f"({why.verify_message}); give the authority of this cluster"
        )
        return Trouble(Cause.PROTOCOL, sentence)
    except (OSError, TimeoutError):
        sentence = (
            f"{host}:{port} does not speak TLS: it is a plaintext listener or not Kafka; use its SASL_SSL listener"
        )
        return Trouble(Cause.PROTOCOL, sentence)
    await _close(writer)
    return None


async def _not_us(access: KafkaAccess) -> Trouble | None:
    admin = AIOKafkaAdminClient(**access.client_settings(), request_timeout_ms=int(_PATIENCE * 1000))
    try:
        await asyncio.wait_for(admin.start(), 2 * _PATIENCE)
    except (KafkaError, TimeoutError, OSError):
        sentence = (
            f"Kafka at {access.bootstrap} answers but does not let {access.user!r} in: "
            "the user or its password is wrong, or the listener does not offer SCRAM-SHA-512"
        )
        return Trouble(Cause.LOGIN, sentence)
    finally:
        await admin.close()
    return None


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        await asyncio.wait_for(writer.wait_closed(), 1)
    except (OSError, TimeoutError):
        return
