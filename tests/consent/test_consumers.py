"""What consent hears, as the consumer hands it over: records in batches, out of order, twice, and across a crash."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from contracts.delivery.v1 import (
    DeliveryAbandoned,
    DeliveryCancelled,
    TranscriptAcknowledged,
    TranscriptAvailable,
    TranscriptDelivered,
)
from contracts.envelope import Message, write_headers
from contracts.event import Event
from contracts.records.v1 import ReleaseWithheld, TranscriptReleased
from contracts.topics import heard_by
from contracts.types import BasisCode, Membership, PersonKind, RightsHolder, Selection, Standing
from services.chassis.kafka.verdicts import End, Judge, Record
from services.chassis.store.work import Work
from services.consent.consumers import hears
from services.consent.domain import Request, Stage, Status
from services.consent.store import SHELVES, Questions
from tests.consent.build import (
    AT,
    COLLEGE,
    DIGEST,
    GUARDIAN,
    LATER,
    OTHER_DIGEST,
    OTHER_GUARDIAN,
    PACKAGE_DIGEST,
    REQUEST,
    SCHOOL,
    STUDENT,
    TRANSCRIPT,
    a_package,
    a_request,
    a_signed_request,
    a_store,
    a_transcript,
    an_approved_request,
    organization_recorded,
    package_prepared,
    person_recorded,
    the_house,
    transcript_sealed,
    transcript_withdrawn,
)


class Ear:
    """The consumer's judge over a store in memory: everything between the topic and the database, but no broker."""

    def __init__(self, *states: Any) -> None:
        self.store = a_store(*states)
        self._judge = Judge(hears, Work(self.store, SHELVES), pause=0)
        self._count = 0

    async def hear(self, *events: Event, message_id: str | None = None) -> list[End]:
        records = [self._record(event, message_id) for event in events]
        return [ending.end for ending in await self._judge.judge(records)]

    def _record(self, event: Event, message_id: str | None) -> Record:
        self._count += 1
        message = Message(message_id or f"evt_{self._count}", event, LATER, correlation=REQUEST)
        return Record(event.topic, 0, self._count, event.key.encode(), event.dump(), write_headers(message))

    async def request(self, request_id: str = REQUEST) -> Request:
        found = await Questions(self.store).request(request_id)  # type: ignore[arg-type]
        assert found is not None
        return found

    @property
    def said(self) -> list[tuple[str, dict[str, Any]]]:
        return [(row["type"].split(".")[2], json.loads(row["body"])) for row in self.store.outbox]


OF_RELEASE = {"version": 1, "request_id": REQUEST, "school_id": SCHOOL, "student_id": STUDENT, "recipient_id": COLLEGE}
OF_DELIVERY = {**OF_RELEASE, "delivery_id": "dlv_1"}


def released() -> Event:
    return TranscriptReleased.model_validate(
        {
            **OF_RELEASE, "release_id": "rel_1", "package_id": "pkg_1", "package_digest": PACKAGE_DIGEST,
            "place": "ab/cd", "size": 1, "sealed_key": "a", "grant": "a.b.c", "released_at": AT,
        }
    )  # fmt: skip


def withheld(cause: str) -> Event:
    return ReleaseWithheld.model_validate({**OF_RELEASE, "cause": cause})


def available() -> Event:
    return TranscriptAvailable.model_validate(OF_DELIVERY)


def delivered() -> Event:
    more = {"package_digest": PACKAGE_DIGEST, "basis": BasisCode.GUARDIAN_CONSENT, "delivered_at": AT}
    return TranscriptDelivered.model_validate({**OF_DELIVERY, **more, "ledger_row": 1, "ledger_hash": DIGEST})


def acknowledged(*, matches: bool = True) -> Event:
    return TranscriptAcknowledged.model_validate({**OF_DELIVERY, "matches": matches, "acknowledged_at": AT})


def abandoned() -> Event:
    return DeliveryAbandoned.model_validate({**OF_DELIVERY, "cause": "attempts-exhausted"})


def cancelled() -> Event:
    return DeliveryCancelled.model_validate({**OF_DELIVERY, "cause": "revoked", "disclosed": False})


def test_everything_it_hears_is_on_a_topic_it_may_read() -> None:
    assert set(hears.topics) == {topic.name for topic in heard_by("consent")}


