from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest

from services.chassis.settings import Mode, Role, Settings, SettingsRefused

STRONG = "Tq3vN8zLk2RwXy7Pb5Hd"


class Notify(Settings):
    """A service that needs everything."""

    key_files: ClassVar = {"identity.public.jwks.json": frozenset({Role.API})}
    vault_roles: ClassVar = frozenset({Role.API})
    smtp_roles: ClassVar = frozenset({Role.WORKER})


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Sets a complete production environment, with what the test changes in it; None removes a name."""
    (tmp_path / "identity.public.jwks.json").write_text('{"keys": []}')
    (tmp_path / "ca.pem").write_text("a certificate")
    whole = {
        "PLACET_MODE": "production",
        "PLACET_PUBLIC_URL": "https://transcripts.example.org",
        "KAFKA_BOOTSTRAP_SERVERS": "kafka:9093",
        "PLACET_KAFKA_CAFILE": str(tmp_path / "ca.pem"),
        "PLACET_KEYS_FOLDER": str(tmp_path),
        "VAULT_URL": "s3://vault/placet",
        "SMTP_URL": f"smtps://mailer:{STRONG}@mail.example.org",
    }
    for role in ("API", "WORKER", "RELAY"):
        whole[f"PLACET_MONGODB_{role}_URI"] = f"mongodb://{role}:{STRONG}@a:27017,b:27017/?replicaSet=rs0&tls=true"
    for role in ("WORKER", "RELAY"):
        whole[f"PLACET_KAFKA_{role}_USER"] = f"notify-{role.lower()}"
        whole[f"PLACET_KAFKA_{role}_PASSWORD"] = STRONG

    def put(**changes: str | None) -> None:
        for name, value in {**whole, **changes}.items():
            monkeypatch.delenv(name, raising=False)
            if value is not None:
                monkeypatch.setenv(name, value)

    unset = (
        "PLACET_PORT",
        "PLACET_LOG_LEVEL",
        "PLACET_TRACES_FILE",
        "PLACET_CLOCK_FILE",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_TRACES_SAMPLER_ARG",
    )
    for name in unset:
        monkeypatch.delenv(name, raising=False)
    return put


def faults(role: Role) -> tuple[str, ...]:
    with pytest.raises(SettingsRefused) as refused:
        Notify.read(role)
    return refused.value.faults


def test_a_whole_environment_is_fit_for_every_role(environment: Callable[..., None]) -> None:
    environment()
    settings = Notify.read(Role.ALL)
    assert settings.mode is Mode.PRODUCTION
    assert settings.host == "0.0.0.0"
    assert settings.kafka_login(Role.RELAY) == ("notify-relay", STRONG)
    assert settings.mongodb_uri(Role.API).startswith("mongodb://API:")


def test_without_a_word_the_mode_is_production(environment: Callable[..., None]) -> None:
    environment(PLACET_MODE=None)
    assert Notify.read(Role.ALL).mode is Mode.PRODUCTION


@pytest.mark.parametrize(
    ("role", "change", "fault"),
    [
        (Role.API, {"PLACET_PUBLIC_URL": None}, "PLACET_PUBLIC_URL is missing"),
        (Role.API, {"PLACET_PUBLIC_URL": "http://transcripts.example.org"}, "begins with http://"),
        (Role.API, {"PLACET_PUBLIC_URL": "https://example.org/app"}, "must be an origin alone"),
        (Role.WORKER, {"KAFKA_BOOTSTRAP_SERVERS": None}, "KAFKA_BOOTSTRAP_SERVERS is missing"),
        (Role.WORKER, {"PLACET_KAFKA_SECURITY": "SASL_PLAINTEXT"}, "Kafka without TLS"),
        (Role.RELAY, {"PLACET_KAFKA_CAFILE": "/nowhere/ca.pem"}, "PLACET_KAFKA_CAFILE names no file"),
        (Role.RELAY, {"PLACET_KAFKA_RELAY_USER": None}, "PLACET_KAFKA_RELAY_USER is missing"),
        (Role.RELAY, {"PLACET_KAFKA_RELAY_PASSWORD": None}, "PLACET_KAFKA_RELAY_PASSWORD is missing a password"),
        (Role.WORKER, {"PLACET_KAFKA_WORKER_PASSWORD": "fifteen-letters"}, "shorter than 16"),
        (Role.WORKER, {"PLACET_KAFKA_WORKER_PASSWORD": "Change-Me-Change-Me-1"}, "everybody knows"),
        (Role.WORKER, {"PLACET_KAFKA_WORKER_PASSWORD": "placet-development-password"}, "everybody knows"),
        (Role.WORKER, {"PLACET_KAFKA_WORKER_PASSWORD": "abababababababababab"}, "everybody knows"),
        (Role.API, {"PLACET_MONGODB_API_URI": None}, "PLACET_MONGODB_API_URI is missing or not"),
        (Role.API, {"PLACET_MONGODB_API_URI": "mongodb://a/?tls=true"}, "PLACET_MONGODB_API_URI is missing a password"),
        (Role.API, {"PLACET_MONGODB_API_URI": "mongodb://u:short@a/?tls=true"}, "shorter than 16"),
        (Role.API, {"PLACET_MONGODB_API_URI": f"mongodb://u:{STRONG}@a/?replicaSet=rs0"}, "without TLS"),
        (Role.API, {"PLACET_MONGODB_API_URI": f"mongodb+srv://u:{STRONG}@a/?tls=false"}, "without TLS"),
        (Role.API, {"PLACET_MONGODB_API_URI": f"mongodb://u:{STRONG}@a/?tls=true&tlsInsecure=true"}, "does not check"),
        (
            Role.API,
            {"PLACET_MONGODB_API_URI": f"mongodb://u:{STRONG}@a/?tls=true&tlsCAFile=/nowhere/ca.pem"},
            "PLACET_MONGODB_API_URI names a file in tlsCAFile that is not there",
        ),
        (Role.API, {"PLACET_KEYS_FOLDER": "/nowhere"}, "PLACET_KEYS_FOLDER is missing or names no folder"),
        (Role.API, {"PLACET_KEYS_FOLDER": "/"}, "has no file identity.public.jwks.json"),
        (Role.API, {"VAULT_URL": None}, "VAULT_URL is missing"),
        (Role.API, {"VAULT_URL": "file:///var/vault"}, "VAULT_URL begins with file://"),
        (Role.WORKER, {"SMTP_URL": None}, "SMTP_URL is missing"),
        (Role.WORKER, {"SMTP_URL": "smtp://mail.example.org"}, "SMTP_URL begins with smtp://, without TLS"),
        (Role.WORKER, {"SMTP_URL": "smtps://mailer:short@mail.example.org"}, "SMTP_URL has a password shorter"),
        (Role.API, {"PLACET_PORT": "eighty"}, "PLACET_PORT can't be read"),
        (Role.API, {"PLACET_MODE": "lokal"}, "PLACET_MODE can't be read"),
        (Role.API, {"PLACET_KMS_PROVIDERS": "{"}, "PLACET_KMS_PROVIDERS can't be read"),
    ],
)
def test_it_refuses_to_start_in_production_on(
    environment: Callable[..., None], role: Role, change: dict[str, str | None], fault: str
) -> None:
    environment(**change)
    told = faults(role)
    assert len(told) == 1
    assert fault in told[0]
    assert "\n" not in told[0]


def test_every_fault_is_told_at_once_and_once(environment: Callable[..., None]) -> None:
    environment(PLACET_PUBLIC_URL=None, KAFKA_BOOTSTRAP_SERVERS=None, VAULT_URL="file:///v", SMTP_URL="smtp://m")
    assert len(faults(Role.ALL)) == 4


def test_no_fault_tells_a_secret(environment: Callable[..., None]) -> None:
    environment(
        PLACET_KAFKA_WORKER_PASSWORD="hunter2",
        PLACET_MONGODB_API_URI="http://u:hunter2@a",
        PLACET_MONGODB_WORKER_URI="mongodb://u:hunter2@a",
        PLACET_KMS_PROVIDERS='{"aws": "hunter2"}',
        SMTP_URL="smtp://u:hunter2@m",
    )
    with pytest.raises(SettingsRefused) as refused:
        Notify.read(Role.ALL)
    assert "hunter2" not in str(refused.value)
    environment(
        PLACET_KAFKA_WORKER_PASSWORD="hunter2-hunter2-hunter2", PLACET_KMS_PROVIDERS='{"aws": {"k": "hunter2"}}'
    )
    assert "hunter2" not in repr(Notify.read(Role.ALL))


def test_a_role_is_not_asked_for_what_it_does_not_use(environment: Callable[..., None]) -> None:
    for_the_api = ("PLACET_MONGODB_API_URI", "PLACET_PUBLIC_URL", "VAULT_URL", "PLACET_KEYS_FOLDER")
    for_the_relay = ("PLACET_MONGODB_RELAY_URI", "PLACET_KAFKA_RELAY_USER", "PLACET_KAFKA_RELAY_PASSWORD")
    for_both = ("PLACET_KAFKA_WORKER_USER", "PLACET_KAFKA_WORKER_PASSWORD", "PLACET_MONGODB_WORKER_URI", "SMTP_URL")
    environment(**dict.fromkeys((*for_the_relay, *for_both, "KAFKA_BOOTSTRAP_SERVERS")))
    Notify.read(Role.API)
    environment(**dict.fromkeys((*for_the_api, *for_both)))
    Notify.read(Role.RELAY)


def test_local_mode_takes_weak_settings_but_not_missing_ones(environment: Callable[..., None]) -> None:
    environment(
        PLACET_MODE="local",
        PLACET_PUBLIC_URL="http://127.0.0.1:8000",
        PLACET_KAFKA_WORKER_PASSWORD="placet",
        PLACET_MONGODB_API_URI="mongodb://u:p@127.0.0.1:27017/?replicaSet=rs0",
        VAULT_URL="file:///tmp/vault",
        SMTP_URL="smtp://127.0.0.1:2525",
    )
    assert Notify.read(Role.ALL).host == "127.0.0.1"
    environment(PLACET_MODE="local", PLACET_KAFKA_RELAY_PASSWORD=None)
    assert faults(Role.ALL) == ("PLACET_KAFKA_RELAY_PASSWORD is missing a password.",)


def test_a_certificate_stands_for_a_password(environment: Callable[..., None]) -> None:
    environment(PLACET_MONGODB_API_URI="mongodb://a/?authMechanism=MONGODB-X509&tls=true")
    Notify.read(Role.API)


def test_a_cloud_kms_is_configuration_only(environment: Callable[..., None]) -> None:
    environment(
        PLACET_KMS_PROVIDERS='{"aws": {"accessKeyId": "a", "secretAccessKey": "s"}}',
        PLACET_KMS_MASTER_KEY='{"region": "eu-central-1", "key": "arn"}',
    )
    settings = Notify.read(Role.API)
    assert settings.kms_providers is not None
    assert set(settings.kms_providers) == {"aws"}


def test_the_api_has_no_kafka_login(environment: Callable[..., None]) -> None:
    environment()
    with pytest.raises(KeyError):
        Notify.read(Role.API).kafka_login(Role.API)


def test_a_key_file_lies_in_the_keys_folder(environment: Callable[..., None], tmp_path: Path) -> None:
    environment()
    assert Notify.read(Role.API).key_file("master.key") == tmp_path / "master.key"
    environment(PLACET_KEYS_FOLDER=None)
    with pytest.raises(SettingsRefused, match="PLACET_KEYS_FOLDER is missing"):
        Notify.read(Role.RELAY).key_file("master.key")


def test_kafka_without_logins_is_for_local_mode_alone(environment: Callable[..., None]) -> None:
    bare = {"PLACET_KAFKA_SECURITY": "PLAINTEXT", "PLACET_KAFKA_RELAY_USER": None, "PLACET_KAFKA_RELAY_PASSWORD": None}
    environment(PLACET_MODE="local", **bare)
    Notify.read(Role.RELAY)
    environment(**bare)
    assert len(faults(Role.RELAY)) == 1


def test_a_clock_that_can_be_made_wrong_is_for_local_mode_only(environment: Callable[..., None]) -> None:
    environment(PLACET_CLOCK_FILE="/tmp/clock")
    assert [fault for fault in faults(Role.ALL) if fault.startswith("PLACET_CLOCK_FILE ")]
    environment(PLACET_CLOCK_FILE="/tmp/clock", PLACET_MODE="local")
    assert Notify.read(Role.ALL).clock_file == Path("/tmp/clock")


class Sealing(Settings):
    """A service that opens a person's values."""

    key_files: ClassVar = {"master.key": frozenset({Role.API})}


def test_with_a_key_service_nobody_asks_for_a_master_key(environment: Callable[..., None]) -> None:
    environment()
    with pytest.raises(SettingsRefused, match=r"no file master\.key"):
        Sealing.read(Role.API)
    environment(PLACET_KMS_PROVIDERS='{"aws": {"accessKeyId": "a", "secretAccessKey": "s"}}', PLACET_KEYS_FOLDER=None)
    assert Sealing.read(Role.API).keys_folder is None
