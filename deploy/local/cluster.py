"""Several nodes of Kafka and of MongoDB on this machine, each set used like the one node that it stands for.

For the chaos runs (`tests/chaos`): three brokers with three copies of which two must be written, and a replica set of three,
so that one of each can be killed, paused or cut off while the house goes on.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure, PyMongoError

from deploy.local.fetch import Progress
from deploy.local.kafka import Kafka, Login
from deploy.local.mongo import SET, Mongo, address, root_password
from deploy.local.process import NotStarted, free_port, is_free

_START_SECONDS = 90.0
# MongoDB's defaults are 10 s and 2 s; a set on one machine finds out sooner that a member is gone.
_ELECTION_MS, _HEARTBEAT_MS = 4_000, 1_000
_PRIMARY, _SECONDARY = "primary", "secondary"
_UNAUTHORIZED, _ALREADY_INITIALIZED = 13, 23
NO_DOORS: Mapping[str, int] = {}


class KafkaQuorum:
    """Several Kafka nodes, `kafka-1` and so on, each broker and controller; what they share lies in `folder`."""

    def __init__(
        self, folder: Path, count: int, *, doors: Mapping[str, int] = NO_DOORS, say: Progress = lambda _: None
    ) -> None:
        """`doors`: by node, the port that clients are told instead of its own."""
        self.folder = folder.absolute()
        self._count, self._doors, self._say = count, doors, say
        self.nodes: dict[str, Kafka] = {}

    @property
    def bootstrap(self) -> str:
        """Host and port of every node."""
        return ",".join(node.bootstrap for node in self._made().values())

    @property
    def cafile(self) -> Path:
        """PEM file of the authority that clients must trust."""
        return self._made()["kafka-1"].cafile

    @property
    def admin(self) -> Login:
        """The super user that makes users, topics and ACLs."""
        return self._made()["kafka-1"].admin

    async def start(self) -> None:
        """Come up with all nodes. Raises NotStarted, and then none runs."""
        await _all_or_none([node.start() for node in self._made().values()], self.stop)

    async def stop(self) -> None:
        """End all nodes in order. They are told together: a quorum does not wait for itself."""
        await asyncio.gather(*(node.stop() for node in self._made().values()))

    def _made(self) -> dict[str, Kafka]:
        """The nodes. Their controllers' ports are drawn before the first starts: each must know all others'."""
        if not self.nodes:
            voters = self._voters()
            self.nodes = {
                f"kafka-{one}": Kafka(
                    self.folder / str(one),
                    node_id=one,
                    voters=voters,
                    shared=self.folder,
                    door=self._doors.get(f"kafka-{one}"),
                    say=self._say,
                )
                for one in voters
            }
        return self.nodes

    def _voters(self) -> dict[int, int]:
        path = self.folder / "voters.json"
        if path.exists():
            known = {int(node): int(port) for node, port in json.loads(path.read_text()).items()}
            if len(known) == self._count:
                return known
        self.folder.mkdir(parents=True, exist_ok=True)
        drawn = {node: free_port() for node in range(1, self._count + 1)}
        path.write_text(json.dumps(drawn))
        return drawn


class MongoSet:
    """A replica set of several mongods, `mongod-1` and so on; key, certificate and root's password lie in `folder`."""

    def __init__(self, folder: Path, count: int, *, doors: Mapping[str, int] = NO_DOORS) -> None:
        """`doors`: by node, the port that clients and other members are told instead of its own."""
        self.folder = folder.absolute()
        self.nodes = {
            name: Mongo(self.folder / str(one), shared=self.folder, door=doors.get(name))
            for one in range(1, count + 1)
            for name in [f"mongod-{one}"]
        }

    def uri(self, user: str, password: str) -> str:
        """Return the address for a user; all users of the house live in `admin`."""
        hosts = [node.host for node in self.nodes.values()]
        return address(user, password, *hosts, cafile=self.folder / "ca.pem")

    @property
    def root_uri(self) -> str:
        """The address for root, which makes users and roles and is given to no service."""
        return self.uri("root", root_password(self.folder))

    async def start(self) -> None:
        """Come up with every member primary or secondary. Raises NotStarted, and then none runs."""
        await _all_or_none([self._start()], self.stop)

    async def start_node(self, name: str) -> None:
        """Start one member again and wait until it is of use. Raises NotStarted."""
        await self._check_port(name)
        await self.nodes[name].listen()
        await self._until(name, {_PRIMARY, _SECONDARY})

    async def stop(self) -> None:
        """End all members in order."""
        await asyncio.gather(*(node.stop() for node in self.nodes.values()))

    async def primary(self) -> str | None:
        """The name of the member that is primary now; None while there is none."""
        states = await asyncio.gather(*map(self.state, self.nodes))
        return next((name for name, state in zip(self.nodes, states, strict=True) if state == _PRIMARY), None)

    async def state(self, name: str) -> str:
        """`primary`, `secondary`, or empty when it is neither or does not answer."""
        if self.nodes[name].pid is None:
            return ""
        try:
            async with self.nodes[name].direct() as client:
                told = await asyncio.wait_for(client.admin.command("hello"), 3)
        except (PyMongoError, TimeoutError):
            return ""
        return _PRIMARY if told.get("isWritablePrimary") else _SECONDARY if told.get("secondary") else ""

    async def _start(self) -> None:
        for name in self.nodes:
            await self._check_port(name)
        await asyncio.gather(*(node.listen() for node in self.nodes.values()))
        made = self.folder / "root-made"
        first = next(iter(self.nodes))
        if not made.exists():
            await self._initiate(self.nodes[first])
            await self._make_root(await self._until_primary())
            made.touch()
        await asyncio.gather(*(self._until(name, {_PRIMARY, _SECONDARY}) for name in self.nodes))
        await self._until_primary()

    async def _check_port(self, name: str) -> None:
        """Members know one another by their ports, so a port can't be changed while a set is down."""
        node = self.nodes[name]
        if (node.folder / "port").exists() and node.pid is None and not is_free(node.port):
            raise NotStarted(f"{name} can't start: somebody else listens on its port {node.port}; end that process")

    async def _initiate(self, first: Mongo) -> None:
        members = [{"_id": place, "host": node.host} for place, node in enumerate(self.nodes.values())]
        settings = {"electionTimeoutMillis": _ELECTION_MS, "heartbeatIntervalMillis": _HEARTBEAT_MS}
        try:
            async with first.direct() as client:
                config = {"_id": SET, "version": 1, "members": members, "settings": settings}
                await client.admin.command("replSetInitiate", config)
        except OperationFailure as why:
            if why.code != _ALREADY_INITIALIZED:
                raise NotStarted(f"the replica set can't be made: {why}\n{first.tail()}") from why

    async def _until_primary(self) -> Mongo:
        deadline = time.monotonic() + _START_SECONDS
        while (name := await self.primary()) is None:
            _check(deadline, "the replica set has no primary", self.nodes)
            await asyncio.sleep(0.1)
        return self.nodes[name]

    async def _until(self, name: str, wanted: set[str]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while await self.state(name) not in wanted:
            _check(deadline, f"{name} is neither primary nor secondary", {name: self.nodes[name]})
            await asyncio.sleep(0.1)

    async def _make_root(self, primary: Mongo) -> None:
        async with primary.direct() as client:
            await _create_root(client, root_password(self.folder))


async def _create_root(client: AsyncMongoClient[dict[str, Any]], password: str) -> None:
    try:
        await client.admin.command("createUser", "root", pwd=password, roles=["root"])
    except OperationFailure as why:
        # The localhost exception is closed because root exists, made by a start that crashed right after.
        if why.code != _UNAUTHORIZED:
            raise


def _check(deadline: float, what: str, nodes: Mapping[str, Mongo]) -> None:
    if time.monotonic() > deadline or any(node.exit_code is not None for node in nodes.values()):
        tails = "\n".join(f"{name}: {node.tail()[-1500:]}" for name, node in nodes.items())
        raise NotStarted(f"{what}; the last lines of each log:\n{tails}")


async def _all_or_none(starts: list[Any], stop: Any) -> None:
    """Await all starts, so that what came up late is known too; when one failed, end them all and raise its reason."""
    outcomes = await asyncio.gather(*starts, return_exceptions=True)
    failed = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    if failed:
        await stop()
        raise failed[0]
