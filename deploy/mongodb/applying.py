"""Makes roles, users, collections and indexes in a running MongoDB, again and again without harm.

Idempotent in both directions: what is missing is made, and a right that is no longer in the table is taken away. It
knows no more than the driver and what the services' stores declare, so that the services' own image can run it.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Protocol

from pymongo import AsyncMongoClient

from contracts.topics import SERVICES
from services.chassis.keys.person import prepare_vault
from services.chassis.store.mongo import connect, prepare
from services.chassis.store.shelf import Collection


class HasRights(Protocol):
    """One role, held by the user of the same name."""

    @property
    def name(self) -> str:
        """Of the role and of its user."""

    def privileges(self) -> list[dict[str, object]]:
        """The rights as `createRole` and `updateRole` take them."""


def declared(services: Sequence[str] = SERVICES) -> dict[str, tuple[Collection, ...]]:
    """Read what each service's store declares. Fails where a service has no `store.COLLECTIONS`."""
    return {service: tuple(import_module(f"services.{service}.store").COLLECTIONS) for service in services}


async def authorize_mongo(admin_uri: str, *, roles: Sequence[HasRights], passwords: Mapping[str, str]) -> None:
    """Make or update each role and the user of the same name, as an administrator. Both live in `admin`."""
    async with AsyncMongoClient[dict[str, Any]](admin_uri, serverSelectionTimeoutMS=10_000) as client:
        admin = client.admin
        known_roles = {role["role"] for role in (await admin.command("rolesInfo", 1))["roles"]}
        known_users = {user["user"] for user in (await admin.command("usersInfo", 1))["users"]}
        for role in roles:
            verb = "updateRole" if role.name in known_roles else "createRole"
            await admin.command(verb, role.name, privileges=role.privileges(), roles=[])
        for role in roles:
            verb = "updateUser" if role.name in known_users else "createUser"
            held = [{"role": role.name, "db": "admin"}]
            await admin.command(verb, role.name, pwd=passwords[role.name], roles=held, mechanisms=["SCRAM-SHA-256"])


async def make_collections(uri: str, wanted: Mapping[str, Sequence[Collection]]) -> None:
    """Make collections and indexes by database as the `bootstrap` user: they must exist before the first transaction.

    Also the key vault with its unique index, by which racing creators of a person's key end with one.
    """
    client = connect(uri)
    try:
        for service, collections in wanted.items():
            await prepare(client[service], collections)
        await prepare_vault(client)
    finally:
        client.close()
