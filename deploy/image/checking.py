"""Tries an image: what lies in it, and every process of the house in it, started, asked and ended.

Each check yields sentences on what is wrong, and nothing when all is well.
"""

import asyncio
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from deploy.demo.story import play
from deploy.image.container import NOBODY, command, prepare
from deploy.image.context import ROOT
from deploy.image.finish import locked
from deploy.local.environment import ServiceRole
from deploy.local.house import House
from deploy.local.principals import BOOTSTRAP
from services.chassis import clock
from services.chassis.service import DRAIN_SECONDS

_ROLES: tuple[ServiceRole, ...] = ("api", "worker", "relay")
_SHELLS = ("sh", "bash", "dash", "busybox", "ash", "zsh", "perl", "apt", "dpkg", "pip", "pip3")
_FOREIGN = ("tests", "deploy/local", "deploy/cli", "deploy/demo", "deploy/helm", "deploy/image")
_DOCUMENTS = "usr/share/doc/placet"
_SECONDS = 120.0
"""For one command that ends by itself, fifteen times as long as it took."""


def contents(bundle: Path) -> Iterator[str]:
    """What lies in the unpacked image that should not, what is missing, and what its settings say."""
    root, made = bundle / "rootfs", json.loads((bundle / "config.json").read_text())
    user = made["process"]["user"]
    if (user["uid"], user["gid"]) != (NOBODY, NOBODY):
        yield f"the image runs as {user}, and not as {NOBODY}"
    for folder in ("bin", "usr/bin", "usr/local/bin", "opt/placet/bin", "sbin", "usr/sbin"):
        for name in _SHELLS:
            if os.path.lexists(root / folder / name):
                yield f"/{folder}/{name} is in the image, where nothing should be able to run a command or install one"
    for name in _FOREIGN:
        if (root / "srv/placet" / name).exists():
            yield f"{name} is in the image, which no process needs"
    for path in root.rglob("*"):
        at = path.lstat()
        if at.st_mode & (stat.S_ISUID | stat.S_ISGID) and stat.S_ISREG(at.st_mode):
            yield f"/{path.relative_to(root)} gives another user's or group's rights to who runs it"
        if at.st_uid == NOBODY or (at.st_mode & stat.S_IWOTH and stat.S_ISREG(at.st_mode)):
            yield f"/{path.relative_to(root)} can be changed by the process"
    yield from documents(root / _DOCUMENTS, (ROOT / "requirements.lock").read_text())


def documents(folder: Path, lock: str) -> Iterator[str]:
    """Whether the bill of materials has what the lock file has, and the list of licences too."""
    bill: dict[str, Any] = json.loads((folder / "sbom.cdx.json").read_text())
    wheels = {(one["name"], one["version"]) for one in bill["components"] if one["purl"].startswith("pkg:pypi/")}
    pinned = {(one.name, one.version) for one in locked(lock)}
    for name, version in sorted(wheels ^ pinned):
        yield f"{name} {version} is in the bill of materials or in the lock file, but not in both"
    if not any(one["purl"].startswith("pkg:deb/") for one in bill["components"]):
        yield "the bill of materials names no package of the base"
    listed = (folder / "licences.txt").read_text()
    unknown = re.findall(r"^(\S+) \S+: unknown$", listed, re.MULTILINE)
    if unknown:
        yield f"the licence of {', '.join(unknown)} is not known"
    if "Apache License" not in (folder / "LICENSE").read_text():
        yield "the project's own licence is not in the image"


def size(bundle: Path) -> int:
    """Bytes of all files of the image, unpacked."""
    return sum(path.lstat().st_size for path in (bundle / "rootfs").rglob("*") if not path.is_dir())


def run_once(bundle: Path, name: str, words: Sequence[str], env: dict[str, str]) -> tuple[int, str]:
    """Run something in the image until it ends: its exit code, and what it said."""
    place = prepare(bundle, name, [*words], env)
    done = subprocess.run(
        command(bundle, name, place),
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
        stdin=subprocess.DEVNULL,
    )
    return done.returncode, done.stdout + done.stderr


def alone(bundle: Path) -> Iterator[str]:
    """What a process does that was told nothing, or a wrong word; and whether it trusts any authority."""
    code, said = run_once(bundle, "bare", ["services.consent", "api"], {})
    if code != 1 or "PLACET_PUBLIC_URL is missing" not in said:
        yield f"without settings it should end with 1 and say what is missing; it ended with {code}: {said[-500:]}"
    code, said = run_once(bundle, "word", ["services.consent", "waiter"], {})
    if code != 2 or "usage:" not in said:
        yield f"a wrong word should end with 2 and the right ones; it ended with {code}: {said[-500:]}"
    # Python's own modules are all that can be run where there is no shell; this one takes a line of code.
    for name, line in {"certificates": _TRUSTS, "rights": _WRITES}.items():
        code, said = run_once(bundle, name, ["timeit", "-n1", "-r1", line], {})
        if code != 0:
            yield f"the check of {name} fails in the image: {said[-500:]}"


