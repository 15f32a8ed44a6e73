"""What identity shows of its state over HTTP, and what it takes in."""

from datetime import datetime
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from contracts.types import (
    Digest,
    Membership,
    OrganizationId,
    OrganizationKind,
    PersonId,
    RightsHolder,
    SchoolPolicy,
    Standing,
)
from services.identity.domain import Client, Import, Organization, Severity
from services.identity.gateways.profiles import NAME_CHARS, Opened, is_email, one_line

ID = r"^[a-z]{2,8}_[0-9a-z_]{1,40}$"


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("no such time zone") from None
    return name


def _name(text: str) -> str:
    tidy = one_line(text)
    if not tidy or len(tidy) > NAME_CHARS:
        raise ValueError(f"give a name of at most {NAME_CHARS} characters")
    return tidy


def _email(text: str) -> str:
    address = text.strip()
    if not is_email(address):
        raise ValueError("this is no e-mail address")
    return address


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewOrganization(_Body):
    """A school or a recipient. With an id that is known, the organization is described anew."""

    organization_id: OrganizationId | None = Field(default=None, pattern=ID)
    kind: OrganizationKind
    name: str = Field(min_length=1, max_length=200)
    standing: Standing = Standing.UNVERIFIED
    timezone: Annotated[str, Field(max_length=60), AfterValidator(_zone)] = "UTC"
    policy: SchoolPolicy | None = None
    roster_source: str | None = Field(default=None, min_length=1, max_length=100)
    """Of a school: schools of one district, whose rosters come from one system, give the same word here."""
    sourced_id: str | None = Field(default=None, min_length=1, max_length=255)
    """Of a school: its `sourcedId` (or `identifier`) in its rosters."""


class NewStanding(_Body):
    """Whether the organization may take part."""

    standing: Standing


class NewToken(_Body):
    """How long the token signs in, and whether once only."""

    valid_days: int = Field(default=30, ge=1, le=365)
    single_use: bool = False


class NewReader(_Body):
    """Somebody who is to read what is sent to a recipient."""

    name: Annotated[str, AfterValidator(_name)]
    email: Annotated[str, AfterValidator(_email)]
    language: Literal["en", "es"] = "en"
    """What pages and letters speak to them."""
    valid_days: int = Field(default=7, ge=1, le=30)
    """How long the way in waits to be used. It signs in once."""


class NewClient(_Body):
    """A recipient's program. The name tells its credentials apart for people."""

    organization_id: OrganizationId = Field(pattern=ID)
    name: str = Field(min_length=1, max_length=100)


class Code(_Body):
    """A code from the authenticator."""

    code: str = Field(min_length=6, max_length=8, pattern=r"^[0-9 ]+$")


class Meant(Code):
    """A code, and the act it is for: on which object and on which bytes."""

    act: str = Field(min_length=1, max_length=64, pattern=r"^[a-z0-9.-]+$")
    on: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:-]+$")
    digest: Digest | None = None


class Search(_Body):
    """Whom to look for. In a body, since addresses of pages are written down in many places."""

    email: str = Field(min_length=3, max_length=254)


class OrganizationView(BaseModel):
    """An organization."""

    organization_id: OrganizationId
    kind: OrganizationKind
    name: str
    standing: Standing
    timezone: str
    policy: SchoolPolicy | None
    roster_source: str | None
    sourced_id: str | None

    @classmethod
    def of(cls, organization: Organization) -> Self:
        return cls(
            organization_id=organization.organization_id,
            kind=organization.kind,
            name=organization.name,
            standing=organization.standing,
            timezone=organization.timezone,
            policy=organization.policy,
            roster_source=organization.source,
            sourced_id=organization.sourced_id,
        )


class PersonView(BaseModel):
    """A person, with the name opened from ciphertext; erased people have none."""

    person_id: PersonId
    name: str | None
    email: str | None
    memberships: tuple[Membership, ...]
    active: bool
    rights_holder: RightsHolder | None
    guardians: tuple[PersonId, ...]

    @classmethod
    def of(cls, opened: Opened) -> Self:
        person, profile = opened.person, opened.profile
        return cls(
            person_id=person.person_id,
            name=profile.name if profile else None,
            email=profile.email if profile else None,
            memberships=person.memberships,
            active=person.active,
            rights_holder=person.rights_holder,
            guardians=person.guardians,
        )


class MeView(BaseModel):
    """Who is asking."""

    person_id: PersonId | None
    client_id: str | None
    memberships: tuple[Membership, ...]
    authenticator: bool
    """Whether an authenticator is set up, which every approval asks for."""


class TokenView(BaseModel):
    """A token, shown this once."""

    token: str
    person_id: PersonId
    expires_at: datetime
    single_use: bool


class NewReaderView(PersonView):
    """A reader, and the way in that the invitation made. It is shown this once: a repeated invitation has none."""

    way_in: TokenView | None


class ClientView(BaseModel):
    """A recipient's program."""

    client_id: str
    organization_id: OrganizationId
    name: str
    created_at: datetime
    revoked: bool

    @classmethod
    def of(cls, client: Client) -> Self:
        return cls(
            client_id=client.client_id,
            organization_id=client.organization_id,
            name=client.name,
            created_at=client.created_at,
            revoked=client.revoked,
        )


class NewClientView(ClientView):
    """A fresh client with its secret, shown this once."""

    client_secret: str


class AccessView(BaseModel):
    """An access token (RFC 6749 §5.1)."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105  a word of RFC 6750, no secret
    expires_in: int


class EnrolmentView(BaseModel):
    """A fresh authenticator secret, shown this once; it counts after a code from it has come back."""

    secret: str
    address: str


class StepUpView(BaseModel):
    """A step-up: send it as `x-step-up` with the act it is for, within five minutes, once."""

    token: str
    expires_in: int


class ProblemView(BaseModel):
    """One thing to mend in the school's file."""

    file: str
    row: int
    column: str | None
    reason: str
    severity: Severity


class ImportView(BaseModel):
    """What became of a roster."""

    import_id: str
    school_id: OrganizationId
    school_ids: tuple[OrganizationId, ...]
    at: datetime
    roster_version: str
    delta: bool
    read: int
    created: int
    changed: int
    unchanged: int
    left_out: int
    absent: int
    errors: int
    warnings: int
    problems: tuple[ProblemView, ...]

    @classmethod
    def of(cls, report: Import) -> Self:
        counts = report.counts
        return cls(
            import_id=report.import_id,
            school_id=report.school_id,
            school_ids=report.school_ids,
            at=report.at,
            roster_version=report.roster_version,
            delta=report.delta,
            read=counts.read,
            created=counts.created,
            changed=counts.changed,
            unchanged=counts.unchanged,
            left_out=counts.left_out,
            absent=counts.absent,
            errors=counts.errors,
            warnings=counts.warnings,
            problems=tuple(
                ProblemView(file=one.file, row=one.row, column=one.column, reason=one.reason, severity=one.severity)
                for one in report.problems
            ),
        )
