"""Reads, after a run, what everybody is left with: topics, requests, deliveries, ledgers, mails, and what leaked."""

import asyncio
import hashlib
import json
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

from deploy.cli.audit.exporting import NotExported, export_ledger
from deploy.cli.audit.proving import prove
from services.chassis import clock
from services.chassis.keys.sealing import KeyFile
from tests.chaos.history import Call, Held, Leak, Mail, Pen, Premises, Proof, Record, Row, State, read
from tests.chaos.posting import id_of
from tests.chaos.stage import CAMPUSES, Stage
from tests.faults.wire import read_all
from tests.support.search import found_in
from tests.support.town import canaries

AT_ONCE = 16
_PAGE = 100


async def gather(stage: Stage, pen: Pen) -> None:
    """Write all of it down. Raises what a reader of the house raises: then the run can't be judged."""
    keys = KeyFile(stage.house.folder / "keys" / "delivery" / "consent.public.jwks.json").keys()
    words = [word.decode() for word in canaries(stage.world.town).any_case]
    pen.note(Premises(consent_keys={**keys.as_dict(private=False)}, canaries=tuple(words)))
    await _topics(stage, pen)
    await _requests(stage, pen)
    await _deliveries(stage, pen)
    await _ledgers(stage, pen)
    await asyncio.to_thread(_mails, stage.house.folder / "mail", pen)
    for told in await found_in(stage.world, canaries(stage.world.town)):
        where, _, shown = told.partition(": ")
        pen.note(Leak(where=where, shown=shown))


async def _topics(stage: Stage, pen: Pen) -> None:
    for one in await read_all(stage.house):
        headers = " ".join(f"{name}: {value.decode(errors='replace')}" for name, value in one.headers)
        pen.note(
            Record(
                topic=one.topic,
                partition=one.partition or 0,
                offset=one.offset,
                id=id_of(one),
                kind=one.kind,
                body=(one.value or b"").decode(errors="replace"),
                headers=headers,
            )
        )


async def _requests(stage: Stage, pen: Pen) -> None:
    """Each request that was ever opened, as who opened it sees it now."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(call: Call) -> None:
        async with gate:
            found = await _get(stage, f"/consent/requests/{call.about}", stage.passes.person(call.who))
        told = found if isinstance(found, dict) else {}
        pen.note(State(request_id=call.about, status=told.get("status", ""), stage=told.get("stage", "")))

    calls = read([stage.history / "clients.jsonl"]).of(Call)
    await asyncio.gather(*(one(call) for call in calls if call.act == "open" and call.done))


async def _deliveries(stage: Stage, pen: Pen) -> None:
    for who in stage.recipients:
        page, more = 0, True
        while more:
            found = await _get(stage, f"/delivery/deliveries?page={page}", stage.passes.program(who))
            for one in found:
                pen.note(
                    Held(
                        recipient=who,
                        delivery_id=one["delivery_id"],
                        request_id=one["request_id"],
                        status=one["status"],
                        digest=one["package_digest"],
                    )
                )
            page, more = page + 1, len(found) == _PAGE


async def _ledgers(stage: Stage, pen: Pen) -> None:
    """Each school's ledger as its registrar exports it, delivery's own word on it, and the offline audit's."""
    for campus in CAMPUSES:
        school = stage.world.schools[campus.key]
        token = stage.passes.person(stage.world.person_id(f"{campus.key}-rg-01"), registrar_of=school)
        raw = await _get(stage, f"/delivery/ledger?school_id={school}", token)
        # One row is JSON by itself, and comes parsed.
        rows = [raw] if isinstance(raw, dict) and raw else map(json.loads, raw.splitlines()) if raw else []
        for row in rows:
            pen.note(Row(school_id=school, row=row))
        told = await _get(stage, f"/delivery/ledger/verification?school_id={school}", token)
        pen.note(Proof(by="delivery", about=school, holds=told["holds"], detail=str(told.get("how") or "")))
        pen.note(await asyncio.to_thread(_audited, stage, school))


def _audited(stage: Stage, school: str) -> Proof:
    folder = stage.folder / "audit" / school
    folder.parent.mkdir(exist_ok=True)
    try:
        export_ledger(
            stage.house.public_url, school, folder, person="", token="", operator=stage.house.operator_token,
            at=clock.now(),
        )  # fmt: skip
    except NotExported as why:
        return Proof(by="placet audit", about=school, holds=False, detail=str(why))
    problems = prove(folder).problems
    shown = "; ".join(f"{one.file} {one.line} {one.place} {one.what}" for one in problems.found[:5])
    return Proof(by="placet audit", about=school, holds=not problems.count, detail=shown)


async def _get(stage: Stage, path: str, token: str) -> Any:
    """The JSON, the bytes of what is no JSON, or None for what is not there."""
    headers = {"authorization": f"Bearer {token}", "accept": "application/json"}
    async with stage.world.web.get(stage.house.public_url + path, headers=headers) as answer:
        if answer.status == 404:
            return None
        answer.raise_for_status()
        content = await answer.read()
        return json.loads(content) if answer.content_type == "application/json" else content


def _mails(folder: Path, pen: Pen) -> None:
    for path in sorted(folder.glob("*.eml")):
        content = path.read_bytes()
        mail = message_from_bytes(content, policy=policy.default)
        pen.note(
            Mail(
                message_id=str(mail["message-id"]).strip("<>").partition("@")[0],
                to=_digest(str(mail["to"]).encode()),
                subject=_digest(str(mail["subject"]).encode()),
                digest=_digest(content),
            )
        )


def _digest(content: bytes) -> str:
    """What tells texts apart and shows none: mails name people, and a history is kept."""
    return hashlib.sha256(content).hexdigest()[:16]
