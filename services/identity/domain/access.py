"""How somebody proves who they are: a token signs in, an authenticator's code proves presence for one act.

Wrong, used, revoked, expired and unknown are one and the same answer: whoever tries learns nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from contracts.problem import Reason
from contracts.types import OrganizationId, PersonId, SealedValue, Standing
from services.chassis.decision import Decision, Refusal
from services.identity.domain.state import Authenticator, Client, Organization, Person, Token

MOST_FAILURES = 5
"""Codes that may be wrong in a row (GUARANTEES of the house): a guess succeeds at 15 in a million."""
LOCKED = timedelta(minutes=10)

NO_SIGN_IN = Refusal(Reason.NOT_ALLOWED, "this does not sign anybody in; ask the school for a new token")
WRONG_CODE = Refusal(Reason.STEP_UP, "the code is not right or was used already; wait for the next one and try again")
LOCKED_OUT = Refusal(Reason.TOO_MANY, "too many wrong codes; try again in ten minutes")
ENDED = Refusal(Reason.NOT_ALLOWED, "this account is not active any more; ask whoever gave it to you")
NO_AUTHENTICATOR = Refusal(Reason.CONFLICT, "no authenticator is set up for this account; set one up first")


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueToken:
    """A registrar or operator hands somebody a way in. `digest` is the SHA-256 of the secret."""

    digest: str
    person_id: PersonId
    issued_by: PersonId
    expires_at: datetime
    single_use: bool = False
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """Somebody shows a token."""

    digest: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrol:
    """A fresh authenticator secret was shown. `proven` is true when a step-up with the old one stands behind it."""

    person_id: PersonId
    pending: SealedValue
    proven: bool
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TryCode:
    """A code was entered. `step` is the 30-second step it belongs to, None when it belongs to none near now.

    `secret` is the sealed secret against which the door has checked: should another have taken its place, the code
    counts for nothing. `attempt` is this attempt's id.
    """

    person_id: PersonId
    secret: SealedValue
    step: int | None
    attempt: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateClient:
    """A recipient's program gets credentials of its own."""

    client_id: str
    organization_id: OrganizationId
    secret_digest: str
    name: str
    at: datetime


def issue_token(person: Person | None, command: IssueToken) -> Decision[Token] | Refusal:
    if person is None:
        return Refusal(Reason.NOT_FOUND, "there is no such person")
    if not person.active:
        return Refusal(Reason.CONFLICT, "the account is not active: a school's roster or the operator has ended it")
    token = Token(
        digest=command.digest,
        person_id=command.person_id,
        issued_by=command.issued_by,
        issued_at=command.at,
        expires_at=command.expires_at,
        single_use=command.single_use,
    )
    return Decision(token)


def revoke_tokens(tokens: tuple[Token, ...]) -> Decision[None]:
    """Every token of a person is worth nothing from now on."""
    return Decision(None, also=[replace(token, revoked=True) for token in tokens if not token.revoked])


def sign_in(
    token: Token | None, person: Person | None, command: SignIn, *, recipients: Sequence[Organization] = ()
) -> Decision[Token] | Refusal:
    """Whom the token signs in. `recipients` are those that the person is a reader of: suspended ones let nobody in."""
    if token is None or person is None or not person.active or token.revoked:
        return NO_SIGN_IN
    if command.at >= token.expires_at or (token.single_use and token.used_at is not None):
        return NO_SIGN_IN
    if recipients and all(one.standing is Standing.SUSPENDED for one in recipients):
        return NO_SIGN_IN
    return Decision(replace(token, used_at=command.at))


def still_active(person: Person | None) -> Refusal | None:
    """None for an account that is active. A session outlives the account it was made for by hours; its codes must not."""
    return None if person is not None and person.active else ENDED


def enrol(known: Authenticator | None, command: Enrol) -> Decision[Authenticator] | Refusal:
    """A confirmed authenticator is replaced only by who has just used it."""
    if known is None:
        return Decision(Authenticator(person_id=command.person_id, version=1, pending=command.pending))
    if known.secret is not None and not command.proven:
        return Refusal(Reason.STEP_UP, "an authenticator is set up already; confirm with it to replace it")
    return Decision(replace(known, version=known.version + 1, pending=command.pending))


def confirm(known: Authenticator | None, command: TryCode) -> Decision[Authenticator] | Refusal:
    """The first code from a new secret takes it into use. Whether it was right shows in `accepted`."""
    if known is None or known.pending is None or known.pending != command.secret:
        return NO_AUTHENTICATOR
    # Steps of the secret before don't count against a fresh one.
    tried = _tried(known, command, after=0)
    if isinstance(tried, Refusal):
        return tried
    if tried.accepted != command.attempt:
        return Decision(tried)
    return Decision(replace(tried, secret=known.pending, pending=None))


def try_code(known: Authenticator | None, command: TryCode) -> Decision[Authenticator] | Refusal:
    """One code. A wrong one is a decision too: it counts, and so it must be kept."""
    if known is None or known.secret is None:
        return NO_AUTHENTICATOR
    if known.secret != command.secret:
        return WRONG_CODE
    tried = _tried(known, command, after=known.last_step)
    return tried if isinstance(tried, Refusal) else Decision(tried)


def remove_authenticator(known: Authenticator | None) -> Decision[Authenticator] | Refusal:
    """The school saw the person and takes a lost authenticator away; the next sign-in sets up another."""
    if known is None:
        return NO_AUTHENTICATOR
    return Decision(Authenticator(person_id=known.person_id, version=known.version + 1))


def create_client(organization: Organization | None, command: CreateClient) -> Decision[Client] | Refusal:
    if organization is None:
        return Refusal(Reason.NOT_FOUND, "there is no such organization")
    client = Client(
        client_id=command.client_id,
        organization_id=command.organization_id,
        secret_digest=command.secret_digest,
        name=command.name,
        created_at=command.at,
    )
    return Decision(client)


def revoke_client(client: Client | None) -> Decision[Client] | Refusal:
    if client is None:
        return Refusal(Reason.NOT_FOUND, "there is no such client")
    return Decision(replace(client, revoked=True))


def _tried(known: Authenticator, command: TryCode, *, after: int) -> Authenticator | Refusal:
    """The authenticator after this attempt; refused, and not counted, while it is locked."""
    if known.locked_until is not None and command.at < known.locked_until:
        return LOCKED_OUT
    known = replace(known, version=known.version + 1, locked_until=None)
    if command.step is not None and command.step > after:
        return replace(known, last_step=command.step, accepted=command.attempt, failures=0)
    failures = known.failures + 1
    if failures >= MOST_FAILURES:
        return replace(known, failures=0, locked_until=command.at + LOCKED)
    return replace(known, failures=failures)
