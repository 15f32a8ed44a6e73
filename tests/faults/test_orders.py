"""The news of one request in every order, and all of it once more: each consumer ends where its rule says, once.

In memory, so that every order can be tried. Topics have no order in common, and a record that is read again comes late:
so a consumer may meet any of these.
"""

import copy
import itertools
from collections.abc import Sequence
from datetime import timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from contracts.consent.v1 import ConsentApproved, ConsentExpired
from contracts.delivery.v1 import DeliveryCancelled
from contracts.event import Event
from services.chassis import clock
from services.consent.domain import Stage
from services.delivery.domain import Status
from services.delivery.store import DELIVERIES, WATERMARKS
from services.records.domain.state import ReleaseStatus
from services.records.store import RELEASES
from tests.consent import test_consumers as consent
from tests.consent.build import an_approved_request, the_house
from tests.delivery import scene as delivery
from tests.notify.test_consumers import ABOUT_DELIVERY, APPROVED, DELIVERED
from tests.records.world import World
from tests.support.notices import ABOUT, REQUEST, Town, heard, opened

pytestmark = pytest.mark.fault

FOLLOWED = [
    consent.withheld("hold"),
    consent.released(),
    consent.available(),
    consent.delivered(),
    consent.acknowledged(),
]


async def test_consent_ends_at_the_latest_stage_in_whatever_order_it_hears_of_them() -> None:
    for order in permutations(FOLLOWED):
        ear = consent.Ear(*the_house(an_approved_request()))
        await ear.hear(*order, *reversed(order))
        assert (await ear.request()).stage is Stage.ACKNOWLEDGED, _told(order)
        assert ear.said == []


async def test_consent_never_leaves_the_end_of_a_release_that_was_taken_back() -> None:
    for order in permutations([consent.released(), consent.available(), consent.cancelled()]):
        ear = consent.Ear(*the_house(an_approved_request()))
        await ear.hear(*order, *reversed(order))
        assert (await ear.request()).stage is Stage.CANCELLED, _told(order)


async def test_records_releases_once_and_never_after_a_revocation_that_it_has_heard(tmp_path: Path) -> None:
    world = await World(tmp_path).open_school()
    transcript, package = await world.sealed()
    approved = await world.approved(transcript, package)
    news: list[Event] = [await world.opened(transcript), approved, world.revoked(), approved]
    before = copy.deepcopy(world.store.tables)
    for order in permutations(news):
        world.store.tables = copy.deepcopy(before)
        await world.hear(*order, *reversed(order))
        (release,) = await world.store.find(RELEASES, {})
        types = [event.type for event in order]
        revoked_first = types.index("consent.request.revoked.v1") < types.index(ConsentApproved.type)
        assert release.status is (ReleaseStatus.ENDED if revoked_first else ReleaseStatus.RELEASED), _told(order)
        assert len(world.bodies("records.transcript.released.v1")) == (0 if revoked_first else 1), _told(order)


async def test_delivery_never_opens_what_was_taken_back_in_whatever_order_it_hears(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clock, "now", lambda: delivery.AT)
    newest, oldest = delivery.AT, delivery.AT - timedelta(minutes=5)
    expired: dict[str, Any] = {key: value for key, value in delivery.revoked().model_dump().items() if key in _ABOUT}
    told: list[Event] = [delivery.organization_recorded(), delivery.release(), delivery.revoked()]
    ends: list[Event] = [*told, ConsentExpired(**expired, version=4)]
    marks: list[Event] = [delivery.watermarks_passed(at)[0] for at in (newest, oldest)]
    for order in itertools.chain(permutations([*told, *marks]), ([*marks, *order] for order in permutations(ends))):
        house = delivery.House()
        await house.hear(*order, *reversed(order))
        (made,) = await house.store.find(DELIVERIES, {})
        assert made.status is Status.CANCELLED, _told(order)
        said = sorted(house.said)
        cancelled, available = "delivery.transcript.cancelled.v1", "delivery.transcript.available.v1"
        assert said in ([cancelled], [available, cancelled]), _told(order)
        (mark,) = await house.store.find(WATERMARKS, {})
        assert mark.at == newest, "an old watermark makes nothing fresh, and a new one is not forgotten"


async def test_notify_tells_the_same_people_the_same_things_once_in_whatever_order_it_hears() -> None:
    told = set()
    town = await Town().settle()
    before = copy.deepcopy(town.store.tables)
    news = [
        heard(opened(), "evt_opened"),
        heard(APPROVED, "evt_approved"),
        heard(DELIVERED, "evt_delivered"),
        heard(_stopped(), "evt_stopped"),
    ]
    for order in permutations(news):
        town.store.tables = copy.deepcopy(before)
        await town.hear(*order, *reversed(order))
        messages = await town.messages()
        assert len({one.message_id for one in messages}) == len(messages)
        assert {one.request_id for one in messages} == {REQUEST}
        told.add(frozenset((str(one.template), one.person_id) for one in messages))
    assert len(told) == 1
    assert {template for template, _ in next(iter(told))} == {
        "opened", "sign", "approved", "delivered", "stopped-after-opening",
    }  # fmt: skip


_ABOUT = frozenset(ABOUT)


def _stopped() -> Event:
    return DeliveryCancelled(**ABOUT_DELIVERY, cause="revoked", disclosed=True)


def _told(order: Sequence[Event]) -> str:
    return " → ".join(event.type for event in order)
