"""One real Kafka node (KRaft: broker and controller) on loopback, with TLS, SCRAM and ACLs on.

Invariants: a start ends in "ready" or in one NotStarted with the last log lines; nobody but the super users may do
anything until `deploy.local.principals` has granted it; after `kill` and `start` the node goes on with its data on the
same ports. Node id and voters are parameters, so that the same code can run a quorum of several nodes.
"""

import asyncio
import base64
import json
import secrets
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from deploy.local.fetch import Progress, cache_folder, kafka_jars
from deploy.local.java import AotCache, aot_cache, find_java
from deploy.local.process import Child, NotStarted, free_port, is_free, is_listening
from deploy.local.tls import write_certificate, write_private

_START_SECONDS = 60.0
# Measured: ready in 2.3 s with 150 MB, and no throughput lost to the missing second compiler.
_JVM = (
    "-Xms64m",
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Djava.awt.headless=true",
)
_LOG4J = Path(__file__).with_name("log4j2.properties")
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"


@dataclass(frozen=True)
class Ports:
    """The three loopback ports of one node; kept in its folder, so that a restart is found where it was."""

    client: int
    controller: int
    internal: int


@dataclass(frozen=True)
class Login:
    """A user of Kafka and its password."""

    user: str
    password: str

    def __repr__(self) -> str:
        """Never the password: this object may reach a log or a failed assertion."""
        return f"Login(user={self.user!r})"


def client_settings(bootstrap: str, cafile: Path | str, login: Login) -> dict[str, str | int | float | bool]:
    """Return librdkafka's settings for a client of this house."""
    return {
        "bootstrap.servers": bootstrap,
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": login.user,
        "sasl.password": login.password,
        "ssl.ca.location": str(cafile),
        # Its own complaints go to stderr, between a command's lines; what matters comes as an exception.
        "log_level": 0,
    }


