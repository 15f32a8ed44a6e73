"""The registrar's page for a whole class: what waits, one step-up for exactly that, and what became of each."""

import html
import re
from urllib.parse import parse_qs, urlsplit

import pytest

from services.chassis.web.auth import digest_of_many
from services.consent.domain import Status, notice_in
from tests.consent.build import COLLEGE, GUARDIAN, OTHER_DIGEST, OTHER_SCHOOL, PACKAGE_DIGEST, REGISTRAR, SCHOOL
from tests.consent.house import APPROVE, CSRF, House, a_signed, a_step_up, an_open, get, named_house, post

AT_SCHOOL = f"/consent/at/{SCHOOL}"
CLASS = ("req_1", "req_2", "req_3")
ALL = digest_of_many((one, PACKAGE_DIGEST) for one in CLASS)


async def a_waiting_class() -> House:
    return await named_house(*(a_signed(request_id=one) for one in CLASS), an_open(request_id="req_open"))


def the_form(page: str) -> dict[str, str]:
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.split("<main")[1])
    return {name: html.unescape(value) for name, value in found}


def the_step_up(text: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(html.unescape(text)).query)


async def test_what_waits_is_offered_at_home_to_the_registrar_alone() -> None:
    house = await a_waiting_class()
    assert f'href="{AT_SCHOOL}"' in (await get(house, REGISTRAR, "/consent/")).text
    assert AT_SCHOOL not in (await get(house, GUARDIAN, "/consent/")).text
    assert AT_SCHOOL not in (await get(await named_house(an_open()), REGISTRAR, "/consent/")).text


async def test_the_list_says_how_many_go_where_and_leads_to_a_step_up_for_just_these() -> None:
    page = (await get(await a_waiting_class(), REGISTRAR, AT_SCHOOL)).text
    assert "Approve these 3 requests" in page
    assert "req_open" not in page
    [link] = re.findall(r'href="(/identity/step-up[^"]+)"', page)
    wanted = {"act": [APPROVE], "on": [SCHOOL], "digest": [ALL], "next": [f"{AT_SCHOOL}/approve"]}
    assert the_step_up(link) == wanted


@pytest.mark.parametrize("language", ["en", "es"])
async def test_the_page_behind_the_step_up_shows_the_notice_and_its_form_approves_all(language: str) -> None:
    house = await a_waiting_class()
    page = (await get(house, REGISTRAR, f"{AT_SCHOOL}/approve", language=language)).text
    assert notice_in(language).text in page
    step_up = a_step_up(REGISTRAR, APPROVE, SCHOOL, ALL)
    told = await post(house, REGISTRAR, f"{AT_SCHOOL}/approve", the_form(page), step_up=step_up, language=language)
    assert told.status_code == 200
    assert told.text.count({"en": "Approved", "es": "Aprobada"}[language]) == len(CLASS)
    assert [(await house.request(one)).status for one in CLASS] == [Status.APPROVED] * 3


async def test_one_that_was_decided_meanwhile_keeps_none_of_the_others_back() -> None:
    house = await a_waiting_class()
    form = the_form((await get(house, REGISTRAR, f"{AT_SCHOOL}/approve")).text)
    form["requests"] = form["requests"].replace(f"req_2 {PACKAGE_DIGEST}", f"req_2 {OTHER_DIGEST}")
    digest = digest_of_many((one, package) for one, package in map(str.split, form["requests"].splitlines()))
    told = await post(
        house, REGISTRAR, f"{AT_SCHOOL}/approve", form, step_up=a_step_up(REGISTRAR, APPROVE, SCHOOL, digest)
    )
    assert told.text.count("Not approved") == 1
    assert "what you were shown is not what would be sent" in told.text
    assert (await house.request("req_3")).status is Status.APPROVED


async def test_without_a_step_up_the_way_leads_there_and_back() -> None:
    house = await a_waiting_class()
    form = the_form((await get(house, REGISTRAR, f"{AT_SCHOOL}/approve")).text)
    answer = await post(house, REGISTRAR, f"{AT_SCHOOL}/approve", form)
    assert answer.status_code == 303
    assert the_step_up(answer.headers["location"])["digest"] == [ALL]
    assert house.said == []


async def test_what_is_another_schools_is_counted_and_not_shown() -> None:
    house = await a_waiting_class()
    house.put(a_signed(request_id="req_else", school_id=OTHER_SCHOOL, recipient_id=COLLEGE))
    lines = [("req_1", PACKAGE_DIGEST), ("req_else", PACKAGE_DIGEST), ("req_none", PACKAGE_DIGEST)]
    form = {
        "csrf": CSRF,
        "notice": notice_in("en").digest,
        "requests": "\r\n".join(" ".join(line) for line in lines),  # as browsers send it
    }
    step_up = a_step_up(REGISTRAR, APPROVE, SCHOOL, digest_of_many(lines))
    told = (await post(house, REGISTRAR, f"{AT_SCHOOL}/approve", form, step_up=step_up)).text
    assert "2 requests were not found" in told
    assert "req_else" not in told
    assert (await house.request("req_else")).status is Status.SIGNED


@pytest.mark.parametrize("lines", ["", "req_1", f"req_1 {PACKAGE_DIGEST} more", f"req_1 x\nreq_1 {PACKAGE_DIGEST}"])
async def test_a_form_that_says_nothing_sensible_is_answered_by_a_page(lines: str) -> None:
    house = await a_waiting_class()
    form = {"csrf": CSRF, "notice": notice_in("en").digest, "requests": lines}
    answer = await post(house, REGISTRAR, f"{AT_SCHOOL}/approve", form)
    assert answer.status_code == 422
    assert house.said == []
