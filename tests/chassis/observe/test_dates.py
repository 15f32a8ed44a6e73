"""The dates that are told are those of the files, as they are now; one that can't be read hides no other."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import SecretStr

from deploy.local.keys import make_keys
from deploy.local.tls import write_certificate
from services.chassis import clock
from services.chassis.observe import dates, telemetry
from services.chassis.observe.census import Census
from services.chassis.settings import Role, Settings

ENDS = datetime(2045, 1, 1, tzinfo=UTC).timestamp()


class Holding(Settings):
    key_files: ClassVar = {
        "consent.private.jwks.json": frozenset({Role.API}),
        "consent.public.jwks.json": frozenset({Role.API, Role.WORKER}),
        "records.pdf.pem": frozenset({Role.API}),
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("dates")
    make_keys(made)
    write_certificate(made)
    return made


def told(role: Role, folder: Path) -> dict[str, float]:
    uri = f"mongodb://consent@localhost/?tls=true&tlsCAFile={folder / 'ca.pem'}"
    settings = Holding.model_construct(
        kafka_cafile=folder / "ca.pem",
        keys_folder=folder,
        mongodb_api_uri=SecretStr(uri),
        mongodb_worker_uri=SecretStr(uri),
    )
    census = Census()
    telemetry.configure("consent", role)
    dates.watch(census, settings, role)
    asyncio.run(census.once())
    lines = telemetry.exposition()[0].decode().splitlines()
    telemetry.shutdown()
    ours = [line for line in lines if line.startswith(("placet_certificate", "placet_key"))]
    return {line.partition('="')[2].partition('"')[0]: float(line.rpartition(" ")[2]) for line in ours}


def test_each_role_tells_of_the_files_that_it_uses(folder: Path) -> None:
    web, worker = told(Role.API, folder), told(Role.WORKER, folder)
    made = web.pop("consent.private.jwks.json")
    assert abs(clock.now().timestamp() - made) < 600
    assert web == {"mongodb": ENDS, "seal": ENDS}
    assert worker == {"kafka": ENDS, "mongodb": ENDS}


def test_the_first_certificate_that_ends_counts_and_a_file_without_one_is_told(tmp_path: Path, folder: Path) -> None:
    assert dates.ends_at(folder / "records.pdf.pem") == ENDS
    (tmp_path / "empty.pem").write_text("")
    with pytest.raises(ValueError, match="PEM"):
        dates.ends_at(tmp_path / "empty.pem")


def test_a_key_that_does_not_say_when_it_was_drawn_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [{"kid": "a"}, {"kid": "b", "iat": 5}, {"kid": "c", "iat": 3}]}))
    assert dates.made_at(path) == 5
    path.write_text(json.dumps({"keys": [{"kid": "a"}]}))
    assert dates.made_at(path) is None


async def test_a_file_is_read_again_when_it_changes_and_only_then(tmp_path: Path) -> None:
    path, reads = tmp_path / "a", []

    def read(found: Path) -> float:
        reads.append(found.name)
        return float(found.read_text())

    path.write_text("1")
    ask = dates.read_again({"a": path, "gone": tmp_path / "gone"}, read)
    assert [await ask(), await ask()] == [{("a",): 1.0}, {("a",): 1.0}]
    path.write_text("22")
    assert await ask() == {("a",): 22.0}
    path.write_text("no number")
    assert await ask() == {("a",): 22.0}
    assert len(reads) == 3


async def test_when_no_file_can_be_read_the_census_is_told_why(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await dates.read_again({"gone": tmp_path / "gone"}, dates.ends_at)()
