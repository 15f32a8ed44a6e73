"""What the drills have in common: what an operator types, what the doctor says, what recipients were told."""

import asyncio
import json
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.cli.__main__ import app
from deploy.cli.checks import Mark
from deploy.cli.doctor import examine
from deploy.demo.cast import Refused
from services.chassis import clock
from tests.faults.place import PATIENCE, Case, Place


async def typed(*words: str | Path, code: int = 0) -> str:
    result = await asyncio.to_thread(CliRunner().invoke, app, [*map(str, words)])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


async def broken(folder: Path) -> list[str]:
    """What `placet doctor` finds wrong in a house; this machine itself is not asked for."""
    sections = await examine(folder)
    return [f"{line.what}: {line.said}" for title, lines in sections[1:] for line in lines if line.mark is Mark.BROKEN]


async def until_well(folder: Path) -> None:
    """Wait until the doctor finds nothing broken: on a busy machine a lease runs out now and then."""
    deadline = clock.seconds() + PATIENCE
    while found := await broken(folder):
        assert clock.seconds() < deadline, found
        await asyncio.sleep(0.5)


def told(place: Place) -> Counter[tuple[str, str]]:
    """Every webhook that reached anybody: how often each id came with each body."""
    return Counter((hook.id, hook.body) for one in place.receivers.values() for hook in one.hooks)


def request_of(body: str) -> str:
    return str(json.loads(body)["data"]["request_id"])


async def refused_to_open(place: Place, case: Case) -> Refused:
    """The no that a recipient's program gets which asks for a package."""
    delivery = await place.until_told(case)
    notice = {"redisclosure_notice": delivery["redisclosure_notice"]["version"]}
    program = await case.to.program()
    with pytest.raises(Refused) as no:
        await program.post(f"/delivery/deliveries/{delivery['delivery_id']}/open", notice)
    return no.value
