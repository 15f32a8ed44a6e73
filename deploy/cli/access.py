"""Where the house is and as whom the operator comes: a local house's folder, or the environment of a real one.

Local: `--folder` (default `.local/main`), with the credentials that the house made. Elsewhere: `MONGODB_URI` and
`KAFKA_BOOTSTRAP_SERVERS` with `PLACET_KAFKA_CAFILE`, `PLACET_OPERATOR_USER` and `PLACET_OPERATOR_PASSWORD`.
"""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from pymongo import AsyncMongoClient

from contracts.topics import SERVICES
from deploy.cli.printing import console, errors, fail
from deploy.local.house import House
from deploy.local.principals import OPERATOR, Credentials

HOME = Path(".local/main")
Folder = Annotated[Path, typer.Option("--folder", help="The folder of a local house.", show_default=True)]
Service = Annotated[str, typer.Option("--service", help="One of: " + ", ".join(SERVICES))]

__all__ = ["HOME", "Access", "Folder", "Service", "console", "errors", "fail"]


@dataclass(frozen=True)
class Access:
    """The operator's way in."""

    mongodb_uri: str = field(repr=False)
    bootstrap: str
    cafile: Path | None
    user: str
    password: str = field(repr=False)

    @classmethod
    def find(cls, folder: Path) -> "Access":
        """The local house in `folder` when it is up, else what the environment names. Leaves with a sentence."""
        if (folder / "house.json").exists():
            return cls._of_house(folder)
        uri, bootstrap = os.environ.get("MONGODB_URI"), os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
        if not uri or not bootstrap:
            raise fail(
                f"no house is up in {folder}, and MONGODB_URI and KAFKA_BOOTSTRAP_SERVERS are not set. "
                "Start one with `placet up`, or name the one you mean."
            )
        cafile = os.environ.get("PLACET_KAFKA_CAFILE")
        user, password = os.environ.get("PLACET_OPERATOR_USER", ""), os.environ.get("PLACET_OPERATOR_PASSWORD", "")
        return cls(uri, bootstrap, Path(cafile) if cafile else None, user, password)

    @classmethod
    def _of_house(cls, folder: Path) -> "Access":
        house = House(folder)
        kept = json.loads((folder / "credentials.json").read_text())
        credentials = Credentials(kafka=kept["kafka"], mongodb=kept["mongodb"])
        login = credentials.kafka_login(OPERATOR)
        uri = house.mongo.uri(OPERATOR, credentials.mongodb[OPERATOR])
        return cls(uri, house.kafka.bootstrap, house.kafka.cafile, login.user, login.password)

    @asynccontextmanager
    async def database(self, service: str) -> AsyncIterator[Any]:
        """One service's database, as the operator may see it: outbox, inbox ids, set-asides."""
        if service not in SERVICES:
            raise fail(f"there is no service {service!r}: it is one of {', '.join(SERVICES)}")
        client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
            self.mongodb_uri, tz_aware=True, serverSelectionTimeoutMS=5_000, w="majority", journal=True
        )
        try:
            yield client[service]
        finally:
            await client.close()
