"""Pages for people: they show what would go, byte for byte, and every form works without a script."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from contracts.types import OrganizationKind, Part, Purpose, Selection
from services.chassis import clock
from services.chassis.web import http
from services.consent import pages
from services.consent.domain import Request, Stage, Status, notice_in
from services.consent.pages import TONES
from services.consent.store import PAGE
from tests.consent.build import (
    COLLEGE,
    GUARDIAN,
    NOTICE,
    OTHER_DIGEST,
    PACKAGE_DIGEST,
    REGISTRAR,
    REQUEST,
    SCHOOL,
    STRANGER,
    STUDENT,
    TRANSCRIPT,
    a_package,
    a_policy,
    a_recipient,
    a_request,
    a_school,
    a_signed_request,
    a_student,
    a_transcript,
    an_adult,
    an_approved_request,
    the_house,
)
from tests.consent.house import CSRF, EDUCATOR, OTHER_REGISTRAR, READER, House, a_step_up

FAR = clock.now() + timedelta(days=20)
VIEW = f"/consent/view/{REQUEST}"
SIGN, APPROVE, REVOKE = "consent.sign", "consent.approve", "consent.revoke"
SHOWN = {"csrf": CSRF, "package": PACKAGE_DIGEST, "notice": NOTICE}
COMMAND = "cmd_" + "0" * 26


async def a_house(*states: Any) -> House:
    return await House(the_house(*states)).named()


def an_open(**changes: Any) -> Request:
    return a_request(expires_at=FAR, **changes)


def a_signed(**changes: Any) -> Request:
    return a_signed_request(expires_at=FAR, **changes)


async def get(house: House, who: str | None, path: str, **options: Any) -> httpx.Response:
    async with house.browser(who, **options) as client:
        return await client.get(path)


async def post(house: House, who: str, path: str, form: dict[str, Any], **options: Any) -> httpx.Response:
    async with house.browser(who, **options) as client:
        return await client.post(path, data=form)


PATHS = ["/consent/", f"/consent/pick?school_id={SCHOOL}", f"/consent/ask?transcript_id={TRANSCRIPT}", VIEW]
MAY: dict[str, list[int]] = {
    STUDENT: [200, 403, 200, 200],
    GUARDIAN: [200, 403, 200, 200],
    REGISTRAR: [200, 200, 200, 200],
    OTHER_REGISTRAR: [200, 404, 404, 404],
    STRANGER: [200, 403, 404, 404],
    EDUCATOR: [200, 403, 404, 404],
    READER: [200, 403, 404, 404],
}


@pytest.mark.parametrize("who", MAY)
async def test_who_sees_which_page(who: str) -> None:
    house = await a_house(an_open())
    answers = [await get(house, who, path) for path in PATHS]
    assert [answer.status_code for answer in answers] == MAY[who]
    if 200 not in MAY[who][2:]:
        assert "Grace Hopper" not in "".join(answer.text for answer in answers)


@pytest.mark.parametrize("path", [*PATHS, f"{VIEW}/sign", f"{VIEW}/approve", f"{VIEW}/revoke"])
async def test_nobody_is_sent_to_sign_in_and_back(path: str) -> None:
    answer = await get(await a_house(an_open()), None, path)
    assert answer.status_code == 303
    assert parse_qs(urlsplit(answer.headers["location"]).query)["next"] == [path]


@pytest.mark.parametrize("verb", ["sign", "approve", "refuse", "revoke"])
async def test_a_stranger_acts_on_nothing(verb: str) -> None:
    house = await a_house(an_open())
    answer = await post(house, STRANGER, f"{VIEW}/{verb}", SHOWN)
    assert answer.status_code == 404
    missing = await post(house, STRANGER, f"/consent/view/req_none/{verb}", SHOWN)
    shape = re.compile(r"http_[0-9a-z]{26}")
    assert shape.sub("", missing.text) == shape.sub("", answer.text)
    assert house.said == []


async def test_a_form_without_its_token_does_nothing() -> None:
    house = await a_house(an_open())
    for path, form in (
        (f"{VIEW}/refuse", {}),
        (f"{VIEW}/sign", {**SHOWN, "csrf": "wrong"}),
        ("/consent/ask", {"transcript_id": TRANSCRIPT}),
    ):
        assert (await post(house, GUARDIAN, path, form)).status_code == 403
    assert house.said == []


async def test_what_waits_for_the_reader_stands_first() -> None:
    other = an_approved_request(request_id="req_2", stage=Stage.DELIVERED)
    house = await a_house(an_open(), other)
    for who, waits in ((GUARDIAN, True), (STUDENT, False), (REGISTRAR, False)):
        page = (await get(house, who, "/consent/")).text
        assert ("A request waits for you" in page) is waits
        assert "Grace Hopper" in page
        assert "opened by the recipient" in page


async def test_what_waits_for_the_school_is_found_behind_a_hundred_others() -> None:
    old = a_signed(opened_at=clock.now() - timedelta(days=300))
    newer = [an_approved_request(request_id=f"req_n{n}", opened_at=clock.now()) for n in range(PAGE)]
    house = await a_house(old, *newer)
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
    house = await a_house(an_open())
    await house.keys.erase(STUDENT)
    for path in ("/consent/", VIEW, f"/consent/ask?transcript_id={TRANSCRIPT}"):
        answer = await get(house, GUARDIAN, path)
        assert answer.status_code == 200
        assert "(erased)" in answer.text
    assert "(borrado)" in (await get(house, GUARDIAN, VIEW, language="es")).text


async def test_a_registrar_picks_among_the_schools_transcripts() -> None:
    gone = a_transcript(transcript_id="trn_2", withdrawn=True)
    house = await a_house(gone)
    home = (await get(house, REGISTRAR, "/consent/")).text
    assert f'href="/consent/pick?school_id={SCHOOL}"' in home
    page = (await get(house, REGISTRAR, f"/consent/pick?school_id={SCHOOL}")).text
    assert f"/consent/ask?transcript_id={TRANSCRIPT}" in page
    assert "/consent/ask?transcript_id=trn_2" not in page
    empty = (await get(house, REGISTRAR, f"/consent/pick?school_id={SCHOOL}&page=1")).text
    assert "No sealed transcripts" in empty


async def test_asking_first_names_the_recipient_and_then_offers_only_what_fits() -> None:
    fund = a_recipient(OrganizationKind.SCHOLARSHIP)
    house = await a_house(fund)
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
    house = await a_house()
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
    house = await a_house()
    answer = await post(house, GUARDIAN, "/consent/ask", {**ASKED, **changes})
    assert answer.status_code == 422
    assert "Something is missing or does not fit" in answer.text
    assert house.said == []


async def test_the_page_of_a_request_shows_what_goes_to_whom_why_and_until_when() -> None:
    parts = Selection(parts=("c1", "c2"))
    house = await a_house(an_open(selection=parts, package=a_package(parts)))
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


LINKS = {"sign": "consent.sign", "approve": "consent.approve", "revoke": "consent.revoke"}


def offered(page: str) -> set[str]:
    """The verbs that a page offers: links to a step-up, and the form that refuses."""
    acts = {parse_qs(urlsplit(link.replace("&amp;", "&")).query)["act"][0] for link in re.findall(r'href="(/identity/step-up[^"]+)"', page)}  # fmt: skip
    verbs = {verb for verb, act in LINKS.items() if act in acts}
    return verbs | ({"refuse"} if f'action="{VIEW}/refuse"' in page else set())


OFFERS: list[tuple[str, Request, dict[str, set[str]]]] = [
    (
        "open",
        an_open(opened_by=STUDENT),
        {GUARDIAN: {"sign", "refuse"}, STUDENT: {"revoke"}, REGISTRAR: {"revoke"}},
    ),
    ("open without a package", an_open(package=None), {GUARDIAN: {"refuse"}, STUDENT: {"revoke"}}),
    ("signed", a_signed(), {GUARDIAN: {"revoke"}, STUDENT: {"revoke"}, REGISTRAR: {"approve", "refuse"}}),
    ("approved", an_approved_request(), {GUARDIAN: {"revoke"}, STUDENT: set(), REGISTRAR: {"revoke"}}),
]
OFFERS += [
    (str(status), a_request(status=status), {GUARDIAN: set(), STUDENT: set(), REGISTRAR: set()})
    for status in (Status.REFUSED, Status.REVOKED, Status.EXPIRED, Status.INVALIDATED)
]


@pytest.mark.parametrize(("request_", "offers"), [row[1:] for row in OFFERS], ids=[row[0] for row in OFFERS])
async def test_everybody_is_offered_what_they_may_do(request_: Request, offers: dict[str, set[str]]) -> None:
    house = await a_house(request_)
    for who, verbs in offers.items():
        assert offered((await get(house, who, VIEW)).text) == verbs, who


async def test_a_student_of_18_is_offered_to_take_back_what_a_guardian_approved() -> None:
    house = await House((an_adult(), a_school(), a_recipient(), a_transcript(), an_approved_request())).named()
    assert offered((await get(house, STUDENT, VIEW)).text) == {"revoke"}
    assert (await get(house, GUARDIAN, VIEW)).status_code == 404


async def test_the_way_to_the_step_up_names_the_act_the_request_and_the_bytes() -> None:
    page = (await get(await a_house(an_open()), GUARDIAN, VIEW)).text
    (link,) = re.findall(r'href="(/identity/step-up[^"]+)"', page)
    assert parse_qs(urlsplit(link.replace("&amp;", "&")).query) == {
        "act": [SIGN],
        "on": [REQUEST],
        "digest": [PACKAGE_DIGEST],
        "next": [f"{VIEW}/sign"],
    }


@pytest.mark.parametrize("language", ["en", "es"])
async def test_the_page_behind_the_step_up_shows_the_notice_and_its_form_signs(language: str) -> None:
    house = await a_house(an_open())
    page = (await get(house, GUARDIAN, f"{VIEW}/sign", language=language)).text
    assert notice_in(language).text in page
    form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.split("<main")[1]))
    assert form == {"csrf": CSRF, "package": PACKAGE_DIGEST, "notice": notice_in(language).digest}
    step_up = a_step_up(GUARDIAN, SIGN, REQUEST, PACKAGE_DIGEST)
    answer = await post(house, GUARDIAN, f"{VIEW}/sign", form, step_up=step_up)
    assert (answer.status_code, answer.headers["location"]) == (303, VIEW)
    request = await house.request(REQUEST)
    assert request.status is Status.APPROVED
    assert request.signature is not None
    assert request.signature.notice == notice_in(language).digest


async def test_a_signature_without_a_step_up_leads_to_it_and_back() -> None:
    house = await a_house(an_open())
    answer = await post(house, GUARDIAN, f"{VIEW}/sign", SHOWN)
    assert answer.status_code == 303
    there = urlsplit(answer.headers["location"])
    assert there.path == "/identity/step-up"
    assert parse_qs(there.query)["next"] == [f"{VIEW}/sign"]
    assert house.said == []


async def test_other_bytes_than_shown_are_not_signed() -> None:
    house = await a_house(an_open())
    step_up = a_step_up(GUARDIAN, SIGN, REQUEST, OTHER_DIGEST)
    answer = await post(house, GUARDIAN, f"{VIEW}/sign", {**SHOWN, "package": OTHER_DIGEST}, step_up=step_up)
    assert answer.status_code == 409
    assert "What you were shown is not what would be sent" in answer.text
    assert (await post(house, GUARDIAN, f"{VIEW}/sign", {**SHOWN, "package": "x"}, step_up=step_up)).status_code == 422


async def test_the_registrar_approves_on_a_page() -> None:
    house = await a_house(a_signed())
    page = await get(house, REGISTRAR, f"{VIEW}/approve")
    assert page.status_code == 200
    step_up = a_step_up(REGISTRAR, APPROVE, REQUEST, PACKAGE_DIGEST)
    answer = await post(house, REGISTRAR, f"{VIEW}/approve", SHOWN, step_up=step_up)
    assert answer.status_code == 303
    assert (await house.request(REQUEST)).status is Status.APPROVED


async def test_refusing_and_taking_back_on_pages() -> None:
    house = await a_house(an_open())
    answer = await post(house, GUARDIAN, f"{VIEW}/refuse", {"csrf": CSRF})
    assert (answer.status_code, answer.headers["location"]) == (303, VIEW)
    house.put(an_approved_request())
    page = (await get(house, GUARDIAN, f"{VIEW}/revoke")).text
    assert notice_in("en").text not in page
    step_up = a_step_up(GUARDIAN, REVOKE, REQUEST)
    answer = await post(house, GUARDIAN, f"{VIEW}/revoke", {"csrf": CSRF}, step_up=step_up)
    assert answer.status_code == 303
    assert (await house.request(REQUEST)).status is Status.REVOKED


@pytest.mark.parametrize(
    ("who", "verb"), [(STUDENT, "sign"), (REGISTRAR, "sign"), (GUARDIAN, "approve"), (REGISTRAR, "approve")]
)
async def test_a_page_to_act_on_is_only_for_whom_it_waits(who: str, verb: str) -> None:
    answer = await get(await a_house(an_open()), who, f"{VIEW}/{verb}")
    assert (answer.status_code, answer.headers["location"]) == (303, VIEW)


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("status", Status, ids=str)
async def test_every_state_of_a_request_has_its_words(status: Status, language: str) -> None:
    for stage in Stage if status is Status.APPROVED else (Stage.NOT_RELEASED,):
        story = an_open().told(clock.now(), str(status)).told(clock.now(), str(stage)) if stage in {
            Stage.DELIVERED, Stage.MISMATCHED, Stage.CANCELLED
        } else an_open()  # fmt: skip
        request = a_signed(status=status, stage=stage, story=story.story)
        house = await a_house(request)
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
