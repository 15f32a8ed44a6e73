"""The duty that makes a package of chosen parts when a request asks for one: three beats, see `chassis.duty`."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from contracts.types import RequestId
from services.chassis import clock
from services.chassis.decision import Decision
from services.chassis.duty import Duty
from services.chassis.keys.person import Erased
from services.chassis.store.work import Job, Known, Need, One, Verdict
from services.records.domain import sealing
from services.records.domain.sealing import Made
from services.records.domain.state import Package
from services.records.gateways.packager import Order, Packager
from services.records.store import PACKAGES, TRANSCRIPTS, Questions

AT_ONCE = 2
"""Packages made at once: drawing is CPU, and the pool has one process."""
SECONDS = 60.0
"""A package takes 0.1 s; with large evidence from a slow vault, some."""


def package_duty(questions: Questions, packager: Packager) -> Duty[Package, Made]:
    """Makes what is due, as soon as it is."""

    async def act(package: Package, _: Decision[Any]) -> Made:
        version = await questions.version(package.transcript_id, package.transcript_version)
        assert version is not None
        return await packager.make(
            Order.of_version(version, package, await questions.evidence_of(package.transcript_id))
        )

    return Duty(
        "records.prepare",
        find_due=questions.packages_due,
        begin=lambda package: claim_job(package, clock.now()),
        act=act,
        record=lambda package, made: prepared_job(package, made, clock.now()),
        failed=lambda package, why: failed_job(package, why, clock.now()),
        concurrency=AT_ONCE,
        timeout=SECONDS,
    )


def claim_job(package: Package, at: datetime) -> Job:
    """The first beat."""

    def decide(known: Known) -> Verdict:
        return sealing.claim_package(known.one(PACKAGES, package.package_id), at=at)

    return _job(f"prepare:{package.package_id}:{package.version}", package, at, decide)


def prepared_job(package: Package, made: Made, at: datetime) -> Job:
    """The last beat."""

    def decide(known: Known) -> Verdict:
        transcript = known.one(TRANSCRIPTS, package.transcript_id)
        return sealing.record_package(known.one(PACKAGES, package.package_id), transcript, made=made, at=at)

    return _job(f"prepared:{package.package_id}", package, at, decide)


def failed_job(package: Package, why: Exception, at: datetime) -> Job:
    """The last beat when it could not be made."""

    def decide(known: Known) -> Verdict:
        found = known.one(PACKAGES, package.package_id)
        return sealing.fail_package(found, at=at, for_ever=isinstance(why, Erased))

    return _job(f"unprepared:{package.package_id}:{package.version}", package, at, decide)


def _job(cause: str, package: Package, at: datetime, decide: Any) -> Job:
    def reads(_: Known) -> Iterable[Need]:
        return (One(PACKAGES, package.package_id), One(TRANSCRIPTS, package.transcript_id))

    correlation: RequestId | None = package.for_request
    return Job(cause=cause, at=at, reads=reads, decide=decide, correlation=correlation)
