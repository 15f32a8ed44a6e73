from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import APIRouter, Form
from joserfc.jwk import OKPKey
from starlette.requests import Request
from starlette.responses import Response

from contracts.types import Membership, OrganizationId, PersonKind
from services.chassis.web import http
from services.chassis.web.auth import (
    COOKIE,
    Auth,
    Caller,
    allowed,
    anyone,
    caller,
    caller_of,
    end_session,
    local_path,
    make_access,
    make_session,
    set_session,
    set_step_up,
    signed_in,
)
from services.chassis.web.health import Health
from services.chassis.web.tokens import SessionClaims, SubjectKind
from tests.chassis.web.conftest import NOW, ORIGIN, client_of, make_key
from tests.support.public_keys import PublicKeys

Serve = Callable[..., httpx.AsyncClient]
HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def client(serve: Serve) -> httpx.AsyncClient:
    router = APIRouter()

    @router.get("/open")
    async def for_all(who: Annotated[Caller | None, anyone()]) -> dict[str, str]:
        return {"id": who.id if who else "nobody"}

    @router.post("/open", dependencies=[anyone()])
    async def open_form() -> None: ...

    @router.get("/mine")
    async def mine(who: Annotated[Caller, signed_in()]) -> dict[str, str]:
        return {"id": who.id}

    @router.get("/people", dependencies=[signed_in(people_only=True)])
    async def people(request: Request) -> dict[str, str]:
        return {"id": caller(request).id}

    @router.get("/registrars", dependencies=[allowed(PersonKind.REGISTRAR)])
    async def registrars() -> None: ...

    @router.get("/readers", dependencies=[allowed(PersonKind.READER, PersonKind.OPERATOR)])
    async def readers() -> None: ...

    @router.post("/json", dependencies=[signed_in()])
    async def act() -> dict[str, str]:
        return {"did": "it"}

    @router.post("/form", dependencies=[signed_in()])
    async def form(words: Annotated[str, Form()]) -> dict[str, str]:
        return {"words": words}

    return serve(router)


async def test_what_is_open_to_all_knows_the_caller_when_there_is_one(client: httpx.AsyncClient, session: Any) -> None:
    assert (await client.get("/toy/open")).json() == {"id": "nobody"}
    assert (await client.get("/toy/open", headers=session)).json() == {"id": "per_01k0000000000000000000000a"}


async def test_an_old_cookie_keeps_nobody_from_the_open_pages(client: httpx.AsyncClient) -> None:
    assert (await client.get("/toy/open", headers={"cookie": f"{COOKIE}=stale"})).json() == {"id": "nobody"}


async def test_a_program_without_a_token_is_told_to_bring_one(client: httpx.AsyncClient) -> None:
    answer = await client.get("/toy/mine")
    assert (answer.status_code, answer.json()["status"]) == (401, 401)
    assert answer.headers["www-authenticate"] == 'Bearer realm="placet"'
    answer = await client.get("/toy/mine", headers={"authorization": "Bearer rubbish"})
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert (await client.get("/toy/mine", headers={"authorization": "Basic YTpi"})).status_code == 401


async def test_a_browser_without_a_session_is_sent_to_sign_in_and_back(client: httpx.AsyncClient) -> None:
    answer = await client.get("/toy/mine?page=2&to=//evil.example", headers=HTML)
    assert answer.status_code == 303
    to = urlsplit(answer.headers["location"])
    assert (to.scheme, to.netloc, to.path) == ("", "", "/identity/sign-in")
    assert parse_qs(to.query) == {"next": ["/toy/mine?page=2&to=//evil.example"]}


async def test_a_form_sent_after_the_session_ended_is_answered_by_a_page(client: httpx.AsyncClient) -> None:
    answer = await client.post("/toy/json", headers=HTML)
    assert answer.status_code == 401
    assert "Please sign in again" in answer.text


