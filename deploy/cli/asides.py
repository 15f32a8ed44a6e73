"""`placet aside list | show | replay | dismiss`: records that could not be handled, why, and what becomes of them."""

import asyncio
from typing import Annotated, Any

import typer

from contracts.topics import SERVICES
from deploy.cli.access import HOME, Access, Folder
from deploy.cli.printing import console, fail, pairs, plain
from services.chassis.store.aside import AsideState
from services.chassis.store.shelf import ASIDE

app = typer.Typer(help="Records that were set aside, why, and once more.", no_args_is_help=True)
Id = Annotated[str, typer.Argument(help="The id as `placet aside list` shows it.")]


@app.command("list")
def list_asides(
    folder: Folder = HOME,
    every: Annotated[bool, typer.Option("--all", help="Also those that are done.")] = False,
) -> None:
    """Show what waits, service by service, oldest first."""
    found = asyncio.run(_all(Access.find(folder), every=every))
    if not found:
        console.print("Nothing is set aside.")
        return
    table = pairs()
    for service, row in found:
        tries = "tried once" if row["tries"] == 1 else f"tried {row['tries']} times"
        state = "" if row["state"] == AsideState.WAITING else f", {row['state']}"
        table.add_row(
            service,
            f"[bold]{row['_id']}[/]  {plain(row['type'])}  [dim]{row['at']:%d %b %H:%M}, {tries}{state}[/]\n"
            f"{plain(row['reason'], most=500)}",
        )
    console.print(table)


@app.command("show")
def show(aside_id: Id, folder: Folder = HOME) -> None:
    """Show one record: its place, headers and size. The body is not printed: it could hold anything."""
    service, row = asyncio.run(_one(Access.find(folder), aside_id))
    table = pairs()
    for name in ("topic", "partition", "offset", "type", "state", "tries", "at", "reason"):
        table.add_row(name, plain(row[name], most=500))
    table.add_row("service", service)
    table.add_row("body", f"{len(row['value'] or b'')} bytes")
    for name, value in row["headers"]:
        table.add_row(plain(ascii(name)[1:-1]), plain(ascii(bytes(value))[2:-1], most=120))
    console.print(table)


@app.command("replay")
def replay(aside_id: Id, folder: Folder = HOME) -> None:
    """Hand a record to its service once more. It ends as done, or back here with the new reason."""
    outcome = asyncio.run(_replay(Access.find(folder), aside_id))
    console.print(outcome)


@app.command("dismiss")
def dismiss(
    aside_id: Id,
    because: Annotated[str, typer.Option("--because", help="Why nothing need be done about it. Kept with the record.")],
    folder: Folder = HOME,
) -> None:
    """Say that a record needs no handling, ever.

    Mind what it may have been: delivery discloses nothing that a record of consent's which it could not read may have
    taken back. Dismissing that record says that it did not.
    """
    console.print(asyncio.run(_dismiss(Access.find(folder), aside_id, because)))


async def _all(access: Access, *, every: bool) -> list[tuple[str, dict[str, Any]]]:
    where = {} if every else {"state": {"$ne": AsideState.DONE}}
    found: list[tuple[str, dict[str, Any]]] = []
    for service in SERVICES:
        async with access.database(service) as database:
            cursor = database[ASIDE.name].find(where).sort("at", 1).limit(500)
            found += [(service, row) async for row in cursor]
    return found


async def _one(access: Access, aside_id: str) -> tuple[str, dict[str, Any]]:
    for service in SERVICES:
        async with access.database(service) as database:
            row = await database[ASIDE.name].find_one({"_id": aside_id})
            if row is not None:
                return service, row
    raise fail(f"nothing is set aside under {aside_id}")


async def _dismiss(access: Access, aside_id: str, because: str) -> str:
    if not because.strip():
        raise fail("say why with --because: whoever looks at the record later has only that")
    service, row = await _one(access, aside_id)
    if row["state"] == AsideState.DONE:
        return "It was handled or dismissed already."
    changes = {"state": AsideState.DONE, "dismissed": because.strip()[:500]}
    async with access.database(service) as database:
        await database[ASIDE.name].update_one({"_id": aside_id, "state": {"$ne": AsideState.DONE}}, {"$set": changes})
    return f"Dismissed at {service}."


async def _replay(access: Access, aside_id: str) -> str:
    service, row = await _one(access, aside_id)
    if row["state"] == AsideState.DONE:
        return "It was handled already."
    async with access.database(service) as database:
        rows = database[ASIDE.name]
        mark = {"state": AsideState.REPLAY, "again_at": None}
        await rows.update_one({"_id": aside_id, "state": {"$ne": AsideState.DONE}}, {"$set": mark})
        for _ in range(100):
            await asyncio.sleep(0.2)
            row = await rows.find_one({"_id": aside_id})
            if row["state"] == AsideState.DONE:
                return f"Handled by {service}."
            if row["state"] == AsideState.WAITING:
                raise fail(f"{service} set it aside again: {row['reason']}")
    raise fail(f"{service} has not looked yet; is its worker running? The record stays marked for replay")
