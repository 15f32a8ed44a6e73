"""The form of alerts and of recording rules, and how they are written as Prometheus reads them.

Invariants: an alert's name is its runbook's; what it says names services, topics and checks, never a person: the labels
of our metrics can't (`telemetry.LABELS`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import yaml

RUNBOOKS = "deploy/runbooks"
"""What each `runbook_url` begins with in the file; the chart puts the operator's own address there."""

Severity = Literal["page", "ticket"]
"""`page`: somebody is called, also at night, for people are hurt or will be within the hour. `ticket`: the next working day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert. Two may have one name (and so one runbook) when they differ in how urgent they are."""

    name: str
    severity: Severity
    expr: str
    lasting: str
    """How long it must hold: `2m`."""
    summary: str
    """One line: what is wrong, and where."""
    description: str
    """What it means for people, and the first thing to look at."""

    def rule(self) -> dict[str, Any]:
        """As it stands in a file of rules."""
        return {
            "alert": self.name,
            "expr": self.expr,
            "for": self.lasting,
            "labels": {"severity": self.severity},
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                "runbook_url": f"{RUNBOOKS}/{self.name}.md",
            },
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A question that is asked often, answered once."""

    name: str
    expr: str

    def rule(self) -> dict[str, Any]:
        """As it stands in a file of rules."""
        return {"record": self.name, "expr": self.expr}


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are asked one after the other."""

    name: str
    rules: Sequence[Alert | Record]

    @property
    def alerts(self) -> list[Alert]:
        return [rule for rule in self.rules if isinstance(rule, Alert)]


def written(groups: Iterable[Group], *, head: str) -> str:
    """A file of rules, as `promtool check rules` takes it."""
    said = {"groups": [{"name": group.name, "rules": [rule.rule() for rule in group.rules]} for group in groups]}
    text: str = yaml.dump(said, Dumper=_Blocks, sort_keys=False, width=10_000, allow_unicode=True)
    return f"# {head}\n{text}"


def _text(dumper: Any, text: str) -> Any:
    """A text of several lines as a block, so that a question reads as it was written."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


# A dumper of our own, so that nobody else's YAML is written otherwise. The library has no types to inherit from.
_Blocks: Any = type("_Blocks", (yaml.SafeDumper,), {"ignore_aliases": lambda *_: True})
_Blocks.add_representer(str, _text)
