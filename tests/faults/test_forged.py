"""Approvals that nobody gave, on the right topic and with the right credentials: set aside with a reason, nothing released.

Each is written as consent's own relay would write it: the thief has its credentials. What the thief lacks is the key, or a
grant for just this; and where consent's key itself is used, it has signed something else.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from joserfc.jwk import OKPKey
from typer.testing import CliRunner

from contracts import grant as grants
from contracts.consent.v1 import ConsentApproved
from contracts.grant import Grant, verify
from contracts.records.v1 import TranscriptReleased
from deploy.cli.__main__ import app
from services.chassis import clock, ids
from services.chassis.keys.sealing import KeyFile
from tests.faults.place import LANTERN, Case, Place
from tests.faults.wire import about, read_all, until_heard, wired, write

pytestmark = [pytest.mark.connected, pytest.mark.fault]

OTHER_DIGEST = "sha256:" + "0" * 64


@dataclass
class Loot:
    """What a thief can read on the topics: a real approval with its grant, a real release; and a request to abuse them for."""

    place: Place
    approved: ConsentApproved
    released: TranscriptReleased
    victim: Case
    other_recipient: str

    @property
    def grant(self) -> Grant:
        keys = KeyFile(self.place.house.folder / "keys" / "records" / "consent.public.jwks.json").keys()
        return verify(self.approved.grant, keys, audience="records", now=clock.now())

    def signed(self, *, by: OKPKey | None = None, **claims: Any) -> str:
        """A grant for the victim, signed by consent's own key unless another is given."""
        fresh = {"jti": ids.new("grt"), "request_id": self.victim.request_id, **claims}
        return grants.sign(self.grant.model_copy(update=fresh), by or self.place.key("consent"))

    def approval(self, **fields: Any) -> ConsentApproved:
        return self.approved.model_copy(update={"request_id": self.victim.request_id, **fields})


@pytest.fixture
async def loot(place: Place) -> Loot:
    """One request was approved and came to its end; another is open, and nobody has approved it."""
    case, victim = await place.ask(), await place.ask()
    await place.sign(case)
    await place.finish(case)
    return await _loot(place, case, victim)


async def _loot(place: Place, case: Case, victim: Case) -> Loot:
    said = [record.message() for record in about(await read_all(place.house), case.request_id)]
    events = [message.event for message in said if message is not None]
    approved = next(event for event in events if isinstance(event, ConsentApproved))
    released = next(event for event in events if isinstance(event, TranscriptReleased))
    return Loot(place, approved, released, victim, place.setting.recipients[LANTERN])


def another_key(loot: Loot) -> ConsentApproved:
    thief = OKPKey.generate_key("Ed25519", private=True, auto_kid=True)
    return loot.approval(grant=loot.signed(by=thief))


def another_key_under_consents_name(loot: Loot) -> ConsentApproved:
    thief = OKPKey.generate_key("Ed25519", {"kid": str(loot.place.key("consent").kid)}, private=True)
    return loot.approval(grant=loot.signed(by=thief))


def claims_changed(loot: Loot) -> ConsentApproved:
    head, _, tail = loot.approved.grant.split(".")
    return loot.approval(grant=f"{head}.{loot.signed().split('.')[1]}.{tail}")


def the_grant_of_another_request(loot: Loot) -> ConsentApproved:
    return loot.approval(grant=loot.approved.grant)


def another_package_digest(loot: Loot) -> ConsentApproved:
    return loot.approval(package_digest=OTHER_DIGEST, grant=loot.signed(package_digest=OTHER_DIGEST))


def another_digest_than_granted(loot: Loot) -> ConsentApproved:
    return loot.approval(package_digest=OTHER_DIGEST, grant=loot.signed())


def another_recipient_than_granted(loot: Loot) -> ConsentApproved:
    return loot.approval(recipient_id=loot.other_recipient, grant=loot.signed())


def another_student_than_granted(loot: Loot) -> ConsentApproved:
    return loot.approval(student_id=loot.place.setting.person_id("hp-st-004"), grant=loot.signed())


def run_out(loot: Loot) -> ConsentApproved:
    past = clock.now() - timedelta(minutes=1)
    return loot.approval(valid_until=past, grant=loot.signed(exp=int(past.timestamp())))


def valid_longer_than_granted(loot: Loot) -> ConsentApproved:
    return loot.approval(valid_until=loot.approved.valid_until + timedelta(days=1), grant=loot.signed())


def for_delivery_alone(loot: Loot) -> ConsentApproved:
    return loot.approval(grant=loot.signed(aud=("delivery",)))


def no_grant(loot: Loot) -> ConsentApproved:
    return loot.approval(grant="a.b.c")


FORGED: dict[Callable[[Loot], ConsentApproved], str] = {
    another_key: "not signed by consent",
    another_key_under_consents_name: "not signed by consent",
    claims_changed: "not signed by consent",
    the_grant_of_another_request: "the request is not the same everywhere",
    another_package_digest: "the package digest is not the same everywhere",
    another_digest_than_granted: "the package digest is not the same everywhere",
    another_recipient_than_granted: "the recipient is not the same everywhere",
    another_student_than_granted: "the student is not the same everywhere",
    run_out: "the grant has expired",
    valid_longer_than_granted: "the end is not the same everywhere",
    for_delivery_alone: "not addressed to records",
    no_grant: "not signed by consent",
}


