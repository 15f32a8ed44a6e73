"""Pages to act on: what each person is offered, the way to the step-up and back, and what a form then does."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from services.consent.domain import Request, Status, notice_in
from tests.consent.build import (
    GUARDIAN,
    OTHER_DIGEST,
    PACKAGE_DIGEST,
    REGISTRAR,
    REQUEST,
    STRANGER,
    STUDENT,
    TRANSCRIPT,
    a_recipient,
    a_request,
    a_school,
    a_transcript,
    an_adult,
    an_approved_request,
)
from tests.consent.house import (
    APPROVE,
    CSRF,
    REVOKE,
    SHOWN,
    SIGN,
    VIEW,
    House,
    a_signed,
    a_step_up,
    an_open,
    get,
    named_house,
    post,
)

FORM = {"csrf": CSRF, **SHOWN}


@pytest.mark.parametrize("verb", ["sign", "approve", "refuse", "revoke"])
async def test_a_stranger_acts_on_nothing(verb: str) -> None:
    house = await named_house(an_open())
    answer = await post(house, STRANGER, f"{VIEW}/{verb}", FORM)
    assert answer.status_code == 404
    missing = await post(house, STRANGER, f"/consent/view/req_none/{verb}", FORM)
    shape = re.compile(r"http_[0-9a-z]{26}")
    assert shape.sub("", missing.text) == shape.sub("", answer.text)
    assert house.said == []


async def test_a_form_without_its_token_does_nothing() -> None:
    house = await named_house(an_open())
    for path, form in (
        (f"{VIEW}/refuse", {}),
        (f"{VIEW}/sign", {**FORM, "csrf": "wrong"}),
        ("/consent/ask", {"transcript_id": TRANSCRIPT}),
    ):
        assert (await post(house, GUARDIAN, path, form)).status_code == 403
    assert house.said == []


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
    house = await named_house(request_)
    for who, verbs in offers.items():
        assert offered((await get(house, who, VIEW)).text) == verbs, who


async def test_a_student_of_18_is_offered_to_take_back_what_a_guardian_approved() -> None:
    house = await House((an_adult(), a_school(), a_recipient(), a_transcript(), an_approved_request())).named()
    assert offered((await get(house, STUDENT, VIEW)).text) == {"revoke"}
    assert (await get(house, GUARDIAN, VIEW)).status_code == 404


async def test_the_way_to_the_step_up_names_the_act_the_request_and_the_bytes() -> None:
    page = (await get(await named_house(an_open()), GUARDIAN, VIEW)).text
    (link,) = re.findall(r'href="(/identity/step-up[^"]+)"', page)
    assert parse_qs(urlsplit(link.replace("&amp;", "&")).query) == {
        "act": [SIGN],
        "on": [REQUEST],
        "digest": [PACKAGE_DIGEST],
        "next": [f"{VIEW}/sign"],
    }


@pytest.mark.parametrize("language", ["en", "es"])
async def test_the_page_behind_the_step_up_shows_the_notice_and_its_form_signs(language: str) -> None:
    house = await named_house(an_open())
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
    house = await named_house(an_open())
    answer = await post(house, GUARDIAN, f"{VIEW}/sign", FORM)
    assert answer.status_code == 303
    there = urlsplit(answer.headers["location"])
    assert there.path == "/identity/step-up"
    assert parse_qs(there.query)["next"] == [f"{VIEW}/sign"]
    assert house.said == []


async def test_other_bytes_than_shown_are_not_signed() -> None:
    house = await named_house(an_open())
    step_up = a_step_up(GUARDIAN, SIGN, REQUEST, OTHER_DIGEST)
    answer = await post(house, GUARDIAN, f"{VIEW}/sign", {**FORM, "package": OTHER_DIGEST}, step_up=step_up)
    assert answer.status_code == 409
    assert "What you were shown is not what would be sent" in answer.text
    assert (await post(house, GUARDIAN, f"{VIEW}/sign", {**FORM, "package": "x"}, step_up=step_up)).status_code == 422


async def test_the_registrar_approves_on_a_page() -> None:
    house = await named_house(a_signed())
    page = await get(house, REGISTRAR, f"{VIEW}/approve")
    assert page.status_code == 200
    step_up = a_step_up(REGISTRAR, APPROVE, REQUEST, PACKAGE_DIGEST)
    answer = await post(house, REGISTRAR, f"{VIEW}/approve", FORM, step_up=step_up)
    assert answer.status_code == 303
    assert (await house.request(REQUEST)).status is Status.APPROVED


async def test_refusing_and_taking_back_on_pages() -> None:
    house = await named_house(an_open())
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
    answer = await get(await named_house(an_open()), who, f"{VIEW}/{verb}")
    assert (answer.status_code, answer.headers["location"]) == (303, VIEW)
