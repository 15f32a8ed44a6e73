"""What is made from the code is fresh, and a change is seen."""

import json
import subprocess

import pytest

from deploy.helm import generate
from deploy.helm.facts import house
from deploy.helm.generate import CHART, DEPLOY, documents, is_fresh, made
from deploy.helm.values import table
from deploy.local.principals import mongo_roles
from deploy.mongodb.applying import declared

FILES = {str(path.relative_to(DEPLOY)): path for path in made()}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_fresh(name):
    assert is_fresh(FILES[name], made()[FILES[name]]()), "run `python -m deploy.helm.generate`"


def test_manifests_are_compared_as_values(tmp_path):
    (tmp_path / "manifests").mkdir()
    path = tmp_path / "manifests" / "small.yaml"
    path.write_text("# another comment\n\n\na: {b: 1}\n")
    assert is_fresh(path, "a:\n  b: 1\n")
    assert not is_fresh(path, "a:\n  b: 2\n")
    assert not is_fresh(tmp_path / "missing.yaml", "")


def test_a_check_names_what_is_stale(monkeypatch, capsys):
    monkeypatch.setattr(generate, "made", lambda: {CHART / "files" / "house.yaml": lambda: "else"})
    assert generate.main(["--check"]) == 1
    assert "deploy/helm/placet/files/house.yaml" in capsys.readouterr().out


def test_what_helm_refuses_is_told(monkeypatch, capsys):
    def refuse() -> str:
        raise subprocess.CalledProcessError(1, "helm", stderr="image.digest is missing")

    monkeypatch.setattr(generate, "made", lambda: {CHART / "files" / "house.yaml": refuse})
    assert generate.main(["--check"]) == 1
    assert "image.digest is missing" in capsys.readouterr().err


def test_files_are_written(monkeypatch, tmp_path):
    monkeypatch.setattr(generate, "made", lambda: {tmp_path / "new" / "a.yaml": lambda: "a: 1\n"})
    assert generate.main([]) == 0
    assert (tmp_path / "new" / "a.yaml").read_text() == "a: 1\n"


def test_the_script_for_mongosh_has_every_role():
    script = (DEPLOY / "mongodb" / "roles.js").read_text()
    wanted = json.loads(script.partition("const wanted = ")[2].partition(";\nconst admin")[0])
    assert {role["name"] for role in wanted} == {role.name for role in mongo_roles(declared())}


def test_a_ledger_is_never_changed_by_its_own_service():
    (worker,) = [
        role
        for role in json.loads((DEPLOY / "mongodb" / "roles.json").read_text())
        if role["name"] == "delivery-worker"
    ]
    (ledger,) = [one for one in worker["privileges"] if one["resource"]["collection"] == "ledger"]
    assert ledger["actions"] == ["find", "insert"]


def test_the_script_for_kafka_lets_one_user_write_approvals():
    lines = (DEPLOY / "examples" / "kafka-authorize.sh").read_text().splitlines()
    writing = [line for line in lines if "--operation Write" in line and "--topic consent.requests" in line]
    assert len(writing) == 1
    assert "User:consent-relay" in writing[0]


def test_the_schema_knows_the_processes_and_no_others():
    schema = json.loads((CHART / "values.schema.json").read_text())
    (pattern,) = schema["properties"]["processes"]["patternProperties"]
    services, roles = pattern.removeprefix("^(").removesuffix(")$").split(")-(")
    assert {f"{service}-{role}" for service in services.split("|") for role in roles.split("|")} == house()[
        "processes"
    ].keys()


def test_every_value_has_a_sentence_or_stands_under_one():
    values = (CHART / "values.yaml").read_text()
    (rows,) = [table(values).splitlines()[2:]]
    told = {row.split("`")[1] for row in rows}
    defaults = documents(values)[0]
    for name, value in defaults.items():
        nested = {f"{name}.{key}" for key in value} if isinstance(value, dict) else set()
        assert name in told or nested <= told | {one.rpartition(".")[0] for one in told}, name


def test_a_table_row_is_key_default_and_sentence():
    assert table("# Whether.\nenabled: false\n# Where.\nplace:\n  # Who.\n  name: ''\n").splitlines()[2:] == [
        "| `enabled` | `false` | Whether. |",
        "| `place` | see values.yaml | Where. |",
        "| `place.name` | – | Who. |",
    ]
