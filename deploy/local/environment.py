"""What each process of the house is told: its addresses, its own credentials and keys, and nobody else's."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol
from urllib.parse import quote, urlsplit, urlunsplit

from deploy.local.kafka import Login
from deploy.local.keys import operator_token, service_folder
from deploy.local.principals import KEY_OWNER, Credentials, principal
from deploy.local.process import NotStarted

ServiceRole = Literal["api", "worker", "relay", "all"]
APART: tuple[ServiceRole, ...] = ("api", "worker", "relay")
"""The roles of a service when each is a process of its own, as on a cluster; on one machine `all` is the three in one."""

# A child inherits these and nothing else: no credential slips in because a shell happened to have it.
_INHERITED = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "VIRTUAL_ENV",
    "SSL_CERT_FILE",
    "PLACET_FAILPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_TRACES_SAMPLER_ARG",
)


class Broker(Protocol):
    """Kafka as the house needs to know it: its own node or another's cluster."""

    @property
    def bootstrap(self) -> str:
        """Host and port, comma separated when there are several."""

    @property
    def cafile(self) -> Path:
        """PEM file of the authority to trust."""

    @property
    def admin(self) -> Login:
        """Who may make users, topics and access lists."""


class Database(Protocol):
    """MongoDB as the house needs to know it: its own mongod or another's set."""

    @property
    def root_uri(self) -> str:
        """The address for who may make users and roles."""

    def uri(self, user: str, password: str) -> str:
        """The address for another user."""


@dataclass(frozen=True)
class OtherKafka:
    """A Kafka that is not the house's own (`KAFKA_BOOTSTRAP_SERVERS`)."""

    bootstrap: str
    cafile: Path
    admin: Login


@dataclass(frozen=True)
class OtherMongo:
    """A MongoDB that is not the house's own (`MONGODB_URI`, an administrator's)."""

    root_uri: str = field(repr=False)

    def uri(self, user: str, password: str) -> str:
        """Return the same address for another user; all users of the house live in `admin`."""
        parts = urlsplit(self.root_uri)
        hosts = parts.netloc.rpartition("@")[2]
        options = [option for option in parts.query.split("&") if option and not option.startswith("authSource=")]
        login = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return urlunsplit(
            (parts.scheme, f"{login}@{hosts}", parts.path or "/", "&".join([*options, "authSource=admin"]), "")
        )


def other_kafka(env: Mapping[str, str] = os.environ) -> OtherKafka | None:
    """Return the Kafka that the environment names, or None. Raises NotStarted naming what is missing beside it."""
    bootstrap = env.get("KAFKA_BOOTSTRAP_SERVERS")
    if not bootstrap:
        return None
    wanted = ("PLACET_KAFKA_CAFILE", "PLACET_KAFKA_ADMIN_USER", "PLACET_KAFKA_ADMIN_PASSWORD")
    missing = [name for name in wanted if not env.get(name)]
    if missing:
        raise NotStarted(
            f"KAFKA_BOOTSTRAP_SERVERS is set, but {', '.join(missing)} is not: the house must make topics, users and "
            "access lists there; set it, or unset KAFKA_BOOTSTRAP_SERVERS to use a Kafka of the house's own"
        )
    cafile, user, password = (env[name] for name in wanted)
    return OtherKafka(bootstrap, Path(cafile).absolute(), Login(user, password))


def other_mongo(env: Mapping[str, str] = os.environ) -> OtherMongo | None:
    """Return the MongoDB that the environment names, or None."""
    uri = env.get("MONGODB_URI")
    return OtherMongo(uri) if uri else None


@dataclass(frozen=True)
class Addresses:
    """Where the shared things of one house are."""

    public_url: str
    smtp_url: str
    vault_url: str


def service_environment(
    service: str,
    role: ServiceRole,
    *,
    port: int,
    folder: Path,
    addresses: Addresses,
    broker: Broker,
    database: Database,
    credentials: Credentials,
    log_level: str = "INFO",
) -> dict[str, str]:
    """Return the whole environment of one process. A role gets its own credentials only; `all` gets the three."""
    roles: tuple[str, ...] = ("api", "worker", "relay") if role == "all" else (role,)
    told = {
        "PLACET_MODE": "local",
        "PLACET_PORT": str(port),
        "PLACET_PUBLIC_URL": addresses.public_url,
        "PLACET_LOG_LEVEL": log_level,
        "PLACET_TRACES_FILE": str(folder / "traces" / f"{service}-{role}.jsonl"),
    }
    if roles != ("relay",):
        told |= {
            "PLACET_KEYS_FOLDER": str(service_folder(folder / "keys", service)),
            "SMTP_URL": addresses.smtp_url,
            "VAULT_URL": addresses.vault_url,
        }
    if service == KEY_OWNER and "api" in roles:
        token = operator_token(folder / "keys")
        told["PLACET_OPERATOR_TOKEN_SHA256"] = hashlib.sha256(token.encode()).hexdigest()
    for one in roles:
        user = principal(service, one)
        told[f"PLACET_MONGODB_{one.upper()}_URI"] = database.uri(user, credentials.mongodb[user])
        if one != "api":
            login = credentials.kafka_login(user)
            told[f"PLACET_KAFKA_{one.upper()}_USER"] = login.user
            told[f"PLACET_KAFKA_{one.upper()}_PASSWORD"] = login.password
    if roles != ("api",):
        told |= {"KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap, "PLACET_KAFKA_CAFILE": str(broker.cafile)}
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {**inherited, **told}
