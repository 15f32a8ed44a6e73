import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from jinja2 import UndefinedError
from starlette.requests import Request
from starlette.responses import Response

from contracts.problem import STATUS, Reason
from contracts.types import PersonKind
from services.chassis.decision import Refusal
from services.chassis.store.work import NotNow
from services.chassis.web import http
from services.chassis.web.auth import Auth, anyone
from services.chassis.web.health import Health
from services.chassis.web.pages import (
    HERE,
    PLACES,
    Pages,
    WordMissing,
    Words,
    day,
    groups,
    moment,
    preferred,
    render,
    size,
)
from services.chassis.web.problem import Refused
from tests.chassis.web.conftest import ORIGIN, client_of

SAMPLE = Path(__file__).parent / "sample"
HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
AT = datetime(2026, 11, 24, 22, 26, tzinfo=UTC)


def sample_values() -> dict[str, Any]:
    rows = [
        ("<script>alert(1)</script>", "Admission", "Waiting for you", "wait"),
        ("Reed College", "Admission", "Sent", "good"),
    ]
    return {"at": AT, "later": AT.replace(month=12), "digest": "sha256:" + "0123456789abcdef" * 4, "rows": rows}


@pytest.fixture
def app(auth: Auth, health: Health) -> FastAPI:
    router = APIRouter()

    @router.get("/", dependencies=[anyone()])
    async def page(request: Request) -> Response:
        return render(request, "all.html", **sample_values())

    @router.get("/refused/{reason}", dependencies=[anyone()])
    async def refuse(reason: Reason) -> None:
        raise Refused(Refusal(reason, "the request is already <b>approved</b>"))

    @router.get("/broken", dependencies=[anyone()])
    async def broken() -> None:
        raise RuntimeError("Ada Lovelace")

    @router.get("/later", dependencies=[anyone()])
    async def later() -> None:
        raise NotNow("mongodb is down", retry_after=5)

    app = http.build("toy", routers=[router], health=health, auth=auth, public_url=ORIGIN)
    app.state.pages = Pages("toy", SAMPLE)
    return app


@pytest.fixture
def client(app: FastAPI) -> httpx.AsyncClient:
    return client_of(app)


async def test_a_page_shows_who_is_signed_in_and_lets_them_out(
    client: httpx.AsyncClient, session: dict[str, str]
) -> None:
    page = (await client.get("/toy/", headers=session)).text
    assert "Ada Lovelace" in page
    assert "registrar" in page
    assert 'action="/identity/sign-out"' in page
    assert page.count(f'name="csrf" value="{"c" * 43}"') == 2
    assert 'href="/consent/"' in page


async def test_a_stranger_is_offered_to_sign_in_and_no_places(client: httpx.AsyncClient) -> None:
    page = (await client.get("/toy/")).text
    assert 'href="/identity/sign-in"' in page
    assert "sign-out" not in page
    assert "/consent/" not in page


async def test_what_people_wrote_is_never_markup(client: httpx.AsyncClient) -> None:
    page = (await client.get("/toy/")).text
    assert "<script" not in page
    assert "&lt;script&gt;" in page


