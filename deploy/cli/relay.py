"""`placet relay status | replay`: what waits in each outbox, and writing the topics again after a loss."""

import asyncio
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from contracts.topics import SERVICES
from deploy.cli.access import HOME, Access, Folder, Service
from deploy.cli.printing import console, listing
from services.chassis import clock
from services.chassis.store.shelf import OUTBOX

app = typer.Typer(help="The outboxes, and writing topics again after a loss.", no_args_is_help=True)
LATE = timedelta(seconds=30)
"""An unsent row older than this is shown in red: normally it is gone within a tenth of a second."""


@app.command("status")
def status(folder: Folder = HOME) -> None:
    """Show for each service how many rows wait, the oldest, how many went, and who holds the lease."""
    rows = asyncio.run(_status(Access.find(folder)))
    table = listing("service", "waiting", "oldest waits", "sent and kept", "lease")
    late = False
    for service, waiting, oldest, sent, lease in rows:
        age = clock.now() - oldest if oldest else None
        late = late or bool(age and age > LATE)
        said = "–" if age is None else f"{'[red]' if age > LATE else ''}{age.total_seconds():.1f} s"
        table.add_row(service, str(waiting), said, str(sent), lease)
    console.print(table)
    if late:
        raise typer.Exit(1)


@app.command("replay")
def replay(
    service: Service,
    hours: Annotated[float, typer.Option(help="How far back; rows are kept seven days.", min=0.01, max=168)],
    folder: Folder = HOME,
) -> None:
    """Publish again what a service said in the last hours: same ids, same bytes. Readers drop what they have seen."""
    count = asyncio.run(_replay(Access.find(folder), service, clock.now() - timedelta(hours=hours)))
    console.print(f"{count} rows of {service} will be published again.")


async def _status(access: Access) -> list[tuple[str, int, datetime | None, int, str]]:
    found = []
    for service in SERVICES:
        async with access.database(service) as database:
            rows = database[OUTBOX.name]
            waiting = await rows.count_documents({"sent": False})
            oldest = await rows.find_one({"sent": False, "barrier": False}, sort=[("order", 1)])
            sent = await rows.count_documents({"sent": True})
            lease = await rows.find_one({"_id": "lease"})
            found.append((service, waiting, oldest["at"] if oldest else None, sent, _lease(lease)))
    return found


def _lease(lease: dict[str, Any] | None) -> str:
    if lease is None or not lease.get("token"):
        return "free"
    left = (lease["until"] - clock.now()).total_seconds()
    return f"held ({left:.0f} s left)" if left > 0 else "ran out"


async def _replay(access: Access, service: str, since: datetime) -> int:
    """Watermarks are left out: an old one says nothing new."""
    async with access.database(service) as database:
        where = {"sent": True, "barrier": False, "at": {"$gte": since}}
        changed = await database[OUTBOX.name].update_many(where, {"$set": {"sent": False}, "$unset": {"sent_at": ""}})
        return int(changed.modified_count)
