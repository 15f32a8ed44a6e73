"""What records hears: one function per event. The approval event, with its grant, is the only way to a release.

Rule for order: approvals and revocations of one request come in the order of their topic; of different topics nothing
is assumed. A package asked for before its version is known is refused, and asked for again by the next request.
"""

import asyncio
import base64
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from joserfc.jwk import KeySet

from contracts import grant as grants
from contracts.consent.v1 import ConsentApproved, ConsentOpened, ConsentRevoked
from contracts.envelope import Message
from contracts.grant import Grant, GrantInvalid
from contracts.identity.v1 import OrganizationRecorded, PersonRecorded
from contracts.types import OrganizationKind, ReleaseId, SealedValue
from services.chassis import clock, ids
from services.chassis.kafka.hearing import Answer, Hearing, Unwanted
from services.chassis.keys.person import PersonKeys
from services.chassis.keys.sealing import KeyFile, content_key, seal_to
from services.chassis.store.work import Job, Known, Need, One, Verdict
from services.records.domain import following, releasing, sealing
from services.records.domain.releasing import Approved, Revoked
from services.records.domain.sealing import RequestPackage
from services.records.domain.state import Package, PackageStatus, Version, version_id
from services.records.handlers.seals import package_id_of
from services.records.store import PACKAGES, PEOPLE, RELEASES, SCHOOLS, TRANSCRIPTS, VERSIONS, Questions

BREATH = 32
"""Approvals between two pauses for other tasks: about ten milliseconds of verifying and sealing."""


def hearing(questions: Questions, keys: PersonKeys, consent: KeyFile, delivery: KeyFile) -> Hearing:
    """What records hears, with what it needs: persons' keys, consent's public keys, delivery's public key."""
    hears = Hearing()
    hears.on(PersonRecorded, person_recorded)
    hears.on(OrganizationRecorded, organization_recorded)
    hears.on(ConsentOpened, Preparing(questions, keys))
    hears.on(ConsentApproved, Releasing(questions, consent, delivery))
    hears.on(ConsentRevoked, consent_revoked)
    return hears


async def person_recorded(messages: Sequence[Message[PersonRecorded]]) -> Sequence[Answer]:
    def answer(message: Message[PersonRecorded]) -> Job:
        event = message.event
        return _job(
            message,
            lambda known: following.know_person(known.one(PEOPLE, event.person_id), event),
            One(PEOPLE, event.person_id),
        )

    return [answer(message) for message in messages]


async def organization_recorded(messages: Sequence[Message[OrganizationRecorded]]) -> Sequence[Answer]:
    def answer(message: Message[OrganizationRecorded]) -> Job | None:
        event = message.event
        if event.kind is not OrganizationKind.SCHOOL:
            return None
        return _job(
            message,
            lambda known: following.know_school(known.one(SCHOOLS, event.organization_id), event),
            One(SCHOOLS, event.organization_id),
        )

    return [answer(message) for message in messages]


class Preparing:
    """A request whose selection has no package yet: have one made. The key is drawn here, once for each asking."""

    def __init__(self, questions: Questions, keys: PersonKeys) -> None:
        self._questions = questions
        self._keys = keys

    async def __call__(self, messages: Sequence[Message[ConsentOpened]]) -> Sequence[Answer]:
        asked = [message.event for message in messages if message.event.package_id is None]
        found = await self._questions.versions(version_id(one.transcript_id, one.transcript_version) for one in asked)
        kept = await self._keys.seal_many([(one.student_id, content_key()) for one in asked])
        by_request = {one.request_id: key for one, key in zip(asked, kept, strict=True)}
        return [
            self._answer(
                message,
                found.get(version_id(message.event.transcript_id, message.event.transcript_version)),
                by_request.get(message.event.request_id),
            )
            for message in messages
        ]

    @staticmethod
    def _answer(message: Message[ConsentOpened], version: Version | None, kept: SealedValue | None) -> Answer:
        """None: a package is there, the student was erased, or the request is about nothing of ours."""
        event = message.event
        if kept is None or version is None or version.student_id != event.student_id:
            return None
        command = RequestPackage(
            package_id=package_id_of(event.transcript_id, event.transcript_version, version.digest, event.selection),
            request_id=event.request_id,
            transcript_id=event.transcript_id,
            transcript_version=event.transcript_version,
            selection=event.selection,
            kept_key=kept,
            at=clock.now(),
        )

        def decide(known: Known) -> Verdict:
            return sealing.request_package(
                known.one(PACKAGES, command.package_id),
                command,
                transcript=known.one(TRANSCRIPTS, event.transcript_id),
                version=known.one(VERSIONS, version.version_id),
            )

        return _job(
            message,
            decide,
            One(PACKAGES, command.package_id),
            One(TRANSCRIPTS, event.transcript_id),
            One(VERSIONS, version.version_id),
        )