class Kafka:
    """One Kafka node in its own folder. Start, stop, kill and start again; the data and the ports stay."""

    def __init__(
        self,
        folder: Path,
        *,
        node_id: int = 1,
        voters: Mapping[int, int] | None = None,
        shared: Path | None = None,
        door: int | None = None,
        say: Progress = lambda _: None,
    ) -> None:
        """Use `folder` for everything; `voters` maps node ids to controller ports when there is more than one node.

        Nodes of one cluster have certificate, passwords and cluster id in the folder `shared`. `door` is the port that
        clients are told instead of the node's own, for a proxy that stands before it.
        """
        self.folder = folder.absolute()
        self._shared = (shared or folder).absolute()
        self._node_id = node_id
        self._voters = voters
        self._door = door
        self._say = say
        self._aot: AotCache | None = None
        self._child = Child("kafka", folder=self.folder, log=self.folder / "kafka.log")

    @property
    def bootstrap(self) -> str:
        """Host and port for clients (SASL_SSL, SCRAM-SHA-512)."""
        return f"127.0.0.1:{self._door or self._ports().client}"

    @property
    def cafile(self) -> Path:
        """PEM file of the authority that clients must trust."""
        return self._shared / "ca.pem"

    @property
    def admin(self) -> Login:
        """The super user that makes users, topics and ACLs."""
        return Login("admin", self._secrets()["admin"])

    @property
    def pid(self) -> int | None:
        """The node's process id while it runs."""
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code when it ended without `stop` or `kill`; else None."""
        return self._child.exit_code

    def tail(self) -> str:
        """The last log lines of the present run."""
        return self._child.tail()

    async def start(self) -> None:
        """Come up and be ready for clients. Raises NotStarted with the last log lines, or NotFetched."""
        java, jars = find_java(), await asyncio.to_thread(kafka_jars, self._say)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_certificate(self._shared)
        self._settle_ports()
        properties = self.folder / "server.properties"
        write_private(properties, self._properties().encode())
        run: list[Path | str] = [java.command, *_JVM, f"-Dlog4j2.configurationFile={_LOG4J.as_uri()}"]
        if java.warns_of_unsafe:
            run.append("--sun-misc-unsafe-memory-access=allow")
        run += ["-cp", ":".join(map(str, jars))]
        self._aot = aot_cache(java, jars, kept_in=cache_folder(), written_in=self.folder)
        if not (self.folder / "data" / "meta.properties").exists():
            await self._format(run, properties)
        flags = self._aot.flags() if self._aot else []
        await self._child.start([run[0], *flags, *run[1:], "kafka.Kafka", properties])
        try:
            await self._until_ready()
        except BaseException:
            await self._child.kill()
            raise

    async def stop(self) -> None:
        """End it in order: SIGTERM, then SIGKILL. The first stop on a machine takes 5 s: it leaves a cache of classes."""
        await self._child.stop(grace=30)
        if self._aot is not None:
            await asyncio.to_thread(self._aot.keep)

    async def kill(self) -> None:
        """End it at once (kill -9), as a crash would."""
        await self._child.kill()

    async def _format(self, run: list[Path | str], properties: Path) -> None:
        """Prepare the storage and its first two users. StorageTool prints salted secrets: its output is kept apart."""
        arguments = self.folder / ".format.args"
        words = ["kafka.tools.StorageTool", "format", "-t", self._cluster_id(), "-c", str(properties)]
        for user in ("kafka", "admin"):
            words += ["--add-scram", f"SCRAM-SHA-512=[name={user},password={self._secrets()[user]}]"]
        # Java's own argument file, so that no password is seen in the list of processes.
        write_private(arguments, "\n".join(f'"{word}"' for word in words).encode())
        log = self.folder / ".format.log"
        tool = Child("kafka-format", folder=self.folder, log=log)
        try:
            write_private(log, b"")
            await tool.start([*run, f"@{arguments}"])
            if await tool.ended(_START_SECONDS) != 0:
                await tool.kill()
                said = "\n".join(line for line in tool.tail().splitlines() if "salt" not in line.lower())
                raise NotStarted(f"kafka's storage could not be formatted in {self.folder}:\n{said}")
        finally:
            tool.pid_file.unlink(missing_ok=True)
            arguments.unlink(missing_ok=True)
            log.unlink(missing_ok=True)

    async def _until_ready(self) -> None:
        """Wait until the client port answers an authenticated request."""
        deadline = time.monotonic() + _START_SECONDS
        port = self._ports().client
        while not is_listening(port):
            self._check_alive(deadline, f"nothing listens on port {port}")
            await asyncio.sleep(0.03)
        admin = AdminClient(client_settings(f"127.0.0.1:{port}", self.cafile, self.admin))
        while True:
            try:
                await asyncio.to_thread(admin.list_topics, timeout=2)
            except KafkaException as why:
                self._check_alive(deadline, str(why))
            else:
                return

    def _check_alive(self, deadline: float, what: str) -> None:
        if self._child.exit_code is not None:
            raise self._child.failure(f"it ended with exit code {self._child.exit_code}")
        if time.monotonic() > deadline:
            raise self._child.failure(f"after {_START_SECONDS:.0f} s {what}")

    def _settle_ports(self) -> None:
        """Keep the ports of the last run; take others only when somebody else has them by now."""
        path = self.folder / "ports.json"
        fixed = (self._voters or {}).get(self._node_id)
        kept = path.exists() and all(is_free(port) for port in asdict(self._ports()).values())
        if kept and fixed in {None, self._ports().controller}:
            return
        controller = fixed or free_port()
        path.write_text(json.dumps(asdict(Ports(free_port(), controller, free_port()))))

    def _ports(self) -> Ports:
        return Ports(**json.loads((self.folder / "ports.json").read_text()))

    def _secrets(self) -> dict[str, str]:
        """The passwords of the super users, made at the first start."""
        path = self._shared / "secrets.json"
        if not path.exists():
            self._shared.mkdir(parents=True, exist_ok=True)
            made = {user: secrets.token_urlsafe(24) for user in ("kafka", "admin", "controller")}
            write_private(path, json.dumps(made).encode())
        found: dict[str, str] = json.loads(path.read_text())
        return found

    def _cluster_id(self) -> str:
        """The cluster's id, drawn when its first node is made."""
        path = self._shared / "cluster.id"
        if not path.exists():
            path.write_text(_draw_cluster_id())
        return path.read_text()

    def _properties(self) -> str:
        ports, passwords = self._ports(), self._secrets()
        voters = self._voters or {self._node_id: ports.controller}
        settings = {
            "process.roles": "broker,controller",
            "node.id": self._node_id,
            "controller.quorum.voters": ",".join(f"{node}@127.0.0.1:{port}" for node, port in sorted(voters.items())),
            "listeners": f"CLIENT://127.0.0.1:{ports.client},CONTROLLER://127.0.0.1:{ports.controller},"
            f"INTERNAL://127.0.0.1:{ports.internal}",
            "advertised.listeners": f"CLIENT://{self.bootstrap},INTERNAL://127.0.0.1:{ports.internal}",
            "log.dirs": self.folder / "data",
            "ssl.keystore.location": self._shared / "server.pem",
            "ssl.truststore.location": self.cafile,
            **_SECURITY,
            **_logins(passwords),
            **_SMALL,
            **_copies(len(voters)),
        }
        return "".join(f"{key}={value}\n" for key, value in settings.items())


