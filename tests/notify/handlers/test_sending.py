"""A due message on its way: sent once, tried later, or ended where people can see why. Words exist only in between."""

from datetime import timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest

from contracts.consent.v1 import ConsentRevoked
from contracts.types import Capacity, PersonId, PersonKind
from services.chassis.decision import Decision
from services.chassis.store.work import NotNow
from services.notify.domain import Message, MessageClass, Preferences, Status, Template
from services.notify.gateways.letters import Letters
from services.notify.gateways.smtp import NotTaken, Refused
from services.notify.gateways.tickets import Ticket, read_ticket
from services.notify.handlers.sending import Attempt, Later, Post, Rules, claim_job, record_job
from services.notify.store import MESSAGES, PREFERENCES, Questions
from tests.support.notices import ABOUT, AT, FATHER, MOTHER, REGISTRAR, STUDENT, Town, heard, opened

NOW = AT + timedelta(days=900)
"""Later than anything that was made due by the real clock."""
FIVE = timedelta(minutes=5)


class Slot:
    """A mail server that keeps what it takes, or answers as it is told."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str, bytes]] = []
        self.says: Exception | None = None

    async def send(self, sender: str, recipient: str, mail: bytes) -> None:
        if self.says is not None:
            raise self.says
        self.taken.append((sender, recipient, mail))


class Office:
    """A town whose post is sent."""

    def __init__(self, town: Town, **rules: Any) -> None:
        self.town, self.slot = town, Slot()
        given = Rules.of(**{
            "origin": "https://placet.example/", "sender": "Placet <no-reply@placet.example>", "test_only": True,
            "test_domains": (), "retry": FIVE, **rules,
        })  # fmt: skip
        self.post = Post(Questions(town.store), town.keys, Letters(given.origin), self.slot, given)

    async def send(self, person: PersonId | None = None) -> list[Message]:
        """The three beats for what is due (to this person). Answers with the messages as they are then."""
        for due in await Questions(self.town.store).due(NOW, 100):
            if person is not None and due.message.person_id != person:
                continue
            claimed = await self.town.work.carry_out(claim_job(due, NOW))
            assert isinstance(claimed, Decision)
            attempt = await self.post.act(due, claimed)
            await self.town.work.carry_out(record_job(due, attempt, NOW))
        return [one for one in await self.town.messages() if person in (None, one.person_id)]

    async def one(self, person: PersonId) -> Message:
        (message,) = await self.send(person)
        return message


@pytest.fixture
async def office() -> Office:
    town = await Town().settle()
    await town.hear(heard(opened(), "evt_opened"))
    return Office(town)


def said(office: Office) -> list[str]:
    return [row["type"] for row in office.town.store.outbox]


async def test_every_due_message_is_sent_to_its_person_in_their_language(office: Office) -> None:
    messages = await office.send()
    assert {one.status for one in messages} == {Status.SENT}
    mails = {to: message_from_bytes(mail, policy=policy.default) for _, to, mail in office.slot.taken}
    assert set(mails) == {"mother@families.test", "father@families.test", "student@families.test"}
    assert (
        mails["mother@families.test"]["Subject"] == "Harbor Point School: please review and sign a transcript request"
    )
    assert mails["father@families.test"]["Content-Language"] == "es"
    assert said(office) == ["notify.message.sent.v1"] * 3


async def test_the_message_id_is_drawn_from_the_message_so_that_a_repeat_is_known(office: Office) -> None:
    message = await office.one(MOTHER)
    (_, _, mail) = office.slot.taken[0]
    assert message_from_bytes(mail, policy=policy.default)["Message-ID"] == f"<{message.message_id}@placet.example>"


async def test_what_was_sent_is_not_due_again(office: Office) -> None:
    await office.send()
    await office.send()
    assert len(office.slot.taken) == 3


async def test_nothing_of_a_letter_is_kept_or_said(office: Office) -> None:
    await office.send()
    everything = repr(office.town.store.tables)
    for word in ("Amélie", "Ybarra", "families.test", "please review"):
        assert word not in everything


async def test_a_server_that_is_down_is_tried_again_after_five_minutes(office: Office) -> None:
    office.slot.says = NotTaken("down")
    message = await office.one(MOTHER)
    assert (message.status, message.cause, message.due_at) == (Status.WAITING, "not-taken", NOW + FIVE)
    assert said(office) == []


async def test_a_refused_address_ends_the_message_and_the_next_one_is_not_tried(office: Office) -> None:
    office.slot.says = Refused(550, address=True)
    message = await office.one(MOTHER)
    assert (message.status, message.cause) == (Status.ABANDONED, "refused")
    office.slot.says = None
    revoked = ConsentRevoked(
        **ABOUT, version=2, revoked_by=FATHER, revoked_as=Capacity.GUARDIAN, revoked_at=AT, after_approval=False
    )
    await office.town.hear(heard(revoked, "evt_revoked"))
    causes = {one.template: one.cause for one in await office.send(MOTHER)}
    assert causes == {Template.SIGN: "refused", Template.REVOKED: "suppressed"}
    assert office.slot.taken == []


async def test_a_refused_mail_says_nothing_of_the_address(office: Office) -> None:
    office.slot.says = Refused(554, address=False)
    message = await office.one(MOTHER)
    assert message.cause == "rejected"
    office.slot.says = None
    await office.send(FATHER)
    assert len(office.slot.taken) == 1


async def test_an_erased_person_is_not_written_to_nor_about(office: Office) -> None:
    await office.town.keys.erase(MOTHER)
    assert (await office.one(MOTHER)).cause == "erased"
    await office.town.keys.erase(STUDENT)
    assert (await office.one(FATHER)).cause == "erased"
    assert office.slot.taken == []


@pytest.mark.parametrize(
    ("change", "status", "cause"),
    [
        ({"email": None}, Status.NO_ADDRESS, None),
        ({"email": ""}, Status.NO_ADDRESS, None),
        ({"email": "not an address"}, Status.ABANDONED, "address-unusable"),
        ({"email": "a@families.test\r\nRCPT TO:<x@y.test>"}, Status.ABANDONED, "address-unusable"),
        ({"email": "marisol@gmail.com"}, Status.HELD_BACK, None),
        ({"active": False}, Status.ABANDONED, "inactive"),
    ],
    ids=[
        "no address",
        "an empty one",
        "none that can be",
        "one with a line break",
        "a real one in test mode",
        "closed",
    ],
)
async def test_what_cannot_be_sent_ends_where_it_is_seen(
    office: Office, change: dict[str, Any], status: Status, cause: str | None
) -> None:
    await office.town.hear(heard(await office.town.person(MOTHER, PersonKind.GUARDIAN, version=2, **change), "evt_m2"))
    message = await office.one(MOTHER)
    assert (message.status, message.cause) == (status, cause)
    assert office.slot.taken == []
    assert said(office) == ["notify.message.abandoned.v1"]


async def test_outside_test_mode_real_people_are_mailed(office: Office) -> None:
    await office.town.hear(
        heard(await office.town.person(MOTHER, PersonKind.GUARDIAN, version=2, email="marisol@gmail.com"), "evt_m2")
    )
    live = Office(office.town, test_only=False)
    assert (await live.one(MOTHER)).status is Status.SENT
    assert [to for _, to, _ in live.slot.taken] == ["marisol@gmail.com"]


async def test_a_name_with_a_line_break_reaches_no_other_header(office: Office) -> None:
    evil = await office.town.person(MOTHER, PersonKind.GUARDIAN, version=2, name="Eve\r\nBcc: all@families.test")
    await office.town.hear(heard(evil, "evt_m2"))
    await office.send(MOTHER)
    mail = message_from_bytes(office.slot.taken[0][2], policy=policy.default)
    assert mail["Bcc"] is None
    assert mail["To"].addresses[0].addr_spec == "mother@families.test"


async def test_a_muted_class_is_not_sent_and_what_is_needed_is(office: Office) -> None:
    for person in (STUDENT, MOTHER):
        wishes = Preferences(person_id=person, version=1, language="es", muted=(MessageClass.INFORMATION,))
        office.town.store.tables.setdefault("preferences", {})[person] = PREFERENCES.document(wishes, 1)
    assert (await office.one(STUDENT)).status is Status.UNWANTED
    assert (await office.one(MOTHER)).status is Status.SENT
    mail = message_from_bytes(office.slot.taken[0][2], policy=policy.default)
    assert mail["Content-Language"] == "es"
    assert mail["List-Unsubscribe"] is None


async def test_what_may_be_switched_off_carries_a_ticket_that_does_it(office: Office) -> None:
    await office.send(STUDENT)
    mail = message_from_bytes(office.slot.taken[0][2], policy=policy.default)
    link = str(mail["List-Unsubscribe"]).strip("<>")
    assert link.startswith("https://placet.example/notify/unsubscribe/")
    ticket = await read_ticket(office.town.keys, link.rpartition("/")[2])
    assert ticket == Ticket(STUDENT, MessageClass.INFORMATION)


async def test_a_message_waits_for_people_and_names_that_are_still_on_their_way() -> None:
    town = Town()
    await town.hear(heard(opened(), "evt_opened"))
    office = Office(town)
    message = await office.one(MOTHER)
    assert (message.status, message.cause) == (Status.WAITING, "not-known-yet")
    assert message.due_at == NOW + timedelta(seconds=10)
    await town.settle()
    (due,) = [one for one in await Questions(town.store).due(message.due_at, 9) if one.message.person_id == MOTHER]
    claimed = await town.work.carry_out(claim_job(due, message.due_at))
    assert isinstance(claimed, Decision)
    await office.post.act(due, claimed)
    assert len(office.slot.taken) == 1


async def test_a_vault_that_is_away_is_waited_for(office: Office) -> None:
    office.town.keys.down = True
    with pytest.raises(NotNow):
        await office.send(MOTHER)
    duty = office.post.duty()
    (due, *_) = await Questions(office.town.store).due(NOW, 1)
    assert duty.name == "notify.send"
    assert duty._failed is not None
    job = duty._failed(due, NotNow("away"))
    assert job.cause == f"record:{due.message.message_id}:{due.message.attempts + 1}"


async def test_two_workers_never_send_one_message(office: Office) -> None:
    (due, *_) = await Questions(office.town.store).due(NOW, 1)
    first = await office.town.work.carry_out(claim_job(due, NOW))
    second = await office.town.work.carry_out(claim_job(due, NOW))
    assert isinstance(first, Decision)
    assert not isinstance(second, Decision)


async def test_a_retry_between_the_beats_is_not_undone_by_a_late_record(office: Office) -> None:
    (due, *_) = await Questions(office.town.store).due(NOW, 1)
    await office.town.work.carry_out(claim_job(due, NOW))
    await office.town.work.carry_out(record_job(due, Attempt(7, Later("not-taken", FIVE)), NOW))
    (message,) = await office.town.store.find(MESSAGES, {"_id": due.message.message_id})
    assert message.cause is None


async def test_a_registrar_is_told_as_a_registrar(office: Office) -> None:
    revoked = ConsentRevoked(
        **ABOUT, version=2, revoked_by=MOTHER, revoked_as=Capacity.GUARDIAN, revoked_at=AT, after_approval=True
    )
    await office.town.hear(heard(revoked, "evt_revoked"))
    await office.send(REGISTRAR)
    (_, to, mail) = office.slot.taken[0]
    body = message_from_bytes(mail, policy=policy.default).get_body(("plain",))
    assert to == "registrar@families.test"
    assert body is not None
    assert "because you are a registrar at Harbor Point School" in body.get_content()
