"""Writes `contracts/openapi/<service>.json` from the services' own routes, and checks that they are fresh.

`python -m deploy.cli.documents` writes; with `--check` it writes nothing and fails when one is not fresh. The apps are
built as their processes build them, with keys drawn for the occasion; nothing is reached over the network.
"""

import asyncio
import json
import os
import sys
import tempfile
from contextlib import AsyncExitStack
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

from contracts.topics import SERVICES
from deploy.local.environment import Addresses, OtherKafka, OtherMongo, service_environment
from deploy.local.house import ROOT
from deploy.local.kafka import Login
from deploy.local.keys import make_keys
from deploy.local.principals import keep_credentials, mongo_roles
from deploy.mongodb.applying import declared
from services.chassis.service import Parts, Room
from services.chassis.settings import Role
from services.chassis.store.mongo import MongoStore, connect
from services.chassis.store.work import Work
from services.chassis.web.health import Health
from services.chassis.web.http import openapi

FOLDER = ROOT / "contracts" / "openapi"
ORIGIN = "https://placet.example"


async def document(service: str, folder: Path) -> dict[str, Any]:
    """The OpenAPI 3.1 document of one service."""
    parts: Parts = import_module(f"services.{service}.app").PARTS
    credentials = keep_credentials(folder / "credentials.json", [role.name for role in mongo_roles(declared())])
    environment = service_environment(
        service,
        "api",
        port=1,
        folder=folder,
        addresses=Addresses(ORIGIN, "smtp://127.0.0.1:1", (folder / "vault").as_uri()),
        broker=OtherKafka("127.0.0.1:1", folder, Login("", "")),
        database=OtherMongo("mongodb://127.0.0.1:1/"),
        credentials=credentials,
    )
    with patch.dict(os.environ, environment):
        settings = parts.settings.read(Role.API)
    async with AsyncExitStack() as closing:
        client = connect(settings.mongodb_uri(Role.API))
        closing.callback(client.close)
        store = MongoStore(client, service)
        work = Work(store, parts.shelves)
        app: Any = await parts.api(
            Room(role=Role.API, settings=settings, store=store, work=work, health=Health(), closing=closing)
        )
        return openapi(app)


async def documents() -> dict[Path, str]:
    """Every document by its place."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_keys(folder / "keys")
        (folder / "vault").mkdir()
        made = {service: await document(service, folder) for service in SERVICES}
    return {
        FOLDER / f"{service}.json": json.dumps(one, indent=2, ensure_ascii=False) + "\n"
        for service, one in made.items()
    }


def main(arguments: list[str]) -> int:
    """Write, or check."""
    made = asyncio.run(documents())
    if "--check" in arguments:
        stale = [path.name for path, text in made.items() if not path.exists() or path.read_text() != text]
        if stale:
            print("Not fresh; run `python -m deploy.cli.documents`:", *stale, sep="\n  ")
        return 1 if stale else 0
    FOLDER.mkdir(exist_ok=True)
    for path, text in made.items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
