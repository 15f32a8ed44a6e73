"""How a process of the image is held."""

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from deploy.image import container
from deploy.image.container import NOBODY, command, inner, prepare, seccomp, settings

PROFILE: dict[str, Any] = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "defaultErrnoRet": 38,
    "archMap": [
        {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]},
        {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": None},
    ],
    "syscalls": [
        {"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [], "includes": {}, "excludes": {}},
        {"names": ["arch_prctl"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["amd64"]}},
        {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
        {"names": ["mount"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
    ],
}


@pytest.fixture(autouse=True)
def given(monkeypatch, tmp_path_factory):
    """Who gets which file: giving one away needs root. And a profile: a machine without buildah has none."""
    profile = tmp_path_factory.mktemp("profile") / "seccomp.json"
    profile.write_text(json.dumps(PROFILE))
    monkeypatch.setattr(container, "_SECCOMP", profile)
    owners: dict[Path, int] = {}
    monkeypatch.setattr(os, "chown", lambda path, _, group: owners.update({Path(path): group}))
    return owners


def house(folder: Path) -> dict[str, str]:
    """What a local house tells one process."""
    for name in ("keys", "vault", "tls"):
        (folder / name).mkdir(parents=True)
    (folder / "keys/master.key").write_text("secret")
    (folder / "keys/master.key").chmod(0o600)
    for name in ("kafka", "mongo"):
        (folder / f"tls/{name}.pem").write_text(f"authority of {name}")
    return {
        "PATH": "/somewhere",
        "HOME": "/root",
        "PLACET_MODE": "local",
        "PLACET_KEYS_FOLDER": str(folder / "keys"),
        "PLACET_KAFKA_CAFILE": str(folder / "tls/kafka.pem"),
        "PLACET_MONGODB_API_URI": f"mongodb://a:b@127.0.0.1:1/?tls=true&tlsCAFile={quote(str(folder / 'tls/mongo.pem'), safe='')}",
        "PLACET_TRACES_FILE": str(folder / "traces/x.jsonl"),
        "VAULT_URL": (folder / "vault").as_uri(),
    }


def made_by_image() -> dict[str, Any]:
    """What umoci writes, as far as it matters."""
    return {
        "process": {
            "user": {"uid": NOBODY, "gid": NOBODY},
            "args": ["python", "-m"],
            "env": ["PATH=/opt/placet/bin"],
            "cwd": "/tmp",
            "terminal": True,
            "capabilities": {"bounding": ["CAP_KILL"]},
        },
        "root": {"path": "rootfs"},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
        "linux": {"namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount", "user")]},
    }


def test_a_process_is_told_where_its_files_are_in_the_container(tmp_path):
    told, mounts = inner(house(tmp_path), tmp_path / "secrets")
    assert told["PLACET_KEYS_FOLDER"] == "/etc/placet/keys"
    assert told["PLACET_KAFKA_CAFILE"] == "/etc/placet/kafka/ca.crt"
    assert told["PLACET_MONGODB_API_URI"].endswith("tlsCAFile=/etc/placet/mongodb/ca.crt")
    assert told["VAULT_URL"] == "file:///var/placet/vault"
    assert {mount["destination"]: mount["options"][1] for mount in mounts} == {
        "/etc/placet": "ro",
        "/var/placet/vault": "rw",
    }
    assert (tmp_path / "secrets/kafka/ca.crt").read_text() == "authority of kafka"
    assert (tmp_path / "secrets/mongodb/ca.crt").read_text() == "authority of mongo"


def test_nothing_of_the_machine_is_told(tmp_path):
    told, _ = inner({**house(tmp_path), "AWS_SECRET_ACCESS_KEY": "x"}, tmp_path / "secrets")
    assert not {"PATH", "HOME", "AWS_SECRET_ACCESS_KEY", "PLACET_TRACES_FILE"} & set(told)
    assert not [value for value in told.values() if str(tmp_path) in value]


def test_keys_are_read_by_the_pods_group_and_by_nobody_else(tmp_path, given):
    inner(house(tmp_path), tmp_path / "secrets")
    key = tmp_path / "secrets/keys/master.key"
    assert key.stat().st_mode & 0o777 == 0o440
    assert given[key] == NOBODY


def test_who_has_no_key_and_no_vault_gets_none(tmp_path):
    told, mounts = inner({"PLACET_MODE": "local"}, tmp_path)
    assert told == {"PLACET_MODE": "local"}
    assert [mount["destination"] for mount in mounts] == ["/etc/placet"]


def test_a_process_has_no_right_but_its_own(tmp_path):
    made = settings(made_by_image(), tmp_path, ["services.consent", "api"], {"PLACET_MODE": "local"})
    process = made["process"]
    assert process["args"] == ["python", "-m", "services.consent", "api"]
    assert process["env"] == ["PATH=/opt/placet/bin", "PLACET_MODE=local"]
    assert process["user"] == {"uid": NOBODY, "gid": NOBODY}
    assert process["noNewPrivileges"] is True
    assert process["terminal"] is False
    assert not any(process["capabilities"].values())
    assert made["linux"]["seccomp"]["defaultAction"] == "SCMP_ACT_ERRNO"
    assert made["root"] == {"path": str(tmp_path), "readonly": True}


def test_a_process_has_the_machines_network_and_spaces_of_its_own_for_all_else(tmp_path):
    made = settings(made_by_image(), tmp_path, [], {})
    assert [space["type"] for space in made["linux"]["namespaces"]] == ["pid", "ipc", "uts", "mount"]


def test_who_has_no_capability_may_call_what_the_profile_allows_such_a_one():
    made = seccomp(PROFILE, ("amd64", "SCMP_ARCH_X86_64"))
    assert made["architectures"] == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]
    assert [(rule["names"], rule["action"], rule.get("errnoRet")) for rule in made["syscalls"]] == [
        (["read"], "SCMP_ACT_ALLOW", None),
        (["arch_prctl"], "SCMP_ACT_ALLOW", None),
        (["mount"], "SCMP_ACT_ERRNO", 1),
    ]
    assert made["defaultErrnoRet"] == 38