def _draw_cluster_id() -> str:
    """Draw a cluster id in Kafka's form: 16 bytes as unpadded URL-safe base64, never starting with a dash."""
    while True:
        drawn = base64.urlsafe_b64encode(uuid.UUID(bytes=secrets.token_bytes(16), version=4).bytes).decode().rstrip("=")
        if not drawn.startswith("-"):
            return drawn


def _logins(passwords: Mapping[str, str]) -> dict[str, str]:
    scram = f'{_SCRAM} required username="kafka" password="{passwords["kafka"]}";'
    plain = (
        f'{_PLAIN} required username="kafka" password="{passwords["controller"]}" '
        f'user_kafka="{passwords["controller"]}";'
    )
    return {
        "listener.name.client.scram-sha-512.sasl.jaas.config": f"{_SCRAM} required;",
        "listener.name.internal.scram-sha-512.sasl.jaas.config": scram,
        "listener.name.controller.plain.sasl.jaas.config": plain,
    }


def _copies(nodes: int) -> dict[str, int]:
    """Replication of the internal topics: as many as there are nodes, three at most; one may be missing of three."""
    copies = min(nodes, 3)
    return {
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": max(1, copies - 1),
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": max(1, copies - 1),
        "default.replication.factor": copies,
        "min.insync.replicas": max(1, copies - 1),
    }


_SECURITY: dict[str, str] = {
    "listener.security.protocol.map": "CLIENT:SASL_SSL,CONTROLLER:SASL_SSL,INTERNAL:SASL_SSL",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "INTERNAL",
    "sasl.enabled.mechanisms": "SCRAM-SHA-512",
    "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
    "sasl.mechanism.controller.protocol": "PLAIN",
    "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
    "ssl.keystore.type": "PEM",
    "ssl.truststore.type": "PEM",
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "false",
    "super.users": "User:kafka;User:admin",
    "auto.create.topics.enable": "false",
}

# One machine, few topics: small pools and few internal partitions make the start quick and the node light.
_SMALL: dict[str, str | int] = {
    "num.network.threads": 2,
    "num.io.threads": 4,
    "background.threads": 2,
    "log.cleaner.dedupe.buffer.size": 16_777_216,
    "offsets.topic.num.partitions": 4,
    "transaction.state.log.num.partitions": 1,
    "share.coordinator.state.topic.num.partitions": 1,
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 1_000,
    # A node killed with -9 needs 9 s to register again with the defaults, 6 s with these.
    "broker.session.timeout.ms": 2_000,
    "broker.heartbeat.interval.ms": 500,
    "metric.reporters": "",
}
