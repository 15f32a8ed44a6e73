"""What was disclosed in a house can be proven afterwards without it: exported through the front door, audited offline."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.cli.__main__ import app
from tests.support.house import ALDER, BIRCH, World
from tests.support.receiver import Receiver

pytestmark = pytest.mark.connected


async def typed(*words: str | Path, code: int = 0) -> str:
    result = await asyncio.to_thread(CliRunner().invoke, app, ["audit", *map(str, words)])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


async def test_a_schools_disclosures_are_exported_and_proven_offline_and_a_changed_one_is_found(
    world: World, college: Receiver, tmp_path: Path
) -> None:
    end = await world.release(await world.family(), college)
    school, to = world.schools[ALDER.key], tmp_path / "export"
    said = await typed("export", "--school", school, "--to", to, "--folder", world.house.folder)
    rows = (to / "ledger.jsonl").read_bytes().splitlines(keepends=True)
    assert f"{len(rows)} of {len(rows)} disclosure" in said and "0 problems" in said
    assert end["request_id"] in (to / "ledger.jsonl").read_text()
    assert "mails.example" not in (to / "seals.jsonl").read_text()

    head = json.loads(rows[-1])["hash"]
    assert f"the head you noted is row {len(rows)}" in await typed(to, "--head", head)
    row = json.loads(rows[-1]) | {"recipient_id": "org_elsewhere"}
    rows[-1] = json.dumps(row, separators=(",", ":")).encode() + b"\n"
    (to / "ledger.jsonl").write_bytes(b"".join(rows))
    said = await typed(to, code=1)
    assert f"ledger.jsonl:{len(rows)} recipient_id" in said


async def test_p9_a_registrar_exports_the_own_school_and_no_other(
    world: World, college: Receiver, tmp_path: Path
) -> None:
    registrar = await world.registrar(BIRCH)
    as_birch = ("--url", world.house.public_url, "--person", registrar.person_id, "--token", registrar.way_in)
    said = await typed("export", *as_birch, "--school", world.schools[BIRCH.key], "--to", tmp_path / "own")
    assert "0 problems" in said
    said = await typed("export", *as_birch, "--school", world.schools[ALDER.key], "--to", tmp_path / "other", code=2)
    assert "there is no such record of disclosures" in said
