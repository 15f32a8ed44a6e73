"""`make demo`: the main job from import to acknowledged delivery, told as it happens, judged at the end."""

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from contracts.generate import sample
from deploy.cli.access import Access
from deploy.cli.tracing import said_about, trees
from deploy.demo.cast import Company, Refused
from deploy.demo.scenes import LANTERN, NAMES, ORRERY, SCENES, WESTMARCH, Stage
from deploy.demo.setting import (
    Setting,
    call_registrars,
    import_roster,
    import_transcripts,
    open_programs,
    record_organizations,
    seal_all,
)
from deploy.local.fetch import NotFetched
from deploy.local.house import ROOT, House
from deploy.local.process import Child, NotStarted, free_port, is_listening
from services.chassis import clock
from services.chassis.kafka.access import KafkaAccess

# In a log file the tables need more room than the 80 columns that are assumed there.
console = Console(highlight=False, width=None if sys.stdout.isatty() else 132)
PROGRAMS = (WESTMARCH, LANTERN, ORRERY)
READER = ("Imogen Thackeray", "imogen.thackeray@westmarch.example.org")
"""Reads for Westmarch College."""


async def tell(folder: Path, *, keep: bool) -> int:
    """Play the whole demo in a house of its own. The exit code: 0 when every outcome is the expected one."""
    since = clock.seconds()
    shutil.rmtree(folder, ignore_errors=True)
    # Mails that can't go are tried again every five minutes; a demo is shorter.
    house = House(
        folder,
        extra={"notify": {"PLACET_MAIL_RETRY_SECONDS": "5"}},
        say=lambda line: console.print(f"   [dim]{line}[/]"),
    )
    chapter("A house of five services, with a real Kafka and a real MongoDB, access rights on in both")
    try:
        await house.start()
    except (NotStarted, NotFetched) as why:
        console.print(f"[red]✗[/] {why}")
        return 1
    try:
        good = await play(house, since)
        if keep:
            await _stay(house)
    finally:
        await house.stop()
    return 0 if good else 1


async def play(house: House, since: float) -> bool:
    """Play it in a house that is up, empty and anybody's. Whether every outcome is the expected one."""
    say(f"ready after {clock.seconds() - since:.1f} s at {house.public_url}")
    async with aiohttp.ClientSession() as web:
        company = Company(web, house.public_url)
        await company.start(house.operator_token)
        setting = Setting(company)
        await _set_up(setting)
        folder = house.folder / "recipients"
        folder.mkdir()
        ports = {name: free_port() for name in PROGRAMS}
        configs = await open_programs(setting, folder, ports, house.public_url)
        async with _programs(configs, ports, house.folder):
            stage = Stage(setting, web, folder, ports, say)
            await _requests(stage)
            forged = await _forge(house)
            await _mails(web, house)
            await _ledger(stage)
            await _trace(house, stage)
            good = _table(stage) and forged
            await company.reader((setting.recipients[WESTMARCH], NAMES[WESTMARCH]), *READER)
        _write_start(house, company)
    took = clock.seconds() - since
    console.print(
        f"\n{'[green]Every outcome is the expected one[/]' if good else '[red]Not as expected[/]'}, after {took:.0f} s."
    )
    return good


async def _set_up(setting: Setting) -> None:
    chapter("Two schools, their roster, three recipients and one that is not verified")
    await record_organizations(setting)
    report = await import_roster(setting, "roster-harbor-point.zip")
    say(f"roster of both schools: {report['created']} people recorded, {report['errors']} rows left out")
    again = await import_roster(setting, "roster-harbor-point.zip")
    say(f"the same file once more: {again['created'] + again['changed']} changed, {again['unchanged']} as they were")
    for name in ("roster-truncated.zip", "roster-bomb.zip", "roster-windows-1252.zip"):
        try:
            await import_roster(setting, name)
        except Refused as no:
            say(f"[yellow]{name}[/]: {no.detail}")
    dirty = await import_roster(setting, "roster-dirty-rows.zip")
    say(
        f"[yellow]roster-dirty-rows.zip[/]: good rows kept, {dirty['errors']} errors and {dirty['warnings']} warnings, such as"
    )
    for fault in [one for one in dirty["problems"] if one["severity"] == "error"][:3]:
        say(f"   [dim]{fault['file']} row {fault['row']}, {fault['column'] or 'row'}:[/] {fault['reason']}")
    chapter("Mastery transcripts, imported with their evidence and sealed")
    await call_registrars(setting)
    drafts, refused = await import_transcripts(setting)
    say(f"{len(set(drafts))} transcripts imported, {len(refused)} refused, such as")
    for name, why in refused[:3]:
        say(f"   [dim]{name}:[/] {why}")
    unsealed = await seal_all(setting, say)
    for transcript_id, why in unsealed:
        say(f"[red]{transcript_id}[/]: {why}")


async def _requests(stage: Stage) -> None:
    chapter("Requests: nothing leaves without an approval of exactly these bytes")
    for scene in SCENES:
        console.print(f"\n   [bold]{(scene.__doc__ or '').splitlines()[0]}[/]")
        await scene(stage)
        if stage.outcomes:
            last = stage.outcomes[-1]
            console.print(f"   {'[green]✓[/]' if last.good else '[red]✗[/]'} {last.got}")


