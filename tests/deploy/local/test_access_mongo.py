"""Every MongoDB user, on every collection of every service and of MongoDB itself, in every way: what the running mongod says.

The places come from the rooms' `store.py`; what is allowed is said here once more in the words of the rule (the web and
the worker in their own database, facts never changed, the relay at the outbox alone), and not read from the table that
is tried. A probe changes nothing that is there; whatever is not "not authorized" counts as allowed.
"""

import asyncio
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure

from contracts.topics import SERVICES
from deploy.local.mongo import Mongo
from deploy.local.principals import keep_credentials, mongo_roles
from deploy.mongodb.applying import authorize_mongo, declared, make_collections
from services.chassis.store.shelf import MECHANISM

pytestmark = pytest.mark.connected

_NOT_AUTHORIZED = 13
COLLECTIONS = declared()
USERS = [
    *(f"{service}-{role}" for service in SERVICES for role in ("api", "worker", "relay")),
    "operator",
    "bootstrap",
    "backup-data",
    "backup-keys",
]
FACTS = {(service, one.name) for service, own in COLLECTIONS.items() for one in own if one.append_only}
SHELVES = {(service, one.name) for service, own in COLLECTIONS.items() for one in own} - FACTS
HOUSE = {*FACTS, *SHELVES, *product(SERVICES, [one.name for one in MECHANISM]), ("keys", "vault")}
# A collection that nobody declared, somebody else's database, and where MongoDB keeps users, sessions and every write.
BEYOND = {
    *((database, "undeclared") for database in (*SERVICES, "keys", "elsewhere")),
    ("admin", "system.users"),
    ("admin", "system.roles"),
    ("config", "transactions"),
    ("local", "oplog.rs"),
}
PLACES = sorted(HOUSE | BEYOND)

PROBES: dict[str, Any] = {
    "find": lambda name: {"find": name, "filter": {"_id": "nobody"}},
    "watch": lambda name: {"aggregate": name, "pipeline": [{"$changeStream": {}}], "cursor": {}},
    "insert": lambda name: {"insert": name, "documents": [{"_id": "somebody"}]},
    "update": lambda name: {"update": name, "updates": [{"q": {"_id": "nobody"}, "u": {"$set": {"seen": True}}}]},
    "remove": lambda name: {"delete": name, "deletes": [{"q": {"_id": "nobody"}, "limit": 1}]},
    # The ways to change documents that are not called a change.
    "merge": lambda name: {
        "aggregate": name,
        "pipeline": [{"$match": {"_id": "nobody"}}, {"$merge": {"into": name}}],
        "cursor": {},
    },
    "index": lambda name: {"createIndexes": name, "indexes": [{"key": {"probe": 1}, "name": "probe"}]},
    "expire": lambda name: {"collMod": name},
    "drop": lambda name: {"drop": name},
}
WHOLE: dict[str, dict[str, Any]] = {
    "make a user": {"createUser": "intruder", "pwd": "intruder", "roles": ["root"]},
    "make a role": {"createRole": "intruder", "privileges": [], "roles": ["root"]},
    "take a role": {"grantRolesToUser": "intruder", "roles": ["root"]},
    "see users": {"usersInfo": {"forAllDBs": True}, "showCredentials": True},
    "drop a database": {"dropDatabase": 1},
    "see sessions": {"currentOp": 1, "$all": True},
    "change the set": {"replSetStepDown": 60},
    "change the server": {"setParameter": 1, "logLevel": 0},
}
# Whose database a command is about; all others speak of the whole server.
ANYWHERE = {"drop a database", "make a user", "make a role"}

Answers = dict[tuple[str, str, str, str], bool]


def may(user: str, database: str, name: str, act: str) -> bool:
    """The rule of the house, in the order in which a person would say it."""
    service, _, role = user.partition("-")
    if user == "bootstrap":
        return act in {"index", "expire"} and database in {*SERVICES, "keys"}
    if service == "backup":
        return act == "find" and database in (SERVICES if role == "data" else {"keys"})
    if (database, name) not in HOUSE:
        return False
    if (database, name) == ("keys", "vault"):
        return act in _in_the_vault(service, role)
    if user == "operator":
        return act in {"outbox": {"find", "update"}, "aside": {"find", "update"}, "inbox": {"find"}}.get(name, set())
    return service == database and act in _at_home(role, database, name)


def _in_the_vault(service: str, role: str) -> set[str]:
    if service == "operator":
        return {"find", "update"}
    if role == "relay":
        return set()
    return {"find", "insert", "update", "remove", "merge"} if service == "identity" else {"find"}


def _at_home(role: str, database: str, name: str) -> set[str]:
    if role == "relay":
        return {"find", "update", "watch"} if name == "outbox" else set()
    if name == "aside":
        return {"find", "insert", "update", "merge"} if role == "worker" else set()
    if (database, name) in FACTS or name in {"outbox", "inbox"}:
        return {"find", "insert"}
    return {"find", "insert", "update", "remove", "merge"}


