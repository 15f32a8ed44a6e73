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
    there = asyncio.run(_there(Access.find(folder), aside_id))
    row = next((row for _, row in there if row["state"] != AsideState.DONE), there[0][1])
    table = pairs()
    for name in ("topic", "partition", "offset", "type", "state", "tries", "at", "reason", "again_at", "dismissed"):
        if row.get(name) is not None:
            table.add_row(name, plain(row[name], most=500))
    table.add_row("service", ", ".join(service for service, _ in there))
    table.add_row("body", f"{len(row['value'] or b'')} bytes")
    for name, value in row["headers"]:
        table.add_row(plain(ascii(name)[1:-1]), plain(ascii(bytes(value))[2:-1], most=120))
    console.print(table)


@app.command("replay")
def replay(aside_id: Id, folder: Folder = HOME) -> None:
    """Hand a record once more to every service that has set it aside. It ends as done, or back here with the new reason."""
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


async def _there(access: Access, aside_id: str) -> list[tuple[str, dict[str, Any]]]:
    """Every reader that has set it aside: each decides for itself, so one record may lie with several."""
    found: list[tuple[str, dict[str, Any]]] = []
    for service in SERVICES:
        async with access.database(service) as database:
            row = await database[ASIDE.name].find_one({"_id": aside_id})
            if row is not None:
                found.append((service, row))
    if not found:
        raise fail(f"nothing is set aside under {aside_id}")
    return found


async def _open_at(access: Access, aside_id: str) -> list[str]:
    return [service for service, row in await _there(access, aside_id) if row["state"] != AsideState.DONE]


async def _dismiss(access: Access, aside_id: str, because: str) -> str:
    if not because.strip():
        raise fail("say why with --because: whoever looks at the record later has only that")
    services = await _open_at(access, aside_id)
    if not services:
        return "It was handled or dismissed already."
    changes = {"state": AsideState.DONE, "dismissed": because.strip()[:500]}
    for service in services:
        async with access.database(service) as database:
            still_open = {"_id": aside_id, "state": {"$ne": AsideState.DONE}}
            await database[ASIDE.name].update_one(still_open, {"$set": changes})
    return f"Dismissed at {' and '.join(services)}."


async def _replay(access: Access, aside_id: str) -> str:
    services = await _open_at(access, aside_id)
    if not services:
        return "It was handled already."
    answers = await asyncio.gather(*(_replay_at(access, service, aside_id) for service in services))
    for why in filter(None, answers):
        raise fail(why)
    return f"Handled by {' and '.join(services)}."


async def _replay_at(access: Access, service: str, aside_id: str) -> str | None:
    """None when the service has handled it, else what happened instead."""
    async with access.database(service) as database:
        rows = database[ASIDE.name]
        mark = {"state": AsideState.REPLAY, "again_at": None}
        await rows.update_one({"_id": aside_id, "state": {"$ne": AsideState.DONE}}, {"$set": mark})
        for _ in range(100):
            await asyncio.sleep(0.2)
            row = await rows.find_one({"_id": aside_id})
            if row["state"] == AsideState.DONE:
                return None
            if row["state"] == AsideState.WAITING:
                return f"{service} set it aside again: {row['reason']}"
    return f"{service} has not looked yet; is its worker running? The record stays marked for replay"
