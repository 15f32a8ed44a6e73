"""Notify over HTTP: the school sees what reached nobody, people see what is theirs, strangers learn nothing."""

from dataclasses import replace
from typing import Any

import httpx
import pytest

from contracts.types import OrganizationId, PersonId, PersonKind
from services.notify.domain import Message, Status, Template
from services.notify.store import MESSAGES
from tests.notify.conftest import SignIn
from tests.support.notices import AT, MOTHER, OPERATOR, REGISTRAR, SCHOOL, STRANGER, STUDENT, Town, heard

ELSEWHERE = OrganizationId("org_elsewhere")


async def message_of(town: Town, person: PersonId, **change: Any) -> Message:
    """This person's message, changed in the store."""
    (message,) = [one for one in await town.messages() if one.person_id == person]
    changed = replace(message, **change)
    town.store.tables["messages"][message.message_id] = MESSAGES.document(changed, 9)
    return changed


async def test_the_registrar_sees_the_school_s_messages_with_masked_addresses(
    client: httpx.AsyncClient, sign_in: SignIn
) -> None:
    answer = await client.get("/notify/messages", headers=sign_in(REGISTRAR, PersonKind.REGISTRAR))
    assert answer.status_code == 200
    assert {one["address"] for one in answer.json()} == {
        "m•••@families.test",
        "f•••@families.test",
        "s•••@families.test",
    }
    assert "mother@" not in answer.text


async def test_an_operator_sees_states_and_ids_and_no_address(client: httpx.AsyncClient, sign_in: SignIn) -> None:
    answer = await client.get(
        "/notify/messages?status=waiting", headers=sign_in(OPERATOR, PersonKind.OPERATOR, school="org_house")
    )
    assert len(answer.json()) == 3
    assert {one["address"] for one in answer.json()} == {None}


async def test_another_school_s_registrar_sees_nothing_and_learns_nothing(
    client: httpx.AsyncClient, sign_in: SignIn, town: Town
) -> None:
    other = sign_in(STRANGER, PersonKind.REGISTRAR, school=ELSEWHERE)
    message = await message_of(town, MOTHER)
    assert (await client.get("/notify/messages", headers=other)).json() == []
    answers = [
        await client.get(f"/notify/messages?school_id={SCHOOL}", headers=other),
        await client.get(f"/notify/messages/{message.message_id}", headers=other),
        await client.get("/notify/messages/msg_nothing", headers=other),
        await client.post(f"/notify/messages/{message.message_id}/retry", headers=other),
    ]
    assert {one.status_code for one in answers} == {404}
    assert answers[1].json()["detail"] == answers[2].json()["detail"] == answers[3].json()["detail"]


async def test_a_registrar_may_name_the_school(client: httpx.AsyncClient, sign_in: SignIn) -> None:
    answer = await client.get(f"/notify/messages?school_id={SCHOOL}", headers=sign_in(REGISTRAR, PersonKind.REGISTRAR))
    assert len(answer.json()) == 3


async def test_people_see_their_own_messages_and_no_others(
    client: httpx.AsyncClient, sign_in: SignIn, town: Town
) -> None:
    mother = sign_in(MOTHER, PersonKind.GUARDIAN)
    own = (await client.get("/notify/messages/mine", headers=mother)).json()
    assert [one["template"] for one in own] == ["sign"]
    assert own[0]["address"] == "m•••@families.test"
    one = await client.get(f"/notify/messages/{own[0]['message_id']}", headers=mother)
    assert one.json() == own[0]
    students = await message_of(town, STUDENT)
    assert (await client.get(f"/notify/messages/{students.message_id}", headers=mother)).status_code == 404
    assert (await client.get("/notify/messages", headers=mother)).status_code == 403


async def test_what_reached_nobody_is_tried_again_once_for_one_command(
    client: httpx.AsyncClient, sign_in: SignIn, town: Town
) -> None:
    message = await message_of(town, MOTHER, status=Status.ABANDONED, cause="refused", due_at=None)
    headers = {**sign_in(REGISTRAR, PersonKind.REGISTRAR), "idempotency-key": "again-1"}
    for _ in range(2):
        answer = await client.post(f"/notify/messages/{message.message_id}/retry", headers=headers)
        assert answer.json()["status"] == "waiting"


