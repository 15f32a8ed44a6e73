"""`placet tenant export`: everything of a school's that it may take along, in a folder that needs no Placet to be read."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.access import HOME, Folder
from deploy.cli.audit.exporting import NotExported
from deploy.cli.printing import console, fail, plain
from deploy.cli.tenant_export import LEDGER, MANIFEST, Leaving, fetch_transcripts, prepare
from deploy.cli.visiting import Person, School, Token, Url, front_door
from services.chassis import clock

app = typer.Typer(help="A school that leaves: what it takes along.", no_args_is_help=True)


@app.callback()
def tenant() -> None:
    """Keep `export` a word of its own, also while it is the only one."""


@app.command("export")
def export(
    school: School,
    to: Annotated[
        Path, typer.Option("--to", help="An empty or new folder: names and marks will lie there in the clear.")
    ],
    folder: Folder = HOME,
    url: Url = "",
    person: Person = "",
    token: Token = "",
) -> None:
    """Write a school's ledger, grants and seals, as `placet audit` proves them, and every sealed transcript (CLR, PDF)."""
    url, operator = front_door(folder, url, person, token, refuse=fail)
    at = clock.now()
    try:
        prepare(url, school, to, person=person, token=token, operator=operator, at=at)
        with console.status("Fetching …") as status:
            taken = asyncio.run(
                fetch_transcripts(
                    url,
                    school,
                    to,
                    person=person,
                    token=token,
                    operator=operator,
                    tell=lambda number, of: status.update(f"Fetching … {number} of {of}"),
                )
            )
    except NotExported as why:
        raise fail(str(why)) from None
    leaving = Leaving(school_id=school, origin=url, exported_at=at, transcripts=taken)
    (to / MANIFEST).write_text(leaving.model_dump_json(indent=1) + "\n")
    erased = sum(not one.file for one in taken)
    console.print(f"[green]✓[/] {len(taken) - erased} sealed transcripts  {plain(to)}")
    if erased:
        console.print(f"  {erased} can't be opened by anybody any more: their students were erased")
    console.print(f"  Prove the record of disclosures: placet audit prove {plain(to / LEDGER)}", soft_wrap=True)
