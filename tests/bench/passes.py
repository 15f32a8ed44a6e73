"""Tokens as identity would give them out, signed with the house's own key: only for a bench on the machine where it lies.

Signing in and step-ups are a person's pace, and a code is good once in half a minute; what a release costs is the rest.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from joserfc.jwk import OKPKey

from contracts.types import Digest, Membership, OrganizationId, PersonKind
from services.chassis import clock, ids
from services.chassis.web.tokens import (
    STEP_UP_SECONDS,
    SessionClaims,
    StepUpClaims,
    SubjectKind,
    make_access,
    make_step_up,
)

LIFE = 3_600
"""Seconds; longer than any run."""


class Passes:
    """Makes tokens for people and programs of the bench's house."""

    def __init__(self, keys: Path) -> None:
        private = json.loads((keys / "identity.private.jwks.json").read_text())
        self._key = OKPKey.import_key(private["keys"][0])

    def person(self, person_id: str) -> str:
        return self._access(person_id, SubjectKind.PERSON, ())

    def registrar(self, person_id: str, school_id: str) -> str:
        place = Membership(kind=PersonKind.REGISTRAR, organization_id=OrganizationId(school_id))
        return self._access(person_id, SubjectKind.PERSON, (place,))

    def program(self, client_id: str, organization_id: str) -> str:
        place = Membership(kind=PersonKind.READER, organization_id=OrganizationId(organization_id))
        return self._access(client_id, SubjectKind.CLIENT, (place,))

    def step_up(self, person_id: str, act: str, on: str, digest: str) -> str:
        now = int(clock.now().timestamp())
        claims = StepUpClaims(
            sub=person_id, iat=now, exp=now + STEP_UP_SECONDS, jti=ids.new("stp"), act=act, on=on,
            digest=Digest(digest), method="totp",
        )  # fmt: skip
        return make_step_up(claims, self._key)

    def _access(self, subject: str, kind: SubjectKind, places: Sequence[Membership]) -> str:
        now = int(clock.now().timestamp())
        claims = SessionClaims(
            sub=subject, iat=now, exp=now + LIFE, jti=ids.new("ses"), kind=kind, memberships=tuple(places)
        )
        return make_access(claims, self._key)
