"""Pages for people: they show what would go, byte for byte, and every form works without a script."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from contracts.types import OrganizationKind, Part, Purpose, Selection
from services.chassis import clock
from services.chassis.web import http
from services.consent import pages
from services.consent.domain import Stage, Status
from services.consent.pages import TONES
from services.consent.store import PAGE
from tests.consent.build import (
    COLLEGE,
    GUARDIAN,
    PACKAGE_DIGEST,
    REGISTRAR,
    SCHOOL,
    STRANGER,
    STUDENT,
    TRANSCRIPT,
    a_package,
    a_policy,
    a_recipient,
    a_school,
    a_student,
    a_transcript,
    an_approved_request,
)
from tests.consent.house import (
    CSRF,
    EDUCATOR,
    OTHER_REGISTRAR,
    READER,
    VIEW,
    House,
    a_signed,
    an_open,
    get,
    named_house,
    post,
)

COMMAND = "cmd_" + "0" * 26


PATHS = [
    "/consent/",
    f"/consent/pick?school_id={SCHOOL}",
    f"/consent/at/{SCHOOL}",
    f"/consent/at/{SCHOOL}/approve",
    f"/consent/ask?transcript_id={TRANSCRIPT}",
    VIEW,
]
MAY: dict[str, list[int]] = {
    STUDENT: [200, 403, 403, 403, 200, 200],
    GUARDIAN: [200, 403, 403, 403, 200, 200],
    REGISTRAR: [200, 200, 200, 200, 200, 200],
    OTHER_REGISTRAR: [200, 404, 404, 404, 404, 404],
    STRANGER: [200, 403, 403, 403, 404, 404],
    EDUCATOR: [200, 403, 403, 403, 404, 404],
    READER: [200, 403, 403, 403, 404, 404],
}


@pytest.mark.parametrize("who", MAY)
async def test_who_sees_which_page(who: str) -> None:
    house = await named_house(an_open())
    answers = [await get(house, who, path) for path in PATHS]
    assert [answer.status_code for answer in answers] == MAY[who]
    if 200 not in MAY[who][1:]:
        assert "Grace Hopper" not in "".join(answer.text for answer in answers)


@pytest.mark.parametrize("path", [*PATHS, f"{VIEW}/sign", f"{VIEW}/approve", f"{VIEW}/revoke"])
async def test_nobody_is_sent_to_sign_in_and_back(path: str) -> None:
    answer = await get(await named_house(an_open()), None, path)
    assert answer.status_code == 303
    assert parse_qs(urlsplit(answer.headers["location"]).query)["next"] == [path]


async def test_what_waits_for_the_reader_stands_first() -> None:
    other = an_approved_request(request_id="req_2", stage=Stage.DELIVERED)
    house = await named_house(an_open(), other)
    for who, waits in ((GUARDIAN, True), (STUDENT, False), (REGISTRAR, False)):
        page = (await get(house, who, "/consent/")).text
        assert ("A request waits for you" in page) is waits
        assert "Grace Hopper" in page
        assert "opened by the recipient" in page


async def test_what_waits_for_the_school_is_found_behind_a_hundred_others() -> None:
    old = a_signed(opened_at=clock.now() - timedelta(days=300))
    newer = [an_approved_request(request_id=f"req_n{n}", opened_at=clock.now()) for n in range(PAGE)]
    house = await named_house(old, *newer)
    page = (await get(house, REGISTRAR, "/consent/")).text
    assert "A request waits for you" in page
    assert "With the school" in page
    assert 'href="/consent/?page=1"' in page
    second = (await get(house, REGISTRAR, "/consent/?page=1")).text
    assert 'href="/consent/?page=0"' in second


async def test_an_empty_house_says_what_will_be_there() -> None:
    page = (await get(House(), STRANGER, "/consent/")).text
    assert "No requests yet" in page


async def test_an_erased_student_has_no_name_and_breaks_no_page() -> None:
    house = await named_house(an_open())
    await house.keys.erase(STUDENT)
    for path in ("/consent/", VIEW, f"/consent/ask?transcript_id={TRANSCRIPT}"):
        answer = await get(house, GUARDIAN, path)
        assert answer.status_code == 200
        assert "(erased)" in answer.text
    assert "(borrado)" in (await get(house, GUARDIAN, VIEW, language="es")).text


async def test_a_registrar_picks_among_the_schools_transcripts() -> None:
    gone = a_transcript(transcript_id="trn_2", withdrawn=True)
    house = await named_house(gone)
    home = (await get(house, REGISTRAR, "/consent/")).text
    assert f'href="/consent/pick?school_id={SCHOOL}"' in home
    page = (await get(house, REGISTRAR, f"/consent/pick?school_id={SCHOOL}")).text
    assert f"/consent/ask?transcript_id={TRANSCRIPT}" in page
    assert "/consent/ask?transcript_id=trn_2" not in page
    empty = (await get(house, REGISTRAR, f"/consent/pick?school_id={SCHOOL}&page=1")).text
    assert "No sealed transcripts" in empty


async def test_asking_first_names_the_recipient_and_then_offers_only_what_fits() -> None:
    fund = a_recipient(OrganizationKind.SCHOLARSHIP)
    house = await named_house(fund)
    first = (await get(house, GUARDIAN, f"/consent/ask?transcript_id={TRANSCRIPT}")).text
    assert "Reed College" in first
    assert 'name="purpose"' not in first
    second = (
        await get(house, GUARDIAN, f"/consent/ask?transcript_id={TRANSCRIPT}&recipient_id={fund.organization_id}")
    ).text
    assert re.findall(r'name="purpose" value="([^"]+)"', second) == ["scholarship", "financial-aid"]
    assert 'value="c1"' in second


async def test_a_recipient_that_the_school_does_not_allow_can_not_be_chosen() -> None:
    school = a_school(policy=a_policy(recipient_kinds=(OrganizationKind.SCHOLARSHIP,)))
    house = await House((a_student(), school, a_recipient(), a_transcript())).named()
    page = (await get(house, GUARDIAN, f"/consent/ask?transcript_id={TRANSCRIPT}&recipient_id={COLLEGE}")).text
    assert "No recipient can be chosen" in page


async def test_a_school_of_which_nothing_is_known_allows_nobody() -> None:
    house = await House((a_student(), a_recipient(), a_transcript())).named()
    page = (await get(house, GUARDIAN, f"/consent/ask?transcript_id={TRANSCRIPT}")).text
    assert "No recipient can be chosen" in page


ASKED = {
    "csrf": CSRF,
    "command": COMMAND,
    "transcript_id": TRANSCRIPT,
    "recipient_id": COLLEGE,
    "purpose": "admission",
}


async def test_pressing_the_button_twice_opens_one_request() -> None:
    house = await named_house()
    sent = [await post(house, GUARDIAN, "/consent/ask", {**ASKED, "parts": ["c1", "c2"]}) for _ in range(2)]
    assert [answer.status_code for answer in sent] == [303, 303]
    assert sent[0].headers["location"] == sent[1].headers["location"]
    assert house.said == ["consent.request.opened.v1"]
    request = await house.request(sent[0].headers["location"].rsplit("/", 1)[-1])
    assert (request.selection.parts, request.purpose) == (("c1", "c2"), Purpose.ADMISSION)


@pytest.mark.parametrize(
    "changes",
    [
        {"recipient_id": "o" * 41},
        {"transcript_id": "t" * 41},
        {"purpose": "marketing"},
        {"parts": ["p" * 101]},
        {"parts": ["p"] * 301},
        {"parts": ["c9"]},
        {"command": "mine"},
    ],
    ids=["long recipient", "long transcript", "commercial", "long part", "many parts", "unknown part", "own command"],
)
async def test_a_form_that_does_not_fit_is_answered_by_a_page(changes: dict[str, Any]) -> None:
    house = await named_house()
    answer = await post(house, GUARDIAN, "/consent/ask", {**ASKED, **changes})
    assert answer.status_code == 422
    assert "Something is missing or does not fit" in answer.text
    assert house.said == []


async def test_the_page_of_a_request_shows_what_goes_to_whom_why_and_until_when() -> None:
    parts = Selection(parts=("c1", "c2"))
    house = await named_house(an_open(selection=parts, package=a_package(parts)))
    page = (await get(house, GUARDIAN, VIEW)).text
    for words in (
        "Grace Hopper",
        "Reed College",
        "Lincoln High",
        "Admission",
        "Credit c1",
        "Credit c2",
        "34 CFR 99.30",
    ):
        assert words in page
    assert "One part is left out" in page
    assert 'href="/records/packages/pkg_1/transcript.pdf"' in page
    assert PACKAGE_DIGEST.split(":")[1] in re.sub(r"</?(span|wbr)>", "", page)


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("status", Status, ids=str)
async def test_every_state_of_a_request_has_its_words(status: Status, language: str) -> None:
    for stage in Stage if status is Status.APPROVED else (Stage.NOT_RELEASED,):
        story = an_open().told(clock.now(), str(status)).told(clock.now(), str(stage)) if stage in {
            Stage.DELIVERED, Stage.MISMATCHED, Stage.CANCELLED
        } else an_open()  # fmt: skip
        request = a_signed(status=status, stage=stage, story=story.story)
        house = await named_house(request)
        for path in ("/consent/", VIEW):
            answer = await get(house, REGISTRAR, path, language=language)
            assert answer.status_code == 200
            assert answer.headers["content-language"] == language


WORDS = Path(pages.__file__).parent / "templates" / "words"


def test_both_languages_know_the_same_words_and_every_word_of_the_domain() -> None:
    english, spanish = (json.loads((WORDS / f"{one}.json").read_text()) for one in ("en", "es"))
    assert set(english) == set(spanish)
    assert {f"status.{one}" for one in Status} | {f"stage.{one}" for one in Stage} <= set(english)
    told = {"opened", "prepared", "readdressed", "signed", "approved", "approved by the school"}
    told |= {str(one) for one in Stage if one is not Stage.NOT_RELEASED}
    told |= {str(one) for one in (Status.REFUSED, Status.REVOKED, Status.EXPIRED, Status.INVALIDATED)}
    assert {f"story.{one}" for one in told} <= set(english)
    assert {f"purpose.{one}" for one in Purpose} | {f"organization.{one}" for one in OrganizationKind} <= set(english)
    assert set(TONES) == set(Status)


async def test_titles_of_parts_and_names_are_never_markup() -> None:
    evil = "<script>alert(1)</script>"
    house = House(
        (
            a_student(),
            a_school(name=evil),
            a_recipient(name=evil),
            a_transcript(outline=(Part(part_id="c1", kind="credit", title=evil),)),
            an_open(),
        )
    )
    await house.named(evil)
    for path in ("/consent/", VIEW, f"{VIEW}/sign", f"/consent/ask?transcript_id={TRANSCRIPT}&recipient_id={COLLEGE}"):
        page = (await get(house, GUARDIAN, path)).text
        assert "<script" not in page
        assert "&lt;script&gt;" in page


def test_every_page_states_its_right() -> None:
    rights = http.rights(House().app)
    found = {route: right for route, right in rights.items() if "/view" in route or "/ask" in route or "/pick" in route}
    assert found.pop("GET /consent/pick") == "registrar"
    assert set(found.values()) == {"signed in"}
    assert len(found) == 10