@dataclass(frozen=True)
class Stood:
    mongo: Mongo
    passwords: Any

    def client(self, user: str) -> AsyncMongoClient[dict[str, Any]]:
        return AsyncMongoClient(self.mongo.uri(user, self.passwords[user]), maxPoolSize=4)


@pytest.fixture(scope="module")
async def stood(tmp_path_factory):
    folder = tmp_path_factory.mktemp("access")
    mongo = Mongo(folder / "mongo")
    await mongo.start()
    roles = mongo_roles(COLLECTIONS)
    passwords = keep_credentials(folder / "credentials.json", [role.name for role in roles]).mongodb
    await authorize_mongo(mongo.root_uri, roles=roles, passwords=passwords)
    await make_collections(mongo.uri("bootstrap", passwords["bootstrap"]), COLLECTIONS)
    yield Stood(mongo, passwords)
    await mongo.stop()


@pytest.fixture(scope="module")
async def answers(stood) -> Answers:
    """All that every user tried, and whether mongod let it."""
    found: Answers = {}
    for part in await asyncio.gather(*(try_all(stood, user) for user in USERS)):
        found |= part
    return found


async def try_all(stood: Stood, user: str) -> Answers:
    found: Answers = {}
    async with stood.client(user) as client:
        for (database, name), act in product(PLACES, PROBES):
            found[user, database, name, act] = await allowed(client[database], PROBES[act](name))
    return found


async def allowed(database: Any, command: dict[str, Any]) -> bool:
    try:
        await database.command(command)
    except OperationFailure as why:
        return why.code != _NOT_AUTHORIZED
    return True


def spelled(cells) -> list[str]:
    return sorted(f"{user}: {act} {database}.{name}" for user, database, name, act in cells)


def who(answers: Answers, database: str, name: str, *acts: str) -> set[str]:
    return {cell[0] for cell, let in answers.items() if let and cell[1:3] == (database, name) and cell[3] in acts}


def test_every_user_of_the_table_is_tried():
    assert sorted(USERS) == sorted(role.name for role in mongo_roles(COLLECTIONS))


async def test_each_user_may_do_what_the_rule_says_and_nothing_else(answers):
    assert len(answers) == len(USERS) * len(PLACES) * len(PROBES)
    more = [cell for cell, let in answers.items() if let and not may(*cell)]
    less = [cell for cell, let in answers.items() if not let and may(*cell)]
    assert spelled(more) == []
    assert spelled(less) == []


@pytest.mark.parametrize("place", sorted(FACTS), ids=".".join)
async def test_what_is_only_ever_added_to_is_changed_by_nobody(answers, place):
    assert who(answers, *place, "update", "remove", "merge", "drop") == set()
    assert who(answers, *place, "insert") == {f"{place[0]}-api", f"{place[0]}-worker"}


@pytest.mark.parametrize("service", SERVICES)
async def test_what_was_said_is_marked_as_sent_and_never_taken_back(answers, service):
    assert who(answers, service, "outbox", "update") == {f"{service}-relay", "operator"}
    assert who(answers, service, "outbox", "remove", "merge", "drop") == set()
    assert who(answers, service, "inbox", "update", "remove", "merge", "drop") == set()


@pytest.mark.parametrize("service", SERVICES)
async def test_documents_are_read_by_their_own_service_alone(answers, service):
    for one in COLLECTIONS[service]:
        readers = {f"{service}-api", f"{service}-worker", "backup-data"}
        assert who(answers, service, one.name, "find", "watch") == readers


async def test_what_mongodb_keeps_of_all_is_open_to_nobody(answers):
    for place in BEYOND:
        # Who backs up reads a whole database: a collection that comes later is not forgotten.
        readers = {user for user in USERS if may(user, *place, "find")}
        assert readers <= {"backup-data", "backup-keys"}
        assert who(answers, *place, "find") == readers
        assert who(answers, *place, "watch", "insert", "update", "remove", "merge", "drop") == set()


async def test_no_user_makes_users_or_looks_at_others_or_steers_the_server(stood):
    tried = {}
    for user in USERS:
        async with stood.client(user) as client:
            for what, command in WHOLE.items():
                for database in ("admin", *SERVICES, "keys") if what in ANYWHERE else ("admin",):
                    tried[f"{user}: {what} ({database})"] = await allowed(client[database], command)
    assert [name for name, let in tried.items() if let] == []


async def test_the_probes_tell_one_who_may_from_one_who_may_not(stood):
    root: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(stood.mongo.root_uri)
    async with root:
        tried = {act: await allowed(root.elsewhere, probe("control")) for act, probe in PROBES.items()}
    assert [act for act, let in tried.items() if not let] == []
