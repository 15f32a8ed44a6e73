"""What identity keeps: people, organizations, the ways to sign in, API clients, and what became of each roster."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from contracts.types import (
    Membership,
    OrganizationId,
    OrganizationKind,
    PersonId,
    PersonKind,
    RightsHolder,
    SchoolPolicy,
    SealedValue,
    Standing,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody with an account. What is personal is ciphertext, or a keyed digest by which it can be compared."""

    person_id: PersonId
    version: int
    source: str
    """The roster they came with; the house's own people have the house."""
    memberships: tuple[Membership, ...]
    school_ids: tuple[OrganizationId, ...]
    """The organizations of `memberships`, each once: what queries ask for."""
    active: bool
    profile: SealedValue
    """Opens to JSON `{name, given_name, family_name, email, language}`."""
    profile_digest: str
    email_index: str | None
    birth_date: SealedValue | None = None
    """Of students only; opens to an ISO date."""
    birthday: str | None = None
    """Keyed digest of the day on which the student turns 18: found on that day, readable on none."""
    rights_holder: RightsHolder | None = None
    guardians: tuple[PersonId, ...] = ()

    def is_a(self, kind: PersonKind) -> bool:
        return any(membership.kind is kind for membership in self.memberships)


@dataclass(frozen=True, slots=True, kw_only=True)
class Organization:
    """A school with its policy, or a recipient with its standing."""

    organization_id: OrganizationId
    version: int
    kind: OrganizationKind
    name: str
    standing: Standing
    timezone: str
    policy: SchoolPolicy | None = None
    source: str | None = None
    """Of a school: whose rosters it comes in. Schools of one district share it, so that one person has one account."""
    sourced_id: str | None = None
    """Of a school: its key in those rosters (OneRoster `sourcedId` or `identifier`)."""


@dataclass(frozen=True, slots=True)
class Birthdays:
    """Up to which day (ISO date, of the school's own calendar) a school's birthdays have been looked through."""

    school_id: OrganizationId
    through: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A secret that signs one person in. Only its SHA-256 is kept."""

    digest: str
    person_id: PersonId
    issued_by: PersonId
    issued_at: datetime
    expires_at: datetime
    single_use: bool = False
    used_at: datetime | None = None
    revoked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticator:
    """A person's TOTP authenticator (RFC 6238): its secret under the person's key, and what was tried with it."""

    person_id: PersonId
    version: int
    secret: SealedValue | None = None
    """The confirmed one."""
    pending: SealedValue | None = None
    """Shown, not confirmed with a code yet."""
    last_step: int = 0
    """The newest 30-second step whose code was accepted: a code is accepted once, and none before it."""
    accepted: str | None = None
    """The id of the attempt that was accepted last."""
    failures: int = 0
    locked_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A recipient's own program (OAuth 2.0 client credentials). Only the secret's SHA-256 is kept."""

    client_id: str
    organization_id: OrganizationId
    secret_digest: str
    name: str
    created_at: datetime
    revoked: bool = False


class Severity(StrEnum):
    """What became of a row that something was said about."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class ImportProblem:
    """One thing to mend in the school's file. The reason never repeats what a cell holds."""

    file: str
    row: int
    column: str | None
    reason: str
    severity: Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportCounts:
    """What an import did with the people it read; `errors` and `warnings` count also what is not listed."""

    read: int = 0
    created: int = 0
    changed: int = 0
    unchanged: int = 0
    left_out: int = 0
    absent: int = 0
    """Known at these schools and not in a whole roster: they stay as they are."""
    errors: int = 0
    warnings: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """What became of one roster."""

    import_id: str
    school_id: OrganizationId
    """The school under whose address it was sent."""
    school_ids: tuple[OrganizationId, ...]
    """Every school whose rows were taken over."""
    imported_by: PersonId
    at: datetime
    roster_version: str
    delta: bool
    counts: ImportCounts
    problems: tuple[ImportProblem, ...]
