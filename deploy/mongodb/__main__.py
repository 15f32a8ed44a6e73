"""`python -m deploy.mongodb roles | collections`: what the chart's Jobs run before an installation and an upgrade.

`roles` needs an administrator (`PLACET_MONGODB_ADMIN_URI`) and the folder of the users' addresses
(`PLACET_MONGODB_USERS_FOLDER`: one file for each user, named like it, from which its password is taken); `collections`
needs the bootstrap user (`PLACET_MONGODB_BOOTSTRAP_URI`). No sentence carries an address: it may hold a password.
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pymongo.errors import PyMongoError

from deploy.mongodb.applying import authorize_mongo, declared, make_collections
from services.chassis.store.work import NotNow

ROLES = Path(__file__).with_name("roles.json")
"""Made from the code by `python -m deploy.helm.generate`."""


class Refused(Exception):
    """It can't be done as it is set up. The text says what is missing, and where."""


@dataclass(frozen=True, slots=True)
class WrittenRole:
    """One role out of `roles.json`."""

    name: str
    rights: tuple[dict[str, object], ...]

    def privileges(self) -> list[dict[str, object]]:
        """The rights as `createRole` and `updateRole` take them."""
        return list(self.rights)


def written_roles() -> tuple[WrittenRole, ...]:
    """Every role of the house."""
    kept: list[dict[str, Any]] = json.loads(ROLES.read_text())
    return tuple(WrittenRole(role["name"], tuple(role["privileges"])) for role in kept)


def passwords(folder: Path, users: tuple[str, ...]) -> dict[str, str]:
    """Each user's password, out of its own address. Raises `Refused` naming every user whose file says none."""
    found = {user: _password(folder / user, user) for user in users}
    missing = [user for user, password in found.items() if not password]
    if missing:
        raise Refused(
            f"no password for {', '.join(missing)}: {folder} has to hold a file for each user, named like it, with its "
            "mongodb://user:password@… address"
        )
    return found


def _password(path: Path, user: str) -> str:
    """The password in an address; empty when there is no file, or when it is another user's address."""
    if not path.is_file():
        return ""
    authority = path.read_text().strip().partition("://")[2].partition("/")[0]
    named, _, password = authority.rpartition("@")[0].partition(":")
    return unquote(password) if unquote(named) == user else ""


def main(arguments: list[str], env: Mapping[str, str] = os.environ) -> int:
    """Run one of the two. 2 on a wrong word, 1 on what can't be done."""
    try:
        if arguments == ["roles"]:
            roles = written_roles()
            known = passwords(Path(_told(env, "PLACET_MONGODB_USERS_FOLDER")), tuple(role.name for role in roles))
            asyncio.run(authorize_mongo(_told(env, "PLACET_MONGODB_ADMIN_URI"), roles=roles, passwords=known))
            print(f"{len(roles)} roles and their users are as the code says")
        elif arguments == ["collections"]:
            wanted = declared()
            asyncio.run(make_collections(_told(env, "PLACET_MONGODB_BOOTSTRAP_URI"), wanted))
            print(f"collections and indexes of {', '.join(wanted)} and of the key vault are there")
        else:
            print("usage: python -m deploy.mongodb roles|collections", file=sys.stderr)
            return 2
    except Refused as why:
        print(why, file=sys.stderr)
        return 1
    except (PyMongoError, NotNow) as why:
        code = getattr(why, "code", None)
        print(f"MongoDB did not do it: {type(why).__name__}, code {code}; see its log, and try again", file=sys.stderr)
        return 1
    return 0


def _told(env: Mapping[str, str], name: str) -> str:
    if not env.get(name):
        raise Refused(f"{name} is missing")
    return env[name]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
