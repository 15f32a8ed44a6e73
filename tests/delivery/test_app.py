"""Delivery runs for real: a release under its grant is told, opened, fetched byte for byte, acknowledged and taken back."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from aiohttp import web
from aiokafka import AIOKafkaProducer
from joserfc.jwk import OKPKey
from standardwebhooks import Webhook

from contracts.envelope import Message, write_headers
from contracts.event import Event
from contracts.types import Membership, OrganizationKind, PersonKind
from deploy.local.house import House
from services.chassis import clock, ids
from services.chassis.kafka.access import KafkaAccess
from services.chassis.keys.person import MongoPersonKeys, local_kms
from services.chassis.keys.sealing import KeyFile, content_key, encrypt_package, seal_to
from services.chassis.keys.vault import Vault
from services.chassis.store.mongo import connect
from services.chassis.web.auth import SessionClaims, make_access
from services.delivery.consumers import delivery_id_for
from tests.delivery.scene import (
    COLLEGE,
    DIGEST,
    NOTICE_VERSION,
    PACKAGE,
    REQUEST,
    SCHOOL,
    STUDENT,
    grant,
    organization_recorded,
    person_recorded,
    release,
    revoked,
    watermarks_passed,
)

pytestmark = pytest.mark.connected


@dataclass
class Town:
    """The others, as delivery meets them: producers of events, a school's package, a recipient's server and program."""

    house: House
    producer: AIOKafkaProducer
    hooks: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    hooks_url: str = ""

    async def say(self, *events: Event) -> None:
        for event in events:
            message = Message(ids.new("evt"), event, clock.now())
            # A watermark goes to the partition it speaks for; all else where its key leads it.
            partition = getattr(event, "partition", None)
            await self.producer.send_and_wait(
                event.topic, event.dump(), event.key.encode(), partition, headers=list(write_headers(message))
            )

    def client(self) -> httpx.AsyncClient:
        key = KeyFile(self.house.folder / "keys" / "identity.private.jwks.json").signing_key("Ed25519")
        assert isinstance(key, OKPKey)
        seconds = int(clock.now().timestamp())
        claims = SessionClaims(
            sub="per_reader",
            memberships=(Membership(kind=PersonKind.READER, organization_id=COLLEGE),),
            iat=seconds,
            exp=seconds + 600,
            jti="ses_0123456789abcdef",
        )
        headers = {"authorization": f"Bearer {make_access(claims, key)}"}
        return httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.house.seats['delivery'].port}", headers=headers)


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    house = House(tmp_path / "house", services=("delivery",))
    await house.start()
    admin = house.kafka.admin
    access = KafkaAccess(house.kafka.bootstrap, admin.user, admin.password, house.kafka.cafile)
    producer = AIOKafkaProducer(**access.client_settings())
    await producer.start()
    made, app = Town(house, producer), web.Application()

    async def take(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        made.hooks.append((headers, await request.read()))
        return web.Response(status=204)

    app.router.add_post("/hooks", take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.hooks_url = f"http://127.0.0.1:{runner.addresses[0][1]}/hooks"
    try:
        yield made
    finally:
        await producer.stop()
        await runner.cleanup()
        await house.stop()


async def until(true: Callable[[], Awaitable[bool]], seconds: float = 15) -> None:
    async with asyncio.timeout(seconds):
        while not await true():
            await asyncio.sleep(0.02)


async def lay_package(house: House) -> str:
    """As records does: the package in the vault, its key under the student's, that under delivery's."""
    keys, client = house.folder / "keys", connect(house.mongo.root_uri)
    persons = MongoPersonKeys(client, kms=local_kms(keys / "master.key"))
    await persons.create([STUDENT])
    key = content_key()
    made = grant()
    laid = encrypt_package(key, PACKAGE, package_id=made.package_id, digest=DIGEST)
    await Vault.from_url(house.vault_url).lay("ab/cdef", laid)
    kept = await persons.seal(STUDENT, key)
    client.close()
    info = f"placet-release:{REQUEST}:{DIGEST}".encode()
    public = KeyFile(keys / "delivery.public.jwks.json").public()
    return seal_to(public, base64.b64decode(kept.ciphertext), info=info)


async def test_a_release_is_told_opened_fetched_acknowledged_and_taken_back(town: Town) -> None:
    key = KeyFile(town.house.folder / "keys" / "consent.private.jwks.json").signing_key("Ed25519")
    assert isinstance(key, OKPKey)
    now = clock.now()
    allowed = grant(now, iat=int(now.timestamp()))
    address = f"/delivery/deliveries/{delivery_id_for(allowed.jti)}"
    await town.say(
        organization_recorded(),
        organization_recorded(SCHOOL, kind=OrganizationKind.SCHOOL, name="Harbor Point School"),
        person_recorded(),
        *watermarks_passed(now),
    )
    async with town.client() as client:
        body = {"url": town.hooks_url, "description": "admissions"}
        secret = (await client.put("/delivery/endpoints/main", json=body)).json()["secret"]
        sealed = await lay_package(town.house)
        await town.say(release(allowed, key=key, sealed_key=sealed))

        async def told() -> bool:
            return bool(town.hooks)

        await until(told)
        headers, raw = town.hooks[0]
        assert Webhook(secret).verify(raw, headers)["data"]["digest"] == DIGEST

        await town.say(*watermarks_passed(clock.now()))
        opening = {"redisclosure_notice": NOTICE_VERSION}

        async def opened() -> bool:
            answer = await client.post(f"{address}/open", json=opening)
            assert answer.status_code in (200, 503), answer.text
            return answer.status_code == 200

        await until(opened)
        package = await client.get(f"{address}/content")
        assert package.content == PACKAGE
        acknowledged = await client.post(f"{address}/acknowledge", json={"digest": DIGEST})
        assert acknowledged.json()["status"] == "acknowledged"

        await town.say(revoked())

        async def shut() -> bool:
            return (await client.get(f"{address}/content")).status_code == 410

        await until(shut)

        async def told_again() -> bool:
            return len(town.hooks) == 2

        await until(told_again)
        assert Webhook(secret).verify(town.hooks[1][1], town.hooks[1][0])["type"] == "transcript.revoked"
        assert (await client.get("/delivery/deliveries")).json()[0]["status"] == "cancelled"
        numbers = (await client.get("/metrics")).text
    ours = '{role="all",service="delivery"} '
    assert f"placet_approval_to_available_seconds_count{ours}1.0" in numbers
    # As the census found them, with the worker's own rights.
    assert f"placet_watermark_age_seconds{ours}" in numbers
    assert 'placet_key_made_timestamp_seconds{key="delivery.private.jwks.json",' in numbers
    assert 'placet_certificate_expires_timestamp_seconds{kind="mongodb",' in numbers


async def test_a_forged_release_is_set_aside_and_tells_nobody(town: Town) -> None:
    forger = OKPKey.generate_key("Ed25519", private=True, auto_kid=True)
    await town.say(organization_recorded(), *watermarks_passed(clock.now()), release(grant(clock.now()), key=forger))
    client = connect(town.house.mongo.root_uri)

    async def aside() -> bool:
        return bool(await client["delivery"]["aside"].count_documents({}))

    await until(aside)
    kept = await client["delivery"]["aside"].find_one({})
    assert "not signed by consent" in kept["reason"]
    assert await client["delivery"]["deliveries"].count_documents({}) == 0
    client.close()
    async with town.client() as program:
        assert (await program.get("/health/ready")).status_code == 200
    assert town.hooks == []
