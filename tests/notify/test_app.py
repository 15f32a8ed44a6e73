"""Notify as a process of the house: real broker, real database and key vault, a real mail server that catches."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiokafka import AIOKafkaProducer

from contracts.consent.v1 import ConsentRevoked
from contracts.envelope import Message, write_headers
from contracts.types import Capacity, PersonId, PersonKind
from deploy.local.house import House
from services.chassis.kafka.access import KafkaAccess
from services.chassis.keys.person import MASTER_KEY_FILE, MongoPersonKeys, local_kms
from services.chassis.store.mongo import connect
from tests.support.notices import ABOUT, AT, FATHER, MOTHER, REGISTRAR, STUDENT, Town, heard, opened
from tests.support.stage import until

pytestmark = pytest.mark.connected

SENT_BY_ONE = 3


class Street:
    """A house with notify alone, whose events the test says, and whose mails it reads."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.client: Any = connect(house.own_mongo.root_uri)
        self.town = Town()
        kms = local_kms(house.folder / "keys" / "identity" / MASTER_KEY_FILE)
        self.town.keys = MongoPersonKeys(self.client, kms=kms)  # type: ignore[assignment]  # the real one

    async def say(self, *messages: Message[Any]) -> None:
        admin = self.house.own_kafka.admin
        access = KafkaAccess(self.house.kafka.bootstrap, admin.user, admin.password, self.house.kafka.cafile)
        async with AIOKafkaProducer(**access.client_settings()) as producer:
            for message in messages:
                event = message.event
                await producer.send_and_wait(
                    event.topic, event.dump(), key=event.key.encode(), headers=list(write_headers(message))
                )

    async def settle(self) -> None:
        await self.say(
            heard(Town.school(), "evt_school"),
            heard(Town.college(), "evt_college"),
            heard(await self.town.person(STUDENT, PersonKind.STUDENT, guardians=(MOTHER, FATHER)), "evt_s"),
            heard(await self.town.person(MOTHER, PersonKind.GUARDIAN), "evt_m"),
            heard(await self.town.person(FATHER, PersonKind.GUARDIAN, language="es"), "evt_f"),
            heard(await self.town.person(REGISTRAR, PersonKind.REGISTRAR, email="bounce@school.test"), "evt_r"),
        )

    async def mails(self) -> list[dict[str, Any]]:
        async with aiohttp.ClientSession() as client, client.get(f"{self.house.mail_url}/messages") as answer:
            return list((await answer.json())["messages"])

    async def mail_server(self, word: str) -> None:
        async with aiohttp.ClientSession() as client, client.post(f"{self.house.mail_url}/{word}"):
            pass

    async def mailed(self, number: int) -> bool:
        return len(await self.mails()) >= number

    async def state_of(self, person: PersonId, template: str) -> str | None:
        found = await self.client["notify"]["messages"].find_one({"person_id": person, "template": template})
        return f"{found['status']}:{found['cause']}" if found else None

    async def is_in(self, person: PersonId, template: str, state: str) -> bool:
        return await self.state_of(person, template) == state


@pytest.fixture(scope="module")
async def street(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Street]:
    extra = {"notify": {"PLACET_MAIL_RETRY_SECONDS": "1"}}
    house = House(tmp_path_factory.mktemp("street"), services=("notify",), extra=extra)
    await house.start()
    street = Street(house)
    try:
        await street.settle()
        yield street
    finally:
        street.client.close()
        await house.stop()


async def test_an_opened_request_is_mailed_to_whoever_must_sign(street: Street) -> None:
    await street.say(heard(opened(), "evt_opened"))
    await until(lambda: street.mailed(SENT_BY_ONE), seconds=30)
    mails = {mail["to"][0]: mail for mail in await street.mails()}
    assert set(mails) == {"mother@families.test", "father@families.test", "student@families.test"}
    assert "Amélie Nguyễn-Østergård" in mails["mother@families.test"]["text"]
    assert mails["father@families.test"]["subject"].endswith("revise y firme una solicitud de expediente")
    assert "Nguy" not in json.dumps([mail["subject"] for mail in mails.values()], ensure_ascii=False)


async def test_the_same_event_again_mails_nobody_and_a_mail_server_that_was_down_gets_its_mail_later(
    street: Street,
) -> None:
    await street.say(heard(opened(), "evt_opened"))
    await street.mail_server("down")
    revoked = ConsentRevoked(
        **ABOUT, version=2, revoked_by=MOTHER, revoked_as=Capacity.GUARDIAN, revoked_at=AT, after_approval=False
    )
    await street.say(heard(revoked, "evt_revoked"))
    await until(lambda: street.is_in(MOTHER, "revoked", "waiting:not-taken"), seconds=30)
    assert len(await street.mails()) == SENT_BY_ONE
    await street.mail_server("up")
    await until(lambda: street.mailed(2 * SENT_BY_ONE), seconds=30)
    await until(lambda: street.is_in(REGISTRAR, "revoked", "abandoned:refused"), seconds=30)
    ids = [dict(mail["headers"])["Message-ID"] for mail in await street.mails()]
    assert len(ids) == len(set(ids)) == 2 * SENT_BY_ONE


async def test_no_name_and_no_address_is_readable_in_the_database_or_the_log(street: Street) -> None:
    documents = [
        repr(await street.client["notify"][name].find({}).to_list(None))
        for name in await street.client["notify"].list_collection_names()
        if not name.startswith("system.")
    ]
    log = street.house.service_process("notify").log.read_text()
    for word in ("Amélie", "Ybarra", "Nguy", "families.test", "bounce@"):
        assert all(word not in text for text in (*documents, log)), word
