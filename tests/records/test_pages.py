"""The pages: what a registrar and a family see, that forms do the same as the API, and that they ask for the csrf field."""

import re

import orjson
import pytest

from services.chassis.web.auth import digest_of_many
from services.chassis.web.pages import Words
from services.records.pages import state_of
from tests.records.web import House
from tests.records.world import NOTES, SCHOOL, STUDENT, World, content

CSRF = {"csrf": "c" * 43}
FILE = "application/json"


@pytest.fixture
def house(world: World) -> House:
    return House(world)


def a_file(**changes: object) -> bytes:
    words = {"student_id": STUDENT, "content": content().model_dump(mode="json", exclude_none=True)}
    return orjson.dumps({**words, **changes})


async def test_a_registrar_reads_the_students_names_and_what_waits_for_a_seal(house: House) -> None:
    await house.world.import_()
    async with house.browser("registrar") as registrar:
        page = await registrar.get("/records/")
    assert page.status_code == 200
    assert "Ximena Ibáñez" in page.text and "One draft waits for a seal" in page.text
    assert "/identity/step-up?act=records.seal" in page.text


async def test_an_import_by_form_tells_of_each_file_what_became_of_it(house: House) -> None:
    bad = orjson.loads(a_file())
    bad["content"]["credits"][0]["area"] = "nowhere"
    files = [
        ("files", ("good.json", a_file(school_sourced_id="org-harbor-point"), FILE)),
        ("files", ("bad.json", orjson.dumps(bad), FILE)),
        ("files", ("unknown.json", a_file(student_id="per_nobody"), FILE)),
        ("files", ("broken.json", b"{", FILE)),
        ("files", ("list.json", b"[]", FILE)),
        ("files", ("two.json", a_file(student_sourced_id="hp-1"), FILE)),
    ]
    async with house.browser("registrar") as registrar:
        page = await registrar.post(f"/records/at/{SCHOOL}/import", files=files, data={**CSRF, "roster_source": "d"})
    assert page.status_code == 200
    for said in (
        "Ximena Ibáñez",
        "One file of evidence is still to be uploaded",
        "content.credits[0].area",
        "no such student",
        "the file is not JSON",
        "not in the form of an import",
    ):
        assert said in page.text
    assert len(await house.world.questions.transcripts_at(SCHOOL)) == 1


async def test_a_form_without_the_csrf_field_does_nothing(house: House) -> None:
    async with house.browser("registrar") as registrar:
        page = await registrar.post(f"/records/at/{SCHOOL}/import", files=[("files", ("a.json", a_file(), FILE))])
    assert page.status_code == 403
    assert await house.world.questions.transcripts_at(SCHOOL) == []


async def test_from_draft_to_seal_by_pages_alone(house: House) -> None:
    transcript = await house.world.import_()
    assert transcript.draft is not None
    where = f"/records/view/{transcript.transcript_id}"
    async with house.browser("registrar") as registrar:
        assert "One file of evidence is missing" in (await registrar.get(where)).text
        sent = await registrar.post(
            f"{where}/evidence", data={**CSRF, "evidence_id": "notes"}, files={"file": ("n.txt", NOTES, "text/plain")}
        )
        assert (sent.status_code, sent.headers["location"]) == (303, where)
        page = (await registrar.get(where)).text
        assert "Seal this draft" in page and "Models a tide" in page
        confirm = (await registrar.get(f"{where}/seal")).text
        (digest,) = re.findall(r'name="digest" value="([^"]+)"', confirm)
        headers = house.step_up(transcript.transcript_id, digest)
        sealed = await registrar.post(f"{where}/seal", data={**CSRF, "digest": digest}, headers=headers)
        assert sealed.status_code == 303
        page = (await registrar.get(where)).text
        assert "Version 1" in page and "/transcript.pdf" in page
        assert "There is no draft to seal" in (await registrar.get(f"{where}/seal")).text


async def test_many_are_sealed_by_one_page(house: House) -> None:
    transcript = await house.world.import_()
    assert transcript.draft is not None
    await house.world.upload(transcript)
    digest = digest_of_many([(transcript.transcript_id, transcript.draft.digest)])
    async with house.browser("registrar") as registrar:
        confirm = (await registrar.get(f"/records/at/{SCHOOL}/seal")).text
        assert "Ximena Ibáñez" in confirm
        found = re.findall(r'name="transcript_ids" value="([^"]+)"', confirm)
        page = await registrar.post(
            f"/records/at/{SCHOOL}/seal",
            data={**CSRF, "transcript_ids": found},
            headers=house.step_up(SCHOOL, digest),
        )
        assert "Version 1" in page.text and "Ximena Ibáñez" in page.text
        assert "There is no draft to seal" in (await registrar.get(f"/records/at/{SCHOOL}/seal")).text


