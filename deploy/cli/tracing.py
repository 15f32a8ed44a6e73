"""`placet follow ID`: what happened about one request, service by service, and where its time went."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.tree import Tree

from contracts.topics import SERVICES
from deploy.cli.access import HOME, Access, Folder
from deploy.cli.printing import console, fail, listing, plain
from services.chassis.store.shelf import OUTBOX

COLOURS = dict(zip(SERVICES, ("magenta", "cyan", "yellow", "green", "blue"), strict=True))
MAX_SPANS = 400
"""Printed at the most for one id."""


@dataclass(slots=True)
class Span:
    """One step, as a service wrote it down."""

    id: str
    parent: str | None
    name: str
    service: str
    start: int
    end: int
    failed: bool
    children: list["Span"] = field(default_factory=list)


def follow(
    about: Annotated[str, typer.Argument(help="A request, delivery, transcript or person id.", metavar="ID")],
    folder: Folder = HOME,
) -> None:
    """Show every event about an id in the order it was said, and the trace across all hops."""
    events = asyncio.run(said_about(Access.find(folder), about))
    if not events:
        raise fail(f"nothing was said about {about} in the last seven days")
    console.print(_table(events))
    for tree in trees(folder / "traces", {trace for event in events if (trace := _trace(event))}):
        console.print()
        console.print(tree)


async def said_about(access: Access, about: str) -> list[dict[str, Any]]:
    """Rows of all outboxes about an id, oldest first. Each service is asked for its own."""
    found: list[dict[str, Any]] = []
    for service in SERVICES:
        async with access.database(service) as database:
            where = {"$or": [{"correlation": about}, {"key": about}]}
            found += [{**row, "service": service} async for row in database[OUTBOX.name].find(where).limit(1_000)]
    return sorted(found, key=lambda row: row["order"])


def _table(events: list[dict[str, Any]]) -> Table:
    table = listing("at", "service", "event", "key", "sent")
    for event in events:
        service = event["service"]
        sent = "[green]✓[/]" if event["sent"] else "[red]waits[/]"
        table.add_row(
            f"{event['at']:%H:%M:%S.%f}"[:-3], f"[{COLOURS[service]}]{service}[/]", event["type"], event["key"], sent
        )
    return table


def _trace(event: dict[str, Any]) -> str | None:
    for name, value in event["headers"]:
        if name == "traceparent":
            return bytes(value).decode().split("-")[1]
    return None


def trees(folder: Path, traces: set[str]) -> Iterator[Tree]:
    """The spans of each trace as a tree, from the files that services write in local mode."""
    spans: dict[str, list[Span]] = defaultdict(list)
    for file in sorted(folder.glob("*.jsonl")):
        for line in file.read_text(errors="replace").splitlines():
            if any(trace in line for trace in traces):
                span = _span(line)
                if span is not None and span[0] in traces:
                    spans[span[0]].append(span[1])
    for trace, found in sorted(spans.items(), key=lambda pair: min(span.start for span in pair[1])):
        yield _tree(trace, found[:MAX_SPANS])


def _span(line: str) -> tuple[str, Span] | None:
    """Read a line: the trace and the step. None for one that is still being written."""
    try:
        row = json.loads(line)
    except ValueError:
        return None
    step = Span(row["span_id"], row["parent"], row["name"], row["service"], row["start"], row["end"], row["failed"])
    return row["trace_id"], step


def _tree(trace: str, spans: list[Span]) -> Tree:
    by_id = {span.id: span for span in spans}
    roots: list[Span] = []
    for span in sorted(spans, key=lambda one: one.start):
        parent = by_id.get(span.parent or "")
        (parent.children if parent else roots).append(span)
    begin = min(span.start for span in spans)
    took = (max(span.end for span in spans) - begin) / 1e6
    hops = len({span.service for span in spans})
    tree = Tree(f"[bold]trace {trace}[/]  [dim]{hops} services, {len(spans)} steps, {took:.0f} ms[/]")
    for root in roots:
        _grow(tree, root, begin)
    return tree


def _grow(tree: Tree, span: Span, begin: int) -> None:
    colour = COLOURS.get(span.service, "white")
    mark = " [red]failed[/]" if span.failed else ""
    branch = tree.add(
        f"[dim]{(span.start - begin) / 1e6:7.1f} ms[/]  [{colour}]{span.service:<8}[/] {plain(span.name)} "
        f"[dim]{(span.end - span.start) / 1e6:.1f} ms[/]{mark}"
    )
    for child in span.children:
        _grow(branch, child, begin)
