"""`placet tenant export` as it is typed, against a front door that has exactly what an export has."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from typer.testing import CliRunner

from deploy.cli.__main__ import app
from deploy.local.process import free_port
from tests.deploy.cli.exports import SCHOOL, an_export


class FrontDoor:
    """Serves one school. Packages 3 and 6 are of parts; of 4 the student was erased; a sign-in lasts for two packages."""

    def __init__(self, files: Path) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self.bent = ""
        self.sign_ins = 0
        self._left = 0
        self._files = files

    async def token(self, _request: web.Request) -> web.Response:
        self.sign_ins, self._left = self.sign_ins + 1, 2
        return web.json_response({"access_token": "t"})

    async def file(self, request: web.Request) -> web.FileResponse:
        names = {"ledger": "ledger.jsonl", "seals": "seals.jsonl", "/consent/keys": "grants.jwks.json"}
        last = request.path.rpartition("/")[2]
        return web.FileResponse(self._files / names.get(last, names.get(request.path, "issuer.jwks.json")))

    async def package(self, request: web.Request) -> web.Response:
        number = request.match_info["id"].removeprefix("pkg_")
        if number == "4":
            return web.json_response({"detail": "this package can't be opened any more: it was erased"}, status=410)
        if not self._left:
            return web.json_response({"detail": "sign in"}, status=401)
        self._left -= 1
        return web.Response(body=b"package " + (self.bent or number).encode(), content_type="application/zip")


@pytest_asyncio.fixture(loop_scope="session")
async def door(tmp_path: Path) -> AsyncIterator[FrontDoor]:
    made = FrontDoor(an_export().write(tmp_path / "served"))
    routes = web.Application()
    routes.router.add_post("/identity/token", made.token)
    for path in ("/delivery/ledger", "/consent/keys", "/records/keys", "/records/schools/{id}/seals"):
        routes.router.add_get(path, made.file)
    routes.router.add_get("/records/packages/{id}/content", made.package)
    runner = web.AppRunner(routes)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(made.url.rpartition(":")[2])).start()
    yield made
    await runner.cleanup()


async def typed(*words: str | Path, code: int = 0) -> str:
    result = await asyncio.to_thread(CliRunner().invoke, app, ["tenant", "export", *map(str, words)])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


@pytest.mark.connected
async def test_every_whole_package_is_taken_along_and_what_was_erased_is_said(door: FrontDoor, tmp_path: Path) -> None:
    as_registrar = ("--url", door.url, "--person", "per_registrar", "--token", "t", "--school", SCHOOL)
    said = await typed(*as_registrar, "--to", tmp_path / "to")
    assert "3 sealed transcripts" in said and "1 can't be opened by anybody any more" in said
    told = json.loads((tmp_path / "to" / "tenant.json").read_text())
    assert [(one["transcript_id"], one["file"]) for one in told["transcripts"]] == [
        ("trn_1", "transcripts/trn_1-v1.zip"),
        ("trn_2", "transcripts/trn_2-v1.zip"),
        ("trn_4", ""),
        ("trn_5", "transcripts/trn_5-v1.zip"),
    ]
    assert (tmp_path / "to" / "transcripts" / "trn_5-v1.zip").read_bytes() == b"package 5"
    assert door.sign_ins == 3, "for the ledger, for the packages, and when the sign-in had run out"


@pytest.mark.connected
async def test_bytes_that_were_never_sealed_are_not_taken_for_a_transcript(door: FrontDoor, tmp_path: Path) -> None:
    door.bent = "of somebody else"
    as_registrar = ("--url", door.url, "--person", "per_registrar", "--token", "t", "--school", SCHOOL)
    assert "is not what was sealed" in await typed(*as_registrar, "--to", tmp_path / "to", code=1)
    assert not (tmp_path / "to" / "tenant.json").exists()


@pytest.mark.connected
async def test_a_door_that_does_not_answer_is_said(tmp_path: Path) -> None:
    nobody = ("--url", f"http://127.0.0.1:{free_port()}", "--person", "per_registrar", "--token", "t")
    assert "did not answer to the end" in await typed(*nobody, "--school", SCHOOL, "--to", tmp_path / "to", code=1)


async def test_whose_it_is_must_be_known_and_the_folder_empty(tmp_path: Path) -> None:
    words = ("--school", SCHOOL, "--to", tmp_path / "to")
    assert "PLACET_TOKEN" in await typed(*words, "--url", "http://127.0.0.1:1", code=1)
    assert "no house is up" in await typed(*words, "--folder", tmp_path, code=1)
    (tmp_path / "file").touch()
    as_registrar = ("--url", "http://127.0.0.1:1", "--person", "per_registrar", "--token", "t")
    assert "never mixes with another" in await typed(*as_registrar, "--school", SCHOOL, "--to", tmp_path, code=1)