async def test_what_can_not_be_sealed_says_why(house: House) -> None:
    transcript = await house.world.import_()
    assert transcript.draft is not None
    digest = digest_of_many([(transcript.transcript_id, transcript.draft.digest)])
    async with house.browser("registrar") as registrar:
        page = await registrar.post(
            f"/records/at/{SCHOOL}/seal",
            data={**CSRF, "transcript_ids": [transcript.transcript_id]},
            headers=house.step_up(SCHOOL, digest),
        )
    assert "Not sealed" in page.text and "upload it again" in page.text


async def test_a_hold_is_placed_and_lifted_and_a_transcript_withdrawn_by_form(house: House) -> None:
    transcript, _ = await house.world.sealed()
    where = f"/records/view/{transcript.transcript_id}"
    async with house.browser("registrar") as registrar:
        form = {**CSRF, "reason": "fees", "days": "30", "note": "The book."}
        assert (await registrar.post(f"{where}/hold", data=form)).status_code == 303
        assert "Open fees" in (await registrar.get(where)).text
        async with house.browser("guardian") as guardian:
            mine = (await guardian.get("/records/mine")).text
            assert "The school holds releases back" in mine and "The book." not in mine
        assert (await registrar.post(f"{where}/lift", data=CSRF)).status_code == 303
        assert (await registrar.post(f"{where}/withdraw", data=CSRF)).status_code == 303
        assert "Withdrawn" in (await registrar.get(where)).text


async def test_a_family_sees_its_own_record_and_the_very_document(house: House) -> None:
    transcript, package = await house.world.sealed()
    await house.world.hear(await house.world.opened(transcript, "credit.S1"))
    await house.world.make_packages()
    for who in ("student", "guardian"):
        async with house.browser(who) as client:
            page = (await client.get("/records/")).text
            assert f"/records/packages/{package.package_id}/transcript.pdf" in page
            assert f"/consent/ask?transcript_id={transcript.transcript_id}" in page
            assert "S1 Reads a river" in page
            view = await client.get(f"/records/view/{transcript.transcript_id}")
            assert view.status_code == 200 and "Withdraw" not in view.text and "Hold" not in view.text


async def test_a_strangers_page_and_a_missing_one_are_the_same(house: House) -> None:
    transcript, _ = await house.world.sealed()
    async with house.browser("other guardian") as stranger:
        answers = [await stranger.get(f"/records/view/{one}") for one in (transcript.transcript_id, "trn_nothing")]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert "No transcript yet" in (await stranger.get("/records/mine")).text
    async with house.browser("other registrar") as stranger:
        assert (await stranger.get(f"/records/at/{SCHOOL}")).status_code == 404


async def test_an_erased_student_is_said_to_be_erased(house: House) -> None:
    transcript = await house.world.import_()
    await house.world.keys.erase(STUDENT)
    async with house.browser("registrar") as registrar:
        assert "(erased)" in (await registrar.get("/records/")).text
        assert (await registrar.get(f"/records/view/{transcript.transcript_id}")).status_code == 200


async def test_whoever_belongs_to_two_schools_chooses(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from contracts.types import Membership, OrganizationId, PersonKind
    from tests.records import web

    two = tuple(
        Membership(kind=PersonKind.REGISTRAR, organization_id=OrganizationId(one)) for one in (SCHOOL, "org_new")
    )
    monkeypatch.setitem(web.WHO, "registrar", (web.WHO["registrar"][0], two))
    async with house.browser("registrar") as registrar:
        page = await registrar.get("/records/")
        assert f"/records/at/{SCHOOL}" in page.text
        assert (await registrar.get("/records/at/org_new")).status_code == 404


async def test_the_family_reads_it_in_spanish(house: House) -> None:
    await house.world.sealed()
    async with house.browser("guardian") as guardian:
        page = await guardian.get("/records/mine", headers={"accept-language": "es"})
    assert "Mi expediente" in page.text and "Ver el documento (PDF)" in page.text


def test_every_state_has_words_for_both_sides() -> None:
    from services.chassis.web.pages import HERE, SERVICES

    words = Words(HERE / "words", SERVICES / "records" / "templates" / "words")
    for state in ("draft", "sealed", "held", "withdrawn"):
        assert words.has(f"state.{state}") and words.has(f"state.{state}.family")


async def test_a_transcript_without_anything_is_empty(house: House) -> None:
    from dataclasses import replace

    transcript = await house.world.import_()
    assert state_of(replace(transcript, draft=None)) == ("empty", "mute")
