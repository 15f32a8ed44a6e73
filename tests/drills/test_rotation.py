"""Every key and password of a house is put in another's place, with the commands of the runbooks, while families approve."""

import asyncio
import json
import zipfile
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from joserfc import jws
from joserfc.jwk import KeySet
from pymongo import AsyncMongoClient
from typer.testing import CliRunner

from contracts import grant
from contracts.topics import SERVICES
from deploy.cli import passwords
from deploy.cli.__main__ import app
from deploy.cli.passwords import System
from deploy.demo.cast import Refused
from deploy.demo.recipient import LARGEST_CREDENTIAL
from deploy.local.environment import APART
from deploy.local.house import House
from deploy.local.rotating import kept
from deploy.local.supervisor import supervise
from services.chassis import clock
from services.chassis.keys.sealing import KeyFile
from tests.faults.furnishing import furnish
from tests.faults.place import STUDENTS, Case, Place

REGISTRY = jws.JWSRegistry(algorithms=["RS256"])
REGISTRY.max_payload_length = LARGEST_CREDENTIAL
pytestmark = [pytest.mark.connected, pytest.mark.timeout(180)]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """A house of fifteen processes, kept up as on a machine or a cluster: what ends is started again."""
    house, ended = House(tmp_path_factory.mktemp("rotation"), roles=APART), asyncio.Event()
    await house.start()
    keeping = asyncio.create_task(supervise(house, ended, say=lambda _: None))
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as web,
            AsyncMongoClient[dict[str, Any]](house.mongo.root_uri, tz_aware=True) as documents,
        ):
            made = await furnish(house, web, documents)
            yield made
            await asyncio.gather(*(receiver.close() for receiver in made.receivers.values()))
    finally:
        ended.set()
        await keeping
        await house.stop()


@dataclass
class Traffic:
    """Families that ask and approve, and a program that fetches, one request after the other."""

    place: Place
    done: list[Case] = field(default_factory=list)
    _running: "asyncio.Task[None] | None" = None

    def begin(self) -> None:
        self._running = asyncio.create_task(self._run())

    async def _run(self) -> None:
        for student in cycle(STUDENTS[:3]):
            self.done.append(await release(self.place, student))

    async def goes_on(self, count: int = 2) -> None:
        """Wait until so many requests that began from now on have come to their end."""
        assert self._running is not None
        wanted = len(self.done) + count + 1
        while len(self.done) < wanted:
            assert not self._running.done(), self._running.exception()
            await asyncio.sleep(0.05)

    async def end(self) -> None:
        assert self._running is not None
        self._running.cancel()
        (why,) = await asyncio.gather(self._running, return_exceptions=True)
        assert isinstance(why, asyncio.CancelledError), why


async def release(place: Place, student: str, **more: Any) -> Case:
    case = await place.ask(student, **more)
    await place.sign(case)
    await place.finish(case)
    return case


@pytest_asyncio.fixture(loop_scope="session")
async def traffic(place: Place) -> AsyncIterator[Traffic]:
    """While a test runs. Behind it every request was disclosed once, and nothing was set aside anywhere."""
    for person in place.setting.company.people:
        await person.come_in(person.person_id, person.way_in)  # a token lasts ten minutes
    made = Traffic(place)
    made.begin()
    await made.goes_on(1)
    yield made
    await made.end()
    assert await aside(place) == []
    for case in made.done:
        assert [one["status"] for one in await place.deliveries(case)] == ["acknowledged"]
        assert len(await place.ledger(case.request_id)) == 1


async def aside(place: Place) -> list[str]:
    return [
        f"{service}: {row['reason']}"
        for service in SERVICES
        async for row in place.documents[service]["aside"].find({})
    ]


async def typed(place: Place, *words: str | Path, code: int = 0) -> str:
    """What an operator types, in a house on this machine."""
    line = [*map(str, words), "--folder", str(place.house.folder)]
    result = await asyncio.to_thread(CliRunner().invoke, app, line)
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


def keys_of(place: Place, name: str, *uses: str) -> list[str]:
    """Key ids by their use, as `placet keys list` shows them."""
    return [one.key_id for one in kept(place.house.folder / "keys") if one.name == name and one.use in uses]


async def rotate(place: Place, name: str, traffic: Traffic) -> tuple[str, str]:
    """Announce and use; returns the (Ed25519 or only) key from before and the new one."""
    old = keys_of(place, name, "signs", "opens", "wraps")[0]
    await typed(place, "keys", "announce", name)
    await traffic.goes_on(1)
    assert keys_of(place, name, "signs", "opens", "wraps")[0] == old, "an announced key is used by nobody"
    await typed(place, "keys", "use", name)
    return old, keys_of(place, name, "signs", "opens", "wraps")[0]


def signed_by(token: str) -> str:
    return str(json.loads(urlsafe_b64decode(token.partition(".")[0] + "=="))["kid"])


async def grant_of(place: Place, case: Case) -> str:
    row = await place.documents["consent"]["requests"].find_one({"_id": case.request_id})
    assert row is not None
    return str(row["grant"])


