"""What delivery hears, on a memory store: forged releases set aside, revocations first, once only, all or nothing."""

from datetime import timedelta

import pytest
from joserfc.jwk import OKPKey

from contracts import grant as grants
from contracts.consent.v1 import ConsentApproved, ConsentExpired
from contracts.records.v1 import TranscriptReleased
from contracts.topics import heard_by
from contracts.types import Membership, PersonKind, Standing
from services.chassis import clock
from services.chassis.kafka.hearing import Unwanted
from services.chassis.store.work import ALREADY_DONE
from services.delivery.domain import NoticeKind, NoticeState, Status
from services.delivery.store import DELIVERIES, NOTICES, REVOCATIONS, WATERMARKS
from tests.delivery.scene import (
    AT,
    COLLEGE,
    GUARDIAN,
    KEY,
    REQUEST,
    SCHOOL,
    STUDENT,
    House,
    grant,
    organization_recorded,
    person_recorded,
    release,
    revoked,
    watermarks_passed,
)


@pytest.fixture(autouse=True)
def at_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: AT)


@pytest.fixture
def house() -> House:
    return House()


def forged(**changes: object) -> TranscriptReleased:
    return release(grant().model_copy(update=changes))


FORGED = {
    "no grant at all": release(grant="not-a-grant"),
    "a grant signed by another key": release(key=OKPKey.generate_key("Ed25519", private=True, auto_kid=True)),
    "a grant that has run out": forged(exp=int(AT.timestamp())),
    "a grant of the future": forged(iat=int(AT.timestamp()) + 120),
    "a grant for records alone": forged(aud=("records",)),
    "a grant with its claims changed": release(
        grant=grants.sign(grant(), KEY).replace(".", ".e30", 1),
    ),
    "another recipient than granted": release(recipient_id="org_evil"),
    "another package than granted": release(package_digest="sha256:" + "0" * 64),
    "another request than granted": release(request_id="req_2"),
    "another student than granted": release(student_id="per_other"),
}


@pytest.mark.parametrize("event", FORGED.values(), ids=FORGED.keys())
async def test_p14_a_release_is_set_aside_that_carries(house: House, event: TranscriptReleased) -> None:
    await house.hear(organization_recorded())
    (outcome,) = await house.hear(event)
    assert isinstance(outcome, Unwanted)
    assert (house.said, house.store.tables.get("deliveries", {})) == ([], {})


async def test_a_release_under_its_grant_becomes_available(house: House) -> None:
    await house.hear(organization_recorded(), release())
    assert house.said == ["delivery.transcript.available.v1"]
    (made,) = await house.store.find(DELIVERIES, {})
    assert (made.status, made.untold, made.request_id) == (Status.AVAILABLE, True, REQUEST)
    assert made.link == f"https://placet.example/delivery/deliveries/{made.delivery_id}"


async def test_a_release_heard_only_when_its_grant_has_run_out_ends_as_expired(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "now", lambda: AT + timedelta(days=1))
    late = forged(exp=int((AT + timedelta(seconds=1)).timestamp()))
    await house.hear(organization_recorded(), late)
    (made,) = await house.store.find(DELIVERIES, {})
    assert (made.status, made.cause) == (Status.CANCELLED, "expired")
    assert house.said == ["delivery.transcript.cancelled.v1"]


async def test_an_approval_alone_moves_nothing(house: House) -> None:
    assert house.hearing.find(ConsentApproved.type) is None


async def test_every_topic_that_is_heard_is_one_that_delivery_may_read(house: House) -> None:
    assert set(house.hearing.topics) <= {topic.name for topic in heard_by("delivery")}


async def test_the_same_message_twice_is_one_delivery(house: House) -> None:
    await house.hear(release(), ids=["evt_same"])
    (again,) = await house.hear(release(), ids=["evt_same"])
    assert again is ALREADY_DONE
    assert len(house.said) == 1


async def test_the_same_grant_in_another_message_is_one_delivery(house: House) -> None:
    await house.hear(release(), release())
    assert house.said == ["delivery.transcript.available.v1"]


async def test_a_crash_before_the_commit_leaves_nothing_and_the_message_is_taken_again(house: House) -> None:
    house.store.crash_before_commit = True
    await house.hear(release(), ids=["evt_1"])
    assert (house.store.tables, house.said) == ({}, [])
    house.store.crash_before_commit = False
    await house.hear(release(), ids=["evt_1"])
    assert house.said == ["delivery.transcript.available.v1"]


async def test_p14_a_revocation_heard_before_the_release_stops_it(house: House) -> None:
    await house.hear(organization_recorded(), revoked(), release())
    assert house.said == ["delivery.transcript.cancelled.v1"]
    (made,) = await house.store.find(DELIVERIES, {})
    assert (made.status, made.cause) == (Status.CANCELLED, "revoked")


async def test_a_revocation_heard_after_the_release_cancels_it(house: House) -> None:
    await house.hear(release(), revoked())
    assert house.said == ["delivery.transcript.available.v1", "delivery.transcript.cancelled.v1"]


async def test_a_revocation_heard_twice_cancels_once(house: House) -> None:
    await house.hear(release(), revoked(), revoked(version=4))
    assert len(house.said) == 2
    assert len(await house.store.find(REVOCATIONS, {})) == 1


async def test_a_request_that_expired_is_remembered_as_such(house: House) -> None:
    expired = ConsentExpired(version=2, request_id=REQUEST, school_id=SCHOOL, student_id=STUDENT, recipient_id=COLLEGE)
    await house.hear(expired, release())
    (made,) = await house.store.find(DELIVERIES, {})
    assert made.cause == "expired"


async def test_a_release_to_a_suspended_recipient_is_cancelled_and_said(house: House) -> None:
    await house.hear(organization_recorded(standing=Standing.SUSPENDED), release())
    assert house.said == ["delivery.transcript.cancelled.v1"]


async def test_watermarks_are_kept_by_partition_and_only_grow(house: House) -> None:
    await house.hear(*watermarks_passed(AT), *watermarks_passed(AT - timedelta(seconds=5)))
    kept = await house.store.find(WATERMARKS, {})
    assert {one.partition: one.at for one in kept} == dict.fromkeys("0123", AT)


async def test_only_students_are_kept_of_people(house: House) -> None:
    registrar = person_recorded(
        person_id="per_registrar",
        memberships=(Membership(kind=PersonKind.REGISTRAR, organization_id=SCHOOL),),
        rights_holder=None,
        guardians=(),
    )
    await house.hear(registrar, person_recorded())
    assert list(house.store.tables["students"]) == [STUDENT]
    (kept,) = await house.questions.students_of(GUARDIAN)
    assert kept.person_id == STUDENT


async def test_a_revoked_release_leaves_no_notice_waiting(house: House) -> None:
    await house.hear(organization_recorded(), release())
    await house.hear(revoked())
    waiting = [one for one in await house.store.find(NOTICES, {}) if one.state is NoticeState.WAITING]
    assert [one.kind for one in waiting if one.kind is NoticeKind.AVAILABLE] == []
