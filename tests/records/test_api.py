"""The JSON door: who may do what, what an answer says, and that none of its routes releases anything."""

import hashlib
import io
import zipfile
from typing import Any

import orjson
import pytest
import rfc8785
from joserfc import jws
from joserfc.jwk import KeySet

from contracts.types import PersonId, PersonKind, RightsHolder
from services.chassis import ids
from services.chassis.web.auth import digest_of_many
from services.chassis.web.http import openapi, rights
from services.records.domain.content import TranscriptContent
from tests.records.web import House
from tests.records.world import NOTES, OTHER_SCHOOL, SCHOOL, STUDENT, World, content

TRANSCRIPTS = f"/records/schools/{SCHOOL}/transcripts"


@pytest.fixture
def house(world: World) -> House:
    return House(world)


def words(what: TranscriptContent | None = None) -> dict[str, Any]:
    return (what or content()).model_dump(mode="json", exclude_none=True)


async def drafted(house: House) -> dict[str, Any]:
    async with house.program("registrar") as registrar:
        answer = await registrar.post(TRANSCRIPTS, json={"student_id": STUDENT, "content": words()})
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        where = f"/records/transcripts/{body['transcript_id']}/evidence/notes"
        put = await registrar.put(where, content=NOTES, headers={"content-type": "text/plain; charset=utf-8"})
        assert put.status_code == 204, put.text
        return body


async def test_an_import_names_the_evidence_that_is_still_missing(house: House) -> None:
    async with house.program("registrar") as registrar:
        answer = await registrar.post(TRANSCRIPTS, json={"student_id": STUDENT, "content": words()})
        missing = [{"evidence_id": "notes", "sha256": hashlib.sha256(NOTES).hexdigest()}]
        assert answer.json()["missing_evidence"] == missing
        assert answer.json()["draft_digest"].startswith("sha256:")
        await drafted(house)
        again = await registrar.post(TRANSCRIPTS, json={"student_id": STUDENT, "content": words()})
        assert again.json()["missing_evidence"] == []


async def test_the_same_idempotency_key_imports_once(house: House) -> None:
    async with house.program("registrar") as registrar:
        for _ in range(2):
            answer = await registrar.post(
                TRANSCRIPTS,
                json={"student_id": STUDENT, "content": words()},
                headers={"idempotency-key": "import-1"},
            )
            assert answer.status_code == 200
    (found,) = await house.world.questions.transcripts_at(SCHOOL)
    assert found.version == 1


async def test_a_student_may_be_named_by_the_rosters_id(house: House) -> None:
    for source in (None, "district"):
        person = ids.derived("per", source or SCHOOL, "hp-st-002")
        await house.world.hear(await house.world.person(PersonId(person), PersonKind.STUDENT, name="A"))
        body = {"student_sourced_id": "hp-st-002", "content": words()}
        async with house.program("registrar") as registrar:
            answer = await registrar.post(
                TRANSCRIPTS, json=body if source is None else {**body, "roster_source": source}
            )
        assert answer.json()["student_id"] == person


async def test_what_is_wrong_with_a_content_is_told_place_by_place_and_not_repeated(house: House) -> None:
    bad = words()
    bad["credits"][0]["grade"] = "A+ Ximena"
    bad["credits"][1]["competencies"][0]["level"] = "splendid-Ximena"
    async with house.program("registrar") as registrar:
        answer = await registrar.post(TRANSCRIPTS, json={"student_id": STUDENT, "content": bad})
    assert answer.status_code == 422
    assert "content.credits[0].grade" in [fault["where"] for fault in answer.json()["faults"]]
    assert "Ximena" not in answer.text


@pytest.mark.parametrize("body", [{}, {"student_id": "a", "student_sourced_id": "b"}, {"student_id": "a", "more": 1}])
async def test_an_import_that_names_nobody_or_two_is_refused(house: House, body) -> None:
    async with house.program("registrar") as registrar:
        answer = await registrar.post(TRANSCRIPTS, json={"content": words(), **body})
    assert answer.status_code == 422


