from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure

from deploy.local.authorize import authorize_kafka
from deploy.local.kafka import Login, client_settings
from deploy.local.principals import kafka_acls, mongo_roles
from deploy.mongodb.applying import authorize_mongo
from tests.deploy.local.conftest import COLLECTIONS
from tests.deploy.local.wire import KafkaUser

pytestmark = pytest.mark.connected


def kafka_user(ground, name):
    return KafkaUser(ground.kafka, ground.credentials.kafka_login(name))


@pytest.fixture
async def mongo_user(ground):
    clients: list[AsyncMongoClient[dict[str, Any]]] = []

    def connect(name):
        clients.append(AsyncMongoClient(ground.mongo.uri(name, ground.credentials.mongodb[name])))
        return clients[-1]

    yield connect
    for client in clients:
        await client.close()


async def refused(call):
    with pytest.raises(OperationFailure) as told:
        await call
    return told.value.code == 13


async def test_a_relay_writes_and_a_reader_of_the_topic_reads(ground):
    assert await kafka_user(ground, "consent-relay").write("consent.requests", b"approved") is None
    assert await kafka_user(ground, "records-worker").read("consent.requests", "placet-records") == b"approved"


@pytest.mark.parametrize("name", ["records-relay", "identity-relay"])
async def test_another_services_relay_can_not_write(ground, name):
    assert await kafka_user(ground, name).write("consent.requests", b"forged") == "TopicAuthorizationFailedError"


@pytest.mark.parametrize("name", ["consent-worker", "operator"])
async def test_who_only_reads_can_not_write(ground, name):
    refusal = await kafka_user(ground, name).write("consent.requests", b"forged")
    assert refusal in {"ClusterAuthorizationFailedError", "TopicAuthorizationFailedError"}


async def test_another_group_is_refused(ground):
    told = await kafka_user(ground, "records-worker").read("consent.requests", "somebody-elses")
    assert told == "GroupAuthorizationFailedError"


async def test_a_topic_that_is_not_its_business_is_not_read(ground):
    told = await kafka_user(ground, "identity-worker").read("consent.requests", "placet-identity")
    assert told == "TopicAuthorizationFailedError"


async def test_nobody_but_the_super_user_makes_a_topic(ground):
    told = await kafka_user(ground, "consent-relay").make_topic("consent.secrets")
    assert told == "TOPIC_AUTHORIZATION_FAILED"


async def test_a_wrong_password_comes_in_nowhere(ground):
    stranger = KafkaUser(ground.kafka, Login("consent-relay", "guessed"))
    assert await stranger.write("consent.requests", b"x") == "KafkaConnectionError"


async def test_a_right_that_left_the_table_is_taken_away(ground):
    settings = client_settings(ground.kafka.bootstrap, ground.kafka.cafile, ground.kafka.admin)
    less = tuple(acl for acl in kafka_acls() if acl.principal != "notify-relay")
    relay = kafka_user(ground, "notify-relay")
    assert await relay.write("notify.messages", b"1") is None
    await authorize_kafka(settings, users=ground.credentials.kafka, acls=less)
    assert await relay.write("notify.messages", b"2") in {
        "TopicAuthorizationFailedError",
        "ClusterAuthorizationFailedError",
    }
    await authorize_kafka(settings, users=ground.credentials.kafka, acls=kafka_acls())
    assert await relay.write("notify.messages", b"3") is None


async def test_an_api_works_in_its_own_collections_and_no_other_database(mongo_user):
    api = mongo_user("consent-api")
    await api.consent.things.insert_one({"_id": "a"})
    await api.consent.things.update_one({"_id": "a"}, {"$set": {"seen": True}})
    assert await api.consent.things.find_one({"_id": "a"}) == {"_id": "a", "seen": True}
    assert await refused(api.records.things.find_one({}))
    assert await refused(api.consent.things.drop())
    assert await refused(api.consent.things.create_index("seen"))
    assert await refused(api.consent.unheard_of.insert_one({}))


async def test_a_ledger_is_written_and_never_changed(mongo_user):
    worker = mongo_user("delivery-worker")
    await worker.delivery.ledger.insert_one({"_id": "disclosed"})
    assert await refused(worker.delivery.ledger.update_one({"_id": "disclosed"}, {"$set": {"x": 1}}))
    assert await refused(worker.delivery.ledger.delete_one({"_id": "disclosed"}))
    assert await worker.delivery.ledger.find_one({}) == {"_id": "disclosed"}


async def test_a_relay_marks_the_outbox_and_sees_nothing_else(mongo_user):
    await mongo_user("consent-worker").consent.outbox.insert_one({"_id": "evt", "sent": False})
    relay = mongo_user("consent-relay")
    async with await relay.consent.outbox.watch():
        await relay.consent.outbox.update_one({"_id": "evt"}, {"$set": {"sent": True}})
    assert await relay.consent.outbox.find_one({"_id": "evt"}) == {"_id": "evt", "sent": True}
    assert await refused(relay.consent.outbox.insert_one({"_id": "forged"}))
    assert await refused(relay.consent.outbox.delete_one({"_id": "evt"}))
    assert await refused(relay.consent.things.find_one({}))
    assert await refused(relay["keys"].vault.find_one({}))


async def test_a_transaction_spans_state_outbox_and_inbox(mongo_user):
    worker = mongo_user("consent-worker")
    async with worker.start_session() as session, await session.start_transaction():
        await worker.consent.things.insert_one({"_id": "t"}, session=session)
        await worker.consent.outbox.insert_one({"_id": "t"}, session=session)
        await worker.consent.inbox.insert_one({"_id": "t"}, session=session)
    assert await worker.consent.inbox.find_one({"_id": "t"})


async def test_only_identity_makes_keys_and_all_use_them(mongo_user):
    identity, records = mongo_user("identity-worker"), mongo_user("records-worker")
    await identity["keys"].vault.insert_one({"_id": "k", "keyAltNames": ["per_1"]})
    assert await records["keys"].vault.find_one({"_id": "k"}) is not None
    assert await refused(records["keys"].vault.delete_one({"_id": "k"}))
    await identity["keys"].vault.delete_one({"_id": "k"})


async def test_who_comes_without_a_password_may_do_nothing(ground):
    async with ground.own_mongo.direct() as nobody:
        assert await refused(nobody.consent.things.find_one({}))
        assert await refused(nobody.admin.command("createUser", "me", pwd="me", roles=["root"]))


async def test_applying_the_tables_again_changes_nothing(ground, mongo_user):
    roles = mongo_roles(COLLECTIONS)
    await authorize_mongo(ground.mongo.root_uri, roles=roles, passwords=ground.credentials.mongodb)
    assert await mongo_user("consent-api").consent.things.find_one({"_id": "nobody"}) is None
