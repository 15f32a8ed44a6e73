"""Pages: what people see and press, without a script."""

import re

import httpx
import pytest

from contracts.identity.v1 import PersonRecorded
from contracts.types import Membership, PersonId, PersonKind, Standing
from services.chassis import clock
from services.delivery.domain import Status
from services.delivery.store import LEDGER
from tests.delivery.desk import CSRF, Counter
from tests.delivery.scene import (
    COLLEGE,
    DIGEST,
    NOTICE_VERSION,
    SCHOOL,
    organization_recorded,
    person_recorded,
)


async def send(client: httpx.AsyncClient, address: str, **fields: str) -> httpx.Response:
    return await client.post(address, data={"csrf": CSRF, **fields})


async def test_a_reader_finds_opens_reads_and_confirms(counter: Counter) -> None:
    async with counter.client(browser=True) as client:
        home = (await client.get("/delivery/")).text
        assert "Harbor Point School" in home
        view = f"/delivery/view/{counter.delivery_id}"
        assert view in home
        before = (await client.get(view)).text
        assert "Transcript from Harbor Point School" in before
        assert "redisclose" in before
        assert "transcript.pdf" not in before
        assert (await send(client, f"{view}/open", notice=NOTICE_VERSION)).status_code == 303
        opened = (await client.get(view)).text
        assert "/content/transcript.pdf" in opened
        assert (await send(client, f"{view}/acknowledge", digest=DIGEST)).status_code == 303
        assert "receipt confirmed" in (await client.get(view)).text
    assert (await counter.delivery()).status is Status.ACKNOWLEDGED


async def test_a_form_without_its_token_does_nothing(counter: Counter) -> None:
    async with counter.client(browser=True) as client:
        address = f"/delivery/view/{counter.delivery_id}/open"
        assert (await client.post(address, data={"notice": NOTICE_VERSION})).status_code == 403
    assert not (await counter.delivery()).disclosed


async def test_a_family_reads_who_has_received_what_and_that_it_verifies(counter: Counter) -> None:
    async with counter.client(browser=True) as client:
        await send(client, f"/delivery/view/{counter.delivery_id}/open", notice=NOTICE_VERSION)
    for who in ("student", "guardian"):
        async with counter.client(who, browser=True) as client:
            page = (await client.get("/delivery/")).text
        for words in (
            "Harbor College",
            "Ximena Ibáñez",
            "A parent agreed to this release.",
            "verified",
            "34 CFR 99.30",
        ):
            assert words in page, words
    counter.house.store.tables[LEDGER.collection.name][f"{SCHOOL}:1"]["purpose"] = "employment"
    async with counter.client("guardian", browser=True) as client:
        assert "does not verify" in (await client.get("/delivery/")).text


async def test_nothing_disclosed_is_said_plainly(counter: Counter) -> None:
    for who in ("guardian", "foreign guardian"):
        async with counter.client(who, browser=True) as client:
            assert "Nothing has been disclosed" in (await client.get("/delivery/")).text


async def test_a_registrar_follows_a_delivery_but_cannot_open_it(counter: Counter) -> None:
    async with counter.client("registrar", browser=True) as client:
        assert "Ximena Ibáñez" in (await client.get("/delivery/")).text
        view = f"/delivery/view/{counter.delivery_id}"
        assert "I accept" not in (await client.get(view)).text
        assert (await send(client, f"{view}/open", notice=NOTICE_VERSION)).status_code == 403


@pytest.mark.parametrize("who", ["stranger", "foreign registrar", "guardian"])
async def test_strangers_find_no_delivery(counter: Counter, who: str) -> None:
    async with counter.client(who, browser=True) as client:
        assert (await client.get(f"/delivery/view/{counter.delivery_id}")).status_code == 404


def reader(version: int, *, active: bool) -> PersonRecorded:
    """The reader of `Counter`, as identity tells of them."""
    place = Membership(kind=PersonKind.READER, organization_id=COLLEGE)
    who = PersonId("per_reader")
    return person_recorded(
        person_id=who, version=version, memberships=(place,), active=active, rights_holder=None, guardians=()
    )