async def test_evidence_of_more_than_ten_mebibytes_is_refused_at_the_door(house: House) -> None:
    body = await drafted(house)
    async with house.program("registrar") as registrar:
        where = f"/records/transcripts/{body['transcript_id']}/evidence/notes"
        answer = await registrar.put(
            where, content=b"x" * (10 * 1024 * 1024 + 1), headers={"content-type": "text/plain"}
        )
    assert answer.status_code == 413 and answer.json()["title"] == "too large"


async def test_a_seal_needs_a_step_up_for_exactly_this_draft(house: House) -> None:
    body = await drafted(house)
    on, digest = body["transcript_id"], body["draft_digest"]
    where, shown = f"/records/transcripts/{on}/seal", {"digest": digest}
    async with house.program("registrar") as registrar:
        for headers in (
            {},
            house.step_up(on, "sha256:" + "0" * 64),
            house.step_up("trn_other", digest),
            house.step_up(on, digest, act="consent.sign"),
            house.step_up(on, digest, who="guardian"),
        ):
            assert (await registrar.post(where, json=shown, headers=headers)).status_code == 401
        answer = await registrar.post(where, json=shown, headers=house.step_up(on, digest))
        assert (answer.status_code, answer.json()["transcript_version"]) == (200, 1)


async def test_a_draft_that_was_changed_after_it_was_shown_is_not_sealed(house: House) -> None:
    body = await drafted(house)
    on, digest = body["transcript_id"], body["draft_digest"]
    await house.world.import_(content(notes="Changed."), cause="cmd_2")
    async with house.program("registrar") as registrar:
        answer = await registrar.post(
            f"/records/transcripts/{on}/seal", json={"digest": digest}, headers=house.step_up(on, digest)
        )
    assert answer.status_code == 409 and house.world.said() == []


async def test_a_bulk_seal_takes_one_step_up_for_all_the_digests(house: House) -> None:
    body = await drafted(house)
    async with house.program("registrar") as registrar:
        drafts = (await registrar.get(f"/records/schools/{SCHOOL}/drafts")).json()
        assert drafts["digest"] == digest_of_many([(body["transcript_id"], body["draft_digest"])])
        answer = await registrar.post(
            f"/records/schools/{SCHOOL}/seal",
            json={"transcript_ids": [body["transcript_id"]]},
            headers=house.step_up(SCHOOL, drafts["digest"]),
        )
        assert [one["transcript"]["transcript_version"] for one in answer.json()] == [1]
        strangers = await registrar.post(f"/records/schools/{SCHOOL}/seal", json={"transcript_ids": ["trn_1"]})
        assert strangers.status_code == 404


async def test_a_bulk_seal_tells_of_each_what_became_of_it(house: House) -> None:
    transcript = await house.world.import_()
    assert transcript.draft is not None
    digest = digest_of_many([(transcript.transcript_id, transcript.draft.digest)])
    async with house.program("registrar") as registrar:
        answer = await registrar.post(
            f"/records/schools/{SCHOOL}/seal",
            json={"transcript_ids": [transcript.transcript_id]},
            headers=house.step_up(SCHOOL, digest),
        )
    (one,) = answer.json()
    assert one["transcript"] is None and "upload it again" in one["problem"]


async def test_the_family_and_the_registrar_see_exactly_the_bytes_that_would_go(house: House) -> None:
    _, package = await house.world.sealed()
    for who in ("student", "guardian", "registrar"):
        async with house.program(who) as client:
            raw = (await client.get(f"/records/packages/{package.package_id}/content")).content
            assert f"sha256:{hashlib.sha256(raw).hexdigest()}" == package.digest
            pdf = await client.get(f"/records/packages/{package.package_id}/transcript.pdf")
            assert pdf.headers["content-type"] == "application/pdf" and pdf.headers["cache-control"] == "no-store"
            with zipfile.ZipFile(io.BytesIO(raw)) as archive:
                assert archive.read("transcript.pdf") == pdf.content
                credential = await client.get(f"/records/packages/{package.package_id}/credential.json")
                assert archive.read("credential.json") == credential.content


async def test_when_the_student_comes_of_age_the_guardians_access_ends(house: House) -> None:
    transcript, package = await house.world.sealed()
    student = await house.world.person(STUDENT, PersonKind.STUDENT, name="Ximena Ibáñez", version=2)
    await house.world.hear(student.model_copy(update={"rights_holder": RightsHolder.STUDENT}))
    where = f"/records/packages/{package.package_id}/transcript.pdf"
    async with house.program("guardian") as guardian, house.program("student") as own:
        assert (await guardian.get(where)).status_code == 404
        assert (await guardian.get("/records/transcripts")).json() == []
        assert (await own.get(where)).status_code == 200
    assert transcript.number == 1


