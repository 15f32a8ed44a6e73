"""Recipients over HTTP: their own deliveries and nothing else, opened, fetched, acknowledged."""

import base64
import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest

from services.chassis import clock
from services.chassis.web.http import rights
from services.delivery.domain import LONGEST_ANSWER, Status
from tests.delivery.desk import Counter
from tests.delivery.scene import COLLEGE, DIGEST, NOTICE_VERSION, PACKAGE, STUDENT, revoked, watermarks_passed

OPENING = {"redisclosure_notice": NOTICE_VERSION}


async def opened(counter: Counter) -> None:
    async with counter.client() as client:
        answer = await client.post(f"/delivery/deliveries/{counter.delivery_id}/open", json=OPENING)
    assert answer.status_code == 200, answer.text


async def test_every_route_states_its_right(counter: Counter) -> None:
    stated = rights(counter.app)
    assert stated["POST /delivery/deliveries/{delivery_id}/open"] == "reader"
    assert "anyone" not in stated.values()


async def test_a_recipient_sees_its_deliveries(counter: Counter) -> None:
    async with counter.client() as client:
        (one,) = (await client.get("/delivery/deliveries")).json()
        assert (one["delivery_id"], one["school_name"], one["status"]) == (
            counter.delivery_id,
            "Harbor Point School",
            "available",
        )
        assert (await client.get("/delivery/deliveries?status=delivered")).json() == []
        assert (await client.get("/delivery/deliveries?status=nonsense")).status_code == 422
    async with counter.client("stranger") as client:
        assert (await client.get("/delivery/deliveries")).json() == []


async def test_p15_a_recipient_is_shown_these_fields_and_no_others(counter: Counter) -> None:
    async with counter.client() as client:
        one = (await client.get(f"/delivery/deliveries/{counter.delivery_id}")).json()
    assert sorted(one) == sorted(
        [
            "delivery_id",
            "request_id",
            "status",
            "school_id",
            "school_name",
            "purpose",
            "package_digest",
            "size",
            "available_at",
            "expires_at",
            "opened_at",
            "acknowledged_at",
            "matches",
            "redisclosure_notice",
            "links",
        ]
    )
    assert STUDENT not in json.dumps(one)


REQUESTS = {
    "look": ("GET", "", None),
    "open": ("POST", "/open", OPENING),
    "fetch": ("GET", "/content", None),
    "fetch one file": ("GET", "/content/transcript.pdf", None),
    "acknowledge": ("POST", "/acknowledge", {"digest": DIGEST}),
    "replay": ("POST", "/replay", None),
}


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS.values(), ids=REQUESTS.keys())
async def test_p9_a_strangers_delivery_and_a_missing_one_get_the_same_answer(
    counter: Counter, method: str, path: str, body: dict[str, str] | None
) -> None:
    await opened(counter)
    async with counter.client("stranger") as client:
        theirs = await client.request(method, f"/delivery/deliveries/{counter.delivery_id}{path}", json=body)
        missing = await client.request(method, f"/delivery/deliveries/dlv_missing{path}", json=body)
    assert theirs.status_code == missing.status_code == 404
    assert theirs.json() | {"instance": ""} == missing.json() | {"instance": ""}


@pytest.mark.parametrize("who", ["student", "guardian", "registrar"])
async def test_only_recipients_open(counter: Counter, who: str) -> None:
    async with counter.client(who) as client:
        answer = await client.post(f"/delivery/deliveries/{counter.delivery_id}/open", json=OPENING)
    assert answer.status_code == 403


async def test_opening_gives_links_and_is_one_disclosure(counter: Counter) -> None:
    async with counter.client() as client:
        for _ in range(2):
            answer = await client.post(f"/delivery/deliveries/{counter.delivery_id}/open", json=OPENING)
            assert answer.json()["links"]["transcript.pdf"].endswith("/content/transcript.pdf")
    assert counter.house.said == ["delivery.transcript.delivered.v1"]


async def test_the_notice_must_be_accepted_as_it_is_today(counter: Counter) -> None:
    async with counter.client() as client:
        answer = await client.post(
            f"/delivery/deliveries/{counter.delivery_id}/open", json={"redisclosure_notice": "older"}
        )
        assert answer.status_code == 422
        assert NOTICE_VERSION in answer.json()["detail"]
        extra = await client.post(f"/delivery/deliveries/{counter.delivery_id}/open", json=OPENING | {"x": 1})
        assert extra.status_code == 422


async def test_what_was_not_opened_is_not_fetched(counter: Counter) -> None:
    async with counter.client() as client:
        assert (await client.get(f"/delivery/deliveries/{counter.delivery_id}/content")).status_code == 409


async def test_the_package_comes_byte_for_byte(counter: Counter) -> None:
    await opened(counter)
    async with counter.client() as client:
        answer = await client.get(f"/delivery/deliveries/{counter.delivery_id}/content")
    assert answer.content == PACKAGE
    digest = base64.b64encode(hashlib.sha256(PACKAGE).digest()).decode()
    assert answer.headers["content-digest"] == f"sha-256=:{digest}:"
    assert answer.headers["cache-control"] == "no-store"


