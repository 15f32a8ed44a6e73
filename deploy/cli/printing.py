"""How commands speak: results on stdout, one sentence on stderr when something is wrong, and foreign texts made harmless."""

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


def fail(sentence: str) -> typer.Exit:
    """Say what is wrong on stderr, as it is; the caller raises what is returned and so leaves with exit code 1."""
    errors.print(f"[red]✗[/] {escape(sentence)}")
    return typer.Exit(1)


def listing(*headings: str, folding: str = "") -> Table:
    """Return an empty table without lines. Only the column `folding` may be broken over lines: ids are there to be copied."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in headings:
        table.add_column(heading, no_wrap=heading != folding, overflow="fold")
    return table


def pairs() -> Table:
    """Return an empty table of names and values."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def plain(text: object, *, most: int = 100) -> str:
    """Return a foreign text as it may reach a terminal: one line, no control or direction character, no markup."""
    return escape("".join(letter if letter.isprintable() else "·" for letter in str(text)[:most]))
