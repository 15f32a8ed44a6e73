import asyncio
import base64
import os
from pathlib import Path
from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.errors import BulkWriteError, OperationFailure

from contracts.types import PersonId, SealedValue
from deploy.local.mongo import Mongo
from services.chassis.keys import person
from services.chassis.keys.person import (
    DATABASE,
    Erased,
    MasterKeys,
    MongoPersonKeys,
    PersonKeys,
    blind_index,
    local_kms,
    prepare_vault,
)
from services.chassis.keys.sealing import KeysUnreadable, Tampered
from services.chassis.settings import Settings
from services.chassis.store.mongo import connect
from services.chassis.store.work import NotNow
from tests.support.person_keys import MemoryPersonKeys

AMELIE, BO, NOBODY = PersonId("per_amelie"), PersonId("per_bo"), PersonId("per_nobody")
CLEAR = "Amélie Nguyễn-Østergård".encode()
KMS = {"local": {"key": bytes(range(96))}}


@pytest.fixture(params=["memory", pytest.param("mongo", marks=pytest.mark.connected)])
def keys(request: pytest.FixtureRequest) -> PersonKeys:
    if request.param == "memory":
        return MemoryPersonKeys()
    return MongoPersonKeys(request.getfixturevalue("client"), kms=KMS)


def changed(sealed: SealedValue, at: int) -> SealedValue:
    ciphertext = bytearray(base64.b64decode(sealed.ciphertext))
    ciphertext[at] ^= 1
    return SealedValue(person_id=sealed.person_id, ciphertext=base64.b64encode(ciphertext).decode())


# What every kind of person keys does


async def test_what_is_sealed_under_a_person_opens(keys: PersonKeys) -> None:
    await keys.create([AMELIE])
    sealed = await keys.seal(AMELIE, CLEAR)
    assert sealed.person_id == AMELIE
    assert CLEAR not in base64.b64decode(sealed.ciphertext)
    assert await keys.open(sealed) == CLEAR


async def test_nothing_is_something_that_can_be_sealed(keys: PersonKeys) -> None:
    await keys.create([AMELIE])
    assert await keys.open(await keys.seal(AMELIE, b"")) == b""


async def test_the_same_value_never_looks_the_same(keys: PersonKeys) -> None:
    await keys.create([AMELIE])
    assert await keys.seal(AMELIE, CLEAR) != await keys.seal(AMELIE, CLEAR)


async def test_many_come_back_in_their_order(keys: PersonKeys) -> None:
    people = [PersonId(f"per_{number}") for number in range(100)]
    await keys.create(people)
    values = [(people[number % 100], str(number).encode()) for number in range(250)]
    sealed = [value for value in await keys.seal_many(values) if value is not None]
    assert await keys.open_many(sealed) == [clear for _, clear in values]
    assert await keys.seal_many([]) == []
    assert await keys.open_many([]) == []


async def test_making_a_key_again_keeps_the_first(keys: PersonKeys) -> None:
    await keys.create([AMELIE, AMELIE])
    sealed = await keys.seal(AMELIE, CLEAR)
    await keys.create([AMELIE, BO])
    await keys.create([AMELIE, BO])
    assert await keys.open(sealed) == CLEAR


async def test_who_was_erased_is_unreadable_and_stays_so(keys: PersonKeys) -> None:
    await keys.create([AMELIE, BO])
    hers, his = await keys.seal(AMELIE, CLEAR), await keys.seal(BO, CLEAR)
    await keys.erase(AMELIE)
    await keys.erase(AMELIE)
    with pytest.raises(Erased) as erased:
        await keys.open(hers)
    assert erased.value.person_id == AMELIE
    with pytest.raises(Erased):
        await keys.seal(AMELIE, CLEAR)
    assert await keys.open_many([hers, his]) == [None, CLEAR]
    sealed = await keys.seal_many([(AMELIE, CLEAR), (BO, CLEAR)])
    assert sealed[0] is None
    assert sealed[1] is not None


async def test_a_new_key_does_not_bring_back_what_was_erased(keys: PersonKeys) -> None:
    await keys.create([AMELIE])
    hers = await keys.seal(AMELIE, CLEAR)
    await keys.erase(AMELIE)
    await keys.create([AMELIE])
    assert await keys.open(await keys.seal(AMELIE, b"new")) == b"new"
    with pytest.raises(Erased):
        await keys.open(hers)


