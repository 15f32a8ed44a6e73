"""The table of the chart's values, made from values.yaml itself: each comment above a key is that key's sentence."""

import re
from collections.abc import Iterator
from typing import Any

import yaml

_KEY = re.compile(r"^(?P<indent> *)(?P<name>[A-Za-z][A-Za-z0-9-]*):")


def table(text: str) -> str:
    """Markdown rows: key, default, what it is for. A key without a comment of its own is told by the one above it."""
    defaults = yaml.safe_load(text)
    rows = ["| value | default | |\n", "|---|---|---|\n"]
    rows += [f"| `{name}` | {_default(_at(defaults, name))} | {about} |\n" for name, about in _commented(text)]
    return "".join(rows)


def _commented(text: str) -> Iterator[tuple[str, str]]:
    """Every key that has a comment, as a dotted path."""
    path: list[tuple[int, str]] = []
    comment: list[str] = []
    for line in text.splitlines():
        if line.strip().startswith("#"):
            comment.append(line.strip().removeprefix("#").strip())
            continue
        key = _KEY.match(line)
        if key is not None:
            indent = len(key["indent"])
            path = [*((deep, name) for deep, name in path if deep < indent), (indent, key["name"])]
            if comment:
                yield ".".join(name for _, name in path), " ".join(comment).replace("|", "\\|")
        comment = []


def _at(defaults: Any, name: str) -> Any:
    for step in name.split("."):
        defaults = defaults[step]
    return defaults


def _default(value: Any) -> str:
    """A scalar as it is; of a larger thing only that it is one, for it stands in values.yaml."""
    if value in ("", [], {}, None):
        return "–"
    if isinstance(value, dict) or len(str(value)) > 40:
        return "see values.yaml"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
