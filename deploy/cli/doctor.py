"""`placet doctor`: looks at this machine and at a house, finds what is broken, says what to do. Changes nothing."""

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path

import typer
from rich.table import Table

from contracts.topics import SERVICES
from deploy.cli import checks, ground, machine
from deploy.cli.access import HOME, Access, Folder
from deploy.cli.checks import Line, Mark
from deploy.cli.printing import console, plain
from deploy.local.house import House
from services.chassis import clock

_COLOURS = {Mark.WELL: "green", Mark.BROKEN: "red", Mark.UNASKED: "dim"}
Section = tuple[str, list[Line]]


def doctor(folder: Folder = HOME) -> None:
    """Find what is broken on this machine and in the house, and say what to do. Fails when anything is."""
    with console.status("Looking …"):
        sections = asyncio.run(examine(folder.absolute()))
    table = Table(show_header=False, box=None, padding=(0, 1, 0, 0))
    for _ in range(2):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for number, (title, lines) in enumerate(sections):
        if number:
            table.add_row()
        table.add_row("", f"[bold]{title}[/]")
        for line in lines:
            colour = _COLOURS[line.mark]
            said = plain(line.said, most=1_000)
            shown = said if line.mark is Mark.BROKEN else f"[dim]{said}[/]"
            table.add_row(f"[{colour}]{line.mark}[/]", line.what, shown)
    console.print(table)
    wrong = sum(line.mark is Mark.BROKEN for _, lines in sections for line in lines)
    console.print()
    if wrong:
        console.print(f"[red]✗[/] {wrong} {'thing is' if wrong == 1 else 'things are'} broken.")
        raise typer.Exit(1)
    console.print("[green]✓[/] Nothing is broken.")


async def examine(folder: Path) -> list[Section]:
    """Gather all facts and judge them, in the order in which things stand on one another."""
    place = await asyncio.to_thread(machine.look_at_place, folder)
    told: dict[str, str] = json.loads((folder / "house.json").read_text()) if place.told else {}
    found = await asyncio.to_thread(machine.look_at_machine, folder)
    sections: list[Section] = [
        ("this machine", list(checks.of_machine(found, house_up=place.alive))),
        ("the house", list(checks.of_place(place))),
    ]
    if not told and not (os.environ.get("MONGODB_URI") and os.environ.get("KAFKA_BOOTSTRAP_SERVERS")):
        nothing = checks.unasked("the rest", "Kafka, MongoDB and the services are asked when a house is up")
        return [*sections, ("on the wire", [nothing])]
    access = Access.find(folder)
    root_uri = House(folder).mongo.root_uri if told else None
    broker, replica = await asyncio.gather(ground.look_at_broker(access), ground.look_at_replica(access, root_uri))
    now = clock.now()
    sections += [
        ("Kafka", [*checks.of_broker(broker, at=now), *checks.of_news(broker, replica)]),
        ("MongoDB", list(checks.of_replica(replica, at=now))),
    ]
    if told:
        sections.append(("services", await _services(told)))
    return sections


async def _services(told: Mapping[str, str]) -> list[Line]:
    names = [name for name in told if name.partition("-")[0] in SERVICES]
    ready, front, mail, vault = await asyncio.gather(
        ground.look_at_services(told, names),
        ground.look_at_front(told["pages"]),
        asyncio.to_thread(ground.look_at_mail, told["smtp"]),
        asyncio.to_thread(ground.look_at_vault, told["vault"]),
    )
    return [
        *checks.of_services(ready),
        checks.of_rest("front door", front, fine=told["pages"], remedy="see logs/front.log in the house's folder"),
        checks.of_rest("mail", mail, fine=told["smtp"], remedy="start it, or correct SMTP_URL"),
        checks.of_rest("vault", vault, fine="packages can be laid there", remedy="give this user the right to write"),
    ]
