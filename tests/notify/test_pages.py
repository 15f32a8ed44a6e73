"""Notify's pages: what is mine, what reached nobody, and one click that ends a kind of message."""

import httpx
import pytest

from contracts.types import PersonKind
from services.notify.domain import MessageClass, Status
from services.notify.gateways.tickets import Ticket, write_ticket
from services.notify.store import PREFERENCES
from tests.notify.conftest import CSRF, SignIn
from tests.notify.test_api import ANNOUNCEMENT, message_of
from tests.support.notices import FATHER, MOTHER, OPERATOR, REGISTRAR, SCHOOL, STUDENT, Town

PAGE = {"accept": "text/html"}


async def test_everybody_has_a_page_of_what_was_sent_to_them(client: httpx.AsyncClient, sign_in: SignIn) -> None:
    answer = await client.get("/notify/", headers={**PAGE, **sign_in(MOTHER, PersonKind.GUARDIAN)})
    assert answer.status_code == 200
    assert "Please review and sign" in answer.text
    assert "Lakeside College" in answer.text
    assert "/notify/office" not in answer.text


async def test_somebody_without_messages_is_told_so_in_their_language(
    client: httpx.AsyncClient, sign_in: SignIn
) -> None:
    headers = {**PAGE, "accept-language": "es", **sign_in(REGISTRAR, PersonKind.REGISTRAR)}
    answer = await client.get("/notify/", headers=headers)
    assert "Todavía no hay mensajes" in answer.text
    assert "/notify/office" in answer.text


async def test_a_wish_in_the_form_is_kept(client: httpx.AsyncClient, sign_in: SignIn, town: Town) -> None:
    headers = {**PAGE, **sign_in(MOTHER, PersonKind.GUARDIAN)}
    answer = await client.post("/notify/preferences", data={"language": "es", "csrf": CSRF}, headers=headers)
    assert answer.status_code == 303
    (kept,) = await town.store.find(PREFERENCES, {})
    assert (kept.language, kept.muted) == ("es", (MessageClass.INFORMATION,))
    shown = await client.get("/notify/?saved=true", headers=headers)
    assert 'value="es" selected' in shown.text
    await client.post(
        "/notify/preferences", data={"language": "", "wanted": "information", "csrf": CSRF}, headers=headers
    )
    (kept,) = await town.store.find(PREFERENCES, {})
    assert (kept.language, kept.muted) == (None, ())


async def test_a_form_without_its_token_changes_nothing(client: httpx.AsyncClient, sign_in: SignIn, town: Town) -> None:
    headers = {key: value for key, value in sign_in(MOTHER, PersonKind.GUARDIAN).items() if key != "x-csrf"}
    answer = await client.post("/notify/preferences", data={"language": "es"}, headers={**PAGE, **headers})
    assert answer.status_code == 403
    assert await town.store.find(PREFERENCES, {}) == []


async def test_the_office_sees_what_reached_nobody_and_tries_again(
    client: httpx.AsyncClient, sign_in: SignIn, town: Town
) -> None:
    message = await message_of(town, MOTHER, status=Status.ABANDONED, cause="refused", due_at=None)
    await message_of(town, FATHER, status=Status.NO_ADDRESS, due_at=None)
    headers = {**PAGE, **sign_in(REGISTRAR, PersonKind.REGISTRAR)}
    answer = await client.get("/notify/office?status=abandoned", headers=headers)
    assert "there is no such address" in answer.text
    assert "m•••@families.test" in answer.text
    assert "mother@" not in answer.text
    again = await client.post(f"/notify/office/{message.message_id}/retry", data={"csrf": CSRF}, headers=headers)
    assert again.status_code == 303
    assert "waiting" in (await client.get(str(again.headers["location"]), headers=headers)).text


@pytest.mark.parametrize("status", list(Status), ids=str)
async def test_each_state_has_its_list(client: httpx.AsyncClient, sign_in: SignIn, status: Status) -> None:
    headers = {**PAGE, **sign_in(REGISTRAR, PersonKind.REGISTRAR)}
    assert (await client.get(f"/notify/office?status={status}", headers=headers)).status_code == 200


async def test_an_operator_sees_no_name(client: httpx.AsyncClient, sign_in: SignIn) -> None:
    answer = await client.get("/notify/office", headers={**PAGE, **sign_in(OPERATOR, PersonKind.OPERATOR)})
    assert MOTHER in answer.text
    assert "Marisol" not in answer.text
    assert "families.test" not in answer.text


async def test_an_operator_announces_by_form(client: httpx.AsyncClient, sign_in: SignIn, town: Town) -> None:
    headers = {**PAGE, **sign_in(OPERATOR, PersonKind.OPERATOR)}
    assert "never to a student" in (await client.get("/notify/announce", headers=headers)).text
    answer = await client.post("/notify/announce", data={**ANNOUNCEMENT, "csrf": CSRF}, headers=headers)
    assert answer.status_code == 303
    assert ("announcement", REGISTRAR) in await town.told()


async def test_looking_at_an_unsubscribe_link_does_nothing_and_one_click_does_it(
    client: httpx.AsyncClient, town: Town
) -> None:
    ticket = await write_ticket(town.keys, Ticket(STUDENT, MessageClass.INFORMATION))
    shown = await client.get(f"/notify/unsubscribe/{ticket}", headers=PAGE)
    assert shown.status_code == 200
    assert await town.store.find(PREFERENCES, {}) == []
    clicked = await client.post(f"/notify/unsubscribe/{ticket}", data={"List-Unsubscribe": "One-Click"})
    assert clicked.status_code == 200
    (kept,) = await town.store.find(PREFERENCES, {})
    assert (kept.person_id, kept.muted) == (STUDENT, (MessageClass.INFORMATION,))


async def test_a_wrong_ticket_gets_the_same_page_and_changes_nothing(client: httpx.AsyncClient, town: Town) -> None:
    good = await write_ticket(town.keys, Ticket(STUDENT, MessageClass.INFORMATION))
    wrong = await client.post("/notify/unsubscribe/per_student.AAAA", headers=PAGE)
    assert await town.store.find(PREFERENCES, {}) == []
    right = await client.post(f"/notify/unsubscribe/{good}", headers=PAGE)
    assert wrong.status_code == right.status_code == 200
    assert wrong.text.replace("per_student.AAAA", "") == right.text.replace(good, "")


async def test_a_student_is_not_offered_what_is_never_sent_to_students(
    client: httpx.AsyncClient, sign_in: SignIn
) -> None:
    student = await client.get("/notify/", headers={**PAGE, **sign_in(STUDENT, PersonKind.STUDENT)})
    registrar = await client.get(
        "/notify/", headers={**PAGE, **sign_in(REGISTRAR, PersonKind.REGISTRAR, school=SCHOOL)}
    )
    assert 'value="membership"' not in student.text
    assert 'value="membership"' in registrar.text
