"""The pages as a browser sees them: no script, forms with their CSRF field, neutral answers."""

import json
from pathlib import Path

import httpx
import pytest

from services import identity
from services.chassis.web.auth import COOKIE, STEP_UP_COOKIE
from services.identity.pages import KNOWN_ACTS
from tests.identity.conftest import ROSTERS
from tests.identity.gateways.conftest import small_roster, zip_of
from tests.identity.house import OPERATOR_TOKEN, House, code_of, csrf_in, secret_in


@pytest.fixture
def house() -> House:
    return House()


async def signed_in(house: House, token: str = OPERATOR_TOKEN) -> httpx.AsyncClient:
    browser = house.browser()
    answer = await browser.post("/identity/sign-in", data={"token": token})
    assert answer.status_code == 303, answer.text
    return browser


async def with_authenticator(browser: httpx.AsyncClient) -> str:
    page = await browser.get("/identity/security")
    shown = await browser.post("/identity/security/enrol", data={"csrf": csrf_in(page.text)})
    secret = secret_in(shown.text)
    done = await browser.post(
        "/identity/security/confirm", data={"csrf": csrf_in(shown.text), "code": code_of(secret, steps=-1)}
    )
    assert done.status_code == 303, done.text
    return secret


async def test_a_token_signs_in_and_the_start_page_says_who_one_is(house: House) -> None:
    browser = await signed_in(house)
    page = await browser.get("/identity/")
    assert page.status_code == 200
    assert "Operator" in page.text
    assert "Set up an authenticator" in page.text
    assert "<script" not in page.text


async def test_whoever_is_not_signed_in_is_sent_to_sign_in_and_back(house: House) -> None:
    browser = house.browser()
    answer = await browser.get("/identity/security")
    assert answer.headers["location"] == "/identity/sign-in?next=/identity/security"
    form = await browser.get(answer.headers["location"])
    assert 'value="/identity/security"' in form.text
    back = await browser.post("/identity/sign-in", data={"token": OPERATOR_TOKEN, "next": "/identity/security"})
    assert back.headers["location"] == "/identity/security"
    again = await browser.get("/identity/sign-in?next=/identity/house")
    assert again.headers["location"] == "/identity/house"


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "/\\evil.example"])
async def test_signing_in_never_leads_out_of_the_house(house: House, elsewhere: str) -> None:
    answer = await house.browser().post("/identity/sign-in", data={"token": OPERATOR_TOKEN, "next": elsewhere})
    assert answer.headers["location"] == "/identity/"


async def test_every_sign_in_is_a_fresh_session(house: House) -> None:
    browser = await signed_in(house)
    first = browser.cookies[COOKIE]
    await browser.post(
        "/identity/sign-in", data={"token": OPERATOR_TOKEN, "csrf": csrf_in((await browser.get("/identity/")).text)}
    )
    assert browser.cookies[COOKIE] != first


async def test_a_wrong_token_gets_the_neutral_page(house: House) -> None:
    answer = await house.browser().post("/identity/sign-in", data={"token": "guess"})
    assert answer.status_code == 403
    assert "mistyped, used, expired or taken back" in answer.text
    assert "guess" not in answer.text


async def test_after_fifty_failures_there_is_a_pause(house: House) -> None:
    browser = house.browser()
    for _ in range(50):
        assert (await browser.post("/identity/sign-in", data={"token": "guess"})).status_code == 403
    late = await browser.post("/identity/sign-in", data={"token": OPERATOR_TOKEN})
    assert late.status_code == 429
    assert "Wait five minutes" in late.text
    elsewhere = await browser.post(
        "/identity/sign-in", data={"token": OPERATOR_TOKEN}, headers={"x-forwarded-for": "198.51.100.7"}
    )
    assert elsewhere.status_code == 303


async def test_signing_out_ends_session_and_step_up(house: House) -> None:
    browser = await signed_in(house)
    page = await browser.get("/identity/")
    answer = await browser.post("/identity/sign-out", data={"csrf": csrf_in(page.text)})
    assert answer.headers["location"] == "/identity/sign-in"
    assert COOKIE not in browser.cookies
    assert (await browser.get("/identity/")).status_code == 303


