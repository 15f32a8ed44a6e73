"""A school in memory: the real handlers, real encryption, real packages; memory for database, keys and vault."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from joserfc.jwk import OKPKey, RSAKey

from contracts import grant
from contracts.consent.v1 import ConsentApproved, ConsentOpened, ConsentRevoked
from contracts.envelope import Message
from contracts.event import Event
from contracts.grant import Grant, Grantor
from contracts.identity.v1 import OrganizationRecorded, PersonRecorded
from contracts.types import (
    Basis,
    BasisCode,
    Capacity,
    Membership,
    OrganizationId,
    OrganizationKind,
    PersonId,
    PersonKind,
    Purpose,
    RequestId,
    RightsHolder,
    Selection,
    Standing,
)
from services.chassis import clock
from services.chassis.decision import Decision, Refusal
from services.chassis.kafka.hearing import Hearing, Unwanted
from services.chassis.keys.sealing import KeyFile
from services.chassis.keys.vault import Vault
from services.chassis.store.work import Job, Outcome, Work
from services.records import consumers
from services.records.domain.content import TranscriptContent, read_content
from services.records.domain.state import Package, Release, Transcript, Version
from services.records.gateways.cabinet import Cabinet
from services.records.gateways.packager import Packager
from services.records.gateways.renderer import RenderJob, RenderPool, render
from services.records.handlers import Drafts, Holds, Seals
from services.records.handlers.drafts import Imported, Upload
from services.records.handlers.packages import claim_job, package_duty, prepared_job
from services.records.handlers.seals import SealWish
from services.records.store import RELEASES, SHELVES, Questions
from tests.support.memory import MemoryStore
from tests.support.person_keys import MemoryPersonKeys

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SCHOOL, OTHER_SCHOOL = OrganizationId("org_harbor"), OrganizationId("org_mesa")
COLLEGE = OrganizationId("org_college")
STUDENT, GUARDIAN, REGISTRAR = PersonId("per_student"), PersonId("per_guardian"), PersonId("per_registrar")
NOTES = b"Two boxes, one tide."


def content(**changes: Any) -> TranscriptContent:
    """A small but whole content: two credits, one of them with a file of evidence."""
    words: dict[str, Any] = {
        "kind": "mastery-transcript",
        "language": "en",
        "student": {
            "name": "Ximena Ibáñez",
            "student_number": "HP-26-002",
            "born": "2009-02-24",
            "graduates": "2027-06",
            "year": "12",
        },
        "school": {"name": "Harbor Point Academy", "address": "41 Quay Street, Port Ellis"},
        "framework": {
            "id": "soundings",
            "name": "Soundings",
            "publisher": "Harbor Point Academy",
            "rubric": [
                {"id": "emerging", "name": "Emerging", "description": "Begins."},
                {"id": "proficient", "name": "Proficient", "description": "Works alone."},
            ],
            "areas": [{"id": "sci", "code": "S", "name": "Inquiry"}],
        },
        "credits": [
            _credit("S1", "Reads a river"),
            _credit(
                "S2",
                "Models a tide",
                evidence=[
                    {
                        "id": "notes",
                        "name": "Notes",
                        "kind": "file",
                        "media_type": "text/plain",
                        "sha256": hashlib.sha256(NOTES).hexdigest(),
                    }
                ],
            ),
        ],
        **changes,
    }
    return read_content(orjson.dumps(words))


def _credit(id: str, name: str, **more: Any) -> dict[str, Any]:  # noqa: A002
    return {
        "id": id,
        "area": "sci",
        "code": id,
        "name": name,
        "kind": "foundational",
        "status": "earned",
        "description": "What it is about.",
        "criteria": "What had to be shown.",
        "awarded_on": "2026-06-01",
        "competencies": [{"id": f"{id}a", "name": "Asks", "standard": "Asks well.", "level": "proficient"}],
        **more,
    }


class InThisThread(RenderPool):
    """Draws where it is asked, with the real renderer: a test needs no process beside it."""

    def __init__(self) -> None:
        self.drawn = 0

    async def render(self, job: RenderJob) -> bytes:
        self.drawn += 1
        return render(job)

    def close(self) -> None:
        """Nothing runs."""


def _write(path: Path, *keys: OKPKey | RSAKey, private: bool) -> KeyFile:
    path.write_bytes(orjson.dumps({"keys": [key.as_dict(private=private) for key in keys]}))
    return KeyFile(path)


RSA = RSAKey.generate_key(2048, auto_kid=True)


@dataclass
class World:
    """Everything of records but its HTTP, joined as `app.py` joins it."""

    folder: Path
    store: MemoryStore = field(default_factory=MemoryStore)
    keys: MemoryPersonKeys = field(default_factory=lambda: MemoryPersonKeys(STUDENT, REGISTRAR))
    consent: OKPKey = field(default_factory=lambda: OKPKey.generate_key("Ed25519", auto_kid=True))
    delivery: OKPKey = field(default_factory=lambda: OKPKey.generate_key("X25519", auto_kid=True))
    at: datetime = NOW

    def __post_init__(self) -> None:
        self.work = Work(self.store, SHELVES)
        self.questions = Questions(self.store)
        self.vault = Vault.from_url("memory://")
        self.cabinet = Cabinet(self.vault, self.keys, bytes(range(32)))
        self.pool = InThisThread()
        issuer = OKPKey.generate_key("Ed25519", auto_kid=True)
        self.issuer = _write(self.folder / "records.json", RSA, issuer, private=True)
        self.packager = Packager(self.cabinet, self.pool, self.issuer, public_url="https://placet.example")
        self.drafts = Drafts(self.work, self.cabinet)
        self.seals = Seals(self.work, self.packager)
        self.holds = Holds(self.work, self.keys)
        self.hearing: Hearing = consumers.hearing(
            self.questions,
            self.keys,
            _write(self.folder / "consent.json", self.consent, private=False),
            _write(self.folder / "delivery.json", self.delivery, private=False),
        )
        self._heard = 0

    async def open_school(self) -> "World":
        """Identity has told of the school, its registrar and one student."""
        await self.hear(
            OrganizationRecorded(
                version=1,
                organization_id=SCHOOL,
                kind=OrganizationKind.SCHOOL,
                name="Harbor Point Academy",
                standing=Standing.VERIFIED,
            ),
            await self.person(STUDENT, PersonKind.STUDENT, name="Ximena Ibáñez"),
            await self.person(REGISTRAR, PersonKind.REGISTRAR, name="Ruth Adeyemi"),
        )
        return self

    async def person(self, person_id: PersonId, kind: PersonKind, *, name: str, version: int = 1) -> PersonRecorded:
        await self.keys.create([person_id])
        return PersonRecorded(
            version=version,
            person_id=person_id,
            memberships=(Membership(kind=kind, organization_id=SCHOOL),),
            active=True,
            profile=await self.keys.seal(person_id, orjson.dumps({"name": name})),
            rights_holder=RightsHolder.GUARDIAN if kind is PersonKind.STUDENT else None,
            guardians=(GUARDIAN,) if kind is PersonKind.STUDENT else (),
        )

    async def hear(self, *events: Event, message_id: str | None = None) -> list[Outcome | Unwanted | None]:
        """As the consumer does: one poll, functions by type, jobs in one batch, each message once."""
        outcomes: list[Outcome | Unwanted | None] = []
        for event in events:
            self._heard += 1
            message = Message(message_id or f"evt_{self._heard}", event, self.at, correlation=event.key)
            heard = self.hearing.find(event.type)
            assert heard is not None
            (answer,) = await heard.answer([message])
            if not isinstance(answer, Job):
                outcomes.append(answer)
                continue
            job = Job(
                cause=message.id,
                at=answer.at,
                reads=answer.reads,
                decide=answer.decide,
                once=True,
                correlation=answer.correlation,
            )
            outcomes += await self.work.carry_out_batch([job])
        return outcomes

    async def import_(self, what: TranscriptContent | None = None, *, cause: str = "cmd_1") -> Transcript:
        verdict = await self.drafts.import_content(
            Imported(school_id=SCHOOL, student_id=STUDENT, content=what or content(), person_id=REGISTRAR, at=self.at),
            cause=cause,
        )
        assert isinstance(verdict, Decision), verdict
        return verdict.state

    async def upload(self, transcript: Transcript, raw: bytes = NOTES, **changes: Any) -> Any:
        wish = {
            "transcript_id": transcript.transcript_id,
            "school_id": SCHOOL,
            "evidence_id": "notes",
            "media_type": "text/plain",
            "raw": raw,
            "at": self.at,
        }
        return await self.drafts.lay_evidence(Upload(**{**wish, **changes}), cause=f"up_{len(self.store.inbox)}")

    async def seal(self, transcript: Transcript, *, cause: str = "stp_1") -> Decision[Transcript] | Refusal:
        assert transcript.draft is not None
        return await self.seals.seal(
            SealWish(
                transcript_id=transcript.transcript_id,
                school_id=SCHOOL,
                person_id=REGISTRAR,
                shown=transcript.draft.digest,
                cause=cause,
                at=self.at,
            )
        )

    async def sealed(self, what: TranscriptContent | None = None, *, cause: str = "a") -> tuple[Transcript, Package]:
        """A sealed version with its whole package."""
        draft = await self.import_(what, cause=f"cmd_{cause}")
        await self.upload(draft)
        verdict = await self.seal(draft, cause=f"stp_{cause}")
        assert isinstance(verdict, Decision), verdict
        packages = await self.questions.packages_of(draft.transcript_id)
        whole = next(one for one in packages if one.transcript_version == verdict.state.number and not one.partial)
        return verdict.state, whole

    async def version(self, transcript: Transcript) -> Version:
        found = await self.questions.version(transcript.transcript_id, transcript.number)
        assert found is not None
        return found

    async def opened(self, transcript: Transcript, *parts: str, request_id: str = "req_1") -> ConsentOpened:
        return ConsentOpened(
            version=1,
            request_id=RequestId(request_id),
            school_id=SCHOOL,
            student_id=STUDENT,
            recipient_id=COLLEGE,
            transcript_id=transcript.transcript_id,
            transcript_version=transcript.number,
            transcript_digest=transcript.digest,
            selection=Selection(parts=parts),
            purpose=Purpose.ADMISSION,
            opened_by=GUARDIAN,
            opened_as=Capacity.GUARDIAN,
            signers=(GUARDIAN,),
            school_approves=False,
            expires_at=self.at + timedelta(days=30),
        )

    async def make_packages(self) -> None:
        """What the duty does, one round of it, beat by beat."""
        duty = package_duty(self.questions, self.packager)
        for package in await self.questions.packages_due(clock.now(), 10):
            (claimed,) = await self.work.carry_out_batch([claim_job(package, clock.now())])
            assert isinstance(claimed, Decision)
            made = await duty._act(package, claimed)
            await self.work.carry_out_batch([prepared_job(package, made, clock.now())])

    async def approved(
        self,
        transcript: Transcript,
        package: Package,
        *,
        request_id: str = "req_1",
        key: OKPKey | None = None,
        claims: dict[str, Any] | None = None,
        until: datetime | None = None,
        **changes: Any,
    ) -> ConsentApproved:
        """The approval event as consent would say it. `claims` change the grant, `changes` the event around it."""
        until = until or clock.now().replace(microsecond=0) + timedelta(days=180)
        basis = Basis(code=BasisCode.GUARDIAN_CONSENT, section="99.30", words="A guardian has approved this.")
        said: dict[str, Any] = {
            "jti": f"grt_{request_id}_0123456789",
            "iat": int(self.at.timestamp()),
            "exp": int(until.timestamp()),
            "sub": STUDENT,
            "request_id": request_id,
            "school_id": SCHOOL,
            "transcript_id": transcript.transcript_id,
            "transcript_version": package.transcript_version,
            "transcript_digest": (await self.version(transcript)).digest,
            "selection": package.selection,
            "package_id": package.package_id,
            "package_digest": package.digest,
            "recipient_id": COLLEGE,
            "purpose": Purpose.ADMISSION,
            "basis": basis,
            "grantor": Grantor(
                person_id=GUARDIAN, capacity=Capacity.GUARDIAN, method="totp", at=int(self.at.timestamp())
            ),
        }
        event: dict[str, Any] = {
            "version": 2,
            "request_id": request_id,
            "school_id": SCHOOL,
            "student_id": STUDENT,
            "recipient_id": COLLEGE,
            "package_id": package.package_id,
            "package_digest": package.digest,
            "basis": basis,
            "valid_until": until,
            "grant": grant.sign(Grant(**{**said, **(claims or {})}), key or self.consent),
        }
        return ConsentApproved(**{**event, **changes})

    async def release(self, request_id: str = "req_1") -> Release | None:
        return next(iter(await self.store.find(RELEASES, {"_id": request_id})), None)

    @staticmethod
    def revoked(request_id: str = "req_1") -> ConsentRevoked:
        return ConsentRevoked(
            version=3,
            request_id=RequestId(request_id),
            school_id=SCHOOL,
            student_id=STUDENT,
            recipient_id=COLLEGE,
            revoked_by=GUARDIAN,
            revoked_as=Capacity.GUARDIAN,
            revoked_at=NOW,
            after_approval=True,
        )

    def said(self, after: int = 0) -> list[str]:
        """The types of all events in the outbox, in the order in which the relay takes them."""
        return [row["type"] for row in self.store.outbox][after:]

    def bodies(self, kind: str) -> list[dict[str, Any]]:
        return [orjson.loads(row["body"]) for row in self.store.outbox if row["type"] == kind]


def decided(outcomes: Sequence[Any]) -> list[bool]:
    return [isinstance(one, Decision) for one in outcomes]