def test_calls_of_another_machine_are_not_allowed():
    made = seccomp(PROFILE, ("arm64", "SCMP_ARCH_AARCH64"))
    assert made["architectures"] == ["SCMP_ARCH_AARCH64"]
    assert ["arch_prctl"] not in [rule["names"] for rule in made["syscalls"]]


def test_only_tmp_can_be_written_and_it_is_small(tmp_path):
    made = settings(made_by_image(), tmp_path, [], {})
    (own,) = [mount for mount in made["mounts"] if mount["type"] == "tmpfs"]
    assert own["destination"] == "/tmp"
    assert {"nosuid", "nodev", "size=256m"} <= set(own["options"])
    assert all("ro" in mount["options"] for mount in made["mounts"] if mount["type"] == "bind")


def test_the_settings_of_a_pod_lie_beside_the_image_for_root_alone(tmp_path):
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "config.json").write_text(json.dumps(made_by_image()))
    place = prepare(bundle, "consent-api", ["services.consent", "api"], house(tmp_path / "house"))
    assert (place / "config.json").stat().st_mode & 0o777 == 0o600
    made = json.loads((place / "config.json").read_text())
    assert made["root"]["path"] == str(bundle / "rootfs")
    assert prepare(bundle, "consent-api", [], {"PLACET_MODE": "local"}) == place
    assert not (place / "etc/keys").exists()


def test_the_runtime_takes_the_place_of_the_command(tmp_path, monkeypatch):
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "config.json").write_text(json.dumps(made_by_image()))
    became: list[list[str]] = []
    monkeypatch.setattr(os, "execvp", lambda _, words: became.append(words))
    container.main([str(bundle), "consent-relay", "services.consent", "relay"], {"PLACET_MODE": "local"})
    assert became == [command(bundle, "consent-relay", tmp_path / "pods/consent-relay")]
    assert became[0][0] == "runc"
