"""Approvals that consent never gave: whoever writes them, with whatever credential was stolen, nothing is released."""

import json
from datetime import timedelta

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from joserfc.jwk import OKPKey

from contracts.generate import sample
from contracts.grant import Grant, Grantor, sign
from contracts.topics import SERVICES
from contracts.types import (
    Basis,
    BasisCode,
    Capacity,
    OrganizationId,
    PackageId,
    PersonId,
    Purpose,
    RequestId,
    Selection,
    TranscriptId,
)
from deploy.demo import acts
from services.chassis import clock, ids
from services.chassis.kafka.access import KafkaAccess
from services.chassis.keys.sealing import KeyFile
from tests.support.house import Json, World
from tests.support.receiver import Receiver

pytestmark = pytest.mark.connected


async def say(world: World, user: str, event: Json) -> None:
    """Writes to the approval topic as this Kafka user. Raises KafkaError when the broker refuses."""
    login = world.house.credentials.kafka_login(user)
    access = KafkaAccess(world.house.kafka.bootstrap, login.user, login.password, world.house.kafka.cafile)
    producer = AIOKafkaProducer(**access.client_settings(), acks="all", request_timeout_ms=5_000)
    await producer.start()
    try:
        await producer.send_and_wait(
            "consent.requests",
            value=json.dumps(event["value"]).encode(),
            key=event["key"].encode(),
            headers=[(name, value.encode()) for name, value in event["headers"].items()],
        )
    finally:
        await producer.stop()


async def test_p14_only_consents_relay_can_write_an_approval(world: World) -> None:
    users = [f"{service}-{role}" for service in SERVICES for role in ("worker", "relay")]
    assert "consent-relay" in users
    for user in users:
        if user == "consent-relay":
            continue
        with pytest.raises(KafkaError, match=r"[Aa]uthoriz"):
            await say(world, user, sample("consent.request.approved.v1"))


async def test_p14_an_approval_with_a_forged_grant_releases_nothing_even_with_the_relays_own_credential(
    world: World, college: Receiver
) -> None:
    family = await world.family()
    request = await world.ask(family, college)
    shown = await acts.until(family.student, request["request_id"], lambda one: one["package_digest"] is not None)
    await say(world, "consent-relay", forged(world, family.signer.person_id, shown))

    # The same key, so the same partition: when the real approval has come through, the forged one was judged before it.
    await acts.sign(family.signer, request["request_id"])
    await world.until_stage(family, request["request_id"], "acknowledged")
    release = await world.documents["records"]["releases"].find_one({"_id": request["request_id"]})
    kept = await world.documents["consent"]["requests"].find_one({"_id": request["request_id"]})
    assert release is not None
    assert kept is not None
    assert release["grant"] == kept["grant"], "what was released rests on consent's own grant"
    deliveries = await world.documents["delivery"]["deliveries"].count_documents({"request_id": request["request_id"]})
    assert deliveries == 1


def forged(world: World, signer: str, request: Json) -> Json:
    """An approval that is right in every word, and signed by a key that only says that it is consent's."""
    known = KeyFile(world.house.folder / "keys" / "delivery" / "consent.public.jwks.json").keys().keys[0]
    key = OKPKey.generate_key("Ed25519", parameters={"kid": str(known.kid)})
    now = clock.now()
    basis = Basis(code=BasisCode.GUARDIAN_CONSENT, section="34 CFR 99.30", words="The guardian agreed.")
    grant = Grant(
        jti=ids.new("grt"),
        iat=int(now.timestamp()),
        exp=int((now + timedelta(days=30)).timestamp()),
        sub=PersonId(request["student_id"]),
        request_id=RequestId(request["request_id"]),
        school_id=OrganizationId(request["school_id"]),
        transcript_id=TranscriptId(request["transcript_id"]),
        transcript_version=request["transcript_version"],
        transcript_digest=request["package_digest"],
        selection=Selection(),
        package_id=PackageId(request["package_id"]),
        package_digest=request["package_digest"],
        recipient_id=OrganizationId(request["recipient_id"]),
        purpose=Purpose.ADMISSION,
        basis=basis,
        grantor=Grantor(person_id=PersonId(signer), capacity=Capacity.GUARDIAN, method="totp", at=int(now.timestamp())),
    )
    event = sample("consent.request.approved.v1")
    about = ("request_id", "school_id", "student_id", "recipient_id", "package_id", "package_digest")
    event["value"] |= {name: request[name] for name in about}
    event["value"] |= {"version": 2, "valid_until": "2099-01-01T00:00:00.000Z", "grant": sign(grant, key)}
    event["key"] = event["headers"]["ce_subject"] = event["headers"]["ce_correlationid"] = request["request_id"]
    event["headers"]["ce_id"] = ids.new("evt")
    return event