async def test_an_authenticator_is_set_up_by_scanning_or_typing_and_a_code(house: House) -> None:
    browser = await signed_in(house)
    page = await browser.get("/identity/security")
    shown = await browser.post("/identity/security/enrol", data={"csrf": csrf_in(page.text)})
    assert 'src="data:image/svg+xml' in shown.text
    wrong = await browser.post("/identity/security/confirm", data={"csrf": csrf_in(shown.text), "code": "000000"})
    assert wrong.status_code == 401
    assert "The code was not right" in wrong.text
    await with_authenticator(browser)
    assert "Your authenticator is set up" in (await browser.get("/identity/security")).text


async def test_a_step_up_shows_what_it_is_for_and_leads_back(house: House) -> None:
    browser = await signed_in(house)
    secret = await with_authenticator(browser)
    before = browser.cookies[COOKIE]
    digest = "sha256:" + "ab" * 32
    asked = {"act": "consent.sign", "on": "req_1", "digest": digest, "next": "/consent/view/req_1/sign"}
    page = await browser.get("/identity/step-up", params=asked)
    assert "Approve the release of a transcript" in page.text
    assert "abababab" in page.text
    form = {**asked, "csrf": csrf_in(page.text)}
    wrong = await browser.post("/identity/step-up/confirm", data={**form, "code": "000000"})
    assert wrong.status_code == 401
    assert "Not confirmed" in wrong.text
    nonsense = await browser.post("/identity/step-up/confirm", data={**form, "code": "abc"})
    assert nonsense.status_code == 422
    right = await browser.post("/identity/step-up/confirm", data={**form, "code": code_of(secret)})
    assert right.status_code == 303
    assert right.headers["location"] == "/consent/view/req_1/sign"
    assert STEP_UP_COOKIE in browser.cookies
    assert browser.cookies[COOKIE] != before
    fresh = csrf_in((await browser.get("/identity/")).text)
    again = await browser.post("/identity/step-up/confirm", data={**form, "csrf": fresh, "code": code_of(secret)})
    assert again.status_code == 401


async def test_without_an_authenticator_a_step_up_leads_to_setting_one_up(house: House) -> None:
    browser = await signed_in(house)
    asked = "/identity/step-up?act=consent.sign&on=req_1"
    answer = await browser.get(asked)
    page = await browser.get(answer.headers["location"])
    assert 'value="/identity/step-up?act=consent.sign&amp;on=req_1"' in page.text
    form = {"csrf": csrf_in(page.text), "next": asked}
    shown = await browser.post("/identity/security/enrol", data=form)
    code = code_of(secret_in(shown.text))
    done = await browser.post("/identity/security/confirm", data={**form, "code": code})
    assert done.headers["location"] == asked


def test_every_word_is_said_in_both_languages() -> None:
    folder = Path(identity.__file__).parent / "templates" / "words"
    english, spanish = (json.loads((folder / f"{one}.json").read_text("utf-8")) for one in ("en", "es"))
    assert english.keys() == spanish.keys()
    assert {f"act.{act}" for act in KNOWN_ACTS} <= english.keys()


async def test_pages_speak_the_language_that_the_browser_asks_for(house: House) -> None:
    page = await house.browser().get("/identity/sign-in", headers={"accept-language": "es-MX,es;q=0.9"})
    assert "Con la clave que le dio su escuela" in page.text


async def test_another_authenticator_needs_the_old_one(house: House) -> None:
    browser = await signed_in(house)
    secret = await with_authenticator(browser)
    page = await browser.get("/identity/security")
    sent = await browser.post("/identity/security/enrol", data={"csrf": csrf_in(page.text)})
    assert sent.headers["location"].startswith("/identity/step-up?act=identity.authenticator.replace")
    form = await browser.get(sent.headers["location"])
    words = {"act": "identity.authenticator.replace", "on": "per_operator", "next": "/identity/security"}
    await browser.post("/identity/step-up/confirm", data={**words, "csrf": csrf_in(form.text), "code": code_of(secret)})
    page = await browser.get("/identity/security")
    shown = await browser.post("/identity/security/enrol", data={"csrf": csrf_in(page.text)})
    assert secret_in(shown.text) != secret


