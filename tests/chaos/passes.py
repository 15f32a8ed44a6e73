"""Tokens of the run's people and programs, signed with the house's own key on the machine where it lies.

Signing in and step-ups go at a person's pace; what is asked here is what becomes of thousands of requests.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from joserfc.jwk import OKPKey

from contracts.types import Membership, OrganizationId, PersonKind
from services.chassis import clock, ids
from services.chassis.web.tokens import SessionClaims, StepUpClaims, SubjectKind, make_access, make_step_up

AGE, LIFE = 900, 4 * 3_600
"""Seconds. Made a quarter of an hour ago, so that a service whose clock is ten minutes slow believes it."""
STEP_UP_LIFE = 240


class Passes:
    """Makes them when they are needed; an access token is made once and kept."""

    def __init__(self, keys: Path) -> None:
        private = json.loads((keys / "identity.private.jwks.json").read_text())
        self._key = OKPKey.import_key(private["keys"][0])
        self._kept: dict[tuple[str, int], str] = {}

    def person(self, person_id: str, *, registrar_of: str = "") -> str:
        place = Membership(kind=PersonKind.REGISTRAR, organization_id=OrganizationId(registrar_of))
        return self._access(person_id, SubjectKind.PERSON, (place,) if registrar_of else ())

    def program(self, organization_id: str) -> str:
        place = Membership(kind=PersonKind.READER, organization_id=OrganizationId(organization_id))
        return self._access(f"cli_{organization_id}", SubjectKind.CLIENT, (place,))

    def step_up(self, person_id: str, act: str, on: str, digest: str | None = None) -> str:
        now = int(clock.now().timestamp())
        claims = StepUpClaims(
            sub=person_id, iat=now, exp=now + STEP_UP_LIFE, jti=ids.new("stp"), act=act, on=on, digest=digest,
            method="totp",
        )  # fmt: skip
        return make_step_up(claims, self._key)

    def _access(self, subject: str, kind: SubjectKind, places: Sequence[Membership]) -> str:
        name = (subject, len(places))
        if name not in self._kept:
            now = int(clock.now().timestamp())
            claims = SessionClaims(
                sub=subject, iat=now - AGE, exp=now + LIFE, jti=ids.new("ses"), kind=kind, memberships=tuple(places)
            )
            self._kept[name] = make_access(claims, self._key)
        return self._kept[name]