async def finds_nothing(counter: Counter) -> None:
    """A session that is still good opens nothing and looks at nothing."""
    view, delivery = f"/delivery/view/{counter.delivery_id}", f"/delivery/deliveries/{counter.delivery_id}"
    async with counter.client(browser=True) as client:
        home = await client.get("/delivery/")
        assert "Nothing is shown to you here at this moment" in home.text
        assert counter.delivery_id not in home.text
        assert (await client.get(view)).status_code == 404
        assert (await send(client, f"{view}/open", notice=NOTICE_VERSION)).status_code == 404
        assert (await client.get("/delivery/connections")).status_code == 200
    async with counter.client() as client:
        assert (await client.get("/delivery/deliveries")).json() == []
        for address in (delivery, f"{delivery}/content", f"{delivery}/content/transcript.pdf"):
            assert (await client.get(address)).status_code == 404
        named = await client.put("/delivery/endpoints/main", json={"url": "https://example.org/hook"})
        assert named.status_code == 404


async def test_a_reader_whose_account_ended_finds_nothing_with_a_session_from_before(counter: Counter) -> None:
    await counter.house.hear(reader(1, active=True))
    async with counter.client(browser=True) as client:
        assert counter.delivery_id in (await client.get("/delivery/")).text
        await send(client, f"/delivery/view/{counter.delivery_id}/open", notice=NOTICE_VERSION)
    await counter.house.hear(reader(2, active=False))
    await finds_nothing(counter)
    await counter.house.hear(reader(3, active=True))
    async with counter.client(browser=True) as client:
        assert counter.delivery_id in (await client.get("/delivery/")).text


async def test_a_suspended_recipients_reader_finds_nothing_until_it_is_verified_again(counter: Counter) -> None:
    await counter.house.hear(organization_recorded(version=2, standing=Standing.SUSPENDED))
    await finds_nothing(counter)
    await counter.house.hear(organization_recorded(version=3))
    async with counter.client(browser=True) as client:
        assert counter.delivery_id in (await client.get("/delivery/")).text


async def test_a_recipient_keeps_its_connections(counter: Counter) -> None:
    async with counter.client(browser=True) as client:
        assert "No connection yet" in (await client.get("/delivery/connections")).text
        made = await send(client, "/delivery/connections", name="main", url="https://college.example/hooks")
        (secret,) = re.findall(r"whsec_[A-Za-z0-9+/=]+", made.text)
        page = (await client.get("/delivery/connections")).text
        assert "https://college.example/hooks" in page
        assert secret not in page
        assert (await send(client, "/delivery/connections/main/ping", recipient_id="org_college")).status_code == 303
        assert "test" in (await client.get("/delivery/connections")).text
        rotated = await send(client, "/delivery/connections/main/rotate", recipient_id="org_college")
        assert "whsec_" in rotated.text
        assert (await send(client, f"/delivery/view/{counter.delivery_id}/replay")).status_code == 303
        assert "a transcript is there" in (await client.get(f"/delivery/view/{counter.delivery_id}")).text
        assert (await send(client, "/delivery/connections/main/remove", recipient_id="org_college")).status_code == 303
        assert "No connection yet" in (await client.get("/delivery/connections")).text


async def test_what_ended_says_why(counter: Counter) -> None:
    async with counter.client(browser=True) as client:
        await counter.now(expires_at=clock.now())
        assert "has run out" in (await client.get(f"/delivery/view/{counter.delivery_id}")).text
        await counter.now(status=Status.CANCELLED, cause="revoked", ended_at=clock.now())
        assert "was taken back" in (await client.get(f"/delivery/view/{counter.delivery_id}")).text


async def test_pages_speak_spanish(counter: Counter) -> None:
    async with counter.client(browser=True) as client:
        page = await client.get("/delivery/", headers={"accept-language": "es"})
    assert "Recibidos" in page.text
    assert page.headers["content-language"] == "es"
