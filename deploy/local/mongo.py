"""One real mongod on loopback: a replica set of one (transactions and change streams need it), with a login and TLS.

Invariants: nothing is said to it in clear, by clients or by members; a start ends in a writable primary or in one NotStarted with the last log lines; the only way in without a
password (MongoDB's localhost exception) is closed by making root before anybody is told the address; data and port
stay over `kill` and `start`.
"""

import asyncio
import base64
import json
import re
import secrets
import shutil
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure, PyMongoError

from deploy.local.process import Child, NotStarted, free_port, is_free, is_listening
from deploy.local.tls import write_certificate, write_private

_START_SECONDS = 60.0
# Retryable multi-document transactions as this house uses them, and the floor of the chart: see the design, §6.
_OLDEST = 6
SET = "rs0"
# MongoDB's error codes.
_UNAUTHORIZED = 13
_ALREADY_INITIALIZED = 23
# 576 random bytes are 768 characters of base64; a key file may have at most 1024 (MongoDB manual, keyFile).
_KEY_BYTES = 576
# A fresh machine may lack what the packaged mongod links to: what each library comes in.
_LIBRARY_FROM = {
    "libcrypto.so.3": "OpenSSL 3 (Debian and Ubuntu: libssl3)",
    "libssl.so.3": "OpenSSL 3 (Debian and Ubuntu: libssl3)",
    "libcurl.so.4": "libcurl (Debian and Ubuntu: libcurl4)",
    "liblzma.so.5": "liblzma (Debian and Ubuntu: liblzma5)",
}


def find_mongod() -> Path:
    """Return the mongod to run: one on PATH that is new enough, else the packaged one.

    Raises NotStarted with one sentence when there is none, or when it lacks a shared library.
    """
    on_path = shutil.which("mongod")
    if on_path is not None and _major(Path(on_path)) >= _OLDEST:
        return Path(on_path)
    packaged = _packaged()
    if packaged is None:
        raise NotStarted(
            f"no mongod {_OLDEST} or newer was found: none on PATH, and the package with one is not installed "
            "in this environment; install the project's development packages or MongoDB itself"
        )
    _major(packaged)
    return packaged


def _packaged() -> Path | None:
    wheel = find_spec("fiftyone")
    for place in wheel.submodule_search_locations or () if wheel is not None else ():
        mongod = Path(place) / "db" / "bin" / "mongod"
        if mongod.exists():
            return mongod
    return None


def _major(mongod: Path) -> int:
    """Ask a mongod for its major version. Raises NotStarted when it can't even be loaded."""
    asked = subprocess.run([mongod, "--version"], capture_output=True, text=True, check=False, timeout=30)
    version = re.search(r"db version v(\d+)\.", asked.stdout)
    if asked.returncode == 0 and version is not None:
        return int(version[1])
    missing = re.search(r"shared libraries: (\S+):", asked.stderr)
    if missing is not None:
        source = _LIBRARY_FROM.get(missing[1], "your system's packages")
        raise NotStarted(f"{mongod} needs {missing[1]}, which this machine lacks; install {source}")
    said = (asked.stderr or asked.stdout).strip()
    raise NotStarted(f"{mongod} can't run here (exit code {asked.returncode}): {said or 'it said nothing'}")


