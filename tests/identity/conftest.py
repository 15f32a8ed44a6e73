"""A school district in memory: its store, its keys, its schools."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from contracts.types import OrganizationId, OrganizationKind, PersonId, Standing
from services.chassis.decision import Decision, Refusal
from services.chassis.store.work import Job, Work
from services.identity.domain import Import, Organization, Person, RecordOrganization
from services.identity.gateways.marks import Marks
from services.identity.handlers import Access, BirthdaysDue, ImportRoster, Organizations, Readers, RosterImport
from services.identity.store import PEOPLE, SHELVES, Questions
from tests.identity.gateways.conftest import small_roster, zip_of
from tests.support.memory import MemoryStore
from tests.support.person_keys import MemoryPersonKeys

NOW = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
HARBOR = OrganizationId("org_harbor")
REGISTRAR = PersonId("per_registrar")
ROSTERS = Path(__file__).parents[2] / "deploy" / "demo" / "data"


@dataclass
class District:
    """Identity without HTTP."""

    store: MemoryStore = field(default_factory=MemoryStore)
    keys: MemoryPersonKeys = field(default_factory=MemoryPersonKeys)
    marks: Marks = field(default_factory=lambda: Marks(b"0123456789abcdef0123456789abcdef"))

    def __post_init__(self) -> None:
        self.work = Work(self.store, SHELVES)
        self.questions = Questions(self.store)
        self.organizations = Organizations(self.work)
        self.readers = Readers(self.work, self.questions, self.keys, self.marks)
        self.rosters = RosterImport(self.work, self.questions, self.keys, self.marks)
        self.access = Access(self.work, self.questions, self.keys, self.marks, operator_digest="")
        self.birthdays = BirthdaysDue(self.questions, self.marks)

    async def school(
        self,
        organization_id: str = HARBOR,
        sourced_id: str = "s1",
        *,
        timezone: str = "America/New_York",
        source: str | None = None,
    ) -> Organization:
        command = RecordOrganization(
            organization_id=OrganizationId(organization_id),
            kind=OrganizationKind.SCHOOL,
            name="Harbor School",
            standing=Standing.VERIFIED,
            timezone=timezone,
            sourced_id=sourced_id,
            source=source,
            today="2026-11-24",
            at=NOW,
        )
        verdict = await self.organizations.record(command, cause=f"record:{organization_id}")
        assert isinstance(verdict, Decision)
        return verdict.state

    async def imports(
        self,
        school: Organization,
        files: dict[str, str | bytes] | bytes | None = None,
        *,
        may_import: frozenset[OrganizationId] | None = None,
        at: datetime = NOW,
        again: str = "1",
    ) -> Import | Refusal:
        archive = files if isinstance(files, bytes) else zip_of(files or small_roster())
        command = ImportRoster(
            import_id=f"imp_{again}",
            archive=archive,
            school=school,
            may_import=may_import,
            imported_by=REGISTRAR,
            at=at,
        )
        return await self.rosters.carry_out(command)

    async def everybody(self) -> list[Person]:
        return await self.store.find(PEOPLE, {}, limit=100_000)

    async def put(self, state: Any, **changes: Any) -> None:
        """Lay a state as if it had come to be."""
        wanted = replace(state, **changes)
        job = Job(cause="test", at=NOW, reads=lambda _: (), decide=lambda _: Decision(wanted))
        await self.work.carry_out(job)

    def types_said(self) -> list[str]:
        return [row["type"] for row in self.store.outbox]


@pytest.fixture
def district() -> District:
    return District()


def kinds(person: Person) -> Sequence[str]:
    return [str(place.kind) for place in person.memberships]