async def test_a_credential_verifies_with_the_keys_at_the_address_that_it_names(house: House) -> None:
    _, package = await house.world.sealed()
    async with house.program(None) as anyone:
        keys = (await anyone.get("/records/keys")).json()
    assert all("d" not in key and key["kid"].startswith("https://placet.example/records/keys#") for key in keys["keys"])
    async with house.program("student") as student:
        raw = (await student.get(f"/records/packages/{package.package_id}/content")).content
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        token = archive.read("credential.1edtech.jwt")
    signed = jws.deserialize_compact(token, KeySet.import_key_set(keys), algorithms=["RS256"])
    assert signed.headers()["kid"] in {key["kid"] for key in keys["keys"]}


async def test_a_package_that_is_still_being_made_is_for_later(house: House) -> None:
    transcript, _ = await house.world.sealed()
    await house.world.hear(await house.world.opened(transcript, "credit.S1"))
    (pending,) = [one for one in await house.world.questions.packages_of(transcript.transcript_id) if one.due_at]
    async with house.program("student") as student:
        answer = await student.get(f"/records/packages/{pending.package_id}/content")
    assert answer.status_code == 503


async def test_a_transcript_is_shown_with_versions_and_packages_and_no_word_of_it(house: House) -> None:
    transcript, package = await house.world.sealed()
    async with house.program("guardian") as guardian:
        body = (await guardian.get(f"/records/transcripts/{transcript.transcript_id}")).json()
        assert [one["transcript_id"] for one in (await guardian.get("/records/transcripts")).json()] == [
            transcript.transcript_id
        ]
    assert [one["number"] for one in body["versions"]] == [1]
    assert [one["digest"] for one in body["packages"]] == [package.digest]
    assert "Ximena" not in str(body)


async def test_the_seals_of_a_school_are_told_line_by_line_with_hashes_that_anybody_can_compute(house: House) -> None:
    transcript, package = await house.world.sealed()
    await house.world.hear(await house.world.opened(transcript, "credit.S1", request_id="req_pending"))
    async with house.program("registrar") as registrar:
        answer = await registrar.get(f"/records/schools/{SCHOOL}/seals")
    assert answer.headers["content-type"] == "application/jsonl"
    made, sealed = [orjson.loads(line) for line in answer.content.splitlines()]
    assert (made["what"], made["package_id"], made["digest"]) == ("package", package.package_id, package.digest)
    assert (made["parts"], made["partial"], made["transcript_digest"]) == ([], False, transcript.digest)
    assert (sealed["what"], sealed["transcript_version"], sealed["digest"]) == ("version", 1, transcript.digest)
    assert sealed["sealed_at"] <= made["prepared_at"] and sealed["sealed_at"].endswith("Z")
    for line in (made, sealed):
        said = line.pop("hash")
        assert said == "sha256:" + hashlib.sha256(rfc8785.dumps(line)).hexdigest()
    assert "Ximena" not in answer.text


async def test_a_hold_is_placed_changed_and_lifted(house: House) -> None:
    transcript, _ = await house.world.sealed()
    where = f"/records/transcripts/{transcript.transcript_id}/hold"
    async with house.program("registrar") as registrar:
        from datetime import timedelta

        from services.chassis import clock

        until = (clock.now() + timedelta(days=30)).isoformat()
        placed = (await registrar.put(where, json={"reason": "fees", "until": until, "note": "The book."})).json()
        changed = (await registrar.put(where, json={"reason": "review", "until": until})).json()
        assert placed["hold"]["hold_id"] == changed["hold"]["hold_id"] and changed["hold"]["reason"] == "review"
        late = await registrar.put(
            where, json={"reason": "fees", "until": (clock.now() + timedelta(days=181)).isoformat()}
        )
        zoneless = await registrar.put(where, json={"reason": "fees", "until": "2026-12-24T00:00:00"})
        assert (late.status_code, zoneless.status_code) == (422, 422)
        assert (await registrar.delete(where)).json()["hold"] is None
        assert (await registrar.delete(where)).status_code == 409


