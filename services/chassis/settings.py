"""The settings of a process, read from the environment once; it refuses to start on what is missing or too weak.

Invariants: every fault is told at once, one sentence each; no sentence carries a value that may be a secret; a role is
not asked for a credential that it does not use, so that no process holds one more than it needs.
"""

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Literal, Self
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import Field, Json, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

SHORTEST_PASSWORD = 16
"""Characters. 16 of a 64-letter alphabet are 96 bits, out of reach of guessing even offline."""
_KNOWN_DEFAULT = re.compile(
    "(?:placet|change|me|secret|password|passw0rd|pass|default|example|development|dev|local|test|demo|admin|root"
    "|user|letmein|insecure|kafka|mongo|mongodb|0123456789|1234567890|abcdef|qwerty)+[0-9]*"
)
LOCAL_MASTER_KEY = "master.key"
"""The file with the local KMS's key, in the keys folder. With a key service nobody needs it."""
_NO_PASSWORD_NEEDED = ("MONGODB-X509", "MONGODB-AWS", "MONGODB-OIDC")
"""Mechanisms of MongoDB that prove the user by a certificate or a token."""


class Mode(StrEnum):
    """Where the process runs. Without a word it is production: nothing is relaxed by accident."""

    LOCAL = "local"
    PRODUCTION = "production"


class Role(StrEnum):
    """What a process does. Each role has its own credentials; `all` is the three of them in one process."""

    API = "api"
    WORKER = "worker"
    RELAY = "relay"
    ALL = "all"

    @property
    def parts(self) -> tuple["Role", ...]:
        return (Role.API, Role.WORKER, Role.RELAY) if self is Role.ALL else (self,)