async def test_one_file_comes_alone(counter: Counter) -> None:
    await opened(counter)
    async with counter.client() as client:
        pdf = await client.get(f"/delivery/deliveries/{counter.delivery_id}/content/transcript.pdf")
        evidence = await client.get(f"/delivery/deliveries/{counter.delivery_id}/content/evidence/ev-1-photo.png")
        nothing = await client.get(f"/delivery/deliveries/{counter.delivery_id}/content/../../secrets")
    assert (pdf.status_code, pdf.headers["content-type"]) == (200, "application/pdf")
    assert evidence.content == b"png"
    assert nothing.status_code == 404


async def test_p15_the_documents_answer_carries_nothing_but_the_document(counter: Counter) -> None:
    await opened(counter)
    async with counter.client() as client:
        answer = await client.get(f"/delivery/deliveries/{counter.delivery_id}/content/transcript.pdf")
    allowed = {
        "content-type", "content-length", "content-digest", "content-disposition", "cache-control", "x-request-id",
        "content-security-policy", "x-content-type-options", "referrer-policy", "cross-origin-opener-policy",
        "cross-origin-resource-policy", "permissions-policy", "x-frame-options", "strict-transport-security",
    }  # fmt: skip
    assert set(answer.headers) <= allowed
    assert answer.content == b"%PDF-1.7 a transcript"


async def test_what_was_taken_back_is_gone_for_every_request(counter: Counter) -> None:
    await opened(counter)
    await counter.house.hear(revoked())
    async with counter.client() as client:
        for method, path, body in REQUESTS.values():
            if path in ("", "/replay"):
                continue
            answer = await client.request(method, f"/delivery/deliveries/{counter.delivery_id}{path}", json=body)
            assert answer.status_code == 410, path
    assert (await counter.delivery()).status is Status.CANCELLED


async def test_stale_knowledge_of_revocations_answers_503_and_fresh_knowledge_serves(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    await opened(counter)
    later = clock.now() + timedelta(seconds=31)
    monkeypatch.setattr(clock, "now", lambda: later)
    async with counter.client() as client:
        address = f"/delivery/deliveries/{counter.delivery_id}/content"
        assert (await client.get(address)).status_code == 503
        await counter.house.hear(*watermarks_passed(later))
        assert (await client.get(address)).status_code == 200


async def test_an_opening_that_took_too_long_is_not_answered_with_the_disclosure(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    transact, late = counter.house.store.transact, [LONGEST_ANSWER.total_seconds() + 1]

    async def slow(body: Any) -> Any:
        answer = await transact(body)
        begun, late[0] = clock.seconds() + late[0], 0.0
        monkeypatch.setattr(clock, "seconds", lambda: begun)
        return answer

    monkeypatch.setattr(counter.house.store, "transact", slow)
    async with counter.client() as client:
        address = f"/delivery/deliveries/{counter.delivery_id}/open"
        assert (await client.post(address, json=OPENING)).status_code == 503
        assert (await client.post(address, json=OPENING)).status_code == 200, "asked again, it is judged afresh"


async def test_a_revocation_heard_while_the_package_is_opened_stops_it(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    await opened(counter)
    fetch = counter.sealed.vault.fetch

    async def slow(place: str) -> bytes:
        found = await fetch(place)
        await counter.house.hear(revoked())
        return found

    monkeypatch.setattr(counter.sealed.vault, "fetch", slow)
    async with counter.client() as client:
        assert (await client.get(f"/delivery/deliveries/{counter.delivery_id}/content")).status_code == 410


async def test_an_erased_person_opens_nothing(counter: Counter) -> None:
    await opened(counter)
    await counter.sealed.keys.erase(STUDENT)
    async with counter.client() as client:
        answer = await client.get(f"/delivery/deliveries/{counter.delivery_id}/content")
    assert answer.status_code == 410
    assert "erased" in answer.json()["detail"]


async def test_the_grant_runs_out_for_what_was_opened_too(counter: Counter) -> None:
    await opened(counter)
    await counter.now(expires_at=clock.now())
    async with counter.client() as client:
        assert (await client.get(f"/delivery/deliveries/{counter.delivery_id}/content")).status_code == 410


async def test_a_digest_is_acknowledged(counter: Counter) -> None:
    await opened(counter)
    async with counter.client() as client:
        address = f"/delivery/deliveries/{counter.delivery_id}/acknowledge"
        wrong = await client.post(address, json={"digest": "sha256:" + "0" * 64})
        assert (wrong.json()["status"], wrong.json()["matches"]) == ("delivered", False)
        assert (await client.post(address, json={"digest": "md5:1"})).status_code == 422
        right = await client.post(address, json={"digest": DIGEST}, headers={"idempotency-key": "k"})
        assert (right.json()["status"], right.json()["matches"]) == ("acknowledged", True)
        again = await client.post(address, json={"digest": DIGEST}, headers={"idempotency-key": "k"})
        assert again.json() == right.json()


async def test_a_school_follows_what_it_released(counter: Counter) -> None:
    async with counter.client("registrar") as client:
        (one,) = (await client.get("/delivery/schools/org_school/deliveries")).json()
        assert (one["recipient_id"], one["status"]) == (COLLEGE, "available")
    async with counter.client("foreign registrar") as client:
        assert (await client.get("/delivery/schools/org_school/deliveries")).status_code == 404