async def test_an_access_token_opens_as_a_session_does(
    client: httpx.AsyncClient, key: OKPKey, claims: SessionClaims
) -> None:
    headers = {"authorization": f"Bearer {make_access(claims, key)}"}
    assert (await client.get("/toy/mine", headers=headers)).json() == {"id": claims.sub}
    # No cookie, so no browser was tricked: no CSRF token is asked for.
    assert (await client.post("/toy/json", headers=headers)).json() == {"did": "it"}


async def test_a_session_is_no_bearer_token_and_a_bearer_token_no_session(
    client: httpx.AsyncClient, key: OKPKey, claims: SessionClaims
) -> None:
    assert (
        await client.get("/toy/mine", headers={"authorization": f"Bearer {make_session(claims, key)}"})
    ).status_code == 401
    assert (
        await client.get("/toy/mine", headers={"cookie": f"{COOKIE}={make_access(claims, key)}"})
    ).status_code == 401


async def test_a_right_asks_for_one_of_its_kinds(client: httpx.AsyncClient, session: Any) -> None:
    assert (await client.get("/toy/registrars", headers=session)).status_code == 200
    answer = await client.get("/toy/readers", headers=session)
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/not-allowed")


async def test_a_program_is_no_person(client: httpx.AsyncClient, key: OKPKey, claims: SessionClaims) -> None:
    program = claims.model_copy(update={"kind": SubjectKind.CLIENT, "sub": "cli_1"})
    headers = {"authorization": f"Bearer {make_access(program, key)}"}
    assert (await client.get("/toy/mine", headers=headers)).json() == {"id": "cli_1"}
    assert (await client.get("/toy/people", headers=headers)).status_code == 403


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"x-csrf": ""},
        {"x-csrf": "wrong"},
        {"x-csrf": "c" * 43, "sec-fetch-site": "cross-site"},
        {"x-csrf": "c" * 43, "sec-fetch-site": "same-site"},
        {"x-csrf": "c" * 43, "origin": "https://evil.example"},
        {"x-csrf": "c" * 43, "origin": "null"},
        {"x-csrf": "c" * 43, "origin": ORIGIN, "sec-fetch-site": "cross-site"},
    ],
    ids=str,
)
async def test_a_cookie_alone_does_nothing_unsafe(
    client: httpx.AsyncClient, session: Any, extra: dict[str, str]
) -> None:
    assert (await client.post("/toy/json", headers={**session, **extra})).status_code == 403


@pytest.mark.parametrize(
    "extra", [{}, {"origin": ORIGIN}, {"sec-fetch-site": "same-origin", "origin": "http://localhost"}], ids=str
)
async def test_with_the_token_from_our_own_page_it_does(
    client: httpx.AsyncClient, session: Any, extra: dict[str, str]
) -> None:
    answer = await client.post("/toy/json", headers={**session, **extra, "x-csrf": "c" * 43})
    assert answer.json() == {"did": "it"}


async def test_a_form_carries_its_token_in_a_field(client: httpx.AsyncClient, session: Any) -> None:
    answer = await client.post("/toy/form", data={"csrf": "c" * 43, "words": "placet"}, headers=session)
    assert answer.json() == {"words": "placet"}
    answer = await client.post("/toy/form", data={"csrf": "no", "words": "placet"}, headers=session)
    assert answer.status_code == 403
    answer = await client.post("/toy/form", files={"csrf": ("c" * 43, b"c" * 43)}, data={"words": "x"}, headers=session)
    assert answer.status_code == 403


async def test_a_form_that_is_open_to_all_takes_nothing_from_another_site(client: httpx.AsyncClient) -> None:
    assert (await client.post("/toy/open", headers={"sec-fetch-site": "cross-site"})).status_code == 403
    assert (await client.post("/toy/open")).status_code == 200


async def test_a_session_without_a_csrf_token_does_nothing_unsafe(
    client: httpx.AsyncClient, key: OKPKey, claims: SessionClaims
) -> None:
    cookie = f"{COOKIE}={make_session(claims.model_copy(update={'csrf': ''}), key)}"
    assert (await client.post("/toy/json", headers={"cookie": cookie, "x-csrf": ""})).status_code == 403


