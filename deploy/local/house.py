"""One house: Kafka, mongod, mail, keys, rights, the five services and the front door, started and ended in order.

Invariants: what a house needs to know lies in its folder, and two houses share no port and no file; a start ends in
"all ready" or in one NotStarted with nothing left running; `stop` leaves no process behind, also when the house that
started them was killed. `python -m deploy.local --folder .local/main` runs and supervises one until SIGTERM.
"""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from contracts.topics import SERVICES
from deploy.local.authorize import authorize_kafka
from deploy.local.cluster import NO_DOORS, KafkaQuorum, MongoSet
from deploy.local.environment import (
    Addresses,
    Broker,
    Database,
    ServiceRole,
    other_kafka,
    other_mongo,
    service_environment,
)
from deploy.local.fetch import Progress
from deploy.local.kafka import Kafka, client_settings
from deploy.local.keys import make_keys, operator_token
from deploy.local.mongo import Mongo
from deploy.local.principals import (
    BOOTSTRAP,
    Credentials,
    kafka_acls,
    keep_credentials,
    mongo_roles,
)
from deploy.local.process import Child, NotStarted, end, free_port, is_alive, is_free, is_listening, write_pid
from deploy.mongodb.applying import authorize_mongo, declared, make_collections
from services.chassis.store.shelf import Collection

ROOT = Path(__file__).parents[2]
_READY_SECONDS = 90.0
# A service drains at most 20 s after SIGTERM.
_SERVICE_GRACE = 25.0
_HOUSE_GRACE = 90.0

Command = Callable[[str, ServiceRole], Sequence[str | Path]]


def run_service(service: str, role: ServiceRole) -> Sequence[str | Path]:
    """Return the command that runs a service in a role."""
    return [sys.executable, "-m", f"services.{service}", role]


@dataclass(frozen=True)
class Seat:
    """One process of a service: which, in which role, on which port."""

    service: str
    role: ServiceRole
    port: int

    @property
    def name(self) -> str:
        """The process's name, as in its log file's."""
        return self.service if self.role == "all" else f"{self.service}-{self.role}"


