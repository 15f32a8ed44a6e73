"""The shared parts in a real browser: they fit a phone, work without a script, and the cookie's rules hold on loopback."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
import uvicorn
from fastapi import APIRouter
from joserfc.jwk import OKPKey
from playwright.async_api import Browser, Page, async_playwright
from starlette.requests import Request
from starlette.responses import Response

from services.chassis import clock
from services.chassis.web import http
from services.chassis.web.auth import COOKIE, Auth, anyone, make_session, set_session, signed_in
from services.chassis.web.health import Health
from services.chassis.web.pages import Pages, render
from services.chassis.web.tokens import SessionClaims
from tests.chassis.web.test_pages import SAMPLE, sample_values
from tests.support.public_keys import PublicKeys

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]

pytestmark = [
    pytest.mark.connected,
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium"),
]


@dataclass
class Site:
    origin: str
    browser: Browser


@pytest.fixture
async def site(key: OKPKey, claims: SessionClaims, health: Health) -> AsyncIterator[Site]:
    """A service on a free port of loopback, and a browser."""
    listener = socket.create_server(("127.0.0.1", 0))
    origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
    now = int(clock.now().timestamp())
    router = APIRouter()

    @router.get("/in", dependencies=[anyone()])
    async def enter(request: Request) -> Response:
        response = render(request, "all.html", **sample_values())
        set_session(response, make_session(claims.model_copy(update={"iat": now, "exp": now + 60}), key), seconds=60)
        return response

    @router.get("/", dependencies=[signed_in()])
    async def page(request: Request) -> Response:
        return render(request, "all.html", **sample_values())

    @router.post("/sign", dependencies=[signed_in()])
    async def sign() -> dict[str, str]:
        return {"signed": "yes"}

    app = http.build(
        "toy", routers=[router], health=health, auth=Auth(PublicKeys(key), public_url=origin), public_url=origin
    )
    app.state.pages = Pages("toy", SAMPLE)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield Site(origin, browser)
        await browser.close()
    server.should_exit = True
    await serving


def listen(page: Page) -> tuple[list[str], list[str]]:
    """What the browser says on its console, and what it asks for."""
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    return said, asked


async def test_a_family_reads_and_signs_on_a_small_phone_without_a_script(site: Site) -> None:
    screens: list[tuple[int, Literal["light", "dark"]]] = [(320, "light"), (390, "dark"), (1200, "light")]
    for width, scheme in screens:
        context = await site.browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        page = await context.new_page()
        said, asked = listen(page)
        await page.goto(f"{site.origin}/toy/in")
        await page.goto(f"{site.origin}/toy/")
        # Nothing sticks out (WCAG 2.2, 1.4.10), nothing was blocked by the policy, nobody else was asked.
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        assert said == []
        assert {url.split("/toy/")[0] for url in asked} == {site.origin}
        # The first stop of the keyboard is the way past the header; targets are large enough for a thumb (2.5.8).
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.className") == "skip"
        small = "[...document.querySelectorAll('button, .button, nav a')].filter(e => e.getBoundingClientRect().height < 44).length"
        assert await page.evaluate(small) == 0
        await page.fill("#field-code", "123456")
        await page.click("text=Sign and approve")
        assert "yes" in await page.content()
        await context.close()


async def test_the_session_cookie_lives_on_loopback_and_no_script_reads_it(site: Site) -> None:
    context = await site.browser.new_context()
    page = await context.new_page()
    await page.goto(f"{site.origin}/toy/in")
    [cookie] = await context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (COOKIE, True, True, "Lax")
    assert await page.evaluate("document.cookie") == ""
    await context.close()


async def test_another_site_cannot_make_the_browser_sign(site: Site) -> None:
    context = await site.browser.new_context()
    page = await context.new_page()
    await page.goto(f"{site.origin}/toy/in")
    # localhost is another site than 127.0.0.1 for the browser, and the same server for us.
    elsewhere = site.origin.replace("127.0.0.1", "localhost")
    await page.route(f"{elsewhere}/evil", lambda route: route.fulfill(
        content_type="text/html",
        body=f'<form method=post action="{site.origin}/toy/sign"><input name=csrf value={"c" * 43}><button>Win</button></form>',
    ))  # fmt: skip
    await page.goto(f"{elsewhere}/evil")
    async with page.expect_response("**/toy/sign") as answered:
        await page.click("text=Win")
    assert (await answered.value).status in (401, 403)
    await context.close()
