"""The operator's pages of a recipient, and what a reader finds after signing in."""

import re

import httpx
import pytest

from tests.identity.house import OPERATOR_TOKEN, House, csrf_in

PLACE = "/identity/recipients/org_westmarch"
NORA = {"name": "Nora Feld", "email": "nora@westmarch.example.org", "language": "en"}


@pytest.fixture
async def house() -> House:
    found = House()
    body = {"organization_id": "org_westmarch", "kind": "college", "name": "Westmarch College", "standing": "verified"}
    await found.client(found.as_operator()).post("/identity/organizations", json=body)
    return found


async def signed_in(house: House, token: str = OPERATOR_TOKEN) -> httpx.AsyncClient:
    browser = house.browser()
    answer = await browser.post("/identity/sign-in", data={"token": token})
    assert answer.status_code == 303, answer.text
    return browser


def form_in(page: str) -> dict[str, str]:
    command = re.search(r'name="command" value="(cmd_\w+)"', page)
    assert command is not None
    return {"csrf": csrf_in(page), "command": command.group(1)}


def token_in(page: str) -> str:
    found = re.search(r"<code>([\w-]{43})</code>", page)
    assert found is not None
    return found.group(1)


async def invited(browser: httpx.AsyncClient, who: dict[str, str] = NORA) -> str:
    """The page that an invitation leads to."""
    form = form_in((await browser.get(PLACE)).text)
    answer = await browser.post(f"{PLACE}/readers", data={**form, **who})
    assert answer.status_code == 200, answer.text
    return answer.text


async def test_the_way_to_a_recipients_readers_leads_over_the_list_of_organizations(house: House) -> None:
    browser = await signed_in(house)
    assert f'href="{PLACE}"' in (await browser.get("/identity/house")).text
    page = await browser.get(PLACE)
    assert "Nobody reads for this recipient yet" in page.text
    assert "<script" not in page.text


async def test_an_invited_reader_signs_in_once_and_is_led_to_what_arrived(house: House) -> None:
    operator = await signed_in(house)
    page = await invited(operator)
    assert "Nora Feld is let in" in page
    token = token_in(page)
    reader = await signed_in(house, token)
    home = await reader.get("/identity/")
    assert 'href="/delivery/"' in home.text
    assert home.text.index("Westmarch College") < home.text.index("Account id"), "first what a reader comes for"
    assert "Set up an authenticator" not in home.text, "a reader approves nothing"
    assert 'href="/records/"' not in home.text
    again = await house.browser().post("/identity/sign-in", data={"token": token})
    assert again.status_code == 403
    assert token not in (await operator.get(PLACE)).text, "it was shown once"


async def test_a_reader_who_speaks_spanish_is_spoken_to_in_spanish(house: House) -> None:
    token = token_in(await invited(await signed_in(house), {**NORA, "language": "es"}))
    assert "Expedientes enviados a esta organización" in (await (await signed_in(house, token)).get("/identity/")).text


async def test_a_form_sent_twice_lets_in_once(house: House) -> None:
    browser = await signed_in(house)
    form = form_in((await browser.get(PLACE)).text)
    first = await browser.post(f"{PLACE}/readers", data={**form, **NORA})
    second = await browser.post(f"{PLACE}/readers", data={**form, **NORA})
    assert "Nora Feld is let in" in first.text
    assert "was let in already" in second.text
    assert "<code>" not in second.text
    assert (await browser.get(PLACE)).text.count("nora@westmarch.example.org") == 1


async def test_what_is_wrong_is_said_beside_the_field_and_nothing_typed_is_lost(house: House) -> None:
    browser = await signed_in(house)
    form = form_in((await browser.get(PLACE)).text)
    answer = await browser.post(f"{PLACE}/readers", data={**form, **NORA, "email": "nora"})
    assert answer.status_code == 422
    assert "Enter an e-mail address" in answer.text
    assert 'value="Nora Feld"' in answer.text
    mended = await browser.post(f"{PLACE}/readers", data={**form_in(answer.text), **NORA})
    assert "Nora Feld is let in" in mended.text


async def test_an_address_under_another_name_is_refused_and_the_form_can_be_sent_again(house: House) -> None:
    browser = await signed_in(house)
    await invited(browser)
    form = form_in((await browser.get(PLACE)).text)
    answer = await browser.post(f"{PLACE}/readers", data={**form, **NORA, "name": "Otto Brand"})
    assert answer.status_code == 409
    assert "under another name" in answer.text
    form = form_in(answer.text)
    mended = await browser.post(f"{PLACE}/readers", data={**form, **NORA, "name": "Otto", "email": "otto@w.example"})
    assert "Otto is let in" in mended.text


async def test_an_account_is_ended_on_its_page_and_makes_no_tokens_then(house: House) -> None:
    browser = await signed_in(house)
    token = token_in(await invited(browser))
    account = re.search(r'href="(/identity/people/per_\w+/account)"', (await browser.get(PLACE)).text)
    assert account is not None
    page = (await browser.get(account.group(1))).text
    assert f'href="{PLACE}"' in page
    assert "/identity/schools/org_westmarch" not in page, "a recipient has no directory of a school"
    end = re.search(rf'action="({PLACE}/readers/per_\w+/end)"', page)
    assert end is not None
    done = await browser.post(end.group(1), data={"csrf": csrf_in(page)})
    assert done.headers["location"] == PLACE
    assert "ended" in (await browser.get(PLACE)).text
    after = (await browser.get(account.group(1))).text
    assert "not active" in after
    assert "Make a token" not in after
    assert (await house.browser().post("/identity/sign-in", data={"token": token})).status_code == 403


async def test_a_session_of_an_account_that_ended_gets_no_fresh_one(house: House) -> None:
    """What a browser still holds ends by itself; nothing renews it."""
    operator = await signed_in(house)
    reader = await signed_in(house, token_in(await invited(operator)))
    (one,) = [one for one in await house.district.everybody() if one.school_ids == ("org_westmarch",)]
    page = await operator.get(PLACE)
    await operator.post(f"{PLACE}/readers/{one.person_id}/end", data={"csrf": csrf_in(page.text)})
    csrf = csrf_in((await reader.get("/identity/security")).text)
    answer = await reader.post("/identity/security/enrol", data={"csrf": csrf})
    assert answer.status_code == 403
    again = await reader.post("/identity/sign-in", data={"token": "guess", "csrf": csrf})
    assert again.status_code == 403


async def test_a_suspended_recipient_lets_nobody_in(house: House) -> None:
    browser = await signed_in(house)
    page = await browser.get(PLACE)
    await browser.post(
        "/identity/house/org_westmarch/standing", data={"csrf": csrf_in(page.text), "standing": "suspended"}
    )
    shown = await browser.get(PLACE)
    assert "Its readers don&#39;t sign in and open nothing" in shown.text
    assert "Let a reader in" not in shown.text
    late = await browser.post(f"{PLACE}/readers", data={**form_in(page.text), **NORA})
    assert late.status_code == 409


async def test_a_school_and_nothing_have_no_readers_page(house: House) -> None:
    school = await house.district.school()
    browser = await signed_in(house)
    for organization in (school.organization_id, "org_none"):
        assert (await browser.get(f"/identity/recipients/{organization}")).status_code == 404
