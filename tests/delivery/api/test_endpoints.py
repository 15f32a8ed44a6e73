"""Endpoints over HTTP: made with a secret that is shown once, each recipient's its own."""

import httpx
import pytest

from tests.delivery.desk import Counter
from tests.delivery.scene import COLLEGE, OTHER

BODY = {"url": "https://college.example/hooks", "description": "admissions"}


async def put(client: httpx.AsyncClient, **changes: str) -> httpx.Response:
    return await client.put("/delivery/endpoints/main", json=BODY | changes)


async def test_a_secret_is_shown_by_the_call_that_made_it_and_never_again(counter: Counter) -> None:
    async with counter.client() as client:
        made = (await put(client)).json()
        assert made["secret"].startswith("whsec_")
        assert (await put(client)).json()["secret"] is None
        assert (await put(client, url="https://college.example/other")).json()["secret"] is None
        assert (await client.get("/delivery/endpoints/main")).json()["secret"] is None
    assert made["secret"].removeprefix("whsec_") not in str(counter.house.store.tables)


@pytest.mark.parametrize("url", ["http://college.example/", "https://10.0.0.1/", "https://0x7f.1/", "nonsense"])
async def test_an_address_that_is_not_called_makes_no_endpoint_and_the_place_is_named(
    counter: Counter, url: str
) -> None:
    async with counter.client() as client:
        answer = await put(client, url=url)
        assert (answer.status_code, answer.json()["faults"][0]["where"]) == (422, "url")
        assert (await client.get("/delivery/endpoints")).json() == []


async def test_p9_two_recipients_may_use_one_name_and_neither_sees_the_others(counter: Counter) -> None:
    async with counter.client() as mine, counter.client("stranger") as theirs:
        await put(mine)
        for method, path in (
            ("GET", ""),
            ("DELETE", ""),
            ("POST", "/rotation"),
            ("POST", "/ping"),
            ("GET", "/attempts"),
        ):
            assert (await theirs.request(method, f"/delivery/endpoints/main{path}")).status_code == 404, path
        assert (await put(theirs, url="https://other.example/")).json()["recipient_id"] == OTHER
        assert (await mine.get("/delivery/endpoints/main")).json()["url"] == BODY["url"]
        assert (await put(theirs, recipient_id=COLLEGE)).status_code == 404


async def test_a_rotation_shows_the_new_secret(counter: Counter) -> None:
    async with counter.client() as client:
        first = (await put(client)).json()["secret"]
        second = (await client.post("/delivery/endpoints/main/rotation")).json()["secret"]
    assert second.startswith("whsec_")
    assert second != first


async def test_a_ping_is_on_its_way_and_seen_among_the_attempts(counter: Counter) -> None:
    async with counter.client() as client:
        await put(client)
        assert (await client.post("/delivery/endpoints/main/ping")).status_code == 202
        (one,) = (await client.get("/delivery/endpoints/main/attempts")).json()
    assert (one["kind"], one["state"]) == ("ping", "waiting")


async def test_a_removed_endpoint_is_gone(counter: Counter) -> None:
    async with counter.client() as client:
        await put(client)
        assert (await client.delete("/delivery/endpoints/main")).status_code == 204
        assert (await client.get("/delivery/endpoints/main")).status_code == 404
        assert (await put(client)).json()["secret"] is not None


async def test_a_replay_needs_an_endpoint_and_then_is_due(counter: Counter) -> None:
    async with counter.client() as client:
        address = f"/delivery/deliveries/{counter.delivery_id}/replay"
        assert (await client.post(address)).status_code == 409
        await put(client)
        assert (await client.post(address)).status_code == 202


@pytest.mark.parametrize("name", ["Main", "-x", "a" * 41, "a_b"])
async def test_a_name_is_plain(counter: Counter, name: str) -> None:
    async with counter.client() as client:
        assert (await client.put(f"/delivery/endpoints/{name}", json=BODY)).status_code == 422