class SettingsRefused(Exception):
    """The process can't start with these settings. `faults` has one sentence for each reason."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__("the settings are not fit to start with:\n" + "\n".join(f"  - {fault}" for fault in faults))
        self.faults = faults


class Settings(BaseSettings):
    """What every service reads. A service's own settings subclass it and say which keys and stores its roles need."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True)

    key_files: ClassVar[Mapping[str, frozenset[Role]]] = {}
    """Files below the keys folder, and the roles that read them."""
    vault_roles: ClassVar[frozenset[Role]] = frozenset()
    smtp_roles: ClassVar[frozenset[Role]] = frozenset()

    mode: Mode = Field(Mode.PRODUCTION, validation_alias="PLACET_MODE")
    port: int = Field(8080, ge=1, le=65_535, validation_alias="PLACET_PORT")
    public_url: str = Field("", validation_alias="PLACET_PUBLIC_URL")
    """The origin under which people and recipients reach the house."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", validation_alias="PLACET_LOG_LEVEL")
    traces_file: Path | None = Field(None, validation_alias="PLACET_TRACES_FILE")
    clock_file: Path | None = Field(None, validation_alias="PLACET_CLOCK_FILE")
    """Makes the clock wrong, in local mode only (`services.chassis.clock` reads it itself)."""
    otlp_endpoint: str | None = Field(None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")
    traces_share: float = Field(1.0, ge=0, le=1, validation_alias="OTEL_TRACES_SAMPLER_ARG")
    """Which part of the traces is kept, whole or not at all: where one begins it is drawn, and every hop follows."""

    kafka_bootstrap: str = Field("", validation_alias="KAFKA_BOOTSTRAP_SERVERS")
    kafka_security: Literal["SASL_SSL", "SASL_PLAINTEXT", "PLAINTEXT"] = Field(
        "SASL_SSL", validation_alias="PLACET_KAFKA_SECURITY"
    )
    kafka_cafile: Path | None = Field(None, validation_alias="PLACET_KAFKA_CAFILE")
    """Absent: the system's own authorities are trusted."""
    kafka_worker_user: str = Field("", validation_alias="PLACET_KAFKA_WORKER_USER")
    kafka_worker_password: SecretStr = Field(SecretStr(""), validation_alias="PLACET_KAFKA_WORKER_PASSWORD")
    kafka_relay_user: str = Field("", validation_alias="PLACET_KAFKA_RELAY_USER")
    kafka_relay_password: SecretStr = Field(SecretStr(""), validation_alias="PLACET_KAFKA_RELAY_PASSWORD")

    mongodb_api_uri: SecretStr = Field(SecretStr(""), validation_alias="PLACET_MONGODB_API_URI")
    mongodb_worker_uri: SecretStr = Field(SecretStr(""), validation_alias="PLACET_MONGODB_WORKER_URI")
    mongodb_relay_uri: SecretStr = Field(SecretStr(""), validation_alias="PLACET_MONGODB_RELAY_URI")

    keys_folder: Path | None = Field(None, validation_alias="PLACET_KEYS_FOLDER")
    kms_providers: Json[dict[str, dict[str, Any]]] | None = Field(
        None, validation_alias="PLACET_KMS_PROVIDERS", repr=False
    )
    """MongoDB's `kmsProviders` as JSON (aws, azure, gcp, kmip). Absent: a local master key from the keys folder."""
    kms_master_key: Json[dict[str, Any]] | None = Field(None, validation_alias="PLACET_KMS_MASTER_KEY")
    """MongoDB's `masterKey` as JSON: which key at that provider. Absent with a local master key."""

    vault_url: SecretStr = Field(SecretStr(""), validation_alias="VAULT_URL")
    smtp_url: SecretStr = Field(SecretStr(""), validation_alias="SMTP_URL")

    @classmethod
    def read(cls, role: Role) -> Self:
        """The environment's settings, fit for `role`. Raises `SettingsRefused` with every fault."""
        try:
            settings = cls()
        except ValidationError as why:
            raise SettingsRefused(tuple(_spoken(error) for error in why.errors(include_input=False))) from None
        return settings.require(role)

    def require(self, role: Role) -> Self:
        """These settings, when they are fit for `role`. Raises `SettingsRefused` with every fault."""
        faults = tuple(dict.fromkeys(fault for part in role.parts for fault in self.faults(part)))
        if faults:
            raise SettingsRefused(faults)
        return self

    def faults(self, role: Role) -> Iterator[str]:
        """What keeps a process of one role (never `all`) from starting. A service adds its own by overriding."""
        if self.strict and self.clock_file is not None:
            yield "PLACET_CLOCK_FILE makes the clock wrong for a test: outside local mode it must not be set."
        yield from self._public_faults(role)
        yield from self._kafka_faults(role)
        yield from _mongodb_faults(f"PLACET_MONGODB_{role.upper()}_URI", self.mongodb_uri(role), strict=self.strict)
        yield from self._keys_faults(role)
        if role in self.vault_roles:
            yield from _vault_faults(self.vault_url.get_secret_value(), strict=self.strict)
        if role in self.smtp_roles:
            yield from _smtp_faults(self.smtp_url.get_secret_value(), strict=self.strict)

    @property
    def strict(self) -> bool:
        """Whether what protects must be strong: everywhere but in local mode."""
        return self.mode is not Mode.LOCAL

    @property
    def host(self) -> str:
        """The address to listen on: loopback alone in local mode."""
        return "0.0.0.0" if self.strict else "127.0.0.1"  # noqa: S104  a pod is reached through its own address

    def mongodb_uri(self, role: Role) -> str:
        """The database address of one role's user, with its password."""
        uris = {
            Role.API: self.mongodb_api_uri,
            Role.WORKER: self.mongodb_worker_uri,
            Role.RELAY: self.mongodb_relay_uri,
        }
        return uris[role].get_secret_value()

    def kafka_login(self, role: Role) -> tuple[str, str]:
        """User and password of the worker or the relay; the role `api` has none, so asking for it is a bug."""
        logins = {
            Role.WORKER: (self.kafka_worker_user, self.kafka_worker_password),
            Role.RELAY: (self.kafka_relay_user, self.kafka_relay_password),
        }
        user, password = logins[role]
        return user, password.get_secret_value()

    def key_file(self, name: str) -> Path:
        """The path of a file below the keys folder."""
        if self.keys_folder is None:
            raise SettingsRefused(("PLACET_KEYS_FOLDER is missing: name the folder that holds the keys.",))
        return self.keys_folder / name

    def _public_faults(self, role: Role) -> Iterator[str]:
        if role is Role.RELAY:
            return
        url = urlsplit(self.public_url)
        if url.scheme not in {"http", "https"} or not url.netloc:
            yield "PLACET_PUBLIC_URL is missing or not a web address: give the origin, such as https://transcripts.example.org."
        elif url.path not in {"", "/"} or url.query or url.fragment or url.username:
            yield "PLACET_PUBLIC_URL must be an origin alone: scheme, host and port, without a path, a query or a login."
        elif self.strict and url.scheme == "http":
            yield "PLACET_PUBLIC_URL begins with http://: outside local mode it must be https://."

    def _kafka_faults(self, role: Role) -> Iterator[str]:
        if role is Role.API:
            return
        if not self.kafka_bootstrap:
            yield "KAFKA_BOOTSTRAP_SERVERS is missing: give host:port of the brokers, with commas between them."
        if self.strict and self.kafka_security != "SASL_SSL":
            yield "PLACET_KAFKA_SECURITY asks for Kafka without TLS or without a login: outside local mode it must be SASL_SSL."
        if self.kafka_cafile is not None and not self.kafka_cafile.is_file():
            yield "PLACET_KAFKA_CAFILE names no file: give the PEM file of the authority that signed the brokers' certificates."
        if self.kafka_security == "PLAINTEXT":
            return
        user, password = self.kafka_login(role)
        if not user:
            yield f"PLACET_KAFKA_{role.upper()}_USER is missing: the {role} signs in to Kafka with a user of its own."
        yield from _password_faults(f"PLACET_KAFKA_{role.upper()}_PASSWORD", password, strict=self.strict)

    def _replaced(self, name: str) -> bool:
        """Whether a key service does what this file would be for."""
        return name == LOCAL_MASTER_KEY and bool(self.kms_providers)

    def _keys_faults(self, role: Role) -> Iterator[str]:
        wanted = sorted(name for name, roles in self.key_files.items() if role in roles and not self._replaced(name))
        if not wanted:
            return
        if self.keys_folder is None or not self.keys_folder.is_dir():
            yield "PLACET_KEYS_FOLDER is missing or names no folder: give the folder that holds the keys."
            return
        for name in wanted:
            if not (self.keys_folder / name).is_file():
                yield f"PLACET_KEYS_FOLDER has no file {name}, which the {role} needs."


