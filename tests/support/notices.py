"""A small town for notify: a family, a school, a college, and the events that concern them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from contracts.consent.v1 import ConsentOpened
from contracts.envelope import Message as Heard
from contracts.event import Event
from contracts.identity.v1 import OrganizationRecorded, PersonRecorded
from contracts.types import (
    Capacity,
    Membership,
    OrganizationId,
    OrganizationKind,
    PersonId,
    PersonKind,
    Purpose,
    RequestId,
    RightsHolder,
    SealedValue,
    Selection,
    Standing,
    TranscriptId,
)
from services.chassis.store.work import Job, Work
from services.notify import consumers
from services.notify.domain import Message
from services.notify.store import MESSAGES, SHELVES
from tests.support.memory import MemoryStore
from tests.support.person_keys import MemoryPersonKeys

AT = datetime(2026, 11, 24, 22, 26, tzinfo=UTC)
EXPIRES = AT + timedelta(days=30)
STUDENT, MOTHER, FATHER = PersonId("per_student"), PersonId("per_mother"), PersonId("per_father")
REGISTRAR, STRANGER, OPERATOR = PersonId("per_registrar"), PersonId("per_stranger"), PersonId("per_operator")
SCHOOL, COLLEGE = OrganizationId("org_school"), OrganizationId("org_college")
REQUEST, TRANSCRIPT = RequestId("req_1"), TranscriptId("trn_1")
NAMES = {
    STUDENT: "Amélie Nguyễn-Østergård",
    MOTHER: "Marisol Ybarra-O'Neill",
    FATHER: "Nguyễn Văn An",
    REGISTRAR: "Robin Registrar",
    STRANGER: "Stan Stranger",
    OPERATOR: "Olu Operator",
}
ABOUT = {"request_id": REQUEST, "school_id": SCHOOL, "student_id": STUDENT, "recipient_id": COLLEGE}


def opened(**more: Any) -> ConsentOpened:
    return ConsentOpened(**{
        **ABOUT,
        "version": 1,
        "transcript_id": TRANSCRIPT,
        "transcript_version": 1,
        "transcript_digest": "sha256:" + "0" * 64,
        "selection": Selection(),
        "purpose": Purpose.ADMISSION,
        "opened_by": STUDENT,
        "opened_as": Capacity.STUDENT_DIRECTION,
        "signers": (MOTHER, FATHER),
        "school_approves": True,
        "expires_at": EXPIRES,
        **more,
    })  # fmt: skip


def heard(event: Event, event_id: str = "evt_1", at: datetime = AT) -> Heard[Any]:
    return Heard(id=event_id, event=event, at=at)


class Town:
    """Notify's consumers over a store in memory, with the people's keys."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.work = Work(self.store, SHELVES)
        self.keys = MemoryPersonKeys(*NAMES)

    async def settle(self) -> "Town":
        """Everybody and every organization is known."""
        await self.hear(heard(self.school(), "evt_school"), heard(self.college(), "evt_college"))
        await self.hear(
            heard(
                await self.person(
                    STUDENT, PersonKind.STUDENT, rights_holder=RightsHolder.GUARDIAN, guardians=(MOTHER, FATHER)
                ),
                "evt_s",
            ),
            heard(await self.person(MOTHER, PersonKind.GUARDIAN), "evt_m"),
            heard(await self.person(FATHER, PersonKind.GUARDIAN, language="es"), "evt_f"),
            heard(await self.person(REGISTRAR, PersonKind.REGISTRAR), "evt_r"),
        )
        return self

    async def person(self, person_id: PersonId, *kinds: PersonKind, **more: Any) -> PersonRecorded:
        local = person_id.removeprefix("per_")
        profile = {"name": more.pop("name", NAMES.get(person_id, "Somebody")), "language": more.pop("language", "en")}
        profile["email"] = more.pop("email", f"{local}@families.test")
        await self.keys.create([person_id])
        return PersonRecorded(**{
            "version": 1,
            "person_id": person_id,
            "memberships": tuple(Membership(kind=kind, organization_id=SCHOOL) for kind in kinds),
            "active": True,
            "profile": await self.keys.seal(person_id, orjson.dumps(profile)),
            **more,
        })  # fmt: skip

    @staticmethod
    def school(**more: Any) -> OrganizationRecorded:
        return OrganizationRecorded(**{
            "version": 1, "organization_id": SCHOOL, "kind": OrganizationKind.SCHOOL, "name": "Harbor Point School",
            "standing": Standing.VERIFIED, "timezone": "America/New_York", **more,
        })  # fmt: skip

    @staticmethod
    def college(**more: Any) -> OrganizationRecorded:
        return OrganizationRecorded(**{
            "version": 1, "organization_id": COLLEGE, "kind": OrganizationKind.COLLEGE, "name": "Lakeside College",
            "standing": Standing.VERIFIED, **more,
        })  # fmt: skip

    async def hear(self, *messages: Heard[Any]) -> None:
        """As the chassis's consumer does it: a job for each message, its id as the cause, once."""
        for message in messages:
            found = consumers.hears.find(type(message.event).type)
            assert found is not None
            for job in await found.answer([message]):
                if isinstance(job, Job):
                    await self.work.carry_out_batch([_once(job, message.id)])

    async def messages(self) -> list[Message]:
        return await self.store.find(MESSAGES, {}, limit=1_000)

    async def told(self) -> set[tuple[str, str]]:
        """(template, person) of each message."""
        return {(str(one.template), str(one.person_id)) for one in await self.messages()}


def _once(job: Job, cause: str) -> Job:
    return replace(job, cause=cause, once=True)


def sealed(person_id: PersonId) -> SealedValue:
    return SealedValue(person_id=person_id, ciphertext="AA==")
