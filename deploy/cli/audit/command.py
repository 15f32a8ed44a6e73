"""`placet audit FOLDER` and `placet audit export`: what an operator, a school or anybody else types and reads."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from deploy.cli.access import HOME, Folder
from deploy.cli.audit.exporting import NotExported, export_ledger
from deploy.cli.audit.proving import Proof, Unreadable, prove
from deploy.cli.printing import console, errors, listing, pairs, plain
from deploy.cli.visiting import Person, School, Token, Url, front_door
from services.chassis import clock

SHOWN = 50
"""Problems that are printed; the rest is counted."""
CANNOT_READ = 2
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class _FolderOrCommand(TyperGroup):
    """`placet audit FOLDER` stands for `placet audit prove FOLDER`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        is_command = not args or args[0] in {*self.commands, "--help"}
        return super().parse_args(ctx, args if is_command else ["prove", *args])


app = typer.Typer(
    help="Prove every disclosure of a school again, offline, from files. [dim]placet audit FOLDER[/]",
    cls=_FolderOrCommand,
    no_args_is_help=True,
)


@app.command("prove")
def prove_folder(
    folder: Annotated[Path, typer.Argument(help="What `placet audit export` has written.")],
    head: Annotated[
        str | None, typer.Option("--head", help="sha256:… of a row, as you noted it earlier somewhere else.")
    ] = None,
    grant_keys: Annotated[
        Path | None, typer.Option("--grant-keys", help="Consent's public keys (JWKS), fetched by yourself.")
    ] = None,
) -> None:
    """Prove every row of the ledger: exit code 0 proven, 1 something is wrong, 2 there is nothing to read."""
    if head is not None and not _DIGEST.fullmatch(head):
        raise _unreadable("--head is not a hash: it is sha256: and 64 hexadecimal digits")
    _judge(folder, head, grant_keys)


@app.command("export")
def export(
    school: School,
    to: Annotated[Path, typer.Option("--to", help="An empty or new folder.")],
    folder: Folder = HOME,
    url: Url = "",
    person: Person = "",
    token: Token = "",
) -> None:
    """Write a school's ledger, seals and public keys into a folder, and prove them there."""
    url, operator = front_door(folder, url, person, token, refuse=_unreadable)
    try:
        export_ledger(url, school, to, person=person, token=token, operator=operator, at=clock.now())
    except NotExported as why:
        raise _unreadable(str(why)) from None
    _judge(to, None, None)


def _judge(folder: Path, head: str | None, grant_keys: Path | None) -> None:
    try:
        proof = prove(folder, head=head, grant_keys=grant_keys)
    except Unreadable as why:
        raise _unreadable(str(why)) from None
    _print(folder, proof, head=head, vouched=grant_keys is not None)
    if proof.problems.count:
        raise typer.Exit(1)


def _print(folder: Path, proof: Proof, *, head: str | None, vouched: bool) -> None:
    count = proof.problems.count
    colour, mark = ("red", "✗") if count else ("green", "✓")
    proven = f"{proof.proven} of {_counted(proof.rows, 'disclosure')} proven"
    console.print(f"[bold {colour}]{mark} {proven}[/], {_counted(count, 'problem')}  {plain(folder.name)}\n")
    table = pairs()
    if proof.manifest is not None:
        table.add_row("  school", plain(proof.manifest.school_id))
        table.add_row(
            "  exported", f"{proof.manifest.exported_at:%Y-%m-%d %H:%M} UTC from {plain(proof.manifest.origin)}"
        )
    whose = "as you gave them" if vouched else "[dim]as this folder has them; prove them with --grant-keys[/]"
    table.add_row("  keys", f"{_counted(len(proof.keys), 'key')} of consent, {whose}")
    if head is None:
        noted = "[dim]not asked: note the head below elsewhere, and give it with --head next time[/]"
    elif proof.head_row:
        noted = (
            f"the head you noted is row {proof.head_row}; {_counted(proof.head.number - proof.head_row, 'row')} since"
        )
    else:
        noted = "[red]the head you noted is not in this chain[/]"
    table.add_row("  completeness", noted)
    console.print(table)
    # Never folded: it is there to be copied.
    console.print(f"  [dim]head[/]          {proof.head.hash}  [dim]row {proof.head.number}[/]", soft_wrap=True)
    if count:
        _print_problems(proof)


def _print_problems(proof: Proof) -> None:
    console.print()
    table = listing("where", "field", "what, and what to do", folding="what, and what to do")
    for one in sorted(proof.problems.found)[:SHOWN]:
        where = f"{one.file}:{one.line}" if one.line else one.file
        fields = "\n".join(plain(name) for name in one.place.split(", "))
        table.add_row(
            f"[red]{plain(where)}[/]", fields, f"{plain(one.what, most=500)}\n[dim]{plain(one.todo, most=500)}[/]"
        )
    console.print(table)
    if proof.problems.count > SHOWN:
        console.print(f"… and {_counted(proof.problems.count - SHOWN, 'problem')} more")


def _unreadable(sentence: str) -> typer.Exit:
    errors.print(f"[red]✗[/] {plain(sentence, most=500)}")
    return typer.Exit(CANNOT_READ)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
