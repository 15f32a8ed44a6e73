import json
import stat

import pytest

from contracts.topics import SERVICES, TOPICS
from deploy.local.principals import (
    KEY_VAULT,
    Acl,
    kafka_acls,
    kafka_users,
    keep_credentials,
    mongo_roles,
    principal,
)
from services.chassis.store.shelf import Collection

THINGS, LEDGER = Collection("things", watched=True), Collection("ledger", append_only=True)
ROLES = {role.name: role for role in mongo_roles(dict.fromkeys(SERVICES, (THINGS, LEDGER)))}


def test_nobody_who_faces_the_web_knows_kafka():
    assert not [user for user in kafka_users() if user.endswith("-api")]
    assert {acl.principal for acl in kafka_acls()} <= set(kafka_users())


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_only_the_owners_relay_writes_a_topic(topic):
    writers = {acl.principal for acl in kafka_acls() if acl.name == topic.name and acl.operation == "WRITE"}
    assert writers == {principal(topic.owner, "relay")}


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_only_declared_readers_read_a_topic(topic):
    readers = {acl.principal for acl in kafka_acls() if acl.name == topic.name and acl.operation == "READ"}
    assert readers == {principal(reader, "worker") for reader in topic.readers} | {"operator"}


def test_a_worker_reads_in_its_own_group_only():
    groups = {acl for acl in kafka_acls() if acl.resource == "group" and acl.operation == "READ"}
    assert groups == {Acl(f"{service}-worker", "group", f"placet-{service}", "READ") for service in SERVICES}


def test_a_relay_sees_the_outbox_and_nothing_else():
    for service in SERVICES:
        assert ROLES[f"{service}-relay"].rights == {(service, "outbox"): ("find", "update", "changeStream")}


@pytest.mark.parametrize("role", ["api", "worker"])
def test_facts_are_inserted_and_never_changed(role):
    rights = ROLES[f"delivery-{role}"].rights
    for collection in ("ledger", "outbox", "inbox"):
        assert rights["delivery", collection] == ("find", "insert")


def test_a_role_stays_in_its_own_database():
    for service in SERVICES:
        databases = {database for database, _ in ROLES[f"{service}-worker"].rights}
        assert databases == {service, "keys"}


def test_only_identity_makes_and_erases_the_keys_of_persons():
    for service in SERVICES:
        held = ROLES[f"{service}-worker"].rights[KEY_VAULT]
        assert ("remove" in held) == (service == "identity")


def test_a_watched_collection_may_be_watched():
    assert "changeStream" in ROLES["consent-api"].rights["consent", "things"]


def test_who_makes_indexes_reads_no_document():
    assert not {"find", "insert", "update", "remove"} & {
        action for actions in ROLES["bootstrap"].rights.values() for action in actions
    }


def test_who_backs_up_data_can_not_open_them():
    data, keys = ROLES["backup-data"].rights, ROLES["backup-keys"].rights
    assert {database for database, _ in data} == set(SERVICES)
    assert {database for database, _ in keys} == {KEY_VAULT[0]}
    assert {action for rights in (data, keys) for actions in rights.values() for action in actions} == {
        "find",
        "listCollections",
    }


def test_passwords_are_drawn_once_and_kept_private(tmp_path):
    path = tmp_path / "credentials.json"
    first = keep_credentials(path, ["consent-api"])
    assert (
        keep_credentials(path, ["consent-api", "consent-relay"]).mongodb["consent-api"] == first.mongodb["consent-api"]
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    everything = [*first.kafka.values(), *first.mongodb.values()]
    assert len(set(everything)) == len(everything)
    assert all(len(password) >= 32 for password in everything)


def test_passwords_show_in_no_repr(tmp_path):
    kept = keep_credentials(tmp_path / "c.json", ["consent-api"])
    shown = repr(kept) + repr(kept.kafka_login("consent-relay"))
    assert not [
        password for password in json.loads((tmp_path / "c.json").read_text())["kafka"].values() if password in shown
    ]
