"""What is worth beginning with or doing in one go: whole pieces of a story, after which anything may happen."""

from datetime import timedelta

from contracts.event import Event
from contracts.identity.v1 import OrganizationRecorded
from contracts.types import OrganizationId, PersonId, RightsHolder, SchoolPolicy, Standing
from services.consent.domain import Request
from services.consent.store import REQUESTS
from tests.model import cast as people
from tests.model import forger
from tests.model.broker import with_id
from tests.model.cast import ADULT, COLLEGE, FUND, MINOR, OTHER_PARENT, REGISTRAR, SCHOOL, STRANGER, TRANSCRIPTS
from tests.model.services import GRANT_KEYS
from tests.model.world import World

BETWEEN = (
    "",
    "",
    "revoked",
    "withdrawn",
    "held",
    "held and revoked",
    "rights",
    "late key",
    "all of it again",
    "forged approval",
    *forger.LIES,
)
"""What may come between a signature and the records that hear of it."""


def requests(world: World) -> list[Request]:
    rows = world.consent.store.rows(REQUESTS)
    return [REQUESTS.state_in(rows[one]) for one in world.book.requests]


def signer(world: World, request: Request) -> PersonId:
    """Somebody who holds the rights, as far as consent was told."""
    student = world.book.people["consent", request.student_id]
    return student.person_id if student.rights_holder is RightsHolder.STUDENT else student.guardians[0]


def student(world: World, person_id: PersonId, holder: RightsHolder, guardians: tuple[PersonId, ...]) -> Event:
    version = world.identity[person_id].version + 1
    return people.student(person_id, version, rights_holder=holder, guardians=guardians)


def organization(
    world: World, organization_id: OrganizationId, standing: Standing, policy: SchoolPolicy | None = None
) -> Event:
    return people.organization(organization_id, world.identity[organization_id].version + 1, standing, policy)


async def mend(world: World, person_id: PersonId, recipient: OrganizationId) -> None:
    """What would be in the way of a request is put right by those who can."""
    world.frozen = False
    known = world.identity[recipient]
    if isinstance(known, OrganizationRecorded) and known.standing is not Standing.VERIFIED:
        world.tell(organization(world, recipient, Standing.VERIFIED))
    if world.book.withdrawn.get(TRANSCRIPTS[person_id]):
        await world.school.seal(TRANSCRIPTS[person_id])
    await world.flow()


async def all_the_way(
    world: World, person_id: PersonId, recipient: OrganizationId, parts: tuple[str, ...] = (), between: str = ""
) -> None:
    """From the opening to the delivery, if nothing is in the way; something may come between."""
    if between == "rights":
        world.tell(organization(world, SCHOOL, Standing.VERIFIED, SchoolPolicy(school_approves=True)))
        await world.flow()
    opened = await world.family.open_request(person_id, recipient, parts=parts)
    if opened is None:
        return
    await world.flow()
    if between == "forged approval":
        forger.approve(world, requests(world)[-1])
        await world.flow()
    if between == "late key":
        world.consent.key, world.records.knows_new_key = GRANT_KEYS[1], False
    await world.family.sign(opened.request_id, STRANGER)
    await world.family.sign(opened.request_id, signer(world, opened))
    if between == "rights":
        world.tell(student(world, person_id, RightsHolder.STUDENT, (OTHER_PARENT,)))
        await world.flow()
    await world.family.approve_for_school(opened.request_id)
    await _come_between(world, opened, between)
    await world.flow()
    if between == "all of it again":
        for topic in ("consent.requests", "records.releases"):
            for record in world.broker.genuine(topic, world.forged):
                world.broker.append(**with_id(record, world.new("evt")), partition=record.partition)
        await world.flow()


async def _come_between(world: World, opened: Request, between: str) -> None:
    if between == "withdrawn":
        await world.school.withdraw(opened.transcript_id)
    if between.startswith("held"):
        await world.school.hold(opened.transcript_id, timedelta(days=30))
    if between in {"held and revoked", "late key"}:
        await world.flow()
    if between in {"revoked", "held and revoked", "late key"}:
        await world.family.revoke(opened.request_id, REGISTRAR)
    if between in {"held and revoked", "late key"}:
        await world.flow()
        await world.school.lift(opened.transcript_id)
        world.records.knows_new_key = True
        await world.replay_asides()
    if between in forger.LIES:
        forger.release(world, requests(world)[-1], between)


async def open_all(world: World) -> None:
    """Every recipient tries to open and fetch whatever there is."""
    for delivery in world.recipients.deliveries():
        for recipient in people.RECIPIENTS:
            await world.recipients.open_delivery(delivery, by=recipient)
            await world.recipients.fetch(delivery, by=recipient)


async def begin(world: World, scene: str) -> None:
    """One of `SCENES`."""
    if scene == "the school approves too":
        world.tell(organization(world, SCHOOL, Standing.VERIFIED, SchoolPolicy(school_approves=True)))
        await world.flow()
        await _signed(world, MINOR)
    elif scene == "opened":
        for person_id in people.STUDENTS:
            await world.family.open_request(person_id, COLLEGE)
        await world.flow()
    elif scene == "signed and not carried":
        await _signed(world, MINOR)
    elif scene == "recipients are told":
        for recipient in people.RECIPIENTS:
            await world.recipients.put_endpoint(recipient)
    elif scene == "available":
        await all_the_way(world, MINOR, COLLEGE)
        await all_the_way(world, ADULT, FUND, ("c1",))
    elif scene == "disclosed":
        await all_the_way(world, MINOR, FUND)
        await open_all(world)


async def _signed(world: World, person_id: PersonId) -> None:
    opened = await world.family.open_request(person_id, COLLEGE)
    await world.flow()
    if opened is not None:
        await world.family.sign(opened.request_id, signer(world, opened))


SCENES = (
    "opened",
    "the school approves too",
    "signed and not carried",
    "recipients are told",
    "available",
    "disclosed",
)
