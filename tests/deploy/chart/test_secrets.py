"""Secrets of an installation are drawn once, kept private, and told nowhere."""

import base64
import hashlib
import stat

import pytest
import yaml

from deploy.helm.facts import house
from deploy.helm.secrets import main
from tests.deploy.chart.test_environment import ADMIN


def read(folder):
    return {
        one["metadata"]["name"]: {key: base64.b64decode(text).decode() for key, text in one["data"].items()}
        for one in yaml.safe_load_all((folder / "secrets.yaml").read_text())
    }


def test_a_second_run_draws_nothing_anew(tmp_path):
    folder = tmp_path / "harbor"
    assert main([str(folder)], ADMIN) == 0
    first = read(folder)
    assert main([str(folder)], ADMIN) == 0
    assert read(folder) == first


def test_files_are_for_their_owner_alone_and_the_answer_tells_no_secret(tmp_path, capsys):
    folder = tmp_path / "harbor"
    main([str(folder), "--with-kafka"], ADMIN)
    for path in (folder / "secrets.yaml", folder / "credentials.json", folder / "keys" / "operator.token"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    said = capsys.readouterr().out
    assert not [text for keys in read(folder).values() for text in keys.values() if text in said]


def test_each_user_has_the_same_hosts_and_a_login_of_its_own(tmp_path):
    main([str(tmp_path)], ADMIN)
    made = read(tmp_path)
    uris = [made[f"placet-{user}-mongodb"]["uri"] for user in house()["databaseUsers"]]
    assert len(set(uris)) == len(uris) == 19
    assert all("@a.example:27017,b.example:27017/?" in uri and "tls=true" in uri for uri in uris)
    assert not [uri for uri in uris if "Yw8-kX2qL0vN7tRz" in uri]


def test_kafka_passwords_are_drawn_only_where_strimzi_makes_no_users(tmp_path):
    main([str(tmp_path)], ADMIN)
    assert not [name for name in read(tmp_path) if name.endswith("-kafka")]
    main([str(tmp_path), "--with-kafka", "--prefix", "harbor"], ADMIN)
    assert "harbor-consent-relay-kafka" in read(tmp_path)
    assert "harbor-consent-api-kafka" not in read(tmp_path)


def test_helm_is_told_public_keys_and_the_digest_of_the_token(tmp_path):
    main([str(tmp_path)], ADMIN)
    told = yaml.safe_load((tmp_path / "values.yaml").read_text())
    token = (tmp_path / "keys" / "operator.token").read_text()
    assert told["firstOperator"]["tokenSha256"] == hashlib.sha256(token.encode()).hexdigest()
    assert '"d"' not in str(told)


def test_what_is_missing_is_named_without_what_is_there(tmp_path, capsys):
    assert main([str(tmp_path)], {"MONGODB_URI": ADMIN["MONGODB_URI"]}) == 1
    said = capsys.readouterr().err
    assert "VAULT_URL" in said
    assert "SMTP_URL" in said
    assert "Yw8" not in said


def test_a_house_without_backups_of_its_own_has_no_secrets_for_them(tmp_path):
    assert main([str(tmp_path)], {name: text for name, text in ADMIN.items() if not name.startswith("BACKUP_")}) == 0
    assert not [name for name in read(tmp_path) if name.startswith("placet-backup") and "mongodb" not in name]


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"BACKUP_KEYS_URL": ""}, "BACKUP_KEYS_URL: a backup has three parts"),
        ({"BACKUP_KEYS_URL": ADMIN["BACKUP_DATA_URL"]}, "the erased can be read"),
        ({"BACKUP_KEYS_URL": ADMIN["BACKUP_DATA_URL"] + "/keys"}, "the erased can be read"),
        ({"BACKUP_DATA_URL": "s3://harbor-keys"}, "the erased can be read"),
    ],
)
def test_keys_are_backed_up_elsewhere_than_data(tmp_path, capsys, told, reason):
    assert main([str(tmp_path)], {**ADMIN, **told}) == 1
    assert reason in capsys.readouterr().err
