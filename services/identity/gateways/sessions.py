"""The tokens that identity hands out: sessions for browsers, access tokens for programs, step-ups for one act."""

from datetime import datetime
from typing import Protocol

from joserfc.jwk import Key, OKPKey

from contracts.types import Membership, PersonId, PersonKind
from services.chassis import ids
from services.chassis.keys.sealing import KeyKind
from services.chassis.web.tokens import (
    STEP_UP_SECONDS,
    SessionClaims,
    StepUpClaims,
    SubjectKind,
    make_access,
    make_session,
    make_step_up,
)
from services.identity.domain import Client, Person
from services.identity.gateways.profiles import Profile

SESSION_SECONDS = 8 * 3600
"""A working day. Longer asks for a new sign-in (OWASP ASVS 5 §7.3)."""
ACCESS_SECONDS = 600


class SigningKeys(Protocol):
    """Identity's private key from its file, re-read when it changes."""

    def signing_key(self, kind: KeyKind) -> Key: ...


class Sessions:
    """Makes signed tokens. Every one has a fresh `jti`; times are drawn by the caller."""

    def __init__(self, keys: SigningKeys) -> None:
        self._keys = keys

    def session(self, person: Person, profile: Profile | None, at: datetime) -> str:
        """The session cookie's token, with a fresh CSRF token: a session is never taken over from before."""
        name, language = (profile.name[:120], profile.language) if profile else ("", "")
        return make_session(
            self._claims(
                person.person_id,
                SubjectKind.PERSON,
                person.memberships,
                at,
                SESSION_SECONDS,
                csrf=ids.secret(),
                name=name,
                language=language,
            ),
            self._key(),
        )

    def access_of_person(self, person: Person, at: datetime) -> str:
        claims = self._claims(person.person_id, SubjectKind.PERSON, person.memberships, at, ACCESS_SECONDS)
        return make_access(claims, self._key())

    def access_of_client(self, client: Client, at: datetime) -> str:
        place = Membership(kind=PersonKind.READER, organization_id=client.organization_id)
        return make_access(
            self._claims(client.client_id, SubjectKind.CLIENT, (place,), at, ACCESS_SECONDS), self._key()
        )

    def step_up(self, person_id: PersonId, *, act: str, on: str, digest: str | None, jti: str, at: datetime) -> str:
        """`jti` is the id of the accepted attempt: one code, one step-up."""
        now = int(at.timestamp())
        claims = StepUpClaims(
            sub=person_id, iat=now, exp=now + STEP_UP_SECONDS, jti=jti, act=act, on=on, digest=digest, method="totp"
        )
        return make_step_up(claims, self._key())

    @staticmethod
    def _claims(
        subject: str,
        kind: SubjectKind,
        memberships: tuple[Membership, ...],
        at: datetime,
        seconds: int,
        *,
        csrf: str = "",
        name: str = "",
        language: str = "",
    ) -> SessionClaims:
        now = int(at.timestamp())
        return SessionClaims(
            sub=subject,
            kind=kind,
            memberships=memberships,
            iat=now,
            exp=now + seconds,
            jti=ids.new("ses"),
            csrf=csrf,
            name=name,
            language=language,
        )

    def _key(self) -> OKPKey:
        key = self._keys.signing_key("Ed25519")
        assert isinstance(key, OKPKey)
        return key
