"""The power goes in identity at every point it comes to: what the operator has said is heard everywhere, one version once."""

import json

import pytest

from tests.faults.place import LANTERN, PATIENCE, Place, insist
from tests.support.stage import until

pytestmark = [pytest.mark.connected, pytest.mark.fault]

POINTS = ("work.decided", "work.committed", "relay.published", "relay.marked")


@pytest.mark.parametrize("point", POINTS)
async def test_a_recipients_standing_survives_identity_dying(place: Place, point: str) -> None:
    recipient = place.setting.recipients[LANTERN]
    try:
        async with place.kept_up():
            place.arm("identity", point)
            await _judge(place, recipient, "suspended")
            await place.until_dead("identity")
            await _until_heard(place, recipient, "suspended")
    finally:
        await place.mend()
        await _judge(place, recipient, "verified")
        await _until_heard(place, recipient, "verified")
    rows = place.documents["identity"]["outbox"].find({"key": recipient}).sort("order", 1)
    versions = [json.loads(row["body"])["version"] async for row in rows]
    assert versions == list(range(1, len(versions) + 1))


async def _judge(place: Place, recipient: str, standing: str) -> None:
    path = f"/identity/organizations/{recipient}/standing"
    await insist(lambda: place.setting.company.operator.post(path, {"standing": standing}))


async def _until_heard(place: Place, recipient: str, standing: str) -> None:
    async def heard() -> bool:
        where = {"_id": recipient, "standing": standing}
        known = [await place.documents[service]["organizations"].find_one(where) for service in ("consent", "delivery")]
        return all(known)

    await until(heard, seconds=PATIENCE)
