"""What the check of an image finds, each fault by itself. That a good one passes is seen by `make image-check`."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from deploy.image import checking
from deploy.image.checking import alone, contents, documents, size, sweep
from deploy.image.context import ROOT
from deploy.image.finish import Installed, bill, licences, locked
from deploy.local.house import House, Seat
from deploy.local.process import Child

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


class Seated:
    """A house of one process, as far as the check asks."""

    def __init__(self, child: Child | None = None, port: int = 0) -> None:
        self.seats = {"consent-api": Seat("consent", "api", port)}
        self._child = child

    def service_process(self, _: str) -> Child | None:
        return self._child


async def ended_by(code: str, folder: Path) -> str:
    """What is said of a process that runs `code` when it is told to end."""
    child = Child("consent-api", folder=folder, log=folder / "log")
    ready = "import pathlib; pathlib.Path('ready').touch(); signal.pause()"
    await child.start([sys.executable, "-c", f"import signal, sys, time\n{code}\n{ready}"], cwd=folder)
    while not (folder / "ready").exists():
        await asyncio.sleep(0.01)
    try:
        return await checking._drained(cast("House", Seated(child)), "consent-api")
    finally:
        await child.kill()


IN_ORDER = 'signal.signal(signal.SIGTERM, lambda *_: (print(\'{"event": "stopped"}\', flush=True), sys.exit(0)))'


async def test_a_process_that_leaves_in_order_is_well(tmp_path):
    assert await ended_by(IN_ORDER, tmp_path) == ""


async def test_a_process_that_leaves_without_finishing_is_told(tmp_path):
    assert "ended with -15" in await ended_by("", tmp_path)


async def test_a_process_that_leaves_with_an_error_is_told(tmp_path):
    assert "ended with 3" in await ended_by(IN_ORDER.replace("exit(0)", "exit(3)"), tmp_path)


async def test_a_process_that_does_not_leave_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(checking, "DRAIN_SECONDS", -4.8)  # and five more
    assert "still lives" in await ended_by("signal.signal(signal.SIGTERM, signal.SIG_IGN)", tmp_path)


@pytest.mark.connected
@pytest.mark.parametrize("wrong", [None, "/health/started", "/health/live", "/health/ready", "/metrics"])
async def test_every_question_of_a_cluster_is_asked(wrong):
    async def answer(request: web.Request) -> web.Response:
        if request.path == wrong:
            return web.Response(status=503, text="because")
        return web.Response(text="placet_ready 1" if request.path == "/metrics" else "{}")

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with TestServer(app) as server:
        assert server.port is not None
        told = [sentence async for sentence in checking._answers(cast("House", Seated(port=server.port)))]
    assert told == ([f"consent-api answers {wrong} with 503: because"] if wrong else [])


@pytest.mark.connected
async def test_metrics_of_something_else_are_told():
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="other_metric 1")

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with TestServer(app) as server:
        assert server.port is not None
        (told,) = [sentence async for sentence in checking._answers(cast("House", Seated(port=server.port)))]
    assert "/metrics" in told