async def test_a_page_asks_no_other_site_for_anything_and_has_no_style_or_script_of_its_own(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/toy/")
    assert not re.search(r'(src|href|action)="(https?:)?//', answer.text)
    assert not re.search(r"<style|\sstyle=|\son\w+=", answer.text)
    assert answer.headers["cache-control"] == "no-store"


async def test_every_field_has_a_label_and_its_error_is_tied_to_it(client: httpx.AsyncClient) -> None:
    page = (await client.get("/toy/")).text
    for name in re.findall(r'<(?:input|select|textarea)[^>]*id="field-([^"]+)"', page):
        assert f'<label for="field-{name}">' in page
    assert 'aria-describedby="hint-code error-code" aria-invalid="true" required' in page
    assert '<a href="#field-code">' in page


async def test_a_digest_is_grouped_for_the_eye_and_whole_when_copied(client: httpx.AsyncClient) -> None:
    page = (await client.get("/toy/")).text
    code = re.search(r"<code>(.*?)</code>", page, re.DOTALL)
    assert code
    assert code[1].count("<span>") == 8
    assert re.sub(r"<[^>]+>", "", code[1]) == "0123456789abcdef" * 4


async def test_the_language_is_the_browsers_and_what_is_not_translated_is_english(client: httpx.AsyncClient) -> None:
    answer = await client.get("/toy/", headers={"accept-language": "fr-FR, es-MX;q=0.9, en;q=0.5"})
    assert answer.headers["content-language"] == "es"
    assert '<html lang="es">' in answer.text
    assert "Ir al contenido" in answer.text
    assert "24 de noviembre de 2026" in answer.text
    assert "2 solicitudes · Said in English only" in answer.text


@pytest.mark.parametrize("reason", list(Reason))
async def test_a_refused_browser_gets_a_page_with_the_reason_and_an_id(
    client: httpx.AsyncClient, reason: Reason
) -> None:
    answer = await client.get(f"/toy/refused/{reason}", headers=HTML)
    assert answer.status_code == STATUS[reason]
    assert answer.headers["content-type"].startswith("text/html")
    assert "The request is already &lt;b&gt;approved&lt;/b&gt;." in answer.text
    assert answer.headers["x-request-id"] in answer.text


async def test_faults_and_addresses_that_are_not_ours_have_pages_that_tell_nothing(client: httpx.AsyncClient) -> None:
    broken = await client.get("/toy/broken", headers=HTML)
    assert (broken.status_code, "Something broke on our side" in broken.text) == (500, True)
    assert "Ada" not in broken.text
    later = await client.get("/toy/later", headers=HTML)
    assert (later.status_code, later.headers["retry-after"], "mongodb" in later.text) == (503, "5", False)
    missing = await client.get("/toy/missing", headers=HTML)
    assert (missing.status_code, "There is nothing here for you" in missing.text) == (404, True)
    other = await client.delete("/toy/", headers=HTML)
    assert (other.status_code, "That could not be read" in other.text) == (405, True)


async def test_a_static_file_is_kept_for_a_year_under_the_hash_of_its_content(
    client: httpx.AsyncClient, app: FastAPI
) -> None:
    pages: Pages = app.state.pages
    answer = await client.get(pages.static("placet.css"))
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.content == (HERE / "static" / "placet.css").read_bytes()
    for wrong in ("/toy/static/0000000000000000/placet.css", "/toy/static/x/..%2Fpages.py", "/toy/static/x/nothing"):
        assert (await client.get(wrong)).status_code == 404


def test_a_forgotten_value_breaks_the_page_and_does_not_leave_a_hole(app: FastAPI) -> None:
    scope = {
        "type": "http",
        "app": app,
        "path": "/toy/",
        "headers": [],
        "state": {"request_id": "http_1"},
        "query_string": b"",
    }
    request = Request({**scope, "server": ("x", 80), "scheme": "http", "method": "GET"})
    with pytest.raises(UndefinedError):
        render(request, "all.html")


def test_a_word_nobody_wrote_is_an_error() -> None:
    with pytest.raises(WordMissing):
        Words(HERE / "words").say("en", "no.such.word")


def test_one_is_said_as_one() -> None:
    words = Words(SAMPLE / "templates" / "words")
    assert [words.say("en", "sample.items", count=count) for count in (0, 1, 2)] == [
        "0 requests",
        "one request",
        "2 requests",
    ]


def test_the_shared_words_are_the_same_in_every_language_and_cover_all_kinds_places_and_errors() -> None:
    words = Words(HERE / "words")
    english, spanish = words._texts["en"], words._texts["es"]
    assert english.keys() == spanish.keys()
    for key, text in english.items():
        assert re.findall(r"\{\w+\}", text) == re.findall(r"\{\w+\}", spanish[key]), key
    assert all(words.has(f"kind.{kind}") for kind in PersonKind)
    assert all(words.has(f"nav.{place}") for place in PLACES)
    assert all(words.has(f"error.{status}.title") for status in STATUS.values())


@pytest.mark.parametrize(
    ("header", "tags"),
    [
        ("", []),
        ("es", ["es"]),
        ("en;q=0.3, es;q=0.8, fr", ["fr", "es", "en"]),
        ("en;q=zero, es;q=0, de", ["de"]),
        ("*", ["*"]),
    ],
)
def test_the_most_wanted_language_comes_first(header: str, tags: list[str]) -> None:
    assert preferred(header) == tags


def test_dates_are_said_in_words_where_they_are_lived() -> None:
    assert day(AT, "en") == '<time datetime="2026-11-24">24 November 2026</time>'
    assert day(AT, "es", ZoneInfo("Asia/Tokyo")) == '<time datetime="2026-11-25">25 de noviembre de 2026</time>'
    assert moment(AT, "en") == '<time datetime="2026-11-24T22:26:00+00:00">24 November 2026, 22:26 UTC</time>'
    assert "16:26 CST" in moment(AT, "en", ZoneInfo("America/Chicago"))


def test_sizes_and_groups_are_for_eyes() -> None:
    assert [size(count) for count in (999, 184_512, 5_250_000)] == ["999 B", "185 kB", "5.2 MB"]
    assert groups("abcdefghij", 4) == ["abcd", "efgh", "ij"]


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_and_edges_stand_out_as_wcag_asks(scheme: int) -> None:
    blocks = re.findall(r":root \{(.*?)\}", (HERE / "static" / "placet.css").read_text(), re.DOTALL)
    colour = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", blocks[scheme]))
    texts = [(ink, back) for ink in ("ink", "soft", "accent", "bad") for back in ("paper", "sheet", "sunk")]
    texts += [(tone, f"{tone}-back") for tone in ("good", "wait", "bad", "calm", "mute")]
    texts += [("ink", f"{tone}-back") for tone in ("good", "wait", "bad", "calm")]
    texts += [("accent", f"{tone}-back") for tone in ("good", "wait", "bad", "calm")]
    texts += [("on-accent", "accent"), ("on-accent", "accent-strong")]
    weak = {pair: round(_contrast(colour[pair[0]], colour[pair[1]]), 2) for pair in texts}
    assert {pair: ratio for pair, ratio in weak.items() if ratio < 4.5} == {}
    edges = [(edge, back) for edge in ("edge", "focus", "accent", "bad") for back in ("paper", "sheet")]
    assert [pair for pair in edges if _contrast(colour[pair[0]], colour[pair[1]]) < 3] == []