class Mongo:
    """One mongod in its own folder. Start, stop, kill and start again; the data and the port stay."""

    def __init__(self, folder: Path, *, shared: Path | None = None, door: int | None = None) -> None:
        """Use `folder` for everything.

        Members of one set have key, certificate and passwords in the folder `shared`, which makes this one of several: `MongoSet` joins
        them. `door` is the port that clients and members are told instead of its own, for a proxy that stands before it.
        """
        self.folder = folder.absolute()
        self._shared = shared.absolute() if shared else self.folder
        self._door = door
        self._child = Child("mongod", folder=self.folder, log=self.folder / "mongod.log")

    @property
    def port(self) -> int:
        """The loopback port."""
        return int((self.folder / "port").read_text())

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._child.pid

    @property
    def host(self) -> str:
        """Host and port that clients and other members are told."""
        return f"127.0.0.1:{self._door or self.port}"

    @property
    def cafile(self) -> Path:
        """PEM file of the authority that clients must trust."""
        return self._shared / "ca.pem"

    def uri(self, user: str, password: str) -> str:
        """Return the address for a user; all users of the house live in `admin`."""
        return address(user, password, self.host, cafile=self.cafile)

    @property
    def root_uri(self) -> str:
        """The address for root, which makes users and roles and is given to no service."""
        return self.uri("root", self._root_password())

    @property
    def exit_code(self) -> int | None:
        """The exit code when it ended without `stop` or `kill`; else None."""
        return self._child.exit_code

    def tail(self) -> str:
        """The last log lines of the present run."""
        return self._child.tail()

    async def start(self) -> None:
        """Come up as a writable primary with authentication on. Raises NotStarted with the last log lines."""
        await self.listen()
        try:
            await self._until_primary()
        except BaseException:
            await self._child.kill()
            raise

    async def listen(self) -> None:
        """Start the process and return when it listens, whatever it is by then. Raises NotStarted."""
        mongod = await asyncio.to_thread(find_mongod)
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        self._settle_port()
        certificate, authority = write_certificate(self._shared)
        own: list[str | Path] = ["--dbpath", data, "--port", str(self.port), "--keyFile", self._key()]
        own += ["--tlsCertificateKeyFile", certificate, "--tlsCAFile", authority]
        await self._child.start([mongod, *_OPTIONS, *own])
        deadline = time.monotonic() + _START_SECONDS
        try:
            while not is_listening(self.port):
                self._check_alive(deadline, f"nothing listens on port {self.port}")
                await asyncio.sleep(0.03)
        except BaseException:
            await self._child.kill()
            raise

    def direct(self) -> AsyncMongoClient[dict[str, Any]]:
        """A client without a login of this very process, past any proxy: for MongoDB's localhost exception and `hello`."""
        options = _tls(self.cafile) | {"directConnection": "true"}
        return AsyncMongoClient(
            f"mongodb://127.0.0.1:{self.port}/?{urlencode(options)}", serverSelectionTimeoutMS=5_000
        )

    async def stop(self) -> None:
        """End it in order: SIGTERM, then SIGKILL."""
        await self._child.stop(grace=20)

    async def kill(self) -> None:
        """End it at once (kill -9), as a crash would."""
        await self._child.kill()

    async def _until_primary(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        async with self.direct() as client:
            made = self.folder / "root-made"
            if not made.exists():
                await self._initiate(client)
            while not await _is_primary(client):
                self._check_alive(deadline, "it has not become a writable primary")
                await self._follow_port()
                await asyncio.sleep(0.03)
            if not made.exists():
                await self._make_root(client)
                made.touch()

    def _check_alive(self, deadline: float, what: str) -> None:
        if self._child.exit_code is not None:
            raise self._child.failure(f"it ended with exit code {self._child.exit_code}")
        if time.monotonic() > deadline:
            raise self._child.failure(f"after {_START_SECONDS:.0f} s {what}")

    async def _initiate(self, client: AsyncMongoClient[dict[str, Any]]) -> None:
        """Make the replica set of one. A start that crashed in between may have made it already."""
        try:
            await client.admin.command("replSetInitiate", self._config(version=1))
        except OperationFailure as why:
            if why.code != _ALREADY_INITIALIZED:
                raise self._child.failure(f"the replica set can't be made: {why}") from why

    async def _make_root(self, client: AsyncMongoClient[dict[str, Any]]) -> None:
        try:
            await client.admin.command("createUser", "root", pwd=self._root_password(), roles=["root"])
        except OperationFailure as why:
            # The exception is closed because root exists, made by a start that crashed right after.
            if why.code != _UNAUTHORIZED:
                raise

    async def _follow_port(self) -> None:
        """Tell the replica set of one its new port, when somebody else sat on the old one. Else do nothing."""
        if self.port == self._known_port():
            return
        direct = self.root_uri.replace(f"replicaSet={SET}", "directConnection=true")
        async with AsyncMongoClient[dict[str, Any]](direct, serverSelectionTimeoutMS=5_000) as client:
            try:
                known = (await client.admin.command("replSetGetConfig"))["config"]
                wanted = self._config(version=known["version"] + 1)
                await client.admin.command("replSetReconfig", wanted, force=True)
            except PyMongoError:
                return  # not up to it yet; asked again until the deadline
        self._remember_port()

    def _config(self, *, version: int) -> dict[str, Any]:
        member = {"_id": 0, "host": f"127.0.0.1:{self.port}"}
        return {"_id": SET, "version": version, "members": [member]}

    def _settle_port(self) -> None:
        """Keep the port of the last run; take another only when somebody else has it by now."""
        path = self.folder / "port"
        if path.exists() and is_free(self.port):
            return
        fresh = not path.exists()
        path.write_text(str(free_port()))
        if fresh:
            self._remember_port()

    def _known_port(self) -> int:
        return int((self.folder / "port-in-set").read_text())

    def _remember_port(self) -> None:
        (self.folder / "port-in-set").write_text(str(self.port))

    def _key(self) -> Path:
        """The file by which members of a set know each other; with it, authorization is on."""
        path = self._shared / "key"
        if not path.exists():
            write_private(path, base64.b64encode(secrets.token_bytes(_KEY_BYTES)), mode=0o400)
        return path

    def _root_password(self) -> str:
        return root_password(self._shared)


def root_password(folder: Path) -> str:
    """The password of root, drawn when it is first asked for."""
    path = folder / "secrets.json"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_private(path, json.dumps({"root": secrets.token_urlsafe(24)}).encode())
    found: dict[str, str] = json.loads(path.read_text())
    return found["root"]


def address(user: str, password: str, *hosts: str, cafile: Path) -> str:
    """The address of a set for a user: over TLS, with a certificate of the authority in `cafile`."""
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    options = {"replicaSet": SET, "authSource": "admin"} | _tls(cafile)
    return f"mongodb://{login}@{','.join(hosts)}/?{urlencode(options)}"


def _tls(cafile: Path) -> dict[str, str]:
    return {"tls": "true", "tlsCAFile": str(cafile)}


async def _is_primary(client: AsyncMongoClient[dict[str, Any]]) -> bool:
    try:
        return bool((await client.admin.command("hello")).get("isWritablePrimary"))
    except PyMongoError:
        return False


TRANSACTION_SECONDS = 10
"""As long as one of ours may take at the most."""
_OPTIONS = (
    "--bind_ip",
    "127.0.0.1",
    "--nounixsocket",
    "--tlsMode",
    "requireTLS",
    "--tlsDisabledProtocols",
    "TLS1_0,TLS1_1",
    # Who a client is, its password says: SCRAM proves it without sending it.
    "--tlsAllowConnectionsWithoutCertificates",
    "--replSet",
    SET,
    "--wiredTigerCacheSizeGB",
    "0.5",
    "--oplogSize",
    "512",
    "--quiet",
    # Otherwise it writes its own measurements into the data folder all day.
    "--setParameter",
    "diagnosticDataCollectionEnabled=false",
    # What a process that dies had written and not committed is in everybody's way for so long: a minute, unless told.
    "--setParameter",
    f"transactionLifetimeLimitSeconds={TRANSACTION_SECONDS}",
)
