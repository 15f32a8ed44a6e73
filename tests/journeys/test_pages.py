"""The house in a real browser: a guardian approves by hand, every page fits a phone, and the cookies are those we list.

Pictures of the pages are left in `.local/screens/`, 390 and 1200 pixels wide, for people to look at.
"""

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, ViewportSize, async_playwright

from deploy.demo import acts
from deploy.local.house import ROOT
from services.chassis.web.auth import COOKIE, STEP_UP_COOKIE
from tests.support.house import ALDER, BIRCH, Family, Person, World
from tests.support.receiver import Receiver

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
SCREENS = ROOT / ".local" / "screens"
WIDTHS = (390, 1200)

pytestmark = [
    pytest.mark.connected,
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium: apt-get install chromium"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield opened
        await opened.close()


@dataclass
class Reader:
    """Somebody before a browser; whatever the browser complains of or asks elsewhere is kept."""

    page: Page
    origin: str
    complaints: list[str]

    async def open(self, path: str) -> None:
        answer = await self.page.goto(self.origin + path)
        assert answer is not None and answer.status == 200, f"{path}: {answer.status if answer else 'no answer'}"

    async def picture(self, name: str) -> None:
        """The page at each width. It never scrolls sideways."""
        SCREENS.mkdir(parents=True, exist_ok=True)
        for width in WIDTHS:
            await self.page.set_viewport_size(ViewportSize(width=width, height=900))
            await self.page.wait_for_load_state("load")
            wide = await self.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{name} is {wide} pixels wide on a screen of {width}"
            await self.page.screenshot(path=SCREENS / f"{name}-{width}.png", full_page=True)


async def somebody(browser: Browser, world: World) -> Reader:
    context = await browser.new_context(locale="en-US")
    context.set_default_timeout(15_000)
    page = await context.new_page()
    reader = Reader(page, world.house.public_url, [])
    ours = urlsplit(reader.origin).netloc
    page.on("console", lambda line: reader.complaints.append(line.text) if line.type in {"error", "warning"} else None)
    page.on("pageerror", lambda why: reader.complaints.append(str(why)))
    page.on(
        "request",
        lambda asked: (
            None
            if urlsplit(asked.url).netloc == ours or asked.url.startswith("data:")
            else reader.complaints.append(f"asks {asked.url}")
        ),
    )
    return reader


async def signed_in(browser: Browser, world: World, person: Person) -> Reader:
    """Through the sign-in page, with the token that the school gave."""
    reader = await somebody(browser, world)
    await reader.open("/identity/sign-in")
    await reader.page.fill("input[name=token]", person.way_in)
    await reader.page.click("main button[type=submit]")
    await reader.page.wait_for_url("**/identity/")
    return reader


async def asked(world: World, college: Receiver, **more: Any) -> tuple[Family, str]:
    family = await world.family()
    request = await world.ask(family, college, **more)
    await acts.until(family.student, request["request_id"], lambda one: one["package_digest"] is not None)
    return family, str(request["request_id"])


async def test_a_guardian_reads_the_request_and_the_document_proves_presence_and_approves(
    world: World, college: Receiver, browser: Browser
) -> None:
    family, request_id = await asked(world, college)
    shown = await family.signer.get(f"/consent/requests/{request_id}")
    await family.signer.enrol()
    reader = await signed_in(browser, world, family.signer)
    page = reader.page

    await reader.open("/consent/")
    await reader.picture("guardian-1-waiting")
    await page.click(f"a[href='/consent/view/{request_id}']")
    await reader.picture("guardian-2-request")
    preview = await page.get_attribute("a[href$='transcript.pdf']", "href")
    document = await page.request.get(f"{reader.origin}{preview}")
    assert document.headers["content-type"] == "application/pdf"
    whole = await page.request.get(f"{reader.origin}/records/packages/{shown['package_id']}/content")
    assert "sha256:" + hashlib.sha256(await whole.body()).hexdigest() == shown["package_digest"]

    await page.click("#answer a.button:has-text('')")
    await page.wait_for_url("**/identity/step-up?**")
    await reader.picture("guardian-3-step-up")
    await page.fill("input[name=code]", await family.signer._code())
    await page.click("main button[type=submit]")
    await page.wait_for_url("**/sign")
    assert shown["package_digest"].removeprefix("sha256:")[:16] in (await page.content()).replace(" ", "")
    await reader.picture("guardian-4-confirm")
    await page.click("main form button[type=submit]")
    await page.wait_for_url(f"**/consent/view/{request_id}")
    end = await world.until_stage(family, request_id, "acknowledged")
    assert end["status"] == "approved"
    await page.reload()
    await reader.picture("guardian-5-approved")
    for name, path in {"ledger": "/delivery/", "record": "/records/mine", "messages": "/notify/"}.items():
        await reader.open(path)
        await reader.picture(f"guardian-6-{name}")
    assert reader.complaints == []


async def test_a_first_approval_leads_through_setting_up_an_authenticator(
    world: World, college: Receiver, browser: Browser
) -> None:
    family, request_id = await asked(world, college)
    reader = await signed_in(browser, world, family.signer)
    page = reader.page
    await reader.open(f"/consent/view/{request_id}")
    await page.click("#answer a.button >> nth=0")
    await page.wait_for_url("**/identity/security?**")
    await reader.picture("enrol-1-why")
    await page.click("main button[type=submit]")
    family.signer.secret = "".join((await page.inner_text("main code")).split())
    await reader.picture("enrol-2-scan")
    await page.fill("input[name=code]", await family.signer._code())
    await page.click("main button[type=submit]")
    await page.wait_for_url("**/identity/step-up?**")
    await page.fill("input[name=code]", await family.signer._code())
    await page.click("main button[type=submit]")
    await page.wait_for_url("**/sign")
    await page.click("main form button[type=submit]")
    await world.until_stage(family, request_id, "acknowledged")
    assert reader.complaints == []


async def test_a_registrar_approves_for_a_whole_class_with_one_step_up(
    world: World, college: Receiver, browser: Browser
) -> None:
    family, registrar = await world.family(BIRCH), await world.registrar(BIRCH)
    asked_for = [await world.ask(family, college, purpose="admission") for _ in range(2)]
    for one in asked_for:
        assert (await acts.sign(family.signer, one["request_id"]))["status"] == "signed"
    reader = await signed_in(browser, world, registrar)
    page = reader.page
    await reader.open("/consent/")
    await page.click("a[href^='/consent/at/']")
    await reader.picture("class-1-waiting")
    await page.click("main .actions a.button >> nth=0")
    await page.wait_for_url("**/identity/step-up?**")
    await page.fill("input[name=code]", await registrar._code())
    await page.click("main button[type=submit]")
    await page.wait_for_url("**/approve")
    await reader.picture("class-2-confirm")
    await page.click("main form button[type=submit]")
    await page.wait_for_selector("main td .badge, main [role=row] .badge")
    await reader.picture("class-3-approved")
    for one in asked_for:
        await world.until_stage(family, one["request_id"], "acknowledged")
    assert reader.complaints == []


async def test_p27_the_cookies_are_the_two_that_are_listed(world: World, college: Receiver, browser: Browser) -> None:
    family, request_id = await asked(world, college)
    await family.signer.enrol()
    guest = await somebody(browser, world)
    await guest.open("/identity/sign-in")
    assert await cookies(guest.page.context) == {}, "who only looks gets none"
    reader = await signed_in(browser, world, family.signer)
    assert set(await cookies(reader.page.context)) == {COOKIE}
    await reader.open(f"/consent/view/{request_id}")
    await reader.page.click("#answer a.button >> nth=0")
    await reader.page.fill("input[name=code]", await family.signer._code())
    await reader.page.click("main button[type=submit]")
    await reader.page.wait_for_url("**/sign")
    kept = await cookies(reader.page.context)
    assert set(kept) == {COOKIE, STEP_UP_COOKIE}
    for cookie in kept.values():
        assert (cookie["httpOnly"], cookie["secure"], cookie["path"]) == (True, True, "/")
        assert cookie["domain"] == "localhost", "this very host, and none below"
    assert kept[COOKIE]["sameSite"] == "Lax"
    assert kept[STEP_UP_COOKIE]["sameSite"] == "Strict"
    stored = await reader.page.evaluate("JSON.stringify([localStorage.length, sessionStorage.length])")
    assert json.loads(stored) == [0, 0], "nothing is kept in the browser beside them"


async def test_p11_no_page_asks_anything_elsewhere_and_each_fits_a_phone(
    world: World, college: Receiver, browser: Browser
) -> None:
    family, request_id = await asked(world, college, parts=["credit.S1", "courses"])
    registrar, school = await world.registrar(ALDER), world.schools["al"]
    transcript = family.transcript["transcript_id"]
    tours: list[tuple[str, Reader, dict[str, str]]] = [
        (
            "student",
            await signed_in(browser, world, family.student),
            {
                "home": "/identity/",
                "requests": "/consent/",
                "request": f"/consent/view/{request_id}",
                "ask": f"/consent/ask?transcript_id={transcript}",
                "ask-2": f"/consent/ask?transcript_id={transcript}&recipient_id={college.organization_id}",
                "record": f"/records/view/{transcript}",
                "security": "/identity/security",
            },
        ),
        (
            "registrar",
            await signed_in(browser, world, registrar),
            {
                "home": "/identity/",
                "school": f"/identity/schools/{school}",
                "directory": f"/identity/schools/{school}/directory",
                "records": f"/records/at/{school}",
                "record": f"/records/view/{transcript}",
                "requests": "/consent/",
                "pick": f"/consent/pick?school_id={school}",
                "waiting": f"/consent/at/{school}",
                "approve-all": f"/consent/at/{school}/approve",
                "disclosures": "/delivery/",
                "messages": "/notify/office",
            },
        ),
        (
            "operator",
            await signed_in(browser, world, world.operator),
            {"home": "/identity/", "house": "/identity/house", "announce": "/notify/announce"},
        ),
        ("other-registrar", await signed_in(browser, world, await world.registrar(BIRCH)), {"requests": "/consent/"}),
    ]
    for who, reader, pages in tours:
        for name, path in pages.items():
            await reader.open(path)
            await reader.picture(f"{who}-{name}")
        assert reader.complaints == [], who


async def test_p9_a_recipients_reader_sees_what_arrived_and_opens_it(
    world: World, college: Receiver, browser: Browser
) -> None:
    idle = await world.recruit("Readers College")
    idle.mood = "idle"
    family, request_id = await asked(world, idle)
    await acts.sign(family.signer, request_id)
    await world.until_stage(family, request_id, "available")
    operator = await signed_in(browser, world, world.operator)
    token = await let_in(operator, idle)
    reader = await signed_in(browser, world, Person(world.web, world.house.public_url, "Nora", way_in=token))
    await reader.picture("recipient-0-signed-in")
    await reader.page.click("main a[href='/delivery/']")
    await reader.page.wait_for_url("**/delivery/")
    await reader.picture("recipient-1-arrived")
    delivery = await idle.delivery_of(request_id)
    assert delivery is not None
    await reader.open(f"/delivery/view/{delivery['delivery_id']}")
    await reader.picture("recipient-2-unopened")
    await reader.page.click(f"form[action='/delivery/view/{delivery['delivery_id']}/open'] button")
    await world.until_stage(family, request_id, "delivered")
    await reader.picture("recipient-3-opened")
    await reader.open("/delivery/connections")
    await reader.picture("recipient-4-connections")
    end = await world.release(await world.family(), college)
    strange = await college.delivery_of(end["request_id"])
    assert strange is not None
    answer = await reader.page.goto(f"{reader.origin}/delivery/view/{strange['delivery_id']}")
    assert answer is not None and answer.status == 404, "another recipient's delivery is not there"
    assert [one for one in reader.complaints if "404" not in one] == []


async def let_in(operator: Reader, recipient: Receiver) -> str:
    """The operator lets somebody read for this recipient: the token as the page shows it, once."""
    page = operator.page
    await operator.open(f"/identity/recipients/{recipient.organization_id}")
    await page.fill("input[name=name]", "Nora Feld-Iwamoto")
    await page.fill("input[name=email]", "nora.feld-iwamoto@readers.example.org")
    await operator.picture("operator-recipient-1-nobody")
    await page.click("form[action$='/readers'] button")
    token = await page.inner_text("main code")
    await operator.picture("operator-recipient-2-let-in")
    await operator.open(f"/identity/recipients/{recipient.organization_id}")
    await page.click("main a[href$='/account']")
    await page.wait_for_url("**/account")
    await operator.picture("operator-recipient-3-account")
    assert operator.complaints == []
    return token


async def cookies(context: BrowserContext) -> dict[str, Any]:
    return {str(one["name"]): one for one in await context.cookies()}