async def test_from_nothing_it_learns_all_that_a_request_needs() -> None:
    ear = Ear()
    college = organization_recorded(organization_id=COLLEGE, kind="college", name="Reed College", policy=None)
    ends = await ear.hear(person_recorded(), organization_recorded(), college, transcript_sealed(), package_prepared())
    assert ends == [End.HANDLED] * 5
    questions = Questions(ear.store)
    assert (await questions.student(STUDENT)) is not None
    assert [one.name for one in await questions.recipients(["college"])] == ["Reed College"]  # type: ignore[list-item]
    transcript = await questions.transcript(TRANSCRIPT)
    assert transcript is not None
    assert transcript.packages == (a_package(),)


async def test_who_never_was_a_student_leaves_nothing_here() -> None:
    ear = Ear()
    guardian = (Membership(kind=PersonKind.GUARDIAN, organization_id=SCHOOL),)
    assert await ear.hear(person_recorded(memberships=guardian)) == [End.REFUSED]
    assert "students" not in ear.store.tables


async def test_other_guardians_sign_from_now_on() -> None:
    ear = Ear(*the_house(a_request()))
    await ear.hear(person_recorded(version=2, guardians=(OTHER_GUARDIAN,)))
    assert (await ear.request()).signers == (OTHER_GUARDIAN,)
    ((kind, body),) = ear.said
    assert (kind, body["signers"], body["version"]) == ("readdressed", [OTHER_GUARDIAN], 2)


async def test_the_18th_birthday_takes_a_guardians_open_signature_away() -> None:
    ear = Ear(*the_house(a_signed_request()))
    await ear.hear(person_recorded(version=2, rights_holder=RightsHolder.STUDENT))
    request = await ear.request()
    assert (request.status, request.signers, request.signature) == (Status.OPEN, (STUDENT,), None)


async def test_who_leaves_the_school_is_remembered_as_inactive() -> None:
    ear = Ear(*the_house(a_request()))
    await ear.hear(person_recorded(version=2, memberships=(), active=False, rights_holder=None, guardians=()))
    student = await Questions(ear.store).student(STUDENT)
    assert student is not None
    assert (student.active, student.guardians) == (False, (GUARDIAN,))


async def test_a_new_version_ends_what_is_pending_and_leaves_what_was_approved() -> None:
    approved = an_approved_request(request_id="req_2")
    ear = Ear(*the_house(a_request(), approved))
    await ear.hear(transcript_sealed(version=3, transcript_version=2, digest=OTHER_DIGEST))
    assert (await ear.request()).status is Status.INVALIDATED
    assert await ear.request("req_2") == approved
    ((kind, body),) = ear.said
    assert (kind, body["cause"], body["request_id"]) == ("invalidated", "version-superseded", REQUEST)


async def test_a_withdrawal_ends_what_is_pending() -> None:
    ear = Ear(*the_house(a_signed_request()))
    await ear.hear(transcript_withdrawn())
    assert (await ear.request()).status is Status.INVALIDATED
    ((kind, body),) = ear.said
    assert (kind, body["cause"]) == ("invalidated", "transcript-withdrawn")


async def test_a_prepared_package_reaches_what_waits_for_it() -> None:
    parts = Selection(parts=("c1",))
    ear = Ear(*the_house(a_request(selection=parts, package=None)))
    await ear.hear(package_prepared(selection=parts, partial=True, package_id="pkg_2", digest=OTHER_DIGEST))
    request = await ear.request()
    assert request.package is not None
    assert (request.package.digest, request.package.partial) == (OTHER_DIGEST, True)
    assert request.story[-1].what == "prepared"


async def test_an_old_version_that_comes_late_changes_nothing() -> None:
    newest = a_transcript(version=5, transcript_version=2)
    ear = Ear(newest, a_request(transcript_version=2))
    late = [transcript_sealed(), package_prepared(), transcript_withdrawn()]
    assert await ear.hear(*late) == [End.REFUSED] * 3
    assert await Questions(ear.store).transcript(TRANSCRIPT) == newest
    assert (await ear.request()).pending


