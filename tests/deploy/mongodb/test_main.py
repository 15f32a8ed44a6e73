"""The command of the chart's Jobs, on a real MongoDB; and that the services' image can run it."""

import json
import subprocess
import sys
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure

from deploy.local.principals import mongo_roles
from deploy.mongodb.__main__ import ROLES, Refused, main, passwords, written_roles
from deploy.mongodb.applying import declared

# What `placet up` and tests need and the image has not.
_LOCAL = (
    "confluent_kafka",
    "typer",
    "rich",
    "filelock",
    "maven_artifact",
    "multidict",
    "yarl",
    "yaml",
    "aiosmtpd",
    "pypdf",
)


def test_written_roles_are_the_table():
    assert {role.name: role.privileges() for role in written_roles()} == {
        role.name: role.privileges() for role in mongo_roles(declared())
    }


def test_passwords_come_out_of_each_users_own_address(tmp_path):
    (tmp_path / "consent-api").write_text("mongodb://consent-api:a%2Fb@one:27017,two:27017/?tls=true\n")
    assert passwords(tmp_path, ("consent-api",)) == {"consent-api": "a/b"}


def test_a_missing_or_foreign_address_is_named(tmp_path):
    (tmp_path / "consent-api").write_text("mongodb://consent-relay:secret@one/?tls=true")
    with pytest.raises(Refused, match="consent-api, consent-worker") as refused:
        passwords(tmp_path, ("consent-api", "consent-worker"))
    assert "secret" not in str(refused.value)


def test_a_wrong_word_and_a_missing_variable_are_told(capsys):
    assert main(["else"], {}) == 2
    assert main(["collections"], {}) == 1
    assert "PLACET_MONGODB_BOOTSTRAP_URI is missing" in capsys.readouterr().err


def test_it_needs_nothing_that_the_image_has_not():
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({_LOCAL!r})); import deploy.mongodb.__main__ as m; m.declared()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.connected
async def test_jobs_make_the_house_twice_without_harm(mongo, tmp_path, capsys):
    users = {role["name"]: f"a-password-of-{role['name']}" for role in json.loads(ROLES.read_text())}
    for user, password in users.items():
        (tmp_path / user).write_text(mongo.uri(user, password))
    told = {"PLACET_MONGODB_ADMIN_URI": mongo.root_uri, "PLACET_MONGODB_USERS_FOLDER": str(tmp_path)}
    told["PLACET_MONGODB_BOOTSTRAP_URI"] = mongo.uri("bootstrap", users["bootstrap"])
    for _ in range(2):
        for word in ("roles", "collections"):
            done = await _run(word, told)
            assert done == 0, capsys.readouterr().err
    async with AsyncMongoClient[dict[str, Any]](mongo.uri("delivery-worker", users["delivery-worker"])) as client:
        await client.delivery.ledger.insert_one({"_id": "row"})
        with pytest.raises(OperationFailure, match="not authorized"):
            await client.delivery.ledger.delete_one({"_id": "row"})


@pytest.mark.connected
async def test_a_database_that_refuses_is_told_without_the_address(mongo, capsys):
    assert await _run("collections", {"PLACET_MONGODB_BOOTSTRAP_URI": mongo.uri("bootstrap", "wrong-password")}) == 1
    said = capsys.readouterr().err
    assert "MongoDB did not do it" in said
    assert "wrong-password" not in said


async def _run(word, told):
    """As the Job runs it: in a thread of its own, for it has an event loop of its own."""
    import asyncio

    return await asyncio.to_thread(main, [word], told)
