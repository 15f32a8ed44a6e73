"""What delivery hears, on a memory store: forged releases set aside, revocations first, once only, all or nothing."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from joserfc.jwk import OKPKey

from contracts import grant as grants
from contracts.consent.v1 import ConsentApproved, ConsentExpired
from contracts.envelope import Message, write_headers
from contracts.event import Event
from contracts.records.v1 import TranscriptReleased
from contracts.topics import heard_by
from contracts.types import Membership, PersonKind, RequestId, Standing
from services.chassis import clock
from services.chassis.decision import Refusal
from services.chassis.kafka import asides
from services.chassis.kafka.hearing import Unwanted
from services.chassis.kafka.verdicts import Ending, Judge, Record
from services.chassis.observe import telemetry
from services.chassis.store.aside import document
from services.chassis.store.work import ALREADY_DONE
from services.delivery import domain
from services.delivery.consumers import age_of_watermarks
from services.delivery.domain import NOT_NOW, OLDEST_WATERMARK, NoticeKind, NoticeState, Status, may_disclose
from services.delivery.store import DELIVERIES, MOST_UNREAD, NOTICES, REVOCATIONS, WATERMARKS
from tests.delivery.scene import (
    AT,
    COLLEGE,
    GUARDIAN,
    KEY,
    REQUEST,
    SCHOOL,
    STUDENT,
    House,
    delivery,
    grant,
    organization_recorded,
    person_recorded,
    release,
    revoked,
    surroundings,
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


def unread(record: Record, **changes: Any) -> Record:
    """The same record with a body that nobody can read."""
    return replace(record, value=b'{"version": "three"}', **changes)


def record(event: Event, *, partition: int, offset: int) -> Record:
    message = Message(f"evt_{partition}_{offset}", event, AT)
    return Record(event.topic, partition, offset, event.key.encode(), event.dump(), write_headers(message))


async def poll(house: House, *records: Record) -> list[Ending]:
    """One poll, as the consumer settles it: what is set aside lies in the database before any barrier is carried out."""

    async def keep(endings: Mapping[int, Ending]) -> None:
        for place, ending in endings.items():
            kept = document(asides.row(records[place], ending, AT))
            house.store.tables.setdefault("aside", {})[kept["_id"]] = kept

    return await Judge(house.hearing, house.work, pause=0).judge(records, keep)


async def may_open(house: House, request_id: RequestId, at: datetime) -> Refusal | None:
    """Why a delivery of this request is not disclosed at that time; None when it is."""
    known = await house.store.find(WATERMARKS, {})
    around = surroundings(watermarks=[next((one for one in known if one.partition == p), None) for p in "0123"])
    verdict = may_disclose(delivery(request_id=request_id), (COLLEGE,), around=around, at=at)
    return verdict if isinstance(verdict, Refusal) else None


OTHER_REQUEST = RequestId("req_another")


def marks(at: datetime, offset: int) -> list[Record]:
    return [record(mark, partition=mark.partition, offset=offset) for mark in watermarks_passed(at)]


async def test_a_watermark_in_the_same_poll_does_not_pass_over_a_revocation_that_could_not_be_read(
    house: House,
) -> None:
    await poll(house, *marks(AT, 1), unread(record(revoked(), partition=2, offset=0)))
    assert await may_open(house, REQUEST, AT) == NOT_NOW
    assert await may_open(house, OTHER_REQUEST, AT) is None, "as narrow as the record's key tells"


async def test_a_revocation_that_our_own_code_stumbles_over_is_passed_over_no_more(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble(*_: object, **__: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(domain, "cancel", stumble)
    [*_, ending] = await poll(house, *marks(AT, 1), record(revoked(), partition=2, offset=0))
    assert ending.failed
    assert await may_open(house, REQUEST, AT) == NOT_NOW


@pytest.mark.parametrize(
    "changes",
    [{"key": None}, {"key": b"watermark-2"}, {"key": OTHER_REQUEST.encode()}, {"headers": ()}],
    ids=["no-key", "no-requests-key", "another-key-than-the-header-says", "no-headers"],
)
async def test_a_record_of_consents_of_which_nobody_knows_whose_it_is_stops_all_within_the_window(
    house: House, changes: dict[str, Any]
) -> None:
    await poll(house, *marks(AT - timedelta(seconds=5), 0))
    await poll(house, unread(record(revoked(), partition=2, offset=1), **changes))
    await poll(house, *marks(AT, 2))
    assert await may_open(house, OTHER_REQUEST, AT) is None, "the watermark before the record holds until it is too old"
    assert await may_open(house, OTHER_REQUEST, AT + OLDEST_WATERMARK) == NOT_NOW


async def test_more_unread_records_than_anybody_counts_stop_all(house: House) -> None:
    each = [revoked(request_id=RequestId(f"req_{number}")) for number in range(MOST_UNREAD + 1)]
    await poll(house, *(unread(record(one, partition=1, offset=number)) for number, one in enumerate(each)))
    await poll(house, *marks(AT, 500))
    assert await may_open(house, OTHER_REQUEST, AT) == NOT_NOW


@pytest.mark.parametrize("state", ["waiting", "replay", "done"])
async def test_the_doubt_ends_when_the_record_was_handled_or_dismissed(house: House, state: str) -> None:
    await poll(house, unread(record(revoked(), partition=2, offset=0)), *marks(AT, 1))
    for row in house.store.tables["aside"].values():
        row["state"] = state
    await poll(house, *marks(AT + timedelta(seconds=5), 2))
    refused = await may_open(house, REQUEST, AT + timedelta(seconds=5))
    assert refused == (None if state == "done" else NOT_NOW)


async def test_a_record_of_another_service_that_lies_aside_doubts_nobody(house: House) -> None:
    await poll(house, unread(record(release(), partition=2, offset=0)), *marks(AT, 1))
    assert len(house.store.tables["aside"]) == 1
    assert await may_open(house, REQUEST, AT) is None


async def test_watermarks_leave_nothing_in_the_inbox(house: House) -> None:
    await poll(house, *marks(AT, 0))
    await poll(house, *marks(AT, 0))
    assert not house.store.tables.get("inbox")


async def test_a_release_whose_grant_is_dated_ahead_of_our_clock_waits_until_it_has_come(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Consent's clock was ten minutes ahead when it signed."""
    ahead = forged(iat=int(AT.timestamp()) + 600)
    await house.hear(organization_recorded())
    (early,) = await house.hear(ahead)
    assert isinstance(early, Unwanted)
    assert early.again_at == AT + timedelta(minutes=9), "ten minutes but for the minute that clocks may differ"
    monkeypatch.setattr(clock, "now", lambda: AT + timedelta(minutes=9))
    await house.hear(ahead)
    assert house.said == ["delivery.transcript.available.v1"]