async def test_the_right_is_asked_before_the_body_is_judged(client: httpx.AsyncClient) -> None:
    assert (await client.post("/toy/form", data={"nonsense": "1"})).status_code == 401


async def test_a_new_key_file_is_believed_at_once_and_an_old_key_no_longer(
    key: OKPKey, claims: SessionClaims, health: Health
) -> None:
    keys = PublicKeys(key)
    router = APIRouter()

    @router.get("/mine", dependencies=[signed_in()])
    async def mine() -> None: ...

    client = client_of(
        http.build(
            "toy",
            routers=[router],
            health=health,
            auth=Auth(keys, public_url=ORIGIN, now=lambda: NOW),
            public_url=ORIGIN,
        )
    )
    old = {"cookie": f"{COOKIE}={make_session(claims, key)}"}
    assert (await client.get("/toy/mine", headers=old)).status_code == 200
    new = make_key()
    keys.set = PublicKeys(new).set
    assert (await client.get("/toy/mine", headers=old)).status_code == 401
    fresh = {"cookie": f"{COOKIE}={make_session(claims, new)}"}
    assert (await client.get("/toy/mine", headers=fresh)).status_code == 200


def test_a_remembered_session_ends_when_it_says(key: OKPKey, claims: SessionClaims) -> None:
    moment = [NOW]
    auth = Auth(PublicKeys(key), public_url=ORIGIN, now=lambda: moment[0])
    request = Request({"type": "http", "headers": [(b"cookie", f"{COOKIE}={make_session(claims, key)}".encode())]})
    assert auth.identify(request) is not None
    moment[0] = NOW.replace(hour=13)
    with pytest.raises(Exception, match="expired"):
        auth.identify(request)


def test_a_caller_belongs_where_the_session_says(claims: SessionClaims) -> None:
    school, other = OrganizationId("org_lincoln"), OrganizationId("org_other")
    both = (*claims.memberships, Membership(kind=PersonKind.EDUCATOR, organization_id=other))
    who = caller_of(claims.model_copy(update={"memberships": both}), by_cookie=True)
    assert who.belongs(PersonKind.REGISTRAR, school)
    assert not who.belongs(PersonKind.REGISTRAR, other)
    assert who.organizations(PersonKind.EDUCATOR) == (other,)
    assert who.organizations() == (school, other)
    assert who.kinds == {PersonKind.REGISTRAR, PersonKind.EDUCATOR}


@pytest.mark.parametrize(
    "wanted",
    [
        None, "", "consent", "//evil.example", "/\\evil.example", "\\/evil.example", "https://evil.example", "///evil.example",
        "javascript:alert(1)", "/a\nb", "/a\tb", " /a", "/ a", "/" + "a" * 3000, "/\x7f",
    ],
)  # fmt: skip
def test_a_redirect_never_leaves_the_house(wanted: str | None) -> None:
    assert local_path(wanted, otherwise="/identity/") == "/identity/"


@pytest.mark.parametrize("wanted", ["/", "/consent/requests/req_1", "/records/?page=2", "/a?next=https://x.example"])
def test_a_path_of_ours_is_kept(wanted: str) -> None:
    assert local_path(wanted) == wanted


def test_the_cookies_are_for_this_host_over_tls_and_for_no_script() -> None:
    response = Response()
    set_session(response, "token", seconds=900)
    set_step_up(response, "proof")
    session, step = response.headers.getlist("set-cookie")
    assert session == "__Host-placet=token; HttpOnly; Max-Age=900; Path=/; SameSite=lax; Secure"
    assert step == "__Host-placet-step-up=proof; HttpOnly; Max-Age=300; Path=/; SameSite=strict; Secure"
    gone = Response()
    end_session(gone)
    assert all("Max-Age=0" in cookie and "Secure" in cookie for cookie in gone.headers.getlist("set-cookie"))
