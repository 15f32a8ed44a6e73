"""Identity as it really runs: its own process behind the front door, a real Kafka, a real mongod, its own rights only."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from contracts.identity.v1 import OrganizationRecorded, PersonRecorded
from contracts.types import OrganizationId
from deploy.local.house import House
from services.chassis.store.mongo import MongoStore, connect
from services.chassis.store.shelf import OUTBOX
from services.identity.gateways.roster import SourcedId
from services.identity.handlers.rows import person_id_of
from tests.identity.canaries import PERSONAL, cells_of
from tests.identity.conftest import ROSTERS
from tests.identity.house import code_of
from tests.support.stage import until

pytestmark = pytest.mark.connected

HARBOR, MESA = OrganizationId("org_harbor"), OrganizationId("org_mesa")


@pytest.fixture(scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """Identity alone, with all it stands on."""
    running = House(tmp_path_factory.mktemp("identity"), services=("identity",))
    await running.start()
    yield running
    await running.stop()


@asynccontextmanager
async def signed_in(house: House, person_id: str, secret: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=house.public_url, timeout=60) as client:
        form = {"grant_type": "client_credentials", "client_id": person_id, "client_secret": secret}
        answer = await client.post("/identity/token", data=form)
        assert answer.status_code == 200, answer.text
        client.headers["authorization"] = f"Bearer {answer.json()['access_token']}"
        yield client


def school(organization_id: str, sourced_id: str, timezone: str) -> dict[str, str]:
    return {
        "organization_id": organization_id,
        "kind": "school",
        "name": organization_id,
        "standing": "verified",
        "timezone": timezone,
        "sourced_id": sourced_id,
        "roster_source": "two-coasts",
    }


async def test_a_district_is_imported_and_every_person_leaves_for_kafka(house: House) -> None:
    archive = (ROSTERS / "roster-harbor-point.zip").read_bytes()
    async with signed_in(house, "per_operator", house.operator_token) as operator:
        for one in (
            school(HARBOR, "org-harbor-point", "America/New_York"),
            school(MESA, "org-mesa-verde", "America/Denver"),
        ):
            assert (await operator.post("/identity/organizations", json=one)).status_code == 201
        first = await operator.post(f"/identity/schools/{HARBOR}/rosters", content=archive)
        assert first.status_code == 201, first.text
        again = await operator.post(f"/identity/schools/{HARBOR}/rosters", content=archive)
    created = first.json()["created"]
    assert created > 500
    assert (again.json()["created"], again.json()["changed"]) == (0, 0)

    client = connect(house.mongo.root_uri)
    outbox = MongoStore(client, "identity").collection(OUTBOX)

    async def all_sent() -> bool:
        return not await outbox.count_documents({"sent": False})

    await until(all_sent)
    kinds = (PersonRecorded.type, OrganizationRecorded.type)
    sent = {kind: await outbox.count_documents({"type": kind}) for kind in kinds}
    client.close()
    # The operator's own account is one more.
    assert sent == {PersonRecorded.type: created + 1, OrganizationRecorded.type: 2}


async def test_a_guardian_signs_in_and_steps_up(house: House) -> None:
    guardian = person_id_of("two-coasts", SourcedId("hp-gu-002"))
    async with signed_in(house, "per_operator", house.operator_token) as operator:
        made = await operator.post(f"/identity/people/{guardian}/tokens")
        assert made.status_code == 201, made.text
    async with signed_in(house, guardian, made.json()["token"]) as family:
        secret = (await family.post("/identity/authenticator")).json()["secret"]
        confirmation = {"code": code_of(secret, steps=-1)}
        assert (await family.post("/identity/authenticator/confirmation", json=confirmation)).status_code == 204
        meant = {"act": "consent.sign", "on": "req_1", "digest": "sha256:" + "0" * 64, "code": code_of(secret)}
        assert (await family.post("/identity/step-up", json=meant)).status_code == 201
        assert (await family.post("/identity/step-up", json=meant)).status_code == 401


async def test_nothing_of_a_person_lies_readable_in_the_house(house: House) -> None:
    """Every name, address, birth date and number of the roster, searched for in every place where something is kept."""
    kept = _files(house.folder) | await _documents(house)
    assert any("people" in place for place in kept)
    assert any("identity.people" in place for place in kept)
    canaries = {cell.encode() for cell in cells_of((ROSTERS / "roster-harbor-point.zip").read_bytes(), PERSONAL)}
    looked_for = re.compile(b"|".join(re.escape(cell) for cell in sorted(canaries)))
    assert {place: found.group() for place, text in kept.items() if (found := looked_for.search(text))} == {}


def _files(folder: Path) -> dict[str, bytes]:
    """Topics, database, logs and traces as they lie on the disk."""
    paths = [path for path in folder.rglob("*") if path.is_file() and "keys" not in path.parts]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


async def _documents(house: House) -> dict[str, bytes]:
    """Every document, since the database's files are compressed."""
    client = connect(house.mongo.root_uri)
    database = client["identity"]
    names = await database.list_collection_names()
    documents = {name: await database[name].find({}).to_list(None) for name in names}
    client.close()
    return {f"documents of {name}": repr(found).encode() for name, found in documents.items()}
