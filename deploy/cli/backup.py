"""`placet backup`: every service's database at one moment; the keys of persons apart; packages by their addresses.

The order is data, then keys, then packages, so that neither keys nor packages are ever older than data that need them.
Keys are a backup of their own, taken as often as one likes: the newest one says who was erased meanwhile.
"""

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from deploy.backup.archive import Kind
from deploy.backup.packages import NotCopied, copy_packages
from deploy.backup.places import Folder as Place
from deploy.backup.places import NotLaid
from deploy.backup.taking import URI, NotTaken, take
from deploy.cli.access import HOME, Folder
from deploy.cli.printing import console, fail, plain
from deploy.local.house import House


def backup(
    to: Annotated[Path | None, typer.Option("--to", help="A new folder for the data of all services.")] = None,
    keys_to: Annotated[
        Path | None, typer.Option("--keys-to", help="A new folder for the keys of persons: elsewhere, kept 30 days.")
    ] = None,
    packages_to: Annotated[
        str, typer.Option("--packages-to", help="A vault's address or a folder; what lies there already stays.")
    ] = "",
    folder: Folder = HOME,
) -> None:
    """Write what a house would have to be made from again. Data and keys go to different places, each for itself too."""
    if not (to or keys_to or packages_to):
        raise fail("say what to back up: --to FOLDER for the data, --keys-to FOLDER, --packages-to VAULT")
    _check_apart(to, keys_to)
    uri, vault = where_from(folder)
    if packages_to and not vault:
        raise fail("set VAULT_URL to the vault that the packages are to be copied from")
    parts: tuple[tuple[Kind, Path | None], ...] = (("data", to), ("keys", keys_to))
    try:
        for kind, place in parts:
            if place is not None:
                place.mkdir(parents=True, exist_ok=True, mode=0o700)
                made = asyncio.run(take(uri, Place(place), kind))
                size = f"{made.documents} documents, {made.size / 2**20:.1f} MiB"
                said = f"{size}, as of {made.taken_at:%Y-%m-%d %H:%M:%S} UTC"
                console.print(f"[green]✓[/] {kind}  {said}  {plain(place)}")
        if packages_to:
            copied = asyncio.run(copy_packages(vault, packages_to))
            said = f"{copied.copied} copied ({copied.size / 2**20:.1f} MiB), {copied.there} lay there already"
            console.print(f"[green]✓[/] packages  {said}  {plain(packages_to)}")
    except (NotTaken, NotLaid, NotCopied) as why:
        raise fail(str(why)) from None


def where_from(folder: Path) -> tuple[str, str]:
    """The database's and the vault's address: the environment's, else the local house's. Leaves with a sentence."""
    uri = os.environ.get(URI)
    if uri:
        return uri, os.environ.get("VAULT_URL", "")
    if not (folder / "house.json").exists():
        raise fail(f"no house is up in {folder}, and {URI} is not set: start it with `placet up`, or name a database")
    house = House(folder)
    return house.mongo.root_uri, house.vault_url


def _check_apart(to: Path | None, keys_to: Path | None) -> None:
    for place in filter(None, (to, keys_to)):
        if place.exists() and (not place.is_dir() or any(place.iterdir())):
            raise fail(f"{place} is there already and not empty: a backup never mixes with another")
    if to is None or keys_to is None:
        return
    data, keys = to.absolute(), keys_to.absolute()
    if data == keys or data in keys.parents or keys in data.parents:
        raise fail(
            "data and keys must not lie in one folder: with the keys beside them the data of an erased person could be "
            "read again from this backup; choose another place for --keys-to, with other people's rights"
        )