async def test_consents_grant_key_and_grants_of_before_are_still_believed(place: Place, traffic: Traffic):
    waiting = await place.ask(STUDENTS[3])
    await place.sign(waiting)
    await place.until_told(waiting)
    old, new = await rotate(place, "consent", traffic)
    await traffic.goes_on()
    assert signed_by(await grant_of(place, traffic.done[-1])) == new

    await typed(place, "keys", "retire", "consent", old)
    await traffic.goes_on()
    assert signed_by(await grant_of(place, waiting)) == old
    await place.finish(waiting)  # approved under the old key, disclosed after it was retired
    held = json.loads((place.house.folder / "keys" / "consent" / "consent.private.jwks.json").read_text())["keys"]
    assert [key["kid"] for key in held] == [new]
    public = KeyFile(place.house.folder / "keys" / "delivery" / "consent.public.jwks.json").keys()
    for row in await place.ledger(waiting.request_id):
        assert grant.verify(row["grant"], public, audience="delivery", now=clock.now()).request_id == waiting.request_id


async def test_deliverys_own_key_opens_packages_and_webhook_secrets_of_before(place: Place, traffic: Traffic):
    waiting = await place.ask(STUDENTS[3])
    await place.sign(waiting)
    await place.until_told(waiting)
    old, _ = await rotate(place, "delivery", traffic)
    await traffic.goes_on()
    await place.finish(waiting)  # sealed to the old key, and opened with it; told with a secret sealed to it
    assert old in keys_of(place, "delivery", "known"), "it goes only when nothing is sealed to it any more"


async def test_records_issuer_keys_and_documents_of_before_still_verify(place: Place, traffic: Traffic):
    before = await credential_of(place, traffic.done[-1])
    await typed(place, "keys", "announce", "records")
    published = await place.setting.company.operator.get("/records/keys")
    assert len(published["keys"]) == 4, "recipients read the new keys before anything is signed with them"
    for receiver in place.receivers.values():
        receiver.issuers = KeySet.import_key_set(published)
    await typed(place, "keys", "use", "records")
    after = await credential_of(place, await release(place, STUDENTS[0], parts=place.parts()))
    assert signed_by(before) != signed_by(after)
    for retired in keys_of(place, "records", "known"):
        await typed(place, "keys", "retire", "records", retired)
    await traffic.goes_on()
    published = KeySet.import_key_set(await place.setting.company.operator.get("/records/keys"))
    for credential in (before, after):
        assert jws.deserialize_compact(credential, published, registry=REGISTRY).payload


async def credential_of(place: Place, case: Case) -> str:
    (delivery,) = await place.deliveries(case)
    with zipfile.ZipFile(case.to.folder / "received" / f"{delivery['delivery_id']}.zip") as package:
        return package.read("credential.1edtech.jwt").decode()


async def test_identitys_session_key_and_sessions_go_on_until_its_public_half_is_retired(
    place: Place, traffic: Traffic
):
    family = await place.setting.household(STUDENTS[3])
    before = family.student.token
    old, new = await rotate(place, "identity", traffic)
    await traffic.goes_on()  # under sessions of before
    await family.student.come_in(family.student.person_id, family.student.way_in)
    assert (signed_by(before), signed_by(family.student.token)) == (old, new)
    await traffic.end()

    await typed(place, "keys", "retire", "identity", old, "--public")
    for person in place.setting.company.people:
        if signed_by(person.token) == old:
            with pytest.raises(Refused) as no:
                await person.get("/identity/me")
            assert no.value.status in {401, 403}
            await person.come_in(person.person_id, person.way_in)
    traffic.begin()
    await traffic.goes_on()


async def test_the_master_key_and_everybodys_own_key_is_rewrapped_under_it(place: Place, traffic: Traffic):
    vault = place.documents["keys"]["vault"]
    people = await vault.count_documents({})
    old, new = await rotate(place, "master", traffic)
    assert old in await typed(place, "keys", "retire", "master", old, code=1), "it still wraps everybody's"
    assert f"{people} keys of persons" in await typed(place, "keys", "rewrap")
    assert await vault.count_documents({"masterKey.provider": new}) == people
    await traffic.goes_on()
    await typed(place, "keys", "retire", "master", old)
    await traffic.goes_on()
    family = await place.setting.household(STUDENTS[0])
    assert await family.student.get("/identity/me"), "a name opens without the old key"


async def changed(place: Place, traffic: Traffic, system: str, user: str) -> None:
    before = place.house.service_process(user).pid
    assert user in await typed(place, "passwords", "change", system, user)
    while place.house.service_process(user).pid in {before, None}:
        await asyncio.sleep(0.05)
    await traffic.goes_on()


@pytest.mark.parametrize("user", ["consent-relay", "delivery-worker"])
async def test_a_password_of_kafkas(place: Place, traffic: Traffic, user: str):
    await changed(place, traffic, "kafka", user)


@pytest.mark.parametrize("user", ["records-worker", "delivery-relay", "consent-api"])
async def test_a_password_of_mongodbs(place: Place, traffic: Traffic, user: str):
    await changed(place, traffic, "mongodb", user)


@pytest.mark.parametrize(("system", "user"), [(System.KAFKA, "records-worker"), (System.MONGODB, "delivery-worker")])
async def test_a_process_that_is_late_with_its_password_waits_and_sets_nothing_aside(
    place: Place, traffic: Traffic, system: System, user: str
):
    """The password is changed and every connection ends before the process has the new one."""
    await passwords._tell(place.house, system, user, "one-that-the-process-never-had")
    node = place.house.own_kafka if system is System.KAFKA else place.house.own_mongo
    await node.stop()
    await node.start()
    await asyncio.sleep(4)
    assert place.house.service_process(user).pid is not None, "it waits, and does not end"
    assert await aside(place) == []
    await changed(place, traffic, system, user)
