"""`placet passwords change | draw`: another password for one user of Kafka or MongoDB, and the process that comes as it.

`change` does all of it in a house on this machine. `draw` only writes a new one where `deploy.helm.secrets` keeps them; the
way from there to a cluster is in `deploy/runbooks/rotate-passwords.md`. No command prints a password.
"""

import asyncio
import json
import secrets
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from contracts.topics import SERVICES
from deploy.cli.access import HOME, Folder
from deploy.cli.printing import console, fail
from deploy.local.authorize import authorize_kafka
from deploy.local.house import House
from deploy.local.kafka import client_settings
from deploy.local.principals import kafka_acls, mongo_roles
from deploy.local.process import end
from deploy.local.tls import write_private
from deploy.mongodb.applying import authorize_mongo, declared

app = typer.Typer(help="Passwords: a new one for a user of Kafka or MongoDB.", no_args_is_help=True)


class System(StrEnum):
    """Whose user."""

    KAFKA = "kafka"
    MONGODB = "mongodb"


Where = Annotated[System, typer.Argument(help="Where the user is known.")]
User = Annotated[str, typer.Argument(help="The user, such as consent-relay: one of a service's roles, or operator.")]
# What a process has to finish, as the house gives it.
_GRACE = 25.0


@app.command("change")
def change(system: Where, user: User, folder: Folder = HOME) -> None:
    """Change a user's password in a house on this machine, and start the process that comes as it again."""
    if not (folder / "house.json").exists():
        raise fail(f"no house is up in {folder}: start it with `placet up`, or `placet passwords draw` for a cluster")
    kept, password = _drawn(folder / "credentials.json", system, user)
    asyncio.run(_tell(House(folder), system, user, password))
    # Only what the system has taken: a start of the house tells both systems what stands in the file.
    write_private(folder / "credentials.json", kept)
    ended = [path.stem for path in _processes(folder, user)]
    asyncio.run(_end(_processes(folder, user)))
    after = f"; {' and '.join(ended)} starts again with it" if ended else ""
    console.print(f"{user} has another password at {system}{after}.")


@app.command("draw")
def draw(
    system: Where,
    user: User,
    kept_in: Annotated[Path, typer.Option("--kept-in", help="The folder that `python -m deploy.helm.secrets` made.")],
) -> None:
    """Draw another password where a cluster's are kept. `python -m deploy.helm.secrets` then writes it into its Secret."""
    kept, _ = _drawn(kept_in / "credentials.json", system, user)
    write_private(kept_in / "credentials.json", kept)
    console.print(f"Drawn for {user} at {system}. Next: `python -m deploy.helm.secrets {kept_in}`.")


def _drawn(path: Path, system: System, user: str) -> tuple[bytes, str]:
    """The file as it is to be, and the new password in it."""
    if not path.exists():
        raise fail(f"{path} is not there: name the folder in which passwords are kept")
    kept: dict[str, dict[str, str]] = json.loads(path.read_text())
    if user not in kept[system]:
        raise fail(f"{system} has no user {user!r}: it is one of {', '.join(sorted(kept[system]))}")
    kept[system][user] = secrets.token_urlsafe(24)
    return json.dumps(kept, indent=1).encode(), kept[system][user]


async def _tell(house: House, system: System, user: str, password: str) -> None:
    if system is System.KAFKA:
        settings = client_settings(house.kafka.bootstrap, house.kafka.cafile, house.kafka.admin)
        await authorize_kafka(settings, users={user: password}, acls=kafka_acls())
    else:
        role = next(role for role in mongo_roles(declared()) if role.name == user)
        await authorize_mongo(house.mongo.root_uri, roles=[role], passwords={user: password})


def _processes(folder: Path, user: str) -> list[Path]:
    """The pid file of whoever comes as this user: its own process, or the one in which a service has all its roles."""
    service = user.partition("-")[0]
    names = [user, service] if service in SERVICES else []
    return [path for name in names if (path := folder / "run" / f"{name}.pid").exists()]


async def _end(pid_files: list[Path]) -> None:
    """Whoever keeps the house up starts them again (`deploy.local.supervisor`)."""
    await asyncio.gather(*(end(path, grace=_GRACE) for path in pid_files))
