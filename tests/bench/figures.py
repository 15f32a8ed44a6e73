"""Figures, their goals and how they are shown: a table for people, JSON for comparing, a page for the repository."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table

Way = Literal["at least", "at most"]


@dataclass(frozen=True)
class Latency:
    """Quantiles of seconds, told in milliseconds."""

    seconds: Sequence[float]

    def at(self, share: float) -> float:
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000 if ordered else float("nan")

    @property
    def p50(self) -> float:
        return self.at(0.5)

    @property
    def p99(self) -> float:
        return self.at(0.99)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One line. With `floor` the goal is about `value / floor`, without one about `value` itself. No goal: told only."""

    what: str
    unit: str
    value: float
    goal: float | None = None
    way: Way = "at least"
    floor: float | None = None
    floor_is: str = ""
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return self.value / self.floor if self.floor else None

    @property
    def good(self) -> bool | None:
        """None: nothing was promised."""
        measured = self.ratio if self.floor is not None else self.value
        if self.goal is None or measured is None:
            return None
        return measured >= self.goal if self.way == "at least" else measured <= self.goal

    @property
    def promised(self) -> str:
        if self.goal is None:
            return "–"
        sign = "≥" if self.way == "at least" else "≤"
        return f"{sign} {self.goal:g} ×" if self.floor is not None else f"{sign} {self.goal:g} {self.unit}"

    def cells(self) -> tuple[str, ...]:
        floor = f"{_spelled(self.floor)} ({self.floor_is})" if self.floor is not None else "–"
        ratio = f"{self.ratio:.2f}" if self.ratio is not None else "–"
        verdict = {True: "pass", False: "MISSED", None: "told"}[self.good]
        return (self.what, self.promised, floor, f"{_spelled(self.value)} {self.unit}", ratio, verdict, self.note)


HEADINGS = ("what", "goal", "floor", "Placet", "ratio", "verdict", "how")


@dataclass
class Report:
    """One run."""

    machine: Mapping[str, str]
    figures: list[Figure] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    """Parts that did not come to an end, and why."""

    def add(self, figures: Iterable[Figure]) -> None:
        self.figures += figures

    def show(self, console: Console) -> None:
        """Print the table."""
        table = Table(title="Placet beside the bare pipeline, on one broker and one database", show_lines=True)
        for heading in HEADINGS:
            table.add_column(heading, overflow="fold", justify="right" if heading in {"Placet", "ratio"} else "left")
        for figure in self.figures:
            style = {True: "", False: "bold red", None: "dim"}[figure.good]
            table.add_row(*figure.cells(), style=style)
        console.print(table)
        for name, why in self.failures.items():
            console.print(f"[bold red]not measured: {name}[/]: {why}", highlight=False)

    def write(self, path: Path) -> None:
        """JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [{**asdict(one), "ratio": one.ratio, "good": one.good} for one in self.figures]
        told = {"machine": dict(self.machine), "figures": lines, "failures": self.failures}
        path.write_text(json.dumps(told, indent=1))

    def page(self, picture: str) -> str:
        """Markdown, with the name of the picture beside it."""
        head = [
            "# One run of the bench",
            "",
            "Made by `python -m tests.bench --write`; never edited. Ratios count, absolute figures move by 1.5 to 2 × from run",
            "to run on a shared machine. Everything ran at once on the machine below: five services, Kafka with TLS and access",
            "lists, MongoDB with logins and majority writes, families, recipients and the floor itself.",
            "",
            *(f"- {name}: {value}" for name, value in self.machine.items()),
            "",
            f"![Each goal, and how far the run came towards it]({picture})",
            "",
            f"| {' | '.join(HEADINGS)} |",
            f"|{'---|' * len(HEADINGS)}",
        ]
        rows = [f"| {' | '.join(figure.cells())} |" for figure in self.figures]
        lost = [f"\nNot measured: {name} ({why})." for name, why in self.failures.items()]
        return "\n".join([*head, *rows, *lost, ""])


def _spelled(value: float | None) -> str:
    if value is None:
        return "–"
    if value >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
