"""Event in, messages out; once, all or none, and in any order of topics."""

from typing import Any

import pytest

from contracts.consent.v1 import (
    ConsentApproved,
    ConsentExpired,
    ConsentInvalidated,
    ConsentReaddressed,
    ConsentRefused,
    ConsentRevoked,
    ConsentSigned,
)
from contracts.delivery.v1 import DeliveryAbandoned, DeliveryCancelled, TranscriptAcknowledged, TranscriptDelivered
from contracts.event import Event
from contracts.identity.v1 import RightsTransferred
from contracts.records.v1 import HoldPlaced, ReleaseWithheld
from contracts.topics import heard_by
from contracts.types import Basis, BasisCode, Capacity, PackageId, PersonId, PersonKind
from services.notify import consumers
from services.notify.domain import Status, Template
from services.notify.store import HOLDS, ORGANIZATIONS, PEOPLE, REQUESTS
from tests.support.notices import (
    ABOUT,
    AT,
    COLLEGE,
    FATHER,
    MOTHER,
    REGISTRAR,
    REQUEST,
    SCHOOL,
    STUDENT,
    TRANSCRIPT,
    Town,
    heard,
    opened,
)

DIGEST = "sha256:" + "1" * 64
ABOUT_DELIVERY = {**ABOUT, "version": 1, "delivery_id": "dlv_1"}
BASIS = Basis(code=BasisCode.GUARDIAN_CONSENT, section="34 CFR 99.30", words="…")
FAMILY = {STUDENT, MOTHER, FATHER}

APPROVED = ConsentApproved(
    **ABOUT, version=3, package_id=PackageId("pkg_1"), package_digest=DIGEST, basis=BASIS, valid_until=AT, grant="…"
)
DELIVERED = TranscriptDelivered(
    **ABOUT_DELIVERY, package_digest=DIGEST, basis=BASIS.code, delivered_at=AT, ledger_row=7, ledger_hash=DIGEST
)

TOLD: list[tuple[Event, Template, set[PersonId]]] = [
    (ConsentSigned(**ABOUT, version=2, signed_by=MOTHER), Template.SCHOOL_APPROVAL, {REGISTRAR}),
    (APPROVED, Template.APPROVED, FAMILY),
    (ConsentRefused(**ABOUT, version=2, refused_by=MOTHER, refused_as=Capacity.GUARDIAN), Template.REFUSED, {STUDENT}),
    (
        ConsentRevoked(**ABOUT, version=4, revoked_by=MOTHER, revoked_as=Capacity.GUARDIAN, revoked_at=AT, after_approval=True),
        Template.REVOKED,
        {*FAMILY, REGISTRAR},
    ),
    (ConsentExpired(**ABOUT, version=2), Template.EXPIRED, FAMILY),
    (ConsentInvalidated(**ABOUT, version=2, cause="version-superseded"), Template.INVALIDATED, FAMILY),
    (ReleaseWithheld(**ABOUT, version=1, cause="hold"), Template.HELD, FAMILY),
    (ReleaseWithheld(**ABOUT, version=1, cause="withdrawn"), Template.WITHDRAWN, FAMILY),
    (DELIVERED, Template.DELIVERED, FAMILY),
    (DeliveryCancelled(**ABOUT_DELIVERY, cause="revoked", disclosed=True), Template.STOPPED_AFTER_OPENING, FAMILY),
    (DeliveryCancelled(**ABOUT_DELIVERY, cause="expired", disclosed=False), Template.NEVER_OPENED, FAMILY),
    (DeliveryAbandoned(**ABOUT_DELIVERY, cause="no-endpoint"), Template.UNREACHABLE, {REGISTRAR}),
    (TranscriptAcknowledged(**ABOUT_DELIVERY, matches=False, acknowledged_at=AT), Template.MISMATCH, {REGISTRAR}),
]  # fmt: skip

SILENT = [
    ReleaseWithheld(**ABOUT, version=1, cause="revoked"),
    ReleaseWithheld(**ABOUT, version=1, cause="expired"),
    TranscriptAcknowledged(**ABOUT_DELIVERY, matches=True, acknowledged_at=AT),
    DeliveryCancelled(**ABOUT_DELIVERY, cause="revoked", disclosed=False),
]


@pytest.fixture
async def town() -> Town:
    return await Town().settle()


async def open_request(town: Town, **more: Any) -> None:
    await town.hear(heard(opened(**more), "evt_opened"))


def new(told: set[tuple[str, str]]) -> set[tuple[str, str]]:
    return {(template, person) for template, person in told if template not in {"sign", "opened"}}


async def test_whoever_must_sign_is_asked_and_the_student_is_told(town: Town) -> None:
    await open_request(town)
    assert await town.told() == {("sign", MOTHER), ("sign", FATHER), ("opened", STUDENT)}
    assert {one.due_at for one in await town.messages()} != {None}


async def test_a_student_who_signs_gets_one_message_not_two(town: Town) -> None:
    await open_request(town, signers=(STUDENT,))
    assert await town.told() == {("sign", STUDENT)}


@pytest.mark.parametrize(
    ("event", "template", "people"), TOLD, ids=[f"{event.type}-{template}" for event, template, _ in TOLD]
)
async def test_news_goes_to_those_of_its_row(
    town: Town, event: Event, template: Template, people: set[PersonId]
) -> None:
    await open_request(town)
    await town.hear(heard(event, "evt_news"))
    assert new(await town.told()) == {(str(template), person) for person in people}


