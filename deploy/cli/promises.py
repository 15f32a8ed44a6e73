"""`placet promises`: what the privacy policy promises, the behaviour that keeps it, and the tests that show it.

A test belongs to a promise by its name (`test_p14_…`); names are read from the tests' source, nothing is run. A promise
without a test is shown as not yet kept by one, never hidden. `--check` fails for those that `KEPT` says are kept.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from deploy.cli.printing import console, fail
from deploy.local.house import ROOT

TESTS = ROOT / "tests"
_NUMBERED = re.compile(r"test_p(\d+)_")
_NAMED = 3
"""Tests listed by name for each promise; the others are counted."""


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise, in few words, and what keeps it."""

    number: int
    promise: str
    behaviour: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A test that shows a promise kept: where, and by which name."""

    path: Path
    name: str


PROMISES = tuple(
    Promise(number, promise, behaviour)
    for number, promise, behaviour in (
        (1, "used only as the school authorised", "no grant of processing, no action; withdrawing it stops every service"),
        (2, "never sold", "nothing leaves but through delivery; only delivery and notify reach the network"),
        (3, "no commercial use", "no purpose is commercial, and an unknown one is refused"),
        (4, "research inside without personal data", "analytics takes no personal field; a planted name is found nowhere"),
        (5, "no profiles but transcripts", "what people do on the platform is never joined to the record"),
        (6, "access and correction", "inspection and amendment with a 45-day clock; past recipients are told"),
        (7, "the pledge of school service providers", "each commitment points to a check"),
        (8, "accounts from name and e-mail, by the school", "the import reads an allow-list and leaves nothing else behind"),
        (9, "recipients see only what was sent to them", "a stranger's object and a missing one get the same answer"),
        (10, "listed data from listed sources", "each field says source, category and retention, or nothing is built"),
        (11, "activity data only to improve the platform", "kept apart and short; no page asks anything elsewhere"),
        (12, "use is publishing, delivering, support", "support enters by ticket, for a time, and is logged"),
        (13, "marketing mail to no student", "no membership message reaches a student or a guardian"),
        (14, "released only by direction and approval", "nothing leaves without a live approval of exactly these bytes"),
        (15, "recipients get the transcript, no usage data", "every field, header and file a recipient gets is on a list"),
        (16, "other disclosures only on the listed grounds", "a table of grounds and who must act on each"),
        (17, "nothing beyond what the school authorises", "what a school forbids can't even be asked for"),
        (18, "focus groups only with the school's permission", "contact without a permission is refused"),
        (19, "research by others: aggregated, agreed", "ten at the least, suppression, and two keys for each release"),
        (20, "under the school's direct control", "a school stops, exports and deletes everything of its own"),
        (21, "access, correction, deletion through the school", "erasure reaches databases, topics, packages and caches"),
        (22, "safeguards", "step-up, a key for each person, TLS, least privilege, a log that shows tampering"),
        (23, "providers are vetted", "an entry of the register that has expired refuses to start"),
        (24, "nothing kept beyond need", "a schedule for each category, a job that purges, a legal hold"),
        (25, "no change of policy without notice", "a version takes no effect before schools and people were told"),
        (26, "parents with concerns reach the school", "a message is routed to the school's contact, and timed"),
        (27, "cookies as listed", "a real browser holds the listed cookies and nothing else"),
        (28, "accounts for the listed roles only", "every role at every operation; what no right allows is denied"),
    )
)  # fmt: skip

KEPT = frozenset({3, 4, 8, 9, 11, 13, 14, 15, 17, 27, 28})
"""Promises that a test shows; `placet promises --check` fails when one of these loses its last."""


def promises(
    check: Annotated[bool, typer.Option("--check", help="Fail when a kept promise has lost its tests.")] = False,
) -> None:
    """List the promises of the policy, what keeps each, and the tests that show it. Runs no test."""
    if not TESTS.is_dir():
        raise fail(f"there are no tests beside this installation ({TESTS}): run it in a checkout of the project")
    shown = find_tests(TESTS)
    console.print(_table(shown))
    kept = sum(1 for promise in PROMISES if shown.get(promise.number))
    console.print(f"\n{kept} of {len(PROMISES)} promises are shown by tests; the others are not yet.")
    lost = lost_promises(shown)
    if check and lost:
        raise fail(f"no test shows any more: {', '.join(f'P{number}' for number in lost)}")


def find_tests(folder: Path) -> Mapping[int, list[Shown]]:
    """Every test whose name begins with the number of a promise, by that number."""
    found: dict[int, list[Shown]] = {}
    for path in sorted(folder.rglob("test_*.py")):
        for name in _functions(path):
            numbered = _NUMBERED.match(name)
            if numbered:
                found.setdefault(int(numbered[1]), []).append(Shown(path.relative_to(folder), name))
    return found


def lost_promises(shown: Mapping[int, list[Shown]]) -> list[int]:
    """Promises that are said to be kept and have no test."""
    return sorted(number for number in KEPT if not shown.get(number))


def _functions(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name


def _table(shown: Mapping[int, list[Shown]]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("", no_wrap=True)
    for heading in ("promise", "what keeps it", "shown by"):
        table.add_column(heading, overflow="fold")
    for promise in PROMISES:
        tests = shown.get(promise.number, [])
        table.add_row(f"P{promise.number}", promise.promise, promise.behaviour, _told(tests))
    return table


def _told(tests: list[Shown]) -> str:
    if not tests:
        return "[yellow]not yet[/]"
    lines = [f"[green]✓[/] {_spoken(test.name)} [dim]{test.path}[/]" for test in tests[:_NAMED]]
    more = len(tests) - _NAMED
    return "\n".join([*lines, *([f"[dim]and {more} more[/]"] if more > 0 else [])])


def _spoken(name: str) -> str:
    return _NUMBERED.sub("", name).replace("_", " ")