async def test_one_s_own_message_is_for_the_office_to_try_again(
    client: httpx.AsyncClient, sign_in: SignIn, town: Town
) -> None:
    message = await message_of(town, MOTHER, school_id=ELSEWHERE)
    headers = sign_in(MOTHER, PersonKind.REGISTRAR)
    answer = await client.post(f"/notify/messages/{message.message_id}/retry", headers=headers)
    assert answer.status_code == 403


async def test_a_sent_message_is_not_tried_again(client: httpx.AsyncClient, sign_in: SignIn, town: Town) -> None:
    message = await message_of(town, MOTHER, status=Status.SENT, due_at=None)
    answer = await client.post(
        f"/notify/messages/{message.message_id}/retry", headers=sign_in(REGISTRAR, PersonKind.REGISTRAR)
    )
    assert answer.status_code == 409


async def test_an_operator_reports_what_came_back(client: httpx.AsyncClient, sign_in: SignIn, town: Town) -> None:
    message = await message_of(town, MOTHER, status=Status.SENT, due_at=None, ended_at=AT)
    address = f"/notify/messages/{message.message_id}/bounce"
    assert (await client.post(address, headers=sign_in(REGISTRAR, PersonKind.REGISTRAR))).status_code == 403
    answer = await client.post(address, headers=sign_in(OPERATOR, PersonKind.OPERATOR))
    assert (answer.json()["status"], answer.json()["cause"]) == ("abandoned", "bounced")


async def test_a_wish_is_kept_and_what_is_needed_cannot_be_wished_away(
    client: httpx.AsyncClient, sign_in: SignIn
) -> None:
    mother = sign_in(MOTHER, PersonKind.GUARDIAN)
    assert (await client.get("/notify/preferences", headers=mother)).json() == {"language": None, "muted": []}
    wish = {"language": "es", "muted": ["information"]}
    assert (await client.put("/notify/preferences", json=wish, headers=mother)).json() == wish
    assert (await client.get("/notify/preferences", headers=mother)).json() == wish
    for bad in ({"muted": ["needed"]}, {"language": "fr"}, {"loud": True}):
        assert (await client.put("/notify/preferences", json=bad, headers=mother)).status_code == 422


ANNOUNCEMENT = {
    "audience": "registrar", "subject_en": "A workshop", "subject_es": "Un taller", "text_en": "In May.", "text_es": "En mayo."
}  # fmt: skip


async def test_p13_an_announcement_reaches_staff_once_and_no_family(
    client: httpx.AsyncClient, sign_in: SignIn, town: Town
) -> None:
    await town.hear(
        heard(await town.person(PersonId("per_both"), PersonKind.REGISTRAR, PersonKind.GUARDIAN), "evt_both")
    )
    headers = {**sign_in(OPERATOR, PersonKind.OPERATOR), "idempotency-key": "may"}
    for _ in range(2):
        assert (await client.post("/notify/announcements", json=ANNOUNCEMENT, headers=headers)).status_code == 201
    told = [one.person_id for one in await town.messages() if one.template is Template.ANNOUNCEMENT]
    assert told == [REGISTRAR]


@pytest.mark.parametrize("audience", ["student", "guardian"])
async def test_p13_families_can_not_be_announced_to(client: httpx.AsyncClient, sign_in: SignIn, audience: str) -> None:
    body = {**ANNOUNCEMENT, "audience": audience}
    answer = await client.post("/notify/announcements", json=body, headers=sign_in(OPERATOR, PersonKind.OPERATOR))
    assert answer.status_code == 403


async def test_only_an_operator_announces(client: httpx.AsyncClient, sign_in: SignIn) -> None:
    answer = await client.post(
        "/notify/announcements", json=ANNOUNCEMENT, headers=sign_in(REGISTRAR, PersonKind.REGISTRAR)
    )
    assert answer.status_code == 403
