"""What the check of an image finds, each fault by itself. That a good one passes is seen by `make image-check`."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from deploy.image import checking
from deploy.image.checking import alone, contents, documents, size, sweep
from deploy.image.context import ROOT
from deploy.image.finish import Installed, bill, licences, locked

LOCK = (ROOT / "requirements.lock").read_text()


def write_documents(folder: Path, *, without: str = "", licence: str = "MIT") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    lock = locked(LOCK)
    packages = tuple(Installed(one.name, one.version, licence) for one in lock if one.name != without)
    base = ({"Package": "libc6", "Version": "2.36", "Architecture": "amd64"},)
    made = bill(packages, (), {one.name: "00" for one in lock}, base, "0.1.0")
    (folder / "sbom.cdx.json").write_text(json.dumps(made))
    (folder / "licences.txt").write_text(licences(packages))
    (folder / "LICENSE").write_text((ROOT / "LICENSE").read_text())
    return folder


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """An unpacked image in which nothing is wrong."""
    made = {"process": {"user": {"uid": 65532, "gid": 65532}}}
    (tmp_path / "config.json").write_text(json.dumps(made))
    (tmp_path / "rootfs/usr/bin").mkdir(parents=True)
    (tmp_path / "rootfs/usr/bin/python3.11").touch(mode=0o755)
    (tmp_path / "rootfs/srv/placet/services").mkdir(parents=True)
    write_documents(tmp_path / "rootfs/usr/share/doc/placet")
    return tmp_path


def test_nothing_is_wrong_with_a_good_image(bundle):
    assert [*contents(bundle)] == []


def break_user(bundle: Path) -> None:
    (bundle / "config.json").write_text(json.dumps({"process": {"user": {"uid": 0, "gid": 0}}}))


def break_shell(bundle: Path) -> None:
    (bundle / "rootfs/usr/bin/sh").symlink_to("dash")


def break_contents(bundle: Path) -> None:
    (bundle / "rootfs/srv/placet/deploy/local").mkdir(parents=True)


def break_setuid(bundle: Path) -> None:
    (bundle / "rootfs/usr/bin/mount").touch()
    (bundle / "rootfs/usr/bin/mount").chmod(0o4755)


def break_writable(bundle: Path) -> None:
    (bundle / "rootfs/srv/placet/services/app.py").touch()
    (bundle / "rootfs/srv/placet/services/app.py").chmod(0o666)


FAULTS = {
    "runs as root": (break_user, "runs as"),
    "has a shell": (break_shell, "/usr/bin/sh is in the image"),
    "has the local house": (break_contents, "deploy/local is in the image"),
    "has a setuid file": (break_setuid, "/usr/bin/mount gives"),
    "has a file to write": (break_writable, "app.py can be changed"),
}


@pytest.mark.parametrize("fault", list(FAULTS))
def test_each_fault_of_the_contents_is_told_alone(bundle, fault):
    do, sentence = FAULTS[fault]
    do(bundle)
    (told,) = contents(bundle)
    assert sentence in told


def test_a_bill_that_misses_a_package_is_told(tmp_path):
    (told,) = documents(write_documents(tmp_path, without="aiohttp"), LOCK)
    assert told.startswith("aiohttp ")


def test_a_licence_that_nobody_knows_is_told(tmp_path):
    (told,) = documents(write_documents(tmp_path, licence="unknown"), LOCK)
    assert "aiohttp" in told


def test_a_base_that_says_no_packages_and_a_missing_licence_are_told(tmp_path):
    write_documents(tmp_path)
    made = json.loads((tmp_path / "sbom.cdx.json").read_text())
    made["components"] = [one for one in made["components"] if one["name"] != "libc6"]
    (tmp_path / "sbom.cdx.json").write_text(json.dumps(made))
    (tmp_path / "LICENSE").write_text("")
    assert len([*documents(tmp_path, LOCK)]) == 2


def test_links_and_folders_weigh_nothing(tmp_path):
    (tmp_path / "rootfs/one").mkdir(parents=True)
    (tmp_path / "rootfs/one/file").write_bytes(b"12345")
    assert size(tmp_path) == 5


ANSWERS = {
    "bare": (1, "consent api does not start: …\n  - PLACET_PUBLIC_URL is missing or not a web address"),
    "word": (2, "usage: python -m services.consent api|worker|relay|all"),
    "certificates": (0, ""),
    "rights": (0, ""),
}


@pytest.mark.parametrize("wrong", [None, *ANSWERS])
def test_each_answer_of_a_process_alone_is_looked_at(monkeypatch, tmp_path, wrong):
    answers = {**ANSWERS, wrong: (7, "something else")}
    monkeypatch.setattr(checking, "run_once", lambda _, name, *__: answers[name])
    told = [*alone(tmp_path)]
    assert len(told) == (wrong is not None)
    assert all("something else" in sentence for sentence in told)


def test_what_a_killed_container_left_is_removed(monkeypatch, tmp_path):
    (tmp_path / "runc/placet-image-consent-api").mkdir(parents=True)
    (tmp_path / "runc/somebody-elses").mkdir()
    done: list[list[str]] = []
    monkeypatch.setattr(subprocess, "run", lambda words, **_: done.append([os.fspath(word) for word in words]))
    sweep(tmp_path / "bundle")
    assert [words[-1] for words in done] == ["placet-image-consent-api"]