_TRUSTS = "import ssl; assert ssl.create_default_context().cert_store_stats()['x509_ca'] > 50"
_WRITES = (
    "import os, contextlib\n"
    "open('/tmp/mark', 'w').close()\n"
    "for place in ('/', '/srv/placet', '/opt/placet', '/etc'):\n"
    " with contextlib.suppress(OSError): raise SystemExit(f'{place} can be written: ' + open(place + '/mark', 'w').name)\n"
    "assert os.getuid() == os.getgid() == 65532\n"
    "assert all(line.split()[1].strip('0') == '' for line in open('/proc/self/status') if line.startswith('Cap'))\n"
    "assert 'NoNewPrivs:\\t1' in open('/proc/self/status').read()"
)


async def whole_house(bundle: Path, folder: Path) -> AsyncIterator[str]:
    """Every service in every role in a container of its own, on a real Kafka and a real MongoDB with rights on.

    They are asked what a cluster asks, the demo is played in them from import to acknowledgement, and they are ended.
    """

    def contained(service: str, role: str) -> Sequence[str | Path]:
        return [
            sys.executable,
            "-m",
            "deploy.image.container",
            bundle,
            f"{service}-{role}",
            f"services.{service}",
            role,
        ]

    shutil.rmtree(folder, ignore_errors=True)
    # Mails that can't go are tried again every five minutes; a play is shorter.
    house = House(folder, roles=_ROLES, command=contained, extra={"notify": {"PLACET_MAIL_RETRY_SECONDS": "5"}})
    started = clock.seconds()
    await house.start()
    try:
        print(f"  {len(house.seats)} processes are ready after {clock.seconds() - started:.0f} s")
        for sentence in [one async for one in _answers(house)] + [*_jobs(bundle, house)]:
            yield sentence
        if not await play(house, started):
            yield "the demo's play did not end as expected in this image"
        ends = await asyncio.gather(*(_drained(house, name) for name in house.seats))
        for sentence in filter(None, ends):
            yield sentence
    finally:
        await house.stop()


async def _answers(house: House) -> AsyncIterator[str]:
    """Ask each process what an orchestrator and Prometheus ask."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as client:
        for name, seat in house.seats.items():
            for path in ("/health/started", "/health/live", "/health/ready", "/metrics"):
                async with client.get(f"http://127.0.0.1:{seat.port}{path}") as answer:
                    said = await answer.text()
                if answer.status != 200 or (path == "/metrics" and "placet_ready" not in said):
                    yield f"{name} answers {path} with {answer.status}: {said[:300]}"


def _jobs(bundle: Path, house: House) -> Iterator[str]:
    """Run what the chart's Jobs run: collections again, without harm, and the test after an installation."""
    processes = {name: f"http://127.0.0.1:{seat.port}" for name, seat in house.seats.items()}
    jobs = {
        "deploy.mongodb": (
            ["collections"],
            {"PLACET_MONGODB_BOOTSTRAP_URI": house.mongo.uri(BOOTSTRAP, house.credentials.mongodb[BOOTSTRAP])},
        ),
        "deploy.selftest": ([], {"PLACET_SELFTEST_PROCESSES": json.dumps(processes)}),
    }
    for module, (words, env) in jobs.items():
        code, said = run_once(bundle, module.replace(".", "-"), [module, *words], env)
        print(f"  {module}: {said.strip()}")
        if code != 0:
            yield f"{module} ends with {code}: {said[-500:]}"


async def _drained(house: House, name: str) -> str:
    """End one process as the kubelet does, and see that it leaves in order."""
    child = house.service_process(name)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGTERM)
    code = await child.ended(DRAIN_SECONDS + 5)
    if code is None:
        return f"{name} still lives {DRAIN_SECONDS + 5:.0f} s after SIGTERM"
    if code != 0 or '"stopped"' not in child.tail():
        return f"{name} ended with {code} after SIGTERM: {child.tail(5)}"
    return ""


def sweep(bundle: Path) -> None:
    """Remove what a container that was killed has left in the kernel."""
    state = bundle.parent / "runc"
    for place in state.glob("placet-image-*"):
        subprocess.run(["runc", "--root", state, "delete", "--force", place.name], check=False, capture_output=True)
