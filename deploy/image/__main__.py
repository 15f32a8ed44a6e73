"""`python -m deploy.image build | check`: make the image and print its digest; make it twice, compare, and try it."""

import argparse
import asyncio
import sys
import time
from pathlib import Path

from deploy.image import checking
from deploy.image.building import Bases, Plan, Workshop
from deploy.image.context import ROOT
from deploy.image.tools import NotMade, need
from deploy.local.process import NotStarted


def main(arguments: list[str]) -> int:
    """Do one of the two. 1 when the image can't be made or is not as it should be."""
    words = _words().parse_args(arguments)
    if bool(words.build_base) != bool(words.run_base):
        print("give both bases or none: they must hold the same Python 3.11 at the same path", file=sys.stderr)
        return 2
    workshop = Workshop(words.folder.absolute())
    try:
        if words.what == "check":
            need("umoci", "runc")
        plan, digest = _build(workshop, words)
        return 0 if words.what == "build" else _check(workshop, plan, digest)
    except (NotMade, NotStarted) as why:
        print(why, file=sys.stderr)
        return 1


def _words() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.image", description=__doc__)
    parser.add_argument("what", choices=["build", "check"])
    parser.add_argument("--build-base", default="", help="an image with Python 3.11, ensurepip and certificates")
    parser.add_argument("--run-base", default="", help="an image with the same Python at the same path, and no shell")
    parser.add_argument("--source", default="", help="where the code can be had, for the label")
    parser.add_argument("--folder", type=Path, default=ROOT / ".local/image", help="where all of it lies")
    return parser


def _build(workshop: Workshop, words: argparse.Namespace) -> tuple[Plan, str]:
    started = time.monotonic()
    given = Bases(words.build_base, words.run_base)
    bases = given if given.build else workshop.make_bases()
    made = time.monotonic()
    plan = workshop.plan(bases, source=words.source)
    digest = workshop.build(plan)
    print(f"bases {made - started:.0f} s, image {time.monotonic() - made:.0f} s; in {workshop.folder / 'oci'}")
    print(digest)
    return plan, digest


def _check(workshop: Workshop, plan: Plan, digest: str) -> int:
    faults = []
    again = workshop.build(plan, "placet-again")
    if again != digest:
        faults.append(f"built twice from the same files it is {digest} and {again}")
    bundle = workshop.unpack()
    print(f"{checking.size(bundle) / 1e6:.0f} MB unpacked")
    try:
        faults += [*checking.contents(bundle), *checking.alone(bundle)]
        faults += asyncio.run(_in_a_house(bundle, workshop.folder / "house"))
    finally:
        checking.sweep(bundle)
    print(*(faults or ["the image is as it should be"]), sep="\n")
    return 1 if faults else 0


async def _in_a_house(bundle: Path, folder: Path) -> list[str]:
    return [sentence async for sentence in checking.whole_house(bundle, folder)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