async def _forge(house: House) -> bool:
    """Somebody with another service's credentials tries to write an approval. The broker refuses."""
    chapter("A forged approval, written with another service's credentials")
    login = house.credentials.kafka_login("records-relay")
    access = KafkaAccess(house.kafka.bootstrap, login.user, login.password, house.kafka.cafile)
    producer = AIOKafkaProducer(**access.client_settings(), acks="all", request_timeout_ms=5_000)
    forged = sample("consent.request.approved.v1")
    await producer.start()
    try:
        await producer.send_and_wait(
            "consent.requests",
            value=json.dumps(forged["value"]).encode(),
            key=forged["key"].encode(),
            headers=[(name, value.encode()) for name, value in forged["headers"].items()],
        )
    except KafkaError as why:
        say(f"Kafka refuses: {type(why).__name__}. Only consent's relay may write approvals")
        return True
    finally:
        await producer.stop()
    say("[red]Kafka took it[/]")
    return False


async def _mails(web: aiohttp.ClientSession, house: House) -> None:
    chapter("The mails that families got")
    async with web.get(f"{house.mail_url}/messages") as answer:
        messages = (await answer.json())["messages"]
    counts: dict[str, int] = {}
    for message in messages:
        counts[message["subject"]] = counts.get(message["subject"], 0) + 1
    for subject, count in sorted(counts.items(), key=lambda pair: -pair[1]):
        say(f"{count:3} × {subject}")
    say(f"[dim]read them at {house.mail_url}[/]")


async def _ledger(stage: Stage) -> None:
    chapter("The disclosure ledger (34 CFR 99.32), as the registrar of Harbor Point reads it")
    registrar = stage.setting.registrars["org-harbor-point"]
    school = stage.setting.schools["org-harbor-point"]
    raw = await registrar.get(f"/delivery/ledger?school_id={school}")
    rows = [json.loads(line) for line in raw.splitlines()] if isinstance(raw, bytes) else [raw]
    named = {known: name for name, known in stage.setting.recipients.items()}
    table = Table(box=None, padding=(0, 2), header_style="dim")
    for heading in ("row", "opened by", "basis", "package", "hash", "previous"):
        table.add_column(heading)
    for row in rows:
        table.add_row(
            str(row["number"]),
            NAMES[named[row["recipient_id"]]],
            row["basis"]["section"],
            row["package_digest"][7:19],
            row["hash"][7:19],
            row["previous_hash"][7:19],
        )
    console.print(table)
    verified = await registrar.get(f"/delivery/ledger/verification?school_id={school}")
    say(f"{verified['rows']} rows; the chain holds: {verified['holds']}")


async def _trace(house: House, stage: Stage) -> None:
    first = stage.outcomes[0]
    chapter(f"One request across all hops: placet follow {first.request_id}")
    events = await said_about(Access.find(house.folder), first.request_id)
    for event in events:
        say(f"[dim]{event['at']:%H:%M:%S.%f}[/] {event['type']}")
    # The spans of the last steps are written a moment after them.
    await asyncio.sleep(1.5)
    traces = [
        bytes(value).decode().split("-")[1]
        for event in events
        for name, value in event["headers"]
        if name == "traceparent"
    ]
    approved = {
        trace for event, trace in zip(events, traces, strict=False) if event["type"] == "consent.request.approved.v1"
    }
    for tree in trees(house.folder / "traces", approved):
        console.print(tree)


def _table(stage: Stage) -> bool:
    console.print()
    table = Table(title="Requests and what became of them", title_justify="left", title_style="bold")
    for heading in ("", "request", "student", "to", "outcome", "request id"):
        table.add_column(heading)
    for one in stage.outcomes:
        mark = "[green]✓[/]" if one.good else "[red]✗[/]"
        got = one.got if one.good else f"[red]{one.got}[/] instead of {one.expected}"
        table.add_row(mark, one.title, one.who, NAMES[one.to], got, one.request_id)
    console.print(table)
    return len(stage.outcomes) == len(SCENES) and all(one.good for one in stage.outcomes)


@asynccontextmanager
async def _programs(configs: dict[str, Path], ports: dict[str, int], folder: Path) -> AsyncIterator[None]:
    """The recipients' programs, each a process of its own."""
    children = []
    try:
        for name, config in configs.items():
            child = Child(f"recipient-{name}", folder=folder / "run", log=folder / "logs" / f"recipient-{name}.log")
            await child.start([sys.executable, "-m", "deploy.demo.recipient", str(config)], cwd=ROOT)
            children.append(child)
        while not all(is_listening(port) for port in ports.values()):
            await asyncio.sleep(0.05)
        yield
    finally:
        await asyncio.gather(*(child.stop() for child in children))


def _write_start(house: House, company: Company) -> None:
    """The start page of a house that stays up: who can sign in with what."""
    people = [
        {
            "name": person.name,
            "role": person.role,
            "sign_in": [f"token: {person.way_in}", *([f"authenticator: {person.secret}"] if person.secret else [])],
            "href": "/identity/sign-in",
        }
        for person in company.people
    ]
    house.start_file.write_text(json.dumps({"title": "The demo's house", "intro": "", "people": people, "links": []}))


async def _stay(house: House) -> None:
    console.print(Panel(f"The house stays up at [bold]{house.public_url}[/]. Press Ctrl-C to take it down."))
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        console.print("Taking it down …")


def chapter(title: str) -> None:
    console.print(f"\n[bold cyan]■[/] [bold]{title}[/]")


def say(line: str) -> None:
    console.print(f"   {line}")
