"""On the 18th birthday, in the school's own time zone, the rights pass: what the guardian could sign, the student signs.

The day before begins with the first journey (`eve` in conftest): identity looks at birthdays once a minute.
"""

import pytest

from deploy.demo import acts
from services.chassis import clock
from tests.journeys.conftest import Eve
from tests.support.house import World, refused

pytestmark = pytest.mark.connected


@pytest.mark.skipif(clock.now().strftime("%m-%d") in {"02-28", "02-29"}, reason="nobody turns 18 on a leap day")
async def test_the_rights_pass_on_the_birthday_and_an_open_request_is_readdressed(world: World, eve: Eve) -> None:
    family, request = eve.family, eve.request
    assert request["signers"] == [family.signer.person_id], "the day before, it is the guardian"
    moved = await acts.until(
        family.student,
        request["request_id"],
        lambda one: one["signers"] == [family.student.person_id],
        patience=75,
    )
    assert moved["signers"] == [family.student.person_id]
    assert "readdressed" in [one["what"] for one in moved["story"]]
    assert (await refused(family.signer.get(f"/consent/requests/{request['request_id']}"))).status == 404
    signed = await acts.sign(family.student, request["request_id"])
    assert signed["basis"]["code"] == "student-consent"
    await world.until_stage(family, request["request_id"], "acknowledged")
