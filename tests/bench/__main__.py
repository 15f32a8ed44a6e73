"""`make bench`: one house, every line of the speed table, in a few minutes. It ends by itself and leaves nothing running."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from services.chassis import clock
from tests.bench import alone, growth, measures, packages
from tests.bench.figures import Figure, Report
from tests.bench.machine import facts
from tests.bench.measures import Floors
from tests.bench.plot import drawn
from tests.bench.stand import Stand, standing

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".local" / "bench"
RESULTS = Path(__file__).with_name("RESULTS.md")
LONGEST_SCENE = 300.0
"""Seconds. On a machine that is busy with something else a scene is given up, and told as not measured."""
Scene = tuple[str, Callable[[], Awaitable[Sequence[Figure]]]]


def scenes(stand: Stand, *, long: bool) -> list[Scene]:
    """Every part of a run by name, in the order in which it is played."""
    known, reach = Floors(), str(stand.folder / "reach.json")

    async def catching_up() -> list[Figure]:
        [told] = await stand.ask("catchup", reach, str(100_000 if long else 20_000), "300", seconds=600)
        return [
            Figure(
                what="consumer catch-up from a backlog", unit="/s", value=told["batches"], goal=15,
                floor=told["one_by_one"], floor_is="one message a transaction", note="inbox, state and outbox row each",
            )
        ]  # fmt: skip

    parts: list[Scene] = [
        ("idle", lambda: measures.idle(stand, 10)),
        ("floor", lambda: measures.floors(stand, known)),
        ("bare", lambda: measures.bare(stand, known, 8)),
        ("catchup", catching_up),
        ("approval", lambda: measures.approvals(stand, known, 10)),
        ("api", lambda: measures.api_latency(stand, 6)),
        ("person", lambda: measures.person_by_person(stand, known, 60 if long else 20, 48)),
        ("cohort", lambda: measures.cohort(stand, known, 10_000 if long else 1_000)),
        ("packages", lambda: packages.preparing(stand.folder / "packages", stand.house.folder / "keys")),
        ("restart", lambda: measures.restarts(stand, ("consent", "records", "delivery"))),
        ("alone", lambda: alone.delivery(stand, 10_000 if long else 1_500)),
    ]
    if long:
        parts.insert(7, ("rate", lambda: measures.at_a_rate(stand, 100, 600)))
    return parts


def growing(stand: Stand, requests: int) -> list[Scene]:
    """`make bench-scale`: nothing else is measured beside it."""
    return [("growth", lambda: growth.growth(stand, Floors(), requests))]


async def run(report: Report, *, long: bool, only: str, requests: int, say: Callable[[str], None]) -> None:
    """Start the house, play, take it down. A scene that fails is told and takes no other down."""
    playing = asyncio.current_task()
    assert playing is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, playing.cancel)
    async with standing(FOLDER, say) as stand:
        for name, scene in growing(stand, requests) if requests else scenes(stand, long=long):
            if only and name not in only.split(","):
                continue
            since = clock.seconds()
            try:
                async with asyncio.timeout(LONGEST_SCENE * (15 if long or requests else 1)):
                    report.add(await scene())
            except Exception as why:  # noqa: BLE001 - the other lines still count
                report.failures[name] = f"{type(why).__name__}: {why}"[:400]
            report.write(
                FOLDER / "latest.json"
            )  # after each scene: what ends the run early takes nothing measured along
            say(f"{name}: {clock.seconds() - since:.0f} s")
        if requests or (only and "start" not in only):
            return
        await stand.house.stop()
        since = clock.seconds()
        await stand.house.start()
        report.add([
            Figure(
                what="start of the whole local stack, warm", unit="s", value=clock.seconds() - since, goal=15, way="at most"
            )
        ])  # fmt: skip


def main() -> int:
    """Read the command line, run, show."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--long", action="store_true", help="the long counts: half an hour")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.relative_to(ROOT)} (or GROWTH.md)")
    parser.add_argument(
        "--requests", type=growth.asked, default=0, metavar="N", help="fill so many stored requests and show the growth"
    )
    parser.add_argument("--only", default="", help="names of scenes, with commas between: idle,floor,bare,approval,…")
    given = parser.parse_args()
    console, report = Console(width=160), Report(facts())
    since = clock.seconds()
    say = lambda words: console.print(f"[dim]{clock.seconds() - since:5.0f} s  {words}[/]", highlight=False)  # noqa: E731
    with suppress(asyncio.CancelledError):  # by SIGTERM: what was measured until then is shown
        asyncio.run(run(report, long=given.long, only=given.only, requests=given.requests, say=say))
    report.show(console)
    report.write(FOLDER / "latest.json")
    if given.write:
        page = RESULTS if not given.requests else RESULTS.with_name("GROWTH.md")
        picture = page.with_suffix(".svg")
        page.write_text(report.page(picture.name))
        picture.write_text(drawn(report.figures))
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