async def test_a_forged_approval_is_set_aside_with_its_reason_and_releases_nothing(place: Place, loot: Loot) -> None:
    forged = {forge: wired(forge(loot), message_id=ids.new("evt")) for forge in FORGED}
    lying = await write(place.house, forged.values())
    await until_heard(place.house)

    for (forge, reason), record in zip(FORGED.items(), lying, strict=True):
        (row,) = await _asides(place, "records", record.topic, record.partition, record.offset)
        assert reason in row["reason"], forge.__name__
    await _nothing_left(place, loot)

    (row,) = await _asides(place, "records", lying[0].topic, lying[0].partition, lying[0].offset)
    told = await _placet(place, "aside", "list")
    assert row["_id"].split(":")[0] in told.replace("\n", "")
    shown = await _placet(place, "aside", "show", row["_id"])
    assert "not signed by consent" in " ".join(shown.split())
    assert "set it aside again" in await _placet(place, "aside", "replay", row["_id"], fails=True)
    await until_heard(place.house)
    await _nothing_left(place, loot)


def released_for_another_request(loot: Loot) -> TranscriptReleased:
    return loot.released.model_copy(update={"request_id": loot.victim.request_id})


def released_to_somebody_else(loot: Loot) -> TranscriptReleased:
    return loot.released.model_copy(
        update={"request_id": loot.victim.request_id, "recipient_id": loot.other_recipient, "grant": loot.signed()}
    )


def released_with_other_bytes(loot: Loot) -> TranscriptReleased:
    update = {"request_id": loot.victim.request_id, "package_digest": OTHER_DIGEST, "grant": loot.signed()}
    return loot.released.model_copy(update=update)


def released_under_a_thiefs_grant(loot: Loot) -> TranscriptReleased:
    thief = OKPKey.generate_key("Ed25519", private=True, auto_kid=True)
    update = {"request_id": loot.victim.request_id, "grant": loot.signed(by=thief)}
    return loot.released.model_copy(update=update)


FORGED_RELEASES: dict[Callable[[Loot], TranscriptReleased], str] = {
    released_for_another_request: "request_id differs",
    released_to_somebody_else: "recipient_id differs",
    released_with_other_bytes: "package_digest differs",
    released_under_a_thiefs_grant: "not signed by consent",
}


async def test_a_release_that_records_relay_is_made_to_write_passes_delivery_no_more_than_its_grant(
    place: Place, loot: Loot
) -> None:
    forged = {forge: wired(forge(loot), message_id=ids.new("evt")) for forge in FORGED_RELEASES}
    lying = await write(place.house, forged.values())
    await until_heard(place.house)
    for (forge, reason), record in zip(FORGED_RELEASES.items(), lying, strict=True):
        (row,) = await _asides(place, "delivery", record.topic, record.partition, record.offset)
        assert reason in row["reason"], forge.__name__
    await _nothing_left(place, loot)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        # The approval overtakes the package that it is about.
        ("pending", "no such package is prepared"),
        # Something in our database that our code does not know: a bug of ours, as the reader meets it.
        ("ready", "tried 3 times: ValidationError"),
    ],
)
async def test_what_could_not_be_handled_yet_is_handled_when_it_is_replayed(
    place: Place, status: str, reason: str
) -> None:
    case, victim = await place.ask(parts=place.parts()), await place.ask()
    await place.sign(case)
    await place.finish(case)
    loot, packages = await _loot(place, case, victim), place.documents["records"]["packages"]
    await packages.update_one({"_id": loot.approved.package_id}, {"$set": {"status": status}})
    # Consent itself has signed it: but for the moment at which it comes, nothing is wrong with it.
    early = wired(loot.approval(grant=loot.signed()), message_id=ids.new("evt"))
    (lying,) = await write(place.house, [early])
    await until_heard(place.house)
    (row,) = await _asides(place, "records", lying.topic, lying.partition, lying.offset)
    assert reason in row["reason"]
    assert not await place.ledger(victim.request_id)

    await packages.update_one({"_id": loot.approved.package_id}, {"$set": {"status": "prepared"}})
    assert "Handled by records" in await _placet(place, "aside", "replay", row["_id"])
    await place.fetch(victim)
    assert len(await place.ledger(victim.request_id)) == 1


async def _nothing_left(place: Place, loot: Loot) -> None:
    """The request that nobody approved is as open as before, everywhere."""
    case = loot.victim
    assert (await place.look(case))["status"] == "open"
    assert await place.documents["records"]["releases"].find_one({"_id": case.request_id}) is None
    assert await place.documents["delivery"]["deliveries"].find_one({"request_id": case.request_id}) is None
    assert not await place.ledger(case.request_id)
    for receiver in place.receivers.values():
        assert not receiver.told_of(case.request_id)


async def _asides(place: Place, service: str, topic: str, partition: int | None, offset: int) -> list[dict[str, Any]]:
    where = {"topic": topic, "partition": partition, "offset": offset}
    return [row async for row in place.documents[service]["aside"].find(where)]


async def _placet(place: Place, *words: str, fails: bool = False) -> str:
    """What the command line says, as an operator would see it."""
    result = await asyncio.to_thread(
        CliRunner().invoke, app, [*words, "--folder", str(place.house.folder)], env={"COLUMNS": "400"}
    )
    assert (result.exit_code != 0) == fails, result.output
    return result.output
