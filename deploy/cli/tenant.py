"""`placet tenant export`: everything of a school's that it may take along, in a folder that needs no Placet to be read."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.access import HOME, Folder
from deploy.cli.audit.exporting import NotExported
from deploy.cli.printing import console, fail, plain
from deploy.cli.tenant_export import LEDGER, MANIFEST, Leaving, fetch_transcripts, prepare
from deploy.local.house import House
from services.chassis import clock

app = typer.Typer(help="A school that leaves: what it takes along.", no_args_is_help=True)


@app.callback()
def tenant() -> None:
    """Keep `export` a word of its own, also while it is the only one."""


@app.command("export")
def export(
    school: Annotated[str, typer.Option("--school", help="The school's id, org_….")],
    to: Annotated[
        Path, typer.Option("--to", help="An empty or new folder: names and marks will lie there in the clear.")
    ],
    folder: Folder = HOME,
    url: Annotated[
        str, typer.Option("--url", envvar="PLACET_URL", help="The front door; a local house's own by default.")
    ] = "",
    person: Annotated[
        str, typer.Option("--person", envvar="PLACET_PERSON", help="A registrar of the school, per_….")
    ] = "",
    token: Annotated[str, typer.Option("--token", envvar="PLACET_TOKEN", help="Better in the environment.")] = "",
) -> None:
    """Write a school's ledger, grants and seals, as `placet audit` proves them, and every sealed transcript (CLR, PDF)."""
    operator = ""
    if not url:
        if not (folder / "house.json").exists():
            raise fail(f"no house is up in {folder}; start one with `placet up`, or give --url")
        house = House(folder)
        url, operator = house.public_url, "" if token else house.operator_token
    elif not (person and token):
        raise fail("set PLACET_PERSON and PLACET_TOKEN to a registrar's, as issued on the school's page")
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