@dataclass(frozen=True, slots=True)
class Releasing:
    """The approval event. The grant is verified here, on our own, and every word of it compared with what we hold."""

    questions: Questions
    consent: KeyFile
    delivery: KeyFile

    async def __call__(self, messages: Sequence[Message[ConsentApproved]]) -> Sequence[Answer]:
        keys = self.consent.keys()
        packages = await self.questions.packages(message.event.package_id for message in messages)
        answers: list[Answer] = []
        for number, message in enumerate(messages, start=1):
            answers.append(self._answer(message, keys, packages.get(message.event.package_id)))
            if number % BREATH == 0:
                await asyncio.sleep(0)
        return answers

    def _answer(self, message: Message[ConsentApproved], keys: KeySet, package: Package | None) -> Answer:
        event = message.event
        try:
            # In force when it was said; whether it still is, is decided with the rest, and told to the family.
            grant = grants.verify(event.grant, keys, audience="records", now=message.at)
        except GrantInvalid as why:
            return Unwanted(f"the approval's grant is refused: {why}")
        if odd := odd_in(event, grant, package):
            return Unwanted(f"the approval does not hold together: {odd}")
        assert package is not None
        return self._job(message, grant, package)

    def _job(self, message: Message[ConsentApproved], grant: Grant, package: Package) -> Job:
        event = message.event
        info = f"placet-release:{event.request_id}:{package.digest}".encode()
        kept = base64.b64decode(package.kept_key.ciphertext)
        command = Approved(
            request_id=event.request_id,
            release_id=ReleaseId(ids.derived("rel", grant.jti)),
            grant_id=grant.jti,
            grant=event.grant,
            expires_at=event.valid_until,
            school_id=event.school_id,
            student_id=event.student_id,
            recipient_id=event.recipient_id,
            transcript_id=package.transcript_id,
            transcript_version=package.transcript_version,
            package_id=package.package_id,
            package_digest=package.digest,
            place=package.place,
            size=package.size,
            sealed_key=seal_to(self.delivery.public(), kept, info=info),
            at=clock.now(),
        )

        def decide(known: Known) -> Verdict:
            return releasing.release(
                known.one(RELEASES, event.request_id),
                command,
                transcript=known.one(TRANSCRIPTS, package.transcript_id),
            )

        return _job(message, decide, One(RELEASES, event.request_id), One(TRANSCRIPTS, package.transcript_id))


def odd_in(event: ConsentApproved, grant: Grant, package: Package | None) -> str | None:
    """The first word in which event, grant and package do not agree; None when all do."""
    if package is None or package.status is not PackageStatus.PREPARED:
        return "no such package is prepared"
    pairs = {
        "request": (event.request_id, grant.request_id),
        "school": (event.school_id, grant.school_id, package.school_id),
        "student": (event.student_id, grant.sub, package.student_id),
        "recipient": (event.recipient_id, grant.recipient_id),
        "basis": (event.basis, grant.basis),
        "end": (int(event.valid_until.timestamp()), grant.exp),
        "package": (event.package_id, grant.package_id, package.package_id),
        "package digest": (event.package_digest, grant.package_digest, package.digest),
        "transcript": (grant.transcript_id, package.transcript_id),
        "transcript version": (grant.transcript_version, package.transcript_version),
        "transcript digest": (grant.transcript_digest, package.transcript_digest),
        "selection": (grant.selection.key, package.selection.key),
    }
    return next((f"the {word} is not the same everywhere" for word, said in pairs.items() if len({*said}) > 1), None)


async def consent_revoked(messages: Sequence[Message[ConsentRevoked]]) -> Sequence[Answer]:
    def answer(message: Message[ConsentRevoked]) -> Job:
        event = message.event
        command = Revoked(
            request_id=event.request_id,
            school_id=event.school_id,
            student_id=event.student_id,
            recipient_id=event.recipient_id,
            at=clock.now(),
        )
        return _job(
            message,
            lambda known: releasing.revoke(known.one(RELEASES, event.request_id), command),
            One(RELEASES, event.request_id),
        )

    return [answer(message) for message in messages]


def _job(message: Message[Any], decide: Callable[[Known], Verdict], *needs: Need) -> Job:
    def reads(_: Known) -> Iterable[Need]:
        return needs

    return Job(cause=message.id, at=clock.now(), reads=reads, decide=decide, correlation=message.correlation)