class House:
    """Everything that runs Placet on this machine, in one folder."""

    def __init__(
        self,
        folder: Path,
        *,
        services: Sequence[str] = SERVICES,
        roles: Sequence[ServiceRole] | Mapping[str, Sequence[ServiceRole]] = ("all",),
        command: Command = run_service,
        collections: Mapping[str, Sequence[Collection]] | None = None,
        extra: Mapping[str, Mapping[str, str]] | None = None,
        log_level: str = "INFO",
        nodes: int = 1,
        doors: Mapping[str, int] = NO_DOORS,
        say: Progress = lambda _: None,
    ) -> None:
        """Use `folder` for everything. `services` may be empty: then only what they would stand on is started.

        `roles` by service splits some and not others: who is not named runs as one process. `collections` replaces what
        the services' stores declare; `extra` adds environment variables, by service or by the name of one process.
        `nodes`: how many of Kafka and of MongoDB; `doors`: by node, the port that all are told instead of its own.
        """
        self.folder = folder.absolute()
        self._services = tuple(services)
        given = roles if isinstance(roles, Mapping) else dict.fromkeys(services, roles)
        self._roles = {service: tuple(given.get(service, ("all",))) for service in services}
        self._command, self._collections, self._extra = command, collections, extra or {}
        self._log_level, self._say = log_level, say
        self._kafka: Kafka | KafkaQuorum | None = None
        self._mongo: Mongo | MongoSet | None = None
        if not other_kafka():
            at = self.folder / "kafka"
            self._kafka = Kafka(at, say=say) if nodes == 1 else KafkaQuorum(at, nodes, doors=doors, say=say)
        if not other_mongo():
            place = self.folder / "mongo"
            self._mongo = Mongo(place) if nodes == 1 else MongoSet(place, nodes, doors=doors)
        self._smtp = None if os.environ.get("SMTP_URL") else self._child("smtp")
        self._front = self._child("front")
        self.seats: dict[str, Seat] = {}
        self._children: dict[str, Child] = {}
        self.credentials = Credentials({}, {})

    @property
    def kafka(self) -> Broker:
        """The house's Kafka: its own node, with `start`, `stop` and `kill`, or the one that the environment names."""
        found = self._kafka or other_kafka()
        assert found is not None
        return found

    @property
    def mongo(self) -> Database:
        """The house's MongoDB: its own mongod, with `start`, `stop` and `kill`, or the environment's."""
        found = self._mongo or other_mongo()
        assert found is not None
        return found

    @property
    def own_kafka(self) -> Kafka:
        """The house's own one node, to break and mend it. Raises NotStarted when the Kafka is another's."""
        if not isinstance(self._kafka, Kafka):
            raise NotStarted("this house uses the Kafka of KAFKA_BOOTSTRAP_SERVERS and has none of its own")
        return self._kafka

    @property
    def own_mongo(self) -> Mongo:
        """The house's own one mongod, to break and mend it. Raises NotStarted when the MongoDB is another's."""
        if not isinstance(self._mongo, Mongo):
            raise NotStarted("this house uses the MongoDB of MONGODB_URI and has none of its own")
        return self._mongo

    @property
    def nodes(self) -> dict[str, Kafka | Mongo]:
        """Every node of the house's own, by name: `kafka` and `mongod`, or `kafka-1` to `mongod-3`; Kafka's first."""
        kafka, mongo = self._kafka, self._mongo
        found: dict[str, Kafka | Mongo] = {}
        if kafka is not None:
            found |= kafka.nodes if isinstance(kafka, KafkaQuorum) else {"kafka": kafka}
        if mongo is not None:
            found |= mongo.nodes if isinstance(mongo, MongoSet) else {"mongod": mongo}
        return found

    @property
    def public_url(self) -> str:
        """The origin of all pages. A name and not an address: passkeys are not made for addresses (WebAuthn §5.1.2)."""
        return f"http://localhost:{self._port('front')}"

    @property
    def mail_url(self) -> str:
        """Where the caught mails are shown; empty with another mail server."""
        return f"http://127.0.0.1:{self._port('mail')}" if self._smtp is not None else ""

    @property
    def smtp_url(self) -> str:
        """Where mails are handed in."""
        return os.environ.get("SMTP_URL") or f"smtp://127.0.0.1:{self._port('smtp')}"

    @property
    def vault_url(self) -> str:
        """Where packages lie."""
        return os.environ.get("VAULT_URL") or (self.folder / "vault").as_uri()

    @property
    def start_file(self) -> Path:
        """JSON of the start page (title, intro, people, links); whoever fills the house writes it."""
        return self.folder / "start.json"

    @property
    def operator_token(self) -> str:
        """What signs the first operator in at identity; for people at this machine and for whoever fills the house."""
        return operator_token(self.folder / "keys")

    def addresses(self) -> dict[str, str]:
        """Return what is where, by name, for people and for `house.json`."""
        told = {"pages": self.public_url, "mail": self.mail_url, "smtp": self.smtp_url, "vault": self.vault_url}
        told |= {"kafka": self.kafka.bootstrap, "folder": str(self.folder)}
        told |= {name: f"http://127.0.0.1:{seat.port}" for name, seat in self.seats.items()}
        return {name: where for name, where in told.items() if where}

    async def start(self) -> None:
        """Start everything and return when all is ready. Raises NotStarted or NotFetched, and then nothing runs."""
        pid_file = self.folder / "house.pid"
        if is_alive(pid_file) and pid_file.read_text().split()[0] != str(os.getpid()):
            raise NotStarted(f"the house in {self.folder} is already up; take it down first")
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_pid(pid_file, os.getpid())
        self._settle_ports()
        try:
            await self._start_ground()
            await self._authorize()
            await asyncio.gather(*(self._start_seat(seat) for seat in self.seats.values()))
            await self._until_ready()
            await self._start_front()
        except BaseException:
            await self.stop()
            raise
        (self.folder / "house.json").write_text(json.dumps(self.addresses(), indent=1))

    async def stop(self) -> None:
        """End everything, the door first and the database last; also what a house that was killed left behind."""
        await self._front.stop()
        for pid_file in self._pid_files("run"):
            if pid_file.stem not in {*self._children, "front", "smtp"}:
                self._children[pid_file.stem] = self._child(pid_file.stem)
        await asyncio.gather(*(child.stop(grace=_SERVICE_GRACE) for child in self._children.values()))
        ground = (self._smtp, self._kafka, self._mongo)
        await asyncio.gather(*(part.stop() for part in ground if part is not None))
        (self.folder / "house.json").unlink(missing_ok=True)
        (self.folder / "house.pid").unlink(missing_ok=True)

    def has_left_something(self) -> bool:
        """Say whether a pid file in the folder names a living process."""
        return any(is_alive(path) for place in ("run", "kafka", "mongo") for path in self._pid_files(place))

    async def start_service(self, name: str) -> None:
        """Start one service's process again, after `kill_service` or `stop_service`, and wait until it is ready."""
        await self._start_seat(self.seats[name])
        await self._until_ready(name)

    async def stop_service(self, name: str) -> None:
        """End one service's process in order."""
        await self._children[name].stop(grace=_SERVICE_GRACE)

    async def kill_service(self, name: str) -> None:
        """End one service's process with -9."""
        await self._children[name].kill()

    def service_process(self, name: str) -> Child:
        """Return one service's process: its pid, exit code, log."""
        return self._children[name]

    def ended(self) -> list[str]:
        """Return the names of the parts that ended without being told to, in the order to start them again."""
        parts: list[tuple[str, int | None]] = [(name, node.exit_code) for name, node in self.nodes.items()]
        if self._smtp is not None:
            parts.append(("smtp", self._smtp.exit_code))
        parts += [(name, child.exit_code) for name, child in self._children.items()]
        parts.append(("front", self._front.exit_code))
        return [name for name, exit_code in parts if exit_code is not None]

    async def restart(self, name: str) -> None:
        """Start a part again. A service is not awaited: it may wait for another part that is still to come."""
        if isinstance(self._mongo, MongoSet) and name in self._mongo.nodes:
            await self._mongo.start_node(name)
        elif name in self.nodes:
            await self.nodes[name].start()
        elif name == "smtp":
            await self._start_smtp()
        elif name == "front":
            await self._start_front()
        else:
            await self._start_seat(self.seats[name])

    async def _start_ground(self) -> None:
        """Start what services stand on, at once; if one fails the others are awaited, so that `stop` finds them all."""
        parts = [self._kafka.start()] if self._kafka is not None else []
        parts += [self._mongo.start()] if self._mongo is not None else []
        parts += [self._start_smtp()] if self._smtp is not None else []
        outcomes = await asyncio.gather(*parts, asyncio.to_thread(self._make_folders), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    def _make_folders(self) -> None:
        make_keys(self.folder / "keys")
        for name in ("traces", "logs", "mail", "vault"):
            (self.folder / name).mkdir(exist_ok=True)

    async def _authorize(self) -> None:
        """Make collections, users, topics and rights; the two systems at once."""
        collections = self._collections if self._collections is not None else declared(self._services)
        roles = mongo_roles(collections)
        path = self.folder / "credentials.json"
        self.credentials = keep_credentials(path, [role.name for role in roles])
        settings = client_settings(self.kafka.bootstrap, self.kafka.cafile, self.kafka.admin)

        async def database() -> None:
            await authorize_mongo(self.mongo.root_uri, roles=roles, passwords=self.credentials.mongodb)
            uri = self.mongo.uri(BOOTSTRAP, self.credentials.mongodb[BOOTSTRAP])
            await make_collections(uri, collections)

        await asyncio.gather(
            authorize_kafka(settings, users=self.credentials.kafka, acls=kafka_acls()),
            database(),
        )

    async def _start_seat(self, seat: Seat) -> None:
        # Read again: a password may have been changed since (`placet passwords change`).
        self.credentials = keep_credentials(self.folder / "credentials.json", self.credentials.mongodb)
        env = service_environment(
            seat.service,
            seat.role,
            port=seat.port,
            folder=self.folder,
            addresses=Addresses(self.public_url, self.smtp_url, self.vault_url),
            broker=self.kafka,
            database=self.mongo,
            credentials=self.credentials,
            log_level=self._log_level,
        )
        child = self._children.setdefault(seat.name, self._child(seat.name))
        command = self._command(seat.service, seat.role)
        extra = {**self._extra.get(seat.service, {}), **self._extra.get(seat.name, {})}
        await child.start(command, env={**env, **extra}, cwd=ROOT)

    async def _until_ready(self, *names: str) -> None:
        """Wait until the named services, or all, say that they are ready."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as client:
            await asyncio.gather(*(self._until_one_ready(client, name) for name in names or self.seats))

    async def _until_one_ready(self, client: aiohttp.ClientSession, name: str) -> None:
        child, said = self._children[name], "nothing"
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _READY_SECONDS
        while True:
            try:
                async with client.get(f"http://127.0.0.1:{self.seats[name].port}/health/ready") as answer:
                    if answer.ok:
                        return
                    said = f"{answer.status} {(await answer.text())[:500]}"
            except (aiohttp.ClientError, TimeoutError) as why:
                said = str(why)
            if child.exit_code is not None:
                raise child.failure(f"it ended with exit code {child.exit_code}")
            if loop.time() > deadline:
                raise child.failure(f"after {_READY_SECONDS:.0f} s it is not ready; /health/ready says: {said}")
            await asyncio.sleep(0.05)

    async def _start_smtp(self) -> None:
        ports = [self._port(name) for name in ("smtp", "mail")]
        words = ["--smtp-port", str(ports[0]), "--http-port", str(ports[1]), "--folder", str(self.folder / "mail")]
        await self._start_own(self._smtp, "deploy.local.smtp", words, ports)

    async def _start_front(self) -> None:
        port = self._port("front")
        words = ["--port", str(port), "--mail-url", self.mail_url, "--start-file", str(self.start_file)]
        for seat in self.seats.values():
            if seat.role in {"all", "api"}:
                words += ["--route", f"{seat.service}={seat.port}"]
        await self._start_own(self._front, "deploy.local.front", words, [port])

    async def _start_own(self, child: Child | None, module: str, words: list[str], ports: list[int]) -> None:
        assert child is not None
        await child.start([sys.executable, "-m", module, *words], cwd=ROOT)
        deadline = asyncio.get_running_loop().time() + _READY_SECONDS
        while not all(is_listening(port) for port in ports):
            if child.exit_code is not None or asyncio.get_running_loop().time() > deadline:
                raise child.failure(f"nothing listens on {ports}")
            await asyncio.sleep(0.03)

    def _child(self, name: str) -> Child:
        return Child(name, folder=self.folder / "run", log=self.folder / "logs" / f"{name}.log")

    def _pid_files(self, place: str) -> list[Path]:
        return sorted((self.folder / place).rglob("*.pid"))

    def _settle_ports(self) -> None:
        """Fix every port before anybody is told one: those of the last run, unless somebody else sits there now."""
        path = self.folder / "ports.json"
        known: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({name: port for name, port in known.items() if is_free(port)}))
        for name in ("front", "smtp", "mail"):
            self._port(name)
        for service in self._services:
            for role in self._roles[service]:
                name = Seat(service, role, 0).name
                self.seats[name] = Seat(service, role, self._port(name))

    def _port(self, name: str) -> int:
        """Return the port of a part, drawing one when it has none yet."""
        path = self.folder / "ports.json"
        known: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
        if name not in known:
            known[name] = free_port()
            path.write_text(json.dumps(known))
        return known[name]


async def take_down(folder: Path) -> bool:
    """End the house in `folder`, whoever started it, and all that it left. False when nothing was up."""
    pid_file = folder / "house.pid"
    was_up = is_alive(pid_file)
    if was_up and pid_file.read_text().split()[0] != str(os.getpid()):
        await end(pid_file, grace=_HOUSE_GRACE)
    house = House(folder, nodes=len([*(folder / "kafka").glob("[0-9]*")]) or 1)
    left = house.has_left_something()
    await house.stop()
    return was_up or left
