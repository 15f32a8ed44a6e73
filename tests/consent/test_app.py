"""Built and joined: the watermark on every partition, the signer on a key file, the duties of a worker."""

import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from joserfc.jwk import KeySet, OKPKey

from contracts import grant
from contracts.consent.v1 import WatermarkPassed
from contracts.topics import BY_NAME
from services.chassis.duty import Chore, Tick
from services.chassis.keys.sealing import KeyFile
from services.chassis.service import Room
from services.chassis.settings import Role
from services.chassis.store.work import Work
from services.chassis.web.health import Health
from services.consent import consumers
from services.consent.app import PARTS, WATERMARK_SECONDS, Watermark, _signer, build_worker
from services.consent.domain import sign
from services.consent.store import SHELVES, Questions
from tests.consent.build import AT, LATER, REQUEST, a_request, a_store, around, to_sign


def a_key_file(folder: Path, *keys: OKPKey) -> KeyFile:
    path = folder / "consent.private.jwks.json"
    path.write_text(json.dumps(KeySet(list(keys)).as_dict(private=True)))
    return KeyFile(path)


def a_key() -> OKPKey:
    return OKPKey.generate_key("Ed25519", private=True, auto_kid=True)


async def test_a_watermark_stands_behind_what_was_committed_in_every_partition() -> None:
    store = a_store()
    await Watermark(Work(store, SHELVES))(AT)
    rows = store.outbox
    partitions = range(BY_NAME["consent.requests"].partitions)
    assert sorted(row["partition"] for row in rows) == list(partitions)
    assert all(row["barrier"] for row in rows)
    for row in rows:
        event = WatermarkPassed.model_validate_json(row["body"])
        assert (event.partition, event.at) == (row["partition"], AT)


async def test_two_workers_beats_are_no_conflict_and_the_next_beat_is_another() -> None:
    store = a_store()
    watermark = Watermark(Work(store, SHELVES))
    await watermark(AT)
    await watermark(LATER)
    assert len(store.outbox) == 2 * BY_NAME["consent.requests"].partitions


def test_grants_are_signed_with_the_key_of_the_file_and_after_a_rotation_with_the_new_one(tmp_path: Path) -> None:
    old, new = a_key(), a_key()
    signer = _signer(a_key_file(tmp_path, old))

    def signed() -> str:
        verdict = sign(a_request(), to_sign(), around=around(), sign_grant=signer)
        token = verdict.state.grant  # type: ignore[union-attr]
        assert token is not None
        return token

    assert grant.verify(signed(), KeySet([old]), audience="records", now=LATER).request_id == REQUEST
    a_key_file(tmp_path, new, old)
    assert grant.verify(signed(), KeySet([new]), audience="records", now=LATER).request_id == REQUEST


async def test_a_worker_hears_ends_what_is_over_and_beats() -> None:
    store: Any = a_store(a_request())
    async with AsyncExitStack() as closing:
        room = Room(
            role=Role.WORKER,
            settings=None,
            store=store,
            work=Work(store, SHELVES),
            health=Health(),
            closing=closing,
        )
        worker = await build_worker(room)
    assert worker.hearing is consumers.hears
    chore, tick = worker.duties
    assert isinstance(chore, Chore)
    assert isinstance(tick, Tick)
    assert (chore.name, tick.name) == ("consent.expire", "consent.watermark")
    # The watermark is written at least five times within the 30 s after which delivery stops.
    assert WATERMARK_SECONDS * 5 < 30
    assert await Questions(store).expiring(a_request().expires_at, 10) == [a_request()]


def test_the_parts_name_every_shelf() -> None:
    assert (PARTS.name, tuple(PARTS.shelves)) == ("consent", SHELVES)