async def test_old_news_of_people_and_organizations_changes_nothing() -> None:
    ear = Ear()
    await ear.hear(
        person_recorded(version=3, guardians=(OTHER_GUARDIAN,)), organization_recorded(version=3, standing="suspended")
    )
    assert await ear.hear(person_recorded(version=2), organization_recorded(version=2)) == [End.REFUSED] * 2
    student = await Questions(ear.store).student(STUDENT)
    assert student is not None
    assert student.guardians == (OTHER_GUARDIAN,)
    assert (await Questions(ear.store).organizations([SCHOOL]))[SCHOOL].standing is Standing.SUSPENDED


@pytest.mark.parametrize(
    ("event", "stage"),
    [
        (withheld("hold"), Stage.ON_HOLD),
        (withheld("withdrawn"), Stage.WITHHELD),
        (released(), Stage.RELEASED),
        (available(), Stage.AVAILABLE),
        (abandoned(), Stage.UNREACHABLE),
        (delivered(), Stage.DELIVERED),
        (acknowledged(), Stage.ACKNOWLEDGED),
        (acknowledged(matches=False), Stage.MISMATCHED),
        (cancelled(), Stage.CANCELLED),
    ],
    ids=lambda value: str(value) if isinstance(value, Stage) else "",
)
async def test_what_became_of_an_approval_is_shown(event: Event, stage: Stage) -> None:
    ear = Ear(an_approved_request())
    assert await ear.hear(event) == [End.HANDLED]
    request = await ear.request()
    assert (request.stage, request.story[-1].what, request.story[-1].at) == (stage, str(stage), LATER)
    assert ear.said == []


async def test_topics_that_overtake_each_other_end_at_the_same_stage() -> None:
    ear = Ear(an_approved_request())
    await ear.hear(acknowledged(), released(), delivered(), available())
    assert (await ear.request()).stage is Stage.ACKNOWLEDGED


async def test_a_stage_of_a_request_that_nobody_approved_is_refused() -> None:
    ear = Ear(a_request())
    assert await ear.hear(released()) == [End.REFUSED]
    assert await ear.hear(delivered()) == [End.REFUSED]
    assert await ear.request() == a_request()


def every_kind() -> Sequence[Event]:
    return [person_recorded(version=2, guardians=(OTHER_GUARDIAN,)), transcript_withdrawn(), released(), delivered()]


async def test_every_message_counts_once_however_often_it_is_read() -> None:
    ear = Ear(*the_house(a_request(), an_approved_request(request_id="req_2")))
    for number, event in enumerate(every_kind()):
        await ear.hear(event, message_id=f"evt_once_{number}")
    tables = json.dumps(ear.store.tables, default=str, sort_keys=True)
    for number, event in enumerate(every_kind()):
        assert await ear.hear(event, message_id=f"evt_once_{number}") == [End.KNOWN]
    assert json.dumps(ear.store.tables, default=str, sort_keys=True) == tables


async def test_twice_in_one_poll_counts_once() -> None:
    ear = Ear(*the_house(a_request()))
    event = person_recorded(version=2, guardians=(OTHER_GUARDIAN,))
    assert await ear.hear(event, event, message_id="evt_twice") == [End.HANDLED, End.KNOWN]
    assert len(ear.said) == 1


async def test_a_poll_that_crashes_leaves_nothing_and_is_read_again() -> None:
    ear = Ear(*the_house(a_request()))
    ear.store.crash_before_commit = True
    event = transcript_withdrawn()
    assert await ear.hear(event, message_id="evt_crash") == [End.ASIDE]
    assert (await ear.request() == a_request(), ear.said, ear.store.inbox) == (True, [], [])
    ear.store.crash_before_commit = False
    assert await ear.hear(event, message_id="evt_crash") == [End.HANDLED]


async def test_in_one_poll_later_news_sees_what_earlier_news_decided() -> None:
    ear = Ear(*the_house(a_request()))
    await ear.hear(
        person_recorded(version=2, guardians=(OTHER_GUARDIAN,)),
        person_recorded(version=3, rights_holder=RightsHolder.STUDENT, guardians=(OTHER_GUARDIAN,)),
        transcript_sealed(version=4, transcript_version=2),
    )
    request = await ear.request()
    assert (request.status, request.signers, request.version) == (Status.INVALIDATED, (STUDENT,), 4)
    assert [kind for kind, _ in ear.said] == ["readdressed", "readdressed", "invalidated"]