async def test_an_operator_records_a_school_and_a_registrar_imports_its_roster(house: House) -> None:
    browser = await signed_in(house)
    page = await browser.get("/identity/house")
    form = {
        "csrf": csrf_in(page.text),
        "name": "Harbor School",
        "kind": "school",
        "timezone": "America/New_York",
        "sourced_id": "s1",
    }
    assert (await browser.post("/identity/house", data={**form, "timezone": "Mars/Olympus"})).status_code == 422
    assert (await browser.post("/identity/house", data=form)).status_code == 303
    (school,) = await house.district.questions.schools()
    place = f"/identity/schools/{school.organization_id}"
    assert "Harbor School" in (await browser.get("/identity/house")).text
    assert "No roster has been imported yet" in (await browser.get(place)).text
    files = {"roster": ("roster.zip", zip_of(small_roster()), "application/zip")}
    done = await browser.post(f"{place}/import", data={"csrf": form["csrf"]}, files=files)
    assert done.status_code == 303, done.text
    report = await browser.get(done.headers["location"])
    assert "Everything was taken over" in report.text
    people = await browser.get(f"{place}/directory")
    assert "Ada Ashby" in people.text
    found = await browser.post(f"{place}/directory", data={"csrf": form["csrf"], "email": "BELA@home.example.org"})
    assert "Bela Ashby" in found.text
    assert "Ada Ashby" not in found.text


async def test_a_broken_roster_is_refused_with_a_sentence_and_a_dirty_one_with_a_table(house: House) -> None:
    school = await house.district.school("org_hp", "org-harbor-point", source="two")
    browser = await signed_in(house)
    place = f"/identity/schools/{school.organization_id}"
    csrf = csrf_in((await browser.get(place)).text)
    broken = {"roster": ("r.zip", (ROSTERS / "roster-truncated.zip").read_bytes(), "application/zip")}
    refused = await browser.post(f"{place}/import", data={"csrf": csrf}, files=broken)
    assert refused.status_code == 422
    assert "cut short" in refused.text
    dirty = {"roster": ("r.zip", (ROSTERS / "roster-dirty-rows.zip").read_bytes(), "application/zip")}
    done = await browser.post(f"{place}/import", data={"csrf": csrf}, files=dirty)
    report = await browser.get(done.headers["location"])
    assert "is not a date like 2009-05-31" in report.text
    assert "things to mend" in report.text


async def test_a_registrar_makes_a_token_that_signs_in_until_it_is_taken_back(house: House) -> None:
    school = await house.district.school()
    await house.district.imports(school)
    (guardian,) = await house.district.questions.people_with_email(
        school.organization_id, house.district.marks.email("bela@home.example.org")
    )
    browser = await signed_in(house)
    account = f"/identity/people/{guardian.person_id}/account"
    page = await browser.get(account)
    made = await browser.post(f"{account}/token", data={"csrf": csrf_in(page.text)})
    token = made.text.split("<code>")[1].split("</code>")[0]
    home = await (await signed_in(house, token)).get("/identity/")
    assert "Bela Ashby" in home.text
    assert (await browser.post(f"{account}/lock", data={"csrf": csrf_in(page.text)})).status_code == 303
    assert (await house.browser().post("/identity/sign-in", data={"token": token})).status_code == 403


async def test_a_suspended_recipient_can_be_verified_again(house: House) -> None:
    school = await house.district.school()
    browser = await signed_in(house)
    page = await browser.get("/identity/house")
    place = f"/identity/house/{school.organization_id}/standing"
    await browser.post(place, data={"csrf": csrf_in(page.text), "standing": "suspended"})
    assert "suspended" in (await browser.get("/identity/house")).text
    await browser.post(place, data={"csrf": csrf_in(page.text), "standing": "verified"})
    assert house.district.types_said().count("identity.organization.recorded.v1") == 3
