import hashlib
from pathlib import Path

import pytest

from deploy.local.environment import (
    Addresses,
    OtherKafka,
    OtherMongo,
    other_kafka,
    other_mongo,
    service_environment,
)
from deploy.local.kafka import Login
from deploy.local.keys import operator_token
from deploy.local.principals import Credentials
from deploy.local.process import NotStarted

BROKER = OtherKafka("k:9092", Path("/ca.pem"), Login("admin", "secret"))
DATABASE = OtherMongo("mongodb+srv://root:pw@cluster.example/?authSource=other&w=1&tlsCAFile=/ca.pem")
USERS = {
    f"{service}-{role}": f"{role}-password"
    for service in ("consent", "identity")
    for role in ("api", "worker", "relay")
}
CREDENTIALS = Credentials(kafka=USERS, mongodb=USERS)


def told(role, service="consent", folder=Path("/house")):
    return service_environment(
        service,
        role,
        port=1,
        folder=folder,
        addresses=Addresses("http://localhost:2", "smtp://127.0.0.1:3", "file:///house/vault"),
        broker=BROKER,
        database=DATABASE,
        credentials=CREDENTIALS,
    )


def test_an_api_is_told_nothing_of_kafka():
    env = told("api")
    assert not [name for name in env if "KAFKA" in name]
    assert [name for name in env if name.startswith("PLACET_MONGODB")] == ["PLACET_MONGODB_API_URI"]


def test_a_relay_gets_no_key():
    env = told("relay")
    assert "PLACET_KEYS_FOLDER" not in env
    assert env["PLACET_KAFKA_RELAY_PASSWORD"] == "relay-password"
    assert not [value for value in env.values() if "worker-password" in value]


def test_identity_is_told_the_digest_of_the_operators_token_and_nobody_the_token(tmp_path):
    digest = told("api", "identity", tmp_path)["PLACET_OPERATOR_TOKEN_SHA256"]
    token = operator_token(tmp_path / "keys")
    assert digest == hashlib.sha256(token.encode()).hexdigest()
    assert token not in told("all", "identity", tmp_path).values()
    assert "PLACET_OPERATOR_TOKEN_SHA256" not in told("all")


def test_all_is_the_three_each_under_its_own_credentials():
    env = told("all")
    for role in ("api", "worker", "relay"):
        assert f"consent-{role}:{role}-password@" in env[f"PLACET_MONGODB_{role.upper()}_URI"]


def test_a_credential_of_the_shell_reaches_no_child(monkeypatch):
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "elsewhere:1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    assert not {"KAFKA_BOOTSTRAP_SERVERS", "AWS_SECRET_ACCESS_KEY"} & set(told("api"))


def test_another_mongodb_is_addressed_as_another_user():
    assert DATABASE.uri("consent-api", "p@ss") == (
        "mongodb+srv://consent-api:p%40ss@cluster.example/?w=1&tlsCAFile=/ca.pem&authSource=admin"
    )


def test_another_kafka_without_its_administrator_is_one_sentence():
    with pytest.raises(NotStarted, match="PLACET_KAFKA_CAFILE, PLACET_KAFKA_ADMIN_USER, PLACET_KAFKA_ADMIN_PASSWORD"):
        other_kafka({"KAFKA_BOOTSTRAP_SERVERS": "k:1"})


def test_nothing_named_means_the_houses_own():
    assert other_kafka({}) is None
    assert other_mongo({}) is None
