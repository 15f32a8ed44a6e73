"""How an export comes in at the front door: a local house's own, or another's as a registrar of the school."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from deploy.local.house import House

School = Annotated[str, typer.Option("--school", help="The school's id, org_….")]
Url = Annotated[str, typer.Option("--url", envvar="PLACET_URL", help="The front door; a local house's own by default.")]
Person = Annotated[str, typer.Option("--person", envvar="PLACET_PERSON", help="A registrar of the school, per_….")]
Token = Annotated[str, typer.Option("--token", envvar="PLACET_TOKEN", help="Better in the environment.")]


def front_door(
    folder: Path, url: str, person: str, token: str, *, refuse: Callable[[str], Exception]
) -> tuple[str, str]:
    """The address, and the token of a local house's operator where nobody else's was given. `refuse` makes what is raised."""
    if url:
        if not (person and token):
            raise refuse("set PLACET_PERSON and PLACET_TOKEN to a registrar's, as issued on the school's page")
        return url, ""
    if not (folder / "house.json").exists():
        raise refuse(f"no house is up in {folder}; start one with `placet up`, or give --url")
    house = House(folder)
    return house.public_url, "" if token else house.operator_token
