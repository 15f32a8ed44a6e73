"""`placet up`, `down`, `demo`: a whole house on this machine."""

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.access import HOME, Folder
from deploy.cli.printing import console, fail, pairs
from deploy.local.house import ROOT, take_down
from deploy.local.process import is_alive

PATIENCE = 300.0
"""Seconds for a first start: it fetches Kafka once."""
# What a part of the house says when it does not start: its reason, its last 25 log lines, where its log is.
_LAST_LINES = 30


def up(
    folder: Folder = HOME,
    roles: Annotated[
        bool,
        typer.Option("--roles", help="Every role of a service as a process and a user of its own, as on a cluster."),
    ] = False,
) -> None:
    """Start the whole house and leave it running: Kafka, MongoDB, the five services, a mail catcher, one front door."""
    if is_alive(folder / "house.pid") and (folder / "house.json").exists():
        console.print("The house is up already.")
        show(folder)
        return
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Left by a house that was killed: it would be taken for the sign that the new one is up.
    (folder / "house.json").unlink(missing_ok=True)
    log = folder / "house.log"
    with log.open("wb") as out:
        child = subprocess.Popen(
            [sys.executable, "-m", "deploy.local", "--folder", str(folder.absolute()), *(["--roles"] if roles else [])],
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=ROOT,
            start_new_session=True,
        )
    _wait(child, folder, log)
    show(folder)
    console.print("\nStop it with [bold]placet down[/]. Fill it with [bold]placet demo --keep[/].")


def _wait(child: "subprocess.Popen[bytes]", folder: Path, log: Path) -> None:
    """Show what the house says while it starts; leave with its own sentence when it does not."""
    since, told = time.monotonic(), 0
    with console.status("Starting …") as status:
        while not (folder / "house.json").exists():
            lines = log.read_text(errors="replace").splitlines()
            for line in lines[told:]:
                status.update(f"Starting … {line}")
            told = len(lines)
            if child.poll() is not None:
                raise fail("\n".join(lines[-_LAST_LINES:]) or "the house ended without a word")
            if time.monotonic() - since > PATIENCE:
                raise fail(f"the house is not ready after {PATIENCE:.0f} s; see {log}")
            time.sleep(0.1)


def show(folder: Path) -> None:
    """Print where everything is."""
    table = pairs()
    for name, where in json.loads((folder / "house.json").read_text()).items():
        table.add_row(name, where)
    console.print(table)


def down(folder: Folder = HOME) -> None:
    """Stop the house and everything it started. Its data stay in the folder."""
    was_up = asyncio.run(take_down(folder.absolute()))
    console.print("The house is down." if was_up else "No house was up.")


def demo(
    folder: Annotated[Path, typer.Option("--folder", help="Where the demo's house lies.")] = Path(".local/demo"),
    keep: Annotated[bool, typer.Option("--keep", help="Leave the house running, to click around in.")] = False,
) -> None:
    """The main job from import to acknowledged delivery, told as it happens. Fails when any outcome is not the expected one."""
    from deploy.demo.story import tell  # noqa: PLC0415 - the story is loaded when it is told

    os.chdir(ROOT)
    sys.exit(asyncio.run(tell(folder.absolute(), keep=keep)))
