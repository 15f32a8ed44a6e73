"""Writes `docs/METRICS.md` from the metrics that the services declare: every name, its labels, its unit, what it tells.

`python -m deploy.cli.metrics` writes it, `--check` says whether it is fresh. What the code declares is what is told, so
the page can't speak of a metric that is not there, nor leave one out.
"""

import pkgutil
import sys
from collections.abc import Iterable, Mapping
from importlib import import_module
from types import ModuleType

import services
from contracts.topics import SERVICES
from deploy.local.house import ROOT
from services.chassis.observe.telemetry import DECLARED, Metric

PAGE = ROOT / "docs" / "METRICS.md"
_CHASSIS = "chassis"
_UNITS = {"seconds": "seconds", "bytes": "bytes", "records": "records", "total": "count since the process began"}
_HEAD = """# Metrics

Made by `python -m deploy.cli.metrics` from the code; don't edit it.

Every process tells its own at `/metrics`: in Prometheus's text format, and in OpenMetrics with exemplars (the id of a
trace at a bucket of a histogram) to who asks for it by `Accept`. Each series also has the labels `service` and `role`. Labels
are words from closed lists: no id, no name, no address, nothing of a person.

A histogram has the series `_bucket`, `_sum` and `_count` behind its name. Gauges that several processes tell of the same
thing (a database, a topic) are said for each of them: ask for `max by (service)`. Lag is the exception: each member of a group
tells that of its own partitions, so ask for `sum by (service)`.
"""


def page() -> str:
    """The whole page. Imports every service, so that all of its metrics are declared."""
    homes = _homes()
    shared = [metric for name, metric in DECLARED.items() if homes.get(name) == _CHASSIS]
    parts = [_HEAD, "## Every service\n", _table(shared)]
    for service in SERVICES:
        own = [metric for name, metric in DECLARED.items() if homes.get(name) == service]
        if own:
            parts += [f"## {service.capitalize()}\n", _table(own)]
    return "\n".join(parts)


def unit(metric: Metric) -> str:
    """The unit that a metric's name ends in (Prometheus, "Metric and label naming"); else it counts things, or says 1 for yes."""
    return _UNITS.get(metric.name.rpartition("_")[2], "count")


def _homes() -> Mapping[str, str]:
    """The package that declares each metric: a service, or the chassis, which all services are built on."""
    homes: dict[str, str] = {}
    for module in _modules():
        package = module.__name__.split(".")[1]
        for value in vars(module).values():
            # A service may import a metric of the chassis, never the other way round.
            if isinstance(value, Metric) and (package == _CHASSIS or value.name not in homes):
                homes[value.name] = package
    return homes


def _modules() -> Iterable[ModuleType]:
    found = pkgutil.walk_packages(services.__path__, "services.")
    return [import_module(one.name) for one in found if not one.name.endswith("__main__")]


def _table(metrics: Iterable[Metric]) -> str:
    rows = ["| name | type | labels | unit | what it tells |", "|---|---|---|---|---|"]
    for metric in sorted(metrics, key=lambda one: one.name):
        labels = ", ".join(f"`{label}`" for label in sorted(metric.labels))
        rows.append(f"| `{metric.name}` | {metric.kind} | {labels} | {unit(metric)} | {metric.description} |")
    return "\n".join(rows) + "\n"


def main(arguments: list[str]) -> int:
    """Write, or check."""
    made = page()
    if "--check" in arguments:
        fresh = PAGE.exists() and PAGE.read_text() == made
        if not fresh:
            print("docs/METRICS.md is not fresh; run `python -m deploy.cli.metrics`")
        return 0 if fresh else 1
    PAGE.write_text(made)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
