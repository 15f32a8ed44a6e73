"""Whoever has stolen the right to write topics, and has no key of consent: what it can write, in a world of the model."""

import base64
import json
from datetime import timedelta
from typing import TYPE_CHECKING

from contracts import grant as grants
from contracts.consent.v1 import ConsentApproved
from contracts.envelope import Message
from contracts.event import Event
from contracts.grant import Grant, Grantor
from contracts.records.v1 import TranscriptReleased
from contracts.types import Basis, BasisCode, Capacity, PackageId, ReleaseId, RequestId
from services.chassis.keys.sealing import sha256
from services.consent.domain import Request
from tests.model.cast import COLLEGE, FUND, PARENT, SCHOOL
from tests.model.services import FORGERS_KEY

if TYPE_CHECKING:
    from tests.model.world import World

LIES = ("recipient", "digest", "request", "key")
"""In which word a forged record differs from what was agreed to."""
BASIS = Basis(code=BasisCode.GUARDIAN_CONSENT, section="34 CFR 99.30", words="A guardian has agreed.")


def approve(world: "World", request: Request) -> None:
    """An approval of a request that nobody has approved: whole, plausible, under another key than consent's."""
    if request.package is None:
        return
    until = world.at.replace(microsecond=0) + timedelta(days=180)
    claims = Grant(
        jti=world.new("grt"),
        iat=int(world.at.timestamp()),
        exp=int(until.timestamp()),
        sub=request.student_id,
        request_id=request.request_id,
        school_id=request.school_id,
        transcript_id=request.transcript_id,
        transcript_version=request.transcript_version,
        transcript_digest=request.transcript_digest,
        selection=request.selection,
        package_id=request.package.package_id,
        package_digest=request.package.digest,
        recipient_id=request.recipient_id,
        purpose=request.purpose,
        basis=BASIS,
        grantor=Grantor(person_id=PARENT, capacity=Capacity.GUARDIAN, method="totp", at=int(world.at.timestamp())),
    )
    event = ConsentApproved(
        version=request.version + 1,
        request_id=request.request_id,
        school_id=request.school_id,
        student_id=request.student_id,
        recipient_id=request.recipient_id,
        package_id=request.package.package_id,
        package_digest=request.package.digest,
        basis=BASIS,
        valid_until=until,
        grant=grants.sign(claims, FORGERS_KEY),
    )
    _say(world, event)


def release(world: "World", request: Request, lie: str) -> None:
    """A release under a genuine grant, but for one word."""
    if request.grant is None or request.package is None:
        return
    recipient = {COLLEGE: FUND, FUND: COLLEGE}[request.recipient_id] if lie == "recipient" else request.recipient_id
    token = grants.sign(_claims_in(request.grant), FORGERS_KEY) if lie == "key" else request.grant
    event = TranscriptReleased(
        version=1,
        request_id=RequestId(world.new("req")) if lie == "request" else request.request_id,
        school_id=SCHOOL,
        student_id=request.student_id,
        recipient_id=recipient,
        release_id=ReleaseId(world.new("rel")),
        package_id=PackageId(request.package.package_id),
        package_digest=sha256(b"forged") if lie == "digest" else request.package.digest,
        place="vault/forged",
        size=1,
        sealed_key="c2VhbGVk",
        grant=token,
        released_at=world.at,
    )
    _say(world, event)
    world.misled.add(request.request_id)


def _claims_in(token: str) -> Grant:
    payload = token.split(".")[1]
    return Grant.model_validate(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))


def _say(world: "World", event: Event) -> None:
    record = world.broker.say(Message(world.new("evt"), event, world.tick()))
    world.forged.add((record.topic, record.partition, record.offset))