async def test_somebody_without_a_key_is_erased(keys: PersonKeys) -> None:
    with pytest.raises(Erased):
        await keys.seal(NOBODY, CLEAR)


async def test_a_value_put_in_another_persons_place_does_not_open(keys: PersonKeys) -> None:
    await keys.create([AMELIE, BO])
    hers = await keys.seal(AMELIE, CLEAR)
    with pytest.raises(Erased):
        await keys.open(SealedValue(person_id=BO, ciphertext=hers.ciphertext))


async def test_a_changed_value_is_tampered(keys: PersonKeys) -> None:
    await keys.create([AMELIE])
    sealed = await keys.seal(AMELIE, CLEAR)
    for at in (20, 40, -1):
        with pytest.raises(Tampered):
            await keys.open(changed(sealed, at))
    for rubbish in ("", "AAAA", "not base64!"):
        with pytest.raises(Tampered):
            await keys.open(SealedValue(person_id=AMELIE, ciphertext=rubbish))


async def test_no_error_tells_what_was_sealed(keys: PersonKeys) -> None:
    await keys.create([AMELIE])
    sealed = await keys.seal(AMELIE, CLEAR)
    with pytest.raises(Tampered) as tampered:
        await keys.open(changed(sealed, -1))
    assert "Am" not in str(tampered.value).replace(AMELIE, "")


# What only the real vault does


@pytest.mark.connected
async def test_racers_make_one_key(client: Any) -> None:
    people = [PersonId(f"per_{number}") for number in range(20)]
    racers = [MongoPersonKeys(client, kms=KMS) for _ in range(8)]
    await asyncio.gather(*(racer.create(people) for racer in racers))
    assert await client[DATABASE].vault.count_documents({}) == 20
    sealed = [await racer.seal(people[0], CLEAR) for racer in racers]
    assert [await racers[0].open(value) for value in sealed] == [CLEAR] * 8


@pytest.mark.connected
async def test_a_deleted_key_stays_usable_elsewhere_for_the_fresh_seconds_and_no_longer(client: Any) -> None:
    here, elsewhere = MongoPersonKeys(client, kms=KMS), MongoPersonKeys(client, kms=KMS, fresh_seconds=0.5)
    await here.create([AMELIE])
    sealed = await here.seal(AMELIE, CLEAR)
    assert await elsewhere.open(sealed) == CLEAR
    await here.erase(AMELIE)
    with pytest.raises(Erased):
        await here.open(sealed)
    assert await elsewhere.open(sealed) == CLEAR  # the price of not asking the vault each time
    await asyncio.sleep(0.51)
    with pytest.raises(Erased):
        await elsewhere.open(sealed)
    with pytest.raises(Erased):
        await elsewhere.seal(AMELIE, CLEAR)


@pytest.mark.parametrize("seconds", [0, -1, 60.1])
def test_a_key_is_never_kept_for_ever(seconds: float) -> None:
    with pytest.raises(ValueError, match="never for ever"):
        MongoPersonKeys({}, kms=KMS, fresh_seconds=seconds)


def test_the_promise_of_sixty_seconds_has_room() -> None:
    assert person.FRESH_SECONDS <= person.LONGEST_FRESH_SECONDS == 60