@pytest.mark.parametrize("event", SILENT, ids=[f"{event.type}-{index}" for index, event in enumerate(SILENT)])
async def test_what_others_have_told_already_is_not_told_again(town: Town, event: Event) -> None:
    await open_request(town)
    await town.hear(heard(event, "evt_news"))
    assert new(await town.told()) == set()


async def test_only_the_new_signers_are_asked_and_later_news_goes_to_them(town: Town) -> None:
    await open_request(town)
    await town.hear(heard(ConsentReaddressed(**ABOUT, version=2, signers=(STUDENT, MOTHER)), "evt_re"))
    assert await town.told() == {("sign", MOTHER), ("sign", FATHER), ("opened", STUDENT), ("sign", STUDENT)}
    await town.hear(heard(DELIVERED, "evt_news"))
    assert new(await town.told()) == {("delivered", STUDENT), ("delivered", MOTHER)}


async def test_the_same_event_makes_no_second_message_even_when_the_inbox_has_forgotten_it(town: Town) -> None:
    await open_request(town)
    await town.hear(heard(APPROVED, "evt_news"))
    before = await town.messages()
    town.store.tables["inbox"].clear()
    await town.hear(heard(opened(), "evt_opened"), heard(APPROVED, "evt_news"))
    assert await town.messages() == before


async def test_news_heard_before_the_opening_is_told_once_the_opening_is_known(town: Town) -> None:
    await town.hear(
        heard(DELIVERED, "evt_early"), heard(DeliveryAbandoned(**ABOUT_DELIVERY, cause="no-endpoint"), "evt_too")
    )
    town.store.tables["inbox"].clear()
    await town.hear(heard(DELIVERED, "evt_early"))
    assert await town.told() == set()
    await open_request(town)
    assert new(await town.told()) == {*(("delivered", one) for one in FAMILY), ("unreachable", REGISTRAR)}
    (view,) = await town.store.find(REQUESTS, {})
    assert view.opened
    assert view.early == ()


async def test_a_crash_before_the_commit_leaves_neither_message_nor_memory(town: Town) -> None:
    town.store.crash_before_commit = True
    await open_request(town)
    assert await town.messages() == []
    town.store.crash_before_commit = False
    await open_request(town)
    assert len(await town.messages()) == 3


async def test_only_twenty_registrars_are_told_and_none_of_another_school_or_closed(town: Town) -> None:
    for number in range(25):
        await town.hear(
            heard(await town.person(PersonId(f"per_many{number:02}"), PersonKind.REGISTRAR), f"evt_many{number}")
        )
    await town.hear(heard(await town.person(REGISTRAR, PersonKind.REGISTRAR, active=False, version=2), "evt_closed"))
    await open_request(town)
    await town.hear(heard(ConsentSigned(**ABOUT, version=2, signed_by=MOTHER), "evt_signed"))
    told = {person for template, person in await town.told() if template == "school-approval"}
    assert len(told) == 20
    assert REGISTRAR not in told


async def test_a_message_keeps_what_its_letter_says_and_no_word_of_a_person(town: Town) -> None:
    await open_request(town)
    await town.hear(heard(DELIVERED, "evt_news"))
    one = next(one for one in await town.messages() if one.template is Template.DELIVERED)
    assert (one.facts.recipient_id, one.facts.basis, one.facts.ledger_row) == (COLLEGE, BasisCode.GUARDIAN_CONSENT, 7)
    assert one.status is Status.WAITING
    kept = repr(town.store.tables["messages"])
    assert "Amélie" not in kept
    assert "families.test" not in kept


async def test_old_news_of_people_and_organizations_is_refused(town: Town) -> None:
    await town.hear(heard(await town.person(MOTHER, PersonKind.GUARDIAN, active=False), "evt_old"))
    await town.hear(heard(Town.school(name="Old Name"), "evt_old2"))
    (mother,) = await town.store.find(PEOPLE, {"_id": MOTHER})
    (school,) = await town.store.find(ORGANIZATIONS, {"_id": SCHOOL})
    assert mother.active
    assert school.name == "Harbor Point School"


async def test_the_newest_hold_is_known_for_its_reason(town: Town) -> None:
    def hold(version: int, reason: str) -> HoldPlaced:
        return HoldPlaced(
            version=version, transcript_id=TRANSCRIPT, school_id=SCHOOL, student_id=STUDENT,
            hold_id=f"hld_{version}", reason=reason, placed_by=REGISTRAR, until=AT,
        )  # fmt: skip

    await town.hear(heard(hold(2, "fees"), "evt_h2"), heard(hold(1, "review"), "evt_h1"))
    (known,) = await town.store.find(HOLDS, {})
    assert known.reason == "fees"


async def test_at_eighteen_the_student_and_the_guardians_are_told(town: Town) -> None:
    event = RightsTransferred(version=2, person_id=STUDENT, school_id=SCHOOL)
    await town.hear(heard(event, "evt_rights"))
    assert await town.told() == {("rights-passed", one) for one in FAMILY}
    town.store.tables["inbox"].clear()
    await town.hear(heard(event, "evt_rights"))
    assert len(await town.messages()) == 3


async def test_every_message_is_about_a_request_that_its_page_shows(town: Town) -> None:
    await open_request(town)
    assert {one.request_id for one in await town.messages()} == {REQUEST}


def test_notify_may_hear_every_topic_that_it_hears() -> None:
    assert set(consumers.hears.topics) <= {topic.name for topic in heard_by("notify")}