def _password_faults(name: str, password: str, *, strict: bool) -> Iterator[str]:
    if not password:
        yield f"{name} is missing a password."
    elif strict and len(password) < SHORTEST_PASSWORD:
        yield f"{name} has a password shorter than {SHORTEST_PASSWORD} characters: draw a random one."
    elif strict and _is_known(password):
        yield f"{name} has a password that everybody knows or can guess: draw a random one."


def _is_known(password: str) -> bool:
    """Whether it is made of nothing but the list's words and a number behind, or of four different characters or fewer."""
    letters = re.sub(r"[^a-z0-9]", "", password.lower())
    return len(set(password)) <= 4 or _KNOWN_DEFAULT.fullmatch(letters) is not None


def _mongodb_faults(name: str, uri: str, *, strict: bool) -> Iterator[str]:
    """Scheme, login and TLS of a connection string. It may hold several hosts, so it is taken apart by hand."""
    scheme, _, rest = uri.partition("://")
    if scheme not in {"mongodb", "mongodb+srv"} or not rest:
        yield f"{name} is missing or not a MongoDB address: give mongodb://user:password@host/?…."
        return
    authority, _, tail = rest.partition("/")
    login, at, _ = authority.rpartition("@")
    options = {key.lower(): values[-1] for key, values in parse_qs(tail.partition("?")[2]).items()}
    if options.get("authmechanism", "").upper() not in _NO_PASSWORD_NEEDED:
        yield from _password_faults(name, unquote(login.partition(":")[2]) if at else "", strict=strict)
    for option in ("tlsCAFile", "tlsCertificateKeyFile"):
        file = options.get(option.lower())
        if file is not None and not Path(file).is_file():
            yield f"{name} names a file in {option} that is not there: give the path of a PEM file."
    if not strict:
        return
    tls = options.get("tls", options.get("ssl", "true" if scheme == "mongodb+srv" else "false"))
    loose = {"tlsinsecure", "tlsallowinvalidcertificates", "tlsallowinvalidhostnames"}
    if tls.lower() != "true":
        yield f"{name} reaches MongoDB without TLS: add tls=true."
    elif any(options.get(option, "false").lower() == "true" for option in loose):
        yield f"{name} does not check MongoDB's certificate: remove the option that allows invalid ones."


def _vault_faults(url: str, *, strict: bool) -> Iterator[str]:
    scheme, _, rest = url.partition("://")
    if not rest:
        yield "VAULT_URL is missing or not an address: give s3://bucket/path, gs://…, az://… (or file:///folder in local mode)."
    elif strict and scheme in {"file", "memory", "http"}:
        yield f"VAULT_URL begins with {scheme}://: outside local mode the vault must be an object store that outlives the machine."


def _smtp_faults(url: str, *, strict: bool) -> Iterator[str]:
    parts = urlsplit(url)
    if parts.scheme not in {"smtp", "smtps", "smtp+starttls"} or not parts.hostname:
        yield "SMTP_URL is missing or not a mail server's address: give smtps://user:password@host or smtp+starttls://…."
        return
    if strict and parts.scheme == "smtp":
        yield "SMTP_URL begins with smtp://, without TLS: outside local mode it must be smtps:// or smtp+starttls://."
    if parts.username is not None:
        yield from _password_faults("SMTP_URL", unquote(parts.password or ""), strict=strict)


def _spoken(error: Any) -> str:
    place = ".".join(str(step) for step in error["loc"])
    return f"{place} can't be read: {error['msg'][0].lower()}{error['msg'][1:]}."
