"""Fetches through the front door, as a registrar, what an audit needs, and lays it into a folder byte for byte.

The ledger comes first: whatever it cites was sealed and signed before, so keys and seals that are fetched after it have it.
"""

import asyncio
from datetime import datetime
from pathlib import Path

import aiohttp

from deploy.cli.audit.manifest import write_manifest
from deploy.cli.audit.reading import (
    GENESIS,
    GRANT_KEYS,
    ISSUER_KEYS,
    LEDGER,
    SEALS,
    Head,
    Malformed,
    Row,
    lines_of,
    read_line,
)
from deploy.demo.cast import Caller, Refused

_CHUNK = 2**16


class NotExported(Exception):
    """Nothing was exported. One sentence says why, and what to do."""


def export_ledger(url: str, school: str, to: Path, *, person: str, token: str, operator: str, at: datetime) -> None:
    """Write the five files. Without a `token`, the `operator` of a local house lends a registrar's for this once."""
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise NotExported(f"{to} is there already and not empty: an export never mixes with another")
    to.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        asyncio.run(_fetch(url, school, to, person, token, operator))
    except Refused as no:
        raise NotExported(f"{url} refuses: {no.detail or no.status}") from None
    except aiohttp.ClientError as why:
        raise NotExported(f"{url} did not answer to the end ({type(why).__name__}); empty {to} and try again") from None
    write_manifest(to, school_id=school, origin=url, head=_head(to / LEDGER), at=at)


async def _fetch(url: str, school: str, to: Path, person: str, token: str, operator: str) -> None:
    async with aiohttp.ClientSession() as web:
        caller = await come_in(web, url, school, person, token, operator)
        for name, path in (
            (LEDGER, f"/delivery/ledger?school_id={school}"),
            (GRANT_KEYS, "/consent/keys"),
            (ISSUER_KEYS, "/records/keys"),
            (SEALS, f"/records/schools/{school}/seals"),
        ):
            await _save(web, caller, path, to / name)


async def come_in(web: aiohttp.ClientSession, url: str, school: str, person: str, token: str, operator: str) -> Caller:
    """Whoever exports, signed in."""
    if operator:
        lender = Caller(web, url, "operator")
        await lender.come_in("per_operator", operator)
        person = person or await _a_registrar(lender, school)
        lent = await lender.post(f"/identity/people/{person}/tokens", {"valid_days": 1, "single_use": True})
        token = lent["token"]
    caller = Caller(web, url, person)
    await caller.come_in(person, token)
    return caller


async def _a_registrar(operator: Caller, school: str) -> str:
    page = 0
    while people := await operator.get(f"/identity/schools/{school}/people?page={page}"):
        for one in people:
            held = {(each["kind"], each["organization_id"]) for each in one["memberships"]}
            if one["active"] and ("registrar", school) in held:
                return str(one["person_id"])
        page += 1
    raise NotExported(f"{school} has no registrar: only one of the school's own may export its ledger")


async def _save(web: aiohttp.ClientSession, caller: Caller, path: str, to: Path) -> None:
    """The answer's bytes as they come. Raises Refused."""
    headers = {"authorization": f"Bearer {caller.token}"}
    async with web.get(caller.origin + path, headers=headers) as answer:
        if answer.status != 200:
            told = await answer.json(content_type=None)
            raise Refused(answer.status, told.get("detail", "") if isinstance(told, dict) else "", told)
        with to.open("wb") as file:
            async for chunk in answer.content.iter_chunked(_CHUNK):
                file.write(chunk)


def _head(ledger: Path) -> Head:
    """The last row as it says itself; whether it holds is the audit's to say."""
    last = None
    for line in lines_of(ledger):
        last = line
    try:
        row = read_line(Row, last)[0] if last else None
    except Malformed:
        row = None
    return Head(number=row.number, hash=row.hash) if row else Head(number=0, hash=GENESIS)