async def test_a_release_that_waits_for_its_grant_is_overtaken_by_the_revocation(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = forged(iat=int(AT.timestamp()) + 600)
    await house.hear(organization_recorded(), ahead, revoked())
    monkeypatch.setattr(clock, "now", lambda: AT + timedelta(minutes=10))
    await house.hear(ahead)
    assert house.said == ["delivery.transcript.cancelled.v1"]


async def test_a_grant_of_another_day_is_not_waited_for(house: House) -> None:
    (outcome,) = await house.hear(forged(iat=int(AT.timestamp()) + 86_400))
    assert isinstance(outcome, Unwanted)
    assert outcome.again_at is None


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


async def test_the_age_that_is_told_is_that_of_the_partition_that_lags_behind(house: House) -> None:
    age = age_of_watermarks(house.questions)
    *most, last = watermarks_passed(AT)
    await house.hear(*most)
    assert await age() == {(): AT.timestamp()}, "a partition without a watermark can't be known to hold no revocation"
    await house.hear(last.model_copy(update={"at": AT - timedelta(seconds=7)}))
    assert await age() == {(): 7.0}


async def test_a_release_is_measured_from_the_approval_once_and_only_when_it_can_be_opened(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "now", lambda: AT + timedelta(seconds=4))
    telemetry.configure("delivery", "worker")
    await house.hear(organization_recorded(), revoked(request_id="req_2"))
    await house.hear(release(), release(), release(grant(request_id=RequestId("req_2"), jti="grt_9123456789abcdef")))
    lines = telemetry.exposition()[0].decode().splitlines()
    telemetry.shutdown()
    told = [line for line in lines if line.startswith("placet_approval_to_available_seconds_")]
    assert {
        line.partition("{")[0].rpartition("_")[2]: line.rpartition(" ")[2] for line in told if "bucket" not in line
    } == {
        "count": "1.0",
        "sum": "14.0",
    }
