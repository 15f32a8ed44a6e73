"""When all journeys are told: no personal word stands in clear in anything that the house has written."""

import base64

import pytest

from contracts import grant
from services.chassis import clock
from services.chassis.keys.sealing import KeyFile
from tests.support.house import World
from tests.support.search import found_in
from tests.support.town import NEVER_IMPORTED, Words, canaries

pytestmark = pytest.mark.connected


async def test_p14_every_release_delivery_and_disclosure_rests_on_an_approval_of_those_bytes(world: World) -> None:
    """Over everything that all journeys have left: each is traced back to the request that consent approved."""
    keys = KeyFile(world.house.folder / "keys" / "delivery" / "consent.public.jwks.json").keys()
    approved = {row["_id"]: row async for row in world.documents["consent"]["requests"].find({"grant": {"$ne": None}})}
    traced = 0
    for service, name in (("delivery", "deliveries"), ("delivery", "ledger"), ("records", "releases")):
        async for row in world.documents[service][name].find({"grant": {"$nin": [None, ""]}}):
            request = approved[row.get("request_id", row["_id"])]
            granted = grant.verify(row["grant"], keys, audience=service, now=clock.now())
            assert row["grant"] == request["grant"]
            assert granted.package_digest == request["package"]["digest"]
            assert granted.recipient_id == request["recipient_id"]
            assert "approved" in [one["what"] for one in request["story"]]
            traced += 1
    assert traced > 0
    async for row in world.documents["consent"]["requests"].find({"grant": None}):
        assert not await world.documents["delivery"]["deliveries"].count_documents({"request_id": row["_id"]})


async def test_p4_no_name_address_birth_date_mark_or_text_stands_in_clear_anywhere(world: World) -> None:
    assert await found_in(world, canaries(world.town)) == []


async def test_p8_a_roster_full_of_other_columns_leaves_nothing_beyond_the_list(world: World) -> None:
    assert await found_in(world, Words(exact=tuple(word.encode() for word in NEVER_IMPORTED))) == []


async def test_p8_a_person_is_known_by_the_listed_fields_and_no_other(world: World) -> None:
    """The whole document of every person at identity; the profile opens to name, address and language."""
    listed = {
        "_id", "order", "version", "source", "memberships", "school_ids", "active", "profile", "profile_digest",
        "email_index", "birth_date", "birthday", "rights_holder", "guardians", "updated_at",
    }  # fmt: skip
    async for person in world.documents["identity"]["people"].find({}):
        assert set(person) <= listed, set(person) - listed
        assert set(person["profile"]) == {"person_id", "ciphertext"}
        assert person["birth_date"] is None or set(person["birth_date"]) == {"person_id", "ciphertext"}


async def test_the_search_finds_what_is_written_in_clear(world: World) -> None:
    """The control: the same search, and a word in a document, in a file and in base64."""
    scratch, name = world.documents["scratch"]["notes"], world.town.people[0].given
    planted = world.house.folder / "vault" / "planted"
    await scratch.insert_one({"note": name})
    planted.write_bytes(b"\0" + name.encode())
    try:
        found = await found_in(world, canaries(world.town))
    finally:
        planted.unlink()
        await world.documents.drop_database("scratch")
    assert [hit for hit in found if hit.startswith("scratch.notes")]
    assert [hit for hit in found if hit.startswith("vault/planted")]


def test_the_search_knows_a_word_in_base64_wherever_it_stands(world: World) -> None:
    for before in (b"", b"a", b"ab", b"abc"):
        spelled = base64.b64encode(before + world.town.people[0].given.encode() + b" and more")
        assert list(canaries(world.town).find(spelled)), before