@pytest.mark.connected
async def test_a_batch_of_strangers_is_one_query_and_an_insert(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = MongoPersonKeys(client, kms=KMS)
    vault, asked = keys._vault, []

    class Counted:
        def find(self, *args: Any) -> Any:
            asked.append("find")
            return vault.find(*args)

        def insert_many(self, *args: Any, **options: Any) -> Any:
            asked.append("insert")
            return vault.insert_many(*args, **options)

    monkeypatch.setattr(keys, "_vault", Counted())
    people = [PersonId(f"per_{number}") for number in range(200)]
    await keys.create(people)
    assert asked == ["find", "insert"]
    sealed = await keys.seal_many([(person_id, CLEAR) for person_id in people])
    assert asked == ["find", "insert", "find"]
    await keys.open_many([value for value in sealed if value is not None])
    assert asked == ["find", "insert", "find"]


@pytest.mark.connected
async def test_more_people_than_are_kept_still_open(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(person, "CAPACITY", 10)
    keys = MongoPersonKeys(client, kms=KMS)
    people = [PersonId(f"per_{number}") for number in range(50)]
    await keys.create(people)
    sealed = await keys.seal_many([(person_id, person_id.encode()) for person_id in people])
    opened = await keys.open_many([value for value in sealed if value is not None])
    assert opened == [person_id.encode() for person_id in people]
    assert len(keys._known) == len(keys._wrapped) == 10


@pytest.mark.connected
async def test_neither_vault_nor_database_holds_a_key_that_opens_without_the_master_key(client: Any) -> None:
    keys, stranger = MongoPersonKeys(client, kms=KMS), MongoPersonKeys(client, kms={"local": {"key": bytes(96)}})
    await keys.create([AMELIE])
    sealed = await keys.seal(AMELIE, CLEAR)
    with pytest.raises(NotNow, match="master key"):
        await stranger.open(sealed)
    with pytest.raises(NotNow, match="master key"):
        await stranger.check()
    await keys.check()


@pytest.mark.connected
async def test_a_role_that_may_only_find_seals_and_opens_and_makes_no_key(client: Any, mongo: Mongo) -> None:
    name = client[DATABASE].name
    await client[DATABASE].client.admin.command(
        "createRole",
        name,
        privileges=[{"resource": {"db": name, "collection": "vault"}, "actions": ["find"]}],
        roles=[],
    )
    await client[DATABASE].client.admin.command("createUser", name, pwd=name, roles=[name])
    await MongoPersonKeys(client, kms=KMS).create([AMELIE])
    reader = connect(mongo.uri(name, name))
    keys = MongoPersonKeys({DATABASE: reader[name]}, kms=KMS)
    assert await keys.open(await keys.seal(AMELIE, CLEAR)) == CLEAR
    for call in (keys.create([BO]), keys.erase(AMELIE)):
        with pytest.raises(OperationFailure, match="not authorized"):
            await call
    reader.close()


@pytest.mark.parametrize(
    ("details", "ends"),
    [
        ({"writeErrors": [{"code": 11_000}]}, None),
        ({"writeErrors": [{"code": 11_000}, {"code": 8}]}, BulkWriteError),
        ({"writeErrors": [], "writeConcernErrors": [{"code": 64}]}, NotNow),
    ],
    ids=["somebody was first", "something else", "not kept safely"],
)
async def test_an_insert_that_fails_is_forgiven_only_when_somebody_was_first(
    details: dict[str, Any], ends: type[Exception] | None
) -> None:
    class Vault:
        def get_collection(self, *_: Any, **__: Any) -> "Vault":
            return self

        def find(self, _: Any) -> "Vault":
            return self

        async def to_list(self, _: Any) -> list[Any]:
            return []

        async def insert_many(self, *_: Any, **__: Any) -> None:
            raise BulkWriteError(details)

    keys = MongoPersonKeys({DATABASE: Vault()}, kms=KMS)
    if ends is None:
        await keys.create([AMELIE])
    else:
        with pytest.raises(ends):
            await keys.create([AMELIE])


async def test_the_settings_say_which_key_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "master.key").write_bytes(base64.b64encode(bytes(96)))
    monkeypatch.setenv("PLACET_KEYS_FOLDER", str(tmp_path))
    client: Any = AsyncIOMotorClient("mongodb://127.0.0.1:9", connect=False)
    assert MongoPersonKeys.from_settings(client, Settings())._fields._provider == "local"
    monkeypatch.setenv("PLACET_KMS_PROVIDERS", '{"aws": {"accessKeyId": "a", "secretAccessKey": "s"}}')
    assert MongoPersonKeys.from_settings(client, Settings())._fields._provider == "aws"
    client.close()


@pytest.mark.connected
async def test_an_empty_vault_is_ready(client: Any) -> None:
    await MongoPersonKeys(client, kms=KMS).check()
    await prepare_vault(client)


@pytest.mark.connected
async def test_a_vault_that_can_not_be_reached_is_not_now() -> None:
    client: Any = AsyncIOMotorClient("mongodb://127.0.0.1:9/?timeoutMS=100")
    keys = MongoPersonKeys(client, kms=KMS)
    sealed = SealedValue(person_id=AMELIE, ciphertext=base64.b64encode(bytes(100)).decode())
    for call in (keys.create([AMELIE]), keys.seal(AMELIE, b""), keys.open(sealed), keys.erase(AMELIE), keys.check()):
        with pytest.raises(NotNow):
            await call
    client.close()


@pytest.mark.connected
async def test_five_hundred_people_are_sealed_and_opened_in_a_few_commands(client: Any) -> None:
    """One a value would be a hundred times as slow."""
    keys = MongoPersonKeys(client, kms=KMS)
    people = [PersonId(f"per_{number}") for number in range(500)]
    admin = client[DATABASE].client.admin

    async def commands() -> int:
        told = (await admin.command("serverStatus"))["opcounters"]
        return int(told["query"] + told["getmore"] + told["update"])

    before = await commands()
    await keys.create(people)
    sealed = [value for value in await keys.seal_many([(person_id, CLEAR) for person_id in people]) if value]
    await keys.open_many(sealed)
    assert await commands() - before < 20  # 5 when this was written


# The master key's file, and the blind index


def test_the_master_key_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    path.write_bytes(base64.b64encode(bytes(96)))
    assert local_kms(path) == {"local": {"key": bytes(96)}}


@pytest.mark.parametrize("length", [95, 97])
def test_a_master_key_of_another_length_is_refused(tmp_path: Path, length: int) -> None:
    path = tmp_path / "master.key"
    path.write_bytes(base64.b64encode(os.urandom(length)))
    with pytest.raises(KeysUnreadable, match=r"master\.key"):
        local_kms(path)


def test_the_first_of_several_master_keys_wraps_and_each_has_its_name(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    one, two = os.urandom(96), os.urandom(96)
    path.write_bytes(b"local:k2 " + base64.b64encode(two) + b"\n" + base64.b64encode(one) + b"\n")
    assert [*local_kms(path).items()] == [("local:k2", {"key": two}), ("local", {"key": one})]


@pytest.mark.parametrize(
    "text",
    ["", "?", "{0}\n{0}", "aws:x {0}", "local:a b {0}", "local:k-1 {0}"],
    ids=["empty", "no base64", "one name twice", "no local one", "three words", "a name that is none"],
)
def test_a_file_that_holds_no_master_keys_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "master.key"
    path.write_text(text.format(base64.b64encode(bytes(96)).decode()))
    with pytest.raises(KeysUnreadable, match=r"master\.key"):
        local_kms(path)


@pytest.mark.connected
async def test_a_new_master_key_is_read_without_a_restart_and_a_broken_file_takes_no_key_away(
    client: Any, tmp_path: Path
) -> None:
    path = tmp_path / "master.key"
    first = base64.b64encode(os.urandom(96)).decode()
    path.write_text(first)
    keys = MongoPersonKeys(client, kms=MasterKeys(path))
    await keys.create([AMELIE])
    sealed = await keys.seal(AMELIE, CLEAR)
    path.write_text(f"local:k2 {base64.b64encode(os.urandom(96)).decode()}\n{first}")
    await keys.create([BO])
    found = {one["keyAltNames"][0]: one["masterKey"]["provider"] async for one in client[DATABASE]["vault"].find({})}
    assert found == {AMELIE: "local", BO: "local:k2"}
    path.write_text("?")
    assert await keys.open(sealed) == CLEAR
    assert await keys.open(await keys.seal(BO, CLEAR)) == CLEAR
    with pytest.raises(NotNow, match=r"master\.key can't be read anew"):
        await keys.check()


def test_a_blind_index_finds_the_same_and_tells_nothing() -> None:
    secret = bytes(range(32))
    index = blind_index(secret, "school_1", "amelie@example.org")
    assert index == blind_index(secret, "school_1", "amelie@example.org")
    assert len(index) == 64
    assert index != blind_index(bytes(32), "school_1", "amelie@example.org")
    assert index != blind_index(secret, "school_1amelie", "@example.org")
