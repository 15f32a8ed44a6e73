"""Sign-in and step-up over a store: what is tried is kept, what is shown once is kept as a digest or ciphertext."""

import asyncio
import json
from datetime import timedelta

import pyotp
import pytest

from contracts.types import PersonId
from services.chassis.decision import Decision, Refusal
from services.identity import domain
from services.identity.domain import IssueToken, Person
from services.identity.gateways.roster import SourcedId
from services.identity.handlers import OPERATOR, Access, Enrolment, digest_of
from services.identity.handlers.rows import person_id_of
from tests.identity.conftest import HARBOR, NOW, District

BELA = person_id_of(HARBOR, SourcedId("gu1"))


async def with_people(district: District) -> None:
    await district.imports(await district.school())


async def token(district: District, secret: str = "a secret", *, single_use: bool = False) -> None:
    command = IssueToken(
        digest=digest_of(secret),
        person_id=BELA,
        issued_by=PersonId("per_registrar"),
        expires_at=NOW + timedelta(days=1),
        single_use=single_use,
        at=NOW,
    )
    assert isinstance(await district.access.issue_token(command), Decision)


async def test_wrong_used_expired_and_revoked_get_the_same_answer(district: District) -> None:
    await with_people(district)
    access = district.access
    await token(district, single_use=True)
    assert isinstance(await access.sign_in("a secret", at=NOW), Person)
    used = await access.sign_in("a secret", at=NOW)
    wrong = await access.sign_in("another", at=NOW)
    await token(district, "a third")
    expired = await access.sign_in("a third", at=NOW + timedelta(days=1))
    await access.revoke_tokens(BELA, at=NOW)
    revoked = await access.sign_in("a third", at=NOW)
    assert used == wrong == expired == revoked == domain.NO_SIGN_IN


async def enrolled(district: District) -> pyotp.TOTP:
    drawn = await district.access.enrol(BELA, account="Bela", proven=False, at=NOW)
    assert isinstance(drawn, Enrolment)
    totp = pyotp.TOTP(drawn.secret)
    accepted = await district.access.confirm(BELA, totp.at(NOW - timedelta(seconds=30)), at=NOW)
    assert isinstance(accepted, str)
    return totp


async def test_a_code_is_accepted_once_also_by_two_at_once(district: District) -> None:
    await with_people(district)
    totp = await enrolled(district)

    answers = await asyncio.gather(*(district.access.step_up(BELA, totp.at(NOW), at=NOW) for _ in range(4)))
    assert sum(isinstance(answer, str) for answer in answers) == 1
    assert sum(answer == domain.WRONG_CODE for answer in answers) == 3


@pytest.mark.parametrize(("seconds", "accepted"), [(-61, False), (-30, True), (0, True), (30, True), (61, False)])
async def test_a_clock_may_be_off_by_one_step(district: District, seconds: int, accepted: bool) -> None:
    await with_people(district)
    totp = await enrolled(district)
    later = NOW + timedelta(minutes=10)
    answer = await district.access.step_up(BELA, totp.at(later + timedelta(seconds=seconds)), at=later)
    assert isinstance(answer, str) is accepted


async def test_five_wrong_codes_lock_and_the_count_survives(district: District) -> None:
    await with_people(district)
    totp = await enrolled(district)
    for _ in range(5):
        assert await district.access.step_up(BELA, "000000", at=NOW) == domain.WRONG_CODE
    assert await district.access.step_up(BELA, totp.at(NOW), at=NOW) == domain.LOCKED_OUT
    later = NOW + timedelta(minutes=10)
    assert isinstance(await district.access.step_up(BELA, totp.at(later), at=later), str)


async def test_secrets_are_nowhere_to_be_read(district: District) -> None:
    await with_people(district)
    await token(district, "a very secret token")
    totp = await enrolled(district)
    kept = json.dumps(district.store.tables, default=str)
    assert "a very secret token" not in kept
    assert totp.secret not in kept


async def test_an_erased_person_has_no_authenticator(district: District) -> None:
    await with_people(district)
    totp = await enrolled(district)
    await district.keys.erase(BELA)
    assert await district.access.step_up(BELA, totp.at(NOW), at=NOW) == domain.NO_AUTHENTICATOR


async def test_an_unconfirmed_authenticator_steps_nobody_up(district: District) -> None:
    await with_people(district)
    drawn = await district.access.enrol(BELA, account="Bela", proven=False, at=NOW)
    assert isinstance(drawn, Enrolment)
    code = pyotp.TOTP(drawn.secret).at(NOW)
    assert await district.access.step_up(BELA, code, at=NOW) == domain.NO_AUTHENTICATOR


async def test_a_crash_before_the_commit_leaves_the_code_unused(district: District) -> None:
    await with_people(district)
    totp = await enrolled(district)
    district.store.crash_before_commit = True
    with pytest.raises(ConnectionError):
        await district.access.step_up(BELA, totp.at(NOW), at=NOW)
    district.store.crash_before_commit = False
    assert isinstance(await district.access.step_up(BELA, totp.at(NOW), at=NOW), str)


async def test_the_operator_is_made_at_the_first_sign_in_and_only_with_the_token(district: District) -> None:
    access = Access(
        district.work, district.questions, district.keys, district.marks, operator_digest=digest_of("installer's")
    )
    assert isinstance(await access.sign_in("guess", at=NOW), Refusal)
    first = await access.sign_in("installer's", at=NOW)
    assert isinstance(first, Person)
    assert first.person_id == OPERATOR
    assert await access.sign_in("installer's", at=NOW) == first
    assert len(district.store.outbox) == 1
    nobody = await district.access.sign_in("installer's", at=NOW)
    assert nobody == domain.NO_SIGN_IN
