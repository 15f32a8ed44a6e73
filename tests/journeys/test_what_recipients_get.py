"""P15: a recipient gets the transcript, and nothing about how it was used, by whom, or on what. The whole list is here.

A field, a header or a file that comes new fails this page: whoever adds it says why a recipient needs it.
"""

import io
import json
import zipfile

import pypdf
import pytest

from deploy.demo import acts
from deploy.demo.cast import Caller, Json
from tests.support.house import World
from tests.support.receiver import Receiver

pytestmark = pytest.mark.connected

DELIVERY = {
    "delivery_id", "request_id", "status", "school_id", "school_name", "purpose", "package_digest", "size", "available_at",
    "expires_at", "opened_at", "acknowledged_at", "matches", "redisclosure_notice", "links",
}  # fmt: skip
ENDPOINT = {"name", "recipient_id", "url", "description", "state", "why", "failing_since", "secret"}
ATTEMPT = {"webhook_id", "kind", "state", "failures", "due_at", "last_at", "last_said"}
PROBLEM = {"type", "title", "status", "detail", "instance", "faults"}
SECURITY_HEADERS = {
    "content-security-policy", "x-content-type-options", "referrer-policy", "cross-origin-opener-policy",
    "cross-origin-resource-policy", "permissions-policy", "x-frame-options", "cache-control",
}  # fmt: skip
HEADERS = SECURITY_HEADERS | {"content-type", "content-length", "date", "x-request-id", "server", "transfer-encoding"}
DOCUMENT_HEADERS = HEADERS | {"content-digest", "content-disposition"}
WEBHOOK = {"type", "timestamp", "data"}
WEBHOOK_DATA = {"delivery_id", "request_id", "link", "digest"}
WEBHOOK_HEADERS = {
    "host", "accept", "accept-encoding", "content-length", "content-type", "user-agent", "webhook-id", "webhook-timestamp",
    "webhook-signature", "traceparent",
}  # fmt: skip
FILES = {"transcript.pdf", "credential.vc.jwt", "credential.1edtech.jwt", "credential.json", "manifest.json"}
PDF = {"/Title", "/Author", "/Creator", "/CreationDate", "/ModDate"}


async def test_p15_a_recipients_answers_hold_the_listed_fields_and_headers_and_no_other(world: World) -> None:
    reader = await world.recruit("Goldfield College")
    reader.mood = "idle"
    family = await world.family()
    request = await world.ask(family, reader)
    await acts.sign(family.signer, request["request_id"])
    await world.until_stage(family, request["request_id"], "available")
    program = await reader.program()

    (delivery,), headers = await seen(program, "GET", "/delivery/deliveries")
    assert set(delivery) == DELIVERY
    assert headers <= HEADERS
    path = f"/delivery/deliveries/{delivery['delivery_id']}"
    one, headers = await seen(program, "GET", path)
    assert set(one) == DELIVERY
    opened, _ = await seen(
        program, "POST", f"{path}/open", {"redisclosure_notice": one["redisclosure_notice"]["version"]}
    )
    assert set(opened) == DELIVERY
    endpoint, _ = await seen(program, "GET", "/delivery/endpoints/main")
    assert set(endpoint) == ENDPOINT
    assert endpoint["secret"] is None, "a secret is shown once"
    (attempt,), _ = await seen(program, "GET", "/delivery/endpoints/main/attempts")
    assert set(attempt) == ATTEMPT
    no, headers = await seen(program, "GET", "/delivery/deliveries/dlv_none")
    assert set(no) <= PROBLEM
    assert headers <= HEADERS

    package, headers = await seen(program, "GET", f"{path}/content")
    assert headers <= DOCUMENT_HEADERS
    await files_are_the_listed_ones(package)

    said = json.dumps([delivery, one, opened, endpoint, attempt])
    for person in (family.student.person_id, family.signer.person_id):
        assert person not in said, "who asked and who signed is nothing a recipient is told"
    for word in ("viewed", "ip_address", "user_agent", "last_login", "opened_by", "basis", "grantor"):
        assert word not in said


async def files_are_the_listed_ones(package: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        names = set(archive.namelist())
        assert {name for name in names if not name.startswith("evidence/")} == FILES
        assert len({entry.date_time for entry in archive.infolist()}) == 1, "no clock of ours in the archive"
        assert not archive.comment
        pdf = pypdf.PdfReader(io.BytesIO(archive.read("transcript.pdf")))
        manifest = json.loads(archive.read("manifest.json"))
    assert set(pdf.metadata or {}) <= PDF, set(pdf.metadata or {}) - PDF
    assert "person" not in json.dumps(dict(pdf.metadata or {}))
    assert not {"usage", "device", "session", "ip"} & set(json.dumps(manifest).replace('"', " ").split())


async def test_p15_a_webhook_holds_ids_a_link_and_a_digest_and_nothing_personal(
    world: World, college: Receiver
) -> None:
    family = await world.family()
    end = await world.release(family, college)
    for hook in college.told_of(end["request_id"]):
        body = json.loads(hook.body)
        assert set(body) == WEBHOOK
        assert set(body["data"]) == WEBHOOK_DATA
        assert {name.lower() for name in hook.headers} <= WEBHOOK_HEADERS, hook.headers
        assert family.student.person_id not in hook.body + json.dumps(hook.headers)
        assert family.resident.given not in hook.body + json.dumps(hook.headers)


async def seen(program: Caller, method: str, path: str, body: Json = None) -> tuple[Json, set[str]]:
    """What came back, and the names of its headers."""
    headers = {"authorization": f"Bearer {program.token}", "accept": "application/json"}
    async with program.web.request(method, program.origin + path, json=body, headers=headers) as answer:
        content = await answer.read()
        told = json.loads(content) if answer.content_type.endswith("json") else content
        return told, {name.lower() for name in answer.headers}