async def test_a_withdrawn_transcript_says_so(house: House) -> None:
    transcript, _ = await house.world.sealed()
    async with house.program("registrar") as registrar:
        for _ in range(2):
            answer = await registrar.post(f"/records/transcripts/{transcript.transcript_id}/withdraw")
            assert answer.json()["withdrawn"] is True
    assert house.world.said(2) == ["records.transcript.withdrawn.v1"]


OTHERS = ("other registrar", "other guardian", "educator", "reader")


async def test_p9_a_stranger_gets_the_same_answer_as_for_what_is_not_there(house: House) -> None:
    transcript, package = await house.world.sealed()
    for who in OTHERS:
        async with house.program(who) as stranger:
            for there, missing in (
                (f"/records/transcripts/{transcript.transcript_id}", "/records/transcripts/trn_nothing"),
                (f"/records/packages/{package.package_id}/content", "/records/packages/pkg_nothing/content"),
                (f"/records/packages/{package.package_id}/transcript.pdf", "/records/packages/pkg_no/transcript.pdf"),
                (f"/records/packages/{package.package_id}/credential.json", "/records/packages/pkg_no/credential.json"),
            ):
                found, nothing = await stranger.get(there), await stranger.get(missing)
                assert found.status_code == nothing.status_code == 404
                assert found.json()["detail"] == nothing.json()["detail"]
            assert (await stranger.get("/records/transcripts")).json() == []


async def test_what_is_the_registrars_is_no_other_persons(house: House) -> None:
    transcript, _ = await house.world.sealed()
    one = f"/records/transcripts/{transcript.transcript_id}"
    seal = {"digest": "sha256:" + "0" * 64}
    until = {"reason": "fees", "until": "2026-12-24T00:00:00Z"}
    for who in ("student", "guardian", *OTHERS):
        async with house.program(who) as client:
            answers = [
                await client.post(TRANSCRIPTS, json={"student_id": STUDENT, "content": words()}),
                await client.get(TRANSCRIPTS),
                await client.get(f"/records/schools/{SCHOOL}/drafts"),
                await client.get(f"/records/schools/{SCHOOL}/seals"),
                await client.put(f"{one}/evidence/notes", content=NOTES, headers={"content-type": "text/plain"}),
                await client.post(f"{one}/seal", json=seal),
                await client.post(f"/records/schools/{SCHOOL}/seal", json={"transcript_ids": ["trn_1"]}),
                await client.post(f"{one}/withdraw"),
                await client.put(f"{one}/hold", json=until),
                await client.delete(f"{one}/hold"),
            ]
        assert {answer.status_code for answer in answers} <= {403, 404}, who
    assert house.world.said(2) == []


async def test_nobody_signed_in_gets_the_keys_and_nothing_else(house: House) -> None:
    async with house.program(None) as nobody:
        for path, right in ((path.split(" ")[1], right) for path, right in rights(house.app).items() if "GET" in path):
            answer = await nobody.get(path.replace("{school_id}", OTHER_SCHOOL))
            assert answer.status_code == (200 if right == "anyone" else 401), path
    assert [path for path, right in rights(house.app).items() if right == "anyone"] == ["GET /records/keys"]


def test_p14_records_has_no_door_that_releases(house: House) -> None:
    assert not [path for path in rights(house.app) if "release" in path.lower()]
    methods = {name for name in dir(house.desk) if not name.startswith("_")}
    assert not {name for name in methods if "release" in name}


def test_every_route_of_the_api_has_a_summary(house: House) -> None:
    for path, operations in openapi(house.app)["paths"].items():
        for operation in operations.values():
            assert operation["summary"] and operation["summary"] != operation.get("operationId"), path


async def test_erased_is_said_and_nothing_opens(house: House) -> None:
    _, package = await house.world.sealed()
    await house.world.keys.erase(STUDENT)
    async with house.program("registrar") as registrar:
        answer = await registrar.get(f"/records/packages/{package.package_id}/content")
        again = await registrar.post(TRANSCRIPTS, json={"student_id": STUDENT, "content": words()})
        shown = await registrar.get(TRANSCRIPTS)
    assert (answer.status_code, again.status_code, shown.status_code) == (410, 200, 200)
