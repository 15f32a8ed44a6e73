"""The form of dashboards: panels with their questions, laid out in rows, as Grafana's JSON (schema 39, Grafana 10 and newer).

Plain dicts: what a panel of ours needs of Grafana's model is a dozen fields, and a builder's library would be larger than
what it builds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

WIDTH = 24
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_SCHEMA = 39

Level = tuple[str, float | None]
"""A colour from this value on; None: from the beginning."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A question, and what its lines are called."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One picture."""

    title: str
    about: str
    """What it tells and when to worry: shown beside the title."""
    asks: Sequence[Ask]
    unit: str = "short"
    kind: Literal["timeseries", "stat"] = "timeseries"
    width: int = 8
    height: int = 7
    levels: Sequence[Level] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Panels about one thing, from left to right, going on below."""

    title: str
    panels: Sequence[Panel]


def dashboard(*, uid: str, title: str, about: str, rows: Sequence[Row], span: str) -> dict[str, Any]:
    """The whole of it. It asks which Prometheus, and which namespace."""
    return {
        "uid": uid,
        "title": title,
        "description": about,
        "tags": ["placet"],
        "schemaVersion": _SCHEMA,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": f"now-{span}", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_sources(), _namespaces()]},
        "panels": _laid_out(rows),
    }


def questions(board: dict[str, Any]) -> list[str]:
    """Every question of a dashboard."""
    return [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]


def _laid_out(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Every panel with its place."""
    made: list[dict[str, Any]] = []
    y = 0
    for row in rows:
        made.append(_heading(row.title, len(made) + 1, y))
        x, y, tallest = 0, y + 1, 0
        for panel in row.panels:
            if x + panel.width > WIDTH:
                x, y, tallest = 0, y + tallest, 0
            made.append(_panel(panel, len(made) + 1, {"x": x, "y": y, "w": panel.width, "h": panel.height}))
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest
    return made


def _heading(title: str, number: int, y: int) -> dict[str, Any]:
    place = {"x": 0, "y": y, "w": WIDTH, "h": 1}
    return {"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []}


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    levels = panel.levels or (("green", None),)
    coloured = bool(panel.levels)
    defaults: dict[str, Any] = {
        "unit": panel.unit,
        "thresholds": {
            "mode": "absolute",
            "steps": [{"color": colour, "value": value} for colour, value in levels],
        },
    }
    if panel.kind == "timeseries":
        # A line where it becomes bad says more than its colour to whoever can't tell the colours.
        defaults |= {"min": 0, "custom": {"thresholdsStyle": {"mode": "dashed" if coloured else "off"}}}
    else:
        defaults |= {"noValue": "–"}
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": _stat() if panel.kind == "stat" else _lines(),
        "targets": [
            {
                "refId": chr(ord("A") + place_),
                "datasource": _SOURCE,
                "expr": ask.expr,
                "legendFormat": ask.legend or "__auto",
                "instant": panel.kind == "stat",
                "range": panel.kind != "stat",
            }
            for place_, ask in enumerate(panel.asks)
        ],
    }


def _stat() -> dict[str, Any]:
    return {
        "colorMode": "background",
        "graphMode": "none",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": "auto",
    }


def _lines() -> dict[str, Any]:
    return {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }


def _sources() -> dict[str, Any]:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "hide": 0}


def _namespaces() -> dict[str, Any]:
    asked = "label_values(placet_ready, namespace)"
    return {
        "name": "namespace",
        "label": "Namespace",
        "type": "query",
        "datasource": _SOURCE,
        "definition": asked,
        "query": {"query": asked, "refId": "namespaces"},
        "refresh": 2,
        "sort": 1,
        "includeAll": False,
        "multi": False,
        "hide": 0,
    }
