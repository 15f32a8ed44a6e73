"""`placet import`: rosters and transcripts from files, through the front door, with everything that is to be mended."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import typer
from rich.table import Table

from deploy.cli.access import HOME, Folder, console, fail
from deploy.demo.cast import Caller, Refused
from deploy.local.house import House

Files = Annotated[
    list[Path], typer.Argument(help="OneRoster ZIPs, transcripts as JSON, or folders of them.", exists=True)
]
School = Annotated[str, typer.Option("--school", help="The school's id, org_….")]
Url = Annotated[str, typer.Option("--url", envvar="PLACET_URL", help="The front door; a local house's own by default.")]
Person = Annotated[str, typer.Option("--person", envvar="PLACET_PERSON", help="Whose token it is, per_….")]
Token = Annotated[str, typer.Option("--token", envvar="PLACET_TOKEN", help="Better in the environment than here.")]


def import_files(
    files: Files,
    school: School,
    folder: Folder = HOME,
    url: Url = "",
    person: Person = "per_operator",
    token: Token = "",
) -> None:
    """Import rosters (as operator or registrar) and transcripts (as registrar). The same files again change nothing."""
    if not url:
        if not (folder / "house.json").exists():
            raise fail(f"no house is up in {folder}; start one with `placet up`, or give --url")
        house = House(folder)
        url, token = house.public_url, token or (house.operator_token if person == "per_operator" else "")
    if not token:
        raise fail("no token: set PLACET_PERSON and PLACET_TOKEN to a registrar's, as issued on the school's page")
    found = sorted(path for given in files for path in (given.iterdir() if given.is_dir() else [given]))
    wrong = asyncio.run(
        _import(
            {path: path.read_bytes() for path in found if path.suffix in {".zip", ".json"}}, school, url, person, token
        )
    )
    if wrong:
        raise typer.Exit(1)


async def _import(files: dict[Path, bytes], school: str, url: str, person: str, token: str) -> int:
    """The number of files that were refused or had rows left out."""
    async with aiohttp.ClientSession() as web:
        caller = Caller(web, url, person)
        try:
            await caller.come_in(person, token)
        except Refused as no:
            raise fail(f"{url} does not take this token: {no.detail or no.status}") from None
        wrong = 0
        for path, content in files.items():
            try:
                wrong += await (_roster if path.suffix == ".zip" else _transcript)(caller, school, path.name, content)
            except Refused as no:
                console.print(f"[red]✗[/] {path.name}: {no.detail}")
                wrong += 1
        return wrong


async def _roster(caller: Caller, school: str, name: str, content: bytes) -> int:
    report = await caller.call(
        "POST", f"/identity/schools/{school}/rosters", data=content, media_type="application/zip"
    )
    counts = ", ".join(f"{report[word]} {word}" for word in ("created", "changed", "unchanged", "left_out"))
    console.print(f"[{'yellow' if report['errors'] else 'green'}]✓[/] {name}: {counts.replace('_', ' ')}")
    if report["problems"]:
        console.print(_problems(report["problems"]))
    return int(report["errors"] > 0)


def _problems(problems: list[dict[str, Any]]) -> Table:
    table = Table(box=None, padding=(0, 2), header_style="dim")
    for heading in ("file", "row", "column", "", "what to do"):
        table.add_column(heading, overflow="fold")
    for one in problems:
        colour = "red" if one["severity"] == "error" else "yellow"
        table.add_row(
            one["file"], str(one["row"]), one["column"] or "", f"[{colour}]{one['severity']}[/]", one["reason"]
        )
    return table


async def _transcript(caller: Caller, school: str, name: str, content: bytes) -> int:
    given = json.loads(content)
    wanted = ("student_id", "student_sourced_id", "roster_source", "content")
    body = {field: given[field] for field in wanted if field in given}
    draft = await caller.post(f"/records/schools/{school}/transcripts", body)
    missing = [one["evidence_id"] for one in draft["missing_evidence"]]
    note = f"; evidence still missing: {', '.join(missing[:5])}" if missing else ""
    console.print(f"[green]✓[/] {name}: draft {draft['transcript_id']}{note}")
    return 0
